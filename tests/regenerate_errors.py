"""What the tool says about bad files: writes the `.err` beside each `.neural`.

    python -m tests.regenerate_errors           write them
    python -m tests.regenerate_errors --check   say which differ; exit status 1 if any

A case is `tests/errors/<CODE>/<name>.neural`; its diagnostics must contain that code.
Read what changed before committing it: these texts are what users see.
"""

import os
import sys
from pathlib import Path

from neural_dsl.cli.check import findings
from neural_dsl.diagnostics import Diagnostic
from neural_dsl.diagnostics.render import render_text

CASES = Path(__file__).parent / "errors"


def cases() -> list[Path]:
    """Every bad file, sorted."""
    return sorted(CASES.glob("*/*.neural"))


def diagnose(path: Path) -> tuple[Diagnostic, ...]:
    """All that is found in a file, warnings too."""
    before = Path.cwd()
    os.chdir(path.parent)  # so that messages name the file without a directory
    try:
        return findings(Path(path.name))
    finally:
        os.chdir(before)


def expected(path: Path) -> str:
    """The text that belongs into the `.err` of a bad file."""
    return render_text(diagnose(path)) + "\n"


def main(arguments: list[str]) -> int:
    check, stale = "--check" in arguments, []
    for path in cases():
        golden, text = path.with_suffix(".err"), expected(path)
        if not golden.is_file() or golden.read_text(encoding="utf-8") != text:
            stale.append(golden)
            if not check:
                golden.write_text(text, encoding="utf-8")
    for golden in stale:
        print("differs" if check else "written", golden.relative_to(CASES.parent))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
