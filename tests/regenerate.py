"""Writes the expected files of every case: `python tests/regenerate.py [name …]`.

A case is a folder of `tests/cases/` with a `model.neural`, or an example. Read the
difference before you commit it: these files are what the product promises.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.codegen.generate import generate
from neural_dsl.graph.dump import dump
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"


def cases() -> dict[str, Path]:
    """Case name -> the `.neural` file that it is made from."""
    own = {p.parent.name: p for p in sorted(TESTS.glob("cases/*/model.neural"))}
    shown = {f"example_{p.stem}": p for p in sorted(EXAMPLES.rglob("*.neural"))}
    return own | shown


@contextmanager
def chdir(folder: Path) -> Iterator[None]:
    """Be in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def expected(path: Path) -> dict[str, str]:
    """File name -> text, for one case."""
    # Named without its folder, so that the result is the same wherever the tests run.
    source = Source(path.name, read_source(path).text)
    with chdir(path.parent):  # where the files stand that a task names
        network, _ = resolve(parse(source))
        texts = {"ir.txt": dump(network)}
        for backend in BACKENDS:
            code = generate(network, backend, f"{backend}.py").code
            texts[f"{backend}.py"] = code
    return texts


def write_arrays() -> None:
    """The examples of the cases of `Arrays`: they only have to be of the right kind."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 4, 6)).astype(np.float32)
    words = rng.integers(0, 9, size=(40, 5))
    numbers, more = rng.normal(size=(40, 3)), rng.integers(0, 9, size=(8, 5))
    folder = TESTS / "cases"
    labels = rng.integers(0, 3, size=40)
    np.savez(folder / "arrays_classification/train.npz", x=vectors, y=labels)
    held_out = {"x_test": more, "y_test": more.mean(axis=1)}
    path = folder / "arrays_regression/train.npz"
    np.savez(path, x=words, y=words.mean(axis=1), **held_out)
    path = folder / "arrays_two_inputs/train.npz"
    np.savez(path, words=words, numbers=numbers, y=words[:, 0] > 4)


def main(names: list[str]) -> None:
    """Write the expected files of the named cases, or of all."""
    write_arrays()
    for name, path in cases().items():
        if names and name not in names:
            continue
        folder = TESTS / "cases" / name
        folder.mkdir(exist_ok=True)
        for file_name, text in expected(path).items():
            (folder / file_name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
