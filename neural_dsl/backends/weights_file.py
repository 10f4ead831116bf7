"""Weights on disk: safetensors, read and written as NumPy arrays. Nothing is pickled."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.backends.base import Arrays
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.source import open_regular

# safetensors' names of number types -> NumPy's, as stored (little-endian).
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


@dataclass(frozen=True)
class WeightsFile:
    """What a file holds: arrays by name, and its metadata."""

    arrays: dict[str, npt.NDArray[np.generic]]
    metadata: dict[str, str]


def save(
    path: str | os.PathLike[str],
    arrays: Arrays,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays to a safetensors file, whole or not at all.

    The file is written beside its place and renamed. Raises NeuralError NE105 when it
    cannot be written.
    """
    target = Path(path)
    data = encoded(arrays, metadata)
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}."
        )
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        _give_default_mode(temporary)
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise refusal(
            "NE105",
            f"cannot write the weights file {target}: {error.strerror or error}",
            help="choose a file in a directory that exists and can be written",
        ) from error


def encoded(arrays: Arrays, metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file."""
    import safetensors.numpy

    contiguous: dict[str, Any] = {
        # Not ascontiguousarray, which turns a single number into an array of one.
        name: np.array(array, order="C")
        for name, array in arrays.items()
    }
    return _with_metadata(safetensors.numpy.save(contiguous), dict(metadata or {}))


def load(path: str | os.PathLike[str]) -> WeightsFile:
    """Read a safetensors file.

    bfloat16 arrays become float32, which holds every bfloat16 number exactly; all others
    keep their type. Raises NeuralError NE103 when the file cannot be read or is no
    safetensors file.
    """
    import safetensors

    target = Path(path)
    try:
        with open_regular(target) as file:
            data = file.read()
    except OSError as error:
        raise _unreadable(target, error.strerror or str(error)) from error
    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        arrays = {name: _array(entry) for name, entry in entries}
    except (safetensors.SafetensorError, ValueError) as error:
        raise _unreadable(target, _reason(data, error)) from error
    return WeightsFile(arrays, _metadata(data))


def _array(entry: Mapping[str, Any]) -> npt.NDArray[np.generic]:
    """One stored tensor as NumPy knows it."""
    kind, shape = entry["dtype"], entry["shape"]
    if kind == "BF16":
        # bfloat16 is the upper half of a float32.
        halves = np.frombuffer(entry["data"], dtype="<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    if kind not in DTYPES:
        raise ValueError(f"it stores numbers of the type {kind}")
    return np.frombuffer(entry["data"], dtype=DTYPES[kind]).reshape(shape)


def _with_metadata(data: bytes, metadata: dict[str, str]) -> bytes:
    """The same file with metadata in a fixed order; safetensors itself would write it in
    another order every time."""
    if not metadata:
        return data
    length = int.from_bytes(data[:8], "little")
    header = {"__metadata__": metadata} | json.loads(data[8 : 8 + length])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format keeps the arrays aligned
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _metadata(data: bytes) -> dict[str, str]:
    """The `__metadata__` of a file that has just been read without error."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return dict(header.get("__metadata__") or {})


def _reason(data: bytes, error: Exception) -> str:
    """Why the bytes are no safetensors file; says what they look like instead."""
    if not data:
        return "the file is empty"
    looks = {
        b"PK\x03\x04": "it looks like a PyTorch, Keras or NumPy zip archive",
        b"\x80": "it looks like a pickle, which is never opened",
        b"\x89HDF": "it looks like an HDF5 file",
        b"\x93NUMPY": "it looks like a NumPy array",
    }
    for start, name in looks.items():
        if data.startswith(start) and len(data) > 8 and data[8:9] != b"{":
            return name
    detail = str(error).replace("Error while deserializing: ", "")
    return f"it is no safetensors file, or not the whole of one ({detail})"


def _unreadable(path: Path, reason: str) -> NeuralError:
    return refusal(
        "NE103",
        f"cannot read the weights file {path}: {reason}",
        help="weights are safetensors files, as `--save-weights` writes them",
    )


def _give_default_mode(path: Path) -> None:
    """`mkstemp` makes private files; give this one what `open` would have given it."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
