"""Your own arrays of examples, from a .npz file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neural_dsl.catalogue.spec import Params, parameter
from neural_dsl.tasks.base import Split
from neural_dsl.tasks.lazy import np
from neural_dsl.tasks.reading import array_headers, unusable
from neural_dsl.tasks.spec import GivenTask, TaskSpec


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


class Arrays(GivenTask):
    """Examples x and their targets y, from the .npz file at `path`.

    Whole numbers in y are labels, other numbers are values to come close to. Several
    inputs have arrays of their own names. Where the file has no `x_validation` and
    `y_validation`, or no `x_test` and `y_test`, a tenth of the examples is held out;
    examples with equal inputs stay together.

    `params["inputs"]` are the names of these, `params["ids"]` of those that hold ids.
    Raises OSError and ValueError for a file without usable examples.
    """

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.path = str(self.folder / self.params["path"])
        self.inputs, self.ids = self.params["inputs"], self.params["ids"]
        arrays, missing = read_arrays(self.path), 0
        train = self.read(arrays, "")
        for suffix in ("_validation", "_test"):
            if any(f"{name}{suffix}" in arrays for name in (*self.inputs, "y")):
                self.read(arrays, suffix, train)
            else:
                missing += 1
        different = set[bytes]()  # inputs, as far as it matters
        rows = zip(*(train[name] for name in self.inputs), strict=True)
        while len(different) <= missing and (row := next(rows, None)):
            different.add(b"".join(part.tobytes() for part in row))
        if len(different) <= missing:
            plural = "s" * (len(different) != 1)
            raise ValueError(
                f"{self.path} has {len(different)} different example{plural}: too few to "
                "hold some out"
            )
        self.measure = "accuracy" if train["y"].dtype == np.int64 else "loss"
        self.max_length = max((train[name].shape[1] for name in self.ids), default=0)
        self.symbols = []  # nothing here knows what ids mean

    def read(
        self,
        arrays: dict[str, np.ndarray],
        suffix: str,
        train: dict[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """The inputs and the y of one split, alike those of training. Raises ValueError."""
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
            known = (train or found)[name]
            if found[name].shape[1:] != known.shape[1:] or array.dtype != known.dtype:
                raise ValueError(
                    f"`{full}` {array.shape} {array.dtype} does not match "
                    f"`{name}` {known.shape} {known.dtype}"
                )
        if len({len(array) for array in found.values()}) > 1:
            sizes = ", ".join(f"`{n}{suffix}` {len(a):,}" for n, a in found.items())
            raise ValueError(f"the arrays differ in their number of examples: {sizes}")
        return found

    def size(self, split: Split) -> int:
        return len(self.data.examples(split)[1])


@dataclass(frozen=True, kw_only=True)
class ArraysSpec(TaskSpec):
    """What the headers of a file's arrays say."""

    def symbols(self, params: Params, folder: Path) -> None:
        """Arrays say nothing of symbols, but their file must be there and be one."""
        found = array_headers(params["path"], folder)
        if "y" not in found:
            held = ", ".join(f"`{name}`" for name in found) or "nothing"
            help = "write it with `numpy.savez(path, x=…, y=…)`: `y` are the targets"
            raise unusable(params["path"], "has no array `y`", f"it holds {held}", help)

    def train_size(self, params: Params, folder: Path = Path()) -> int:
        """All examples but a tenth for each split that the file lacks. (Where inputs
        repeat themselves, a little more or less: equal ones stay together.)"""
        found = array_headers(params["path"], folder)
        size = (*found["y"].shape, 0)[0]
        missing = sum(f"y_{split}" not in found for split in ("validation", "test"))
        return max(1, size - missing * max(1, size // 10))


ARRAYS = ArraysSpec(
    "Arrays",
    "Your own examples: the arrays x and y of a .npz file, or one named like each input.",
    (
        parameter("path file", "text", doc="a .npz file with x and y"),
        parameter("data_seed", "natural", 0, "which examples are held out"),
    ),
    data="arrays",
    task=Arrays,
    also=("accuracy",),
)
