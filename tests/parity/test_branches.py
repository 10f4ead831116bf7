"""What branches read: an input as it came, whatever was made of it elsewhere. The oracle is
NumPy, since both backends could be wrong in the same way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

import neural_dsl as nd
from neural_dsl.backends import create_runtime

Array = npt.NDArray[np.float32]
Dense = Callable[[int, Array], Array]


def beside(dense: Dense, a: Array, b: Array) -> Array:
    return np.concatenate([dense(0, a), dense(1, a)], -1)


def again(dense: Dense, a: Array, b: Array) -> Array:
    x = dense(0, a) + dense(1, b)
    return np.concatenate([dense(2, a), dense(3, x)], -1)


def twice_in_macros(dense: Dense, a: Array, b: Array) -> Array:
    x = dense(0, a) + dense(1, b)
    x = dense(2, a) + dense(3, x)
    return dense(4, a) + dense(5, x)


ONE, TWO = "{a: (4,)}", "{a: (4,), b: (4,)}"
FIRST = "a: { Dense(4) } b: { Dense(4) } Add()"
CASES = {
    "beside a branch that starts at it": (
        ONE,
        "",
        beside,
        FIRST[:-5] + "Concatenate()",
    ),
    "a second time": (
        TWO,
        "",
        again,
        f"{FIRST} a: {{ Dense(4) }} c: {{ Dense(4) }} Concatenate()",
    ),
    "inside macros": (
        TWO,
        "define M { a: { Dense(4) } c: { Dense(4) } Add() }",
        twice_in_macros,
        f"{FIRST} M() M()",
    ),
    "inside a repeated group": (
        TWO,
        "",
        twice_in_macros,
        f"{FIRST}; {{ a: {{ Dense(4) }} c: {{ Dense(4) }} Add() }} * 2",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_branch_reads_its_input_as_it_came(case: str, backend: str) -> None:
    inputs, macros, oracle, layers = CASES[case]
    text = f"{macros} network N {{ input: {inputs} layers: {layers} }}"
    runtime = create_runtime(nd.compile(text, backend))
    rng = np.random.default_rng(0)
    arrays = {
        each.name: rng.normal(size=(2, 4)).astype("float32")
        for each in runtime.network.inputs
    }
    weights = runtime.weights()

    def dense(number: int, x: Array) -> Array:
        name = f"dense_{number}"
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    expected = oracle(dense, arrays["a"], arrays.get("b", arrays["a"]))
    np.testing.assert_allclose(runtime.run(arrays), expected, atol=1e-5)


def test_a_single_branch_is_no_memory(backend: str) -> None:
    """The second decoder attends to `a`, as the first does, and not to `c`."""
    text = """network N { input: {a: (3, 4), b: (3, 4)} layers: a: { Dense(4) } b: { Dense(4) }
      TransformerDecoder(2, 4) c: { Dense(4) } TransformerDecoder(2, 4, name="last") }"""
    runtime = create_runtime(nd.compile(text, backend))
    # Values of zero leave nothing of the memory: with them a change of `a` is not seen.
    zero = {
        name: np.zeros_like(array)
        if "cross_attention.value" in name and not name.startswith("last")
        else array
        for name, array in runtime.weights().items()
    }
    runtime.load_weights(zero)
    b = np.random.default_rng(0).normal(size=(1, 3, 4)).astype("float32")
    low, high = (runtime.run({"a": np.full_like(b, v), "b": b}) for v in (0.0, 5.0))
    assert np.abs(high - low).max() > 1e-3


def test_a_macro_with_a_memory_of_its_own_takes_none(backend: str) -> None:
    text = """define M { a: { Dense(4) } c: { Dense(4) } TransformerDecoder(2, 4) }
      network N { input: (3, 4) layers: M() Output(2) }"""
    runtime = create_runtime(nd.compile(text, backend))
    assert "memory" not in runtime.compiled.code.partition("class M(")[2]
    x = np.ones((1, 3, 4), "float32")
    assert runtime.run({"input": x}).shape == (1, 3, 2)
