"""Arguments to parameters: positions, names, defaults, and a check of every value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from neural_dsl.catalogue.spec import REQUIRED, Parameter
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.resolve.kinds import Misfit, fit
from neural_dsl.resolve.terms import UNKNOWN, At, CallValue, Invalid, describe, show
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax


def passed(given: Mapping[str, syntax.Argument]) -> dict[str, str]:
    """The arguments that are a parameter of the macro around them: units=$width."""
    values = ((name, argument.value) for name, argument in given.items())
    return {n: v.name for n, v in values if isinstance(v, syntax.MacroParameter)}


def matched(
    arguments: Sequence[syntax.Argument],
    names: Sequence[str],
    named: Callable[[syntax.Name], str],
    findings: Findings,
    twice: str = "NE024",
) -> tuple[dict[str, syntax.Argument], bool, syntax.Argument | None]:
    """The arguments by the parameters that they are for, whether all is right, and the
    first argument beyond the last parameter. `named` finds a parameter by name; "" after
    reporting that there is none."""
    given: dict[str, syntax.Argument] = {}
    ok = True
    for position, argument in enumerate(arguments):
        if argument.name is not None:
            key = named(argument.name)
        elif position < len(names):
            key = names[position]
        else:
            return given, False, argument
        if key in given:
            first, message = given[key].span, f"`{key}` is given twice"
            findings.twice(twice, message, argument.span, first)
        ok = ok and bool(key) and key not in given
        if key:
            given.setdefault(key, argument)
    return given, ok, None


@dataclass(eq=False)
class Bound:
    """What a call gives its parameters: checked `values`, defaults filled in, and the
    argument behind each that was `given`. `ok` is False when a mistake was reported.

    `span` is underlined for what is missing; `filled` are values that the network's task
    gives where the call is silent; `codes` are other codes than a layer's, `extra` names
    that the call may have beside its parameters.
    """

    called: str
    parameters: Sequence[Parameter]
    arguments: Sequence[syntax.Argument]
    span: Span
    at: At
    filled: Mapping[str, Any] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    noun: str = "parameter"
    extra: tuple[str, ...] = ()
    given: dict[str, syntax.Argument] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    ok: bool = True
    _misnamed: bool = False

    def __post_init__(self) -> None:
        """Match, evaluate and check."""
        names = [parameter.name for parameter in self.parameters]
        findings, code = self.at.findings, self.codes.get("NE024", "NE024")
        found = matched(self.arguments, names, self._named, findings, code)
        self.given, self.ok, extra = found
        if extra is not None:
            self._too_many(extra)
        missing: list[Parameter] = []
        for parameter in self.parameters:
            name = parameter.name
            if name in self.given:
                with suppress(Invalid):
                    self.values[name] = self._value(parameter, self.given[name])
                self.ok = self.ok and name in self.values
                continue
            self.values[name] = self.filled.get(name, parameter.default)
            if self.values[name] is REQUIRED:
                missing.append(parameter)
        if missing and not self._misnamed:  # else it is probably there: one will do
            self._missing(missing)
        self.ok = self.ok and not missing

    @property
    def spans(self) -> dict[str, Span]:
        """Where each argument that was written stands."""
        return {name: argument.span for name, argument in self.given.items()}

    @property
    def known(self) -> bool:
        """Whether every value is a real one, and no parameter of an uncalled macro."""
        return all(value is not UNKNOWN for value in self.values.values())

    def _say(self, code: str, message: str, span: Span, label: str, help: str) -> None:
        self.ok = False
        self.at.findings.error(self.codes.get(code, code), message, span, label, help)

    def _named(self, given: syntax.Name) -> str:
        """The parameter of this name; "" after reporting that there is none."""
        plain = given.text.lower()
        for parameter in self.parameters:
            if plain == parameter.name or plain in parameter.aliases:
                return parameter.name
        self._misnamed = True
        known = [*(parameter.name for parameter in self.parameters), *self.extra]
        message = f"`{self.called}` has no {self.noun} `{given.text}`"
        help = did_you_mean(given.text, known)
        self._say("NE023", message, given.span, f"unknown {self.noun}", help)
        return ""

    def _value(self, parameter: Parameter, argument: syntax.Argument) -> Any:
        value = evaluate(argument.value, self.at.below(parameter.name))
        if value is UNKNOWN:
            return UNKNOWN
        try:
            return fit(parameter, value)
        except Misfit as misfit:
            self._misfit(parameter, argument, value, misfit)
            raise Invalid from None

    def _misfit(
        self, parameter: Parameter, argument: syntax.Argument, value: Any, found: Misfit
    ) -> None:
        text, name = self.at.findings.text(argument.value.span), parameter.name
        shown = text if isinstance(value, CallValue) else show(value)
        help = found.help
        if found.code == "NE029":
            message, label = f"unknown activation `{value}`", "no such activation"
        elif found.code == "NE026":
            message = f"`{name}` takes {found.expected}, not {shown}"
            label = f"this is {describe(value)}"
        else:
            message = f"`{name}` must be {found.expected}, not {shown}"
            labels = {"choice": "not one of them", "choices": "cannot be taken"}
            label = labels.get(parameter.kind, "out of range")
        if not help and argument.name is None and name in self.filled:
            names = [each.name for each in self.parameters]
            after = names[(names.index(name) + 1) % len(names)]
            help = (
                f"the task gives `{name}`; name what you mean, as in `{after}={text}`"
            )
        if not help and parameter.doc:
            help = f"`{name}` is: {parameter.doc}"
        self._say(found.code, message, argument.span, label, help)

    def _missing(self, parameters: Sequence[Parameter]) -> None:
        names = " and ".join(f"`{parameter.name}`" for parameter in parameters)
        help = "; ".join(f"`{each.name}` is: {each.doc}" for each in parameters)
        for name, argument in self.given.items():
            if argument.name is None and name in self.filled:
                text = self.at.findings.text(argument.span)
                help = (
                    f"`{text}` was read as `{name}`, which the task gives; write "
                    f"`{parameters[0].name}={text}` if you mean that"
                )
        label = f"{names} {'is' if len(parameters) == 1 else 'are'} missing"
        self._say("NE025", f"`{self.called}` needs {names}", self.span, label, help)

    def _too_many(self, argument: syntax.Argument) -> None:
        names = ", ".join(f"`{parameter.name}`" for parameter in self.parameters)
        takes, most = "no arguments", len(self.parameters)
        if most:
            takes = f"at most {most} argument{'s' * (most != 1)}"
        message = f"`{self.called}` takes {takes}, but {len(self.arguments)} are given"
        help = f"its parameters are, in order: {names}" if names else ""
        self._say("NE028", message, argument.span, "one too many", help)
