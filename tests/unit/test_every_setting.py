"""No key of a training is accepted and then forgotten: each changes the emitted script, is
refused, is explained, or is read by `neural train` itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import neural_dsl
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.configuration import EXECUTION, STOPPING, TRAIN
from neural_dsl.catalogue.losses import METRICS
from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.catalogue.schedules import SCHEDULES
from neural_dsl.catalogue.spec import REQUIRED, Parameter
from neural_dsl.codegen.generate import generate
from neural_dsl.diagnostics import NeuralError
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from tests.setting_values import required, value_of

FILE = """network Tiny {
  task: Copy(length=8, vocabulary=20)
  layers:
    Embedding(output_dim=32)
    PositionalEncoding()
    TransformerDecoder(num_heads=2, ff_dim=64)
    Output(activation="softmax")
  SETTINGS
}"""

AROUND_THE_SCRIPT = {
    "checkpoint_every": "runs/train.py",
    "attention_snapshots": "runs/train.py",
    "backend": "runs/prepare.py",
}
"""Keys that the script itself has nothing to do with -> who reads them."""


@cache
def outcome(settings: str, backend: str) -> tuple[str, list[str]]:
    """The script for some settings ("" when refused), and every message."""
    try:
        source = Source("tiny.neural", FILE.replace("SETTINGS", settings))
        network, warnings = resolve(parse(source))
        return generate(network, backend, "x.py").code, [w.message for w in warnings]
    except NeuralError as error:
        return "", [each.message for each in error.diagnostics]


def check(key: str, name: str, without: str, given: str, backend: str) -> None:
    """The setting changes the script or is named in a message."""
    base, why = outcome(without, backend)
    assert base, f"{without or 'the file'} is refused: {why}"
    code, said = outcome(given, backend)
    if name in AROUND_THE_SCRIPT and not said:
        reader = Path(neural_dsl.__file__).parent / AROUND_THE_SCRIPT[name]
        assert f'"{name}"' in reader.read_text(encoding="utf-8"), key
        return
    named = any(f"`{name}" in m or f"_{name}`" in m for m in said)
    assert named or (code and code != base), f"{key} is accepted and forgotten"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("parameter", TRAIN, ids=lambda p: p.name)
def test_every_key_of_train(parameter: Parameter, backend: str) -> None:
    name, value = parameter.name, value_of(parameter)
    if name == "save_best":
        value = "false"
    if name == "shuffle":
        value = "false"
    given = f"train {{ {name}: {value} }}"
    check(f"train.{name}", name, "", given, backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("parameter", EXECUTION, ids=lambda p: p.name)
def test_every_key_of_execution(parameter: Parameter, backend: str) -> None:
    name, value = parameter.name, value_of(parameter)
    check(name, name, "", f"execution {{ {name}: {value} }}", backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "parameter", STOPPING.specs[0].parameters, ids=lambda p: p.name
)
def test_every_parameter_of_early_stopping(parameter: Parameter, backend: str) -> None:
    name, value = parameter.name, value_of(parameter)
    if name == "mode":
        value = "min"  # exact match: larger is better
    without = "train { early_stopping: EarlyStopping() }"
    given = f"train {{ early_stopping: EarlyStopping({name}={value}) }}"
    if name == "mode":  # said in other words: the mode cannot be `min`
        code, said = outcome(given, backend)
        assert not code and "mode cannot be `min`" in said[0]
        return
    check(f"EarlyStopping.{name}", name, without, given, backend)


OPTIMIZER_CASES = [
    (spec, parameter) for spec in OPTIMIZERS.specs for parameter in spec.parameters
]
SCHEDULE_CASES = [
    (spec, parameter)
    for spec in SCHEDULES.specs
    for parameter in spec.parameters
    if parameter.default is not REQUIRED
]


def case_name(value: object) -> str:
    return str(getattr(value, "name", value))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("spec", "parameter"), OPTIMIZER_CASES, ids=case_name)
def test_every_parameter_of_every_optimizer(spec, parameter, backend: str) -> None:
    if spec.name in BACKENDS[backend].optimizers_lacking:
        assert outcome(f"optimizer: {spec.name}", backend)[0] == ""
        return
    # Nesterov and centring act on a momentum.
    base = "momentum=0.5" if parameter.name == "nesterov" and spec.name == "SGD" else ""
    given = ", ".join(filter(None, (base, f"{parameter.name}={value_of(parameter)}")))
    check(
        f"{spec.name}.{parameter.name}",
        parameter.name,
        f"optimizer: {spec.name}({base})",
        f"optimizer: {spec.name}({given})",
        backend,
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("optimizer", ["", "optimizer: SGD(0.5) "])
@pytest.mark.parametrize(("spec", "parameter"), SCHEDULE_CASES, ids=case_name)
def test_every_parameter_of_every_schedule(
    spec, parameter, optimizer: str, backend: str
) -> None:
    name, needed = parameter.name, required(spec.parameters)
    value = value_of(parameter)
    if name == "min_lr":
        value = "0.0001"
    if name == "warmup_target":
        needed.append("warmup_steps=3")
    if (spec.name, name, value) == ("ReduceLROnPlateau", "mode", '"max"'):
        said = outcome(f"lr_schedule: ReduceLROnPlateau(mode={value})", backend)[1]
        assert "mode cannot be `max`" in said[0]
        return
    before, after = ", ".join(needed), ", ".join([*needed, f"{name}={value}"])
    check(
        f"{spec.name}.{name}",
        name,
        f"{optimizer}lr_schedule: {spec.name}({before})",
        f"{optimizer}lr_schedule: {spec.name}({after})",
        backend,
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("metric", METRICS.specs, ids=lambda m: m.name)
def test_every_metric(metric, backend: str) -> None:
    if metric.name == "exact_match":  # printed whether it is asked for or not
        assert "exact match {exact" in outcome("metrics: [exact_match]", backend)[0]
        return
    given = f"metrics: [{metric.name}]"
    check(f"metrics.{metric.name}", metric.name, "", given, backend)
