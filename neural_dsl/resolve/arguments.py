"""Arguments to parameters: positions, names, defaults, and a check of every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from neural_dsl.catalogue.spec import REQUIRED, Parameter
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.resolve.kinds import Misfit, fit
from neural_dsl.resolve.terms import (
    UNKNOWN,
    CallValue,
    Invalid,
    Place,
    Scope,
    describe,
    show_value,
)
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax


@dataclass(frozen=True)
class Codes:
    """The diagnostics of one kind of call; a layer's by default."""

    unknown: str = "NE023"
    twice: str = "NE024"
    missing: str = "NE025"
    wrong_type: str = "NE026"
    out_of_range: str = "NE027"
    too_many: str = "NE028"
    noun: str = "parameter"


@dataclass(frozen=True, eq=False)
class Bound:
    """What a call gives its parameters: checked values (defaults filled in) and the span
    of each argument that was written. `ok` is False when a mistake was reported;
    `known` when every value is a real one (and no parameter of an uncalled macro);
    `passed` names the macro's parameter behind an argument that is nothing else."""

    values: dict[str, Any]
    spans: dict[str, Span]
    ok: bool
    known: bool = True
    passed: Mapping[str, str] = field(default_factory=dict)


def passed(given: Mapping[str, syntax.Argument]) -> dict[str, str]:
    """The arguments that are a parameter of the macro around them: units=$width."""
    values = ((name, argument.value) for name, argument in given.items())
    return {n: v.name for n, v in values if isinstance(v, syntax.MacroParameter)}


@dataclass
class Binder:
    """Binds the arguments of one call, at a `place` in a `scope`, one after another.

    `filled` are values that the network's task gives where the call is silent.
    """

    called: str
    parameters: Sequence[Parameter]
    findings: Findings
    scope: Scope
    place: Place
    codes: Codes = field(default_factory=Codes)
    extra: tuple[str, ...] = ("name",)
    filled: Mapping[str, Any] = field(default_factory=dict)
    given: dict[str, syntax.Argument] = field(default_factory=dict)
    ok: bool = True
    misnamed: bool = False

    def bind(self, arguments: Sequence[syntax.Argument], name_span: Span) -> Bound:
        """Match, evaluate and check. `name_span` is underlined for what is missing."""
        self._match(arguments)
        values: dict[str, Any] = {}
        missing: list[Parameter] = []
        for parameter in self.parameters:
            name = parameter.name
            if name in self.given:
                with suppress(Invalid):
                    values[name] = self._value(parameter, self.given[name])
                self.ok = self.ok and name in values
                continue
            values[name] = self.filled.get(name, parameter.default)
            if values[name] is REQUIRED:
                missing.append(parameter)
        if missing:
            self._missing(missing, name_span)
        spans = {name: argument.span for name, argument in self.given.items()}
        known = all(value is not UNKNOWN for value in values.values())
        return Bound(values, spans, self.ok, known, passed(self.given))

    def _match(self, arguments: Sequence[syntax.Argument]) -> None:
        """Fill `given`: parameter name -> argument."""
        for position, argument in enumerate(arguments):
            if argument.name is not None:
                name = self._named(argument.name)
            elif position < len(self.parameters):
                name = self.parameters[position].name
            else:
                return self._too_many(argument, len(arguments))
            if name in self.given:
                self.ok = False
                first, message = self.given[name].span, f"`{name}` is given twice"
                self.findings.twice(self.codes.twice, message, argument.span, first)
            elif name:
                self.given[name] = argument

    def _named(self, given: syntax.Name) -> str:
        """The parameter of this name; "" after reporting that there is none."""
        plain = given.text.lower()
        for parameter in self.parameters:
            if plain == parameter.name or plain in parameter.aliases:
                return parameter.name
        self.ok = False
        self.misnamed = True
        known = [*(parameter.name for parameter in self.parameters), *self.extra]
        message = f"`{self.called}` has no {self.codes.noun} `{given.text}`"
        label, help = f"unknown {self.codes.noun}", did_you_mean(given.text, known)
        self.findings.error(self.codes.unknown, message, given.span, label, help)
        return ""

    def _value(self, parameter: Parameter, argument: syntax.Argument) -> Any:
        below = self.place.below(parameter.name)
        value = evaluate(argument.value, self.scope, below, self.findings)
        if value is UNKNOWN:
            return UNKNOWN
        try:
            return fit(parameter, value)
        except Misfit as misfit:
            self._misfit(parameter, argument, value, misfit)
            raise Invalid from None

    def _misfit(
        self,
        parameter: Parameter,
        argument: syntax.Argument,
        value: Any,
        misfit: Misfit,
    ) -> None:
        text = self.findings.text(argument.value.span)
        shown = text if isinstance(value, CallValue) else show_value(value)
        help = misfit.help
        if misfit.code == "NE029":
            message, label = f"unknown activation `{value}`", "no such activation"
            code = "NE029"
        elif misfit.code == "NE026":
            message = f"`{parameter.name}` takes {misfit.expected}, not {shown}"
            label, code = f"this is {describe(value)}", self.codes.wrong_type
        else:
            message = f"`{parameter.name}` must be {misfit.expected}, not {shown}"
            label, code = "out of range", self.codes.out_of_range
            if parameter.kind == "choice":
                label = "not one of them"
            elif parameter.kind == "choices":
                label = "cannot be taken"
        if not help and argument.name is None and parameter.name in self.filled:
            names = [each.name for each in self.parameters]
            after = names[(names.index(parameter.name) + 1) % len(names)]
            help = f"the task gives `{parameter.name}`; name what you mean, as in `{after}={text}`"
        if not help and parameter.doc:
            help = f"`{parameter.name}` is: {parameter.doc}"
        self.findings.error(code, message, argument.span, label, help)

    def _missing(self, parameters: Sequence[Parameter], span: Span) -> None:
        self.ok = False
        if self.misnamed:  # it is probably there under a wrong name: one error will do
            return
        names = " and ".join(f"`{parameter.name}`" for parameter in parameters)
        verb = "is" if len(parameters) == 1 else "are"
        docs = "; ".join(f"`{each.name}` is: {each.doc}" for each in parameters)
        for name, argument in self.given.items():
            if argument.name is None and name in self.filled:
                text = self.findings.text(argument.span)
                docs = (
                    f"`{text}` was read as `{name}`, which the task gives; write "
                    f"`{parameters[0].name}={text}` if you mean that"
                )
        message = f"`{self.called}` needs {names}"
        label = f"{names} {verb} missing"
        self.findings.error(self.codes.missing, message, span, label, docs)

    def _too_many(self, argument: syntax.Argument, count: int) -> None:
        self.ok = False
        names = ", ".join(f"`{parameter.name}`" for parameter in self.parameters)
        takes, most = "no arguments", len(self.parameters)
        if most:
            takes = f"at most {most} argument{'s' * (most != 1)}"
        message = f"`{self.called}` takes {takes}, but {count} are given"
        help = f"its parameters are, in order: {names}" if names else ""
        label = "one too many"
        self.findings.error(self.codes.too_many, message, argument.span, label, help)
