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
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf

from neural_dsl.attention.allowed import Bools
from neural_dsl.attention.scores import Float32
from neural_dsl.backends.base import Visit, Watcher
from neural_dsl.backends.gates import Gates, outputs, uniform_heads
from neural_dsl.backends.tensorflow.scores import DeviceScores, visible
from neural_dsl.backends.tensorflow.weights import find_layer

# What an emitted file calls its attention.
EMITTED = "scaled_dot_product_attention"


@contextmanager
def watching(
    model: keras.Model,
    visit: Visit | None = None,
    wanted: Collection[str] | None = None,
    gates: Gates | None = None,
    module: ModuleType | None = None,
) -> Iterator[LayerWatcher]:
    """While this lasts, `visit(path, number, scores)` is told of every attention.

    `path` is that of the wanted layer that computes it, as `find_layer` reads it;
    `number` counts its attentions in one run of the model. `wanted`: paths; attention of
    these layers, or of layers inside them that have no path of their own among them, is
    seen (None: of every layer). `gates` are applied to what the kernel is given and what
    it returns. `module` is the emitted file, where there is one. A traced graph would not
    see any of it: the model runs eagerly meanwhile.
    """
    watcher = LayerWatcher(visit, gates or {})
    paths = layer_paths(model) if wanted is None else list(wanted)
    with ExitStack() as changes:
        changes.enter_context(_eager(model))
        changes.enter_context(_shadowed(model, "call", watcher.beginning))
        for path in paths:
            changes.enter_context(_followed(find_layer(model, path), path, watcher))
        if module is not None and hasattr(module, EMITTED):
            changes.enter_context(_replaced(module, EMITTED, watcher.emitted))
        else:
            changes.enter_context(_keras_kernel_watched(watcher))
        yield watcher
    if watcher.failure is not None:
        raise watcher.failure


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


class LayerWatcher(Watcher):
    """Stands around each attention; `failure` is what went wrong beside it."""

    def __init__(self, visit: Visit | None, gates: Gates):
        super().__init__(visit, gates)
        self.failure: Exception | None = None

    def beginning(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A run of the whole model starts: calls are counted from 0."""

        def begun(*args: Any, **kwargs: Any) -> Any:
            self.numbers.clear()
            return call(*args, **kwargs)

        return begun

    def attend(
        self,
        asked: Any,
        run: Callable[[Any], Any],
        scores: Callable[[Any, Any], DeviceScores | None],
        axis: int,
    ) -> Any:
        """Run one attention, gated and visited.

        `run(asked)` is what the model goes on with, where `asked` are the queries, or
        the scores, with heads along `axis`; `scores` of both are None where they were
        seen elsewhere.
        """
        if self.paused or not self.running:
            return run(asked)
        path, number = self.running[-1], self.numbers[self.running[-1]]
        gates = self.gates.get((path, number))
        asked = self.uniform(asked, axis)
        result = run(asked)
        found = scores(asked, result)
        if found is None:
            return result
        self.seen.add((path, number))
        self.numbers[path] += 1
        if self.failure is not None:
            return result
        # What is raised here is kept for the end of the run: Keras would make another
        # exception of it, in the name of the layer.
        try:
            if gates:
                # Before the visit: a target tells the scores what no kernel knows.
                result = replaced(result, *outputs(gates, found), axis)
            if self.visit is not None:
                self.visit(path, number, found)
        except Exception as error:
            self.failure = error
        return result

    def uniform(self, tensor: Any, axis: int) -> Any:
        """Queries or scores with zeros for the heads, along `axis`, that look everywhere
        alike."""
        path = self.running[-1] if self.running else ""
        gates = self.gates.get((path, self.numbers[path]))
        if not gates or tensor is None:
            return tensor
        tensor = tf.convert_to_tensor(tensor)
        chosen = uniform_heads(gates, tensor.shape[axis])
        shape = [1] * tensor.shape.rank
        shape[axis] = -1
        return tf.where(tf.reshape(chosen, shape), tf.zeros_like(tensor), tensor)

    def emitted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The emitted function; queries, keys and values, whatever their parameters are
        called, are (B, H, T, d)."""
        signature = inspect.signature(function)
        first, second, third = list(signature.parameters)[:3]

        @functools.wraps(function)
        def attend(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            named = given.arguments

            def run(query: Any) -> Any:
                named[first] = query
                return function(*given.args, **given.kwargs)

            def scores(query: Any, context: Any) -> DeviceScores:
                # A file whose attentions hide nothing leaves the mask out.
                key, value, mask = named[second], named[third], named.get("mask")
                return DeviceScores(query, key, value, context, mask=mask)

            return self.attend(named[first], run, scores, axis=1)

        return attend

    def kernel(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Keras' dot_product_attention; q, k, v are (B, T, H, d)."""

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
            added = bias
            if bias is not None and not self.paused and self.gates:
                added = tf.broadcast_to(
                    bias, (*bias.shape[:1], query.shape[2], *bias.shape[2:])
                )
                seen = visible(added, query, key, scale)
                added = tf.where(seen, self.uniform(added, 1), added)

            def run(query: Any) -> Any:
                return function(
                    query, key, value, added, mask, scale, is_causal, **rest
                )

            def scores(query: Any, context: Any) -> DeviceScores:
                return DeviceScores(
                    *map(heads_first, (query, key, value, context)),
                    mask=mask,
                    bias=added,
                    scale=scale,
                    causal=is_causal,
                    spreads=True,
                )

            return self.attend(query, run, scores, axis=2)

        return attend

    def heads(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """`_compute_attention` of MultiHeadAttention and GroupedQueryAttention: (query,
        key, value (B, T, H, d), …) -> (B, Q, H, d), (B, H, Q, K); None for the weights
        where it calls the kernel, which is watched."""
        signature = inspect.signature(method)

        def compute(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            named = given.arguments

            def run(query: Any) -> Any:
                named["query"] = query
                return method(*given.args, **given.kwargs)

            def scores(query: Any, result: Any) -> DeviceScores | None:
                context, weights = result
                if weights is None:
                    return None
                parts = (query, named["key"], named["value"], context)
                return DeviceScores(
                    *map(heads_first, parts),
                    mask=named.get("attention_mask"),
                    causal=bool(named.get("use_causal_mask")),
                )

            return self.attend(named["query"], run, scores, axis=2)

        return compute

    def one_head(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """`_apply_scores` of Attention and AdditiveAttention: (scores, value (B, K, d),
        mask) -> (B, Q, d), (B, Q, K)."""
        signature = inspect.signature(method)

        def apply(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            named = given.arguments

            def run(asked: Any) -> Any:
                named["scores"] = asked[:, 0]
                context, weights = method(*given.args, **given.kwargs)
                return context[:, None], weights

            def scores(asked: Any, result: Any) -> DeviceScores:
                value, mask = named["value"][:, None], named.get("scores_mask")
                if mask is not None and len(mask.shape) == 2:
                    mask = mask[:, None]  # (B, K): the keys that are no padding
                return DeviceScores(
                    None, None, value, result[0], given=asked, mask=mask, spreads=True
                )

            asked = named["scores"][:, None]
            context, weights = self.attend(asked, run, scores, axis=1)
            return context[:, 0], weights

        return apply


def replaced(result: Any, heads: Bools, values: Float32, axis: int) -> Any:
    """What attention gave, the context or a tuple that begins with it, with these values
    (B, H, Q, size) for the chosen heads; they stand along `axis`."""
    if isinstance(result, tuple):
        return (replaced(result[0], heads, values, axis), *result[1:])
    context = tf.convert_to_tensor(result)
    given = tf.cast(values.swapaxes(1, axis), context.dtype)
    shape = [1] * context.shape.rank
    shape[axis] = -1
    return tf.where(tf.reshape(heads, shape), given, context)


def heads_first(tensor: Any) -> Any:
    """(B, T, H, d) as (B, H, T, d)."""
    return tf.transpose(tf.convert_to_tensor(tensor), (0, 2, 1, 3))


@contextmanager
def _followed(layer: Any, path: str, watcher: LayerWatcher) -> Iterator[None]:
    """Let this one layer note when its `call` starts and ends, and hand over the scores
    where it computes them itself, as Keras' layers do."""

    def noting(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            watcher.running.append(path)
            try:
                return call(*args, **kwargs)
            finally:
                watcher.running.pop()

        return noted

    own = {"_compute_attention": watcher.heads, "_apply_scores": watcher.one_head}
    with ExitStack() as changes:
        changes.enter_context(_shadowed(layer, "call", noting))
        if isinstance(layer, keras.layers.Layer):
            for name, seeing in own.items():
                if hasattr(layer, name):
                    changes.enter_context(_shadowed(layer, name, seeing))
        yield


@contextmanager
def _shadowed(
    layer: Any, name: str, wrapping: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Wrap one method of one layer, in its dictionary, past Keras' tracking."""
    before = vars(layer).get(name)
    method = getattr(layer, name)
    vars(layer)[name] = functools.wraps(method)(wrapping(method))
    try:
        yield
    finally:
        del vars(layer)[name]
        if before is not None:
            vars(layer)[name] = before


@contextmanager
def _replaced(
    owner: Any, name: str, watching: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Put a watching function in the place of one that is looked up when called."""
    original = getattr(owner, name)
    setattr(owner, name, watching(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def _eager(model: keras.Model) -> Iterator[None]:
    """Let `predict` and `evaluate` of the model call its layers, not a traced graph."""
    names = ("predict_function", "test_function")
    kept = {name: getattr(model, name) for name in names}
    eagerly = model.run_eagerly
    model.run_eagerly = True
    for name in names:
        setattr(model, name, None)
    try:
        yield
    finally:
        model.run_eagerly = eagerly
        for name, function in kept.items():
            setattr(model, name, function)


@contextmanager
def _keras_kernel_watched(watcher: LayerWatcher) -> Iterator[None]:
    """Watch the function in which all of Keras' own attention ends.

    `keras.src` is private; where it has changed, nothing is seen, and the caller refuses
    for want of a capture.
    """
    from keras.src import backend

    nn = getattr(backend, "nn", None)
    if hasattr(nn, "dot_product_attention"):
        with _replaced(nn, "dot_product_attention", watcher.kernel):
            yield
    else:
        yield
