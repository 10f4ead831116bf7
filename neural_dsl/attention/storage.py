"""A record on disk: `attention.npz` with the weights, `attention_metrics.json` beside it.

The `.npz` holds one float32 array (batch, heads, query, key) per attention name and
nothing else, so that `numpy.load` is all that others need. Kind, masks, tokens,
provenance and the metrics stand in the JSON. Both are written byte for byte the same
for the same record, and neither is ever pickled.
"""

from __future__ import annotations

import json
import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.analysis import analyse
from neural_dsl.attention.record import (
    AttentionRecord,
    LayerAttention,
    Provenance,
    Tokens,
)
from neural_dsl.source import open_regular, read_regular

SCHEMA_VERSION = 1
STEM = "attention"
WEIGHTS_FILE = f"{STEM}.npz"
METRICS_FILE = f"{STEM}_metrics.json"


class RecordError(ValueError):
    """The files of a record are damaged, do not belong together, or are too new."""


def metrics_document(record: AttentionRecord) -> dict[str, Any]:
    """What `attention_metrics.json` says: schema version, provenance, layers, heads."""
    return {
        "schema_version": SCHEMA_VERSION,
        "provenance": record.provenance.as_dict(),
        "layers": analyse(record),
    }


def metrics_json(record: AttentionRecord) -> str:
    """The text of `attention_metrics.json`; undefined values are null.

    Laid out for reading and for diffs: one line a head, one line a mask.
    """
    document = metrics_document(record)
    layers = ",\n".join(_layer_json(entry) for entry in document["layers"])
    return (
        f'{{\n"schema_version": {SCHEMA_VERSION},\n'
        f'"provenance": {_json(document["provenance"])},\n'
        f'"layers": [\n{layers}\n]\n}}\n'
    )


def _layer_json(entry: dict[str, Any]) -> str:
    heads = ",\n".join("   " + _json(head) for head in entry["heads"])
    facts = [f' "{key}": {_json(entry[key])}' for key in entry if key != "heads"]
    return "{\n" + ",\n".join([*facts, f' "heads": [\n{heads}\n ]']) + "\n}"


def _json(value: Any) -> str:
    """ASCII, because UTF-8 cannot hold the lone surrogates that a token may contain."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def write_npz(record: AttentionRecord, file: IO[bytes]) -> None:
    """Write `attention.npz` to an open binary file, in the record's order.

    Not `numpy.savez`, whose keyword `file` a layer of that name would collide with. An
    entry has a fixed date, so the same record gives the same bytes.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for layer in record.layers:
            weights = np.ascontiguousarray(layer.weights, dtype=np.float32)
            entry = zipfile.ZipInfo(
                f"{layer.name}.npy", date_time=(1980, 1, 1, 0, 0, 0)
            )
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
    except (
        ValueError,
        KeyError,
        TypeError,
        EOFError,  # of an empty file
        RecursionError,
        zipfile.BadZipFile,
    ) as problem:
        raise RecordError(
            f"{directory} holds no readable record: {problem}"
        ) from problem


def _layer(entry: dict[str, Any], archive: Any) -> LayerAttention:
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
    return LayerAttention(
        name=name,
        kind=entry["kind"],
        weights=weights,
        allowed=_rule(entry, (batch, queries, keys)),
        query_tokens=_tokens(entry["query_tokens"]),
        key_tokens=_tokens(entry["key_tokens"]),
        expected=_cells(entry.get("expected"), (batch, queries, keys), name),
    )


def _rule(entry: dict[str, Any], shape: tuple[int, int, int]) -> Allowed:
    """Where the queries may look. Raises ValueError for masks of another shape."""
    dense = entry.get("dense")
    if dense is not None:
        bits = np.frombuffer(bytes.fromhex(dense["cells"]), dtype=np.uint8)
        count = prod(dense["shape"])
        dense = np.unpackbits(bits, count=count).astype(bool).reshape(dense["shape"])
    masks = (entry["key_mask"], entry["query_mask"])
    keys, queries = (None if m is None else np.asarray(m, dtype=bool) for m in masks)
    return Allowed(
        shape,
        causal=entry["kind"] == "causal",
        window=entry.get("window"),
        offset=entry.get("offset", 0),
        key_valid=keys,
        query_valid=queries,
        dense=dense,
    )


def _cells(
    values: list[list[list[int]]] | None, shape: tuple[int, int, int], name: str
) -> npt.NDArray[np.bool_] | None:
    """The (query, key) pairs of each item as bool (batch, query, key)."""
    if values is None:
        return None
    if len(values) != shape[0]:
        raise RecordError(
            f"{name!r} expects cells of {len(values)} of {shape[0]} items"
        )
    cells = np.zeros(shape, dtype=bool)
    for item, pairs in enumerate(values):
        for query, key in pairs:
            if not (0 <= query < shape[1] and 0 <= key < shape[2]):
                raise RecordError(f"{name!r} expects a cell {(query, key)} outside it")
            cells[item, query, key] = True
    return cells


def _tokens(values: list[list[str]] | None) -> Tokens | None:
    return None if values is None else tuple(tuple(item) for item in values)
