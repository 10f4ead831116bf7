"""`metrics.jsonl`: what was measured, a JSON object a line, in the order of the steps."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from neural_dsl.files import output_errors, reason, write_text
from neural_dsl.runs.directory import no_whole_run
from neural_dsl.source import read_regular

FILE = "metrics.jsonl"
SHARES = ("exact_match", "accuracy")  # between 0 and 1; others are numbers of any size


def in_words(name: str, value: float) -> str:
    """`exact match 98.0%`, `perplexity 1.0312`."""
    shown = f"{value:.1%}" if name in SHARES else f"{value:.4f}"
    return f"{name.replace('_', ' ')} {shown}"


def read(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run so far. A line that a kill cut off, or that is damaged, is left
    out. Raises NeuralError NE156 for a file that cannot be read."""
    try:
        lines = read_regular(folder / FILE).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise no_whole_run(folder, f"its {FILE}: {reason(error)}") from error
    found = []
    for line in lines:
        with suppress(ValueError, RecursionError):
            values = json.loads(line)
            if isinstance(values, dict) and isinstance(values.get("step"), int):
                numbers = {k: v for k, v in values.items() if type(v) in (int, float)}
                found.append(numbers)
    return found


def keep_until(folder: Path, step: int) -> None:
    """Drop what comes after a step: it will be measured again. Raises NeuralError NE134."""
    kept = [line for line in read(folder) if line["step"] <= step]
    write_text(folder / FILE, "".join(json.dumps(line) + "\n" for line in kept))


def append(folder: Path, **values: Any) -> None:
    """Add a line. Raises NeuralError NE134."""
    path = folder / FILE
    with output_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")
