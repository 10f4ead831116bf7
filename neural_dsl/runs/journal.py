"""What a run writes down as it goes: log, metrics, TensorBoard, the picture of the losses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neural_dsl.files import write_bytes
from neural_dsl.runs import metrics
from neural_dsl.runs.log import RunLog
from neural_dsl.runs.tensorboard import Scalars, scalars

if TYPE_CHECKING:
    from neural_dsl.runs.decoding import Sample

LARGEST_LOG = 5_000  # lines of training losses in metrics.jsonl


class Journal:
    """The records of one start of a run, in its folder. All methods raise NeuralError
    NE134 where the folder cannot be written."""

    def __init__(self, folder: Path, log: RunLog, total_steps: int):
        self.folder, self.log = folder, log
        self.every = max(1, total_steps // LARGEST_LOG)
        self.scalars: Scalars | None = None

    def begin(self, step: int) -> None:
        """Go on after a step: what was written beyond it is taken back."""
        metrics.keep_until(self.folder, step)
        self.scalars = scalars(self.folder, step + 1)
        if self.scalars is None:
            self.info("TensorBoard is not installed: nothing for it written")

    def info(self, text: str) -> None:
        """A line of the log."""
        self.log.write("info", text)

    def loss(self, step: int, loss: float, rate: float) -> None:
        """The loss of a step, and the learning rate that it was made with."""
        if step % self.every == 0:
            measured = {"loss": loss, "learning_rate": rate}
            metrics.append(self.folder, step=step, **measured)
            self._scalar(step, "train", measured)

    def validation(self, step: int, seconds: float, measures: dict[str, float]) -> None:
        """The measures of a validation after so many seconds of training."""
        shown = {k: v for k, v in measures.items() if k != "count"}
        named = {f"validation_{name}": value for name, value in shown.items()}
        metrics.append(self.folder, step=step, seconds=round(seconds, 3), **named)
        self._scalar(step, "validation", shown)
        words = ", ".join(f"{k} {v:.4f}" for k, v in shown.items())
        self.info(f"step {step}: validation {words}")

    def samples(self, samples: list[Sample]) -> None:
        """Some problems, and what the model answers."""
        for sample in samples:
            self.log.write("sample", sample.line())

    def draw_losses(self, about: str) -> None:
        """Draw all losses so far, over the picture of before."""
        from neural_dsl.visualize.loss_curves import loss_curves_png

        lines = metrics.read(self.folder)
        write_bytes(self.folder / "loss_curves.png", loss_curves_png(lines, about))

    def close(self) -> None:
        """Finish what TensorBoard reads; the log stays open for its owner."""
        if self.scalars is not None:
            self.scalars.close()

    def _scalar(self, step: int, group: str, values: dict[str, float]) -> None:
        if self.scalars is not None:
            self.scalars.write(step, {f"{group}/{k}": v for k, v in values.items()})
