"""What a file asks of training does what it says: against NumPy, Keras, the other backend."""

from __future__ import annotations

import itertools
import os
import runpy
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import weights_file
from neural_dsl.backends.canonical import canonical_arrays
from neural_dsl.runs.prepare import TrainRequest
from neural_dsl.runs.train import train
from neural_dsl.source import Source
from tests.execution.test_training import training, with_equal_weights

RATE = 0.01
FLAT = ("embedding.", "positional_encoding.", "output.")  # what AdamW trains under Muon


def after_one_step(optimizer, backend, start=None, **settings):
    """Weights before and after one step from the same start."""
    live = training(backend, optimizer=f"optimizer: {optimizer}", **settings)
    if start is not None:
        live.runtime.load_weights(start)
    before = live.runtime.weights()
    next(live.steps())
    return before, live.runtime.weights()


def gradients(backend):
    """The weights of a fresh model and their gradients on its first batch: what plain
    descent at rate 1 takes away."""
    before, after = after_one_step("SGD(learning_rate=1.0)", backend)
    return before, {name: before[name] - after[name] for name in before}


# --- Muon -----------------------------------------------------------------------------


def orthogonal(gradient):
    """Five Newton-Schulz iterations, as Jordan (2024) has them."""
    tall = gradient.shape[0] > gradient.shape[1]
    x = (gradient.T if tall else gradient).astype(np.float64)
    x = x / np.linalg.norm(x)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


def test_muon_turns_hidden_matrices_and_leaves_the_rest_to_adamw(backend):
    before, gradient = gradients(backend)
    text = f"Muon({RATE}, weight_decay=0.5, adam_weight_decay=0.2)"
    _, after = after_one_step(text, backend, before)
    turned = 0
    for name, weight in before.items():
        g, moved = gradient[name].astype(np.float64), after[name] - weight
        if weight.ndim == 2 and not name.startswith(FLAT):
            size = 0.2 * np.sqrt(max(weight.shape))  # a step as large as AdamW's
            expected = -RATE * (0.5 * weight + size * orthogonal(g))
            off = np.linalg.norm(moved - expected) / np.linalg.norm(expected)
            # PyTorch iterates in bfloat16, which small singular values feel.
            assert off < (0.25 if backend == "pytorch" else 1e-3), name
            turned += 1
        else:
            decay = 0.2 * weight if weight.ndim > 1 else 0.0  # biases and norms keep
            expected = -RATE * (decay + g / (abs(g) + 1e-7))
            # Keras adds its epsilon before it corrects the moments: tiny gradients differ.
            expected = np.where(abs(g) < 2e-4, moved, expected)
            np.testing.assert_allclose(moved, expected, atol=0.03 * RATE, err_msg=name)
    assert turned == 6  # query, key, value, projection, and two of the feed-forward


def test_muon_learns_alike_on_both_backends(both_backends):
    muon = f"optimizer: Muon({RATE})"
    pair = with_equal_weights(both_backends, steps=12, every=12, optimizer=muon)
    one, other = ([float(step.loss) for step in each.steps()] for each in pair)
    np.testing.assert_allclose(one, other, rtol=3e-2)
    assert one[-1] < 0.8 * one[0]


# --- going on from a state ------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "more"),
    [
        ("optimizer: Muon(0.01)", "early_stopping: 5"),
        (
            "optimizer: SGD(ReduceLROnPlateau(initial_learning_rate=0.1, patience=1, "
            "cooldown=1, min_lr=0.01, min_delta=0.5))",
            "early_stopping: EarlyStopping(monitor=loss, patience=9)",
        ),
        ("", "scheduled_sampling: 0.5 gradient_accumulation_steps: 2"),
    ],
)
def test_a_training_goes_on_bit_for_bit(backend, optimizer, more):
    settings = {"dropout": "0.1", "optimizer": optimizer, "more": more, "every": 2}
    settings |= {"steps": 10}
    whole, second = (training(backend, **settings) for _ in range(2))
    for step in whole.steps():
        if step.step == 5:
            state = {name: array.copy() for name, array in whole.state().items()}
    for _ in itertools.islice(second.steps(), 3):  # its own random numbers are used up
        pass
    second.load_state(state)
    for _ in second.steps():
        pass
    one, other = whole.state(), second.state()
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


# --- clipping -------------------------------------------------------------------------


def test_clipnorm_and_clipvalue_clip_each_gradient_alone(backend):
    before, gradient = gradients(backend)
    norm = float(np.median([np.linalg.norm(g) for g in gradient.values()]))
    value = float(np.median([abs(g).max() for g in gradient.values()]))
    for text, clip in {
        f"SGD(1.0, clipnorm={norm})": lambda g: g * min(1, norm / np.linalg.norm(g)),
        f"SGD(1.0, clipvalue={value})": lambda g: np.clip(g, -value, value),
    }.items():
        _, after = after_one_step(text, backend, before)
        clipped = 0
        for name, g in gradient.items():
            np.testing.assert_allclose(
                before[name] - after[name], clip(g), atol=1e-6, err_msg=name
            )
            clipped += bool(abs(clip(g) - g).max() > 1e-5)
        assert 0 < clipped < len(gradient)


# --- waiting for validation -----------------------------------------------------------

LOSSES = [3, 2, 2, 2, 2, 2, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9]
MATCHES = [0, 0.1, 0.1, 0.3, 0.3, 0.2, 0.2, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0]


def with_validations(live, monkeypatch):
    """The training, whose validations give the numbers above, whatever it learns."""
    told = iter(zip(LOSSES, MATCHES, strict=True))

    def evaluate(model, split):
        loss, match = next(told)
        return {"loss": loss, "exact_match": match}

    monkeypatch.setattr(live.module, "evaluate", evaluate)
    return live


@pytest.mark.needs("torch", "tensorflow")
@pytest.mark.parametrize("patience", [3, 4, 6])
def test_plateaus_and_stopping_are_those_of_keras(backend, monkeypatch, patience):
    import keras

    live = training(
        backend,
        optimizer="optimizer: SGD(0.1) lr_schedule: ReduceLROnPlateau(monitor=loss, "
        "factor=0.3, patience=2, cooldown=2, min_lr=0.005)",
        more=f"early_stopping: EarlyStopping(monitor=exact_match, patience={patience})",
        steps=len(LOSSES),
        every=1,
    )
    rates = [s.learning_rate for s in with_validations(live, monkeypatch).steps()]
    optimizer = SimpleNamespace(learning_rate=0.1)
    fake = SimpleNamespace(optimizer=optimizer, stop_training=False)
    waiting = [
        keras.callbacks.ReduceLROnPlateau(
            "loss", factor=0.3, patience=2, cooldown=2, min_lr=0.005
        ),
        keras.callbacks.EarlyStopping("exact_match", patience=patience, mode="max"),
    ]
    for each in waiting:
        each.set_model(fake)
        each.on_train_begin()
    expected = []
    for epoch, (loss, match) in enumerate(zip(LOSSES, MATCHES, strict=True)):
        expected.append(float(optimizer.learning_rate))
        for each in waiting:
            each.on_epoch_end(epoch, {"loss": loss, "exact_match": match})
        if fake.stop_training:
            break
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert len(set(expected)) > 1, "the rate must fall"


def test_the_best_weights_come_back_and_survive_a_resume(backend, monkeypatch):
    settings = {"steps": 12, "every": 1, "more": "early_stopping: 4"}
    live = with_validations(training(backend, **settings), monkeypatch)
    kept = {}
    for step in live.steps():
        kept[step.step] = live.runtime.weights()
    best = 1 + MATCHES.index(max(MATCHES))
    assert best < step.step, "it stopped later than its best"
    again = training(backend, **settings)
    again.load_state(live.state())
    for each in (live, again):
        assert each.restores_best
        each.restore_best()
        for name, array in each.runtime.weights().items():
            np.testing.assert_array_equal(array, kept[best][name], err_msg=name)
    last = training(backend, more="early_stopping: {restore_best_weights: false}")
    assert not last.restores_best


FILE = """network Tiny {
  task: Copy(length=3, vocabulary=6, train_size=200, validation_size=40, test_size=40)
  layers:
    Embedding(output_dim=8)
    PositionalEncoding(encoding_type="learned")
    TransformerDecoder(num_heads=2, ff_dim=16, norm="pre")
    Output(activation="softmax")
  optimizer: SGD(learning_rate=0.001)
  metrics: [accuracy, perplexity]
  train { steps: 24 batch_size: 50 validate_every: 4 MORE }
}"""


class Nobody:
    """A watcher that looks away."""

    def __getattr__(self, name):
        return lambda *args: None


@pytest.mark.parametrize("more", ["early_stopping: 2", ""])
def test_the_script_and_neural_train_test_the_same_weights(
    backend, more, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.neural").write_text(FILE.replace("MORE", more), encoding="utf-8")
    request = TrainRequest(tmp_path / "tiny.neural", tmp_path / "run", backend)
    outcome = train(request, Nobody())
    name = "best" if more else "last"
    tested = weights_file.load(tmp_path / "run" / f"{name}.safetensors")
    if more:  # too slow a descent to get better: an early validation is best
        assert 0 < int(tested.metadata["step"]) < outcome.step < 24
    runpy.run_path(str(tmp_path / "run" / "train.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    compiled = nd.compile(Source("tiny.neural", FILE.replace("MORE", more)), backend)
    saved = weights_file.load(tmp_path / "tiny.safetensors").arrays
    alone = canonical_arrays(compiled, saved)  # by the names that the framework gives
    assert alone.keys() == tested.arrays.keys()
    for key, array in alone.items():
        np.testing.assert_array_equal(array, tested.arrays[key], err_msg=key)
    test = outcome.test
    assert lines[-3:] == [
        f"test exact match {test['exact_match']:.1%}",
        f"test accuracy {test['accuracy']:.1%}",
        f"test perplexity {test['perplexity']:.2f}",
    ]


def test_a_script_stops_when_its_loss_is_no_number(backend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    live = training(backend, optimizer="optimizer: SGD(learning_rate=1e30)", batch=8)
    script = tmp_path / "script.py"
    script.write_text(live.runtime.compiled.code, encoding="utf-8")
    with pytest.raises(SystemExit, match="the loss became nan: try a smaller"):
        runpy.run_path(str(script), run_name="__main__")
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("whole", "left", "decoration"),
    [
        ({"exact_match": 1.0, "loss": 0.01}, {"exact_match": 0.2, "loss": 2.0}, False),
        ({"exact_match": 1.0, "loss": 0.01}, {"exact_match": 1.0, "loss": 0.011}, True),
        # Hardly an answer was right before, but the loss tells.
        ({"exact_match": 0.01, "loss": 1.44}, {"exact_match": 0.0, "loss": 3.3}, False),
        (
            {"exact_match": 0.01, "loss": 1.44},
            {"exact_match": 0.0, "loss": 1.45},
            False,
        ),
        ({"exact_match": 0.0, "loss": 1.44}, {"exact_match": 0.0, "loss": 1.444}, True),
        # 0.026 nats are a loss, however large it was before.
        (
            {"exact_match": 0.0, "loss": 1.44},
            {"exact_match": 0.0, "loss": 1.466},
            False,
        ),
        # What answers better without its attention does not need it.
        ({"exact_match": 0.9, "loss": 0.5}, {"exact_match": 0.95, "loss": 0.3}, True),
        ({"loss": 1.0}, {"loss": 1.2}, False),
        ({"loss": 1.0, "accuracy": 0.5}, {"loss": 1.0, "accuracy": 0.4}, False),
    ],
)
def test_a_layer_is_decoration_when_neither_answers_nor_loss_suffer(
    whole, left, decoration, monkeypatch
):
    from neural_dsl.runs import evaluation

    run = SimpleNamespace(
        network=SimpleNamespace(
            attentions=lambda: [("layer", None, SimpleNamespace(num_heads=2))]
        ),
        runtime=None,
    )
    monkeypatch.setattr(evaluation.NetworkTarget, "gated", lambda *_: nullcontext())
    monkeypatch.setattr(evaluation, "measured", lambda *_: (left, None))
    (found,) = evaluation.ablations(run, "test", whole)
    assert (found.decoration, found.measures) == (decoration, left)


# --- several batches a step, 16 bits, scheduled sampling ------------------------------


@pytest.mark.needs("torch")
def test_16_bits_are_used_for_every_batch_of_a_step_where_the_device_gains():
    import torch

    more = "gradient_accumulation_steps: 2 mixed_precision: true"
    live = training("pytorch", more=more)
    kinds = []
    head = live.runtime.model.output
    head.register_forward_hook(lambda module, x, y: kinds.append(y.dtype))
    whole = float(next(live.steps()).loss)
    assert kinds[:2] == [torch.float32] * 2, "a CPU gains nothing"
    other = training("pytorch", more=more)
    kinds.clear()
    other.runtime.model.output.register_forward_hook(
        lambda module, x, y: kinds.append(y.dtype)
    )
    other.training.device = torch.device("cpu")  # stands for a device that is no CPU
    assert float(next(other.steps()).loss) == pytest.approx(whole, rel=2e-2)
    assert kinds[:2] == [torch.bfloat16] * 2


def test_every_batch_of_a_step_is_fed_back(backend, monkeypatch):
    more = "scheduled_sampling: 1.0 gradient_accumulation_steps: 3"
    live = training(backend, more=more, steps=20)
    emitted, seen = live.training, []
    feed_back = emitted.feed_back

    def watched(x, y, *share):
        mixed = feed_back(x, y, *share)
        seen.append((np.array(x), np.array(mixed), np.array(y)))
        return mixed

    monkeypatch.setattr(emitted, "feed_back", watched)
    emitted.step = 18  # a share of 0.9
    start = live.runtime.weights()
    loss = float(next(live.steps()).loss)
    assert len(seen) == 3
    assert all((x != mixed).any() for x, mixed, _ in seen)
    live.runtime.load_weights(start)
    each = [cross_entropy(live.logits(mixed), y) for _, mixed, y in seen]
    assert loss == pytest.approx(np.mean(each), rel=1e-4)


def test_what_is_fed_back_is_predicted_without_dropout(backend):
    live = training(backend, dropout="0.5", more="scheduled_sampling: 1.0", steps=20)
    emitted = live.training
    emitted.step = 20  # a share of 1.0
    x, y = live.module.batch(0, 0)
    given = (x, y)
    if backend == "pytorch":
        import torch

        given = (torch.from_numpy(x), torch.from_numpy(y))
    mixed = np.array(emitted.feed_back(*given))
    predicted = np.roll(live.logits(x).argmax(-1), 1, axis=1)
    answers = np.roll(y >= 0, 1, axis=1)
    answers[:, 0] = False
    np.testing.assert_array_equal(mixed, np.where(answers, predicted, x))


# --- metrics --------------------------------------------------------------------------


def cross_entropy(logits, y):
    """The mean of -log p(target) over the tokens of answers."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)
    chosen = np.take_along_axis(p, np.where(y < 0, 0, y)[..., None], axis=-1)[..., 0]
    return float(-np.log(chosen[y >= 0]).mean())


def test_metrics_are_what_numpy_computes_of_the_logits(backend):
    metrics = "metrics: [accuracy, perplexity]"
    live = training(backend, optimizer=metrics, steps=12, every=6)
    validations = [step.validation for step in live.steps()]
    assert validations[5]["accuracy"] != validations[11]["accuracy"]
    x, y = live.task.batch("test", np.arange(live.task.size("test")))
    logits = live.logits(x)
    measured = live.evaluate("test")
    right = (logits.argmax(-1) == y)[y >= 0].mean()
    assert 0.05 < right < 1
    assert measured["accuracy"] == pytest.approx(right)
    assert measured["perplexity"] == pytest.approx(
        np.exp(cross_entropy(logits, y)), rel=1e-4
    )


def test_a_rule_may_watch_a_metric_that_is_asked_for(backend):
    live = training(
        backend,
        optimizer="metrics: [accuracy]",
        more="early_stopping: EarlyStopping(monitor=accuracy, target=0.01)",
        every=5,
    )
    assert [step.step for step in live.steps()] == [1, 2, 3, 4, 5]


def test_a_target_for_the_loss_is_reached_from_above(backend, monkeypatch):
    rule = "early_stopping: EarlyStopping(monitor=loss, target=1.95, patience=50)"
    live = training(backend, more=rule, every=1)
    steps = [step.step for step in with_validations(live, monkeypatch).steps()]
    assert len(steps) == 1 + LOSSES.index(1.9)


# --- determinism ----------------------------------------------------------------------


@pytest.mark.needs("torch")
def test_pytorch_is_made_deterministic(monkeypatch):
    import torch

    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        training("pytorch")
        assert not torch.are_deterministic_algorithms_enabled()
        live = training("pytorch", optimizer="execution { deterministic: true }")
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
        next(live.steps())
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.needs("tensorflow")
def test_tensorflow_is_made_deterministic():
    from tensorflow.python.framework import config

    try:
        more = "scheduled_sampling: 0.5"
        training("tensorflow", more=more)
        assert not config.is_op_determinism_enabled()
        live = training(
            "tensorflow",
            optimizer="execution { deterministic: true }",
            more=more,
            dropout="0.1",
        )
        assert config.is_op_determinism_enabled()
        next(live.steps())
    finally:
        config.disable_op_determinism()
