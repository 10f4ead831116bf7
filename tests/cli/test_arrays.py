"""The user's own arrays: trained, tested, and refused in words when they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import EXAMPLES

pytestmark = pytest.mark.needs("torch")

N = 40
VECTORS = 'input: (4, 3)\n layers: GlobalAveragePooling1D() Output(3, "softmax")'
IDS = "input: (5,)\n layers: Embedding(10, 4) GlobalAveragePooling1D() Output(3, 'softmax')"
NUMBER = "input: (4, 3)\n layers: GlobalAveragePooling1D() Output(1)"
YES_OR_NO = 'input: (4, 3)\n layers: GlobalAveragePooling1D() Output(1, "sigmoid")'

rng = np.random.default_rng(0)
X, Y, FLOATS = rng.normal(size=(N, 4, 3)), rng.integers(0, 3, N), rng.normal(size=N)
WORDS = rng.integers(0, 10, (N, 5))


def network(body, more="train { steps: 2 batch_size: 8 }"):
    path = Path("model.neural")
    path.write_text(
        f'network N {{\n  task: Arrays("train.npz")\n  {body}\n  {more}\n}}\n'
    )
    return path


@pytest.mark.parametrize(
    ("body", "arrays", "code", "words"),
    [
        (VECTORS, {"x": X[:, :, :2], "y": Y}, "NE164", "shape (4, 2), the network reads (4, 3)"),
        (VECTORS, {"x": X.reshape(N, -1), "y": Y}, "NE164", "declare `input: (12,)`"),
        (VECTORS, {"x": X, "y": Y + 1}, "NE164", "the label 3, the network tells 3 apart"),
        (VECTORS, {"x": X, "y": Y - 1}, "NE164", "hold the label -1"),
        (VECTORS, {"x": X, "y": FLOATS}, "NE164", "float32 values, not labels"),
        (VECTORS, {"x": X, "y": np.eye(3, dtype=int)[Y]}, "NE164", "categorical_crossentropy"),
        (VECTORS, {"x": X, "y": np.eye(3, dtype="f4")[Y]}, "NE164", "`loss: categorical_crossentropy`"),
        (VECTORS, {"x": X[:, 0, 0], "y": Y}, "NE164", "`x.reshape(-1, 1)` goes with"),
        (VECTORS, {"x": np.where(X > 2, np.nan, X), "y": Y}, "NE162", "`x` holds nan at (6, 2, 1)"),
        (NUMBER, {"x": X, "y": FLOATS * np.nan}, "NE162", "`y` holds"),
        (NUMBER, {"x": X, "y": np.stack([FLOATS] * 2, 1)}, "NE164", "network gives (1,)"),
        (YES_OR_NO, {"x": X, "y": Y}, "NE164", "other numbers than 0 and 1"),
        (IDS, {"x": WORDS + 1, "y": Y}, "NE164", "the id 10, the `Embedding` has 10 rows"),
        (IDS, {"x": WORDS - 1, "y": Y}, "NE164", "holds the id -1"),
        (IDS, {"x": WORDS * 1.0, "y": Y}, "NE162", "must hold whole numbers"),
        (IDS, {"x": WORDS[:, :3], "y": Y}, "NE164", "shape (3,), the network reads (5,)"),
        (VECTORS, {"x": X}, "NE075", "it holds `x`"),
        (VECTORS, {"input": X, "y": Y}, "NE162", "has no `x`; it holds `input`, `y`"),
        (VECTORS, {"x": X, "y": Y[:-1]}, "NE162", "`x` 40, `y` 39"),
        (VECTORS, {"x": X, "y": np.array([object()] * N)}, "NE162", "Python objects"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_the_network_are_refused(
    neural, body, arrays, code, words
):
    np.savez("train.npz", **arrays)
    done = neural("train", network(body))
    assert done.code == 1 and code in done.err and words in done.err
    assert not Path("runs/model").exists()


@pytest.mark.needs()
def test_a_single_array_is_told_from_a_file_of_several(neural):
    np.save("train.npz.npy", X)
    Path("train.npz.npy").rename("train.npz")
    done = neural("check", network(VECTORS))
    assert done.code == 1 and "NE075" in done.err
    assert "is a single array (.npy)" in done.err and "numpy.savez(" in done.err
    assert "not written by NumPy" not in done.err


def test_one_example_is_counted_in_the_singular(neural):
    np.savez("train.npz", x=X[:1], y=Y[:1])
    done = neural("train", network(VECTORS))
    assert done.code == 1 and "has 1 different example: too few" in done.err


def separable(n=300):
    """Rows of vectors whose largest mean says the class, and how large that is."""
    x = np.random.default_rng(1).normal(size=(n, 4, 3)).astype(np.float32)
    means = x.mean(axis=1)
    return x, means.argmax(axis=1), means.max(axis=1)


def test_classes_are_learnt_and_tested(neural, backend):
    x, labels, _ = separable()
    np.savez("train.npz", x=x, y=labels)
    more = "optimizer: Adam(learning_rate=0.1)\n train { epochs: 20 batch_size: 32 }"
    path = network(VECTORS, more)
    assert neural("train", path, "--backend", backend).code == 0
    report = json.loads(neural("evaluate", "runs/model", "--format", "json").out)
    assert report["count"] == 30 and report["measures"]["accuracy"] >= 0.9
    assert report["perplexity"] is None and report["measure"] == "accuracy"
    about = json.loads(Path("runs/model/run.json").read_text())
    assert about["step"] == 20 * 8  # 240 examples are left for training
    asked = neural("predict", "runs/model", "--prompt", "1")
    assert asked.code == 1 and "NE160" in asked.err


def test_numbers_are_learnt_and_tested(neural):
    x, _, largest = separable()
    first = x[:, :, 0].mean(axis=1)
    np.savez("train.npz", x=x, y=first, x_test=x[:7], y_test=first[:7])
    more = "optimizer: Adam(learning_rate=0.1)\n train { epochs: 30 batch_size: 32 }"
    assert neural("train", network(NUMBER, more)).code == 0
    out = neural("evaluate", "runs/model").out
    assert "7 problems of the test split" in out and "perplexity" not in out
    report = json.loads(neural("evaluate", "runs/model", "--format", "json").out)
    assert report["measures"]["loss"] < 1e-3 and len(largest) == 300


def data_for(name):
    """Arrays that an example can be trained on, or None."""
    made = np.random.default_rng(0)
    ids = made.integers(1, 256, (30, 9))
    target = made.integers(1, 1200, (30, 10))
    return {
        "basic_transformer": {"x": made.normal(size=(30, 50, 256)), "y": np.arange(30) % 5},
        "causal_decoder": {"x": ids[:, :-1], "y": ids[:, 1:]},
        "encoder_decoder": {
            "source": made.integers(1, 1000, (30, 12)), "target": target, "y": target,
        },
        "macro_blocks": {"x": made.normal(size=(30, 32, 64)), "y": np.arange(30) % 10},
        "text_classification": {
            "x": made.integers(0, 10_000, (30, 200)), "y": np.arange(30) % 3,
        },
    }[name]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "basic_transformer",
        "causal_decoder",
        "encoder_decoder",
        "macro_blocks",
        "text_classification",
    ],
)
def test_the_attention_examples_train_on_arrays(neural, name, backend):
    np.savez("train.npz", **data_for(name))
    task = f'task=Arrays("{Path("train.npz").absolute()}")'
    path = EXAMPLES / "attention_examples" / f"{name}.neural"
    settings = ["--set", task, "--set", "train.steps=1", "--backend", backend]
    done = neural("train", path, *settings)
    assert done.code == 0, done.err
    assert "accuracy" in done.out


def test_changed_arrays_are_noticed(neural):
    np.savez("train.npz", x=X, y=Y)
    path = network(VECTORS)
    assert neural("train", path).code == 0
    np.savez("train.npz", x=X[::-1], y=Y)
    resumed, tested = (
        neural("train", path, "--resume"),
        neural("evaluate", "runs/model"),
    )
    assert "NE157" in resumed.err and "train.npz" in resumed.err
    assert "NE162" in tested.err and "train.npz" in tested.err


LOOKING = "TransformerEncoder(num_heads=2, ff_dim=8) GlobalAveragePooling1D()"
DRAWN = {
    "floats": (
        f"input: (4, 3)\n layers: Dense(4) {LOOKING} Output(1)",
        {"x": X, "y": FLOATS},
    ),
    "ids": (
        f"input: (5,)\n layers: Embedding(10, 4) {LOOKING} Output(3, 'softmax')",
        {"x": WORDS, "y": Y},
    ),
    "two": (
        """input: {source: (5,), target: (3,)}
  layers:
    source: { Embedding(10, 8) }
    target: { Embedding(12, 8) }
    TransformerDecoder(num_heads=2, ff_dim=8)
    Output(12, "softmax")""",
        {"source": WORDS, "target": WORDS[:, :3], "y": WORDS[:, 2:]},
    ),
}


def layers_of(folder):
    with np.load(Path(folder) / "attention.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("kind", DRAWN)
def test_the_first_test_example_of_a_run_is_drawn(neural, kind):
    """Just as the file with the run's weights draws that very example."""
    body, arrays = DRAWN[kind]
    held = {f"{name}_test": array[20:] for name, array in arrays.items()}
    np.savez("train.npz", **{k: v[:20] for k, v in arrays.items()}, **held)
    assert neural("train", network(body)).code == 0
    done = neural("visualize", "runs/model", "--attention")
    assert done.code == 0, done.err
    assert done.out.startswith("first test example\n")
    assert done.err.rstrip().endswith("input: first test example")
    names = {path.name for path in Path("attention_outputs").iterdir()}
    assert {"attention_heatmap.png", "attention_interactive.html"} <= names

    inputs = {
        "input" if name == "x" else name: array[20:21]
        for name, array in arrays.items()
        if name != "y"
    }
    np.savez("first.npz", **inputs)
    file = ["visualize", "model.neural", "--attention"]
    file += ["--weights", "runs/model/last.safetensors"]
    for drawn, folder in ((file, "file"), (["visualize", "runs/model"], "run")):
        options = ("--attention", "--output-dir", folder, "--data")
        assert neural(*drawn, *options, "first.npz").code == 0
        found, wanted = layers_of("attention_outputs"), layers_of(folder)
        assert found.keys() == wanted.keys() and found
        for name, array in found.items():
            np.testing.assert_allclose(array, wanted[name], atol=1e-6)
            assert array.shape[0] == 1

        # The file of the training can be given as it is: its inputs, no targets.
        done = neural(*drawn, *options, "train.npz")
        assert done.code == 0 and done.err.rstrip().endswith("input: train.npz")
        many = layers_of(folder)
        assert {array.shape[0] for array in many.values()} == {20}
        assert any(np.abs(many[k][:1] - wanted[k]).max() > 1e-6 for k in wanted)


def test_a_run_of_arrays_says_how_other_examples_are_drawn(neural):
    body, arrays = DRAWN["floats"]
    np.savez("train.npz", **arrays)
    assert neural("train", network(body)).code == 0
    asked = ("visualize", "runs/model", "--attention")
    for option, code in (("--prompt", "NE172"), ("--text", "NE173")):
        done = neural(*asked, option, "abc")
        assert done.code == 1 and code in done.err
        assert f"without `{option}` its first test example is drawn" in done.err
    done = neural(*asked, "--prompt", "abc")
    assert "`neural visualize runs/model --attention --data X.npy`" in done.err
    done = neural(*asked, "--prompt", "abc", "--data", "train.npz")
    assert done.code == 2 and "--data, or --prompt" in done.err
    np.savez("bad.npz", x=X[:, :, :2], y=FLOATS)
    done = neural(*asked, "--data", "bad.npz", "--output-dir", "none")
    assert done.code == 1 and "NE122" in done.err and not Path("none").exists()
