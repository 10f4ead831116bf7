"""`neural train`: the emitted training, with everything around it that a person wants.

prepare -> folder -> [ step, step, …, validation, checkpoint ] -> test
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from neural_dsl.backends.training import BaseTraining, start_training
from neural_dsl.codegen.training import hyperparameters
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import write_text
from neural_dsl.rules.measures import custom_of, goal_of
from neural_dsl.runs import checkpoints, directory
from neural_dsl.runs.checkpoints import NotFinite, Progress
from neural_dsl.runs.data_check import refuse_unfit_data
from neural_dsl.runs.decoding import Sample, sample_predictions
from neural_dsl.runs.journal import Journal
from neural_dsl.runs.log import RunLog, heading
from neural_dsl.runs.prepare import (
    Prepared,
    TrainRequest,
    default_folder,
    digest,
    prepare_again,
    prepare_new,
    settled,
)
from neural_dsl.runs.resuming import refuse_changes
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


class Watcher:
    """Who looks on: the terminal, or a test. This one says nothing."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def started(self, run: Prepared, training: BaseTraining) -> None:
        """Before the first step."""

    def stepped(self, step: int, loss: float, tokens_per_second: float) -> None:
        """The losses up to this step are known."""

    def validated(
        self, step: int, measures: dict[str, float], samples: list[Sample]
    ) -> None:
        """A validation, with some of its problems and what the model answers."""

    def stopped(self) -> None:
        """After the last step, whatever ended the training."""


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
    folder = request.output or default_folder(request)
    if request.file.is_dir() and directory.is_run(request.file):
        folder = request.file
        if not request.resume:
            directory.create(folder)  # refuses: a run is there
    made: list[Path] = []
    is_new = not (request.resume and directory.is_run(folder))
    if not is_new:
        run = prepare_again(folder, request.trust)
        refuse_changes(run, request)
    else:
        run = prepare_new(request)
        emptied = request.overwrite and directory.is_run(folder)
        if emptied:
            directory.remove_run(folder, force=request.force)
        made = directory.create(folder, emptied=emptied)
    with (
        directory.only_one(folder),
        directory.removed_unless_begun(folder, run.about, made),
    ):
        directory.sweep(folder)
        if run.about.get("status") == "finished":
            watcher.note(f"the run in {folder} is finished: nothing to do")
            return Outcome("nothing to do", folder, run.about.get("step", 0))
        checkpoints.refuse_weights_alone(folder)
        if is_new:
            run = settled(run)
        with RunLog(folder) as log:
            return Run(run, request, watcher, log).go()


class Run:
    """One start of a run: from its folder to its outcome."""

    def __init__(
        self, run: Prepared, request: TrainRequest, watcher: Watcher, log: RunLog
    ):
        self.run, self.request, self.folder = run, request, run.folder
        self.watcher, self.log = watcher, log
        self.progress = Progress()
        train, wish = run.network.train, run.network.execution.get("device")
        # A new run's files are still the user's: what is wrong in them is shown there.
        given, stored = run.given or run.network, None if run.given else self.folder
        write_text(self.folder / directory.CODE, run.compiled.code)
        if "status" not in run.about:  # from here on the folder can be resumed
            self.run.about["code_sha256"] = digest(run.compiled.code)
            self._describe(directory.PREPARING)
        count = train.get("attention_snapshots")
        self.snapshots = Snapshots(self.folder, run.compiled, count) if count else None
        self.training = start_training(
            run.compiled,
            run.seed,
            request.device or wish,
            str(self.folder / directory.CODE),
            tell_places(given, stored),
        )
        self.task = run_task(given, self.training.module)
        refuse_unfit_data(given, self.task)
        self._compare_splits()
        self._store_tokenizer()
        tell_places(given, self.folder)(self.training.module)
        self.pending: list[tuple[int, Any, float]] = []  # losses not read yet
        self.clock = time.monotonic()
        self.journal = Journal(self.folder, log, self.training.total_steps)
        self.checkpoint_every = train.get("checkpoint_every") or CHECKPOINT_EVERY
        self.measure = goal_of(run.network).measure

    def go(self) -> Outcome:
        """Train to the end, or until someone or something stops it."""
        self._open()
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
            self.watcher.stopped()
            self.journal.close()
        if interrupted:
            self._describe("interrupted")
            self._draw_losses()
            self.journal.info(f"interrupted after step {self.progress.step}")
            return Outcome("interrupted", self.folder, self.progress.step)
        return self._finish()

    def _compare_splits(self) -> None:
        """Refuse other examples than the run began with; a new one notes what it has."""
        about, custom = self.run.about, custom_of(self.run.network)
        if self.run.given is None:
            known = about.get("splits_sha256") or {}
            refuse_other_splits(known, self.task, self.folder)
            return
        about["splits_sha256"] = split_digests(self.task)
        if custom is not None:
            again = getattr(self.training.module, custom.name)()
            refuse_other_splits(about["splits_sha256"], again)

    def _store_tokenizer(self) -> None:
        """Keep what the ids of a text in parts of words mean, beside the weights."""
        learnt = getattr(self.task, "tokenizer", None)
        library = getattr(learnt, "tokenizer", None)  # characters need none
        path = self.folder / directory.TOKENIZER
        if library is not None and not path.exists():
            write_text(path, library.to_str(pretty=True))

    def _open(self) -> None:
        """Write what describes the run, and take up a saved state."""
        run, network, device = self.run, self.run.network, self.training.device
        found, current = checkpoints.load(self.folder), versions(run.compiled.backend)
        if found is not None:
            self._note_other_versions(current)
        run.about.update(versions=current, seed=run.seed, device=device)
        self._describe("running")
        settings = {
            "backend": run.compiled.backend,
            "device": device,
            "seed": run.seed,
            "task": f"{network.task.name} {dict(network.task.params)}",  # type: ignore[union-attr]
        } | hyperparameters(network, run.compiled.paths)
        self.log.text(heading(network, settings, current))
        if self.training.speed_up:
            self.log.write("info", self.training.speed_up)
        for warning in run.warnings:
            self.log.write("warning", f"{warning.code}: {warning.message}")
        if found is not None:
            state, self.progress = found
            try:
                self.training.load_state(state)
            except (KeyError, ValueError, RuntimeError) as error:
                raise checkpoints.damaged(self.folder / checkpoints.STATE) from error
            checkpoints.mend(self.folder, self.training, self.progress)
            self._note(f"going on after step {self.progress.step}")
        elif self.request.resume:
            self._note("no checkpoint was saved yet: starting afresh")
        self.journal.begin(self.progress.step)
        if self.snapshots is not None:
            total = self.training.total_steps
            self.snapshots.begin(self.task, total, self.progress.step)

    def _note_other_versions(self, current: dict[str, str]) -> None:
        """Say so when the run goes on with another framework than it has been trained
        with: sums may be ordered otherwise there."""
        before = self.run.about.get("versions") or {}
        others = [
            f"{name} {before[name]}, and this is {version}"
            for name, version in current.items()
            if name != "neural-dsl" and before.get(name, version) != version
        ]
        if others:
            self._note(
                f"the run was trained with {'; '.join(others)}: the same bit for bit "
                "is promised for one version only"
            )

    def _steps(self, wishes: list[int]) -> bool:
        """Iterate the emitted training; True when it was interrupted."""
        self._snapshot(self.progress.step)
        self.clock = time.monotonic()
        for step in self.training.steps():
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
        return False

    def _snapshot(self, step: int, *, last: bool = False) -> None:
        """Record the attention of this step, where the file asks for it."""
        if self.snapshots is not None:
            began = time.monotonic()
            try:
                self.snapshots.take(step, self.training.runtime, last=last)
            except NeuralError as error:  # NE107 tells of NaN; why, the training knows
                if self.training.gives_numbers():
                    raise
                what = "the model's output became NaN or infinite"
                raise self._diverged(step, what) from error
            self.clock += time.monotonic() - began  # looking is not training

    def _read_losses(self) -> None:
        """Fetch the losses from the device, note them, and refuse those that are none."""
        elapsed = time.monotonic() - self.clock
        self.progress.seconds += elapsed
        speed = self.training.tokens / elapsed if elapsed > 0 else 0.0
        for step, loss, rate in self.pending:
            value = float(loss)
            if not math.isfinite(value):
                raise self._diverged(step, f"the loss became {value}")
            self.journal.loss(step, value, rate)
        self.watcher.stepped(self.pending[-1][0], value, speed)
        self.pending.clear()
        self.training.tokens, self.clock = 0, time.monotonic()

    def _validated(self, step: int, measures: dict[str, float]) -> None:
        """Note a validation, look at some answers, and see whether it is the best."""
        if not math.isfinite(measures.get("loss", 0.0)):
            raise self._diverged(step, f"the validation loss became {measures['loss']}")
        self.journal.validation(step, self.progress.seconds, measures)
        fixed = self.training.input_length
        samples = sample_predictions(self.training.logits, self.task, fixed)
        self.journal.samples(samples)
        value, best = self._score(measures), self.progress.best
        if self.training.restores_best:
            better = self.training.is_best()
        else:
            better = best is None or value > best
        if better:
            self.progress.best, self.progress.best_step = value, step
        self.watcher.validated(step, measures, samples)
        self.clock = time.monotonic()

    def _score(self, measures: dict[str, float]) -> list[float]:
        """Larger is better: the task's measure; among equals, the smaller loss."""
        share = 0.0 if self.measure == "loss" else measures.get(self.measure, 0.0)
        return [share, -measures["loss"]]

    def _checkpoint(self, measures: dict[str, float]) -> None:
        try:
            checkpoints.save(self.folder, self.training, self.progress, measures)
        except NotFinite as error:
            raise self._diverged(self.progress.step, str(error)) from None
        self.journal.info(f"checkpoint of step {self.progress.step}")
        self.clock = time.monotonic()

    def _finish(self) -> Outcome:
        """Test what `python train.py` tests, on problems never seen, and close the run."""
        total, step = self.training.total_steps, self.progress.step
        if step < total:
            at = f"step {step:,} of {total:,}"
            self._note(f"early stopping ended the training at {at}")
        self._snapshot(step, last=True)
        restores = self.training.restores_best
        self.training.restore_best()
        test = self.training.evaluate("test")
        tested = "best" if restores else "last"
        of_step = self.progress.best_step if restores else step
        words = ", ".join(f"{k} {v:.4g}" for k, v in test.items())
        self.journal.info(f"test, {tested} weights (step {of_step}): {words}")
        self.run.about.update(test=test, tested=tested)
        self._draw_losses()
        self._describe("finished")
        return Outcome("finished", self.folder, step, test, self.measure)

    def _draw_losses(self) -> None:
        run = self.run
        about = f"{run.network.name} on {run.compiled.backend}, seed {run.seed}"
        self.journal.draw_losses(about)

    def _describe(self, status: str) -> None:
        self.run.about.update(
            status=status,
            step=self.progress.step,
            best_step=self.progress.best_step,
            best=self.progress.best,
            seconds=round(self.progress.seconds, 3),
        )
        directory.write_about(self.folder, self.run.about)

    def _note(self, text: str) -> None:
        self.journal.info(text)
        self.watcher.note(text)

    def _diverged(self, step: int, what: str) -> NeuralError:
        kept, saved = checkpoints.load(self.folder), ""
        if kept:
            step_kept = kept[1].step
            saved = (
                f"the checkpoint of step {step_kept} is kept in {checkpoints.LAST}; "
            )
        return refusal(
            "NE154",
            f"{what} at step {step}",
            help=f"{saved}try a smaller learning rate, "
            "or `--set train.gradient_clip=1.0`",
        )
