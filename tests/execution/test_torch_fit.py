"""`fit` of a PyTorch file without a task: each setting acts, held against NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.optimizers import OPTIMIZERS
from tests.fitting import (
    BATCH,
    CLASSES,
    HEAD,
    agrees,
    begun,
    compiled,
    data,
    expected,
    rates_of,
    smoothed,
)

pytestmark = pytest.mark.needs("torch")

torch = pytest.importorskip("torch")


def batches(y=None, batch=BATCH):
    x, line = (torch.from_numpy(array) for array in data())
    y = line if y is None else torch.from_numpy(y)
    return list(zip(x.split(batch), y.split(batch), strict=True))


def fitted(settings, y=None, layers="Output(1)"):
    """The runtime, its first weights, and the loss of each batch."""
    runtime, start = begun(settings, "pytorch", layers)
    losses = list(runtime.module.fit(runtime.model, batches(y)))
    return runtime, start, losses


def test_epochs_and_their_batches():
    runtime, start, losses = fitted("optimizer: SGD(0.05) train { epochs: 3 }")
    agrees(runtime, expected(start, [0.05] * 15))
    assert len(losses) == 15, "one of each batch"
    assert sum(losses[10:]) < sum(losses[5:10]) < sum(losses[:5]), "it learns"


def test_a_step_is_taken_before_its_loss_is_told():
    runtime, start = begun("optimizer: SGD(0.05)", "pytorch")
    for _ in runtime.module.fit(runtime.model, batches()):
        break
    agrees(runtime, expected(start, [0.05]))


def test_a_schedule_acts_on_every_step_with_momentum_and_clipping():
    settings = (
        "optimizer: SGD(0.05, momentum=0.9) lr_schedule: WarmupCosine(warmup_steps=2)"
        " train { epochs: 2 gradient_clip: 1.0 }"
    )
    runtime, start, _ = fitted(settings)
    rates = rates_of(runtime, 10, 10)
    assert len(set(rates)) > 5
    wanted = expected(start, rates, momentum=0.9, clip=1.0)
    agrees(runtime, wanted)
    unclipped = expected(start, rates, momentum=0.9)
    assert np.abs(unclipped - wanted).max() > 1e-3, "the clip acts"


def test_steps_end_in_the_middle_of_an_epoch_and_take_several_batches():
    runtime, start, losses = fitted(
        "optimizer: SGD(0.05) lr_schedule: ExponentialDecay(0.05, 2, 0.5)"
        " train { steps: 4 gradient_accumulation_steps: 2 }"
    )
    assert len(losses) == 8
    agrees(runtime, expected(start, rates_of(runtime, 4), parts=2))


def test_epochs_of_several_batches_a_step():
    runtime, start, losses = fitted(
        "optimizer: SGD(0.05) lr_schedule: WarmupCosine(warmup_steps=2)"
        " train { epochs: 2 gradient_accumulation_steps: 2 }"
    )
    assert len(losses) == 10
    agrees(runtime, expected(start, rates_of(runtime, 5, 5), parts=2))


@pytest.mark.parametrize(
    ("named", "make"),
    [
        ("Adam(0.01)", lambda p: torch.optim.Adam(p, 0.01, eps=1e-7)),
        (
            "RMSprop(0.01, centered=true)",
            lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-7, centered=True),
        ),
        ("Adagrad(0.1)", lambda p: torch.optim.Adagrad(p, 0.1, 0, 0, 0.1, 1e-7)),
    ],
)
def test_the_optimizer_is_the_one_that_the_file_names(named, make):
    runtime, start, _ = fitted(f"optimizer: {named} train {{ epochs: 4 }}")
    line = torch.nn.Linear(3, 1)
    line.load_state_dict(
        {k.removeprefix("output."): torch.from_numpy(v) for k, v in start.items()}
    )
    optimizer = make(line.parameters())
    for x, y in batches() * 4:
        optimizer.zero_grad()
        ((line(x) - y) ** 2).mean().backward()
        optimizer.step()
    agrees(runtime, np.append(line.weight.detach()[0], line.bias.detach()))


@pytest.mark.parametrize(
    "name",
    [
        spec.name
        for spec in OPTIMIZERS.specs
        if spec.name not in BACKENDS["pytorch"].optimizers_lacking
    ],
)
def test_every_optimizer_follows_a_schedule_down_the_loss(name):
    rate = 30.0 if name == "Adadelta" else 0.03  # its own steps begin tiny
    _, _, losses = fitted(
        f"optimizer: {name}({rate}) lr_schedule: WarmupCosine(warmup_steps=2)"
        " train { epochs: 8 gradient_accumulation_steps: 2 gradient_clip: 5.0 }",
        layers='Dense(8, "tanh") Output(1)',
    )
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_label_smoothing_and_the_seed():
    for share in (0.0, 0.4):
        runtime, _, losses = fitted(
            f"optimizer: SGD(1e-9) train {{ epochs: 1 label_smoothing: {share} }}",
            CLASSES,
            HEAD,
        )
        wanted, _ = smoothed(runtime, share)
        assert losses == pytest.approx(wanted.reshape(-1, BATCH).mean(1), rel=1e-4)
    dropping = f"Dense(16) Dropout(0.5) {HEAD}"
    first, again, other = (
        fitted(f"optimizer: SGD(0.1) train {{ seed: {seed} }}", CLASSES, dropping)[2]
        for seed in (3, 3, 4)
    )
    assert first == again != other


ATTENTION = """network Deep {
  input: (6,)
  layers:
    Embedding(12, 16)
    PositionalEncoding(encoding_type="learned")
    TransformerEncoder(num_heads=2, ff_dim=32) * 2
    NORM
    GlobalAveragePooling1D()
    Output(3, "softmax")
  optimizer: AdamW(0.003)
  train { epochs: 15 }
}
"""


@pytest.mark.parametrize("norm", ["LayerNormalization()", "BatchNormalization()"])
def test_what_was_fitted_is_saved_loaded_and_drawn(tmp_path, norm):
    """By the framework's own means: `state_dict` and `--weights`."""
    from safetensors.torch import save_file

    from neural_dsl.cli.program import run

    file, weights = tmp_path / "deep.neural", tmp_path / "deep.safetensors"
    file.write_text(ATTENTION.replace("NORM", norm))
    live = nd.load(file, "pytorch", seed=1)
    model, module = live.runtime.model, live.runtime.module
    labels = torch.arange(64) % 3
    ids = np.random.default_rng(0).integers(0, 4, (64, 6)) + 4 * labels.numpy()[:, None]
    given = list(zip(torch.from_numpy(ids).split(16), labels.split(16), strict=True))
    losses = list(module.fit(model, given))
    assert np.mean(losses[-4:]) < 0.5 * np.mean(losses[:4])
    model.eval()
    state = model.state_dict()
    counted = [name for name in state if name.endswith("num_batches_tracked")]
    assert len(counted) == ("Batch" in norm)
    save_file(state, weights)

    read = nd.load(file, "pytorch", weights=weights, seed=2)
    np.testing.assert_allclose(read.run(ids), live.run(ids), atol=1e-6)
    right = (live.run(ids).argmax(-1) == labels.numpy()).mean()
    assert right > 0.9

    np.save(tmp_path / "ids.npy", ids[:1])
    drawn = tmp_path / "pictures"
    asked = ["visualize", file, "--attention", "--backend", "pytorch"]
    asked += ["--weights", weights, "--data", tmp_path / "ids.npy"]
    assert run([*map(str, asked), "--output-dir", str(drawn)]) == 0
    with np.load(drawn / "attention.npz") as archive:
        found = dict(archive)
    record = nd.capture(live, ids[:1])
    assert len(record.layers) == 2
    for layer in record.layers:
        np.testing.assert_allclose(found[layer.name], layer.weights, atol=1e-6)
    untrained = nd.capture(nd.load(file, "pytorch", seed=1), ids[:1])
    pairs = zip(record.layers, untrained.layers, strict=True)
    moved = max(np.abs(one.weights - other.weights).max() for one, other in pairs)
    assert moved > 0.01, "training moved what is drawn"


def test_a_file_that_says_nothing_of_training_has_no_fit():
    assert "fit" not in compiled("", "pytorch").code


def test_accuracy_is_told_beside_the_loss_of_each_batch():
    settings = "metrics: [accuracy] optimizer: SGD(1e-9)"
    runtime, _, told = fitted(settings, CLASSES, HEAD)
    logits = runtime.run({"input": data()[0]})
    right = (logits.argmax(-1) == CLASSES).reshape(-1, BATCH).mean(axis=1)
    assert [accuracy for _, accuracy in told] == pytest.approx(right.tolist())
    _, _, alone = fitted("optimizer: SGD(1e-9)", CLASSES, HEAD)
    assert [loss for loss, _ in told] == pytest.approx(alone)


def test_accuracy_of_yes_and_no():
    yes = (data()[1] > 0).astype(np.float32)
    head = 'Output(1, activation="sigmoid")'
    runtime, _, told = fitted("metrics: [accuracy] optimizer: SGD(1e-9)", yes, head)
    shown = runtime.run({"input": data()[0]})
    right = ((shown > 0) == yes).reshape(-1, BATCH).mean(axis=1)
    assert [accuracy for _, accuracy in told] == pytest.approx(right.tolist())


def test_batches_that_are_used_up_end_the_training():
    runtime, _ = begun("optimizer: SGD(0.05) train { steps: 7 }", "pytorch")
    once = iter(batches()[:3])  # a second pass over it finds nothing
    assert len(list(runtime.module.fit(runtime.model, once))) == 3
