"""`neural run`: outputs, where they go, and what they mean."""

import json

import numpy as np
import pytest

from tests.cli.conftest import IDS, PLAIN, SMALL, TWO

pytestmark = pytest.mark.needs("torch")


def test_probabilities_are_printed_one_example_a_line(neural, file, backend):
    np.save("x.npy", np.random.default_rng(0).standard_normal((3, 4, 8)))
    result = neural("run", file(SMALL), "--data", "x.npy", "--backend", backend)
    assert result.code == 0
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert len(rows) == 3 and all(len(row) == 3 for row in rows)
    np.testing.assert_allclose(np.sum(rows, axis=1), 1, atol=1e-6)
    assert "after softmax" in result.err and "x.npy" in result.err


def test_without_an_activation_logits_are_shown(neural, file):
    result = neural("run", file(PLAIN.replace(', "softmax"', "")))
    assert result.code == 0 and "output logits" in result.err


@pytest.mark.parametrize("text", [SMALL, IDS, TWO, PLAIN])
def test_the_saved_array_is_what_would_be_printed(neural, file, text, tmp_path):
    source = file(text)
    printed = neural("run", source, "--seed", "3")
    saved = neural("run", source, "--seed", "3", "-o", "outputs.npy")
    assert printed.code == saved.code == 0 and saved.out == ""
    array = np.load(tmp_path / "outputs.npy", allow_pickle=False)
    assert array.dtype == np.float32
    shown = np.array(
        [json.loads(line) for line in printed.out.splitlines()], np.float32
    )
    np.testing.assert_array_equal(array, shown)


def test_both_backends_compute_the_same(neural, file, both_backends):
    source, found = file(IDS), []
    np.save("x.npy", np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 9]]))
    assert neural("visualize", source, "--attention", "--save-weights", "w").code == 0
    for name in both_backends:
        result = neural(
            *("run", source, "--data", "x.npy", "--weights", "w", "--backend", name)
        )
        assert result.code == 0
        found.append([json.loads(line) for line in result.out.splitlines()])
    np.testing.assert_allclose(*found, atol=1e-5)


@pytest.mark.needs()
def test_inputs_and_outputs_are_never_mixed_up(neural, file, tmp_path):
    source = file(SMALL)
    np.save("x.npy", np.ones((1, 4, 8)))
    before = (tmp_path / "x.npy").read_bytes()
    result = neural("run", source, "--data", "x.npy", "-o", "x.npy")
    assert result.code == 1 and "NE136" in result.err
    assert (tmp_path / "x.npy").read_bytes() == before


def test_an_output_that_overflows_is_said_and_still_json(neural, file):
    np.save("x.npy", np.full((1, 4, 8), 3e38, np.float32))
    result = neural("run", file(SMALL), "--data", "x.npy")
    assert result.code == 0 and "warning[NW138]" in result.err
    assert None in json.loads(result.out, parse_constant=pytest.fail)


def test_a_capture_that_overflows_says_where_to_look(neural, file):
    np.save("x.npy", np.full((1, 4, 8), 3e38, np.float32))
    result = neural("visualize", file(SMALL), "--attention", "--data", "x.npy")
    assert result.code == 1 and "NE107" in result.err and "overflow" in result.err


@pytest.mark.needs()
@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.ones((4, 8)), "NE122"),
        (np.ones((1, 4, 8), complex), "NE123"),
        (np.full((1, 4, 8), np.nan), "NE124"),
    ],
)
def test_bad_data_is_refused_in_words(neural, file, array, code):
    np.save("x.npy", array)
    result = neural("run", file(SMALL), "--data", "x.npy")
    assert result.code == 1 and result.out == "" and f"error[{code}]" in result.err
