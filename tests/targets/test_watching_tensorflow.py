"""What is seen of Keras models that this project did not emit."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import neural_dsl.backends.tensorflow  # noqa: F401  (settles Keras' backend)

# isort: split
import keras
from keras import layers

from neural_dsl.attention.check import check_scores
from neural_dsl.backends import foreign_model
from neural_dsl.backends.tensorflow.capture import DeviceScores, layer_paths
from neural_dsl.targets.base import Given
from neural_dsl.targets.module import ModuleTarget
from neural_dsl.targets.record import record

pytestmark = pytest.mark.needs("tensorflow")


@dataclass
class Seen:
    """One attention: its weights, and which of its layer's it was."""

    path: str
    number: int
    weights: np.ndarray


def watching(model, *given, **named):
    return foreign_model(model).watching(*given, **named)


def capture(model, run, wanted=None):
    """The result of `run`, and every attention that was seen and passed its check."""
    calls = []

    def look(path, number, scores):
        check_scores(path, scores, scores.shape[1])
        calls.append(Seen(path, number, scores.dense()))

    with watching(model, look, wanted):
        result = run()
    return result, calls


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("causal", [True, False])
def test_keras_multi_head_attention_gives_its_own_scores(dropout, causal):
    """With dropout Keras computes the scores itself, without it calls its kernel."""
    inputs = keras.Input((5, 8))
    attention = layers.MultiHeadAttention(2, 3, dropout=dropout, name="attention")
    model = keras.Model(inputs, attention(inputs, inputs, use_causal_mask=causal))
    x = numbers(2, 5, 8)
    plain = model(x)
    output, calls = capture(model, lambda: model(x))
    np.testing.assert_array_equal(output, plain)
    _, expected = attention(x, x, use_causal_mask=causal, return_attention_scores=True)
    (call,) = calls
    assert call.path == "attention"
    np.testing.assert_allclose(call.weights, expected, atol=1e-6)


def test_padding_hides_keys():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 8, mask_zero=True)(inputs)
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4, name="a")(x, x))
    ids = np.array([[3, 4, 5, 0, 0, 0]])
    _, calls = capture(model, lambda: model(ids))
    assert (calls[0].weights[..., :3, 3:] == 0).all()
    np.testing.assert_allclose(calls[0].weights[..., :3, :].sum(-1), 1.0, atol=1e-6)


def test_grouped_query_attention_gives_every_query_head():
    inputs = keras.Input((5, 8))
    attention = layers.GroupQueryAttention(4, 6, 2, name="grouped")
    model = keras.Model(inputs, attention(inputs, inputs))
    x = numbers(2, 5, 8)
    _, calls = capture(model, lambda: model(x))
    _, expected = attention(x, x, return_attention_scores=True)
    assert calls[0].weights.shape == (2, 6, 5, 5)
    np.testing.assert_allclose(calls[0].weights, expected, atol=1e-6)


@pytest.mark.parametrize("kind", [layers.Attention, layers.AdditiveAttention])
def test_single_headed_layers_give_one_head(kind):
    query, value = keras.Input((4, 6)), keras.Input((3, 6))
    attention = kind(name="one")
    model = keras.Model([query, value], attention([query, value]))
    pair = [numbers(2, 4, 6), numbers(2, 3, 6)]
    _, calls = capture(model, lambda: model(pair))
    _, expected = attention(pair, return_attention_scores=True)
    assert calls[0].weights.shape == (2, 1, 4, 3)
    np.testing.assert_allclose(calls[0].weights[:, 0], expected, atol=1e-6)


class Block(layers.Layer):
    """Keeps its attention in a list, beside a dense layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = [layers.MultiHeadAttention(2, 4), layers.Dense(8)]

    def call(self, x):
        return self.steps[1](x + self.steps[0](x, x))


class Own(layers.Layer):
    """Calls Keras' kernel itself, with a bias and a scale of its own."""

    def call(self, x):
        heads = keras.ops.reshape(x, (-1, 5, 2, 4))
        bias = keras.ops.reshape(keras.ops.arange(25, dtype="float32"), (1, 1, 5, 5))
        context = keras.ops.dot_product_attention(
            heads, heads, heads, bias=bias, scale=0.3
        )
        return keras.ops.reshape(context, (-1, 5, 8))


def nested_model():
    inputs = keras.Input((5, 8))
    x = Block(name="first")(inputs)
    return keras.Model(inputs, Own(name="own")(Block(name="second")(x)))


def test_paths_lead_through_attributes_and_lists():
    paths = layer_paths(nested_model())
    assert {"first", "first.steps.0", "first.steps.1", "own"} <= set(paths)


def test_the_innermost_followed_layer_is_named():
    model, x = nested_model(), numbers(1, 5, 8)
    _, calls = capture(model, lambda: model(x))
    assert [call.path for call in calls] == ["first.steps.0", "second.steps.0", "own"]


def test_only_wanted_layers_are_captured():
    model, x = nested_model(), numbers(1, 5, 8)
    _, calls = capture(model, lambda: model(x), ["second"])
    assert [call.path for call in calls] == ["second"]


def test_an_error_in_the_model_leaves_nothing_behind():
    from keras.src import backend

    kernel = backend.nn.dot_product_attention
    model = nested_model()
    with pytest.raises(ValueError):
        capture(model, lambda: model(numbers(1, 5, 7)))
    assert backend.nn.dot_product_attention is kernel
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
    assert len(capture(model, lambda: model(numbers(1, 5, 8)))[1]) == 3


def test_a_row_without_any_key_has_weights_of_zero():
    q, k = numbers(1, 2, 3, 4), numbers(1, 2, 3, 4)
    mask = np.array([[True, False, True], [False, False, False], [True] * 3])
    scores = DeviceScores(q, k, k, numbers(1, 2, 3, 4), mask=mask)
    weights = scores.dense()
    assert (weights[:, :, 1] == 0).all()
    assert (weights[:, :, 0, 1] == 0).all()
    np.testing.assert_allclose(weights.sum(-1)[0, 0], [1.0, 0.0, 1.0], atol=1e-6)


def test_a_kernel_that_spreads_rows_without_keys_is_shown_as_it_is():
    """Keras gives a query without any key the mean of all values."""
    mask = np.ones((1, 1, 5, 5), dtype=bool)
    mask[..., 2, :] = False
    mask[..., 3, 3:] = False

    class Masked(layers.Layer):
        def call(self, x):
            heads = keras.ops.reshape(x, (-1, 5, 2, 4))
            context = keras.ops.dot_product_attention(heads, heads, heads, mask=mask)
            return keras.ops.reshape(context, (-1, 5, 8))

    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, Masked(name="masked")(inputs))
    (seen,) = capture(model, lambda: model(numbers(1, 5, 8)))[1]
    np.testing.assert_allclose(seen.weights[0, :, 2], 1 / 5, atol=1e-6)
    assert (seen.weights[0, :, 3, 3:] == 0).all()


def test_predict_is_seen_though_it_was_traced_before_and_is_traced_again():
    model, x = nested_model(), numbers(1, 5, 8)
    before = model.predict_on_batch(x)
    traced = model.predict_function
    output, calls = capture(model, lambda: model.predict_on_batch(x))
    assert [call.path for call in calls] == ["first.steps.0", "second.steps.0", "own"]
    np.testing.assert_allclose(output, before, atol=1e-6)
    assert model.predict_function is traced
    assert not model.run_eagerly


def test_uniform_heads_of_a_kernel_with_a_bias_lose_the_bias():
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, Own(name="own")(inputs))
    found = []

    def look(path, number, scores):
        check_scores(path, scores, 2)
        found.append(scores.dense())

    with watching(model, look, gates={("own", 0): {1: "uniform"}}):
        model(numbers(1, 5, 8))
    np.testing.assert_allclose(found[0][0, 1], 1 / 5, atol=1e-6)
    assert np.abs(found[0][0, 0] - 1 / 5).max() > 0.1


@pytest.mark.parametrize("low", [-1e4, -1e9, np.finfo(np.float32).min])
def test_a_low_number_in_a_bias_hides_a_key(low):
    """Where queries may look and what a uniform head gives, with ALiBi beside it."""
    causal, place = np.tri(6, dtype=bool), np.arange(6)
    bias = np.where(causal, -0.5 * np.abs(place[:, None] - place), low)

    class Biased(layers.Layer):
        def call(self, x):
            added = keras.ops.cast(bias[None, None], "float32")
            return keras.ops.dot_product_attention(x, x, x, bias=added)

    inputs = keras.Input((6, 2, 4), batch_size=1)
    model, x = keras.Model(inputs, Biased(name="b")(inputs)), numbers(1, 6, 2, 4)
    rules = []

    def look(path, number, scores):
        check_scores(path, scores, 2)
        rules.append(scores.allowed)

    with watching(model, look, gates={("b", 0): {1: "uniform"}}):
        found = np.array(model(x))
    assert rules[0].causal
    assert rules[0].dense is rules[0].key_valid is None
    even = causal / causal.sum(-1, keepdims=True)
    np.testing.assert_allclose(found[0, :, 1], even @ x[0, :, 1], atol=1e-6)
    np.testing.assert_allclose(found[:, :, 0], np.array(model(x))[:, :, 0], atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", [layers.Attention, layers.AdditiveAttention])
def test_single_headed_layers_read_the_padding_of_every_item(kind, causal):
    """As many items as positions: a mask without its batch axis would fit them, too."""
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 8, mask_zero=True)(inputs)
    one = kind(name="one")
    model = keras.Model(inputs, one([x, x], use_causal_mask=causal))
    ids = np.array(
        [[1] * 5, [2, 3, 0, 0, 0], [4, 5, 6, 0, 0], [7, 8, 1, 2, 0], [3] * 5]
    )
    embedded, valid = keras.Model(inputs, x)(ids), keras.ops.convert_to_tensor(ids != 0)
    _, expected = one(
        [embedded, embedded],
        mask=[valid, valid],
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    for items in (2, 5):
        _, calls = capture(model, lambda: model(ids[:items]))  # noqa: B023
        found = calls[0].weights[:, 0]
        np.testing.assert_allclose(found, expected[:items], atol=1e-6)


def test_a_model_that_never_ran_is_built_by_running_it():
    class Late(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = layers.MultiHeadAttention(2, 4)
            self.later = None

        def build(self, shape):
            self.later = layers.MultiHeadAttention(2, 4)

        def call(self, x):
            y = self.first(x, x)
            return self.later(y, y)

    model, x = Late(), numbers(2, 5, 8)
    target = ModuleTarget(model)
    found = record(target, target.encode(Given(x)))
    assert len(found) == 2
    _, expected = model.first(x, x, return_attention_scores=True)
    np.testing.assert_allclose(found[0].weights, expected, atol=1e-6)


def test_what_comes_out_of_a_head_is_its_mean_or_what_is_given():
    """Against NumPy: the model's output is what its kernel returned, (B, T, H, d)."""
    valid = np.array([[True] * 5, [True, True, True, False, False]])

    class Bare(layers.Layer):
        def call(self, x):
            mask = valid[:, None, None, :]
            return keras.ops.dot_product_attention(x, x, x, mask=mask)

    inputs = keras.Input((5, 3, 4), batch_size=2)
    model, x = keras.Model(inputs, Bare(name="bare")(inputs)), numbers(2, 5, 3, 4)
    plain, patch = np.array(model(x)), numbers(2, 5, 4)
    with watching(model, gates={("bare", 0): {0: "mean", 2: patch}}):
        found = np.array(model(x))
    np.testing.assert_allclose(
        found[:, :, 0],
        np.broadcast_to(plain[:, :, 0][valid].mean(0), (2, 5, 4)),
        atol=1e-6,
    )
    np.testing.assert_array_equal(found[:, :, 1], plain[:, :, 1])
    np.testing.assert_array_equal(found[:, :, 2], patch)
