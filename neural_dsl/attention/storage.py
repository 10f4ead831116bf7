"""A record on disk: `attention.npz` with the weights, `attention_metrics.json` beside it.

The `.npz` holds one float32 array (batch, heads, query, key) per attention name and
nothing else, so that `numpy.load` is all that others need. Kind, masks, tokens,
provenance and the metrics stand in the JSON. Both are written byte for byte the same
for the same record, and neither is ever pickled.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from neural_dsl.attention.allowed import Allowed, Bools
from neural_dsl.attention.expected import expected_mass
from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.record import AttentionRecord, LayerAttention, Provenance
from neural_dsl.source import open_regular, read_regular

SCHEMA_VERSION = 1
STEM = "attention"
WEIGHTS_FILE = f"{STEM}.npz"
METRICS_FILE = f"{STEM}_metrics.json"


class RecordError(ValueError):
    """The files of a record are damaged, do not belong together, or are too new."""


def analyse(record: AttentionRecord) -> list[dict[str, Any]]:
    """Every attention of the record as plain data that JSON can hold.

    Each entry has name, kind, shape (batch, heads, query, key), key_mask, query_mask,
    query_tokens, key_tokens (null where the record has none) and heads: one dict a head,
    {"head": 0, "entropy": …, …}. Undefined values are None; numbers have 8 decimals.
    Rules about masks beyond kind and key_mask, where there are any: window, offset, and
    dense, whose cells are the bits of hexadecimal digits, row by row.
    Where the record says what is expected, there are also "expected", the (query, key)
    pairs of each item, and for each head "expected_mass", its attention on them.
    """
    return [_plain(layer) for layer in record]


def analysis_block(record: AttentionRecord) -> str:
    """The text "Attention Analysis:", averages over heads with 3 decimals, or n/a where a
    metric is undefined for all of them."""
    lines = ["Attention Analysis:", f"  Layers with attention: {len(record)}"]
    for layer in record:
        head = f"  {layer.name}: {layer.shape}"
        lines += [head, f"    - Num heads: {layer.num_heads}"]
        values = layer.values()
        for name, metric in METRICS.items():
            if metric.heading:
                known = values[name][~np.isnan(values[name])]
                mean = f"{known.mean():.3f}" if known.size else "n/a"
                lines.append(f"    - {metric.heading}: {mean}")
    return "\n".join(lines)


def metrics_document(record: AttentionRecord) -> dict[str, Any]:
    """What `attention_metrics.json` says: schema version, provenance, layers, heads."""
    return {
        "schema_version": SCHEMA_VERSION,
        "provenance": asdict(record.provenance),
        "layers": analyse(record),
    }


def metrics_json(record: AttentionRecord) -> str:
    """The text of `attention_metrics.json`; undefined values are null.

    Laid out for reading and for diffs: one line a head, one line a mask. In ASCII,
    because UTF-8 cannot hold the lone surrogates that a token may contain.
    """

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=True, allow_nan=False)

    def of_layer(entry: dict[str, Any]) -> str:
        heads = ",\n".join("   " + text(head) for head in entry.pop("heads"))
        facts = [f' "{key}": {text(value)}' for key, value in entry.items()]
        return "{\n" + ",\n".join([*facts, f' "heads": [\n{heads}\n ]']) + "\n}"

    document = metrics_document(record)
    layers = ",\n".join(map(of_layer, document.pop("layers")))
    facts = "".join(f'"{key}": {text(value)},\n' for key, value in document.items())
    return f'{{\n{facts}"layers": [\n{layers}\n]\n}}\n'


def write_npz(record: AttentionRecord, file: IO[bytes]) -> None:
    """Write `attention.npz` to an open binary file, in the record's order.

    Not `numpy.savez`, whose keyword `file` a layer of that name would collide with. An
    entry has a fixed date, so the same record gives the same bytes.
    """
    with ZipFile(file, "w") as archive:
        for layer in record:
            weights = np.ascontiguousarray(layer.weights, dtype=np.float32)
            entry = ZipInfo(f"{layer.name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, weights, allow_pickle=False)


def save_record(
    record: AttentionRecord, directory: str | Path, stem: str = STEM
) -> tuple[Path, Path]:
    """Write both files into an existing directory and return their paths.

    `stem` tells several records of one folder apart: attention_2.npz for "attention_2".
    """
    weights, metrics = _places(directory, stem)
    with weights.open("wb") as file:
        write_npz(record, file)
    metrics.write_text(metrics_json(record), encoding="ascii", newline="\n")
    return weights, metrics


def _places(directory: str | Path, stem: str) -> tuple[Path, Path]:
    """Where the weights and the metrics of a record stand."""
    return Path(directory) / f"{stem}.npz", Path(directory) / f"{stem}_metrics.json"


def load_record(directory: str | Path, stem: str = STEM) -> AttentionRecord:
    """Read back what `save_record` wrote.

    Raises RecordError when the files are damaged or do not fit each other, and OSError
    when they cannot be read. Nothing is unpickled.
    """
    weights, metrics = _places(directory, stem)
    damaged = (ValueError, KeyError, TypeError, EOFError, RecursionError, BadZipFile)
    try:
        document = json.loads(read_regular(metrics))
        version = document["schema_version"]
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"{METRICS_FILE} has schema version {version!r}; this release reads "
                f"version {SCHEMA_VERSION}"
            )
        with (
            open_regular(weights) as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            layers = tuple(_layer(entry, archive) for entry in document["layers"])
        return AttentionRecord(layers, Provenance(**document["provenance"]))
    except RecordError:
        raise
    except damaged as problem:
        message = f"{directory} holds no readable record: {problem}"
        raise RecordError(message) from problem


def _plain(layer: LayerAttention) -> dict[str, Any]:
    """What `analyse` tells of an attention."""
    rule, masses = layer.allowed, {}
    rest: dict[str, Any] = {} if rule.window is None else {"window": rule.window}
    if rule.offset:
        rest["offset"] = rule.offset
    if rule.dense is not None:
        cells = np.packbits(rule.dense).tobytes().hex()
        rest["dense"] = {"shape": list(rule.dense.shape), "cells": cells}
    if layer.expected is not None:
        rest["expected"] = [np.argwhere(item).tolist() for item in layer.expected]
        masses = {"expected_mass": expected_mass(layer)}
    values = layer.values() | masses
    heads = [
        {"head": head} | {name: _number(values[name][head]) for name in values}
        for head in range(layer.num_heads)
    ]
    masks = {"key_mask": layer.key_mask, "query_mask": layer.query_mask}
    tokens = {"query_tokens": layer.query_tokens, "key_tokens": layer.key_tokens}
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": list(layer.shape),
        **{name: None if m is None else m.tolist() for name, m in masks.items()},
        **{name: t and [list(item) for item in t] for name, t in tokens.items()},
        **rest,
        "heads": heads,
    }


def _number(value: float) -> float | None:
    """A Python float for JSON, None for NaN; + 0.0 turns -0.0 into 0.0."""
    return None if math.isnan(value) else round(float(value), 8) + 0.0


def _layer(entry: dict[str, Any], archive: Any) -> LayerAttention:
    """The reverse of `_plain`. Raises ValueError for masks of another shape."""
    name = entry["name"]
    if name not in archive.files:
        raise RecordError(f"{WEIGHTS_FILE} has no array {name!r}")
    weights = archive[name]
    if list(weights.shape) != entry["shape"] or weights.dtype != np.float32:
        raise RecordError(
            f"{WEIGHTS_FILE} holds {name!r} as {weights.dtype} {list(weights.shape)}, "
            f"{METRICS_FILE} says float32 {entry['shape']}"
        )
    batch, _, queries, keys = weights.shape
    shape = batch, queries, keys
    dense = entry.get("dense")
    if dense is not None:
        bits = np.frombuffer(bytes.fromhex(dense["cells"]), dtype=np.uint8)
        cells = np.unpackbits(bits, count=math.prod(dense["shape"]))
        dense = cells.astype(bool).reshape(dense["shape"])
    key_valid, query_valid = (
        None if entry[mask] is None else np.asarray(entry[mask], dtype=bool)
        for mask in ("key_mask", "query_mask")
    )
    window, offset = entry.get("window"), entry.get("offset", 0)
    causal = entry["kind"] == "causal"
    query_tokens, key_tokens = (
        None if entry[one] is None else tuple(tuple(item) for item in entry[one])
        for one in ("query_tokens", "key_tokens")
    )
    return LayerAttention(
        name,
        entry["kind"],
        weights,
        Allowed(shape, causal, window, offset, key_valid, query_valid, dense),
        query_tokens,
        key_tokens,
        _cells(entry.get("expected"), shape, name),
    )


def _cells(
    values: list[list[list[int]]] | None, shape: tuple[int, int, int], name: str
) -> Bools | None:
    """The (query, key) pairs of each item as bool (batch, query, key)."""
    if values is None:
        return None
    batch, queries, keys = shape
    if len(values) != batch:
        raise RecordError(f"{name!r} expects cells of {len(values)} of {batch} items")
    cells = np.zeros(shape, dtype=bool)
    for item, pairs in enumerate(values):
        for query, key in pairs:
            if not (0 <= query < queries and 0 <= key < keys):
                raise RecordError(f"{name!r} expects a cell {(query, key)} outside it")
            cells[item, query, key] = True
    return cells
