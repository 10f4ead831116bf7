"""Weights on disk: safetensors, read and written as NumPy arrays. Nothing is pickled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neural_dsl.backends.canonical import Array, Arrays
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import write_bytes
from neural_dsl.source import open_regular

DTYPES = {
    **{f"F{bits}": f"<f{bits // 8}" for bits in (64, 32, 16)},
    **{f"I{bits}": f"<i{bits // 8}" for bits in (64, 32, 16, 8)},
    **{f"U{bits}": f"<u{bits // 8}" for bits in (64, 32, 16, 8)},
    "BOOL": "?",
}
"""safetensors' names of number types -> NumPy's, as stored (little-endian)."""

LOOKS = {
    b"PK\x03\x04": "it looks like a PyTorch, Keras or NumPy zip archive",
    b"\x80": "it looks like a pickle, which is never opened",
    b"\x89HDF": "it looks like an HDF5 file",
    b"\x93NUMPY": "it looks like a NumPy array",
}


@dataclass(frozen=True)
class WeightsFile:
    """What a file holds: arrays by name, and its metadata."""

    arrays: dict[str, Array]
    metadata: dict[str, str]


def save(
    path: str | os.PathLike[str],
    arrays: Arrays,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays to a safetensors file, whole or not at all. Raises NeuralError NE105
    when it cannot be written."""
    try:
        write_bytes(Path(path), encoded(arrays, metadata))
    except NeuralError as error:
        reason = error.__cause__
        raise refusal(
            "NE105",
            f"cannot write the weights file {Path(path)}: "
            f"{getattr(reason, 'strerror', None) or reason}",
            help="choose a file in a directory that exists and can be written",
        ) from error


def encoded(arrays: Arrays, metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file."""
    import safetensors.numpy

    # Not ascontiguousarray, which turns a single number into an array of one.
    contiguous: dict[str, Any] = {k: np.array(v, order="C") for k, v in arrays.items()}
    data = safetensors.numpy.save(contiguous)
    if not metadata:
        return data
    # In a fixed order; safetensors itself would write it in another order every time.
    header, rest = _parted(data)
    given = {"__metadata__": dict(metadata)} | header
    text = json.dumps(given, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format keeps the arrays aligned
    return len(text).to_bytes(8, "little") + text + rest


def load(path: str | os.PathLike[str]) -> WeightsFile:
    """Read a safetensors file.

    bfloat16 arrays become float32, which holds every bfloat16 number exactly; all others
    keep their type. Raises NeuralError NE103 when the file cannot be read or is no
    safetensors file.
    """
    import safetensors

    data = None
    try:
        with open_regular(path) as file:
            data = file.read()
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        arrays = {name: _array(entry) for name, entry in entries}
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        reason = words if data is None else _reason(data, words)
        raise refusal(
            "NE103",
            f"cannot read the weights file {Path(path)}: {reason}",
            help="weights are safetensors files, as `--save-weights` writes them",
        ) from error
    return WeightsFile(arrays, dict(_parted(data)[0].get("__metadata__") or {}))


def _array(entry: Mapping[str, Any]) -> Array:
    """One stored tensor as NumPy knows it."""
    kind, shape = entry["dtype"], entry["shape"]
    if kind == "BF16":
        # bfloat16 is the upper half of a float32.
        halves = np.frombuffer(entry["data"], dtype="<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    if kind not in DTYPES:
        raise ValueError(f"it stores numbers of the type {kind}")
    return np.frombuffer(entry["data"], dtype=DTYPES[kind]).reshape(shape)


def _parted(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a file that can be read, and the rest."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def _reason(data: bytes, detail: str) -> str:
    """Why the bytes are no safetensors file; says what they look like instead."""
    if not data:
        return "the file is empty"
    for start, name in LOOKS.items():
        if data.startswith(start) and len(data) > 8 and data[8:9] != b"{":
            return name
    detail = detail.replace("Error while deserializing: ", "")
    return f"it is no safetensors file, or not the whole of one ({detail})"
