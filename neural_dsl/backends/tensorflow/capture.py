"""Sees every attention of a Keras model on TensorFlow.

An emitted file computes attention in one function of its own,
`scaled_dot_product_attention(query, key, value, mask)`, which its layers look up by name
when they run. Meanwhile a watching function stands in that place: it calls the emitted
one, hands its result on untouched, and keeps the scores beside it.
`keras.ops.dot_product_attention` is watched in the same way, and Keras' own attention
layers, which either call it or compute the weights themselves. The layers that are wanted
note when they start and end, which tells whose attention it is; all others run as ever.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from neural_dsl.attention.allowed import Bools, Which
from neural_dsl.attention.scores import Float32, Scores
from neural_dsl.backends.quiet import one_key_is_fine
from neural_dsl.backends.watching import Call, Form, Watcher, put

EMITTED = "scaled_dot_product_attention"
"""What an emitted file calls its attention: queries, keys and values, whatever its first
parameters are called, are (B, H, T, d)."""

KERNEL = Form(axis=2, spreads=True)
"""Keras' dot_product_attention; q, k, v are (B, T, H, d)."""

OWN = {
    "_compute_attention": Form(
        mask="attention_mask", causal="use_causal_mask", axis=2, items=True
    ),
    "_apply_scores": Form(
        "scores", value="value", mask="scores_mask", scored=True, spreads=True
    ),
}
"""Where Keras' layers compute the weights themselves. MultiHeadAttention and
GroupedQueryAttention: (query, key, value (B, T, H, d), …) -> (B, Q, H, d), (B, H, Q, K);
None for the weights where it calls the kernel, which is watched. Attention and
AdditiveAttention: (scores, value (B, K, d), mask) -> (B, Q, d), (B, Q, K)."""


class DeviceScores(Scores):
    """`Scores` over the kernel's own tensors."""

    softmax = staticmethod(tf.nn.softmax)
    log_sum = staticmethod(partial(tf.reduce_logsumexp, axis=-1))
    highest = staticmethod(partial(tf.reduce_max, axis=-1, keepdims=True))
    reshape = staticmethod(tf.reshape)
    swap = staticmethod(keras.ops.swapaxes)
    against = staticmethod(partial(tf.matmul, transpose_b=True))

    @staticmethod
    def array(tensor: Any) -> Float32:
        """As NumPy, in float32."""
        return np.asarray(tf.cast(tensor, tf.float32))

    @staticmethod
    def numbers(tensor: Any) -> Any:
        """As float32."""
        return tf.cast(tensor, tf.float32)

    @staticmethod
    def take(tensor: Any, queries: Which) -> Any:
        """See `Scores`."""
        if isinstance(queries, slice):
            return tensor[..., queries, :]
        return tf.gather(tensor, queries, axis=-2)

    @staticmethod
    def hide(tensor: Any, seen: Any, low: float) -> Any:
        """See `Scores`."""
        return tf.where(tf.cast(seen, tf.bool), tensor, low)

    @staticmethod
    def where(cells: Bools, values: Any, tensor: Any) -> Any:
        """See `Scores`."""
        tensor = tf.convert_to_tensor(tensor)
        return tf.where(cells, tf.cast(values, tensor.dtype), tensor)


@contextmanager
def watch(
    live: Any, watcher: Watcher, wanted: Collection[str] | None
) -> Iterator[None]:
    """See `Watched.watch`; paths as `find_layer` reads them. `live.module` is the emitted
    file, where there is one. A traced graph would not see any of it: the model runs
    eagerly meanwhile."""
    from keras.src import backend

    model = live.model
    watched, noting = partial(_watched, watcher), partial(_noting, watcher)
    with one_key_is_fine(), ExitStack() as changes:
        if live.device is not None:
            changes.enter_context(tf.device(live.device))
        changes.callback(setattr, model, "run_eagerly", model.run_eagerly)
        model.run_eagerly = True
        graphs = dict.fromkeys(("predict_function", "test_function"))
        # In the dictionaries of the layers, past Keras' tracking.
        changes.enter_context(put(vars(model), call=noting(model.call), **graphs))
        for path in layer_paths(model) if wanted is None else wanted:
            layer = find_layer(model, path)
            own = {
                name: watched(getattr(layer, name), form)
                for name, form in OWN.items()
                if hasattr(layer, name)
            }
            changes.enter_context(
                put(vars(layer), call=noting(layer.call, path), **own)
            )
        # `keras.src` is private; where it has changed, nothing is seen, and the caller
        # refuses for want of a capture.
        kernel = getattr(getattr(backend, "nn", None), "dot_product_attention", None)
        if hasattr(live.module, EMITTED):
            seen = {EMITTED: watched(getattr(live.module, EMITTED))}
            changes.enter_context(put(vars(live.module), **seen))
        elif kernel is not None:
            seen = {"dot_product_attention": watched(kernel, KERNEL)}
            changes.enter_context(put(vars(backend.nn), **seen))
        yield


def _watched(
    watcher: Watcher, function: Callable[..., Any], form: Form | None = None
) -> Any:
    """The same function, by way of the watcher."""
    names = list(inspect.signature(function).parameters)
    form = form or Form(names[0], names[1], names[2])

    @functools.wraps(function)
    def attend(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False)) | kwargs
        return watcher.attend(Call(DeviceScores, function, given, form))

    return attend


def _noting(watcher: Watcher, call: Callable[..., Any], path: str = "") -> Any:
    """The call of a layer, or of the model: there calls are counted from 0."""

    @functools.wraps(call)
    def noted(*args: Any, **kwargs: Any) -> Any:
        if not path:
            watcher.numbers.clear()
            return call(*args, **kwargs)
        watcher.running.append(path)
        try:
            return call(*args, **kwargs)
        finally:
            watcher.running.pop()

    return noted


def find_layer(model: keras.Model, path: str) -> Any:
    """What a path of `CompiledModel.paths` leads to: a layer's name in the model, then
    attributes and indices."""
    first, *rest = path.split(".")
    found: Any = model.get_layer(first)
    for part in rest:
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    return found


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
