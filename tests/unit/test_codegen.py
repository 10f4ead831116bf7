"""What generated code promises beyond its exact text, which the cases keep."""

from __future__ import annotations

import ast
import keyword
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neural_dsl as nd
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.compiler import analyse, emit
from neural_dsl.diagnostics import NeuralError
from neural_dsl.source import Source

MODEL = "network N { input: (4,) layers: Dense(3) Output(2) }"

HOSTILE = [
    '"""); import os #',
    "'''); import os #",
    "__class__",
    "a\nimport os",
    "a\r\nimport os",
    "{{ 7 * 7 }}{% raw %}",
    "back\\slash\\",
    "\\N{BULLET}",
    "null\0byte",
    "</script><img src=x onerror=alert(1)>",
    "\u2028import os",
    "\x1b[31m",
]


def code_without_docstring(model: CompiledModel) -> str:
    tree = ast.parse(model.code)
    assert isinstance(tree.body[0], ast.Expr)
    return ast.dump(ast.Module(tree.body[1:], []))


@cache
def plain_code(backend: str) -> str:
    return code_without_docstring(nd.compile(Source("plain.neural", MODEL), backend))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_file_name_stays_inside_the_docstring(
    text: str, backend: str
) -> None:
    model = emit(analyse(Source(text, MODEL)), backend, text)
    assert code_without_docstring(model) == plain_code(backend)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=100)
@given(text=st.text(max_size=40))
def test_no_file_name_becomes_code(text: str, backend: str) -> None:
    model = emit(analyse(Source(text, MODEL)), backend, text)
    assert code_without_docstring(model) == plain_code(backend)


PLACES = {
    "layer name": "network N {{ input: (4,) layers: Dense(3, name={0}) Output(2) }}",
    "activation": "network N {{ input: (4,) layers: Dense(3, {0}) Output(2) }}",
    "choice": "network N {{ input: (4, 4) layers: TransformerEncoder(2, 4, norm={0}) }}",
    "loss": "network N {{ input: (4,) layers: Output(2) loss: {0} }}",
    "optimizer": "network N {{ input: (4,) layers: Output(2) optimizer: {0} }}",
    "metric": "network N {{ input: (4,) layers: Output(2) metrics: [{0}] }}",
    "device": "network N {{ input: (4,) layers: Dense(3) @ {0} Output(2) }}",
    "execution": "network N {{ input: (4,) layers: Output(2) execution {{ device: {0} }} }}",
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused_or_harmless(
    text: str, place: str, backend: str
) -> None:
    literal = ast.unparse(ast.Constant(text)).replace("\0", "")
    try:
        model = nd.compile(PLACES[place].format(literal), backend)
    except NeuralError as error:
        assert all(d.severity for d in error.diagnostics)
        return
    tree = ast.parse(model.code)
    calls = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert "os" not in calls or backend == "tensorflow"
    assert "import os #" not in model.code


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "word", sorted(set(keyword.kwlist) - {"None", "True", "False"})
)
def test_a_python_keyword_never_breaks_the_code(word: str, backend: str) -> None:
    text = f"network N {{ input: {{{word}: (4,)}} layers: {word}: {{ Dense(3) }} Output(2) }}"
    try:
        model = nd.compile(text, backend)
    except NeuralError:
        return
    ast.parse(model.code)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "name",
    ["F", "nn", "torch", "Tensor", "keras", "layers", "ops", "self", "print", "i"],
)
def test_a_macro_may_have_the_name_of_a_module(name: str, backend: str) -> None:
    model = nd.compile(
        f"define {name} {{ Dense(4) }} network {name} {{ input: (4,) layers: {name}() }}",
        backend,
    )
    classes = [
        n.name for n in ast.parse(model.code).body if isinstance(n, ast.ClassDef)
    ]
    assert name not in classes
    assert len(classes) == len(set(classes))


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_unused_option_leaves_no_trace_in_the_code(backend: str) -> None:
    model = nd.compile(
        "network N { input: (8, 16) layers: TransformerEncoder(4, 32) }", backend
    )
    for word in ("dropout", "mask", "causal", "memory", "epsilon=epsilon", "use_bias"):
        assert word not in model.code.lower()


@pytest.mark.parametrize("backend", BACKENDS)
def test_uses_of_a_macro_that_differ_in_size_share_one_class(backend: str) -> None:
    model = nd.compile(
        "define B(n) { Dense($n, 'relu') Dense($n * 2) }"
        "network N { input: (4,) layers: B(3) B(5) B(5) * 2 Output(2) }",
        backend,
    )
    assert model.code.count("class B(") == 1
    assert "class B2" not in model.code


@pytest.mark.parametrize("names", [("a", "a_0"), ("a_01", "a_02"), ("a_1", "a_2")])
@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_neighbours_keep_the_names_that_they_were_given(names, backend) -> None:
    """A loop counts its names up; names that are not counted so are no loop."""
    both = " ".join(f'Dense(4, name="{name}")' for name in names)
    text = f"network N {{ input: (4,) layers: {both} Output(2) }}"
    model = nd.compile(text, backend)
    assert set(names) < set(model.paths)
    ast.parse(model.code)
    if backend == "tensorflow" and "range" not in model.code:
        assert all(f'name="{name}"' in model.code for name in names)


def test_unknown_backends_are_refused_with_the_known_ones() -> None:
    with pytest.raises(NeuralError) as refused:
        nd.compile(MODEL, "pytorhc")
    assert "pytorch" in refused.value.diagnostics[0].help


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "name", ["__init__", "__class__", "__dict__", "_modules", "_apply", "_"]
)
def test_a_layer_name_with_an_underscore_hides_nothing_of_the_framework(
    name: str, backend: str
) -> None:
    model = nd.compile(
        f'network N {{ input: (4,) layers: Dense(3, name="{name}") Output(2) }}',
        backend,
    )
    assert model.paths[name] == f"layer{name}"
    assert f"self.{name} =" not in model.code


@pytest.mark.parametrize(
    "change",
    [
        "Inner()",
        "a: { Dense(7) } b: { Dense(7) } Sum()",
        "a: { Inner() } b: { Inner() } Add()",
    ],
)
def test_a_parameter_stands_for_a_width_only_where_it_is_one(change: str) -> None:
    macros = "define Inner { Dense(7) } define Sum { Add() LayerNormalization() }"
    outer = f"define Outer(n) {{ Dense($n) {change} Dense(4) }}"
    network = "network N { input: (5,) layers: Outer(8) Output(2) }"
    code = nd.compile(f"{macros} {outer} {network}").code
    assert "nn.Linear(5, n)" in code
    assert "nn.Linear(7, 4)" in code
