"""What the parser says about mistakes: one error each, at the right place, all in one
run. The exact texts stand in tests/errors."""

import re

import pytest

from neural_dsl.diagnostics import NeuralError
from neural_dsl.diagnostics.explain import page
from neural_dsl.source import Source
from neural_dsl.syntax.nodes import Call, LiteralValue
from neural_dsl.syntax.parser import MOST_ERRORS, parse_value
from tests.unit.syntax_help import errors, tree

GOOD = """
network N {
  input: (10, 8)
  layers:
    Dense(32, "relu") * 2
    ResidualConnection() { Dense(8, activation="relu") Dropout(0.1) }
    image: { Conv2D(8, (3, 3)) }
    Output(3)
  loss: "mse"
  optimizer: Adam(learning_rate=0.1)
  train { epochs: 10 batch_size: 32 }
}
"""

MISTAKES = [  # replace once -> the code, and the text that is underlined
    ('Dense(32, "relu")', 'Dense(32 "relu")', "NE010", '"relu"'),
    ('Dense(32, "relu")', 'Dense(32, "relu"', "NE011", "("),
    ('Dense(32, "relu")', 'Dense(32, "relu"))', "NE012", ")"),
    ('Dense(32, "relu")', 'Dense(32, "relu"]', "NE011", "("),
    ('Dense(32, "relu")', "Dense(32, )relu)", "NE012", ")"),
    ('Dense(32, "relu")', 'Dense 32, "relu")', "NE010", "32"),
    ('Dense(32, "relu")', 'Dense(32, "relu)', "NE008", '"relu) * 2'),
    ('Dense(32, "relu")', "Dense(32, rel§u)", "NE007", "§"),
    ('Dense(32, "relu")', "Dense(32u)", "NE014", "32u"),
    ('Dense(32, "relu")', 'Dense(32, "\\q")', "NE015", "\\q"),
    ('Dense(32, "relu")', "Dense(units==32)", "NE010", "="),
    ('Dense(32, "relu")', "Dense(,)", "NE010", ","),
    ("* 2", "*", "NE010", "{"),
    ("* 2", "** 2", "NE010", "*"),
    ("* 2", "@ cuda:0", "NE010", "cuda"),
    ("* 2", "+ 2", "NE010", "+"),
    ("Dropout(0.1) }", "Dropout(0.1)", "NE017", "loss"),
    ('activation="relu"', 'activation "relu"', "NE010", '"relu"'),
    ("(3, 3)) }", "(3, 3) }", "NE011", "("),
    ("image: {", "image: ", "NE016", "Output"),
    ('loss: "mse"', 'loss "mse"', "NE010", '"mse"'),
    ('loss: "mse"', 'loss = "mse"', "NE010", "="),
    ('loss: "mse"', "loss:", "NE010", "optimizer"),
    ('loss: "mse"', 'loss: "mse" }', "NE016", "optimizer"),
    ('loss: "mse"', 'loss: "mse" "mae"', "NE010", '"mae"'),
    ('loss: "mse"', "/* loss", "NE009", "/*"),
    ("rate=0.1)", "rate=0.1", "NE011", "("),
    ("epochs: 10", "epochs 10", "NE010", "10"),
    ("epochs: 10", "10", "NE010", "batch_size"),
    ("epochs: 10", "epochs:", "NE010", "batch_size"),
    ("epochs: 10", "epochs: 10)", "NE012", ")"),
    ("batch_size: 32 }", "batch_size: 32", "NE011", "{"),
    ("input: (10, 8)", "input (10, 8)", "NE010", "("),
    ("input: (10, 8)", "input: (10, 8", "NE011", "("),
    ("input: (10, 8)", "input: 10, 8)", "NE012", ")"),
    ("network N", "network", "NE010", "{"),
    ("network N", "N", "NE016", "N"),
    ("layers:", "layer:", "NE060", "layer"),
    ("layers:", "layers", "NE010", "Dense"),
    ("layers:", "", "NE010", "Dense"),
]


@pytest.mark.parametrize(("old", "new", "code", "underlined"), MISTAKES)
def test_one_mistake_gives_one_error_at_its_place(
    old: str, new: str, code: str, underlined: str
) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    found = [
        (error.code, text[error.span.start : error.span.end])
        for error in errors(text)
        if error.span
    ]
    assert found == [(code, underlined)]


def test_the_good_file_is_good() -> None:
    assert errors(GOOD) == []


def test_mistakes_in_several_places_are_all_reported_in_order() -> None:
    text = """
network A {
  input: (10,, 2)
  layers:
    Dense(1 2)
    Residual() { Dense(=) Dropout(0.1) Dense(3 4) }
    Output(3
  loss mse
  train { epochs 1 lr: 2 batch_size }
}
network B { layers: Dense(5 6) }
define C { Dense(7 8) }
stray
network D { input: (9 9) }
"""
    lines = [text.count("\n", 0, error.span.start) for error in errors(text)]  # type: ignore[union-attr]
    assert lines == [2, 4, 5, 5, 6, 8, 8, 10, 11, 12, 13]


def test_errors_stop_after_the_most_and_say_so() -> None:
    text = "network A { layers:\n" + "Dense(1 2)\n" * 100 + "}"
    found = errors(text)
    assert [error.code for error in found] == ["NE010"] * MOST_ERRORS + ["NW001"]


def test_a_file_without_content_is_refused() -> None:
    assert [error.code for error in errors(" \n# only a comment\n")] == ["NE006"]
    assert [error.code for error in errors("")] == ["NE006"]


def test_words_near_a_keyword_are_recognised() -> None:
    (error,) = errors("netwrok A { input: (1) }")
    assert "`network`" in error.help
    (error,) = errors("network A { layres: Dense(1) Dense(2) }")
    assert (error.code, "`layers`" in error.help) == ("NE060", True)
    (error,) = errors("Dense(3)")
    assert "`define`" not in error.help


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "network A { layers: D(" + "(" * 10_000 + ")" * 10_000 + ") }",
        "network A { layers: " + "R {" * 10_000 + "}" * 10_000 + " }",
        "network A { layers: " + "a: {" * 10_000 + "}" * 10_000 + " }",
        "network A { x: " + "{a:" * 10_000 + "1" + "}" * 10_000 + " }",
        "network A { x: " + "f(" * 10_000 + ")" * 10_000 + " }",
        "network A { x: " + "1 + " * 10_000 + "1 }",
        "network A { x: " + "-" * 10_000 + "$a }",
        "network A { x: " + "1 * (" * 50 + "$a" + ")" * 50 + " * 1" * 50 + " }",
    ],
)
def test_what_nests_too_deep_is_refused_not_walked(text: str) -> None:
    assert [error.code for error in errors(text)] == ["NE013"]


def test_what_nests_as_deep_as_allowed_parses() -> None:
    tree("network A { layers: " + "R {" * 63 + "}" * 63 + " }")
    tree("network A { layers: D * " + "$n + " * 64 + "1 }")


def test_a_minus_before_a_number_nests_nothing() -> None:
    assert errors("network A { x: " + "-" * 10_000 + "1 }") == []


@pytest.mark.parametrize("code", [f"NE{n:03}" for n in range(6, 18)])
def test_the_example_on_a_page_causes_its_error_and_no_other(code: str) -> None:
    example = re.findall(r"```neural\n(.*?)```", page(code), re.S)[0]
    assert {error.code for error in errors(example)} == {code}


@pytest.mark.parametrize("code", [f"NE{n:03}" for n in range(6, 18)])
def test_the_remedy_on_a_page_is_free_of_errors(code: str) -> None:
    for remedy in re.findall(r"```neural\n(.*?)```", page(code), re.S)[1:]:
        assert errors(remedy) == []


class TestParseValue:
    text = 'network A { optimizer: "Adam(learning_rate=1e-4)" }'
    source = Source("x.neural", text)
    offset = text.index("Adam")

    def test_gives_the_value_with_places_in_the_file(self) -> None:
        value = parse_value("Adam(learning_rate=1e-4)", self.source, self.offset)
        assert isinstance(value, Call)
        assert self.source.slice(value.span) == "Adam(learning_rate=1e-4)"
        assert self.source.slice(value.arguments[0].span) == "learning_rate=1e-4"

    def test_places_its_errors_in_the_file(self) -> None:
        source = Source("x.neural", self.text.replace("=1e", "=,1e"))
        with pytest.raises(NeuralError) as caught:
            parse_value("Adam(learning_rate=,1e-4)", source, self.offset)
        (error,) = caught.value.diagnostics
        assert error.span is not None
        assert error.span.start == source.text.index(",")

    @pytest.mark.parametrize("text", ["", "Adam(", "Adam) x", "a: 1", "1 2", "network"])
    def test_what_is_no_value_is_refused_inside_the_string(self, text: str) -> None:
        source = Source("x.neural", f'x "{text}" y')
        if text == "network":
            assert source.slice(parse_value(text, source, 3).span) == text
            return
        with pytest.raises(NeuralError) as caught:
            parse_value(text, source, 3)
        for error in caught.value.diagnostics:
            assert error.span is not None
            assert 3 <= error.span.start <= error.span.end <= 3 + len(text)

    def test_a_string_that_was_escaped_still_parses(self) -> None:
        source = Source("x.neural", r'x "f(\x41, 2)"')
        value = parse_value("f(1, 2)", source, 3)
        assert isinstance(value, Call)
        assert isinstance(value.arguments[1].value, LiteralValue)
        assert value.span.end <= len(source.text)
