"""Gradients by canonical name, so that two backends can be compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neural_dsl.backends.base import Place


def gradients(runtime, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The slope of a random weighing of the outputs along every trainable weight, in
    canonical layout, and along every input of numbers, by its name."""
    weighing = np.random.default_rng(3).normal(size=runtime.run(inputs).shape)
    weighing = weighing.astype(np.float32)
    places = {
        f"{layer.name}.{weight.name}": Place(runtime.compiled.paths[layer.name], weight)
        for layer in runtime.compiled.network.layers()
        for weight in layer.weights
        if weight.trainable
    }
    floats = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    of = _pytorch if runtime.name == "pytorch" else _tensorflow
    found = of(runtime.model, places.values(), inputs, floats, weighing)
    for number, place in enumerate(places.values()):
        found[number] = found[number].transpose(place.weight.array.order(runtime.name))
    return dict(zip([*places, *floats], found, strict=True))


def _pytorch(model, places, inputs, floats, weighing):
    import torch

    from neural_dsl.backends.pytorch import weights

    tensors = {name: torch.from_numpy(np.array(a)) for name, a in inputs.items()}
    for name in floats:
        tensors[name].requires_grad_()
    (model(*tensors.values()) * torch.from_numpy(weighing)).sum().backward()
    found = [weights.find(model, place) for place in places]
    return [each.grad.numpy() for each in (*found, *(tensors[n] for n in floats))]


def _tensorflow(model, places, inputs, floats, weighing):
    import tensorflow as tf

    from neural_dsl.backends.tensorflow import weights

    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    found = [weights.find(model, place) for place in places]
    watched = [tensors[name] for name in floats]
    with tf.GradientTape() as tape:
        for each in watched:
            tape.watch(each)
        given = list(tensors.values())
        output = model(given if len(given) > 1 else given[0], training=False)
        total = tf.reduce_sum(output * weighing)
    slopes = tape.gradient(total, [*(each.value for each in found), *watched])
    return [np.asarray(tf.convert_to_tensor(slope)) for slope in slopes]
