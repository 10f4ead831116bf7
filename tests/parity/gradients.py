"""Gradients by canonical name, so that two backends can be compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neural_dsl.backends.canonical import places


def gradients(runtime, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The slope of a random weighing of the outputs along every trainable weight, in
    canonical layout, and along every input of numbers, by its name."""
    weighing = np.random.default_rng(3).normal(size=runtime.run(inputs).shape)
    weighing = weighing.astype(np.float32)
    owned = places(runtime.network, runtime.compiled.paths, runtime.name)
    trained = {name: each for name, each in owned.items() if each[1].trainable}
    found = [runtime.find(path) for path, _ in trained.values()]
    floats = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    of = _pytorch if runtime.name == "pytorch" else _tensorflow
    slopes = of(runtime.model, found, inputs, floats, weighing)
    for number, (_, weight) in enumerate(trained.values()):
        slopes[number] = slopes[number].transpose(weight.array.order(runtime.name))
    return dict(zip([*trained, *floats], slopes, strict=True))


def _pytorch(model, found, inputs, floats, weighing):
    import torch

    tensors = {name: torch.from_numpy(np.array(a)) for name, a in inputs.items()}
    for name in floats:
        tensors[name].requires_grad_()
    (model(*tensors.values()) * torch.from_numpy(weighing)).sum().backward()
    return [each.grad.numpy() for each in (*found, *(tensors[n] for n in floats))]


def _tensorflow(model, found, inputs, floats, weighing):
    import tensorflow as tf

    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    watched = [tensors[name] for name in floats]
    with tf.GradientTape() as tape:
        for each in watched:
            tape.watch(each)
        given = list(tensors.values())
        output = model(given if len(given) > 1 else given[0], training=False)
        total = tf.reduce_sum(output * weighing)
    slopes = tape.gradient(total, [*(each.value for each in found), *watched])
    return [np.asarray(tf.convert_to_tensor(slope)) for slope in slopes]
