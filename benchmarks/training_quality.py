"""Trains the examples of the tasks and prints how well they learn, a row each.

    python benchmarks/training_quality.py                          all, seeds 0, 1 and 2
    python benchmarks/training_quality.py --backend tensorflow --seeds 0
    python benchmarks/training_quality.py --tasks copy,reverse --rows quality.md

`neural train` runs in a process of its own. `exact` is the exact match on the 1,000
problems of the test split, `training` the seconds of steps and validations that run.json
records, `process` those of the whole command with its imports. `attention` is the mean
over 20 test problems, of the head that has most: for copy and reverse the mass on the
keys that the task demands; for induction the induction score, and the mass on the token
before within the first block, where the induction head reads it. Rows are printed, and
appended to the file that --rows names, as soon as they are known.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from neural_dsl.attention.expected import expected_mass, induction_score
from neural_dsl.attention.record import LayerAttention
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.runs.loaded import LoadedRun, open_run
from neural_dsl.runs.prompted import capture
from neural_dsl.runs.reading import read_prompt

EXAMPLES = Path(__file__).parents[1] / "examples" / "tasks"
PROBLEMS = 20  # whose attention is looked at
HEADS = "| task | backend | seed | exact | training | process | steps | attention | goal | reached |"

Scores = Callable[[LayerAttention], np.ndarray]


def previous_token(layer: LayerAttention) -> np.ndarray:
    """The mean attention to the token before, (heads,), while the block stands there for
    the first time."""
    assert layer.key_tokens is not None
    tokens = layer.key_tokens[0]
    rows = np.arange(1, tokens.index(tokens[0], 1))
    return layer.weights[:, :, rows, rows - 1].mean((0, 2))


@dataclass(frozen=True)
class Goal:
    """What a task must reach: exact match, seconds of training, shares of attention."""

    exact: float
    seconds: float | None
    attention: float | None = None

    def __str__(self) -> str:
        within = f" in {self.seconds:g} s" if self.seconds else ""
        looks = f", attention {self.attention:g}" if self.attention else ""
        return f"{self.exact:.1%}{within}{looks}"


GOALS = {
    "copy": Goal(1.0, 20, 0.9),
    "reverse": Goal(1.0, 20, 0.9),
    "sort": Goal(0.99, 90),
    "addition": Goal(0.995, 90),
    "arithmetic": Goal(0.995, 300),
    "induction": Goal(0.99, None, 0.8),
}
SCORES: dict[str, dict[str, Scores]] = {
    "copy": {"expected": expected_mass},
    "reverse": {"expected": expected_mass},
    "induction": {
        "induction": induction_score,
        "previous": previous_token,
    },
}


def row(task: str, backend: str, seed: int, folder: Path) -> str:
    """Train a task and say how it went."""
    command = [sys.executable, "-m", "neural_dsl", "train"]
    options = ["--backend", backend, "--seed", str(seed), "--device", "cpu"]
    file = EXAMPLES / f"{task}.neural"
    began = time.monotonic()
    done = subprocess.run(
        [*command, str(file), *options, "--output-dir", str(folder)],
        capture_output=True,
        text=True,
    )
    process = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"neural train {task} failed:\n{done.stderr}")
    about = json.loads((folder / "run.json").read_text("utf-8"))
    exact, seconds = about["test"]["exact_match"], about["seconds"]
    shares = attention(task, folder)
    goal = GOALS[task]
    reached = exact >= goal.exact and seconds < (goal.seconds or np.inf)
    if goal.attention is not None:
        reached &= all(share >= goal.attention for share, _ in shares.values())
    looks = "; ".join(f"{k} {v:.3f} ({head})" for k, (v, head) in shares.items())
    cells = [task, backend, seed, f"{exact:.1%}", f"{seconds:.1f} s"]
    cells += [f"{process:.1f} s", about["step"], looks or "-", goal]
    return f"| {' | '.join(map(str, cells))} | {'yes' if reached else 'NO'} |"


def attention(task: str, folder: Path) -> dict[str, tuple[float, str]]:
    """The largest score of any head, and which head it is, for each of a task's scores."""
    scores = SCORES.get(task, {})
    if not scores:
        return {}
    run = open_run(folder)
    captured = [layers(run, index) for index in range(PROBLEMS)]
    found = {}
    for name, score in scores.items():
        heads: dict[str, float] = {}
        for each in zip(*captured, strict=True):  # one layer, in all the problems
            mean = np.mean([score(layer) for layer in each], axis=0)
            heads |= {f"{each[0].name} {head}": m for head, m in enumerate(mean)}
        best = max(heads, key=lambda head: heads[head])
        found[name] = (float(heads[best]), best)
    return found


def layers(run: LoadedRun, index: int) -> tuple[LayerAttention, ...]:
    """The attention while the model answers a problem of the test split."""
    prompt, _ = run.task.problem("test", index)
    return capture(run, read_prompt(run, prompt), f"test problem {index}").record.layers


def main() -> None:
    """Print a row for each task and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    backends = list(BACKENDS)
    parser.add_argument("--backend", choices=backends, default="pytorch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", default=",".join(GOALS))
    parser.add_argument("--rows", type=Path, help="a file that rows are appended to")
    chosen = parser.parse_args()
    tasks = chosen.tasks.split(",")
    if unknown := set(tasks) - set(GOALS):
        parser.error(f"no such task: {', '.join(sorted(unknown))}")

    def say(line: str) -> None:
        print(line, flush=True)
        if chosen.rows:
            with chosen.rows.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")

    say(HEADS)
    say("|---" * (HEADS.count("|") - 1) + "|")
    for task in tasks:
        for seed in chosen.seeds:
            with TemporaryDirectory() as folder:
                say(row(task, chosen.backend, seed, Path(folder, task)))


if __name__ == "__main__":
    main()
