"""What a training step takes is told by arithmetic, however large the numbers are."""

import time
import tracemalloc

import pytest

from neural_dsl.backends.memory import (
    eager,
    estimate_step,
    refuse_training_if_too_large,
)
from neural_dsl.diagnostics import NeuralError
from neural_dsl.tasks import task_spec
from tests.data_parts import data_of, network_of

LAYERS = (
    "Embedding(output_dim=16) PositionalEncoding() TransformerDecoder(num_heads=2) "
    'Output(activation="softmax")'
)
GIGANTIC = [
    "Copy(length=50000000)",
    "Copy(length=(1, 100000), vocabulary=2)",
    "Copy(vocabulary=100000000)",
    "Sort(vocabulary=2147483647)",
    "Reverse(length=2147483647, vocabulary=1, validation_size=1, test_size=1)",
    "Copy(length=(1, 2147483647), vocabulary=1)",
    "PatternCompletion(length=(2, 2147483647), vocabulary=2147483647)",
    "Double(length=1000000, vocabulary=2147483647, unique=true)",
]


@pytest.mark.parametrize("task", GIGANTIC)
def test_gigantic_tasks_are_answered_at_once(task: str) -> None:
    began = time.process_time()
    try:
        network = network_of(task, layers=LAYERS)
    except NeuralError as error:  # a space without enough problems
        assert {each.code for each in error.diagnostics} == {"NE074"}
    else:
        with pytest.raises(NeuralError, match="one training step") as refused:
            refuse_training_if_too_large(network, 64, on_cpu=True, limit=4 * 2**30)
        assert refused.value.diagnostics[0].code == "NE108"
    assert time.process_time() - began < 2


def test_the_parts_of_a_step_are_those_of_the_model() -> None:
    network = network_of("Copy(length=8, vocabulary=20)", layers=LAYERS)
    parts = estimate_step(network, batch=10, length=16)
    embedding, decoder = 22 * 16, 4 * (16 * 16 + 16) + 2 * 2 * 16
    inner = 16 * 4
    assert network.parameter_count >= embedding + decoder + inner
    held = estimate_step(network, 10, 16, holds=eager)["attention"]
    assert held == 4 * 10 * 2 * 16**2  # both heads' weights
    assert parts == {
        "weights, gradients and optimizer": 4 * 4 * network.parameter_count,
        "layers": 4 * 10 * 3 * 16 * 16,
        "attention": 0,
        "logits": 4 * 10 * 2 * 16 * 22,
        "examples": 8 * 3 * 2000 * 16,
    }


@pytest.mark.parametrize(
    "task",
    [
        "Copy(length=2000, validation_size=500, test_size=10)",
        "Copy(length=(1, 2000), validation_size=500, test_size=10)",
        'Sort(length=(1, 2000), layout="aligned", validation_size=10, test_size=500)',
        "PatternCompletion(length=(2, 500), vocabulary=600, validation_size=500)",
        "Arithmetic(digits=5, validation_size=20000)",
    ],
)
def test_making_the_examples_takes_what_is_estimated(task: str) -> None:
    network = network_of(task)
    assert network.task is not None
    length = task_spec(network.task.name).max_length(network.task.params)
    assert length is not None
    told = estimate_step(network, 64, length)["examples"]
    params, data = network.task.params, data_of(network)
    larger = max(("validation", "test"), key=lambda split: params[f"{split}_size"])
    tracemalloc.start()
    try:
        data.held_out(larger)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told <= peak < 1.5 * told


def test_what_fits_is_trained_and_another_device_has_memory_of_its_own() -> None:
    network = network_of("Copy()", layers=LAYERS)
    refuse_training_if_too_large(network, 64, on_cpu=True)
    large = network_of("Copy(length=2000)", layers=LAYERS)
    with pytest.raises(NeuralError):
        refuse_training_if_too_large(large, 64, on_cpu=True, limit=200 * 2**20)
    refuse_training_if_too_large(large, 64, on_cpu=False, limit=200 * 2**20)
