"""Attention weights of a Keras model on TensorFlow.

An emitted file computes attention in one function of its own,
`scaled_dot_product_attention(query, key, value, mask)`, which its layers look up by name
when they run. During a capture a recording function stands in that place: it calls the
emitted one, hands its result on untouched, works out the weights beside it, and compares
weights · values with that result. `keras.ops.dot_product_attention` is watched in the same way, and Keras' own attention
layers, which either call it or compute the weights themselves. The layers that are wanted note when they start and end, which
tells whose attention it is; all others run as ever.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, TypeVar

import keras
import tensorflow as tf

from neural_dsl.backends.check import AttentionCall
from neural_dsl.backends.tensorflow.weights import find_layer

Result = TypeVar("Result")

# What an emitted file calls its attention.
EMITTED = "scaled_dot_product_attention"


def capture_attention(
    model: keras.Model,
    run: Callable[[], Result],
    wanted: Collection[str] | None = None,
    module: ModuleType | None = None,
) -> tuple[Result, list[AttentionCall]]:
    """Call `run`, which runs `model` eagerly, and return its result and the attentions.

    `wanted`: paths as `find_layer` reads them; attention computed by these layers, or by
    layers inside them that have no path of their own among them, is captured (None: by
    every layer of the model). `module` is the emitted file, where there is one. Weights
    are float32 (B, H, Q, K).
    """
    recorder = _Recorder()
    paths = layer_paths(model) if wanted is None else list(wanted)
    with ExitStack() as changes:
        for path in paths:
            changes.enter_context(_followed(find_layer(model, path), path, recorder))
        if module is not None and hasattr(module, EMITTED):
            changes.enter_context(_replaced(module, EMITTED, recorder.emitted))
        else:
            changes.enter_context(_keras_kernel_watched(recorder))
        return run(), recorder.calls


def uniform_attention(
    model: keras.Model,
    run: Callable[[], Result],
    wanted: Collection[str],
    module: ModuleType,
) -> tuple[Result, list[str]]:
    """Call `run` with uniform weights in the place of the wanted layers' attention.

    Each row spreads its attention evenly over the keys that it may attend to; all else
    is as ever. Returns the path of every attention that was replaced, too.
    """
    recorder = _Recorder()
    with ExitStack() as changes:
        for path in wanted:
            changes.enter_context(_followed(find_layer(model, path), path, recorder))
        changes.enter_context(_replaced(module, EMITTED, recorder.uniform))
        return run(), recorder.replaced


def layer_paths(model: keras.Model) -> list[str]:
    """The path of every layer of a model, those inside layers included, each once."""
    found: dict[int, str] = {}

    def visit(value: Any, path: str) -> None:
        if isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                visit(item, f"{path}.{index}")
        elif isinstance(value, keras.layers.Layer) and id(value) not in found:
            found[id(value)] = path
            for name, inner in vars(value).items():
                if not name.startswith("_"):
                    visit(inner, f"{path}.{name}")

    for layer in model.layers:
        visit(layer, layer.name)
    return list(found.values())


class _Recorder:
    """The calls seen so far, and the stack of wanted layers that are running."""

    def __init__(self) -> None:
        self.calls: list[AttentionCall] = []
        self.replaced: list[str] = []
        self.running: list[str] = []

    def uniform(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The emitted function with queries of zeros: equal scores wherever the mask
        allows."""
        signature = inspect.signature(function)

        @functools.wraps(function)
        def attend(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            if self.running:
                given.arguments["query"] = tf.zeros_like(given.arguments["query"])
                self.replaced.append(self.running[-1])
            return function(*given.args, **given.kwargs)

        return attend

    def emitted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The emitted function, recording; q, k, v are (B, H, T, d)."""

        signature = inspect.signature(function)

        @functools.wraps(function)
        def attend(*args: Any, **kwargs: Any) -> Any:
            context = function(*args, **kwargs)
            if self.running:
                given = signature.bind(*args, **kwargs).arguments
                # A file whose attentions hide nothing leaves the mask out.
                weights = attention_weights(
                    given["query"], given["key"], given.get("mask")
                )
                self.record(weights, given["value"], context)
            return context

        return attend

    def kernel(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Keras' dot_product_attention, recording; q, k, v are (B, T, H, d)."""

        @functools.wraps(function)
        def attend(
            query: Any,
            key: Any,
            value: Any,
            bias: Any = None,
            mask: Any = None,
            scale: Any = None,
            is_causal: bool = False,
            **rest: Any,
        ) -> Any:
            context = function(query, key, value, bias, mask, scale, is_causal, **rest)
            if self.running:
                q, k, v, o = (
                    tf.transpose(tf.convert_to_tensor(tensor), (0, 2, 1, 3))
                    for tensor in (query, key, value, context)
                )
                weights = attention_weights(q, k, mask, bias, scale, is_causal)
                self.record(weights, _grouped(v, q.shape[1]), o)
            return context

        return attend

    @property
    def keras_scores(self) -> dict[str, Callable[..., Callable[..., Any]]]:
        """Methods of Keras' layers that return (context, weights): those of
        MultiHeadAttention and GroupedQueryAttention (weights None where they call the
        kernel, which is watched), and those of Attention and AdditiveAttention."""
        return {"_compute_attention": self.heads, "_apply_scores": self.one_head}

    def heads(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """(query, key, value (B, K, H, d), …) -> (B, Q, H, d), (B, H, Q, K) or None."""

        def compute(query: Any, key: Any, value: Any, *rest: Any, **named: Any) -> Any:
            context, weights = method(query, key, value, *rest, **named)
            if weights is not None:
                value, attended = (
                    tf.transpose(tensor, (0, 2, 1, 3)) for tensor in (value, context)
                )
                self.record(weights, _grouped(value, weights.shape[1]), attended)
            return context, weights

        return compute

    def one_head(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """(scores, value (B, K, d), …) -> (B, Q, d), (B, Q, K)."""

        def apply(scores: Any, value: Any, *rest: Any, **named: Any) -> Any:
            context, weights = method(scores, value, *rest, **named)
            self.record(weights[:, None], value[:, None], context[:, None])
            return context, weights

        return apply

    def record(self, weights: Any, value: Any, context: Any) -> None:
        """Note one attention: weights (B, H, Q, K), value (B, H, K, d), and what the
        model computed, (B, H, Q, d)."""
        weights, value = tf.cast(weights, tf.float32), tf.cast(value, tf.float32)
        scale = max(1.0, float(tf.reduce_max(tf.abs(value))))
        error = tf.matmul(weights, value) - tf.cast(context, tf.float32)
        discrepancy = float(tf.reduce_max(tf.abs(error))) / scale
        self.calls.append(AttentionCall(self.running[-1], weights.numpy(), discrepancy))


def attention_weights(
    query: Any,
    key: Any,
    mask: Any = None,
    bias: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
) -> Any:
    """softmax(Q K^T · scale + bias) where the boolean mask and causality allow it:
    float32 (B, H, Q, K). A row without any key is 0. query (B, H, Q, d), key (B, H or
    fewer, K, d); mask and bias broadcast to the result."""
    query, key = tf.cast(query, tf.float32), tf.cast(key, tf.float32)
    key = _grouped(key, query.shape[1])
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    scores = tf.matmul(query * scale, key, transpose_b=True)
    if bias is not None:
        scores += tf.cast(bias, tf.float32)
    if is_causal:
        causal = tf.linalg.band_part(tf.ones(scores.shape[-2:], tf.bool), -1, 0)
        mask = (
            causal if mask is None else tf.logical_and(tf.cast(mask, tf.bool), causal)
        )
    if mask is None:
        return tf.nn.softmax(scores)
    mask = tf.broadcast_to(tf.cast(mask, tf.bool), scores.shape)
    # Lowest, not -inf: a row without any key must not become 0 / 0.
    weights = tf.nn.softmax(tf.where(mask, scores, scores.dtype.min))
    return tf.where(mask, weights, 0.0)


def _grouped(tensor: Any, num_heads: int) -> Any:
    """Grouped-query attention: repeat each key or value head for its queries."""
    repeats = num_heads // tensor.shape[1]
    return tf.repeat(tensor, repeats, axis=1) if repeats > 1 else tensor


@contextmanager
def _followed(layer: Any, path: str, recorder: _Recorder) -> Iterator[None]:
    """Let this one layer note when its `call` starts and ends, and hand over the scores
    where it computes them itself, as Keras' layers do."""

    def noting(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            recorder.running.append(path)
            try:
                return call(*args, **kwargs)
            finally:
                recorder.running.pop()

        return noted

    with ExitStack() as changes:
        changes.enter_context(_shadowed(layer, "call", noting))
        if isinstance(layer, keras.layers.Layer):
            for name, recording in recorder.keras_scores.items():
                if hasattr(layer, name):
                    changes.enter_context(_shadowed(layer, name, recording))
        yield


@contextmanager
def _shadowed(
    layer: Any, name: str, wrapping: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Wrap one method of one layer, in its dictionary, past Keras' tracking."""
    method = getattr(layer, name)
    vars(layer)[name] = functools.wraps(method)(wrapping(method))
    try:
        yield
    finally:
        del vars(layer)[name]


@contextmanager
def _replaced(
    owner: Any, name: str, recording: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Put a recording function in the place of one that is looked up when called."""
    original = getattr(owner, name)
    setattr(owner, name, recording(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def _keras_kernel_watched(recorder: _Recorder) -> Iterator[None]:
    """Watch the function in which all of Keras' own attention ends.

    `keras.src` is private; where it has changed, nothing is seen, and the caller refuses
    for want of a capture.
    """
    from keras.src import backend

    nn = getattr(backend, "nn", None)
    if hasattr(nn, "dot_product_attention"):
        with _replaced(nn, "dot_product_attention", recorder.kernel):
            yield
    else:
        yield
