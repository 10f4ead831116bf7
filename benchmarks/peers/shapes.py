"""The models that are trained, and their batches: the same ones for every peer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import neural_dsl as nd
from neural_dsl.backends.training import BaseTraining, start_training
from neural_dsl.runs.task_files import run_task, tell_places

ROOT = Path(__file__).parents[2]
LEARNING_RATE, BETAS, EPSILON, DECAY, CLIP = 5e-4, (0.9, 0.98), 1e-7, 0.01, 1.0
WINDOWS = 640  # of text
KEPT = 400  # batches that the peers have, more than a usual measurement takes

NETWORK = """
network Benchmark {{
  task: {task}
  layers:
    Embedding(output_dim={width})
    PositionalEncoding(encoding_type="learned")
    TransformerDecoder(num_heads={heads}, ff_dim={ff}, norm="pre", activation="gelu") * {layers}
    LayerNormalization()
    Output(activation="softmax")
  optimizer: AdamW(learning_rate={rate}, beta_2=0.98, epsilon=1e-7, weight_decay=0.01)
  train {{ steps: 1000000 validate_every: 1000000 batch_size: {batch} gradient_clip: 1.0 }}
}}
"""


@dataclass(frozen=True)
class Shape:
    """A causal transformer; `block` is how many steps are taken at a time."""

    name: str
    task: str
    layers: int
    heads: int
    width: int
    length: int
    batch: int
    block: int

    @property
    def title(self) -> str:
        """In words."""
        return (
            f"{self.layers} layers, {self.heads} heads, width {self.width}, "
            f"{self.length} tokens, batches of {self.batch}"
        )


SHAPES = [
    Shape("gpt", 'Text(path="text.txt", context=128)', 6, 8, 256, 128, 16, 2),
    Shape("small", "Copy(train_size=102400)", 2, 4, 128, 16, 128, 15),
]


def ours(
    shape: Shape, backend: str, folder: Path, device: str | None = "cpu"
) -> BaseTraining:
    """The emitted training, as `neural train` runs it: `next(ours(…).steps())`."""
    sources = sorted((ROOT / "neural_dsl").rglob("*.py"))
    text = "".join(path.read_text("utf-8") for path in sources)
    size = (WINDOWS * 128 + 1) * 10 // 9 + 1  # a tenth of it is held out
    (folder / "text.txt").write_text(text[:size], "utf-8")
    file = folder / f"{shape.name}.neural"
    settings = {"rate": LEARNING_RATE, "ff": 4 * shape.width} | vars(shape)
    file.write_text(NETWORK.format_map(settings), "utf-8")
    compiled = nd.compile(file, backend)
    code = folder / f"{shape.name}_{backend}.py"
    code.write_text(compiled.code, "utf-8")
    prepare = tell_places(compiled.network)
    return start_training(compiled, 0, device, str(code), prepare)


def task_of(live: BaseTraining) -> Any:
    """The package's task, whose text is that of the training."""
    return run_task(live.runtime.network)


def batches(batch: int, count: int) -> Iterator[np.ndarray]:
    """The numbers of the examples of so many batches; after the last the first again."""
    for number in range(count):
        yield np.arange(batch) + number % KEPT * batch


def examples(live: BaseTraining) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of the training's first batches, made beforehand for the peers."""
    made = [live.module.batch(0, number) for number in range(KEPT)]
    x, y = (np.concatenate(part) for part in zip(*made, strict=True))
    return x, y
