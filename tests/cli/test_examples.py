"""The examples: each does what its README says, on both backends."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

import neural_dsl as nd
from tests.cli.conftest import EXAMPLES

FILES = sorted(EXAMPLES.rglob("*.neural"))
# Files with a task train for minutes when they are run; their own tests shorten that.
AT_ONCE = [path for path in FILES if path.parent.name.endswith("attention_examples")]
AT_ONCE += [path for path in FILES if path.parent.name == "known_attention"]
KNOWN = EXAMPLES / "known_attention"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_has_nothing_to_complain_about(neural, path):
    result = neural("check", "--format", "json", path)
    assert (result.code, json.loads(result.out)) == (0, [])


@pytest.mark.slow
def test_the_examples_compile_to_files_that_run_alone(neural, backend, tmp_path):
    """In a process that cannot import neural_dsl; one for all, to import once."""
    for path in AT_ONCE:
        target = f"{path.stem}_alone.py"
        assert neural("compile", path, "--backend", backend, "-o", target).code == 0
    code = (
        "import pathlib, runpy, sys\n"
        "sys.modules['neural_dsl'] = None\n"
        "for path in sorted(pathlib.Path().glob('*_alone.py')):\n"
        "    print('--', path)\n"
        "    runpy.run_path(str(path), run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("-- ") == len(AT_ONCE)
    assert done.stdout.lower().count("probabilities") >= len(AT_ONCE)


@pytest.fixture(scope="module")
def make_weights():
    spec = importlib.util.spec_from_file_location(
        "make_weights", KNOWN / "make_weights.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture
def known(make_weights, backend, tmp_path):
    """The model with known attention, and its sentence as ids."""
    from safetensors.numpy import save_file

    save_file(make_weights.weights(), tmp_path / "w.safetensors")
    words = make_weights.WORDS
    ids = np.array([[words.index(word) for word in make_weights.SENTENCE]])
    model = nd.load(KNOWN / "known_attention.neural", backend, weights="w.safetensors")
    return model, ids


def softmax_over_the_past(scores):
    length = len(scores)
    powers = np.where(np.tri(length, dtype=bool), np.exp(scores), 0)
    return powers / powers.sum(axis=1, keepdims=True)


def test_every_head_of_the_known_model_does_what_its_readme_says(known, make_weights):
    model, ids = known
    record = nd.capture(model, ids, tokens=make_weights.SENTENCE)
    heads = {layer.name: layer.weights[0] for layer in record.layers}
    sentence, length = make_weights.SENTENCE, len(make_weights.SENTENCE)
    here = np.arange(length)
    same = np.array([[a == b for b in sentence] for a in sentence])
    followed = np.zeros((length, length))
    for query, word in enumerate(sentence):
        places = [j for j in range(1, query + 1) if sentence[j - 1] == word]
        followed[query, places or [0]] = 1 / max(1, len(places))
    expected = [
        np.eye(length),
        np.eye(length)[np.maximum(here - 1, 0)],
        np.eye(length)[np.zeros(length, int)],
        softmax_over_the_past(np.zeros((length, length))),
        softmax_over_the_past(np.where(same, 0.0, -np.inf)),
        softmax_over_the_past(-0.7 * np.abs(here[:, None] - here)),
    ]
    np.testing.assert_allclose(heads["six_patterns"], expected, atol=1e-6)
    np.testing.assert_allclose(heads["induction"], [followed], atol=1e-6)


def test_the_known_model_completes_its_sentence(known, make_weights):
    model, ids = known
    last = model.run(ids)[0, -1]
    assert make_weights.WORDS[int(last.argmax())] == "sat"
    assert last.max() > 0.999


@pytest.mark.needs("torch")
def test_sample_data_fits_the_examples(neural, tmp_path):
    script = EXAMPLES / "attention_examples" / "generate_sample_data.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    for name, data in {
        "basic_transformer": "transformer_input.npy",
        "multi_layer_transformer": "multi_layer_input.npy",
        "text_classification": "input_tokens.npy",
        "encoder_decoder": "translation.npz",
    }.items():
        path = EXAMPLES / "attention_examples" / f"{name}.neural"
        result = neural("run", path, "--data", data)
        assert result.code == 0, result.err
