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
from neural_dsl.resolve.arguments import Bound
from neural_dsl.resolve.sections import Sections
from neural_dsl.resolve.terms import At, CallValue, Invalid, Scope, describe, is_whole
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

CODES = {
    "NE023": "NE066",
    "NE024": "NE070",
    "NE025": "NE067",
    "NE026": "NE068",
    "NE027": "NE069",
    "NE028": "NE071",
}
"""What is wrong with a layer's argument -> the same of a setting's."""


def table_of(section: str) -> Table:
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
        case _:
            from neural_dsl.tasks import TASKS as table
    return table


@dataclass
class SettingsReader:
    """Turns values such as `Adam(lr=1e-4)`, `"Adam(1e-4)"` or `adam` into Settings.
    `argument_spans` has the arguments of each by its span, `key_spans` those of blocks."""

    sections: Sections
    findings: Findings
    argument_spans: dict[Span, Mapping[str, Span]] = field(default_factory=dict)
    key_spans: dict[str, Mapping[str, Span]] = field(default_factory=dict)

    def settings(self) -> Settings:
        """Every setting of a network; mistakes are reported, their settings left out."""
        optimizer, schedule = self.one("optimizer"), self.one("lr_schedule")
        rate = optimizer.params.get("learning_rate") if optimizer else None
        if isinstance(rate, Setting) and schedule is not None:
            related = (Related(rate.span, "the optimizer has this one"),)
            message = "the learning rate has two schedules"
            label, help = "a second schedule", "keep one of the two"
            self.findings.error("NE070", message, schedule.span, label, help, related)
        named = (self.one("loss"), optimizer, schedule, self.metrics())
        task, blocks = self.task(), (self.block("train"), self.block("execution"))
        return Settings(*named, *blocks, task, self.key_spans)

    def one(self, section: str) -> Setting | None:
        """The one thing that a section names; None without it or after reporting."""
        given = self.sections.settings.get(section)
        if given is not None:
            at = At(self.findings, path=given.key.text.lower())
            with suppress(Invalid):
                value = evaluate(given.value, at)
                return self._setting(value, given.value.span, table_of(section), at)
        return None

    def task(self) -> Task | None:
        """The task of a network; one without a Setting when something is wrong with it."""
        if "task" not in self.sections.settings:
            return None
        given = self.one("task")
        if given is None:
            return Task()
        from neural_dsl.resolve.tasks import describe_task

        return describe_task(given, self.argument_spans[given.span], self.findings)

    def metrics(self) -> tuple[Setting, ...]:
        """The metrics; one thing without brackets is a list too."""
        given, found = self.sections.settings.get("metrics"), dict[str, Setting]()
        if given is None:
            return ()
        table, value = table_of("metrics"), given.value
        at = At(self.findings, path="metrics")
        for item in value.items if isinstance(value, syntax.Sequence) else (value,):
            with suppress(Invalid):
                metric = self._setting(evaluate(item, at), item.span, table, at)
                if metric.name in found:
                    message = f"the {table.what} `{metric.name}` is given twice"
                    first = found[metric.name].span
                    self.findings.twice("NE070", message, metric.span, first)
                found.setdefault(metric.name, metric)
        return tuple(found.values())

    def block(self, name: str) -> dict[str, Any]:
        """The keys that a block gives, under their canonical names."""
        block, at = self.sections.blocks.get(name), At(self.findings, path=name)
        if block is None:
            return {}
        from neural_dsl.catalogue.configuration import EXECUTION, TRAIN

        keys, span = TRAIN if name == "train" else EXECUTION, block.keyword.span
        given = [syntax.Argument(s.span, s.key, s.value) for s in block.settings]
        bound = Bound(name, keys, given, span, at, {}, CODES, "setting")
        self.key_spans[name] = bound.spans
        values = {key: bound.values[key] for key in bound.given if key in bound.values}
        if "early_stopping" in values:
            stopping = bound.given["early_stopping"].value
            value, values["early_stopping"] = values["early_stopping"], None
            with suppress(Invalid):
                below = at.below("early_stopping")
                values["early_stopping"] = self._stopping(value, stopping, below)
        return values

    def _setting(self, value: Any, span: Span, table: Table, at: At) -> Setting:
        """The Setting for an evaluated value. Raises Invalid after reporting."""
        if isinstance(value, str) and "(" in value:
            value = self._inside_string(value, span)
        if isinstance(value, CallValue):
            name, given = value.call.name, value.call.arguments
            spec = self._find(name.text, name.span, table)
            return self._call(spec, given, name.span, span, at)
        if isinstance(value, str):
            return self._call(self._find(value, span, table), (), span, span, at)
        article = "an" if table.what[0] in "aeio" else "a"
        text, label = self.findings.text(span), f"this is {describe(value)}"
        message = f"here stands the name of {article} {table.what}, not `{text}`"
        help = f"write for instance `{table.example}`"
        self.findings.error("NE068", message, span, label, help)
        raise Invalid

    def _inside_string(self, text: str, span: Span) -> Any:
        """The value that a string spells: `"Adam(learning_rate=1e-4)"`."""
        from neural_dsl.syntax.parser import parse_value

        source = self.findings.source
        offset = span.start + max(source.slice(span).find(text), 0)
        try:
            value = parse_value(text, source, offset)
        except NeuralError as error:
            self.findings.adopt(error.diagnostics)
            raise Invalid from None
        return CallValue(value, Scope()) if isinstance(value, syntax.Call) else text

    def _find(self, name: str, span: Span, table: Table) -> SettingSpec:
        spec, names = table.find(name), [each.name for each in table.specs]
        if spec is not None:
            return spec
        if table.is_planned(name):
            code, message = "NE061", f"the {table.what} `{name}` is not yet supported"
            help = "there are: " + ", ".join(f"`{each}`" for each in names)
            label = "known, but not built by this version"
        else:
            code, message = table.code, f"unknown {table.what} `{name}`"
            label = f"no {table.what} of this name"
            help = did_you_mean(name, table.names(), listed=names)
        self.findings.error(code, message, span, label, help)
        raise Invalid

    def _call(
        self,
        spec: SettingSpec,
        arguments: Sequence[syntax.Argument],
        place: Span,
        span: Span,
        at: At,
    ) -> Setting:
        """The Setting of a call, whose name stands at `place`."""
        bound = Bound(spec.name, spec.parameters, arguments, place, at, {}, CODES)
        if not bound.ok:
            raise Invalid
        params, given = bound.values, bound.given.get("learning_rate")
        rate = params.get("learning_rate")
        if given is not None and isinstance(rate, str | CallValue):  # a schedule
            below, table = at.below("learning_rate"), table_of("lr_schedule")
            rate = self._setting(rate, given.value.span, table, below)
            params["learning_rate"] = rate
        try:
            spec.check(params)
        except LayerProblem as problem:
            self.findings.problem(problem, bound.spans, place)
            raise Invalid from None
        self.argument_spans[span] = bound.spans
        return Setting(spec.name, params, span)

    def _stopping(self, value: Any, given: syntax.Value, at: At) -> Setting | None:
        """`true`, a patience, a call or a mapping; None for `false`."""
        if value is False:
            return None
        span, table = given.span, table_of("early_stopping")
        arguments: Sequence[syntax.Argument] = ()
        if isinstance(given, syntax.Mapping):
            arguments = given.arguments
        elif is_whole(value):
            arguments = [syntax.Argument(span, syntax.Name(span, "patience"), given)]
        if arguments or value is True or value == {}:
            found = self._call(table.specs[0], arguments, span, span, at)
        else:
            found = self._setting(value, span, table, at)
        self.key_spans["early_stopping"] = self.argument_spans[span]
        if found.params["monitor"] is None and "task" not in self.sections.settings:
            # A task knows its measure.
            found = replace(found, params={**found.params, "monitor": "val_loss"})
        return found
