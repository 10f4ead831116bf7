"""Your own arrays of examples, from a .npz file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neural_dsl.tasks.base import Split, Task


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name. Raises OSError, and ValueError if it is none."""
    with Path(path).open("rb") as file:
        if file.read(2) != b"PK":
            raise ValueError(f"{path} is not a .npz file: write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # damaged files make NumPy raise nearly anything
        if "pickle" in str(error):
            error = ValueError("it holds Python objects, which could run any code")
        raise ValueError(f"{path} cannot be read: {error}") from error


def convert(name: str, array: np.ndarray, whole: bool) -> np.ndarray:
    """The array as int64 (`whole` numbers) or as float32. Raises ValueError."""
    if array.dtype.kind not in ("biu" if whole else "biuf"):
        wanted = "whole numbers" if whole else "numbers"
        raise ValueError(f"`{name}` must hold {wanted}, not {array.dtype} values")
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"`{name}` holds no examples: its shape is {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(array)))
        raise ValueError(f"`{name}` holds {array[place]} at {place}")
    return array.astype(np.int64 if whole else np.float32)


class Arrays(Task):
    """Examples x and their targets y, from the .npz file at `path`.

    Whole numbers in y are labels, other numbers are values to come close to. Several
    `inputs` have arrays of their own names; those in `ids` hold token ids. Where the
    file has no `x_validation` and `y_validation`, or no `x_test` and `y_test`, a tenth
    of the examples is held out; examples with equal inputs stay together.
    """

    causal = False

    def __init__(
        self,
        path: str,
        inputs: Sequence[str] = ("x",),
        ids: Sequence[str] = (),
        data_seed: int = 0,
    ):
        self.path, self.inputs, self.ids = path, tuple(inputs), tuple(ids)
        arrays = read_arrays(path)
        self.examples: dict[Split, dict[str, np.ndarray]] = {}
        self.examples["train"] = self.read(arrays, "")
        missing: list[Split] = []
        held_out: tuple[Split, ...] = ("validation", "test")
        for split in held_out:
            if any(f"{name}_{split}" in arrays for name in (*self.inputs, "y")):
                self.examples[split] = self.read(arrays, f"_{split}")
            else:
                missing.append(split)
        self.hold_out(missing, np.random.default_rng(data_seed))
        train = self.examples["train"]
        self.measure = "accuracy" if train["y"].dtype == np.int64 else "loss"
        self.max_length = max((train[name].shape[1] for name in self.ids), default=0)
        self.symbols = []  # ids come as they are; nothing here knows their meaning

    def read(self, arrays: dict[str, np.ndarray], suffix: str) -> dict[str, np.ndarray]:
        """The inputs and the y of one split. Raises ValueError."""
        found = {}
        for name in (*self.inputs, "y"):
            full = name + suffix
            if full not in arrays:
                held = ", ".join(f"`{each}`" for each in arrays) or "nothing"
                raise ValueError(f"{self.path} has no `{full}`; it holds {held}")
            array = arrays[full]
            whole = array.dtype.kind in "biu" if name == "y" else name in self.ids
            array = found[name] = convert(full, array, whole)
            if name in self.ids and array.ndim != 2:
                shape = f"(examples, length), not {array.shape}"
                raise ValueError(f"`{full}` holds token ids: its shape must be {shape}")
            if name == "y" and whole and array.ndim == 2 and array.shape[1] == 1:
                found["y"] = array[:, 0]  # labels in a column
            known = self.examples.get("train", found)[name]
            if found[name].shape[1:] != known.shape[1:] or array.dtype != known.dtype:
                raise ValueError(
                    f"`{full}` {array.shape} {array.dtype} does not match "
                    f"`{name}` {known.shape} {known.dtype}"
                )
        if len({len(array) for array in found.values()}) > 1:
            sizes = ", ".join(f"`{n}{suffix}` {len(a):,}" for n, a in found.items())
            raise ValueError(f"the arrays differ in their number of examples: {sizes}")
        return found

    def hold_out(self, splits: Sequence[Split], rng: np.random.Generator) -> None:
        """Move a tenth of the examples to each of these splits. Raises ValueError."""
        train = self.examples["train"]
        numbers: dict[bytes, int] = {}  # of distinct inputs
        group = np.empty(len(train["y"]), dtype=np.int64)
        for i in range(len(group)):
            example = b"".join(train[name][i].tobytes() for name in self.inputs)
            group[i] = numbers.setdefault(
                hashlib.sha256(example).digest(), len(numbers)
            )
        if len(numbers) <= len(splits):
            plural = "s" * (len(numbers) != 1)
            raise ValueError(
                f"{self.path} has {len(numbers)} different example{plural}: too few to "
                f"hold some out for {' and '.join(splits)}"
            )
        order = rng.permutation(len(numbers))
        tenth = max(1, len(numbers) // 10)
        for split in splits:
            chosen = np.isin(group, order[:tenth])
            self.examples[split] = {name: a[chosen] for name, a in train.items()}
            order = order[tenth:]
        kept = np.isin(group, order)
        self.examples["train"] = {name: a[kept] for name, a in train.items()}

    def size(self, split: Split) -> int:
        """The number of examples in a split."""
        return len(self.examples[split]["y"])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of some examples; several inputs come as a tuple."""
        arrays = self.examples[split]
        x: Any = tuple(arrays[name][indices] for name in self.inputs)
        return x[0] if len(x) == 1 else x, arrays["y"][indices]
