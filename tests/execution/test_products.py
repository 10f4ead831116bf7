"""The convolution that stands in for nn.Linear where it is faster: same sums, same names.

The package puts it there, around the emitted training.
"""

from copy import deepcopy
from pathlib import Path

import pytest

import neural_dsl as nd
from neural_dsl.backends.training import start_training
from neural_dsl.source import Source

torch = pytest.importorskip("torch")
from neural_dsl.backends.pytorch.training import (  # noqa: E402
    ConvolvedLinear,
    convolve,
)

pytestmark = pytest.mark.needs("torch")

FAST = {"cpu_name": "AMD EPYC", "avx512_f": True}
SLOW = [
    {"cpu_name": "Intel Xeon", "avx512_f": True},
    {"cpu_name": "AMD EPYC", "avx512_f": False},
    {"cpu_name": "Neoverse", "architecture": "aarch64"},
    {},
]
TEXT = """
network Tiny {
  task: Copy(length=4, vocabulary=8, train_size=100, validation_size=20, test_size=20)
  layers:
    Embedding(output_dim=8)
    TransformerDecoder(num_heads=2, ff_dim=16)
    Output(activation="softmax")
  train { steps: 2 batch_size: 128 }
}
"""


@pytest.fixture
def live():
    """A training whose processor is not yet known."""
    compiled = nd.compile(Source("tiny.neural", TEXT), "pytorch")
    return start_training(compiled, 0, "cpu", "")


def classes(model):
    """The classes of the layers that multiply."""
    return {type(m) for m in model.modules() if isinstance(m, torch.nn.Linear)}


def fresh(live, monkeypatch, known):
    """A model as `neural train` trains it where the processor is a certain one."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    model = live.module.Tiny()
    assert convolve(model) == (known == FAST)
    return model


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "shape",
    [(128, 9), (9, 128), (1, 1024), (1024, 1), (2, 8), (4, 16, 32), (2000,), (0, 4)],
    ids=str,
)
def test_outputs_and_gradients_are_those_of_a_linear_layer(live, shape, bias):
    layer = torch.nn.Linear(12, 20, bias)
    other = deepcopy(layer)
    other.__class__ = ConvolvedLinear
    # Every second feature of a wider array: not contiguous, as what follows a split is.
    x = torch.randn(*shape, 24)[..., ::2].requires_grad_()
    gradient = torch.randn(*shape, 20)
    found = []
    for each in (layer, other):
        y = each(x)
        assert y.shape == (*shape, 20)
        found.append((y, *torch.autograd.grad(y, (x, *each.parameters()), gradient)))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_amd_processors_with_avx512_convolve_under_the_same_names(live, monkeypatch):
    before = live.module.Tiny()
    model = fresh(live, monkeypatch, FAST)
    assert classes(before) == {torch.nn.Linear}
    assert classes(model) == {ConvolvedLinear}
    assert list(model.state_dict()) == list(before.state_dict())
    assert classes(deepcopy(model)) == {ConvolvedLinear}


@pytest.mark.parametrize("known", SLOW, ids=str)
def test_other_processors_multiply(live, monkeypatch, known):
    assert classes(fresh(live, monkeypatch, known)) == {torch.nn.Linear}


def test_a_pytorch_that_does_not_tell_multiplies(live, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    model = live.module.Tiny()
    assert not convolve(model)
    assert classes(model) == {torch.nn.Linear}


def test_large_batches_of_the_training_do_convolve(live, monkeypatch):
    model = fresh(live, monkeypatch, FAST)
    seen = []
    conv2d = torch.nn.functional.conv2d
    monkeypatch.setattr(
        torch.nn.functional,
        "conv2d",
        lambda x, *more: seen.append(1) or conv2d(x, *more),
    )
    x = live.module.batch(0, 0)[0][:20]
    model(torch.from_numpy(x))
    assert not seen
    model(torch.from_numpy(x).repeat(8, 1))
    assert len(seen) == len(
        [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    )


def test_neural_train_convolves_and_says_so(monkeypatch):
    for known, says in ((FAST, "oneDNN"), ({}, "")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known)
        compiled = nd.compile(Source("tiny.neural", TEXT), "pytorch")
        training = start_training(compiled, 0, "cpu", "")
        assert bool(says) == bool(training.speed_up) and says in training.speed_up
        convolved = classes(training.runtime.model) == {ConvolvedLinear}
        assert convolved == bool(says)
        assert "Convolved" not in compiled.code


def test_a_network_may_bear_the_name_of_what_trains_it(tmp_path: Path):
    for name in ("Training", "Step"):
        text = TEXT.replace("Tiny", name)
        code = nd.compile(Source("tiny.neural", text), "pytorch").code
        assert code.count(f"class {name}(") + code.count(f"class {name}:") == 1
