"""Big, deep and hostile files: an answer, by a number of steps that grows with the size."""

import sys
from collections.abc import Callable

import pytest

from neural_dsl.diagnostics import Diagnostics
from neural_dsl.source import Source
from neural_dsl.syntax import engine as engine_module
from neural_dsl.syntax import nodes as n
from neural_dsl.syntax.build import Builder
from neural_dsl.syntax.engine import Engine
from neural_dsl.syntax.parser import MOST_ERRORS
from neural_dsl.syntax.roles import Roles
from neural_dsl.syntax.tokens import scan
from tests.unit.syntax_help import errors, tree

LARGE = 200_000
"""Characters: a step for each two of them would take an hour."""


def test_tens_of_thousands_of_layers_parse() -> None:
    count = 30_000
    lines = "".join(f'  Dense(units={i}, activation="relu")\n' for i in range(count))
    (network,) = tree("network Big { input: (8,) layers:\n" + lines + "}").items
    assert isinstance(network, n.NetworkNode)
    layers = network.sections[1]
    assert isinstance(layers, n.LayersSection)
    assert len(layers.body) == count
    last = layers.body[-1]
    assert isinstance(last, n.LayerNode)
    assert last.arguments is not None
    assert last.arguments[0].value.value == count - 1  # type: ignore[union-attr]


GARBAGE = {
    "anything": "".join(map(chr, range(32, 0x300))) * (LARGE // 0x2E0),
    "letters": "abc " * (LARGE // 4),
    "one string": '"' + "a" * LARGE,
    "stars in a comment": "/*" + "*" * LARGE,
    "layers with mistakes": "network A { layers: = " + "a 1 " * (LARGE // 4),
    "punctuation": "=:@*+-/,;" * (LARGE // 9),
    "closing brackets": ")}]" * (LARGE // 3),
    "open brackets": "([{" * (LARGE // 3),
    "digits of another script": "٣" * LARGE,
    "not in the language": "§" * LARGE,
    "comments": "/**/" * (LARGE // 4) + "x",
    "slashes": "/ " * (LARGE // 2),
    "quotes": "\"'" * (LARGE // 2),
    "escapes": '"' + "\\" * LARGE,
    "carriage returns": "\r" * LARGE + "x",
    "one name": "x" * LARGE,
    "one number": "1" * LARGE,
    "dots": "." * LARGE,
    "dollars": "$" * LARGE,
    "blocks with mistakes": "network A { layers: " + "a{b: }" * (LARGE // 6),
    "forgotten brackets": "network A { layers: D(1\n" * (LARGE // 24),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_much_garbage_gets_few_errors_inside_the_file(kind: str) -> None:
    text = GARBAGE[kind]
    found = errors(text)
    assert 0 < len(found) <= MOST_ERRORS + 1
    for error in found:
        assert error.span is not None
        assert 0 <= error.span.start <= error.span.end <= len(text)


def steps(text: str, module: object, names: tuple[str, ...]) -> int:
    """How many lines of a module's functions run while a text is parsed."""
    count = 0
    code = {getattr(module, name).__code__ for name in names}

    def trace(frame, event, argument):  # type: ignore[no-untyped-def]
        if frame.f_code not in code:
            return None

        def local(frame, event, argument):  # type: ignore[no-untyped-def]
            nonlocal count
            count += 1
            return local

        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        errors(text)
    finally:
        sys.settrace(before)
    return count


TEXTS: dict[str, Callable[[int], str]] = {
    "good layers": lambda k: "network A { layers: " + "D(1, a=2) * 2\n" * k + "}",
    "garbage": lambda k: "network A { layers: = " + "1 ] x() " * k,
    "one bad layer in two": lambda k: "network A { layers: " + "D(1 2)\nD(1)\n" * k,
    "forgotten parentheses": lambda k: "network A { layers: " + "D(1\n" * k,
    "braces": lambda k: "network A { layers: " + "a { b: } " * k,
}


@pytest.mark.parametrize("kind", TEXTS)
def test_steps_grow_no_faster_than_the_file(kind: str) -> None:
    names = ("run", "_recover", "_is_over", "accepts", "open_brackets")
    small = steps(TEXTS[kind](100), Engine, names)
    large = steps(TEXTS[kind](1_000), Engine, names)
    assert small > 100
    assert large <= 10.5 * small
    names = (
        "assign",
        "_name",
        "_brace",
        "_holds_settings",
        "_forget_brackets",
        "_closed",
    )
    small = steps(TEXTS[kind](100), Roles, names)
    large = steps(TEXTS[kind](1_000), Roles, names)
    assert large <= 10.5 * small


def test_the_stacks_stay_low_however_long_the_file() -> None:
    text = "network A { layers: " + "D(1, a=2) R { D } \n" * 1_000 + "}"
    source = Source("x", text)
    tokens, found = scan(text), Diagnostics(source)
    Roles(tokens, found).assign()
    highest = 0

    class Watched(Builder):
        def append(self, v):  # type: ignore[no-untyped-def]
            nonlocal highest
            highest = max(highest, len(engine.states))
            return super().append(v)

    engine = engine_module.Engine(
        tokens, Watched(tokens, found), lambda engine, token: True
    )
    assert engine.run("file") is not None
    assert highest < 60
