"""Weights that an emitted file saves, by its own last line, load on either backend."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import neural_dsl as nd
from neural_dsl.backends import canonical, create_runtime, weights_file
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.diagnostics import NeuralError
from tests.layer_examples import each_example, network_text
from tests.naming import ROLES
from tests.oracle import assert_agree
from tests.parity.random_models import random_inputs, random_weights

COPY = Path(__file__).parents[2] / "examples" / "tasks" / "copy.neural"

NESTED = """
define Inner(w) { Dense($w) BatchNormalization() Conv1D($w, 3, padding="same") }
define Outer(w) {
  Dense($w) TransformerDecoder(2, 4, key_dim=4) * 2 Dense(8); { Inner(4) Dense(8) } * 2
  PositionalEncoding(encoding_type="learned")
}
network Nested { input: (6,) layers:
  Embedding(9, 8, mask_zero=true) TransformerEncoder(2, 4) * 2 Outer(4) Outer(8) * 2
  ResidualConnection { Dense(8) } Inner(3) * 2 Dense(4) * 3 Output(3) }
"""


@cache
def saved_expression(backend: str) -> str:
    """What the training file of this backend hands to `save_file`."""
    code = nd.compile(COPY, backend).code
    (found,) = re.findall(r"^    save_file\((.+), \"copy", code, re.M)
    return found


def saved_by_its_file(runtime) -> dict[str, np.ndarray]:
    """The arrays as the emitted file saves them."""
    scope = {"model": runtime.model}
    arrays = eval(saved_expression(runtime.name), scope)
    return {name: np.asarray(array) for name, array in arrays.items()}


def round_trip(text: str, path: Path) -> None:
    """From each backend's own file, and from a canonical one, to both backends."""
    built = [create_runtime(nd.compile(text, backend), 0) for backend in BACKENDS]
    weights = random_weights(built[0].weights(), 1)
    inputs = random_inputs(built[0].compiled.network, 2)
    files = []
    for runtime in built:
        runtime.load_weights(weights)
        for arrays in (saved_by_its_file(runtime), runtime.weights()):
            files.append(path / f"{len(files)}.safetensors")
            save_file(arrays, files[-1])
    expected = built[0].run(inputs)
    for file in files:
        for runtime in built:
            runtime.load_weights({n: 0 * a for n, a in weights.items()})
            runtime.load_weights(weights_file.load(file).arrays, str(file))
            for name, array in runtime.weights().items():
                np.testing.assert_array_equal(array, weights[name], err_msg=name)
            assert_agree(runtime.run(inputs), expected, what=file.name)


@pytest.mark.needs("torch", "tensorflow")
@each_example(lambda spec, example: example.numbers)
def test_every_layer_with_weights_goes_round(spec, example, tmp_path) -> None:
    round_trip(network_text(spec, example), tmp_path)


@pytest.mark.needs("torch", "tensorflow")
def test_nested_blocks_and_repeats_go_round(tmp_path) -> None:
    round_trip(NESTED, tmp_path)


NAMES = ["dense", "dense_0", "dense_layers_0", "mac", "mac_layers_0", "block"]


@pytest.mark.parametrize(
    "text", [NESTED, *(role.format(name) for role in ROLES.values() for name in NAMES)]
)
def test_no_name_means_two_weights(text: str) -> None:
    """Else a file of weights could be read in two ways."""
    compiled = nd.compile(text, "pytorch")
    meaning: dict[str, tuple] = {}
    shapes = canonical.expected(compiled.network)
    for name, shape in shapes.items():
        meaning[name] = name, tuple(range(len(shape)))
    for backend in BACKENDS:
        own = canonical.own_naming(compiled, backend)
        known = {name: meant for name, meant in own.items() if meant}
        assert sorted(name for name, _ in known.values()) == sorted(shapes)
        for name, meant in known.items():
            assert meaning.setdefault(name, meant) == meant


def test_what_misses_or_exceeds_is_named_as_the_model_calls_it(backend) -> None:
    runtime = create_runtime(nd.compile(NESTED, backend), 0)
    arrays = saved_by_its_file(runtime)
    dropped = next(name for name in arrays if "encoder" in name)
    changed = {n: a for n, a in arrays.items() if n != dropped} | {"extra": np.ones(2)}
    with pytest.raises(NeuralError) as refused:
        runtime.load_weights(changed)
    (found,) = refused.value.diagnostics
    assert found.code == "NE104" and "no layer `extra`" in found.message
    assert "transformer_encoder" in found.message and "missing" in found.message
