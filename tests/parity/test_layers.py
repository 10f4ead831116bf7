"""Every layer, from the examples of its catalogue entry, on both backends: the same
outputs, attention, gradients and initial weights, and what the entry says of time."""

from __future__ import annotations

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import canonical, create_runtime
from neural_dsl.rules.learning import looks_ahead
from tests.capturing import capture
from tests.layer_examples import (
    each_example,
    keeps_positions,
    network_text,
    reads_one_sequence,
)
from tests.layer_oracles import ORACLES
from tests.oracle import assert_agree
from tests.parity.gradients import gradients
from tests.parity.random_models import random_inputs, random_weights


def runtimes(spec, example, after=""):
    text = network_text(spec, example, after)
    return [
        create_runtime(nd.compile(text, backend), 0)
        for backend in ("pytorch", "tensorflow")
    ]


@pytest.mark.needs("torch", "tensorflow")
@each_example()
def test_a_layer_is_the_same_on_both_backends(spec, example) -> None:
    one, other = runtimes(spec, example)
    network = one.compiled.network
    for runtime in (one, other):
        shapes = {name: array.shape for name, array in runtime.weights().items()}
        assert shapes == canonical.expected(network)
    weights = random_weights(one.weights(), 1)
    one.load_weights(weights)
    other.load_weights(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(other.weights()[name], array, err_msg=name)
    inputs = random_inputs(network, 2)
    mine, theirs = capture(one, inputs), capture(other, inputs)
    known = [size for size in example.gives if size is not None]
    assert [s for s in mine.output.shape[1:] if s in known] == known
    assert_agree(theirs.output, mine.output, what="output")
    for name, matrices in mine.weights.items():
        assert_agree(theirs.weights[name], matrices, what=name)
    slopes = gradients(one, inputs), gradients(other, inputs)
    assert (
        slopes[0].keys()
        == slopes[1].keys()
        >= {
            f"{layer.name}.{weight.name}"
            for layer in network.layers()
            for weight in layer.weights
            if weight.trainable
        }
    )
    for name, mine in slopes[0].items():
        assert_agree(slopes[1][name], mine, what=f"gradient of {name}")


@pytest.mark.needs("torch", "tensorflow")
@each_example(lambda spec, example: example.numbers)
def test_weights_start_alike_on_both_backends(spec, example) -> None:
    one, other = (runtime.weights() for runtime in runtimes(spec, example))
    for name, mine in one.items():
        theirs = other[name]
        # Four standard errors of a standard deviation, estimated on both sides.
        tolerance = 4 * mine.std() / np.sqrt(mine.size)
        assert abs(mine.std() - theirs.std()) <= tolerance, name
        assert abs(mine.mean() - theirs.mean()) <= 2 * tolerance + 1e-7, name


@each_example(lambda *pair: reads_one_sequence(*pair) and keeps_positions(*pair))
def test_a_layer_looks_ahead_where_its_entry_says_so(spec, example, backend) -> None:
    """Change the last position: does an earlier one of the result change?"""
    runtime = create_runtime(nd.compile(network_text(spec, example), backend), 0)
    network = runtime.compiled.network
    *_, layer = network.layers()
    runtime.load_weights(random_weights(runtime.weights(), 1))
    (name, array), *_ = random_inputs(network, 2).items()
    other = array.copy()
    if array.dtype.kind == "i":
        array[:], other[:] = 1, 1  # no padding
        other[:, -1] = 2
    else:
        other[:, -1] += 1.0
    before, after = runtime.run({name: array}), runtime.run({name: other})
    moved = not np.array_equal(before[:, :-1], after[:, :-1])
    assert moved == looks_ahead(layer)


@each_example(lambda *pair: reads_one_sequence(*pair) and keeps_positions(*pair))
def test_a_layer_tells_positions_apart_where_its_entry_says_so(
    spec, example, backend
) -> None:
    """Reverse the sequence: is the result just reversed?"""
    runtime = create_runtime(nd.compile(network_text(spec, example), backend), 0)
    network = runtime.compiled.network
    *_, layer = network.layers()
    runtime.load_weights(random_weights(runtime.weights(), 1))
    ((name, array),) = random_inputs(network, 2).items()
    forth = runtime.run({name: array})
    back = runtime.run({name: np.ascontiguousarray(array[:, ::-1])})
    moved = not np.allclose(back[:, ::-1], forth, atol=1e-5)
    told = spec.orders or any(one.kind == "causal" for one in layer.attentions)
    assert moved <= told
    if example == spec.examples[0]:  # others may be of a kernel of one position
        assert moved == told


@each_example(
    lambda spec, example: spec.name in ORACLES and None not in example.reads[0]
)
def test_a_layer_equals_its_oracle(spec, example, backend) -> None:
    runtime = create_runtime(nd.compile(network_text(spec, example), backend), 0)
    *_, layer = runtime.compiled.network.layers()
    weights = random_weights(runtime.weights(), 1)
    runtime.load_weights(weights)
    own = {
        name.partition(".")[2]: array.astype(np.float64)
        for name, array in weights.items()
    }
    inputs = random_inputs(runtime.compiled.network, 2)
    (x,) = inputs.values()
    expected = ORACLES[spec.name](layer.params, own, x.astype(np.float64))
    assert_agree(runtime.run(inputs), expected)


CHAIN = """define Stage(n) { Conv2D($n, (3, 2), relu, padding="same") BatchNormalization() }
network Image { input: (9, 8, 3) layers:
  Conv2D(6, (3, 2), gelu, padding="same") GroupNormalization(3) MaxPooling2D()
  Stage(8) * 2 Dropout(0.1) ResidualConnection { Conv2D(8, 3, padding="same") }
  l: { Conv2D(4, 1) Activation(softmax) } r: { Dense(4) RMSNormalization() } Concatenate()
  MaxPooling2D((1, 2), padding="same")
  Flatten() Dense(5) Output(2) }"""


@pytest.mark.needs("torch", "tensorflow")
def test_a_network_of_images_is_the_same_on_both_backends() -> None:
    """Channels stand first between neighbours on PyTorch, and last where it matters:
    `Flatten` gives the order of the language."""
    one, other = (
        create_runtime(nd.compile(CHAIN, backend), 0)
        for backend in ("pytorch", "tensorflow")
    )
    weights = random_weights(one.weights(), 1)
    for runtime in (one, other):
        runtime.load_weights(weights)
    inputs = random_inputs(one.compiled.network, 2)
    assert_agree(other.run(inputs), one.run(inputs))
    slopes = gradients(one, inputs), gradients(other, inputs)
    for name, mine in slopes[0].items():
        assert_agree(slopes[1][name], mine, what=f"gradient of {name}")


def test_running_variances_are_those_that_the_docs_tell_of(backend):
    """docs/training.md: PyTorch's is over n - 1, Keras' over n."""
    text = "network Norm { input: (3, 2) layers: BatchNormalization(momentum=0.9) }"
    runtime = create_runtime(nd.compile(text, backend), 0)
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    if backend == "pytorch":
        import torch

        runtime.model.train()(torch.from_numpy(x))
    else:
        runtime.model(x, training=True)
    kept = {name.rpartition(".")[2]: a for name, a in runtime.weights().items()}
    mean = 0.1 * x.mean((0, 1))
    variance = 0.9 + 0.1 * x.var((0, 1), ddof=backend == "pytorch")
    np.testing.assert_allclose(kept["running_mean"], mean, atol=1e-6)
    np.testing.assert_allclose(kept["running_var"], variance, atol=1e-6)
