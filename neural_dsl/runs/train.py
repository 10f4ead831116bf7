"""`neural train`: the emitted training, with everything around it that a person wants.

prepare -> folder -> [ step, step, …, validation, checkpoint ] -> test
"""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from neural_dsl.backends.training import start_training
from neural_dsl.codegen.training import hyperparameters
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import write_bytes, write_text
from neural_dsl.rules.measures import custom_of, goal_of
from neural_dsl.runs import checkpoints, directory, metrics
from neural_dsl.runs.data_check import refuse_unfit_data
from neural_dsl.runs.decoding import sample_predictions
from neural_dsl.runs.journal import Journal, Watcher, heading
from neural_dsl.runs.prepare import (
    Prepared,
    TrainRequest,
    digest,
    prepare_again,
    prepare_new,
    settled,
)
from neural_dsl.runs.resuming import other_versions, refuse_changes
from neural_dsl.runs.signals import stop_wishes
from neural_dsl.runs.snapshots import Snapshots
from neural_dsl.runs.task_files import (
    refuse_other_splits,
    run_task,
    split_digests,
    tell_places,
)
from neural_dsl.targets.base import versions
from neural_dsl.tasks.checked import failures_named

CHECKPOINT_EVERY = 500  # steps, where `train { checkpoint_every: … }` is silent
LOSSES_READ_EVERY = 10  # steps: reading a loss waits for the device

Status = Literal["finished", "interrupted", "nothing to do"]


@dataclass(frozen=True)
class Outcome:
    """How a training ended; `test` are the measures of the weights that it ends with,
    `measure` the one that tells how good they are."""

    status: Status
    folder: Path
    step: int
    test: dict[str, float] = field(default_factory=dict)
    measure: str = "loss"


def train(request: TrainRequest, watcher: Watcher) -> Outcome:
    """Train a file's network, or go on with a run. Raises NeuralError: what preparing
    raises, NE154 when the loss is no number, NE134 when the folder cannot be written;
    then the last checkpoint stands."""
    folder, made = request.folder, []
    if request.resume and directory.is_run(folder):
        run = prepare_again(folder, request.trust)
        refuse_changes(run, request)
    else:
        if directory.is_run(request.file):
            directory.create(folder)  # refuses: a run is there
        run = prepare_new(request)
        made = directory.create(folder, request.overwrite, request.force)
    with directory.trained_in(folder, run.about, made):
        if run.about.get("status") == "finished":
            if not checkpoints.saved_weights(folder):
                raise checkpoints.no_weights(folder, run.about, checkpoints.LAST)
            watcher.note(f"the run in {folder} is finished: nothing to do")
            return Outcome("nothing to do", folder, run.about.get("step", 0))
        checkpoints.refuse_weights_alone(folder)
        if run.given is not None:
            run = settled(run)
        with Journal(folder, watcher) as journal:
            return Run(run, request, journal).go()


class Run:
    """One start of a run: from its folder to its outcome."""

    def __init__(self, run: Prepared, request: TrainRequest, journal: Journal):
        self.run, self.folder, self.about = run, run.folder, run.about
        self.journal, self.watcher = journal, journal.watcher
        self.progress = checkpoints.Progress()
        train, wish = run.network.train, run.network.execution.get("device")
        # A new run's files are still the user's: what is wrong in them is shown there.
        given, stored = run.given or run.network, None if run.given else self.folder
        code = self.folder / directory.CODE
        write_text(code, run.compiled.code)
        if "status" not in self.about:  # from here on the folder can be resumed
            self.about["code_sha256"] = digest(run.compiled.code)
            self._describe(directory.PREPARING)
        count = train.get("attention_snapshots")
        self.snapshots = Snapshots(self.folder, run.compiled, count) if count else None
        device, places = request.device or wish, tell_places(given, stored)
        self.training = start_training(
            run.compiled, run.seed, device, str(code), places
        )
        self.task = run_task(given, self.training.module)
        refuse_unfit_data(given, self.task)
        self._compare_splits()
        learnt = getattr(self.task, "tokenizer", None)
        library = getattr(learnt, "tokenizer", None)  # characters need none
        stored_at = self.folder / directory.TOKENIZER
        if library is not None and not stored_at.exists():  # what ids of parts mean
            write_text(stored_at, library.to_str(pretty=True))
        tell_places(given, self.folder)(self.training.module)
        self.pending: list[tuple[int, Any, float]] = []  # losses not read yet
        self.elapsed = 0.0  # of them, in seconds
        self.checkpoint_every = train.get("checkpoint_every") or CHECKPOINT_EVERY
        self.measure = goal_of(run.network).measure
        self._open(request.resume)

    def go(self) -> Outcome:
        """Train to the end, or until someone or something stops it."""
        self.watcher.started(self.run, self.training)
        try:
            with stop_wishes() as wishes, failures_named(self.task):
                interrupted = self._steps(wishes)
        except BaseException as error:
            kept = not isinstance(error, KeyboardInterrupt)
            with suppress(NeuralError):  # the disk may be what failed
                self._describe("failed" if kept else "interrupted")
                if kept:  # how it came to this; who pressed Ctrl-C twice is in a hurry
                    self._draw_losses()
            raise
        finally:
            self.journal.stopped()
        if not interrupted:
            return self._finish()
        self.journal.write("info", f"interrupted after step {self.progress.step}")
        return self._ended("interrupted", {})

    def _compare_splits(self) -> None:
        """Refuse other examples than the run began with; a new one notes what it has."""
        if self.run.given is None:
            known = self.about.get("splits_sha256", {})
            refuse_other_splits(known, self.task, self.folder)
            return
        known = self.about["splits_sha256"] = split_digests(self.task)
        custom = custom_of(self.run.network)
        if custom is not None:
            refuse_other_splits(known, getattr(self.training.module, custom.name)())

    def _open(self, resume: bool) -> None:
        """Take up a saved state, and write what describes the run."""
        run, network, device = self.run, self.run.network, self.training.device
        saved, current = checkpoints.load(self.folder), versions(run.compiled.backend)
        if saved is not None:
            if remark := other_versions(self.about, current):
                self.journal.note(remark)
            self.progress = checkpoints.take_up(self.folder, self.training, *saved)
        self.about.update({"versions": current, "seed": run.seed, "device": device})
        self._describe("running")
        task = f"{network.task.name} {dict(network.task.params)}"  # type: ignore[union-attr]
        settings = {"backend": run.compiled.backend, "device": device}
        settings |= {"seed": str(run.seed), "task": task}
        settings |= hyperparameters(network, run.compiled.paths)
        self.journal.text(heading(network, settings, current))
        if self.training.speed_up:
            self.journal.write("info", self.training.speed_up)
        for warning in run.warnings:
            self.journal.write("warning", f"{warning.code}: {warning.message}")
        if saved is not None:
            self.journal.note(f"going on after step {self.progress.step}")
        elif resume:
            self.journal.note("no checkpoint was saved yet: starting afresh")
        total, done = self.training.total_steps, self.progress.step
        self.journal.begin(done, total)
        if self.snapshots is not None:
            self.snapshots.begin(self.task, total, done)

    def _steps(self, wishes: list[int]) -> bool:
        """Iterate the emitted training; True when it was interrupted."""
        self._snapshot(self.progress.step)
        began = time.monotonic()
        for step in self.training.steps():
            self.elapsed += time.monotonic() - began
            self.progress.step = step.step
            self._snapshot(step.step)
            self.pending.append((step.step, step.loss, step.learning_rate))
            validated = step.validation is not None
            due = step.step % self.checkpoint_every == 0
            if validated or due or wishes or len(self.pending) >= LOSSES_READ_EVERY:
                self._read_losses()
            if validated:
                self._validated(step.step, dict(step.validation))
            if validated or due or wishes:
                self._checkpoint(dict(step.validation or {}))
            if wishes and step.step < self.training.total_steps:
                return True
            began = time.monotonic()  # looking and saving are not training
        return False

    def _snapshot(self, step: int, *, last: bool = False) -> None:
        """Record the attention of this step, where the file asks for it."""
        try:
            if self.snapshots is not None:
                self.snapshots.take(step, self.training.runtime, last=last)
        except NeuralError as error:  # NE107 tells of NaN; why, the training knows
            if self.training.gives_numbers():
                raise
            what = "the model's output became NaN or infinite"
            raise self._diverged(step, what) from error

    def _read_losses(self) -> None:
        """Fetch the losses from the device, note them, and refuse those that are none."""
        speed = self.training.tokens / self.elapsed if self.elapsed > 0 else 0.0
        self.progress.seconds += self.elapsed
        for step, loss, rate in self.pending:
            value = float(loss)
            if not math.isfinite(value):
                raise self._diverged(step, f"the loss became {value}")
            self.journal.loss(step, value, rate)
        self.watcher.stepped(self.pending[-1][0], value, speed)
        self.pending.clear()
        self.training.tokens, self.elapsed = 0, 0.0

    def _validated(self, step: int, measures: dict[str, float]) -> None:
        """Note a validation, look at some answers, and see whether it is the best."""
        loss, fixed = measures.get("loss", 0.0), self.training.input_length
        if not math.isfinite(loss):
            raise self._diverged(step, f"the validation loss became {loss}")
        samples = sample_predictions(self.training.logits, self.task, fixed)
        self.journal.validated(step, self.progress.seconds, measures, samples)
        # Larger is better: the task's measure; among equals, the smaller loss.
        share = 0.0 if self.measure == "loss" else measures.get(self.measure, 0.0)
        value, best = [share, -measures["loss"]], self.progress.best
        better = best is None or value > best
        if self.training.restores_best:
            better = self.training.is_best()
        if better:
            self.progress.best, self.progress.best_step = value, step

    def _checkpoint(self, measures: dict[str, float]) -> None:
        done = self.progress
        wrong = checkpoints.save(self.folder, self.training, done, measures)
        if wrong:
            raise self._diverged(done.step, wrong)
        self.journal.write("info", f"checkpoint of step {done.step}")

    def _finish(self) -> Outcome:
        """Test what `python train.py` tests, on problems never seen, and close the run."""
        total, step = self.training.total_steps, self.progress.step
        if step < total:
            at = f"step {step:,} of {total:,}"
            self.journal.note(f"early stopping ended the training at {at}")
        self._snapshot(step, last=True)
        restores = self.training.restores_best
        self.training.restore_best()
        test = self.training.evaluate("test")
        tested = "best" if restores else "last"
        of_step = self.progress.best_step if restores else step
        words = ", ".join(f"{k} {v:.4g}" for k, v in test.items())
        self.journal.write("info", f"test, {tested} weights (step {of_step}): {words}")
        self.about.update({"test": test, "tested": tested})
        return self._ended("finished", test)

    def _ended(self, status: Status, test: dict[str, float]) -> Outcome:
        self._draw_losses()
        self._describe(status)
        return Outcome(status, self.folder, self.progress.step, test, self.measure)

    def _draw_losses(self) -> None:
        """All losses so far, over the picture of before."""
        from neural_dsl.visualize.loss_curves import loss_curves_png

        run, lines = self.run, metrics.read(self.folder)
        about = f"{run.network.name} on {run.compiled.backend}, seed {run.seed}"
        picture = loss_curves_png(lines, about)
        write_bytes(self.folder / "loss_curves.png", picture)

    def _describe(self, status: str) -> None:
        done, about = self.progress, self.about
        about.update({"status": status, "step": done.step, "best_step": done.best_step})
        about.update({"best": done.best, "seconds": round(done.seconds, 3)})
        text = json.dumps(about, indent=2, default=str) + "\n"
        write_text(self.folder / directory.ABOUT, text)

    def _diverged(self, step: int, what: str) -> NeuralError:
        kept, saved = checkpoints.load(self.folder), ""
        if kept:
            at = f"the checkpoint of step {kept[1].step}"
            saved = f"{at} is kept in {checkpoints.LAST}; "
        help = f"{saved}try a smaller learning rate, or `--set train.gradient_clip=1.0`"
        return refusal("NE154", f"{what} at step {step}", help=help)
