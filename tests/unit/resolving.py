"""Helpers of the resolver's tests: from a few lines of layers to a network."""

from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.graph.nodes import Layer, Network
from neural_dsl.resolve.checking import check_all
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse


def source(
    layers: str, input: str = "(10, 16)", extra: str = "", before: str = ""
) -> str:
    return f"{before}\nnetwork Test {{\n  input: {input}\n  layers:\n{layers}\n{extra}\n}}\n"


def resolved(text: str, network: str | None = None) -> Network:
    return resolve(parse(Source("test.neural", text)), network)[0]


def network(layers: str, input: str = "(10, 16)", **parts: str) -> Network:
    return resolved(source(layers, input, **parts))


def layers(text: str, input: str = "(10, 16)", **parts: str) -> list[Layer]:
    return list(network(text, input, **parts).layers())


def layer(text: str, input: str = "(10, 16)", **parts: str) -> Layer:
    """The last layer."""
    return layers(text, input, **parts)[-1]


def names(text: str, input: str = "(10, 16)", **parts: str) -> list[str]:
    return [each.name for each in layers(text, input, **parts)]


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    """Everything said about a whole file, warnings too."""
    try:
        return resolve(parse(Source("test.neural", text)))[1]
    except NeuralError as error:
        return error.diagnostics


def checked(text: str) -> tuple[Diagnostic, ...]:
    """Everything that `neural check` says about a whole file."""
    try:
        return check_all(parse(Source("test.neural", text)))
    except NeuralError as error:
        return error.diagnostics


def codes(text: str, input: str = "(10, 16)", **parts: str) -> list[str]:
    return [each.code for each in diagnostics(source(text, input, **parts))]


def marked(text: str, input: str = "(10, 16)", **parts: str) -> list[tuple[str, str]]:
    """(code, underlined text) of everything found."""
    whole = source(text, input, **parts)
    found = diagnostics(whole)
    assert all(each.span is not None for each in found)
    return [(each.code, whole[each.span.start : each.span.end]) for each in found]
