"""The Python API refuses what the commands refuse, and says where weights come from."""

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends.training import start_training

TEXT = """
network Small {
  input: (3, 8)
  layers: TransformerEncoder(2, 8) TransformerEncoder(2, 8) GlobalAveragePooling1D
    Output(2)
}
"""
TASK = """
network Tiny {
  task: Copy(length=4, vocabulary=8, train_size=100, validation_size=20, test_size=20)
  layers: Embedding(output_dim=8) TransformerDecoder(num_heads=2, ff_dim=16)
    Output(activation="softmax")
  train { steps: 2 batch_size: 20 }
}
"""


@pytest.fixture
def model(backend):
    """A fresh model, whose weights a test may change."""
    return nd.load(TEXT, backend, seed=3)


@pytest.fixture(scope="module")
def shared(backend):
    """A model for tests that do not change it."""
    return nd.load(TEXT, backend)


def origin(record):
    """What a figure's title says of the weights."""
    return record.provenance.line().split(" · ")[2]


def test_provenance_says_where_the_weights_came_from(model, tmp_path, backend):
    assert origin(nd.capture(model)) == "weights: random, seed 3"
    model.runtime.load_weights({k: v * 3 for k, v in model.weights().items()})
    assert origin(nd.capture(model)) == "weights: given"
    # At another length the model is built anew, with the same weights.
    assert origin(nd.capture(model, tokens="a,b")) == "weights: given"
    model.save_weights(tmp_path / "w.safetensors")
    read = nd.load(TEXT, backend, weights=tmp_path / "w.safetensors")
    assert origin(nd.capture(read)) == "weights from w.safetensors"
    assert origin(nd.capture(read, tokens="a,b")) == "weights from w.safetensors"


def test_weights_that_do_not_fit_leave_the_provenance_as_it_was(model):
    with pytest.raises(nd.NeuralError, match="NE104"):
        model.runtime.load_weights({})
    assert model.weights_origin == "random, seed 3"


def test_a_trained_model_is_not_called_random(backend):
    compiled = nd.compile(TASK, backend)
    training = start_training(compiled, 0, "cpu", "")
    assert training.runtime.weights_origin == "random, seed 0"
    for _ in training.steps():
        pass
    assert training.runtime.weights_origin == "training, step 2"


BATCH = np.zeros((2, 3, 8), np.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_item": 2}, "NE133: the batch has no item 2"),
        ({"batch_item": -1}, "NE133: the batch has no item -1"),
        ({"batch_item": "0"}, "NE133: a batch item is a whole number, not '0'"),
        ({"batch_item": True}, "NE133: a batch item is a whole number, not True"),
        ({"batch_item": 2, "tokens": "a,b,c"}, "NE133: the batch has no item 2"),
        ({"tokens": ["", "b", "c"]}, "NE129: token 1 of 3 is empty"),
        ({"tokens": {"input": ("a", "", "c")}}, "NE129: token 2 of 3 is empty"),
        ({"tokens": []}, "NE129: there are no tokens"),
        ({"tokens": 7}, "NE129: tokens are a string or a list of strings, not 7"),
        ({"seed": 1.5}, r"NE139: the seed 1\.5 cannot be used"),
        ({"seed": -1}, "NE139: the seed -1 cannot be used"),
        ({"seed": 2**32}, "NE139: the seed 4294967296 cannot be used"),
        ({"layers": -1}, "NE130: there is no attention layer `-1`"),
        ({"layers": ["-1"]}, "NE130: there is no attention layer `-1`"),
        ({"layers": 2}, "NE130: there is no attention layer `2`"),
    ],
)
def test_capture_refuses_what_the_command_refuses(shared, options, message):
    data = None if "seed" in options else BATCH
    with pytest.raises(nd.NeuralError, match=f"^{message}"):
        nd.capture(shared, data, **options)


@pytest.mark.parametrize("seed", [1.5, -1, "0", True])
def test_loading_and_running_refuse_what_is_no_seed(shared, seed):
    for call in (lambda: nd.load(TEXT, seed=seed), lambda: shared.run(seed=seed)):
        with pytest.raises(nd.NeuralError, match=r"^NE139: "):
            call()


def test_numpy_numbers_are_numbers(shared):
    record = nd.capture(shared, BATCH, batch_item=np.int64(1), layers=np.int64(1))
    assert [layer.name for layer in record.layers] == ["transformer_encoder_1"]
    assert nd.capture(shared, seed=np.uint8(5)).provenance.inputs == "random, seed 5"


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ("transformer_encoder_1", ["transformer_encoder_1"]),
        ("1", ["transformer_encoder_1"]),
        (0, ["transformer_encoder_0"]),
        ((), ["transformer_encoder_0", "transformer_encoder_1"]),
    ],
)
def test_one_layer_needs_no_list(shared, wish, names):
    assert [layer.name for layer in nd.capture(shared, layers=wish).layers] == names


def test_an_unknown_backend_is_named_without_a_flag():
    with pytest.raises(nd.NeuralError) as refused:
        nd.compile(TEXT, "jax")
    (found,) = refused.value.diagnostics
    assert (found.code, found.message) == ("NE101", "unknown backend `jax`")


def test_what_was_seen_cannot_be_changed(shared):
    weights = nd.capture(shared).layers[0].weights
    with pytest.raises(ValueError, match="read-only"):
        weights[...] = 1
    changed = weights.copy()
    changed[...] = 1  # a copy is the caller's own


def test_weights_that_are_no_file_are_refused():
    with pytest.raises(nd.NeuralError, match="NE112"):
        nd.load(TEXT, weights=3)
