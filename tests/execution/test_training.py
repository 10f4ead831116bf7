"""The emitted training: equal on both backends, resumable bit for bit, honestly measured."""

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends.training import start_training
from neural_dsl.runs.decoding import answered, draw
from neural_dsl.runs.task_files import run_task, tell_places
from neural_dsl.source import Source
from neural_dsl.targets.network import NetworkTarget
from tests.capturing import run_uniform

TEXT = """
network Tiny {
  task: TASK
  layers:
    Embedding(output_dim=32)
    PositionalEncoding(encoding_type="learned")
    TransformerDecoder(num_heads=2, ff_dim=64, norm="pre", dropout=DROPOUT) * LAYERS
    LayerNormalization()
    Output(activation="softmax")
  OPTIMIZER
  train { steps: STEPS batch_size: BATCH validate_every: EVERY MORE }
}
"""
LARGE = 256  # problems; so many tokens PyTorch convolves where that is faster
SIZES = "train_size=2000, validation_size=50, test_size=100"


def training(
    backend,
    task=f"Copy(length=4, vocabulary=8, {SIZES})",
    dropout="0.0",
    layers=1,
    optimizer="",
    steps=20,
    every=10,
    more="",
    seed=0,
    batch=32,
):
    """A live training of a small model."""
    text = TEXT
    for name, value in {
        "TASK": task,
        "DROPOUT": dropout,
        "LAYERS": layers,
        "OPTIMIZER": optimizer,
        "STEPS": steps,
        "EVERY": every,
        "MORE": more,
        "BATCH": batch,
    }.items():
        text = text.replace(name, str(value))
    compiled = nd.compile(Source("tiny.neural", text), backend)
    file = Path(mkdtemp()) / "train.py"  # as `neural train` has it: TensorFlow reads it
    file.write_text(compiled.code, encoding="utf-8")
    network = compiled.network
    live = start_training(compiled, seed, "cpu", str(file), tell_places(network))
    live.task = run_task(network, live.module)
    return live


def with_equal_weights(backends, **settings):
    """One training a backend, all from the first one's weights."""
    found = [training(backend, **settings) for backend in backends]
    for other in found[1:]:
        other.runtime.load_weights(found[0].runtime.weights())
    return found


@pytest.mark.parametrize(
    "more", ["", "label_smoothing: 0.1", "gradient_accumulation: 2"]
)
@pytest.mark.parametrize("batch", [32, LARGE])
def test_the_first_loss_and_gradients_are_equal_on_both_backends(
    both_backends, more, batch
):
    # Plain gradient descent with rate 1: what a weight loses is its gradient.
    plain = "optimizer: SGD(learning_rate=1.0)"
    pair = with_equal_weights(both_backends, optimizer=plain, more=more, batch=batch)
    before = pair[0].runtime.weights()
    losses = [float(next(each.steps()).loss) for each in pair]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    one, other = (each.runtime.weights() for each in pair)
    for name, start in before.items():
        gradient = start - one[name]
        scale = max(abs(gradient).max(), 1e-3)
        np.testing.assert_allclose(
            (start - other[name]) / scale, gradient / scale, atol=1e-4, err_msg=name
        )
    assert max(abs(before[name] - one[name]).max() for name in before) > 1e-2


def test_the_losses_of_five_steps_are_equal_on_both_backends(both_backends):
    pair = with_equal_weights(both_backends, steps=5, every=5, layers=2)
    one, other = ([float(step.loss) for step in each.steps()] for each in pair)
    assert len(one) == 5
    np.testing.assert_allclose(one, other, rtol=1e-2)


@pytest.mark.parametrize(
    ("more", "batch"), [("", LARGE), ("scheduled_sampling: 0.5", 32)]
)
def test_a_training_goes_on_bit_for_bit_from_its_state(backend, more, batch):
    settings = {"dropout": "0.2", "more": more, "batch": batch}
    whole = training(backend, **settings)
    losses = []
    for step in whole.steps():
        losses.append(float(step.loss))
        if step.step == 7:  # neither an epoch's end nor a validation
            state = {name: array.copy() for name, array in whole.state().items()}
    second = training(backend, seed=0, **settings)
    for step in second.steps():  # its own random numbers have been used up
        if step.step == 3:
            break
    second.load_state(state)
    assert second.step == 7
    assert [float(step.loss) for step in second.steps()] == losses[7:]
    one, other = whole.state(), second.state()
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_what_a_test_measures_does_not_depend_on_the_batch_size(backend):
    """Answers differ in length, so a mean of the batches' means would."""
    task = f"Reverse(length=(2, 4), vocabulary=6, {SIZES})"
    one, other = (training(backend, task, batch=batch) for batch in (32, 7))
    other.runtime.load_weights(one.runtime.weights())
    found, wanted = one.evaluate("test"), other.evaluate("test")
    assert found == pytest.approx(wanted, rel=1e-5)
    x, y = one.task.batch("test", np.arange(one.task.size("test")))
    logits = one.logits(x).astype(np.float64)
    shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(shares, np.maximum(y, 0)[..., None], -1)[..., 0]
    assert found["loss"] == pytest.approx(-chosen[y >= 0].mean(), rel=1e-5)


def test_dropout_is_on_in_training_and_off_in_evaluation(backend):
    live = training(backend, dropout="0.5", steps=2, every=2)
    assert live.evaluate("test") == live.evaluate("test")
    pair = [training(backend, dropout=rate, steps=2) for rate in ("0.0", "0.5")]
    pair[1].runtime.load_weights(pair[0].runtime.weights())
    losses = [float(next(each.steps()).loss) for each in pair]
    assert losses[0] != losses[1]


TASKS = [
    f"Reverse(length=(2, 4), vocabulary=6, {SIZES})",
    f"Copy(length=(2, 4), vocabulary=6, framing=true, {SIZES})",
    f'Arithmetic(operations=("add", "subtract"), max_number=40, {SIZES})',
    f"PatternCompletion(length=(2, 4), vocabulary=8, {SIZES})",
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.split("(")[0])
def test_greedy_decoding_finds_what_teacher_forcing_counts(backend, task):
    live = training(backend, task=task, steps=60, every=60)
    for _ in live.steps():
        pass
    size = live.task.size("test")
    samples, _ = answered(live.logits, live.task, "test", size, None)
    for index, sample in enumerate(samples):
        problem = (sample.prompt, sample.expected)
        assert problem == live.task.problem("test", index)
    right = sum(sample.right for sample in samples)
    counted = live.evaluate("test")
    assert counted["exact_match"] * size == pytest.approx(right)
    assert 0 < right < size, "half-trained on purpose: some right, some wrong"


def test_uniform_attention_is_the_same_on_both_backends(both_backends):
    pair = with_equal_weights(both_backends, layers=2)
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 9, (3, 8))
    outputs = []
    for live in pair:
        runtime = live.runtime
        names = [name for name, _, _ in runtime.network.attentions()]
        whole = runtime.run({"input": ids})
        each = [run_uniform(runtime, {"input": ids}, [name]) for name in names]
        assert all(abs(output - whole).max() > 1e-3 for output in each)
        np.testing.assert_array_equal(run_uniform(runtime, {"input": ids}, []), whole)
        outputs.append([whole, *each, run_uniform(runtime, {"input": ids}, names)])
    np.testing.assert_allclose(*outputs, atol=1e-5)


def test_uniform_attention_gives_the_mean_of_the_values_it_may_see(backend):
    live = training(backend)
    runtime = live.runtime
    weights = dict(runtime.weights())
    # With values, projection and everything after it linear and shared, permuting what
    # was read before the last position cannot change the last position's output.
    ids = np.array([[1, 2, 3, 4, 5], [3, 1, 4, 2, 5]])
    weights["positional_encoding.weight"] = np.zeros_like(
        weights["positional_encoding.weight"]
    )
    runtime.load_weights(weights)
    name = "transformer_decoder.self_attention"
    uniform = run_uniform(runtime, {"input": ids}, [name])
    np.testing.assert_allclose(uniform[0, -1], uniform[1, -1], atol=1e-6)
    assert abs(uniform[0, 1] - uniform[1, 1]).max() > 1e-4  # causal: 2 keys of 5


def softmax_loss(logits, targets):
    """Cross-entropy, by its definition, over the counted tokens."""
    logits = logits.astype(np.float64)
    log_shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.eye(logits.shape[-1])[np.maximum(targets, 0)]
    return -(wanted * log_shares).sum(-1)[targets >= 0].mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_uniform_attention_is_measured_without_label_smoothing(backend, smoothing):
    live = training(backend, layers=2, more=f"label_smoothing: {smoothing}")
    runtime, (x, y) = live.runtime, live.module.held_out("test")
    as_it_is = live.evaluate("test")
    for number in range(2):
        name = f"transformer_decoder_{number}.self_attention"
        with NetworkTarget(runtime).gated({(name, None): "uniform"}):
            found = live.evaluate("test")
        logits = run_uniform(runtime, {"input": x}, [name])
        assert found["loss"] == pytest.approx(softmax_loss(logits, y), rel=1e-4)
        right = ((logits.argmax(-1) == y) | (y < 0)).all(axis=1).mean()
        assert found["exact_match"] == pytest.approx(right)
        assert found["loss"] != pytest.approx(as_it_is["loss"], rel=1e-4)
        assert live.evaluate("test") == as_it_is  # put back


def test_validation_leaves_label_smoothing_out(backend, tmp_path):
    (tmp_path / "a.txt").write_text("the cat sat on the mat. " * 40, encoding="utf-8")
    task = f'Text(path="{tmp_path / "a.txt"}", tokenizer="char", context=8)'
    live = training(backend, task, more="label_smoothing: 0.2")
    x, y = live.task.batch("test", np.arange(live.task.size("test")))
    plain = softmax_loss(live.runtime.run({"input": x}), y)
    assert live.evaluate("test")["loss"] == pytest.approx(plain, rel=1e-4)


def test_sampling_draws_what_temperature_and_top_k_allow():
    scores = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    rng = np.random.default_rng(0)
    drawn = [draw(scores, rng, 1.0, None) for _ in range(4000)]
    shares = np.bincount(drawn, minlength=4) / 4000
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.3, 0.4], atol=0.03)
    assert {draw(scores, rng, 1.0, 2) for _ in range(100)} == {2, 3}
    assert {draw(scores, rng, 0.0, None) for _ in range(10)} == {3}
    cold = [draw(scores, rng, 0.25, None) for _ in range(2000)]
    assert np.mean(np.array(cold) == 3) == pytest.approx(0.4**4 / 0.0354, abs=0.04)
