"""A file without a task: what it says and nobody does is told (NW075)."""

from __future__ import annotations

import pytest

import neural_dsl as nd
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.diagnostics import NeuralError
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse

FILE = """network A {{ input: (4, 8) layers: Dense(3) Output(2)
  {} }}"""


def warned(settings: str) -> list[str]:
    _, diagnostics = resolve(parse(Source("a.neural", FILE.format(settings))))
    return [each.message for each in diagnostics if each.code == "NW075"]


@pytest.mark.parametrize("also", ["", 'optimizer: Adam(0.01) loss: "mse"'])
@pytest.mark.parametrize(
    "setting",
    [
        'device: "cuda"',
        "seed: 4",
        'precision: "mixed"',
        "mixed_precision: true",
        "num_workers: 3",
    ],
)
def test_what_only_a_task_executes_is_told(setting, also):
    (message,) = warned(f"{also} execution {{ {setting} }}")
    assert message == f"`{setting.partition(':')[0]}` has no effect without a task"


def test_what_is_honoured_is_not_told():
    assert not warned("execution { backend: pytorch }")
    assert not warned('loss: "mse" train { seed: 4 } execution { deterministic: true }')


def test_what_one_backend_lacks_is_told_with_its_name():
    (message,) = warned('loss: "mse" train { mixed_precision: true }')
    assert message == "`mixed_precision` for tensorflow has no effect without a task"


@pytest.mark.parametrize("loss", ['loss: "mse"', "optimizer: Adam(0.01)"])
def test_smoothing_without_classes_is_told(loss):
    (message,) = warned(f"{loss} train {{ label_smoothing: 0.1 }}")
    assert message == "`label_smoothing` has no effect without a task"
    assert not warned('loss: "cce" train { label_smoothing: 0.1 }')


def test_nothing_to_smooth_leaves_no_constant():
    text = FILE.format('loss: "mse" train { label_smoothing: 0.1 }')
    for backend in BACKENDS:
        assert "smoothing" not in nd.compile(text, backend).code.lower()


@pytest.mark.parametrize(
    "network",
    [
        "input: (4, 8) layers: Dense(3)",
        "task: Copy() layers: Embedding(output_dim=8) TransformerDecoder(2, 8) Output()",
    ],
)
def test_steps_and_epochs_are_refused_with_a_task_and_without(network):
    text = f"network A {{ {network} train {{ steps: 10 epochs: 2 }} }}"
    with pytest.raises(NeuralError) as raised:
        resolve(parse(Source("a.neural", text)))
    (found,) = raised.value.diagnostics
    assert (found.code, text[found.span.start : found.span.end]) == (
        "NE074",
        "steps: 10",
    )
