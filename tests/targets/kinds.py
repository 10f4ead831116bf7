"""One of each kind of target, with what it reads and the weights that it must show.

The expected weights are worked out with NumPy from the models' own weights, apart from
all that looks at attention: softmax of (x W_q)(y W_k)^T / sqrt(d).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neural_dsl.backends import canonical, create_runtime
from neural_dsl.compiler import compile
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.targets.base import Batch, Target
from neural_dsl.targets.module import ModuleTarget
from neural_dsl.targets.network import NetworkTarget
from tests.handwritten import translator
from tests.oracle import multi_head_attention

SIZE, HEADS = 8, 2


@dataclass
class Kind:
    """`expected`: site -> (B, H, Q, K), of the sites that NumPy can tell; `names`: of all
    sites, in order; `kinds`: "self", "causal" or "cross" of each."""

    target: Target
    batch: Batch
    names: list[str]
    kinds: list[str]
    expected: dict[str, np.ndarray]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def softmax(query, key, allowed=True, scale=None):
    """Weights (B, H, Q, K) of projected queries and keys (B, T, H, d); 0 without keys."""
    query, key = (each.astype(np.float64).swapaxes(1, 2) for each in (query, key))
    scores = query @ key.swapaxes(2, 3) * (scale or query.shape[-1] ** -0.5)
    scores = np.where(allowed, scores, -np.inf)
    top = np.where(np.isfinite(scores), scores, -1e30).max(-1, keepdims=True)
    powers = np.exp(scores - top)
    total = powers.sum(-1, keepdims=True)
    return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)


def heads(x: np.ndarray, weight: np.ndarray, bias: Any = 0.0) -> np.ndarray:
    """x W^T + b, cut into heads: (B, T, H, d)."""
    return (x @ weight.T + bias).reshape(*x.shape[:2], HEADS, -1)


# --- emitted ------------------------------------------------------------------------

SOURCE = np.array([[1, 2, 3, 4, 0, 0, 0], [0] * 7, [5, 6, 7, 8, 9, 10, 1]])
TARGET = np.array([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [1, 2, 3, 0, 0]])


def emitted(backend: str) -> Kind:
    """An encoder and a decoder with padding on both sides and a wholly padded source."""
    runtime = create_runtime(translator(backend), seed=0)
    rng = np.random.default_rng(3)
    shapes = canonical.expected(runtime.network).items()
    loaded = {name: rng.normal(scale=1.2, size=shape) for name, shape in shapes}
    loaded = {
        name: (np.abs(array) + 0.5 if "running_var" in name else array)
        for name, array in loaded.items()
    }
    runtime.load_weights({n: a.astype(np.float32) for n, a in loaded.items()})
    weights = runtime.weights()
    decoder = "transformer_decoder.self_attention"
    source = weights["embedding_0.weight"][SOURCE].astype(np.float64)
    target = weights["embedding_1.weight"][TARGET].astype(np.float64)
    expected = {
        "transformer_encoder_0": multi_head_attention(
            weights,
            "transformer_encoder_0.attention",
            2,
            source,
            key_mask=SOURCE != 0,
        )[1],
        decoder: multi_head_attention(
            weights, decoder, 2, target, key_mask=TARGET != 0, causal=True
        )[1],
    }
    names = ["transformer_encoder_0", "transformer_encoder_1", decoder]
    return Kind(
        NetworkTarget(runtime),
        Batch({"source": SOURCE, "target": TARGET}),
        [*names, "transformer_decoder.cross_attention"],
        ["self", "self", "causal", "cross"],
        expected,
    )


PLAIN = "network Plain { input: (4, 8) layers: MultiHeadAttention(num_heads=2) }"


def plain(backend: str) -> Kind:
    """Nothing is hidden: the emitted file leaves masks out, and names things shortly."""
    runtime = create_runtime(compile(PLAIN, backend), seed=0)
    runtime.load_weights({n: numbers(*a.shape) for n, a in runtime.weights().items()})
    x, (name,) = numbers(2, 4, 8), [n for n, _, _ in runtime.network.attentions()]
    weights = runtime.weights()
    _, expected = multi_head_attention(weights, name, 2, x.astype(np.float64))
    batch = Batch({"input": x})
    return Kind(NetworkTarget(runtime), batch, [name], ["self"], {name: expected})


class Letters:
    """A task as far as a sequence asks it."""

    symbols = ("_", "a", "b", "c")


RUN = """network Run { input: (None,) layers: Embedding(4, 8)
    MultiHeadAttention(num_heads=2, causal=true) Output(4) }"""


def run(backend: str) -> Kind:
    """A run of a model that takes any length, which reads a sequence."""
    runtime = create_runtime(compile(RUN, backend), seed=0)
    loaded = {n: 5 * numbers(*a.shape) for n, a in runtime.weights().items()}
    runtime.load_weights(loaded)
    target = LoadedRun(runtime, Path("run"), Letters())
    batch = target.sequence((1, 2, 3, 1))
    weights = runtime.weights()
    (name,) = [name for name, _, _ in runtime.network.attentions()]
    x = weights["embedding.weight"][[[1, 2, 3, 1]]].astype(np.float64)
    _, expected = multi_head_attention(weights, name, 2, x, causal=True)
    return Kind(target, batch, [name], ["causal"], {name: expected})


# --- PyTorch, not emitted -----------------------------------------------------------


def torch_handwritten() -> Kind:
    """Written by hand: padding, causal, cross, and one module that attends twice."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(SIZE, SIZE) for _ in range(3))

        def forward(self, x, y, mask=None, causal=False):
            q, k, v = (
                layer(each).view(len(x), -1, HEADS, SIZE // HEADS).transpose(1, 2)
                for layer, each in ((self.q, x), (self.k, y), (self.v, y))
            )
            out = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=causal
            )
            return out.transpose(1, 2).flatten(2)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.padded, self.across, self.twice = (Attention() for _ in range(3))

        def forward(self, x, memory, valid):
            a = self.padded(x, x, valid[:, None, None, :])
            b = self.across(x, memory)
            c = self.twice(x, x, causal=True)
            return a + b + c + self.twice(x, memory)

    torch.manual_seed(0)
    model = Model().eval()
    x, memory = numbers(2, 5, SIZE), numbers(2, 3, SIZE, seed=1)
    valid = np.array([[True] * 5, [True, True, True, False, False]])

    def expected(attention: Any, y: np.ndarray, allowed: Any = True) -> np.ndarray:
        q, k = (
            heads(each, *(p.detach().numpy() for p in (layer.weight, layer.bias)))
            for layer, each in ((attention.q, x), (attention.k, y))
        )
        return softmax(q, k, allowed)

    return Kind(
        ModuleTarget(model),
        Batch({"x": x, "memory": memory, "valid": valid}),
        ["padded", "across", "twice", "twice#1"],
        ["self", "cross", "causal", "cross"],
        {
            "padded": expected(model.padded, x, valid[:, None, None, :]),
            "across": expected(model.across, memory),
            "twice": expected(model.twice, x, np.tri(5, dtype=bool)),
            "twice#1": expected(model.twice, memory),
        },
    )


def packed(attention: Any, x: np.ndarray, y: np.ndarray, allowed: Any) -> np.ndarray:
    """The weights of an nn.MultiheadAttention."""
    weight, bias = (
        each.detach().numpy()
        for each in (attention.in_proj_weight, attention.in_proj_bias)
    )
    q = heads(x, weight[:SIZE], bias[:SIZE])
    k = heads(y, weight[SIZE : 2 * SIZE], bias[SIZE : 2 * SIZE])
    return softmax(q, k, allowed)


def torch_encoder(training: bool = False) -> Kind:
    """nn.TransformerEncoder with padding: in evaluation it has a fast path."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(SIZE, HEADS, 16, 0.1, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model.train(training)
    x = numbers(2, 6, SIZE)
    ignored = np.zeros((2, 6), dtype=bool)
    ignored[0, 4:] = True
    names = ["layers.0.self_attn", "layers.1.self_attn"]
    first = packed(model.layers[0].self_attn, x, x, ~ignored[:, None, None, :])
    return Kind(
        ModuleTarget(model),
        Batch({"src": x, "src_key_padding_mask": ignored}),
        names,
        ["self", "self"],
        {names[0]: first},
    )


def torch_multihead() -> Kind:
    """nn.MultiheadAttention asked for its weights, which it then computes itself."""
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.MultiheadAttention(SIZE, HEADS, batch_first=True)

        def forward(self, x, memory, mask):
            out, weights = self.inner(x, memory, memory, attn_mask=mask)
            return out, weights

    torch.manual_seed(0)
    model = Model().eval()
    x, memory = numbers(2, 4, SIZE), numbers(2, 5, SIZE, seed=1)
    hidden = np.random.default_rng(5).random((4, 5)) < 0.4
    hidden[:, 2] = False
    expected = packed(model.inner, x, memory, ~hidden)
    batch = Batch({"x": x, "memory": memory, "mask": hidden})
    return Kind(ModuleTarget(model), batch, ["inner"], ["cross"], {"inner": expected})


# --- Keras, not emitted -------------------------------------------------------------


def keras_model(dropout: float = 0.0) -> Kind:
    """Keras' own attention, causal and padded, the second layer used twice. With dropout
    it computes the weights itself, without it calls its kernel."""
    import neural_dsl.backends.tensorflow  # noqa: F401  (settles Keras' backend)

    # isort: split
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, SIZE))
    first = layers.MultiHeadAttention(HEADS, 4, dropout=dropout, name="first")
    twice = layers.MultiHeadAttention(HEADS, 4, dropout=dropout, name="twice")
    y = first(inputs, inputs, use_causal_mask=True)
    y = twice(y, y) + twice(y, inputs)
    model = keras.Model(inputs, y)
    x = numbers(2, 5, SIZE)

    def projected(dense: Any) -> np.ndarray:
        kernel, bias = (np.asarray(each) for each in (dense.kernel, dense.bias))
        return np.einsum("btd,dhk->bthk", x, kernel) + bias

    query, key = projected(first._query_dense), projected(first._key_dense)
    return Kind(
        ModuleTarget(model),
        Batch({"inputs": x}),
        ["first", "twice", "twice#1"],
        ["causal", "self", "self"],
        {"first": softmax(query, key, np.tri(5, dtype=bool))},
    )


def keras_additive() -> Kind:
    """A formula of its own: there are scores, but no queries times keys."""
    import neural_dsl.backends.tensorflow  # noqa: F401

    # isort: split
    import keras
    from keras import layers

    query, value = keras.Input((4, SIZE)), keras.Input((3, SIZE))
    attention = layers.AdditiveAttention(use_scale=False, name="one")
    model = keras.Model([query, value], attention([query, value]))
    q, v = numbers(2, 4, SIZE), numbers(2, 3, SIZE, seed=1)
    scores = np.tanh(q[:, :, None] + v[:, None]).sum(-1)
    powers = np.exp(scores)
    expected = (powers / powers.sum(-1, keepdims=True))[:, None]
    batch = Batch({"inputs": [q, v]})
    return Kind(ModuleTarget(model), batch, ["one"], ["cross"], {"one": expected})


KINDS: dict[str, tuple[str, Callable[[], Kind]]] = {
    "emitted pytorch": ("torch", lambda: emitted("pytorch")),
    "emitted tensorflow": ("tensorflow", lambda: emitted("tensorflow")),
    "plain pytorch": ("torch", lambda: plain("pytorch")),
    "plain tensorflow": ("tensorflow", lambda: plain("tensorflow")),
    "run pytorch": ("torch", lambda: run("pytorch")),
    "run tensorflow": ("tensorflow", lambda: run("tensorflow")),
    "torch by hand": ("torch", torch_handwritten),
    "torch encoder": ("torch", torch_encoder),
    "torch encoder in training": ("torch", lambda: torch_encoder(True)),
    "torch with weights": ("torch", torch_multihead),
    "keras": ("tensorflow", keras_model),
    "keras with dropout": ("tensorflow", lambda: keras_model(0.2)),
    "keras additive": ("tensorflow", keras_additive),
}
