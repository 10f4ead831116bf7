"""Long statements are broken exactly where Ruff would break them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.codegen.layout import WIDTH, lay_out


def ruff(code: str) -> str:
    """The code as `ruff format` lays it out."""
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(command, input=code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


atoms = st.sampled_from(["x", "256", "0.1", "mask", '"relu"', '"a (b, c)"', "-1"])
names = st.sampled_from(
    ["self.attention", "nn.Linear", "TransformerEncoder", "torch.cat"]
)


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, min_size=1, max_size=5)
    keywords = arguments.map(lambda vs: [f"key_{i}={v}" for i, v in enumerate(vs)])
    call = st.tuples(names, arguments | keywords).map(
        lambda pair: f"{pair[0]}({', '.join(pair[1])})"
    )
    listed = st.lists(inner, min_size=1, max_size=3).map(lambda v: f"[{', '.join(v)}]")
    tupled = st.lists(inner, min_size=2, max_size=3).map(lambda v: f"({', '.join(v)})")
    return call | listed | tupled


expressions = st.recursive(atoms, calls, max_leaves=16)
applied = st.tuples(names, expressions).map(lambda p: f"{p[0]}({p[1]}, name='n')(x)")
looped = expressions.map(lambda e: f"nn.ModuleList({e} for _ in range(3))")
words = st.integers(1, 64).map(lambda size: ("a_long_name_" * 6)[: size - 1] + "z")
sums = st.tuples(
    st.sampled_from([" + ", " & ", " != "]), st.lists(words, min_size=2, max_size=4)
).map(lambda pair: pair[0].join(pair[1]))
passing = st.tuples(
    words, st.lists(words, max_size=4), st.lists(words, max_size=2)
).map(lambda t: f"{t[0]}({', '.join(t[1])})" + (f"({', '.join(t[2])})" if t[2] else ""))
targets = st.sampled_from(["x = ", "self.transformer_encoder = ", "return "])
statements = st.tuples(
    targets | words.map(lambda word: f"{word} = "),
    expressions | looped | applied.map(lambda s: s.replace("'", '"')) | sums | passing,
).map("".join)


@settings(max_examples=15, deadline=None)
@given(st.lists(statements, min_size=20, max_size=20))
def test_any_statement_is_laid_out_as_ruff_would(lines: list[str]) -> None:
    written = "def f():\n" + "".join(f"    {line}\n" for line in lines)
    assert lay_out(written) == ruff(lay_out(written))


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_no_line_is_longer_than_88_columns(depth: int) -> None:
    arguments = ", ".join(f"number_{i}={i}" for i in range(30))
    laid_out = lay_out(f"{'    ' * depth}x = Layer({arguments})")
    assert max(map(len, laid_out.splitlines())) <= WIDTH


def test_prose_beside_a_long_statement_moves_above_it_and_a_shape_goes() -> None:
    code = (
        f"x = layer({'a' * 70})  # (B, T, 512)\ny = layer({'a' * 70})  # (B, 2): logits"
    )
    assert lay_out(code).splitlines() == [
        f"x = layer({'a' * 70})",
        "# (B, 2): logits",
        f"y = layer({'a' * 70})",
    ]


def test_an_index_does_not_become_a_tuple() -> None:
    code = f"x = {'a' * 60} + {'b' * 15} * shape[position]"
    assert "position," not in lay_out(code)


def test_small_floats_are_written_as_people_write_them() -> None:
    assert lay_out("x = f(1e-05, 2.5e-07, 1e-10)") == "x = f(1e-5, 2.5e-7, 1e-10)\n"
