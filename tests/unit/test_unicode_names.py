"""Names in every role, in letters that Python reads as others: refused, or emitted apart.

The oracle is the same file with plain names in their place: its code must be the same but
for the names, one for one.
"""

import ast
import unicodedata
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neural_dsl as nd
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.diagnostics import NeuralError
from neural_dsl.runs.overrides import with_settings
from neural_dsl.source import Source
from tests.unit.resolving import checked

ROLES = ("net", "macro", "left", "right", "size")
FILE = """
define {macro}({size}) {{ Dense(${size}) Dense(8) }}
network {net} {{
  input: (6, 8)
  layers:
    {left}: {{ {macro}(8) }}
    {right}: {{ {macro}(4) }}
    Concatenate()
    Output(3)
}}
"""
PLAIN = {"net": "Aa", "macro": "Bb", "left": "cc", "right": "dd", "size": "ee"}
TRICKY = [
    *("K", "\u212a", "\uff2b", "k", "\uff4b"),  # K, kelvin, fullwidth K and k
    *("x", "\uff58", "F", "\uff26", "self", "ｓｅｌｆ", "layers", "ｌａｙｅｒｓ"),
    *("²a", "M²", "ﬁ", "fi", "ſ", "s", "ß", "ŉa", "ǰ", "İ", "ı", "µ", "μ", "ª", "a"),
    *(
        "torch",
        "ｔｏｒｃｈ",
        "class",
        "ｃｌａｓｓ",
        "print",
        "_a",
        "nn",
        "ｎｎ",
        "Ⅷ",
        "VIII",
    ),
]
names = st.one_of(
    st.sampled_from(TRICKY),
    st.text("aKk\u212a\uff2b²ﬁſßŉıİµ_1é\u0301", min_size=1, max_size=3).map(
        "n".__add__
    ),
)


def identifiers(code: str) -> Iterator[tuple[int, str, str]]:
    """Every name in a code, in order: the scope that it stands in (a function has one of
    its own), whether it is an attribute, an argument's keyword or a variable, and it."""
    scopes = 0

    def walk(node: ast.AST, scope: int) -> Iterator[tuple[int, str, str]]:
        nonlocal scopes
        kinds = {ast.Attribute: "attribute", ast.keyword: "keyword"}
        for field in ("id", "name", "attr", "arg"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield scope, kinds.get(type(node), "variable"), value
        if isinstance(node, ast.FunctionDef):
            scopes += 1
            scope = scopes
        for child in ast.iter_child_nodes(node):
            yield from walk(child, scope)

    return walk(ast.parse(code), 0)


@cache
def plain_identifiers() -> dict[str, list[tuple[int, str, str]]]:
    text = FILE.format(**PLAIN)
    return {each: list(identifiers(nd.compile(text, each).code)) for each in BACKENDS}


def accepted(text: str) -> bool:
    return not any(each.severity == "error" for each in checked(text))


@settings(max_examples=120)
@given(st.fixed_dictionaries(dict.fromkeys(ROLES, names)))
def test_names_are_refused_or_emitted_apart(chosen) -> None:
    text, own = FILE.format(**chosen), plain_identifiers()
    if not accepted(text):
        return
    for backend in BACKENDS:
        tricky, plain = (
            list(identifiers(nd.compile(text, backend).code)),
            own[backend],
        )
        assert all(name == unicodedata.normalize("NFKC", name) for *_, name in tricky)
        pairs = set(zip(tricky, plain, strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def defined(code: str) -> set[str]:
    """What a file imports and defines, by name."""
    found: set[str] = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(each.asname or each.name).split(".")[0] for each in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("role", ROLES)
def test_no_name_hides_what_the_code_imports_defines_or_is_given(role, backend) -> None:
    text = FILE.replace("Dense(8)", "MultiHeadAttention(num_heads=2)")
    plain = defined(nd.compile(text.format(**PLAIN), backend).code)
    words = {*plain, "self", "x", "super", "int", "forward", "call", "training"}
    for word in sorted(words | {"name", "kwargs", "dtype", "match", "_", "__init__"}):
        chosen = text.format(**{**PLAIN, role: word})
        if not accepted(chosen):
            continue
        code = nd.compile(chosen, backend).code
        compile(code, word, "exec")  # no argument twice
        for function in ast.walk(ast.parse(code)):
            if isinstance(function, ast.FunctionDef):
                nodes = list(ast.walk(function))
                local = {each.arg for each in nodes if isinstance(each, ast.arg)}
                names = (each for each in nodes if isinstance(each, ast.Name))
                local |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
                assert not local & defined(code), (word, function.name)


@pytest.mark.parametrize("bad", ["²a", "M²"])
@pytest.mark.parametrize("role", ROLES)
def test_what_python_takes_for_no_name_is_refused_in_every_role(role, bad) -> None:
    found = checked(FILE.format(**{**PLAIN, role: bad}))
    assert {each.code for each in found if each.severity == "error"} >= {"NE018"}


@pytest.mark.parametrize(
    "text",
    [
        FILE.format(**{**PLAIN, "left": "K", "right": "\u212a"}),
        "define K { Dense(8) } define \u212a { Dense(4) } " + FILE.format(**PLAIN),
        "network N { input: { \uff58: (4, 8), x: (4, 8) } layers: Add() Output(2) }",
        "network fi { input: (4) layers: Output(2) } "
        "network \ufb01 { input: (4) layers: Output(3) }",
    ],
    ids=["branches", "macros", "inputs", "networks"],
)
def test_names_that_python_reads_alike_clash_with_both_places(text) -> None:
    error = next(each for each in checked(text) if each.severity == "error")
    assert error.code in ("NE053", "NE056")
    assert error.related and error.related[0].span != error.span


def test_a_network_is_chosen_by_its_name_as_the_file_writes_it() -> None:
    networks = (
        f"network {n} {{ input: (4) layers: Output(2) }}" for n in ("\ufb01", "N")
    )
    text = Source("text", " ".join(networks))
    assert nd.compile(text, network="\ufb01") == nd.compile(text, network="fi")
    changed = with_settings(text, ["train.epochs=7"], "\ufb01").text
    assert changed.index("7") < changed.index("network N")


def test_two_networks_of_one_name_are_not_compiled() -> None:
    one = "network N { input: (4) layers: Output(2) } "
    with pytest.raises(NeuralError, match="NE053"):
        nd.compile(one * 2)


def test_a_file_with_plain_names_is_accepted() -> None:
    assert accepted(FILE.format(**PLAIN))
    assert accepted(FILE.format(**{**PLAIN, "left": "\uff58", "net": "Größe"}))
