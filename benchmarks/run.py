"""Prints how fast the program is, beside a peer that says what would be good.

    python benchmarks/run.py            everything, about two minutes
    python benchmarks/run.py start      only what begins with these letters

Times are medians of whole runs; a ratio is to the line above it that it names.
RESULTS.md keeps what one machine measured.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neural_dsl.targets.base import Site

ROOT = Path(__file__).parents[1]
BASIC = ROOT / "examples" / "attention_examples" / "basic_transformer.neural"
PYTHON = sys.executable

BARE = """
import click, lark
@click.command()
def main(): pass
main()
"""
IMPORTS = """
import torch, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot, plotly.graph_objects
"""


def process(arguments: list[object], folder: str, runs: int) -> float:
    """Median seconds of a whole process."""
    command = [str(argument) for argument in arguments]
    # Byte code is cached, as it is for an installed program, but not in the checkout.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder) / "pycache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times = []
    for _ in range(runs + 1):  # the first one fills the caches
        start = time.perf_counter()
        subprocess.run(
            command, cwd=folder, env=environment, check=True, capture_output=True
        )
        times.append(time.perf_counter() - start)
    return median(times[1:])


def within(function: Callable[[], object], runs: int) -> float:
    """Median seconds of a call in this process, warmed up once."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def in_turn(functions: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of several calls, taken in turn, so that a busy machine slows all."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds + 1):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [median(taken[1:]) for taken in times]


def line(what: str, seconds: float, remark: str = "") -> None:
    """One result."""
    print(f"  {what:<58} {seconds * 1000:>9.1f} ms   {remark}".rstrip(), flush=True)


def ratio(value: float, peer: float, wanted: str) -> str:
    """How a time compares: `0.78 x (wanted: 1.5 x)`."""
    return f"{value / peer:.2f} x (wanted: {wanted})"


def start(folder: str) -> None:
    """Starting: a bare program that imports Click and Lark, ours, and a check."""
    neural = [PYTHON, "-m", "neural_dsl"]
    bare = process([PYTHON, "-c", BARE], folder, 20)
    line("bare program that imports Click and Lark", bare)
    shown = process([*neural, "--help"], folder, 20)
    line("neural --help", shown, ratio(shown, bare, "at most 1.5 x"))
    checked = process([*neural, "check", BASIC], folder, 20)
    line(
        "neural check basic_transformer", checked, ratio(checked, bare, "at most 1.5 x")
    )


def compile_(folder: str) -> None:
    """Compiling long files, the whole process."""
    cycle = ('Dense({}, "relu")', "LayerNormalization()", "Dropout(0.1)", "Dense(32)")
    times = {}
    for count in (1_000, 10_000):
        body = "\n".join(cycle[i % 4].format(16 + i % 50) for i in range(count))
        path = Path(folder) / f"layers_{count}.neural"
        path.write_text(f"network Long {{ input: (32,) layers:\n{body}\n}}\n")
        arguments = [
            PYTHON,
            "-m",
            "neural_dsl",
            "compile",
            path,
            "--backend",
            "pytorch",
        ]
        times[count] = process([*arguments, "-o", "out.py"], folder, 5)
    line("neural compile, 1,000 layers", times[1_000], "(wanted: under 500 ms)")
    remark = ratio(times[10_000], times[1_000], "at most 11 x")
    line("neural compile, 10,000 layers", times[10_000], remark)


def visualize(folder: str) -> None:
    """The main job, the whole process, against its libraries' imports."""
    imports = process([PYTHON, "-c", IMPORTS], folder, 5)
    line("importing torch, Matplotlib's Agg and Plotly", imports)
    job = [PYTHON, "-m", "neural_dsl", "visualize", BASIC, "--attention"]
    seconds = process([*job, "--backend", "pytorch"], folder, 5)
    extra = seconds - imports
    remark = f"{extra:+.2f} s over the imports (wanted: at most 2.5 s)"
    line("neural visualize basic_transformer --attention", seconds, remark)


def grid(folder: str) -> None:
    """A grid of 144 heads of 64 x 64, drawn and saved."""
    import numpy as np

    from neural_dsl.attention.allowed import Allowed
    from neural_dsl.attention.record import AttentionRecord, LayerAttention, Provenance
    from neural_dsl.visualize.figures import save_figure
    from neural_dsl.visualize.head_grid import head_grid

    weights = np.random.default_rng(0).dirichlet(np.ones(64), (1, 144, 64))
    layer = LayerAttention(
        "layer", "self", weights.astype(np.float32), Allowed((1, 64, 64))
    )
    told = Provenance("Benchmark", "none", "none", "random", "random")
    record = AttentionRecord((layer,), told)
    target = Path(folder) / "grid.png"
    seconds = within(lambda: save_figure(head_grid(record, "layer"), target), 3)
    line("grid of 144 heads of 64 x 64, saved as PNG", seconds, "(wanted: under 3 s)")


def capture(folder: str) -> None:
    """One layer of twelve, against the plain forward pass of the same model."""
    capture_at(width=768, heads=12, length=256)
    capture_at(width=256, heads=8, length=128)


def capture_at(width: int, heads: int, length: int) -> None:
    """The capture section for one size."""
    import neural_dsl as nd
    from neural_dsl.inputs import prepare
    from neural_dsl.targets.base import Given
    from neural_dsl.targets.network import NetworkTarget

    model = nd.load(
        f"network Twelve {{ input: ({length}, {width}) layers: "
        f"TransformerEncoder({heads}, {4 * width}) * 12 "
        "GlobalAveragePooling1D() Output(2) }",
        "pytorch",
    )
    arrays = prepare(model.network).arrays
    runtime, target = model.runtime, NetworkTarget(model.runtime)
    layer = target.named(["transformer_encoder_6"])
    batch = target.encode(Given(arrays))

    def seen(sites: Collection[Site] | None) -> None:
        """Every weight of these sites."""
        target.attend(batch, sites, visit=lambda site, scores: scores.dense())

    runtime.run(arrays)
    began = time.perf_counter()
    seen(layer)
    first = time.perf_counter() - began
    plain, one, every = in_turn(
        [
            lambda: runtime.run(arrays),
            lambda: seen(layer),
            lambda: seen(None),
        ],
        rounds=15,
    )
    line(f"forward pass, 12 layers, width {width}, {length} tokens", plain)
    line("  capture of layer 6", one, ratio(one, plain, "at most 1.3 x"))
    remark = f"{first / plain:.2f} x (it also runs the model without capture)"
    line("  its first capture", first, remark)
    line("  capture of all 12 layers", every, f"{every / plain:.2f} x")


SECTIONS = {
    "start": start,
    "compile": compile_,
    "visualize": visualize,
    "grid": grid,
    "capture": capture,
}


def main() -> None:
    """Run the chosen sections."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    cores = os.cpu_count()
    print(f"Python {platform.python_version()}, {platform.machine()}, {cores} cores")
    for name, section in SECTIONS.items():
        if name.startswith(wanted):
            print(f"\n{section.__doc__}")
            with TemporaryDirectory() as folder:
                section(folder)


if __name__ == "__main__":
    main()
