"""Writes the expected files of every case: `python tests/regenerate.py [name …]`.

A case is a folder of `tests/cases/` with a `model.neural`, or an example. Read the
difference before you commit it: these files are what the product promises.
"""

from __future__ import annotations

import sys
from pathlib import Path

from neural_dsl.codegen.generate import BACKENDS, generate
from neural_dsl.ir.dump import dump
from neural_dsl.ir.resolve import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"


def cases() -> dict[str, Path]:
    """Case name -> the `.neural` file that it is made from."""
    own = {p.parent.name: p for p in sorted(TESTS.glob("cases/*/model.neural"))}
    shown = {f"example_{p.stem}": p for p in sorted(EXAMPLES.rglob("*.neural"))}
    return own | shown


def expected(path: Path) -> dict[str, str]:
    """File name -> text, for one case."""
    # Named without its folder, so that the result is the same wherever the tests run.
    source = Source(path.name, read_source(path).text)
    network, _ = resolve(parse(source))
    texts = {"ir.txt": dump(network)}
    for backend in BACKENDS:
        code = generate(network, backend, f"{backend}.py").code
        texts[f"{backend}.py"] = code
    return texts


def main(names: list[str]) -> None:
    """Write the expected files of the named cases, or of all."""
    for name, path in cases().items():
        if names and name not in names:
            continue
        folder = TESTS / "cases" / name
        folder.mkdir(exist_ok=True)
        for file_name, text in expected(path).items():
            (folder / file_name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
