"""How emitted code reads, and what it costs to write: beyond the exact text of the cases."""

from __future__ import annotations

import cProfile
import re

import pytest

import neural_dsl as nd
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.codegen.generate import generate
from neural_dsl.compiler import analyse
from neural_dsl.graph.nodes import Network
from tests.regenerate import EXAMPLES, alone


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_small_model_is_a_short_file(backend: str) -> None:
    network = analyse(EXAMPLES / "attention_examples/basic_transformer.neural")
    code = generate(alone(network), backend, "model.py").code
    assert len(code.splitlines()) <= 110


def test_neighbours_that_put_channels_first_hand_them_on() -> None:
    code = nd.compile("""network N { input: (21, 6) layers:
      Conv1D(8, 3, activation="softmax") Dropout(0.1) BatchNormalization()
      ResidualConnection { Conv1D(8, 3, padding="same") } Conv1D(8, 3)
      LayerNormalization() a: { Conv1D(4, 1) } b: { Conv1D(4, 1) } Add()
      GlobalMaxPooling1D() }""").code
    body = code[code.index("class N(") : code.index("if __name__")]
    # In front of the first and behind the last of each run of layers, and of each branch;
    # what both branches leave is added as it is.
    assert body.count(".transpose(1, 2)") == 2 + 2 + 1
    assert "F.softmax(self.conv1d_0(x), dim=1)" in body


def test_what_leaves_a_block_has_its_features_last() -> None:
    code = nd.compile("""define Block() { Conv1D(8, 3, padding="same") }
      network N { input: (21, 8) layers: Block() LayerNormalization() }""").code
    block = code[code.index("class Block(") : code.index("def init_weights")]
    assert block.count(".transpose(1, 2)") == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_encoder_and_a_decoder_call_attentions_of_their_own(backend: str) -> None:
    network = analyse(EXAMPLES / "attention_examples/encoder_decoder.neural")
    code = generate(alone(network), backend, "model.py").code
    assert "class SelfAttention(" in code and "class CrossAttention(" in code
    assert not re.search(r"attention\((\w+), \1\b", code)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_macros_class_keeps_its_parameters(backend: str) -> None:
    code = nd.compile(
        """define Mlp(width, rate) { Dense($width) Dropout($rate) Dense(16) }
        define Block(width) { LayerNormalization() Mlp($width, 0.5) }
        network N { input: (5, 16) layers: Block(16) Block(16) Output(2) }""",
        backend,
    ).code
    assert "def __init__(self, width: int, rate: float" in code
    assert re.search(r"Mlp\(width=width, rate=0\.5", code)
    assert re.search(r"Block\(width=16", code)
    if backend == "pytorch":  # the second layer reads what the first one writes
        assert "nn.Linear(16, width)" in code and "nn.Linear(width, 16)" in code


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_layer_of_thousands_of_branches_is_python(backend: str) -> None:
    branches = " ".join(f"b{i}: {{ Dense(8) }}" for i in range(3000))
    text = f"network N {{ input: (8,) layers: {branches} Add() Output(3) }}"
    compile(nd.compile(text, backend).code, "model.py", "exec")


def calls(network: Network) -> int:
    """How many functions are called to write the code of a network."""
    profile = cProfile.Profile()
    profile.runcall(generate, network, "pytorch", "model.py")
    return sum(entry.callcount for entry in profile.getstats())


def test_code_is_written_in_time_linear_in_the_layers() -> None:
    def doubled(times: int) -> Network:
        macros = ["define M0 { Dense(8) }"]
        for i in range(times):
            macros.append(f"define M{i + 1} {{ M{i}() M{i}() }}")
        text = "\n".join(macros)
        model = f"network N {{ input: (8,) layers: M{times}() }}"
        return nd.compile(f"{text}\n{model}").network

    assert calls(doubled(10)) < 2.6 * calls(doubled(9))


def test_nested_masks_are_written_once_each() -> None:
    def joined(times: int) -> Network:
        paths = [
            f"a{i}: {{ Dropout(0.1) }} b{i}: {{ Dropout(0.2) }} Concatenate(axis=1)"
            for i in range(times)
        ]
        layers = f"Embedding(9, 8, mask_zero=true) {' '.join(paths)}"
        model = f"input: (7,) layers: {layers} TransformerEncoder(2, 4)"
        return nd.compile(f"network N {{ {model} }}").network

    assert calls(joined(12)) < 2 * calls(joined(9))
