"""Input preparation: arrays, tokens, lengths and random input."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from neural_dsl.diagnostics import NeuralError
from neural_dsl.graph.dump import dump
from neural_dsl.inputs import prepare, stored
from neural_dsl.inputs.lengths import with_lengths
from neural_dsl.inputs.tokens import from_options, split
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source
from tests.cli.conftest import EXAMPLES, IDS, SMALL, TWO


def network(text):
    return resolve(parse(Source("model.neural", text)))[0]


def refused(code, call, *arguments, **options):
    """The one diagnostic of a refusal."""
    with pytest.raises(NeuralError) as caught:
        call(*arguments, **options)
    (found,) = caught.value.diagnostics
    assert found.code == code, found
    return found


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


# --- arrays -------------------------------------------------------------------------


def test_a_good_array_is_taken_as_it_is():
    array = floats(3, 4, 8)
    prepared = prepare(network(SMALL), array)
    assert prepared.batch_size == 3 and prepared.origin == "an array"
    np.testing.assert_array_equal(prepared.arrays["input"], array)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8])
def test_numbers_become_float32(dtype):
    prepared = prepare(network(SMALL), np.ones((1, 4, 8), dtype))
    assert prepared.arrays["input"].dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_ids_become_int64(dtype):
    prepared = prepare(network(IDS), np.ones((1, 6), dtype))
    assert prepared.arrays["input"].dtype == np.int64


@pytest.mark.parametrize(
    ("array", "code", "said"),
    [
        (floats(4, 8), "NE122", "x[numpy.newaxis]"),
        (floats(1, 4, 8, 1), "NE122", "(batch, 4, 8)"),
        (floats(1, 4, 9), "NE122", "9 where the network declares 8"),
        (floats(0, 4, 8), "NE122", "empty"),
        (np.array(3.0), "NE122", "()"),
        (floats(1, 4, 8).astype(complex), "NE123", "complex"),
        (np.full((1, 4, 8), "a"), "NE123", "<U1"),
        (np.ones((1, 4, 8), bool), "NE123", "bool"),
        (np.full((1, 4, 8), None), "NE123", "object"),
        (
            np.where(np.arange(32).reshape(1, 4, 8) == 9, np.nan, 0),
            "NE124",
            "(0, 1, 1)",
        ),
        (np.full((1, 4, 8), -np.inf), "NE124", "-inf"),
        (np.full((1, 4, 8), 1e300), "NE124", "too large for float32"),
    ],
)
def test_an_array_that_does_not_fit_has_its_own_message(array, code, said):
    found = refused(code, prepare, network(SMALL), array)
    assert said in found.message + found.help


@pytest.mark.parametrize(
    ("array", "code", "said"),
    [
        (np.ones((1, 6)), "NE123", "whole numbers"),
        (np.array([[1, 2, 3, 4, 5, 10]]), "NE125", "id 10 (at (0, 5))"),
        (np.array([[1, 2, -1, 4, 5, 6]]), "NE125", "0 to 9"),
        (np.array([[2**64 - 1] * 6], np.uint64), "NE125", str(2**64 - 1)),
    ],
)
def test_ids_must_be_whole_and_inside_the_vocabulary(array, code, said):
    found = refused(code, prepare, network(IDS), array)
    assert said in found.message + found.help


def test_several_inputs_need_their_names_and_one_batch_size():
    model = network(TWO)
    source, target = np.ones((2, 5), int), np.ones((2, 3), int)
    good = prepare(model, {"target": target, "source": source})
    assert list(good.arrays) == ["source", "target"]
    assert "one array" in refused("NE126", prepare, model, source).message
    found = refused("NE126", prepare, model, {"source": source, "traget": target})
    assert "`target`" in found.message and "`traget`" in found.message
    found = refused("NE127", prepare, model, {"source": source, "target": target[:1]})
    assert "`source` has 2" in found.message


def test_of_several_mistakes_the_first_on_the_way_is_told(tmp_path):
    """Everything is read, then checked, then labelled."""
    beyond, flat = np.full((2, 5), 10**6), np.ones((2, 3, 1), int)
    (tmp_path / "x.npz").write_bytes(npz(source=beyond, target=flat))
    found = refused("NE122", prepare, network(TWO), tmp_path / "x.npz")
    assert "`target` in x.npz" in found.message
    found = refused("NE122", prepare, network(SMALL), {"input": [[1.0], [1.0, 2.0]]})
    assert found.message.startswith("`input` in an array has no one shape")
    whole = network("network Whole { input: (4,) layers: Output(2) }")
    refused("NE122", prepare, whole, floats(1, 5), "a,b,c,d")
    refused("NE129", prepare, whole, floats(1, 4), "a,b,c,d")


# --- files --------------------------------------------------------------------------


class Exploit:
    """Creates a file when it is unpickled."""

    def __reduce__(self):
        return (open, ("exploited", "w"))


def pickled_npy():
    buffer = io.BytesIO()
    np.save(buffer, np.array([Exploit()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def pickled_npz():
    buffer = io.BytesIO()
    np.savez(buffer, input=np.array([Exploit()], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [pickled_npy(), pickled_npz(), pickle.dumps(Exploit()), pickle.dumps([1])],
)
def test_nothing_is_ever_unpickled(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    refused("NE121", prepare, network(SMALL), path)
    assert not (tmp_path / "exploited").exists()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def broken_zip():
    content = bytearray(npz(input=floats(1, 4, 8)))
    content[100:140] = b"\0" * 40
    return bytes(content)


def zip_without_arrays():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("input", "hello")
    return buffer.getvalue()


HUGE_HEADER = npy(floats(1, 4, 8)).replace(b"(1, 4, 8)", b"(9999999999999, 4, 8)")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        npy(floats(1, 4, 8))[:-1],
        npy(floats(1, 4, 8))[:20],
        npy(floats(1, 4, 8)).replace(b"'descr'", b"'dexcr'"),
        HUGE_HEADER,
        npz(input=floats(1, 4, 8))[:-30],
        broken_zip(),
        b"PK\x03\x04",
    ],
)
def test_a_damaged_file_is_refused_in_words(content, tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    refused("NE120", prepare, network(SMALL), path)


def test_a_file_that_was_cut_off_is_called_so(tmp_path):
    path = tmp_path / "x.npy"
    whole = npy(floats(1, 4, 8))
    path.write_bytes(whole[:-100])
    found = refused("NE120", prepare, network(SMALL), path)
    assert (
        f"is cut off: it has {len(whole) - 100} of {len(whole)} bytes" in found.message
    )
    path.write_bytes(whole + b"more")  # what follows the array is not read
    assert prepare(network(SMALL), path).batch_size == 1


def test_a_zip_of_something_else_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(zip_without_arrays())
    with pytest.raises(NeuralError):
        prepare(network(SMALL), path)


def test_missing_files_and_folders_are_refused(tmp_path):
    assert (
        "no such file"
        in refused("NE120", prepare, network(SMALL), tmp_path / "none.npy").message
    )
    refused("NE120", prepare, network(SMALL), tmp_path)


def test_files_of_both_kinds_are_read_whatever_their_name(tmp_path):
    array = floats(2, 4, 8)
    for content in (npy(array), npz(input=array), npz(arr_0=array)):
        path = tmp_path / "data.bin"
        path.write_bytes(content)
        prepared = prepare(network(SMALL), path)
        np.testing.assert_array_equal(prepared.arrays["input"], array)
        assert prepared.origin == "data.bin"


# --- random input -------------------------------------------------------------------


def test_random_input_is_seeded_and_says_so():
    model = network(TWO)
    first, same, other = (prepare(model, seed=seed) for seed in (7, 7, 8))
    assert first.origin == "random, seed 7"
    for name in ("source", "target"):
        np.testing.assert_array_equal(first.arrays[name], same.arrays[name])
    assert (first.arrays["source"] != other.arrays["source"]).any()


def test_random_ids_cover_the_vocabulary_and_avoid_padding():
    ids = prepare(network(IDS.replace("(6,)", "(4000,)"))).arrays["input"]
    assert set(np.unique(ids)) == set(range(1, 10))
    unmasked = network(IDS.replace("(6,)", "(4000,)").replace("true", "false"))
    assert set(np.unique(prepare(unmasked).arrays["input"])) == set(range(10))


# --- tokens -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The,cat,sat", ("The", "cat", "sat")),
        ("The, cat , sat", ("The", "cat", "sat")),
        ('a,",",b', ("a", ",", "b")),
        ('"say ""hi""",b', ('say "hi"', "b")),
        ("</script>,<img onerror=x>", ("</script>", "<img onerror=x>")),
        ("猫,🐈,é", ("猫", "🐈", "é")),
        ('" "', (" ",)),
        ("a\nb,c", ("a b", "c")),
    ],
)
def test_tokens_are_split_as_csv(text, tokens):
    assert split(text) == tokens


@pytest.mark.parametrize("text", ["", "a,,b", "a,", ",a"])
def test_empty_tokens_are_slips(text):
    refused("NE129", split, text)


def test_token_options_find_their_input():
    two, one = network(TWO).inputs, network(SMALL).inputs
    assert from_options(["source=a,b", "target=c"], two) == {
        "source": ("a", "b"),
        "target": ("c",),
    }
    assert from_options(["input=a,b"], one) == from_options(["a,b"], one)
    assert from_options(["input=x=1,y=2"], one) == {"input": ("x=1", "y=2")}
    assert from_options(["47+85=,132"], one) == {"input": ("47+85=", "132")}
    assert from_options(["=,a"], one) == {"input": ("=", "a")}
    refused("NE129", from_options, ["a,b"], two)
    refused("NE129", from_options, ["source=a", "source=b"], two)


def test_a_misspelt_input_is_refused_with_the_one_that_was_meant(tmp_path):
    one, two = network(SMALL), network(TWO)
    found = refused("NE129", from_options, ["inptu=a,b"], one.inputs)
    assert "`inptu`" in found.message and "did you mean `input`?" in found.help
    found = refused("NE129", from_options, ["x=1,y=2"], one.inputs)
    assert found.help.endswith("--tokens 'input=x=1,y=2'")
    found = refused("NE129", from_options, ["soruce=a,b"], two.inputs)
    assert "did you mean `source`?" in found.help and "`target`" in found.help
    refused("NE129", prepare, one, None, {"inptu": "a,b"})
    found = refused("NE126", prepare, one, {"inptu": floats(2, 4, 8)})
    assert "no array for `input`; unknown `inptu`" in found.message
    assert found.help == "did you mean `input`? the network's only input is `input`"
    (tmp_path / "x.npz").write_bytes(npz(nope=floats(2, 4, 8)))
    refused("NE126", prepare, one, tmp_path / "x.npz")


def test_tokens_must_be_as_many_as_the_data_has_positions():
    found = refused("NE129", prepare, network(SMALL), floats(1, 4, 8), "a,b,c")
    assert "3 tokens for 4 positions" in found.message
    assert prepare(network(SMALL), floats(1, 4, 8), "a,b,c,d").origin == "an array"


def test_tokens_without_data_are_labels_and_set_the_length():
    prepared = prepare(network(SMALL), tokens="a,b,c,d,e,f")
    assert prepared.origin == "labels; input random, seed 0"
    assert prepared.arrays["input"].shape == (1, 6, 8)
    assert prepared.network.inputs[0].tensor.shape == (6, 8)


# --- lengths ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.rglob("*.neural")), ids=lambda p: p.stem
)
def test_another_length_changes_nothing_but_lengths(path):
    """Declared in the file or asked for later, a length gives the same graph."""
    from dataclasses import replace

    model = resolve(parse(read_source(path)))[0]
    declared = {i.name: i.tensor.shape[0] for i in model.inputs}
    shorter = with_lengths(model, dict.fromkeys(declared, 7))
    assert all(i.tensor.shape[0] == 7 for i in shorter.inputs)
    if None not in declared.values():
        back = with_lengths(shorter, declared)
        assert dump(back) == dump(model)
        assert replace(back, body=()) == replace(model, body=())


@pytest.mark.parametrize(
    ("layers", "at"),
    [
        ("TransformerEncoder(2, 8) Flatten() Output(2)", "Output"),
        (
            "PositionalEncoding(max_len=5) TransformerEncoder(2, 8) Output(2)",
            "Positional",
        ),
        ('PositionalEncoding(encoding_type="learned") Output(2)', "Positional"),
        ("TransformerEncoder(2, 8) Reshape((8, 4)) Output(2)", "Reshape"),
    ],
)
def test_a_layer_that_needs_the_declared_length_is_pointed_at(layers, at):
    model = network("network A { input: (4, 8) layers: " + layers + " }")
    found = refused("NE128", prepare, model, None, ",".join("abcdef"))
    assert found.source.slice(found.span).startswith(at)
    assert "`input` is declared 4 long" in found.message and "4 tokens" in found.help
    assert refused("NE128", prepare, model, floats(1, 6, 8))


def test_an_open_length_gets_one_that_the_layers_allow():
    model = network(
        "network A { input: (None,) layers: Embedding(9, 4) "
        'PositionalEncoding(max_len=5, encoding_type="learned") Output(2) }'
    )
    assert prepare(model).arrays["input"].shape == (1, 4)
    assert prepare(model, tokens="a,b,c,d,e").arrays["input"].shape == (1, 5)
    found = refused("NE128", prepare, model, None, "a,b,c,d,e,f")
    assert "max_len" in found.label


def test_a_token_beyond_what_csv_reads_is_refused_not_a_crash():
    refused("NE129", split, "x" * 200_000)


def test_what_a_compressed_file_would_unpack_to_is_judged_by_its_header(
    tmp_path, monkeypatch
):
    path = tmp_path / "bomb.npz"
    path.write_bytes(npz(input=floats(1, 4, 7), unused=floats(2)))

    def never(*arguments, **options):
        raise AssertionError("the array was read")

    monkeypatch.setattr(np.lib.format, "read_array", never)
    refused("NE126", prepare, network(SMALL), path)
    path.write_bytes(npz(input=floats(1, 4, 7)))
    refused("NE122", prepare, network(SMALL), path)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_refused_in_words():
    reader, writer = os.pipe()
    os.write(writer, npy(floats(1, 4, 8)))
    os.close(writer)
    found = refused("NE120", prepare, network(SMALL), Path(f"/dev/fd/{reader}"))
    os.close(reader)
    assert "is a pipe" in found.message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_that_nobody_writes_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    found = refused("NE120", prepare, network(SMALL), tmp_path / "pipe.npy")
    assert "is a pipe" in found.message


def bomb(path, count=500_000_000):
    """A small archive of `count` zeros, deflated as `numpy.savez_compressed` does."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i8", "fortran_order": False, "shape": (count, 6)}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("input.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        return member


def test_an_archive_that_unpacks_to_more_than_there_is_memory_is_refused_unread(
    tmp_path, monkeypatch
):
    """3.1 MB of zeros took 6.2 GB."""
    path = tmp_path / "x.npz"
    np.savez_compressed(path, input=np.zeros((1_000_000, 6), np.int64))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(stored, "available", lambda: 80 * 2**20)
    unread = "it was read before it was refused"
    monkeypatch.setattr(
        np.lib.format, "read_array", lambda *a, **k: pytest.fail(unread)
    )
    with pytest.raises(NeuralError, match=r"NE108: .* needs 0.1 GiB"):
        prepare(network(IDS), path)


def test_a_header_that_promises_more_than_the_archive_has_is_damage(tmp_path):
    path = tmp_path / "x.npz"
    bomb(path)
    with pytest.raises(NeuralError, match=r"NE120: .* says that it has 24,000,000,"):
        prepare(network(IDS), path)


def test_an_oversized_header_is_no_pickle(tmp_path):
    fields = [(f"f{n}", "<f4") for n in range(2000)]
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(2, dtype=fields))
    with pytest.raises(NeuralError, match=r"NE120: .* header larger than any array"):
        prepare(network(IDS), path)
