"""Prints how fast the emitted trainings are, beside peers that do the same work.

    python benchmarks/training_speed.py               everything, some minutes
    python benchmarks/training_speed.py pytorch       one of: pytorch, tensorflow, between
    python benchmarks/training_speed.py pytorch --device cuda
    python benchmarks/training_speed.py --shape small --rounds 20

All train the same model on the same batches with the same settings, in float32 and
without dropout, and start from the same weights. They take turns in blocks of a few
steps; a ratio is the median over these rounds of peer's time / our time, so above 1 ours
is faster. Imports, tracing and the first steps are not counted.

Where other work runs on the machine, `--threads 1 --cpu-time` is what can be trusted: it
counts the seconds in which a processor really worked for a training.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from peers.shapes import SHAPES, Shape
from peers.turns import Contestant, ratio, take_turns

WANTED = {
    "minGPT's loop": 1.0,
    "nn.TransformerEncoder": 1.1,
    "keras fit": 1.0,
    "PyTorch": 0.5,
}
SAME = 0.02  # first losses that differ by more than this share are not of one model
WARM_UP = 10  # steps


def pytorch(shape: Shape, folder: Path, chosen: argparse.Namespace) -> None:
    """PyTorch: the emitted Training, minGPT's loop and nn.TransformerEncoder."""
    from peers.torch_turns import contestants

    compete(shape, contestants(shape, folder, chosen.device), chosen)


def tensorflow(shape: Shape, folder: Path, chosen: argparse.Namespace) -> None:
    """TensorFlow: the emitted Training and a hand-written Keras model's fit."""
    from peers.keras_turns import contestants

    compete(shape, contestants(shape, folder, chosen.device), chosen)


def compete(shape: Shape, rivals: list[Contestant], chosen: argparse.Namespace) -> None:
    """Take turns in one process, and print a line each."""
    for rival in rivals:
        rival.clock = CLOCKS[chosen.cpu_time]
        rival.warm_up(WARM_UP)
        if abs(rival.first / rivals[0].first - 1) > SAME:
            raise SystemExit(f"{rival.name} does not start from the same weights")
    blocks = [lambda rival=rival: rival.block(shape.block) for rival in rivals]
    for number, seconds in take_turns(blocks, chosen.rounds):
        rivals[number].seconds.append(seconds / shape.block)
    print_rivals(shape, rivals)


def print_rivals(shape: Shape, rivals: list[Contestant]) -> None:
    """Time a step, throughput and ratio of each; refuse one that does not learn."""
    ours = rivals[0]
    for rival in rivals:
        step = median(rival.seconds)
        against = ""
        if rival is not ours:
            wanted = WANTED.get(rival.name)
            goal = f" (wanted: at least {wanted})" if wanted else ""
            against = f"ours {ratio(ours.seconds, rival.seconds):.2f} x{goal}"
        print(
            f"  {rival.name:<24}{step * 1000:>8.1f} ms"
            f"{shape.batch * shape.length / step:>10,.0f} tokens/s"
            f"{rival.parameters:>11,} parameters   "
            f"loss {rival.first:.3f} → {rival.last:.3f}   {against}".rstrip(),
            flush=True,
        )
        if rival.last >= rival.first:
            raise SystemExit(f"{rival.name} learns nothing")


def between(shape: Shape, folder: Path, chosen: argparse.Namespace) -> None:
    """A TensorFlow step beside a PyTorch step, in a process each."""
    names = ["TensorFlow", "PyTorch"]
    workers = [worker(name.lower(), shape, chosen) for name in names]
    try:
        rivals = [Contestant(name, iter(()), 0) for name in names]
        for rival, process in zip(rivals, workers, strict=True):
            rival.first, parameters = ask(process)
            rival.parameters = int(parameters)
        blocks = [lambda process=process: ask(process, "go")[0] for process in workers]
        for number, seconds in take_turns(blocks, chosen.rounds):
            rivals[number].seconds.append(seconds / shape.block)
        for rival, process in zip(rivals, workers, strict=True):
            rival.last = ask(process, "loss")[0]
        print_rivals(shape, rivals)
    finally:
        for process in workers:
            process.kill()
            process.wait()


def worker(
    backend: str, shape: Shape, chosen: argparse.Namespace
) -> subprocess.Popen[str]:
    """A process that trains a block of steps whenever it is told to."""
    options = ["--backend", backend, "--shape", shape.name]
    options += ["--threads", str(chosen.threads)] if chosen.threads else []
    options += ["--cpu-time"] if chosen.cpu_time else []
    return subprocess.Popen(
        [sys.executable, __file__, "work", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(process: subprocess.Popen[str], question: str = "") -> list[float]:
    """The numbers in the worker's next answer."""
    assert process.stdin is not None and process.stdout is not None
    if question:
        print(question, file=process.stdin, flush=True)
    return [float(number) for number in process.stdout.readline().split()]


def work(shape: Shape, folder: Path, chosen: argparse.Namespace) -> None:
    """What a worker does."""
    if chosen.backend == "pytorch":
        from peers.torch_turns import emitted
    else:
        from peers.keras_turns import emitted
    rival = emitted(shape, folder, "cpu")
    rival.clock = CLOCKS[chosen.cpu_time]
    rival.warm_up(WARM_UP)
    print(rival.first, rival.parameters, flush=True)
    for question in sys.stdin:
        answer = rival.last if question == "loss\n" else rival.block(shape.block)
        print(answer, flush=True)


def limit_threads(count: int) -> None:
    """Give both frameworks so many threads; they read it when they are imported."""
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = str(count)


CLOCKS = {False: time.perf_counter, True: time.process_time}
SECTIONS = {"pytorch": pytorch, "tensorflow": tensorflow, "between": between}


def main() -> None:
    """Run the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", nargs="?", choices=[*SECTIONS, "work"])
    parser.add_argument("--shape", choices=[shape.name for shape in SHAPES])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--threads", type=int, help="as many as there are cores")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--backend", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it remarks on the processor
    if chosen.threads:
        limit_threads(chosen.threads)
    shapes = [shape for shape in SHAPES if chosen.shape in (None, shape.name)]
    with TemporaryDirectory() as folder:
        if chosen.section == "work":
            work(shapes[0], Path(folder), chosen)
            return
        clock = "CPU time" if chosen.cpu_time else "wall clock"
        threads = chosen.threads or os.cpu_count()
        machine = f"{platform.machine()}, {chosen.device}, {threads} threads, {clock}"
        print(f"Python {platform.python_version()}, {machine}")
        for name, section in SECTIONS.items():
            if chosen.section in (None, name):
                print(f"\n{section.__doc__}", flush=True)
                for shape in shapes:
                    print(f" {shape.title}", flush=True)
                    section(shape, Path(folder), chosen)


if __name__ == "__main__":
    main()
