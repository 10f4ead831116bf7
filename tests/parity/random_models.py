"""Random `.neural` files for Hypothesis, and inputs and weights for them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

# Left out: hard_shrink (jumps, so that no tolerance holds) and exponential (overflows
# when layers follow each other). Both are compared alone in test_parity.py.
ACTIVATIONS = [
    "linear",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "sigmoid",
    "hard_sigmoid",
    "hard_silu",
    "tanh",
    "softmax",
    "log_softmax",
    "softplus",
    "softsign",
    "mish",
    "log_sigmoid",
    "hard_tanh",
    "tanh_shrink",
    "soft_shrink",
    "squareplus",
]
BOOLEANS = ("true", "false")


def one_of(*values):
    return st.sampled_from(values)


@st.composite
def attention_arguments(draw, d_model: int):
    """`num_heads=…, key_dim=…`: dividing heads, or a head size of its own."""
    if draw(st.booleans()):
        divisors = [n for n in range(1, d_model + 1) if d_model % n == 0]
        return f"num_heads={draw(st.sampled_from(divisors))}"
    return f"num_heads={draw(st.integers(1, 4))}, key_dim={draw(st.integers(1, 7))}"


@st.composite
def transformer(draw, name: str, d_model: int):
    heads = draw(attention_arguments(d_model))
    given = [
        heads,
        f"ff_dim={draw(st.integers(1, 12))}",
        f'norm="{draw(one_of("post", "pre", "none"))}"',
        f'activation="{draw(one_of("relu", "gelu", "tanh", "silu"))}"',
        f"use_bias={draw(one_of(*BOOLEANS))}",
        f"dropout={draw(one_of('0', '0.2'))}",
        f"epsilon={draw(one_of('1e-5', '1e-3'))}",
    ]
    if name == "TransformerEncoder":
        given.append(f"causal={draw(one_of(*BOOLEANS))}")
    repeat = draw(one_of("", "", " * 2", " * 3"))
    return f"{name}({', '.join(given)}){repeat}"


@st.composite
def self_attention(draw, d_model: int):
    heads = draw(attention_arguments(d_model))
    value = draw(one_of("", ", value_dim=3", ", value_dim=6"))
    bias, causal = draw(one_of(*BOOLEANS)), draw(one_of(*BOOLEANS))
    return f"MultiHeadAttention({heads}{value}, use_bias={bias}, causal={causal})"


@st.composite
def convolution(draw, d_model: int):
    divisors = [n for n in (1, 2, 3, 4) if d_model % n == 0]
    groups = draw(st.sampled_from(divisors))
    filters = groups * draw(st.integers(1, 4))
    padding = draw(one_of("valid", "same", "causal"))
    steps = draw(one_of("", "", ", strides=2", ", dilation_rate=2"))
    return (
        f"Conv1D({filters}, {draw(st.integers(1, 3))}, "
        f'activation="{draw(st.sampled_from(ACTIVATIONS))}", padding="{padding}"'
        f"{steps}, groups={groups}, use_bias={draw(one_of(*BOOLEANS))})",
        filters,
    )


@st.composite
def sequence_layers(draw, d_model: int, count: int):
    """Layers that take and give a sequence, as text, and the width they end with."""
    lines = []
    for _ in range(count):
        kind = draw(
            one_of(
                "encoder",
                "encoder",
                "decoder",
                "attention",
                "attention",
                "residual",
                "dense",
                "convolution",
                "plain",
            )
        )
        if kind == "encoder":
            lines.append(draw(transformer("TransformerEncoder", d_model)))
        elif kind == "decoder":
            lines.append(draw(transformer("TransformerDecoder", d_model)))
        elif kind == "attention":
            lines.append(draw(self_attention(d_model)))
        elif kind == "residual":
            inner = draw(self_attention(d_model))
            lines.append(f"ResidualConnection {{ LayerNormalization() {inner} }}")
        elif kind == "dense":
            d_model = draw(st.integers(2, 8))
            activation = draw(st.sampled_from(ACTIVATIONS))
            bias = draw(one_of(*BOOLEANS))
            lines.append(f'Dense({d_model}, "{activation}", use_bias={bias})')
        elif kind == "convolution":
            line, d_model = draw(convolution(d_model))
            lines.append(line)
        else:
            lines.append(
                draw(
                    one_of(
                        "LayerNormalization()",
                        "LayerNormalization(epsilon=1e-2)",
                        "BatchNormalization()",
                        "BatchNormalization(epsilon=1e-4)",
                        "Dropout(0.3)",
                        'PositionalEncoding(max_len=40, encoding_type="learned")',
                        "PositionalEncoding(max_len=40)",
                        'Activation("gelu")',
                    )
                )
            )
    return lines, d_model


@st.composite
def head(draw, length: int | None):
    """From a sequence to an output."""
    ways = ["GlobalAveragePooling1D()", "GlobalMaxPooling1D()", "Dropout(0.1)"]
    lines = [draw(st.sampled_from(ways))]
    lines.append(
        f'Output({draw(st.integers(1, 5))}, "{draw(one_of("softmax", "linear"))}")'
    )
    return lines


@st.composite
def single_path(draw):
    """One input, ids or numbers, of a given or any length."""
    length = draw(one_of(None, 9, 12))
    shown = "None" if length is None else str(length)
    d_model = draw(st.integers(2, 8))
    if draw(st.booleans()):
        mask = draw(one_of(*BOOLEANS))
        start = [f"Embedding(11, {d_model}, mask_zero={mask})"]
        inputs = f"({shown},)"
    else:
        start, inputs = [], f"({shown}, {d_model})"
    layers, d_model = draw(sequence_layers(d_model, draw(st.integers(1, 4))))
    lines = [*start, *layers, *draw(head(length))]
    # An attention at the end of what can become short under strided convolutions.
    return network(inputs, lines)


@st.composite
def two_paths(draw):
    """Two inputs that meet in a decoder, a cross-attention, a sum or side by side."""
    d_model = draw(st.integers(2, 6))
    mask = draw(one_of(*BOOLEANS)), draw(one_of(*BOOLEANS))
    branches = []
    for name, masked in zip(("source", "target"), mask, strict=True):
        inner = [f"Embedding(11, {d_model}, mask_zero={masked})"]
        if draw(st.booleans()):
            inner.append(draw(transformer("TransformerEncoder", d_model)))
        branches.append(f"{name}: {{ {' '.join(inner)} }}")
    meeting = draw(
        one_of("decoder", "cross", "Add()", "Concatenate(axis=1)", "Concatenate()")
    )
    if meeting == "decoder":
        lines = [draw(transformer("TransformerDecoder", d_model))]
    elif meeting == "cross":
        heads = draw(attention_arguments(d_model))
        value = draw(one_of("", ", value_dim=3"))
        lines = [f'MultiHeadAttention({heads}{value}, mode="cross")']
    else:
        wide = 2 * d_model if meeting == "Concatenate()" else d_model
        lines = [meeting, draw(self_attention(wide))]
    lines += draw(head(7))
    return network("{source: (7,), target: (7,)}", [*branches, *lines])


def network(inputs: str, lines: list[str]) -> str:
    return f"network Random {{\n  input: {inputs}\n  layers:\n    " + "\n    ".join(
        [*lines, "}"]
    )


def random_inputs(network, seed: int, batch: int = 3) -> dict[str, np.ndarray]:
    """Ids with padding (item 0 partly, item 1 wholly, anywhere in item 2) or numbers."""
    rng = np.random.default_rng(seed)
    found = {}
    longest = [
        layer.params["max_len"]
        for layer in network.layers()
        if layer.type == "PositionalEncoding"
    ]
    length = min(int(rng.integers(9, 14)), *longest, 14)
    for one in network.inputs:
        sizes = [length if size is None else size for size in one.tensor.shape]
        if one.tensor.dtype == "ids":
            ids = rng.integers(1, one.vocabulary or 11, (batch, *sizes))
            ids[0, sizes[0] // 2 :] = 0
            ids[1] = 0
            ids[2] *= rng.integers(0, 2, sizes)
            found[one.name] = ids
        else:
            found[one.name] = rng.normal(size=(batch, *sizes)).astype(np.float32)
    return found


def random_weights(weights, seed: int) -> dict[str, np.ndarray]:
    """Every weight moved away from its start, statistics and biases too."""
    rng = np.random.default_rng(seed)
    moved = {}
    for name, array in weights.items():
        noise = rng.normal(size=array.shape)
        if name.endswith("running_var"):
            moved[name] = 0.5 + np.abs(noise)
        elif array.ndim == 1:
            moved[name] = array + 0.2 * noise
        else:
            moved[name] = noise / np.sqrt(np.prod(array.shape[1:]))  # fan-in
    return {name: array.astype(np.float32) for name, array in moved.items()}
