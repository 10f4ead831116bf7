"""What `neural train` shows while it trains: a live line in a terminal, else plain lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from neural_dsl.cli.console import note, print_diagnostics, safe_console
from neural_dsl.diagnostics.layout import safe
from neural_dsl.runs.journal import Watcher
from neural_dsl.runs.metrics import SHARES, in_words

if TYPE_CHECKING:
    from neural_dsl.backends.training import BaseTraining
    from neural_dsl.runs.decoding import Sample
    from neural_dsl.runs.prepare import Prepared


class PlainProgress(Watcher):
    """A line a validation, on stderr: for log files and pipes."""

    def note(self, text: str) -> None:
        """Something worth a line."""
        note(text)

    def started(self, run: Prepared, training: BaseTraining) -> None:
        """Name what is trained, where, and for how long at most."""
        self.loss, self.speed = float("nan"), 0.0
        self.total = training.total_steps
        print_diagnostics(run.warnings)
        self.note(
            f"training {run.network.name}, {run.network.parameter_count:,} parameters, "
            f"on {run.compiled.backend} ({training.device}), {self.total:,} steps -> "
            f"{run.folder}"
        )

    def stepped(self, step: int, loss: float, tokens_per_second: float) -> None:
        """Keep what the next line will say."""
        self.loss = loss
        # Smoothed, so that one slow step does not make the number jump.
        before = self.speed or tokens_per_second
        self.speed = 0.8 * before + 0.2 * tokens_per_second

    def validated(
        self, step: int, measures: dict[str, float], samples: list[Sample]
    ) -> None:
        """One line of numbers, and one wrong answer if there is one."""
        self.note(self.line(step, measures))
        wrong = [sample for sample in samples if not sample.right]
        if wrong:
            self.note(f"    {wrong[0].line()}")

    def line(self, step: int, measures: dict[str, float]) -> str:
        """`step    50  loss 1.2345  validation loss 1.2  exact match 12.0%  …`"""
        parts = [f"step {step:>{len(str(self.total))}}", f"loss {self.loss:.4f}"]
        parts.append(f"validation {measures['loss']:.4f}")
        parts += others(measures, "loss", "count")
        return "  ".join([*parts, f"{self.speed:,.0f} tokens/s"])

    def stopped(self) -> None:
        """Nothing is left on the screen."""


class LiveProgress(PlainProgress):
    """A bar with loss, measure, speed and time left; right and wrong answers above it."""

    def started(self, run: Prepared, training: BaseTraining) -> None:
        """Show the bar, where a resumed run has got to already."""
        from rich import progress as rich

        super().started(run, training)
        words = ("loss {task.fields[loss]}", "{task.fields[measure]}")
        self.bar = rich.Progress(
            rich.BarColumn(bar_width=24),
            rich.MofNCompleteColumn(),
            *map(rich.TextColumn, (*words, "{task.fields[speed]} tokens/s")),
            rich.TimeRemainingColumn(compact=True),
            console=safe_console(sys.stderr),
            transient=True,
        )
        fields: dict[str, Any] = {"loss": "…", "measure": "", "speed": "…"}
        self.task = self.bar.add_task(
            "", total=self.total, completed=training.step, **fields
        )
        self.bar.start()

    def note(self, text: str) -> None:
        """A line above the bar."""
        if hasattr(self, "bar"):
            self.bar.console.print(text, markup=False)
        else:
            super().note(text)

    def stepped(self, step: int, loss: float, tokens_per_second: float) -> None:
        """Move the bar."""
        super().stepped(step, loss, tokens_per_second)
        speed = f"{self.speed:,.0f}"
        self.bar.update(self.task, completed=step, loss=f"{loss:.4f}", speed=speed)

    def validated(
        self, step: int, measures: dict[str, float], samples: list[Sample]
    ) -> None:
        """The plain line above the bar, with right and wrong answers in one more."""
        from rich.text import Text

        self.bar.console.print(self.line(step, measures), markup=False)
        shown = Text("    ")
        for sample in samples:
            mark, style = ("✓ ", "green") if sample.right else ("✗ ", "red")
            shown.append(mark + safe(sample.line()) + "   ", style=style)
        if samples:
            self.bar.console.print(shown, no_wrap=True, overflow="ellipsis")
        name = next((name for name in measures if name in SHARES), "loss")
        self.bar.update(self.task, measure=in_words(name, measures[name]))

    def stopped(self) -> None:
        """Take the bar away; the lines stay."""
        if hasattr(self, "bar"):
            self.bar.stop()


def progress() -> PlainProgress:
    """The display for this stderr."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def exact(measures: dict[str, float], measure: str) -> str:
    """`exact match 998/1000`, or the loss of a task that is not right or wrong; then
    what `metrics` asks for."""
    first = in_words("loss", measures["loss"])
    if measure != "loss":
        count = round(measures["count"])
        right = round(measures[measure] * count)
        first = f"{measure.replace('_', ' ')} {right}/{count}"
    return ", ".join([first, *others(measures, "loss", "count", measure)])


def others(measures: dict[str, float], *told: str) -> list[str]:
    """The measures in words, but for those that are told elsewhere."""
    return [in_words(name, measures[name]) for name in measures if name not in told]
