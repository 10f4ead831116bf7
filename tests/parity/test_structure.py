"""Any nesting of macros, repeats, residuals and branches compiles to a model that runs,
has the weights that the graph promises, and means the same on both backends."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neural_dsl as nd
from neural_dsl.backends import canonical, create_runtime
from tests.layer_examples import EXAMPLES, reads_one_sequence
from tests.parity.random_models import random_inputs

WIDTH = 16
LAYERS = [  # each gives WIDTH features again, as the next may need them
    each.written(spec.name) + ("" if each.gives[-1] == WIDTH else f" Dense({WIDTH})")
    for spec, each in EXAMPLES
    if spec.name != "Output"
    and reads_one_sequence(spec, each)
    and each.reads[0] == (10, WIDTH)
    and len(each.gives) == 2
    and each.gives[0] == 10
]


class Writer:
    """Writes random networks; every body ends at WIDTH features, so that all fit."""

    def __init__(self, chance: random.Random):
        self.chance = chance
        self.macros: list[str] = []
        self.branches = 0

    def text(self) -> str:
        defines = []
        for number in range(self.chance.randint(0, 2)):
            body = f"{self.body(1)} Dense($w) MultiHeadAttention($h, key_dim=$w / 2)"
            defines.append(f"define M{number}(w, h) {{ {body} Dense({WIDTH}) }}")
            self.macros.append(f"M{number}")
        masked = self.chance.random() < 0.3
        begin = f"Embedding(9, {WIDTH}, mask_zero=true)" if masked else ""
        shape = "(10,)" if masked else f"(10, {WIDTH})"
        end = self.chance.choice(["GlobalAveragePooling1D()", "Flatten()", ""])
        layers = f"{begin} {self.body(2)} {end} Output(3)"
        network = f"network N {{ input: {shape} layers: {layers} }}"
        return "\n".join([*defines, network])

    def body(self, depth: int) -> str:
        parts = [self.part(depth) for _ in range(self.chance.randint(1, 2))]
        return " ".join([*parts, f"Dense({WIDTH})"])

    def part(self, depth: int) -> str:
        times = self.chance.choice(["", "", " * 2"])
        kinds = ["layer", "layer", *(["macro"] if self.macros else [])]
        kinds += ["residual", "group", "branches"] if depth else []
        match self.chance.choice(kinds):
            case "residual":
                return f"Dense({WIDTH}) Residual {{ {self.body(depth - 1)} }}{times}"
            case "group":
                return f"; {{ {self.body(depth - 1)} }}{times}"
            case "branches":
                self.branches += 1
                n = self.branches
                one, two = self.body(depth - 1), self.body(0)
                merge = self.chance.choice(["Add()", "Concatenate()"])
                return f"a{n}: {{ {one} }} b{n}: {{ {two} }} {merge} Dense({WIDTH})"
            case "macro":
                sizes = self.chance.choice(["4, 2", "8, 4"])
                return f"{self.chance.choice(self.macros)}({sizes}){times}"
            case _:
                return self.chance.choice(LAYERS) + times


networks = st.randoms(use_true_random=False).map(lambda r: Writer(r).text())


def has_the_weights_of_the_graph(runtime) -> bool:
    shapes = {name: array.shape for name, array in runtime.weights().items()}
    return shapes == canonical.expected(runtime.compiled.network)


@pytest.mark.needs("torch")
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(text=networks)
def test_any_structure_runs_with_the_weights_of_its_graph(text: str) -> None:
    runtime = create_runtime(nd.compile(text, "pytorch"), 0)
    assert has_the_weights_of_the_graph(runtime)
    output = runtime.run(random_inputs(runtime.compiled.network, 0))
    assert np.isfinite(output).all()


@pytest.mark.needs("torch", "tensorflow")
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(text=networks)
def test_any_structure_means_the_same_on_both_backends(text: str) -> None:
    one = create_runtime(nd.compile(text, "pytorch"), 0)
    other = create_runtime(nd.compile(text, "tensorflow"), 0)
    assert has_the_weights_of_the_graph(other)
    other.load_weights(one.weights())
    inputs = random_inputs(one.compiled.network, 0)
    # Deep bodies without norms amplify rounding: this test is about structure, and
    # test_parity.py holds well-conditioned models to 1e-5.
    expected = one.run(inputs)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(other.run(inputs) / scale, expected / scale, atol=1e-3)


@pytest.mark.needs("torch")
def test_branches_inside_a_branch_leave_the_outer_value_alone() -> None:
    """Found by the test above: the inner merge overwrote what the next branch reads."""
    text = """network N { input: (6, 8) layers:
      a: { c: { Dense(8) } d: { Dense(8) } Concatenate() Dense(8) } b: { Dense(8) } Add() }"""
    runtime = create_runtime(nd.compile(text, "pytorch"), 0)
    w, x = runtime.weights(), np.ones((1, 6, 8), "float32")

    def dense(number: int, value: np.ndarray) -> np.ndarray:
        return value @ w[f"dense_{number}.weight"].T + w[f"dense_{number}.bias"]

    joined = np.concatenate([dense(0, x), dense(1, x)], axis=-1)
    expected = dense(2, joined) + dense(3, x)
    np.testing.assert_allclose(runtime.run({"input": x}), expected, atol=1e-5)
