"""`--spell-out` writes the arithmetic of attention in the open: the same outputs as the
file with the fused kernel, and no kernel in it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import create_runtime
from neural_dsl.codegen.generate import generate
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source
from tests.parity.random_models import random_inputs, random_weights
from tests.regenerate import alone, cases

MASKED = """network M {
  input: {source: (7,), target: (5,)}
  layers:
    source: { Embedding(9, 8, mask_zero=true) TransformerEncoder(2, 6, causal=true) }
    target: { Embedding(9, 8, mask_zero=true) MultiHeadAttention(2, mode="self") }
    TransformerDecoder(2, 6, use_bias=false)
    GlobalMaxPooling1D()
}"""


@cache
def with_attention() -> dict[str, Network]:
    """The cases that have an attention, without their trainings."""
    texts = {n: read_source(path).text for n, path in cases().items()}
    found = {}
    for name, text in {**texts, "masked": MASKED}.items():
        if "Custom(" in text or "Arrays(" in text or "Text(" in text:
            continue  # their data stand beside the file
        network = alone(resolve(parse(Source("model.neural", text)))[0])
        if any(layer.attentions for layer in network.layers()):
            found[name] = network
    return found


@pytest.mark.parametrize("name", with_attention())
def test_the_open_arithmetic_gives_what_the_kernel_gives(name, backend) -> None:
    network = with_attention()[name]
    kernel = generate(network, backend, "m.py")
    opened = generate(network, backend, "m.py", spell_out=True)
    assert "F.scaled_dot_product" not in opened.code
    assert ".softmax(" in opened.code
    if opened.code == kernel.code:
        return  # nothing was hidden: where there is no kernel, the code is open anyway
    fused, spelled = create_runtime(kernel), create_runtime(opened)
    weights = random_weights(fused.weights(), 0)
    inputs = random_inputs(network, 0)
    for array in inputs.values():
        if array.dtype.kind == "i" and name == "masked":
            array[-1] = 0  # an example without any valid key
    for runtime in (fused, spelled):
        runtime.load_weights(weights)
    one, other = fused.run(inputs), spelled.run(inputs)
    np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)


def test_a_row_without_a_valid_key_gives_no_number_but_zero(backend) -> None:
    text = """network N { input: (4,) layers: Embedding(5, 6, mask_zero=true)
      MultiHeadAttention(2, use_bias=false) }"""
    network = nd.compile(text, backend).network
    runtime = create_runtime(generate(network, backend, "m.py", spell_out=True))
    output = runtime.run({"input": np.zeros((1, 4), dtype=np.int64)})
    np.testing.assert_array_equal(output, np.zeros((1, 4, 6), dtype=np.float32))
