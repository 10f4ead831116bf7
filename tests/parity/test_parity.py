"""The same file and weights give the same outputs and attention on both backends."""

import copy
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, reject, settings
from hypothesis import strategies as st

import neural_dsl as nd
from neural_dsl.backends import canonical, create_runtime, weights_file
from neural_dsl.catalogue.activations import ACTIVATIONS
from neural_dsl.targets.network import NetworkTarget
from tests.capturing import Captured, capture
from tests.oracle import assert_agree
from tests.parity.random_models import (
    random_inputs,
    random_weights,
    single_path,
    two_paths,
)
from tests.regenerate import cases

pytestmark = pytest.mark.needs("torch", "tensorflow")

# Building a Keras model takes about half a second.
MODELS = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class IllConditioned(Exception):
    """A model whose result float32 cannot hold to the tolerance."""


def compare(text: str, seed: int, path) -> None:
    """Weights go from one backend to the other through a file; all results agree."""
    torch_model = create_runtime(nd.compile(text, "pytorch"), seed)
    keras_model = create_runtime(nd.compile(text, "tensorflow"), seed)
    network = torch_model.compiled.network
    shapes = {name: array.shape for name, array in keras_model.weights().items()}
    assert shapes == canonical.expected(network)
    trainable = sum(p.numel() for p in torch_model.model.parameters())
    assert trainable == network.parameter_count
    assert trainable == sum(
        np.prod(variable.shape, dtype=int)
        for variable in keras_model.model.trainable_variables
    )

    weights_file.save(path, random_weights(keras_model.weights(), seed))
    for runtime in (torch_model, keras_model):
        runtime.load_weights(weights_file.load(path).arrays)
    inputs = random_inputs(network, seed)
    one, other = capture(torch_model, inputs), capture(keras_model, inputs)
    if not well_conditioned(torch_model, inputs, one):
        raise IllConditioned
    assert_agree(other.output, one.output, what="output")
    assert list(one.weights) == list(other.weights)
    for name, matrices in one.weights.items():
        assert_agree(other.weights[name], matrices, what=name)
    np.testing.assert_array_equal(torch_model.run(inputs), one.output)


@contextmanager
def suppress_ill_conditioned():
    """Let Hypothesis throw such a model away and draw another."""
    try:
        yield
    except IllConditioned:
        reject()


def well_conditioned(runtime, inputs, found: Captured) -> bool:
    """Whether float32 can hold the result at all: the same PyTorch model in float64 gives
    it within half of the tolerance. Random weights in a deep model without norms
    can grow so far that any two correct float32 programs differ."""
    import torch

    from neural_dsl.backends import foreign_model

    model = copy.deepcopy(runtime.model).double()
    tensors = [torch.from_numpy(np.asarray(array)) for array in inputs.values()]
    doubled = [t.double() if t.is_floating_point() else t for t in tensors]
    weights = {}

    def keep(path, number, scores):
        weights[path, number] = scores.dense()

    with torch.inference_mode(), foreign_model(model).watching(keep):
        exact = model(*doubled)
    pairs = [(found.output, exact.numpy())]
    pairs += [
        (found.weights[site.name], weights.pop(site.place))
        for site in NetworkTarget(runtime).sites()
    ]
    assert not weights
    return all(
        np.all(np.abs(mine - true) <= 5e-6 * np.maximum(1.0, np.abs(true)))
        for mine, true in pairs
    )


@MODELS
@given(text=single_path(), seed=st.integers(0, 2**16))
def test_models_with_one_path_agree(tmp_path_factory, text, seed):
    note(text)
    with suppress_ill_conditioned():
        compare(text, seed, tmp_path_factory.mktemp("parity") / "w.safetensors")


@MODELS
@given(text=two_paths(), seed=st.integers(0, 2**16))
def test_models_with_two_paths_agree(tmp_path_factory, text, seed):
    note(text)
    with suppress_ill_conditioned():
        compare(text, seed, tmp_path_factory.mktemp("parity") / "w.safetensors")


def test_every_activation_agrees(tmp_path):
    layers = " ".join(
        f'b{i}: {{ Activation("{name}") }}' for i, name in enumerate(ACTIVATIONS)
    )
    text = f"network A {{ input: (5, 7)\n layers: {layers} Concatenate() }}"
    compare(text, 0, tmp_path / "w.safetensors")


def test_reshape_and_flatten_keep_the_order_of_values(tmp_path):
    text = """network A { input: (6, 4)
      layers: Reshape((4, 6)) TransformerEncoder(2, 5) Reshape((-1, 3)) Flatten()
      Dense(7, "relu") Output(2) }"""
    compare(text, 0, tmp_path / "w.safetensors")


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_every_example_case_agrees(name, tmp_path, monkeypatch):
    monkeypatch.chdir(CASES[name].parent)  # where the files stand that a task names
    compare(CASES[name].read_text("utf-8"), 1, tmp_path / "w.safetensors")
