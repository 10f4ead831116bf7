"""For any text at all: a tree that fits the text, or diagnostics inside it."""

from dataclasses import fields, is_dataclass
from functools import cache
from itertools import cycle
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.diagnostics import NeuralError
from neural_dsl.diagnostics.render import render_json, render_text
from neural_dsl.source import Source
from neural_dsl.syntax import nodes as n
from neural_dsl.syntax.parser import MOST_ERRORS, parse, parse_value
from tests.regenerate_trees import FILES
from tests.unit.syntax_help import nodes, tree

EXAMPLES = [path.read_text(encoding="utf-8") for path in FILES]
PIECES = st.sampled_from(
    [
        "network",
        "define",
        "N",
        "input",
        "inputs",
        "layers",
        "loss",
        "train",
        "execution",
        "Dense",
        "relu",
        "None",
        "true",
        "$n",
        "image",
        ":",
        "=",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ";",
        "@",
        "*",
        "+",
        "-",
        "/",
        "1",
        ".5",
        "1e-4",
        "2D",
        "'a'",
        '"b"',
        '"',
        "'",
        "\\",
        "/*",
        "*/",
        "//",
        "#",
        "$",
        "§",
        "\n",
        "\r\n",
        "\t",
        "\ufeff",
        "\x00",
        "\x1b",
        "é",
        "模",
        "😀",
        "\u202e",
        ":",
        "{",
        ":",
        "(",
        "{",
        "}",
    ]
)


def check(text: str) -> None:
    source = Source("x.neural", text)
    try:
        file = parse(source)
    except NeuralError as error:
        found = error.diagnostics
        assert found
        assert len(found) <= 2 * MOST_ERRORS + 1
        for diagnostic in found:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        render_json(found)
        assert "\x1b" not in render_text(found)
    else:
        check_places(file, text)


def check_places(file: n.File, text: str) -> None:
    """Every node lies in its parent, and names say what the text says."""
    for node, parent in nodes(file.items):
        assert 0 <= node.span.start < node.span.end <= len(text)
        if parent is not None:
            assert parent.span.start <= node.span.start
            assert node.span.end <= parent.span.end
        own = text[node.span.start : node.span.end]
        match node:
            case n.Name() if own[0] not in "\"'":
                assert own == node.text
            case n.Word():
                assert own == node.text
            case n.MacroParameter():
                assert own == f"${node.name}"


@settings(max_examples=150)
@given(st.text(max_size=80))
def test_random_text(text: str) -> None:
    check(text)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=40), st.sampled_from(["", " "]))
def test_random_pieces_of_the_language(pieces: list[str], between: str) -> None:
    check(between.join(pieces))


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=20))
def test_random_pieces_among_layers(pieces: list[str]) -> None:
    check(f"network N {{ layers: {' '.join(pieces)} loss: mse }} network M {{ }}")


@settings(max_examples=250)
@given(st.data())
def test_examples_with_random_damage(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(EXAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 8)))
        text = text[:start] + data.draw(st.just("") | PIECES) + text[end:]
    check(text)


@settings(max_examples=150)
@given(st.data())
def test_examples_cut_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(EXAMPLES))
    check(text[data.draw(st.integers(0, len(text))) :])
    check(text[: data.draw(st.integers(0, len(text)))])


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=15).map(" ".join))
def test_parse_value_answers_inside_the_string(text: str) -> None:
    source = Source("x.neural", f'optimizer: "{text}"')
    try:
        value = parse_value(text, source, 12)
    except NeuralError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.span is not None
            assert 12 <= diagnostic.span.start <= diagnostic.span.end <= 12 + len(text)
    else:
        assert 12 <= value.span.start < value.span.end <= 12 + len(text)


# --- written from a random tree, read back ---------------------------------------------

NAMES = st.sampled_from(
    [
        "Dense",
        "A",
        "relu",
        "input",
        "layers",
        "loss",
        "train",
        "network",
        "define",
        "image",
        "größe",
        "模型",
    ]
)
SPACES = st.sampled_from([" ", "\n", "\r\n  ", " # x\n", "//\n", " /* { */ ", "\t"])
LITERALS = st.one_of(
    st.integers(0, 2**63 - 1).map(lambda i: (str(i), i)),
    st.floats(0, 1e300).map(lambda f: (repr(f), f)),
    st.sampled_from([("true", True), ("FALSE", False), ("none", None), ("None", None)]),
    st.text(st.sampled_from("abé模 {}#/'"), max_size=5).map(lambda s: (f'"{s}"', s)),
)

Written = tuple[list[str], Any]  # the tokens, and the tree without places


def listed(draw: Any, inner: st.SearchStrategy[Written], tail: bool) -> Written:
    """Things with commas between them, and perhaps one behind the last."""
    tokens: list[str] = []
    parts = draw(st.lists(inner, max_size=3))
    for number, (words, _) in enumerate(parts):
        tokens += ([","] if number else []) + words
    if parts and (draw(st.booleans()) or tail):
        tokens.append(",")
    return tokens, tuple(tree for _, tree in parts)


@cache
@st.composite
def values(draw: Any, depth: int = 2) -> Written:
    kinds = ["literal", "word", "parameter"]
    kind = draw(
        st.sampled_from(kinds + (["seq", "map", "call", "sum"] if depth else []))
    )
    if kind == "literal":
        text, value = draw(LITERALS)
        return [text], ("LiteralValue", value)
    if kind == "word":
        return [name := draw(NAMES)], ("Word", name)
    if kind == "parameter":
        return ["$" + (name := draw(NAMES))], ("MacroParameter", name)
    inner = values(depth - 1)
    if kind == "seq":
        bracket = draw(st.sampled_from(["()", "[]"]))
        tokens, items = listed(draw, inner, tail=True)
        return [bracket[0], *tokens, bracket[1]], ("Sequence", items, bracket[0])
    if kind == "map":
        parts = draw(st.lists(st.tuples(NAMES, inner), min_size=1, max_size=3))
        tokens = [t for key, (words, _) in parts for t in (key, ":", *words)]
        entries = tuple((("Name", key), tree) for key, (_, tree) in parts)
        return ["{", *tokens, "}"], ("Mapping", entries)
    if kind == "call":
        return draw(calls(depth))
    (left, a), (right, b) = draw(inner), draw(inner)
    sign = draw(st.sampled_from("+-*/"))
    wrap = [["(", *left, ",", ")"], ["(", *right, ",", ")"]]
    tree = ("Sequence", (a,), "("), ("Sequence", (b,), "(")
    return [*wrap[0], sign, *wrap[1]], ("Operation", sign, *tree)


@cache
@st.composite
def calls(draw: Any, depth: int) -> Written:
    name = draw(NAMES)
    tokens, parts = listed(draw, arguments(depth - 1), tail=False)
    return [name, "(", *tokens, ")"], ("Call", ("Name", name), parts)


@cache
@st.composite
def arguments(draw: Any, depth: int) -> Written:
    words, value = draw(values(max(depth, 0)))
    if draw(st.booleans()):
        return words, ("Argument", None, value)
    name = draw(NAMES)
    return [name, draw(st.sampled_from("=:")), *words], (
        "Argument",
        ("Name", name),
        value,
    )


@cache
@st.composite
def bodies(draw: Any, depth: int) -> Written:
    parts = draw(st.lists(statements(depth), min_size=1, max_size=3))
    tokens: list[str] = []
    for words, _ in parts:  # a separator, so that `A { B }` is not one layer of two
        tokens += [*words, draw(st.sampled_from(",;"))]
    return tokens, tuple(tree for _, tree in parts)


@cache
@st.composite
def statements(draw: Any, depth: int = 2) -> Written:
    kind = draw(
        st.sampled_from(["layer", "layer", "group", "branch"] if depth else ["layer"])
    )
    if kind == "branch":
        tokens, body = draw(bodies(depth - 1))
        return ["text", ":", "{", "B", *tokens, "}"], (
            "BranchNode",
            ("Name", "text"),
            (("LayerNode", ("Name", "B"), None, None, None, None), *body),
        )
    count = draw(st.none() | st.integers(1, 9))
    repeat = [] if count is None else ["*", str(count)]
    times = None if count is None else ("LiteralValue", count)
    if kind == "group":
        tokens, body = draw(bodies(depth - 1))
        return ["[", *tokens, "]", *repeat], ("GroupNode", body, times)
    tokens, (_, name, given_) = draw(calls(1))
    body, device = None, None
    if depth and draw(st.booleans()):
        words, body = draw(bodies(depth - 1))
        tokens = [*tokens, "{", "B", *words, "}"]
        body = (("LayerNode", ("Name", "B"), None, None, None, None), *body)
    if draw(st.booleans()):
        tokens, device = [*tokens, "@", '"cuda"'], ("LiteralValue", "cuda")
    return [*tokens, *repeat], ("LayerNode", name, given_, body, times, device)


def without_places(node: Any) -> Any:
    if isinstance(node, tuple):
        return tuple(map(without_places, node))
    if not is_dataclass(node):
        return node
    parts = (getattr(node, f.name) for f in fields(node) if f.name != "span")
    return type(node).__name__, *map(without_places, parts)


@settings(max_examples=150)
@given(bodies(2), st.lists(SPACES, min_size=1, max_size=9))
def test_a_tree_written_in_any_layout_is_read_back(
    written: Written, spaces: list[str]
) -> None:
    tokens, body = written
    words = ["network", "N", "{", "layers", ":", *tokens, "loss", ":", "mse", "}"]
    text = "".join(word + space for word, space in zip(words, cycle(spaces)))
    file = tree(text)
    (network,) = file.items
    assert isinstance(network, n.NetworkNode)
    layers, loss = network.sections
    assert isinstance(layers, n.LayersSection)
    assert without_places(layers.body) == body
    assert isinstance(loss, n.Setting)
    check_places(file, text)
