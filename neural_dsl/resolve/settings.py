"""Loss, optimizer, schedule, metrics, train and execution settings of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import LayerProblem, Parameter
from neural_dsl.diagnostics import NeuralError, Related
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Setting
from neural_dsl.graph.settings import Settings, Task
from neural_dsl.resolve.arguments import Binder, Bound, Codes
from neural_dsl.resolve.sections import Sections
from neural_dsl.resolve.suggestions import did_you_mean
from neural_dsl.resolve.terms import CallValue, Invalid, Place, Scope, describe
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

CODES = Codes(
    unknown="NE066",
    twice="NE070",
    missing="NE067",
    wrong_type="NE068",
    out_of_range="NE069",
    too_many="NE071",
)
BLOCK_CODES = replace(CODES, noun="setting")


def resolve_settings(sections: Sections, findings: Findings) -> Settings:
    """Check every setting of a network; mistakes are reported, their settings left out."""
    given = sections.settings
    monitor = None if "task" in given else "val_loss"  # a task knows its measure
    resolver = SettingResolver(findings, monitor)
    optimizer = resolver.one(given, "optimizer")
    schedule = resolver.one(given, "lr_schedule")
    if optimizer is not None and schedule is not None:
        _check_one_schedule(optimizer, schedule, findings)
    return Settings(
        loss=resolver.one(given, "loss"),
        optimizer=optimizer,
        lr_schedule=schedule,
        metrics=resolver.several(given.get("metrics")),
        task=_task(given, resolver),
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
            from neural_dsl.catalogue.metrics import METRICS as table
        case "early_stopping":
            from neural_dsl.catalogue.configuration import STOPPING as table
        case "task":
            from neural_dsl.catalogue.tasks import TASKS as table
        case _:
            raise ValueError(section)
    return table


def _keys(block: str) -> Sequence[Parameter]:
    """The keys of `train { … }` or `execution { … }`."""
    from neural_dsl.catalogue.configuration import EXECUTION, TRAIN

    return {"train": TRAIN, "execution": EXECUTION}[block]


def _task(
    sections: Mapping[str, syntax.Setting], resolver: SettingResolver
) -> Task | None:
    """The task of a network; one without a Setting when something is wrong with it."""
    if "task" not in sections:
        return None
    given = resolver.one(sections, "task")
    if given is None:
        return Task()
    from neural_dsl.resolve.tasks import describe_task

    return describe_task(given, resolver.argument_spans[given.span], resolver.findings)


def _check_one_schedule(
    optimizer: Setting, schedule: Setting, findings: Findings
) -> None:
    rate = optimizer.params.get("learning_rate")
    if isinstance(rate, Setting):
        related = (Related(rate.span, "the optimizer has this one"),)
        message = "the learning rate has two schedules"
        label = "a second schedule"
        help = "keep one of the two"
        findings.error("NE070", message, schedule.span, label, help, related)


@dataclass
class SettingResolver:
    """Turns values such as `Adam(lr=1e-4)`, `"Adam(1e-4)"` or `adam` into Settings.

    `monitor` is what early stopping watches where the file does not say.
    """

    findings: Findings
    monitor: str | None = "val_loss"
    argument_spans: dict[Span, Mapping[str, Span]] = field(default_factory=dict)
    key_spans: dict[str, Mapping[str, Span]] = field(default_factory=dict)

    def one(
        self, sections: Mapping[str, syntax.Setting], section: str
    ) -> Setting | None:
        """The one thing that a section names; None without it or after reporting."""
        setting = sections.get(section)
        if setting is None:
            return None
        try:
            return self._named(
                setting.value, _table(section), Place(setting.key.text.lower()), Scope()
            )
        except Invalid:
            return None

    def several(self, setting: syntax.Setting | None) -> tuple[Setting, ...]:
        """The metrics; one thing without brackets is a list too."""
        if setting is None:
            return ()
        table = _table("metrics")
        value, place = setting.value, Place("metrics")
        items = value.items if isinstance(value, syntax.Sequence) else (value,)
        found: dict[str, Setting] = {}
        for item in items:
            try:
                metric = self._named(item, table, place, Scope())
            except Invalid:
                continue
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
        arguments = [
            syntax.Argument(setting.key, setting.value, setting.span)
            for setting in block.settings
        ]
        binder = Binder(name, _keys(name), self.findings, BLOCK_CODES, extra=())
        bound = binder.bind(arguments, block.keyword.span, Scope(), Place(name))
        values = {}
        self.key_spans[name] = bound.spans
        for key in bound.spans:
            if key in bound.values:
                value = bound.values[key]
                if key == "early_stopping":
                    value = self._stopping(value, binder.given[key])
                    if value is not None:
                        self.key_spans[key] = self.argument_spans[value.span]
                    if value is not None and value.params["monitor"] is None:
                        params = {**value.params, "monitor": self.monitor}
                        value = replace(value, params=params)
                values[key] = value
        return values

    # --- one named thing --------------------------------------------------------------

    def _named(
        self, value: syntax.Value, table: Table, place: Place, scope: Scope
    ) -> Setting:
        evaluated = evaluate(value, scope, place, self.findings)
        return self._setting(evaluated, value.span, table, place, scope)

    def _setting(
        self, value: Any, span: Span, table: Table, place: Place, scope: Scope
    ) -> Setting:
        """The Setting for an evaluated value. Raises Invalid after reporting."""
        if isinstance(value, str) and "(" in value:
            value = self._inside_string(value, span, scope)
        if isinstance(value, CallValue):
            call, scope = value.call, value.scope
            spec = self._find(call.name.text, call.name.span, table)
            return self._call(spec, call.arguments, call.name.span, span, place, scope)
        if isinstance(value, str):
            spec = self._find(value, span, table)
            return self._call(spec, (), span, span, place, scope)
        article = "an" if table.what[0] in "aeio" else "a"
        message = (
            f"here stands the name of {article} {table.what}, not "
            f"`{self.findings.text(span)}`"
        )
        help = f"write for instance `{table.example}`"
        self.findings.error("NE068", message, span, f"this is {describe(value)}", help)
        raise Invalid

    def _inside_string(self, text: str, span: Span, scope: Scope) -> Any:
        """The value that a string spells: `"Adam(learning_rate=1e-4)"`."""
        from neural_dsl.syntax.parser import parse_value

        quoted = self.findings.source.slice(span)
        offset = span.start + max(quoted.find(text), 0)
        try:
            value = parse_value(text, self.findings.source, offset)
        except NeuralError as error:
            self.findings.adopt(error.diagnostics)
            raise Invalid from None
        if not isinstance(value, syntax.Call):
            return text
        return CallValue(value, scope)

    def _find(self, name: str, span: Span, table: Table) -> SettingSpec:
        spec = table.find(name)
        if spec is not None:
            return spec
        if table.is_planned(name):
            message = f"the {table.what} `{name}` is not yet supported"
            help = "there are: " + ", ".join(f"`{each.name}`" for each in table.specs)
            label = "known, but not built by this version"
            self.findings.error("NE061", message, span, label, help)
        else:
            message = f"unknown {table.what} `{name}`"
            label = f"no {table.what} of this name"
            help = did_you_mean(
                name, table.names(), listed=[each.name for each in table.specs]
            )
            self.findings.error(table.code, message, span, label, help)
        raise Invalid

    def _call(
        self,
        spec: SettingSpec,
        arguments: Sequence[syntax.Argument],
        name_span: Span,
        span: Span,
        place: Place,
        scope: Scope,
    ) -> Setting:
        binder = Binder(spec.name, spec.parameters, self.findings, CODES, extra=())
        bound = binder.bind(arguments, name_span, scope, place)
        if not bound.ok:
            raise Invalid
        params = self._with_schedule(spec, bound, binder, place, scope)
        try:
            spec.check(params)
        except LayerProblem as problem:
            self.findings.problem(problem, bound.spans, name_span)
            raise Invalid from None
        self.argument_spans[span] = bound.spans
        return Setting(spec.name, params, span)

    def _with_schedule(
        self,
        spec: SettingSpec,
        bound: Bound,
        binder: Binder,
        place: Place,
        scope: Scope,
    ) -> dict[str, Any]:
        """The parameters, a schedule in place of the rate resolved to a Setting."""
        params = dict(bound.values)
        rate = params.get("learning_rate")
        argument = binder.given.get("learning_rate")
        if argument is None:
            return params
        below, span = place.below("learning_rate"), argument.value.span
        if isinstance(rate, str | CallValue):
            params["learning_rate"] = self._setting(
                rate, span, _table("lr_schedule"), below, scope
            )
        return params

    def _stopping(self, value: Any, argument: syntax.Argument) -> Setting | None:
        """`true`, a patience, a call or a mapping; None for `false`."""
        span, table = argument.value.span, _table("early_stopping")
        rule = table.specs[0]
        place = Place("train.early_stopping")
        try:
            if value is True:
                return self._call(rule, (), span, span, place, Scope())
            if value is False:
                return None
            if isinstance(value, int):
                patience = syntax.Name("patience", span)
                given = syntax.Argument(patience, argument.value, span)
                return self._call(rule, (given,), span, span, place, Scope())
            if isinstance(argument.value, syntax.Mapping):
                entries = [
                    syntax.Argument(key, entry, key.span.to(entry.span))
                    for key, entry in argument.value.entries
                ]
                return self._call(rule, entries, span, span, place, Scope())
            return self._setting(value, span, table, place, Scope())
        except Invalid:
            return None
