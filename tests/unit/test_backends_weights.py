"""Weights on disk and whether they fit a network. No framework."""

import json
import os
import stat

import numpy as np
import pytest

from neural_dsl.backends import canonical, weights_file
from neural_dsl.diagnostics import NeuralError
from tests.handwritten import translator_network

ARRAYS = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.array([1.5, -2.0], dtype=np.float32),
}


def refused(code: str):
    return pytest.raises(NeuralError, match=f"^{code}: ")


def fitting():
    rng = np.random.default_rng(0)
    shapes = canonical.expected(translator_network())
    return {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}


def problems(arrays, origin=""):
    with refused("NE104") as caught:
        canonical.validated(translator_network(), arrays, origin)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


# --- files --------------------------------------------------------------------------


def test_a_saved_file_is_loaded_bit_by_bit(tmp_path):
    path = tmp_path / "w.safetensors"
    weights_file.save(path, ARRAYS, {"model": "M"})
    loaded = weights_file.load(path)
    assert loaded.metadata == {"model": "M"}
    assert set(loaded.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_transposed_arrays_are_stored_by_value(tmp_path):
    weights_file.save(tmp_path / "w", {"a": ARRAYS["b.weight"].T})
    loaded = weights_file.load(tmp_path / "w").arrays["a"]
    np.testing.assert_array_equal(loaded, ARRAYS["b.weight"].T)


def test_saving_twice_gives_the_same_bytes_and_an_ordinary_file(tmp_path):
    for name in ("one", "two"):
        weights_file.save(tmp_path / name, ARRAYS, dict.fromkeys("abcdefgh", "0"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    (tmp_path / "plain").write_text("")
    modes = {stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("one", "plain")}
    assert len(modes) == 1


def test_bfloat16_is_read_exactly(tmp_path):
    values = np.array([1.0, -2.5, 3.140625, 65536.0], dtype=np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2")
    entry = {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}
    header = json.dumps({"a": entry}).encode()
    length = len(header).to_bytes(8, "little")
    (tmp_path / "w").write_bytes(length + header + halves.tobytes())
    loaded = weights_file.load(tmp_path / "w").arrays["a"]
    np.testing.assert_array_equal(loaded, values.reshape(2, 2))


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with refused("NE105"):
        weights_file.save(tmp_path / "none" / "w.safetensors", ARRAYS)


def test_a_name_with_a_nul_is_refused(tmp_path):
    with refused("NE105") as caught:
        weights_file.save(tmp_path / "a\0b", ARRAYS)
    assert "it holds a NUL" in str(caught.value)
    with refused("NE103"):
        weights_file.load(tmp_path / "a\0b")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused("NE105") as caught:
        weights_file.save(path, ARRAYS)
    assert "No space left on device" in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x80\x04\x95\x20\x00\x00\x00\x00\x00\x00", "pickle, which is never opened"),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "zip archive"),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "HDF5"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "NumPy array"),
        (b"garbage" * 10, ""),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{not json here}}", ""),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_kind(tmp_path, content, reason):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with refused("NE103") as caught:
        weights_file.load(path)
    assert reason in str(caught.value)
    assert "w.safetensors" in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    weights_file.save(path, ARRAYS)
    whole = path.read_bytes()
    for length in (4, 20, len(whole) - 3):
        path.write_bytes(whole[:length])
        with refused("NE103"):
            weights_file.load(path)


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with refused("NE103"):
            weights_file.load(path)


# --- fitting ------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_and_a_device_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with refused("NE103") as caught:
            weights_file.load(path)
        assert "no regular file" in str(caught.value)


def test_weights_that_fit_come_back_in_model_order():
    given = fitting()
    result = canonical.validated(
        translator_network(), dict(reversed(list(given.items())))
    )
    assert list(result) == list(given)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_floating_point_types_become_float32(dtype):
    given = fitting()
    changed = {name: array.astype(dtype) for name, array in given.items()}
    for name, array in canonical.validated(translator_network(), changed).items():
        assert array.dtype == np.dtype("float32")
        np.testing.assert_allclose(array, given[name], rtol=1e-3, atol=1e-3)


def test_every_problem_is_named_at_once():
    given = fitting()
    given["output.wieght"] = given.pop("output.weight")
    given["output.bias"] = given["output.bias"][:3]
    given["conv1d.bias"] = given["conv1d.bias"].astype(np.int32)
    given["embedding_0.weight"][2, 3] = np.nan
    del given["conv1d.weight"]
    message = problems(given, "w.safetensors").message
    assert "in w.safetensors do not fit `Translator`" in message
    assert "`output.wieght` is unknown (meant `output.weight`, which" in message
    assert "`output.bias` has the shape (3,), not (5,)" in message
    assert "`conv1d.bias` holds int32" in message
    assert "`embedding_0.weight` contains NaN" in message
    assert "`conv1d.weight` is missing" in message


def test_a_transposed_weight_is_refused():
    given = fitting()
    given["output.weight"] = given["output.weight"].T
    assert "(6, 5), not (5, 6)" in problems(given).message


def test_numbers_beyond_float32_are_refused():
    given = fitting()
    given["output.bias"] = np.full(5, 1e300)
    assert "too large" in problems(given).message


def test_weights_of_another_model_are_told_by_layer_in_a_short_message():
    given = {f"gpt_{i}.{part}": np.zeros(2) for i in range(50) for part in "abc"}
    diagnostic = problems(given | {"output.bias": np.zeros(5)})
    assert "the layer `embedding_0` has no weights there" in diagnostic.message
    assert "more" in diagnostic.message
    assert len(diagnostic.message) < 600
    assert "another model" in problems(given).help
    assert "changed" in diagnostic.help


def test_a_renamed_layer_is_two_problems_not_one_for_each_weight():
    given = fitting()
    for part in ("weight", "bias"):
        given[f"head.{part}"] = given.pop(f"output.{part}")
    message = problems(given).message
    assert message.endswith(
        "the layer `output` has no weights there; the model has no layer `head`"
    )
