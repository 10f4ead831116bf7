"""The settings of a training: completed by the task, and refused where it cannot use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neural_dsl.catalogue.losses import LOSSES
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Setting
from neural_dsl.graph.settings import Settings, Task
from neural_dsl.rules.common import TRAINED_LOSSES, check_together, listed
from neural_dsl.source import Span

LOSS = "sparse_categorical_crossentropy"
MEASURES = {"acc": "accuracy"} | {n: n for n in ("loss", "exact_match", "accuracy")}
MONITORS = MEASURES | {f"val_{called}": name for called, name in MEASURES.items()}
"""What a file calls a measure of validation -> its name."""

WORKERS = "batches are made where they are used, which is faster here"
UNUSED = {
    "train": {
        "steps_per_epoch": "an epoch is one pass over all problems; use `validate_every`",
        "validation_split": "the task keeps problems for validation itself; use its `validation_size`",
        "validation_steps": "validation always takes the whole validation split",
        "num_workers": WORKERS,
        "verbose": "training always prints its progress",
        "search_method": "nothing searches in this version",
        "max_trials": "nothing searches in this version",
    },
    "execution": {"num_workers": WORKERS},
}
"""Block -> key -> why it has no effect."""


@dataclass
class TrainingCheck:
    """One network's settings and its task."""

    settings: Settings
    task: Task
    findings: Findings

    def complete(self) -> Settings:
        """The settings completed for the task; reports the ones that it cannot honour."""
        settings, train = self.settings, self._train()
        self._unsupported()
        check_together(settings, self.findings)
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

    def _unused(self, name: str, span: Span, reason: str) -> None:
        message = f"`{name}` has no effect on the training"
        self.findings.warning("NW075", message, span, "not used", reason)

    def _loss(self) -> Setting | None:
        """The loss; cross-entropy where the file is silent. Reports NE058."""
        given, task, related = self.settings.loss, self.task.given, self.task.related
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
            label = "needs other targets"
            self.findings.error("NE058", message, given.span, label, help, related)
        elif given.params.get("ignore_class") is not None:
            reason = "the task itself says what does not count"
            self._unused("ignore_class", given.span, reason)
        return given

    def _train(self) -> Mapping[str, Any]:
        """The keys of `train`, those of `execution` that belong there merged in."""
        settings, task = self.settings, self.task
        train, spans = dict(settings.train), settings.spans.get("train", {})
        given = settings.execution
        for block, keys in (("train", settings.train), ("execution", given)):
            for key in UNUSED[block].keys() & keys:
                self._unused(key, settings.spans[block][key], UNUSED[block][key])
        for key in ("seed", "mixed_precision"):  # which mean the same in `train`
            if key in given and train.setdefault(key, given[key]) != given[key]:
                message = f"`{key}` is given twice, with two values"
                label, help = "not what `train` says", "keep one of the two"
                span = settings.spans["execution"][key]
                self.findings.error("NE070", message, span, label, help)
        if given.get("precision") in ("mixed", "bfloat16"):
            train.setdefault("mixed_precision", True)
        if train.get("save_best") is False:
            self._unused("save_best", spans["save_best"], "the best is always kept")
        if train.get("shuffle") is False and task.spec.draws:
            reason = "training draws examples anew for ever: they have no order to keep"
            self._unused("shuffle", spans["shuffle"], reason)
        if train.get("scheduled_sampling") and not task.causal:
            span, label = spans["scheduled_sampling"], "nothing is fed back"
            message = "`scheduled_sampling` feeds answers back, but this task answers at all positions at once"
            help = 'leave it out, or use `layout="sequence"`'
            self.findings.error("NE074", message, span, label, help, task.related)
        folder = Path(self.findings.source.name).parent
        size = task.spec.train_size(task.given.params, folder)
        if size is None and "steps" not in train:
            message = f"training on `{task.given.name}` needs `steps`: how many examples there are is known only when it runs"
            span, help = task.given.span, "write for instance `train { steps: 2000 }`"
            self.findings.error("NE067", message, span, "of unknown size", help)
        stopping = train.get("early_stopping")
        if stopping is not None:
            train["early_stopping"] = self._watching(stopping)
        return train

    def _unsupported(self) -> None:
        """Report what no training script has yet: some losses and devices, and numbers
        of 16 bits that could overflow (NE059)."""

        def report(what: str, span: Span, help: str) -> None:
            message = f"{what} is not yet supported for training"
            label = "known, but no training script has it"
            self.findings.error("NE059", message, span, label, help)

        loss, execution = self.settings.loss, self.settings.execution
        spans, free = self.settings.spans.get("execution", {}), not self.task.gives_ids
        if loss is not None and free and loss.name not in TRAINED_LOSSES:
            able = ", ".join(f"`{name}`" for name in TRAINED_LOSSES)
            report(f"the loss `{loss.name}`", loss.span, f"there are {able}")
        if (device := execution.get("device")) in ("mps", "tpu"):
            help = "there are `auto`, `cpu` and `cuda`"
            report(f"`device: {device}`", spans["device"], help)
        if execution.get("precision") == "float16":
            help = 'write `precision: "mixed"`: bfloat16 where it is safe, else float32'
            report("`precision: float16`", spans["precision"], help)

    def _watching(self, setting: Setting) -> Setting:
        """A rule for stopping or a schedule whose monitor is a measure of the task, and
        whose target and direction fit it."""
        if "monitor" not in setting.params:
            return setting
        given, spec, related = (
            setting.params["monitor"],
            self.task.spec,
            self.task.related,
        )
        measure = MONITORS.get(given.lower()) if given else spec.measure
        asked = {metric.name for metric in self.settings.metrics} & {"accuracy"}
        measures = tuple(dict.fromkeys(("loss", spec.measure, *spec.also, *asked)))
        if measure not in measures:
            message = f"`{given}` is not measured on the task `{self.task.given.name}`"
            help = f"there are {listed(measures)}"
            if measure == "accuracy":
                help += "; `metrics: [accuracy]` adds `accuracy`"
            if "perplexity" in given.lower():
                message = "`perplexity` is reported, and no rule watches it"
                help = "watch `loss`: perplexity is e to the power of it"
            label = "watches nothing"
            self.findings.error("NE079", message, setting.span, label, help, related)
            return setting
        target, mode = setting.params.get("target"), setting.params.get("mode")
        if measure != "loss" and target is not None and not 0 < target <= 1:
            message = f"`{measure}` is a share between 0 and 1, so `target` cannot be {target:g}"
            help = "1.0 means that everything is right"
            label = "never reached"
            self.findings.error("NE079", message, setting.span, label, help, related)
        better, which = ("min", "smaller") if measure == "loss" else ("max", "larger")
        if mode not in ("auto", better, None):
            message = f"a {which} `{measure}` is better, so the mode cannot be `{mode}`"
            label, help = "the wrong direction", "leave `mode` out"
            self.findings.error("NE079", message, setting.span, label, help, related)
        return replace(setting, params={**setting.params, "monitor": measure})
