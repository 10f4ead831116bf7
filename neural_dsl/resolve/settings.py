"""Loss, optimizer, schedule, metrics, train and execution settings of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.diagnostics import NeuralError, Related
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Setting
from neural_dsl.graph.settings import Settings, Task
from neural_dsl.resolve.arguments import Binder, Codes
from neural_dsl.resolve.sections import Sections
from neural_dsl.resolve.terms import CallValue, Invalid, Place, Scope, describe
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

CODES = Codes("NE066", "NE070", "NE067", "NE068", "NE069", "NE071")
BLOCK_CODES = replace(CODES, noun="setting")
STOPPING = "train.early_stopping"


def resolve_settings(sections: Sections, findings: Findings) -> Settings:
    """Check every setting of a network; mistakes are reported, their settings left out."""
    given = sections.settings
    monitor = None if "task" in given else "val_loss"  # a task knows its measure
    resolver = SettingResolver(findings, monitor)
    optimizer = resolver.one(given.get("optimizer"), "optimizer")
    schedule = resolver.one(given.get("lr_schedule"), "lr_schedule")
    rate = optimizer.params.get("learning_rate") if optimizer else None
    if isinstance(rate, Setting) and schedule is not None:
        related = (Related(rate.span, "the optimizer has this one"),)
        message = "the learning rate has two schedules"
        label, help = "a second schedule", "keep one of the two"
        findings.error("NE070", message, schedule.span, label, help, related)
    return Settings(
        loss=resolver.one(given.get("loss"), "loss"),
        optimizer=optimizer,
        lr_schedule=schedule,
        metrics=resolver.several(given.get("metrics")),
        task=resolver.task(given.get("task")),
        spans=resolver.key_spans,
        train=resolver.block(sections.blocks.get("train"), "train"),
        execution=resolver.block(sections.blocks.get("execution"), "execution"),
    )


def _table(section: str) -> Table:
    """What a section may name. Each table is built for the first file that asks."""
    match section:
        case "loss":
            from neural_dsl.catalogue.losses import LOSSES as table
        case "optimizer":
            from neural_dsl.catalogue.optimizers import OPTIMIZERS as table
        case "lr_schedule":
            from neural_dsl.catalogue.schedules import SCHEDULES as table
        case "metrics":
            from neural_dsl.catalogue.losses import METRICS as table
        case "early_stopping":
            from neural_dsl.catalogue.configuration import STOPPING as table
        case "task":
            from neural_dsl.tasks import TASKS as table
        case _:
            raise ValueError(section)
    return table


@dataclass
class SettingResolver:
    """Turns values such as `Adam(lr=1e-4)`, `"Adam(1e-4)"` or `adam` into Settings.

    `monitor` is what early stopping watches where the file does not say.
    """

    findings: Findings
    monitor: str | None = "val_loss"
    argument_spans: dict[Span, Mapping[str, Span]] = field(default_factory=dict)
    key_spans: dict[str, Mapping[str, Span]] = field(default_factory=dict)

    def one(self, setting: syntax.Setting | None, section: str) -> Setting | None:
        """The one thing that a section names; None without it or after reporting."""
        if setting is None:
            return None
        place = Place(setting.key.text.lower())
        with suppress(Invalid):
            return self._named(setting.value, _table(section), place)
        return None

    def task(self, setting: syntax.Setting | None) -> Task | None:
        """The task of a network; one without a Setting when something is wrong with it."""
        if setting is None:
            return None
        given = self.one(setting, "task")
        if given is None:
            return Task()
        from neural_dsl.resolve.tasks import describe_task

        return describe_task(given, self.argument_spans[given.span], self.findings)

    def several(self, setting: syntax.Setting | None) -> tuple[Setting, ...]:
        """The metrics; one thing without brackets is a list too."""
        if setting is None:
            return ()
        table, value, found = _table("metrics"), setting.value, dict[str, Setting]()
        for item in value.items if isinstance(value, syntax.Sequence) else (value,):
            with suppress(Invalid):
                metric = self._named(item, table, Place("metrics"))
                if metric.name in found:
                    message = f"the {table.what} `{metric.name}` is given twice"
                    first = found[metric.name].span
                    self.findings.twice("NE070", message, metric.span, first)
                found.setdefault(metric.name, metric)
        return tuple(found.values())

    def block(self, block: syntax.BlockSection | None, name: str) -> dict[str, Any]:
        """The keys that a block gives, under their canonical names."""
        if block is None:
            return {}
        from neural_dsl.catalogue.configuration import EXECUTION, TRAIN

        keys = {"train": TRAIN, "execution": EXECUTION}[name]
        settings = [syntax.Argument(s.span, s.key, s.value) for s in block.settings]
        around = (self.findings, Scope(), Place(name), BLOCK_CODES)
        binder = Binder(name, keys, *around, extra=())
        bound = binder.bind(settings, block.keyword.span)
        self.key_spans[name] = bound.spans
        values = {key: bound.values[key] for key in bound.spans if key in bound.values}
        if "early_stopping" in values:
            given = binder.given["early_stopping"].value
            values["early_stopping"] = self._stopping(values["early_stopping"], given)
        return values

    # --- one named thing --------------------------------------------------------------

    def _named(self, value: syntax.Value, table: Table, place: Place) -> Setting:
        evaluated = evaluate(value, Scope(), place, self.findings)
        return self._setting(evaluated, value.span, table, place)

    def _setting(self, value: Any, span: Span, table: Table, place: Place) -> Setting:
        """The Setting for an evaluated value. Raises Invalid after reporting."""
        if isinstance(value, str) and "(" in value:
            value = self._inside_string(value, span)
        if isinstance(value, CallValue):
            name, given = value.call.name, value.call.arguments
            spec = self._find(name.text, name.span, table)
            return self._call(spec, given, name.span, span, place)
        if isinstance(value, str):
            return self._call(self._find(value, span, table), (), span, span, place)
        article, text = (
            "an" if table.what[0] in "aeio" else "a",
            self.findings.text(span),
        )
        message = f"here stands the name of {article} {table.what}, not `{text}`"
        help = f"write for instance `{table.example}`"
        self.findings.error("NE068", message, span, f"this is {describe(value)}", help)
        raise Invalid

    def _inside_string(self, text: str, span: Span) -> Any:
        """The value that a string spells: `"Adam(learning_rate=1e-4)"`."""
        from neural_dsl.syntax.parser import parse_value

        quoted = self.findings.source.slice(span)
        offset = span.start + max(quoted.find(text), 0)
        try:
            value = parse_value(text, self.findings.source, offset)
        except NeuralError as error:
            self.findings.adopt(error.diagnostics)
            raise Invalid from None
        return CallValue(value, Scope()) if isinstance(value, syntax.Call) else text

    def _find(self, name: str, span: Span, table: Table) -> SettingSpec:
        spec, names = table.find(name), [each.name for each in table.specs]
        if spec is not None:
            return spec
        if table.is_planned(name):
            message = f"the {table.what} `{name}` is not yet supported"
            help = "there are: " + ", ".join(f"`{each}`" for each in names)
            label = "known, but not built by this version"
            self.findings.error("NE061", message, span, label, help)
        else:
            message = f"unknown {table.what} `{name}`"
            label = f"no {table.what} of this name"
            help = did_you_mean(name, table.names(), listed=names)
            self.findings.error(table.code, message, span, label, help)
        raise Invalid

    def _call(
        self,
        spec: SettingSpec,
        arguments: Sequence[syntax.Argument],
        name_span: Span,
        span: Span,
        place: Place,
    ) -> Setting:
        around = (self.findings, Scope(), place, CODES)
        binder = Binder(spec.name, spec.parameters, *around, extra=())
        bound = binder.bind(arguments, name_span)
        if not bound.ok:
            raise Invalid
        params = dict(bound.values)
        rate, given = params.get("learning_rate"), binder.given.get("learning_rate")
        if given is not None and isinstance(rate, str | CallValue):  # a schedule
            below, table = place.below("learning_rate"), _table("lr_schedule")
            rate = self._setting(rate, given.value.span, table, below)
            params["learning_rate"] = rate
        try:
            spec.check(params)
        except LayerProblem as problem:
            self.findings.problem(problem, bound.spans, name_span)
            raise Invalid from None
        self.argument_spans[span] = bound.spans
        return Setting(spec.name, params, span)

    def _stopping(self, value: Any, given: syntax.Value) -> Setting | None:
        """`true`, a patience, a call or a mapping; None for `false` or after reporting."""
        span, table, place = given.span, _table("early_stopping"), Place(STOPPING)
        arguments: list[syntax.Argument] = []
        if value is False:
            return None
        if isinstance(value, int) and value is not True:
            patience = syntax.Name(span, "patience")
            arguments = [syntax.Argument(span, patience, given)]
        elif isinstance(given, syntax.Mapping):
            arguments = list(given.arguments)
        try:
            if isinstance(value, int) or isinstance(given, syntax.Mapping):
                found = self._call(table.specs[0], arguments, span, span, place)
            else:
                found = self._setting(value, span, table, place)
        except Invalid:
            return None
        self.key_spans["early_stopping"] = self.argument_spans[span]
        if found.params["monitor"] is None:
            found = replace(found, params={**found.params, "monitor": self.monitor})
        return found
