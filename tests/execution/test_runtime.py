"""The runtimes on a model written by hand, apart from the code generator."""

import inspect
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import canonical, create_runtime, weights_file
from neural_dsl.backends.quiet import one_key_is_fine
from neural_dsl.diagnostics import NeuralError
from tests.capturing import capture
from tests.handwritten import translator
from tests.oracle import assert_agree, multi_head_attention

RNG = np.random.default_rng(7)
INPUTS = {
    "source": RNG.integers(1, 11, (3, 7)),
    "target": RNG.integers(1, 11, (3, 5)),
}
INPUTS["source"][0, 4:] = 0  # partly padded
INPUTS["source"][1] = 0  # wholly padded
INPUTS["target"][2, 3:] = 0
INPUTS["target"][0, 0] = 0  # under causality, row 0 has no valid key

NAMES = [
    "transformer_encoder_0",
    "transformer_encoder_1",
    "transformer_decoder.self_attention",
    "transformer_decoder.cross_attention",
]


def refused(code: str):
    return pytest.raises(NeuralError, match=f"^{code}: ")


def strong_weights(network):
    """Weights large enough for attention that is far from uniform."""
    rng = np.random.default_rng(3)
    found = {}
    for name, shape in canonical.expected(network).items():
        array = rng.normal(scale=1.2, size=shape)
        found[name] = (np.abs(array) + 0.5 if "running_var" in name else array).astype(
            np.float32
        )
    return found


@pytest.fixture(scope="module")
def runtimes():
    return {}


@pytest.fixture
def runtime(backend, runtimes):
    """One model a backend, shared by the tests that do not mind its state."""
    if backend not in runtimes:
        runtimes[backend] = create_runtime(translator(backend), seed=0)
    found = runtimes[backend]
    found.load_weights(strong_weights(found.compiled.network))
    return found


# --- building -----------------------------------------------------------------------


def test_the_seed_decides_the_weights(backend):
    first, again, other = (
        create_runtime(translator(backend), seed).weights() for seed in (0, 0, 1)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["output.weight"], other["output.weight"])


def test_building_leaves_the_callers_random_numbers_alone(backend):
    import random

    np.random.seed(5)
    random.seed(5)
    expected = np.random.random(), random.random()
    np.random.seed(5)
    random.seed(5)
    create_runtime(translator(backend), seed=0)
    assert (np.random.random(), random.random()) == expected


def test_the_emitted_source_can_be_read_and_shows_in_tracebacks(runtime):
    owner = getattr(runtime.module, runtime.compiled.entry)
    assert inspect.getsource(owner) in runtime.compiled.code
    assert runtime.module.__name__ != "__main__"


def test_a_runtime_that_is_gone_leaves_no_module(backend):
    import gc

    runtime = create_runtime(translator(backend), seed=0)
    name = runtime.module.__name__
    assert name in sys.modules
    del runtime
    gc.collect()
    assert name not in sys.modules


def test_code_that_cannot_build_its_model_is_a_diagnostic(backend):
    compiled = replace(translator(backend), code="raise ValueError('no such thing')")
    with refused("NE106") as caught:
        create_runtime(compiled)
    assert "ValueError: no such thing" in str(caught.value)


# --- weights ------------------------------------------------------------------------


def test_weights_have_the_canonical_names_shapes_and_order(runtime):
    found = {name: array.shape for name, array in runtime.weights().items()}
    expected = canonical.expected(runtime.compiled.network)
    assert list(found.items()) == list(expected.items())


def test_weights_come_back_as_they_were_loaded(runtime):
    given = strong_weights(runtime.compiled.network)
    for name, array in runtime.weights().items():
        np.testing.assert_array_equal(array, given[name], err_msg=name)
        array[...] = 0  # a copy: the model keeps its own
    for name, array in runtime.weights().items():
        np.testing.assert_array_equal(array, given[name], err_msg=name)


def test_a_refused_file_changes_nothing(runtime):
    before = runtime.weights()
    broken = {name: array + 1 for name, array in before.items()}
    del broken["output.bias"]
    with refused("NE104") as caught:
        runtime.load_weights(broken, "w.safetensors")
    assert "w.safetensors" in str(caught.value)
    after = runtime.weights()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_file_from_one_backend_gives_the_same_model_on_the_other(
    both_backends, tmp_path
):
    one, other = (create_runtime(translator(name), 0) for name in both_backends)
    for origin, target in ((one, other), (other, one)):
        origin.load_weights(strong_weights(origin.compiled.network))
        weights_file.save(tmp_path / "w.safetensors", origin.weights())
        target.load_weights(weights_file.load(tmp_path / "w.safetensors").arrays)
        assert_agree(target.run(INPUTS), origin.run(INPUTS))
    captures = [capture(runtime, INPUTS).weights for runtime in (one, other)]
    for name in NAMES:
        assert_agree(captures[0][name], captures[1][name])


# --- running and capturing ----------------------------------------------------------


def test_capture_leaves_the_output_as_it_is(runtime):
    plain = runtime.run(INPUTS)
    assert plain.dtype == np.float32
    assert plain.shape == (3, 5, 5)
    np.testing.assert_array_equal(capture(runtime, INPUTS).output, plain)
    np.testing.assert_array_equal(runtime.run(INPUTS), plain)


def test_all_attentions_come_in_model_order_with_their_shapes(runtime):
    weights = capture(runtime, INPUTS).weights
    assert list(weights) == NAMES
    shapes = [array.shape for array in weights.values()]
    assert shapes == [(3, 2, 7, 7), (3, 2, 7, 7), (3, 2, 5, 5), (3, 2, 5, 7)]
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}


def test_masked_keys_get_nothing_and_rows_without_keys_are_zero(runtime):
    weights = capture(runtime, INPUTS).weights
    encoder = weights["transformer_encoder_0"]
    assert (encoder[0, :, :, 4:] == 0).all()
    assert (encoder[1] == 0).all()
    # Padded queries still attend to the valid keys.
    np.testing.assert_allclose(encoder[0].sum(-1), 1.0, atol=1e-6)
    causal = weights["transformer_decoder.self_attention"]
    assert (np.triu(causal, 1) == 0).all()
    assert (causal[0, :, 0] == 0).all()
    cross = weights["transformer_decoder.cross_attention"]
    assert (cross[1] == 0).all()
    assert (cross[0, :, :, 4:] == 0).all()
    assert np.isfinite(runtime.run(INPUTS)).all()


def test_weights_equal_the_numpy_oracle(runtime):
    weights = runtime.weights()
    captured = capture(runtime, INPUTS).weights
    source, target = INPUTS["source"], INPUTS["target"]
    x = weights["embedding_0.weight"][source].astype(np.float64)
    _, expected = multi_head_attention(
        weights, "transformer_encoder_0.attention", 2, x, key_mask=source != 0
    )
    np.testing.assert_allclose(captured["transformer_encoder_0"], expected, atol=1e-6)
    assert expected.max() > 0.7  # far from uniform
    x = weights["embedding_1.weight"][target].astype(np.float64)
    name = "transformer_decoder.self_attention"
    _, expected = multi_head_attention(
        weights, name, 2, x, key_mask=target != 0, causal=True
    )
    np.testing.assert_allclose(captured[name], expected, atol=1e-6)


@pytest.mark.parametrize("wanted", [NAMES[3:], [NAMES[2], NAMES[0]], []])
def test_only_wanted_layers_are_returned_in_the_order_asked(runtime, wanted):
    everything = capture(runtime, INPUTS).weights
    some = capture(runtime, INPUTS, wanted)
    assert list(some.weights) == list(wanted)
    for name, array in some.weights.items():
        np.testing.assert_array_equal(array, everything[name])


@pytest.mark.parametrize("length", ["None", "1"])
def test_a_sequence_of_one_token_is_no_reason_for_a_warning(length, backend):
    text = f"network N {{ input: ({length}, 4) layers: MultiHeadAttention(2) }}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runtime = create_runtime(nd.compile(text, backend))
        capture(runtime, {"input": np.ones((2, 1, 4))})


def test_another_softmax_over_one_value_is_still_warned_of(both_backends):
    import keras

    with one_key_is_fine(), pytest.warns(UserWarning, match="softmax over axis -1"):
        keras.ops.softmax(np.ones((2, 1)))


def test_an_unknown_layer_lists_what_there_is(runtime):
    with refused("NE111") as caught:
        capture(runtime, INPUTS, ["transformer_encoder0"])
    (diagnostic,) = caught.value.diagnostics
    assert "did you mean `transformer_encoder_0`" in diagnostic.help


def test_inputs_are_checked_before_the_model_sees_them(runtime):
    with refused("NE110"):
        runtime.run({"source": INPUTS["source"]})
    with refused("NE110"):
        capture(runtime, {"source": INPUTS["source"]})


def test_what_would_not_fit_in_memory_is_refused_before_it_runs(runtime, monkeypatch):
    monkeypatch.setattr("neural_dsl.backends.memory.ALWAYS_FREE", 100)
    monkeypatch.setattr("neural_dsl.backends.memory.available", lambda: 100)
    monkeypatch.setattr(runtime, "forward", None)
    with refused("NE108"):
        runtime.run(INPUTS)
    with refused("NE108"):
        capture(runtime, INPUTS)


def test_the_first_capture_of_a_selection_is_compared_with_a_plain_run(
    runtime, monkeypatch
):
    forward, runs = runtime.forward, []

    def changed(arrays):
        runs.append(arrays)
        return forward(arrays) + len(runs)

    monkeypatch.setattr(runtime, "forward", changed)
    with refused("NE107") as caught:
        capture(runtime, INPUTS)
    assert "its output is another with capture than without" in str(caught.value)


@pytest.mark.needs("tensorflow")
def test_weights_that_do_not_explain_the_emitted_result_are_refused():
    compiled = translator("tensorflow")
    assert "tf.nn.softmax(scores)" in compiled.code
    code = compiled.code.replace("tf.nn.softmax(scores)", "tf.nn.softmax(2 * scores)")
    runtime = create_runtime(replace(compiled, code=code), 0)
    runtime.load_weights(strong_weights(compiled.network))
    with refused("NE107") as caught:
        capture(runtime, INPUTS)
    assert "weights times values differ" in str(caught.value)


def test_a_lost_causal_mask_is_noticed(backend):
    compiled = translator(backend)
    lost = {
        "pytorch": ("mask & causal", "mask"),
        "tensorflow": ("tf.logical_and(mask, causal)", "mask"),
    }
    assert lost[backend][0] in compiled.code
    broken = replace(compiled, code=compiled.code.replace(*lost[backend]))
    with refused("NE107") as caught:
        capture(create_runtime(broken, 0), INPUTS)
    assert "`transformer_decoder.self_attention`" in str(caught.value)
    assert "masked" in str(caught.value)


def test_attention_that_is_never_computed_is_refused(backend):
    compiled = translator(backend)
    silent = {
        "pytorch": (
            "F.scaled_dot_product_attention(q, k, v, attn_mask=mask)",
            "q @ k.mT @ v",
        ),
        "tensorflow": (
            "context = scaled_dot_product_attention(q, k, v, mask)",
            "context = tf.matmul(tf.matmul(q, k, transpose_b=True), v)",
        ),
    }
    assert silent[backend][0] in compiled.code
    broken = replace(compiled, code=compiled.code.replace(*silent[backend]))
    with refused("NE111") as caught:
        capture(create_runtime(broken, 0), INPUTS)
    assert "computed never" in str(caught.value)
