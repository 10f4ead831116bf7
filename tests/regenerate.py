"""Writes what is expected: `python -m tests.regenerate [name …]`.

    tests/cases/<name>/   a case is a folder with a `model.neural`, or an example: its
                          graph and, for both backends, the file of the model alone, or
                          the whole emitted file of the few cases named in WHOLE
    tests/parts/          what each option of a training brings into a file, by kind
                          (`tests/training_parts.py`): `parts` as a name writes these

Read the difference before you commit it: these files are what the product promises.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.codegen.generate import generate
from neural_dsl.graph.dump import dump
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source
from tests.training_parts import FOLDER, expected_parts

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"
WHOLE = frozenset(
    {
        "encoder_decoder_masked",
        "example_addition",
        "example_basic_transformer",
        "example_char",
        "example_copy",
        "example_macro_blocks",
    }
)
"""The cases of which the whole emitted file is kept, its training too."""


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


def resolved(path: Path) -> Network:
    """The network of a case. Be in its folder: the files stand there that a task names."""
    # Named without its folder, so that the result is the same wherever the tests run.
    return resolve(parse(Source(path.name, read_source(path.name).text)))[0]


def alone(network: Network) -> Network:
    """The network without anything that is said of its training."""
    silent = {"task": None, "loss": None, "optimizer": None, "lr_schedule": None}
    return replace(network, **silent, metrics=(), train={}, execution={})


def expected(name: str, path: Path) -> dict[str, str]:
    """File name -> text, for one case."""
    with chdir(path.parent):
        network = resolved(path)
        shown = network if name in WHOLE else alone(network)
        files = {f"{b}.py": generate(shown, b, f"{b}.py").code for b in BACKENDS}
    return {"ir.txt": dump(network), **files}


@cache
def whole_files(path: Path) -> dict[str, str]:
    """Backend -> the whole emitted file of a case."""
    with chdir(path.parent):
        network = resolved(path)
        return {b: generate(network, b, f"{b}.py").code for b in BACKENDS}


def parts() -> dict[str, str]:
    """File name -> text, of `tests/parts`."""
    with chdir(FOLDER):
        return {k: v for b in BACKENDS for k, v in expected_parts(b).items()}


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
    """Write what is expected of the named cases, or of all."""
    write_arrays()
    for name, path in cases().items():
        if not names or name in names:
            _write(TESTS / "cases" / name, expected(name, path))
    if not names or "parts" in names:
        _write(TESTS / "parts", parts())


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
