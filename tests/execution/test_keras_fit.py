"""`fit` of a TensorFlow file without a task: each setting acts, held against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fitting import (
    BATCH,
    CLASSES,
    HEAD,
    ROWS,
    agrees,
    begun,
    compiled,
    data,
    expected,
    rates_of,
    smoothed,
)

pytestmark = pytest.mark.needs("tensorflow")


def fitted(settings, y=None, layers="Output(1)", **options):
    runtime, start = begun(settings, "tensorflow", layers)
    x, line = data()
    y = line if y is None else y
    history = runtime.module.fit(runtime.model, x, y, verbose=0, **options)
    return runtime, start, history


def test_epochs_batches_and_their_order():
    order = f"train {{ epochs: 2 batch_size: {BATCH} shuffle: false }}"
    runtime, start, history = fitted(f"optimizer: SGD(0.05) {order}")
    agrees(runtime, expected(start, [0.05] * 10))
    assert history["loss"][1] < history["loss"][0], "it learns"


def test_a_schedule_acts_on_every_step_and_momentum_follows_it():
    runtime, start, _ = fitted(
        "optimizer: SGD(0.05, momentum=0.9) lr_schedule: WarmupCosine(warmup_steps=2)"
        f" train {{ epochs: 2 batch_size: {BATCH} shuffle: false gradient_clip: 1.0 }}"
    )
    rates = rates_of(runtime, 10, 10)
    assert len(set(rates)) > 5
    agrees(runtime, expected(start, rates, momentum=0.9, clip=1.0))


def test_steps_end_in_the_middle_of_an_epoch_and_take_several_batches():
    runtime, start, _ = fitted(
        "optimizer: SGD(0.05) lr_schedule: ExponentialDecay(0.05, 2, 0.5) train {"
        f" steps: 4 batch_size: {BATCH} shuffle: false gradient_accumulation_steps: 2 }}"
    )
    assert int(runtime.model.optimizer.iterations) == 4
    agrees(runtime, expected(start, rates_of(runtime, 4), parts=2))


def test_label_smoothing_accuracy_and_the_seed():
    for share in (0.0, 0.4):
        runtime, _, history = fitted(
            "metrics: [accuracy] optimizer: SGD(1e-9) "
            f"train {{ seed: 3 epochs: 1 label_smoothing: {share} }}",
            CLASSES,
            HEAD,
        )
        losses, right = smoothed(runtime, share)
        assert history["loss"][0] == pytest.approx(losses.mean(), rel=1e-4)
        assert history["accuracy"][0] == pytest.approx(right, abs=1e-6)
    again, more = (
        fitted("optimizer: SGD(0.1) train { seed: 3 batch_size: 4 }")[0].weights()
        for _ in range(2)
    )
    for name, array in again.items():
        np.testing.assert_array_equal(array, more[name])


def test_what_fit_compiled_loads_from_a_keras_file(tmp_path):
    import keras

    runtime, _, _ = fitted("optimizer: RMSprop(0.01, momentum=0.5)")
    runtime.model.save(tmp_path / "line.keras")
    loaded = keras.saving.load_model(tmp_path / "line.keras")
    x, y = data()
    np.testing.assert_allclose(loaded(x), runtime.model(x), atol=1e-6)
    loaded.fit(x, y, verbose=0)  # its optimizer goes on


def test_a_file_that_says_nothing_of_training_has_no_fit():
    assert "fit" not in compiled("", "tensorflow").code


@pytest.mark.parametrize(
    "train",
    ["epochs: 9", "epochs: 9 batch_size: 40 shuffle: true validation_split: 0.5"],
)
def test_what_the_caller_gives_wins_over_the_file(train):
    own = {"epochs": 2, "batch_size": BATCH, "shuffle": False, "validation_split": 0.0}
    runtime, start, history = fitted(f"optimizer: SGD(0.05) train {{ {train} }}", **own)
    assert history.keys() == {"loss"}
    agrees(runtime, expected(start, [0.05] * 10))


def test_a_schedule_is_laid_out_for_what_the_caller_gives():
    runtime, start, _ = fitted(
        "optimizer: SGD(0.05) lr_schedule: WarmupCosine(warmup_steps=2)"
        " train { epochs: 9 batch_size: 40 shuffle: false }",
        epochs=2,
        batch_size=BATCH,
    )
    agrees(runtime, expected(start, rates_of(runtime, 10, 10)))


def test_steps_are_as_many_in_batches_of_the_callers_size():
    runtime, start, _ = fitted(
        "optimizer: SGD(0.05) train { steps: 7 batch_size: 2 shuffle: false }",
        batch_size=BATCH,
    )
    agrees(runtime, expected(start, [0.05] * 7))


def test_callbacks_of_ones_own_are_called_beside_that_of_the_schedule():
    import keras

    seen = []
    own = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: seen.append(epoch)
    )
    settings = "lr_schedule: WarmupCosine(warmup_steps=2) train { epochs: 3 }"
    runtime, _, _ = fitted(settings, callbacks=[own])
    assert seen == [0, 1, 2]
    assert float(runtime.model.optimizer.learning_rate) < 1e-3, "the schedule acts"


def test_a_share_held_out_is_not_learnt_from_and_the_schedule_ends_with_the_rest():
    runtime, start, history = fitted(
        "optimizer: SGD(0.05) lr_schedule: WarmupCosine(warmup_steps=2) train {"
        f" epochs: 2 batch_size: {BATCH} shuffle: false validation_split: 0.4 }}"
    )
    assert len(history["val_loss"]) == 2
    rates = rates_of(runtime, 6, 6)  # 24 of 40 rows, the last 16 are held out
    x, y = data()
    w = np.append(start["output.weight"][0], start["output.bias"]).astype(np.float64)
    x = np.column_stack([x, np.ones(ROWS)])
    for step, rate in enumerate(rates):
        b = slice(step % 3 * BATCH, (step % 3 + 1) * BATCH)
        w = w - rate * 2 * (x[b] @ w - y[b, 0]) @ x[b] / BATCH
    agrees(runtime, w)
