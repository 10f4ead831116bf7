"""Attention while a model learns: records of a fixed batch at log-spaced steps, taken of
a second copy of the model, on the CPU, so that looking leaves the training as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.expected import expected_cells
from neural_dsl.attention.record import AttentionRecord
from neural_dsl.attention.storage import RecordError, load_record, save_record
from neural_dsl.backends import create_runtime
from neural_dsl.backends.live import Runtime
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import OutputFolder, output_errors, quoted
from neural_dsl.graph.nodes import Network
from neural_dsl.targets.base import Batch
from neural_dsl.targets.network import NetworkTarget
from neural_dsl.targets.record import record
from neural_dsl.tasks.base import PAD

FOLDER = "attention"
PROBED = 16  # problems of the validation split that are looked at
MOST_CELLS = 1_000_000  # weights of one snapshot: 4 MB
_NAME = re.compile(r"step-(\d+)\.npz")


def steps(total: int, count: int) -> list[int]:
    """`count` steps from 0, before training, to `total`: the later, the farther apart.

    Fewer where there are no more. The first ones are all taken where a logarithmic
    spacing would repeat them, so the number is met whenever total >= count - 1.
    """
    if total < 1 or count < 2:
        return [max(total, 0)]
    if count > total:
        return list(range(total + 1))
    chosen = [0, 1][: count - 1]
    for left in range(count - len(chosen), 1, -1):
        ideal = round(chosen[-1] * (total / chosen[-1]) ** (1 / left))
        chosen.append(max(chosen[-1] + 1, ideal))
    return [*chosen, total]


class Snapshots:
    """Takes the snapshots of one training, into the `attention` folder of its run.

    Make it before the training: building a model draws random numbers.
    """

    def __init__(self, folder: Path, compiled: CompiledModel, count: int):
        self.run, self.folder = folder, folder / FOLDER
        self.network, self.count = compiled.network, count
        self.observer: Runtime = create_runtime(compiled, 0)
        self.due: frozenset[int] = frozenset()
        self.taken: set[int] = set()

    def begin(self, task: Any, total: int, done: int) -> None:
        """Choose the batch and the steps; forget what comes after step `done`, from
        where the training goes on."""
        self.batch = probe(task, self.network)
        self.due = frozenset(steps(total, self.count))
        for step, path in listed(self.run):
            if step <= done:
                self.taken.add(step)
                continue
            with output_errors(path):
                path.unlink()
                path.with_name(f"{path.stem}_metrics.json").unlink(missing_ok=True)

    def take(self, step: int, training: Runtime, *, last: bool = False) -> None:
        """Record this step if it is due, or the training's `last`, and not taken yet."""
        if step in self.taken or not (last or step in self.due):
            return
        weights = training.weights()
        if not all(np.isfinite(array).all() for array in weights.values()):
            return  # the training itself reports this
        self.observer.load_weights(weights, origin=f"run {self.run}, step {step:,}")
        seen = record(NetworkTarget(self.observer), self.batch)
        with OutputFolder(self.folder) as output, output_errors(self.folder):
            save_record(seen, output.staged(""), f"step-{step:06d}")
            output.commit()
        self.taken.add(step)


def probe(task: Any, network: Network) -> Batch:
    """The first problems of the validation split, as many as one may keep, with what is
    known of them: their symbols, where a problem stands and not padding, and where a
    solver must look."""
    size = min(PROBED, task.size("validation"))
    one = _parts(task.batch("validation", np.arange(1))[0])
    longest = max(part.shape[1] if part.ndim > 1 else 1 for part in one)
    heads = sum(inside.num_heads for _, _, inside in network.attentions())
    size = max(1, min(size, MOST_CELLS // max(1, heads * longest * longest)))
    parts = _parts(task.batch("validation", np.arange(size))[0])
    names = [item.name for item in network.inputs]
    arrays = dict(zip(names, parts, strict=True))
    many = f"first {size} validation problems"
    batch = Batch(arrays, origin=many if size > 1 else "validation problem")
    x = parts[0]
    if not task.symbols or len(parts) > 1 or x.dtype.kind != "i":
        return batch
    tokens = tuple(tuple(task.symbols[id] for id in row) for row in x.tolist())
    valid = None if (x != PAD).all() else x != PAD
    batch = replace(batch, tokens={names[0]: tokens}, valid=valid)
    try:
        prompts = [task.problem("validation", index)[0] for index in range(size)]
        known = [task.attention_for(prompt) for prompt in prompts]
    except NotImplementedError:
        return batch
    if any(one is None for one in known):
        return batch
    cells = [expected_cells(one, x.shape[1], x.shape[1]) for one in known]
    return replace(batch, expected=np.stack(cells))


def _parts(x: Any) -> Sequence[npt.NDArray[Any]]:
    return x if isinstance(x, tuple) else (x,)


def listed(run: Path) -> list[tuple[int, Path]]:
    """The snapshots of a run: steps and files, in order."""
    folder = run / FOLDER
    paths = folder.iterdir() if folder.is_dir() else ()
    found = [(_NAME.fullmatch(path.name), path) for path in paths]
    return sorted((int(match[1]), path) for match, path in found if match)


def load(run: Path) -> dict[int, AttentionRecord]:
    """Every snapshot of a run, by its step, in order. Raises NeuralError: NE175 where
    there are none, NE176 for damaged ones, or such as do not show the same thing."""
    found: dict[int, AttentionRecord] = {}
    shapes = []
    for step, path in listed(run):
        try:
            seen = found[step] = load_record(path.parent, path.stem)
        except (RecordError, OSError) as error:
            raise damaged(path, str(error)) from error
        shapes.append([(layer.name, layer.shape) for layer in seen])
        if shapes[-1] != shapes[0]:
            raise damaged(path, "it shows other layers or another batch than the first")
    if not found:
        message = f"the run in {quoted(run)} kept no attention while it was trained"
        example = "`neural train FILE --set train.attention_snapshots=20`"
        raise refusal("NE175", message, help=f"train one that does: {example}")
    return found


def damaged(path: Path, why: str) -> NeuralError:
    """NE176: a snapshot that cannot be what this program wrote."""
    message = f"the snapshot {quoted(path)} cannot be read: {why}"
    return refusal("NE176", message, help="remove the file to draw the others")
