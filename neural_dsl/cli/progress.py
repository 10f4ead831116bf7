"""What `neural train` shows while it trains: plain lines on stderr, and in a terminal a
live bar below them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from neural_dsl.cli.console import note, print_diagnostics, safe_console
from neural_dsl.diagnostics.layout import safe
from neural_dsl.runs.journal import Measures, Watcher
from neural_dsl.runs.metrics import SHARES, in_words

if TYPE_CHECKING:
    from neural_dsl.backends.training import BaseTraining
    from neural_dsl.runs.decoding import Sample
    from neural_dsl.runs.prepare import Prepared


class Progress(Watcher):
    """A line a validation. The bar, where there is one, has loss, measure, speed and time
    left."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.loss, self.speed = float("nan"), 0.0

    def note(self, text: str) -> None:
        """Something worth a line; above the bar."""
        if self.bar is None:
            note(text)
        else:
            self.bar.console.print(text, markup=False)

    def started(self, run: Prepared, training: BaseTraining) -> None:
        """Name what is trained, where, and for how long at most."""
        network, self.total = run.network, training.total_steps
        print_diagnostics(run.warnings)
        self.note(
            f"training {network.name}, {network.parameter_count:,} parameters, on "
            f"{run.compiled.backend} ({training.device}), {self.total:,} steps -> "
            f"{run.folder}"
        )
        if sys.stderr.isatty():
            self._show_bar(training.step)

    def _show_bar(self, done: int) -> None:
        """The bar, where a resumed run has got to already."""
        from rich import progress as rich

        self.bar = rich.Progress(
            rich.BarColumn(bar_width=24),
            rich.MofNCompleteColumn(),
            rich.TextColumn("loss {task.fields[loss]}"),
            rich.TextColumn("{task.fields[measure]}"),
            rich.TextColumn("{task.fields[speed]} tokens/s"),
            rich.TimeRemainingColumn(compact=True),
            console=safe_console(sys.stderr),
            transient=True,
        )
        fields: dict[str, Any] = {"loss": "…", "measure": "", "speed": "…"}
        self.task = self.bar.add_task("", total=self.total, completed=done, **fields)
        self.bar.start()

    def stepped(self, step: int, loss: float, tokens_per_second: float) -> None:
        """Move the bar; keep what the next line will say."""
        self.loss = loss
        # Smoothed, so that one slow step does not make the number jump.
        before = self.speed or tokens_per_second
        self.speed = 0.8 * before + 0.2 * tokens_per_second
        if self.bar is not None:
            shown = {"loss": f"{loss:.4f}", "speed": f"{self.speed:,.0f}"}
            self.bar.update(self.task, completed=step, **shown)

    def validated(self, step: int, measures: Measures, samples: list[Sample]) -> None:
        """`step    50  loss 1.2345  validation 1.2  exact match 12.0%  …`; below it one
        wrong answer, if there is one, or in a terminal some right and wrong ones."""
        parts = [f"step {step:>{len(str(self.total))}}", f"loss {self.loss:.4f}"]
        parts.append(f"validation {measures['loss']:.4f}")
        parts += others(measures, "loss", "count")
        self.note("  ".join([*parts, f"{self.speed:,.0f} tokens/s"]))
        if self.bar is None:
            for sample in [each for each in samples if not each.right][:1]:
                self.note(f"    {sample.line()}")
            return
        from rich.text import Text

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
        if self.bar is not None:
            self.bar.stop()


def exact(measures: Measures, measure: str) -> str:
    """`exact match 998/1000`, or the loss of a task that is not right or wrong; then
    what `metrics` asks for."""
    first = in_words("loss", measures["loss"])
    if measure != "loss":
        count = round(measures["count"])
        right = round(measures[measure] * count)
        first = f"{measure.replace('_', ' ')} {right}/{count}"
    return ", ".join([first, *others(measures, "loss", "count", measure)])


def others(measures: Measures, *told: str) -> list[str]:
    """The measures in words, but for those that are told elsewhere."""
    return [in_words(name, measures[name]) for name in measures if name not in told]
