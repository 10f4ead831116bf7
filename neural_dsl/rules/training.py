"""The settings of a training: completed by the task, and refused where it cannot use them.

Without a task the settings are kept as the file has them, for nothing here trains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from neural_dsl.catalogue.losses import LOSSES
from neural_dsl.diagnostics import Related
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Setting
from neural_dsl.graph.settings import Settings, Task
from neural_dsl.rules.measures import listed
from neural_dsl.rules.together import check_together
from neural_dsl.rules.unsupported import report_unsupported
from neural_dsl.source import Span

LOSS = "sparse_categorical_crossentropy"
MONITORS = {
    "loss": "loss",
    "val_loss": "loss",
    "exact_match": "exact_match",
    "val_exact_match": "exact_match",
    "accuracy": "accuracy",
    "val_accuracy": "accuracy",
    "acc": "accuracy",
    "val_acc": "accuracy",
}
"""What a file calls a measure of validation -> its name."""

UNUSED_TRAIN = {
    "steps_per_epoch": "an epoch is one pass over all problems; use `validate_every`",
    "validation_split": "the task keeps problems for validation itself; use its "
    "`validation_size`",
    "validation_steps": "validation always takes the whole validation split",
    "num_workers": "batches are made where they are used, which is faster here",
    "verbose": "training always prints its progress",
    "search_method": "nothing searches in this version",
    "max_trials": "nothing searches in this version",
}
UNUSED_EXECUTION = {"num_workers": UNUSED_TRAIN["num_workers"]}
MOVED = ("seed", "mixed_precision")
"""Keys of `execution` that mean the same in `train`."""


def for_task(settings: Settings, task: Task, findings: Findings) -> Settings:
    """The settings completed for a task; reports the ones that it cannot honour."""
    return _TrainingCheck(settings, task, findings).complete()


class _TrainingCheck:
    """One network's settings, its task and where everything stands."""

    def __init__(self, settings: Settings, task: Task, findings: Findings):
        self.settings = settings
        self.task = task
        self.findings = findings
        asked = {metric.name for metric in settings.metrics} & {"accuracy"}
        names = ("loss", task.spec.measure, *task.spec.also, *asked)
        self.measures = tuple(dict.fromkeys(names))

    def complete(self) -> Settings:
        """All checks, one after another."""
        settings, train = self.settings, self._train()
        report_unsupported(settings, self.findings)
        check_together(settings, train, self.findings)
        self._length(train)
        optimizer, schedule = settings.optimizer, settings.lr_schedule
        rate = optimizer.params.get("learning_rate") if optimizer else None
        if optimizer is not None and isinstance(rate, Setting):
            params = {**optimizer.params, "learning_rate": self._watching(rate)}
            optimizer = replace(optimizer, params=params)
        return replace(
            settings,
            loss=self._loss(),
            optimizer=optimizer,
            lr_schedule=self._watching(schedule) if schedule else None,
            train=train,
        )

    # --- loss and metrics -------------------------------------------------------------

    def _loss(self) -> Setting | None:
        """The loss; cross-entropy where the file is silent. Reports NE058."""
        given, task = self.settings.loss, self.task.given
        if not self.task.gives_ids:
            return given
        if given is None:
            spec = LOSSES.find(LOSS)
            assert spec is not None
            params = {each.name: each.default for each in spec.parameters}
            return Setting(LOSS, params, task.span)
        if given.name != LOSS:
            message = f"the loss `{given.name}` does not fit the task `{task.name}`, whose targets are symbols"
            help = f'leave `loss` out, or write `loss: "{LOSS}"`'
            self._unfit("NE058", message, given.span, "needs other targets", help)
        elif given.params.get("ignore_class") is not None:
            reason = "the task itself says what does not count"
            self._unused("ignore_class", given.span, reason)
        return given

    def _length(self, train: Mapping[str, Any]) -> None:
        """Epochs have no length where only the running task knows its size (NE067)."""
        task, folder = self.task.given, Path(self.findings.source.name).parent
        known = self.task.spec.train_size(task.params, folder) is not None
        if not known and "steps" not in train:
            message = (
                f"training on `{task.name}` needs `steps`: how many examples there are "
                "is known only when it runs"
            )
            help = "write for instance `train { steps: 2000 }`"
            self.findings.error("NE067", message, task.span, "of unknown size", help)

    # --- train and execution ----------------------------------------------------------

    def _train(self) -> Mapping[str, Any]:
        """The keys of `train`, those of `execution` that belong there merged in."""
        train = dict(self.settings.train)
        spans = self.settings.spans.get("train", {})
        self._unused_keys(train, spans, UNUSED_TRAIN)
        self._merge_execution(train)
        if train.get("save_best") is False:
            self._unused("save_best", spans["save_best"], "the best is always kept")
        if train.get("shuffle") is False and self.task.spec.draws:
            reason = "training draws examples anew for ever: they have no order to keep"
            self._unused("shuffle", spans["shuffle"], reason)
        if "steps" in train and "epochs" in train:
            related = (Related(spans["epochs"], "first said here"),)
            message = "`steps` and `epochs` both say how long training lasts"
            label, help = "the same thing again", "keep one of the two"
            self.findings.error("NE074", message, spans["steps"], label, help, related)
        if train.get("scheduled_sampling") and not self.task.causal:
            span = spans["scheduled_sampling"]
            message = (
                "`scheduled_sampling` feeds answers back, but this task answers at all "
                "positions at once"
            )
            help = 'leave it out, or use `layout="sequence"`'
            self._unfit("NE074", message, span, "nothing is fed back", help)
        stopping = train.get("early_stopping")
        if stopping is not None:
            train["early_stopping"] = self._watching(stopping)
        return train

    def _merge_execution(self, train: dict[str, Any]) -> None:
        """`execution { seed: 1 }` counts for training too."""
        given = self.settings.execution
        spans = self.settings.spans.get("execution", {})
        self._unused_keys(given, spans, UNUSED_EXECUTION)
        for key in MOVED:
            if key in given and train.setdefault(key, given[key]) != given[key]:
                message = f"`{key}` is given twice, with two values"
                label, help = "not what `train` says", "keep one of the two"
                self.findings.error("NE070", message, spans[key], label, help)
        if given.get("precision") in ("mixed", "bfloat16"):
            train.setdefault("mixed_precision", True)

    def _unused_keys(
        self, given: Iterable[str], spans: Mapping[str, Span], why: Mapping[str, str]
    ) -> None:
        for key in given:
            if key in why:
                self._unused(key, spans[key], why[key])

    def _unused(self, name: str, span: Span, reason: str) -> None:
        message = f"`{name}` has no effect on the training"
        self.findings.warning("NW075", message, span, "not used", reason)

    def _unfit(
        self, code: str, message: str, span: Span, label: str, help: str
    ) -> None:
        """Report what the task, which is shown too, cannot take."""
        self.findings.error(code, message, span, label, help, self.task.related)

    # --- what is watched --------------------------------------------------------------

    def _watching(self, setting: Setting) -> Setting:
        """A rule for stopping or a schedule whose monitor is a measure of the task."""
        if "monitor" not in setting.params:
            return setting
        given = setting.params["monitor"]
        measure = MONITORS.get(given.lower()) if given else self.task.spec.measure
        if measure in self.measures:
            self._check_aim(setting, measure)
            return replace(setting, params={**setting.params, "monitor": measure})
        message = f"`{given}` is not measured on the task `{self.task.given.name}`"
        help = f"there are {listed(self.measures)}"
        if measure == "accuracy":
            help += "; `metrics: [accuracy]` adds `accuracy`"
        if "perplexity" in given.lower():
            message = "`perplexity` is reported, and no rule watches it"
            help = "watch `loss`: perplexity is e to the power of it"
        self._unfit("NE079", message, setting.span, "watches nothing", help)
        return setting

    def _check_aim(self, setting: Setting, measure: str) -> None:
        """The target and the direction must fit the measure."""
        target, mode = setting.params.get("target"), setting.params.get("mode")
        if measure != "loss" and target is not None and not 0 < target <= 1:
            message = f"`{measure}` is a share between 0 and 1, so `target` cannot be {target:g}"
            help = "1.0 means that everything is right"
            self._unfit("NE079", message, setting.span, "never reached", help)
        better, which = ("min", "smaller") if measure == "loss" else ("max", "larger")
        if mode not in ("auto", better, None):
            message = f"a {which} `{measure}` is better, so the mode cannot be `{mode}`"
            label, help = "the wrong direction", "leave `mode` out"
            self._unfit("NE079", message, setting.span, label, help)
