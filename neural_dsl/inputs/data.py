"""The arrays that a user gives: read from .npy and .npz, checked, converted.

What leaves this module fits the network's inputs: int64 ids inside the vocabulary, or
finite float32, one batch size for all. Codes NE120 to NE127.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Input
from neural_dsl.inputs.stored import AnyArray, Member, read
from neural_dsl.inputs.tokens import told

UNNAMED = ("arr_0", "x")
"""What the only input may be called beside its name: `numpy.savez` calls an array without
a name so, and the task `Arrays` the inputs of its examples."""
SPLITS = ("", "_validation", "_test")

Data: TypeAlias = str | os.PathLike[str] | AnyArray | Mapping[str, AnyArray]


def read_arrays(
    data: Data, inputs: tuple[Input, ...]
) -> tuple[dict[str, AnyArray], str]:
    """Each input's array as the network takes it, and where they came from.

    Shapes must fit apart from the batch axis and the length, which `lengths` judges.
    Raises NE120 to NE127.
    """
    given: AnyArray | Mapping[str, AnyArray | Member]
    if isinstance(data, str | os.PathLike):
        given, origin = read(Path(data)), Path(data).name
    else:
        given, origin = data, "an array"
    keys = _keys(given, [item.name for item in inputs], origin)
    alone = len(inputs) == 1
    arrays: dict[str, AnyArray] = {}
    for item, key in zip(inputs, keys, strict=True):  # read all before one is checked
        named = isinstance(given, Mapping) and not (alone and key in UNNAMED)
        label = f"`{key}` in {origin}" if named else origin
        array = given[key] if isinstance(given, Mapping) else given
        if isinstance(array, Member):  # is read only if its shape fits
            _check_shape(item, array.header[0], label)
            array = array.read()
        arrays[item.name] = _as_array(array, label)
    for item in inputs:
        label = origin if alone else f"`{item.name}` in {origin}"
        arrays[item.name] = _checked(item, arrays[item.name], label)
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        each = ", ".join(f"`{name}` has {size}" for name, size in sizes.items())
        message = f"the inputs differ in their number of examples: {each}"
        raise refusal("NE127", message, help="give every input the same first axis")
    return arrays, origin


def _keys(
    given: AnyArray | Mapping[str, object], names: list[str], origin: str
) -> list[str]:
    """What the array of each input is called. Raises NE126 when arrays are missing,
    unknown or not told apart."""
    if not isinstance(given, Mapping):
        if len(names) == 1:
            return names
        listed = f"{len(names)} inputs: " + ", ".join(f"`{name}`" for name in names)
        message = f"one array was given, and the network has {listed}"
        help = "numpy.savez('X.npz', " + ", ".join(f"{n}=…" for n in names) + ")"
        raise refusal("NE126", message, help=help)
    there = list(given)
    if "y" in there:
        # Of the examples that the task `Arrays` trains on only the inputs are read: no
        # targets, and no split that is held out. Other files are taken at their word.
        own = {*names, *UNNAMED}
        aside = {f"{name}{split}" for name in (*own, "y") for split in SPLITS} - own
        there = [name for name in there if name not in aside]
    if len(names) == len(there) == 1 and there[0] in UNNAMED:
        return there
    missing = ", ".join(f"`{name}`" for name in names if name not in there)
    unknown = [name for name in there if name not in names]
    if missing or unknown:
        problems = [f"no array for {missing}"] if missing else []
        if unknown:
            problems.append("unknown " + ", ".join(quoted(n) for n in unknown))
        message = f"the names in {quoted(origin)} do not match: {'; '.join(problems)}"
        raise refusal("NE126", message, help=told(names, unknown))
    return names


def _check_shape(item: Input, found: tuple[int, ...], label: str) -> None:
    """Raise NE122 unless a shape, with its batch axis, fits the input."""
    shape = item.tensor.shape
    sizes = ("batch", *("any length" if n is None else str(n) for n in shape))
    help = f"the shape must be ({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
    message = f"{label} has the shape {found}"
    if len(found) != len(shape) + 1:
        if len(found) == len(shape):
            help += "; for one example add the batch axis: x[numpy.newaxis]"
        raise refusal("NE122", message, help=help)
    if 0 in found:
        raise refusal("NE122", f"{label} is empty: its shape is {found}")
    for axis, (size, declared) in enumerate(zip(found[1:], shape, strict=True)):
        resizable = axis == 0 and item.is_sequence
        if declared is not None and size != declared and not resizable:
            message += f", with {size} where the network declares {declared}"
            raise refusal("NE122", message, help=help)


def _as_array(given: object, label: str) -> AnyArray:
    """Anything as an array. Raises NE122 for rows of different lengths."""
    try:
        return np.asarray(given)
    except ValueError as error:
        message = f"{label} has no one shape: {error}"
        help = "pad the shorter rows, or give one example at a time"
        raise refusal("NE122", message, help=help) from None


def _checked(item: Input, array: AnyArray, label: str) -> AnyArray:
    """int64 ids, each in 0 … vocabulary - 1, or finite float32; `label` names the array
    in messages. Raises NE122 to NE125."""
    _check_shape(item, array.shape, label)
    ids, top = item.tensor.dtype == "ids", item.vocabulary
    if array.dtype.kind not in ("iu" if ids else "fiu"):
        takes = "token ids are whole numbers" if ids else "this input takes numbers"
        message = f"{label} holds {array.dtype} values; {takes}"
        help = f"convert it: x.astype(numpy.{'int64' if ids else 'float32'})"
        raise refusal("NE123", message, help=help)
    if ids:
        low, high = int(array.min()), int(array.max())
        if top is not None and (low < 0 or high >= top):
            bad = low if low < 0 else high
            where = _first(array == bad)
            message = f"{label} holds the id {bad} (at {where}), outside the vocabulary"
            help = f"ids go from 0 to {top - 1}: the Embedding has input_dim={top}"
            raise refusal("NE125", message, help=help)
        return array.astype(np.int64)
    with np.errstate(over="ignore"):
        converted: AnyArray = array.astype(np.float32)
    finite = np.isfinite(converted)
    if not finite.all():
        where, count = _first(~finite), int(converted.size - finite.sum())
        value = array[where]
        what = "NaN" if np.isnan(value) else f"{value}"
        what += ", too large for float32" if np.isfinite(value) else ""
        what += f" (at {where})" + (f" and {count - 1:,} more" if count > 1 else "")
        message = f"{label} holds {what}; every number must be finite"
        help = "find them with numpy.argwhere(~numpy.isfinite(x))"
        raise refusal("NE124", message, help=help)
    return converted


def _first(bad: AnyArray) -> tuple[int, ...]:
    """Where the first true cell stands."""
    return tuple(int(places[0]) for places in np.nonzero(bad))
