"""Every optimizer, schedule and setting that a file may name trains on both backends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends.live import import_emitted
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.diagnostics import NeuralError

MODEL = """network Tiny {{
  task: Copy(length=3, vocabulary=6, train_size=200, validation_size=40, test_size=40)
  layers:
    Embedding(output_dim=8)
    PositionalEncoding(encoding_type="learned")
    TransformerDecoder(num_heads=2, ff_dim=16, norm="pre")
    Output(activation="softmax")
  {0}
}}"""

OPTIMIZERS = [
    "SGD(0.1)",
    "SGD(0.1, momentum=0.9, nesterov=true, weight_decay=0.01)",
    "Adam(0.01)",
    "AdamW(0.01, amsgrad=true)",
    "RMSprop(0.01, momentum=0.5, centered=true)",
    "Adagrad(0.05, weight_decay=0.01)",
    "Adadelta(0.5)",
    "Adamax(0.01)",
    "Nadam(0.01, weight_decay=0.01)",
]
SCHEDULES = [
    "WarmupCosine(warmup_steps=2)",
    "WarmupLinear(warmup_steps=2)",
    "ExponentialDecay(0.01, 2, 0.5)",
    "ExponentialDecay(0.01, 2, 0.5, staircase=true)",
    "InverseTimeDecay(0.01, 2, 0.5)",
    "StepDecay(0.01, 2, 0.5)",
    "PolynomialDecay(0.01, 4, 0.001, power=2.0)",
    "PolynomialDecay(0.01, 2, 0.001, cycle=true)",
    "PiecewiseConstantDecay((1, 2), (0.01, 0.005, 0.001))",
    "CosineDecay(0.01, 4, alpha=0.1)",
    "CosineDecay(0.001, 4, warmup_target=0.01, warmup_steps=2)",
    "CosineDecayRestarts(0.01, 2)",
    "ReduceLROnPlateau(patience=1, factor=0.5)",
]
SETTINGS = [
    "gradient_clip: 0.5",
    "gradient_accumulation_steps: 2",
    "label_smoothing: 0.1",
    "scheduled_sampling: 0.5",
    "mixed_precision: true",
    "shuffle: false",
    'early_stopping: EarlyStopping(monitor="exact_match", target=1.0, patience=3)',
]


def training(text: str, backend: str):
    try:
        compiled = nd.compile(MODEL.format(text), backend)
    except NeuralError as error:
        pytest.skip(f"refused with its line: {error.diagnostics[0].message}")
    module = import_emitted(compiled)
    return module.Training(getattr(module, compiled.entry)()), module


def losses(text: str, backend: str, steps: int = 3) -> list[float]:
    made, _ = training(text, backend)
    return [float(step.loss) for step in itertools.islice(made, steps)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(optimizer: str, backend: str) -> None:
    text = f"optimizer: {optimizer} train {{ steps: 12 batch_size: 50 shuffle: false }}"
    found = losses(text, backend, 12)
    assert np.isfinite(found).all()
    assert found[-1] < found[0]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_train_setting_trains(setting: str, backend: str) -> None:
    text = f"train {{ steps: 3 batch_size: 20 validate_every: 2 {setting} }}"
    assert np.isfinite(losses(text, backend)).all()


@pytest.mark.needs("torch", "tensorflow")
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_gives_the_same_rates_in_both_scripts(schedule: str) -> None:
    rates = {}
    for backend in BACKENDS:
        made, _ = training(
            f"optimizer: SGD(0.01) lr_schedule: {schedule} train {{ steps: 6 }}",
            backend,
        )
        rates[backend] = [step.learning_rate for step in made]
    assert len(rates["pytorch"]) == 6
    assert rates["pytorch"] == rates["tensorflow"]
    assert all(0 < rate <= 0.011 for rate in rates["pytorch"])


@pytest.mark.needs("tensorflow")
def test_schedules_follow_keras() -> None:
    """Keras' own schedules are the definition of those that have its names."""
    import keras

    pairs = {
        "ExponentialDecay(0.01, 4, 0.5)": ("ExponentialDecay", (0.01, 4, 0.5)),
        "InverseTimeDecay(0.01, 4, 0.5)": ("InverseTimeDecay", (0.01, 4, 0.5)),
        "PolynomialDecay(0.01, 4, 0.001)": ("PolynomialDecay", (0.01, 4, 0.001)),
        "PiecewiseConstantDecay((2, 4), (0.3, 0.2, 0.1))": (
            "PiecewiseConstantDecay",
            ([2, 4], [0.3, 0.2, 0.1]),
        ),
        "CosineDecay(0.01, 5, alpha=0.1)": ("CosineDecay", (0.01, 5, 0.1)),
        "CosineDecayRestarts(0.01, 2)": ("CosineDecayRestarts", (0.01, 2)),
    }
    for text, (name, arguments) in pairs.items():
        _, module = training(
            f"optimizer: SGD(0.01) lr_schedule: {text} train {{ steps: 6 }}",
            "tensorflow",
        )
        reference = getattr(keras.optimizers.schedules, name)(*arguments)
        for step in range(9):
            expected = float(reference(step))
            assert module.learning_rate(step) == pytest.approx(expected, rel=1e-5), text
