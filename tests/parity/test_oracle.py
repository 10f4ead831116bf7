"""Emitted attention against a plain NumPy oracle and against torch.nn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neural_dsl as nd
from neural_dsl.backends import create_runtime
from tests.capturing import capture
from tests.oracle import assert_agree, multi_head_attention
from tests.parity.random_models import random_inputs, random_weights

PREFIX = "multi_head_attention"


def built(backend: str, inputs: str, layers: str):
    """A runtime with weights that give attention far from uniform."""
    text = f"network Oracle {{ input: {inputs}\n layers: {layers} }}"
    runtime = create_runtime(nd.compile(text, backend), seed=0)
    weights = random_weights(runtime.weights(), seed=1)
    strong = {name: array * 2 for name, array in weights.items()}
    runtime.load_weights(strong)
    return runtime, strong


@settings(max_examples=12)
@given(data=st.data())
def test_any_self_attention_equals_the_oracle(backend, data):
    heads, key_dim, value_dim = (data.draw(st.integers(1, top)) for top in (4, 6, 6))
    bias, causal, masked = (data.draw(st.booleans()) for _ in range(3))
    runtime, weights = built(
        backend,
        "(7,)",
        f"Embedding(11, 5, mask_zero={masked}) "
        f"MultiHeadAttention({heads}, {key_dim}, {value_dim}, use_bias={bias}, "
        f"causal={causal})",
    )
    inputs = random_inputs(runtime.compiled.network, data.draw(st.integers(0, 99)))
    ids = inputs["input"]
    output, matrices = multi_head_attention(
        weights,
        PREFIX,
        heads,
        weights["embedding.weight"][ids].astype(np.float64),
        key_mask=ids != 0 if masked else None,
        causal=causal,
    )
    captured = capture(runtime, inputs)
    assert_agree(captured.weights[PREFIX], matrices, 1e-6, what="weights")
    assert_agree(captured.output, output, what="output")


@pytest.mark.parametrize("value_dim", [3, 5])
@pytest.mark.parametrize("masked", [True, False])
def test_cross_attention_equals_the_oracle(backend, value_dim, masked):
    runtime, weights = built(
        backend,
        "{source: (6,), target: (4,)}",
        f"source: {{ Embedding(11, 5, mask_zero={masked}) }} "
        f"target: {{ Embedding(11, 4, mask_zero={masked}) }} "
        f'MultiHeadAttention(3, 5, {value_dim}, mode="cross")',
    )
    inputs = random_inputs(runtime.compiled.network, 2)
    vectors = {
        name: weights[f"embedding_{i}.weight"][inputs[name]].astype(np.float64)
        for i, name in enumerate(("source", "target"))
    }
    output, matrices = multi_head_attention(
        weights,
        PREFIX,
        3,
        vectors["target"],
        vectors["source"],
        key_mask=inputs["source"] != 0 if masked else None,
    )
    captured = capture(runtime, inputs)
    assert captured.weights[PREFIX].shape == (3, 3, 4, 6)
    assert_agree(captured.weights[PREFIX], matrices, 1e-6, what="weights")
    assert_agree(captured.output, output, what="output")


@pytest.mark.needs("torch", "tensorflow")
@pytest.mark.parametrize("causal", [True, False])
def test_attention_equals_torch_nn_multihead_attention(backend, causal):
    import torch

    runtime, weights = built(
        backend, "(9, 12)", f"MultiHeadAttention(4, causal={causal})"
    )
    theirs = torch.nn.MultiheadAttention(12, 4, batch_first=True).eval()
    parts = ("query", "key", "value")

    def stacked(kind):
        arrays = [weights[f"{PREFIX}.{part}.{kind}"] for part in parts]
        return torch.from_numpy(np.concatenate(arrays))

    with torch.no_grad():
        theirs.in_proj_weight.copy_(stacked("weight"))
        theirs.in_proj_bias.copy_(stacked("bias"))
        projection = (weights[f"{PREFIX}.projection.{k}"] for k in ("weight", "bias"))
        for own, array in zip(theirs.out_proj.parameters(), projection, strict=True):
            own.copy_(torch.from_numpy(array))
        x = np.random.default_rng(0).normal(size=(3, 9, 12)).astype(np.float32)
        mask = torch.ones(9, 9).triu(1).bool() if causal else None
        tensor = torch.from_numpy(x)
        output, matrices = theirs(
            tensor, tensor, tensor, attn_mask=mask, average_attn_weights=False
        )
    captured = capture(runtime, {"input": x})
    assert_agree(captured.weights[PREFIX], matrices.numpy(), 1e-6, what="weights")
    assert_agree(captured.output, output.numpy(), what="output")
