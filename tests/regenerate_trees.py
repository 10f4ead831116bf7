"""What files mean as syntax trees: writes `tests/syntax/<name>.tree`.

    python -m tests.regenerate_trees            write them
    python -m tests.regenerate_trees --check    say which differ; exit status 1 if any

The files are written as users write, in every form that docs/language knows, whether or
not its layers can be compiled yet.
"""

import sys
from pathlib import Path

from neural_dsl.syntax.dump import dump
from neural_dsl.syntax.parser import parse, read_source

FILES = sorted((Path(__file__).parent / "syntax").glob("*.neural"))


def expected(path: Path) -> str:
    """The tree of a file, as text."""
    return dump(parse(read_source(path)))


def main(arguments: list[str]) -> int:
    check, stale = "--check" in arguments, []
    for path in FILES:
        golden, text = path.with_suffix(".tree"), expected(path)
        if not golden.is_file() or golden.read_text(encoding="utf-8") != text:
            stale.append(golden.name)
            if not check:
                golden.write_text(text, encoding="utf-8")
    for name in stale:
        print("differs" if check else "written", name)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
