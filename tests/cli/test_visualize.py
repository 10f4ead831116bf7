"""`neural visualize`: the files, what they say, and every kind of bad input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import EXAMPLES, IDS, PLAIN, SMALL, TWO, drawn
from tests.hiding.sitecustomize import environment

pytestmark = pytest.mark.needs("torch")

LAYERS = ("transformer_encoder_0", "transformer_encoder_1")
DATA = {"attention.npz", "attention_metrics.json"}
SIGNATURES = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def metrics(folder="attention_outputs"):
    return json.loads((Path(folder) / "attention_metrics.json").read_text())


def arrays(folder="attention_outputs"):
    with np.load(Path(folder) / "attention.npz", allow_pickle=False) as archive:
        return dict(archive)


# --- the architecture ---------------------------------------------------------------


@pytest.mark.needs()
@pytest.mark.parametrize("form", ["html", "svg", "png"])
def test_the_architecture_is_drawn_beside_the_user(neural, file, form, tmp_path):
    source = file(TWO, "my model.neural")
    result = neural("visualize", source, "--format", form)
    assert result.code == 0 and result.out == ""
    target = tmp_path / f"my model_architecture.{form}"
    assert str(target.name) in result.err
    content = target.read_bytes()
    assert content.startswith({"html": b"<!", "svg": b"<", "png": b"\x89PNG"}[form])
    if form != "png":
        assert b"TransformerDecoder" in content
    elsewhere = tmp_path / "a" / "b"
    assert neural("visualize", source, "-o", elsewhere).code == 1


@pytest.mark.needs()
def test_the_default_format_follows_the_output_name(neural, file, tmp_path):
    assert neural("visualize", file(PLAIN), "-o", "picture.svg").code == 0
    assert (tmp_path / "picture.svg").read_text(encoding="utf-8").startswith("<")
    assert neural("visualize", file(PLAIN)).code == 0
    assert (tmp_path / "model_architecture.html").exists()
    unknown = neural("visualize", file(PLAIN), "-o", "picture.pdf")
    assert unknown.code == 2 and ".pdf" in unknown.err
    assert not (tmp_path / "picture.pdf").exists()


# --- the folder ---------------------------------------------------------------------


def test_the_folder_holds_exactly_the_promised_files(neural, file, backend, tmp_path):
    result = neural("visualize", file(SMALL), "--attention", "--backend", backend)
    assert result.code == 0
    folder = tmp_path / "attention_outputs"
    files = {*DATA, *drawn("attention", *LAYERS), f"compiled_model_{backend}.py"}
    names = sorted(files)
    assert sorted(path.name for path in folder.iterdir()) == names
    lines = result.out.splitlines()
    assert lines[0] == "Attention Analysis:"
    assert lines[1] == "  Layers with attention: 2"
    assert lines[2] == "  transformer_encoder_0: (1, 2, 4, 4)"
    assert [line.strip() for line in lines[-len(names) :]] == [
        str(Path("attention_outputs") / name) for name in names
    ]
    assert "random" in result.err
    assert metrics()["provenance"]["weights"] == "random, seed 0"
    code = (folder / f"compiled_model_{backend}.py").read_text(encoding="utf-8")
    assert code == neural("compile", "model.neural", "--backend", backend).out


@pytest.mark.parametrize("form", SIGNATURES)
def test_pictures_come_in_the_wanted_format(neural, file, form, tmp_path):
    assert neural("visualize", file(SMALL), "--attention", "--format", form).code == 0
    pictures = list((tmp_path / "attention_outputs").glob(f"*.{form}"))
    files = drawn("attention", *LAYERS, form=form)
    assert {one.name for one in pictures} == {n for n in files if n.endswith(form)}
    for picture in pictures:
        assert picture.read_bytes().startswith(SIGNATURES[form])


def test_the_same_command_writes_the_same_bytes(neural, file, tmp_path, backend):
    for folder in ("one", "two"):
        code = neural(
            *("visualize", file(IDS), "--attention", "--backend", backend),
            *("--output-dir", folder, "--tokens", "a,b,c"),
        ).code
        assert code == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), (
            path.name
        )


def test_layer_restricts_every_file_and_head_only_the_heatmap(neural, file, tmp_path):
    source = file(SMALL)
    result = neural(
        *("visualize", source, "--attention", "--layer", "1", "--head", "3"),
        *("--head", "0", "--output-dir", "one"),
    )
    assert result.code == 0
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert "attention_heads_transformer_encoder_1.png" in names
    assert "attention_heads_transformer_encoder_0.png" not in names
    assert list(arrays("one")) == ["transformer_encoder_1"]
    assert arrays("one")["transformer_encoder_1"].shape == (1, 4, 4, 4)
    assert len(metrics("one")["layers"][0]["heads"]) == 4
    assert "Layers with attention: 1" in result.out
    every = neural(
        "visualize", source, "--attention", "--layer", "1", "--output-dir", "two"
    )
    assert every.code == 0
    first, second = (
        (tmp_path / folder / "attention_heatmap.png").read_bytes()
        for folder in ("one", "two")
    )
    assert first != second


def test_layers_are_chosen_by_name_and_by_index(neural, file):
    source = file(TWO)
    for wish, names in {
        "0": ["transformer_decoder.self_attention"],
        "1": ["transformer_decoder.cross_attention"],
        "transformer_decoder.cross_attention": ["transformer_decoder.cross_attention"],
        "transformer_decoder": [
            "transformer_decoder.self_attention",
            "transformer_decoder.cross_attention",
        ],
    }.items():
        assert neural("visualize", source, "--attention", "--layer", wish).code == 0
        assert list(arrays()) == names


def test_data_weights_and_batch_item(neural, file, tmp_path, backend):
    source = file(IDS)
    ids = np.array([[1, 2, 3, 4, 5, 6], [7, 8, 9, 0, 0, 0]])
    np.save("x.npy", ids)
    common = (
        "visualize",
        source,
        "--attention",
        "--data",
        "x.npy",
        "--backend",
        backend,
    )
    result = neural(
        *common, "--save-weights", "w.safetensors", "--seed", "5", "--output-dir", "one"
    )
    assert result.code == 0 and "w.safetensors" in result.out
    again = neural(
        *common,
        "--weights",
        "w.safetensors",
        "--batch-item",
        "1",
        "--output-dir",
        "two",
    )
    assert again.code == 0
    weights = arrays("two")["multi_head_attention"]
    np.testing.assert_array_equal(weights, arrays("one")["multi_head_attention"])
    assert weights.shape == (2, 2, 6, 6)
    assert not weights[1, :, :, 3:].any()
    told = metrics("two")
    assert told["provenance"]["weights"] == "weights from w.safetensors"
    assert told["provenance"]["inputs"] == "x.npy"
    assert told["layers"][0]["key_mask"][1] == [True] * 3 + [False] * 3
    assert "random" not in again.err
    pictures = [tmp_path / one / "attention_heatmap.png" for one in ("one", "two")]
    assert pictures[0].read_bytes() != pictures[1].read_bytes()


def test_both_backends_draw_the_same_from_the_same_weights(neural, file, both_backends):
    source, found = file(TWO), []
    for number, name in enumerate(both_backends):
        wish = "--weights" if number else "--save-weights"
        result = neural(
            *("visualize", source, "--attention", "--backend", name),
            *(wish, "w.safetensors", "--output-dir", name),
        )
        assert result.code == 0
        found.append(arrays(name))
    assert list(found[0]) == list(found[1])
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], atol=1e-5)


def test_tokens_without_data_label_random_input_of_their_length(neural, file, backend):
    result = neural(
        *("visualize", file(SMALL), "--attention", "--backend", backend),
        *("--tokens", "The,cat,sat,on,the,mat"),
    )
    assert result.code == 0
    assert "length 6" in result.err and "declares 4" in result.err
    told = metrics()
    assert told["provenance"]["inputs"] == "labels; input random, seed 0"
    assert told["layers"][0]["shape"] == [1, 2, 6, 6]
    assert told["layers"][0]["query_tokens"] == [
        ["The", "cat", "sat", "on", "the", "mat"]
    ]


def test_each_input_has_its_tokens(neural, file):
    result = neural(
        *(
            "visualize",
            file(TWO),
            "--attention",
            "--tokens",
            "source=le,chat,dort,bien",
        ),
        *("--tokens", "target=the,cat"),
    )
    assert result.code == 0
    self_attention, cross = metrics()["layers"]
    assert self_attention["key_tokens"] == [["the", "cat"]]
    assert cross["query_tokens"] == [["the", "cat"]]
    assert cross["key_tokens"] == [["le", "chat", "dort", "bien"]]


def test_tokens_label_the_batch_item_that_is_shown(neural, file):
    np.save("x.npy", np.ones((2, 4, 8), np.float32))
    result = neural(
        *("visualize", file(SMALL), "--attention", "--data", "x.npy"),
        *("--batch-item", "1", "--tokens", "a,b,c,d"),
    )
    assert result.code == 0
    first, second = metrics()["layers"][0]["query_tokens"]
    assert second == ["a", "b", "c", "d"] and first == ["0", "1", "2", "3"]


HOSTILE = "</script>,<img src=x onerror=alert(1)>,{{7*7}},$\\alpha$,%{x},\u202eabc,😀"


def test_hostile_tokens_stay_text(neural, file):
    result = neural("visualize", file(SMALL), "--attention", "--tokens", HOSTILE)
    assert result.code == 0
    assert metrics()["layers"][0]["query_tokens"] == [HOSTILE.split(",")]
    text = Path("attention_outputs/attention_interactive.html").read_text(
        encoding="utf-8"
    )
    assert "<img src=x" not in text and "alert(1)>" not in text


# --- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        (PLAIN, [], "NE132", "`Plain` has no attention"),
        (SMALL, ["--layer", "5"], "NE130", "1 `transformer_encoder_1` (4 heads)"),
        (SMALL, ["--layer", "transfomer_encoder_0"], "NE130", "did you mean"),
        (SMALL, ["--layer", ""], "NE130", "there are"),
        (SMALL, ["--layer", "-1"], "NE130", "1 `transformer_encoder_1` (4 heads)"),
        (SMALL, ["--head", "2"], "NE131", "heads 0 to 1"),
        (SMALL, ["--head", "-1"], "NE131", "heads 0 to 1"),
        (SMALL, ["--batch-item", "1"], "NE133", "only item 0"),
        (SMALL, ["--data", "none.npy"], "NE120", "no such file"),
        (SMALL, ["--tokens", "a,,b"], "NE129", "token 2"),
        (TWO, ["--tokens", "a,b"], "NE129", "for which input"),
        (TWO, ["--tokens", "source=a,b", "--tokens", "source=c"], "NE129", "twice"),
        (SMALL, ["--weights", "none.safetensors"], "NE103", "none.safetensors"),
        (SMALL, ["--output-dir", "model.neural"], "NE134", "model.neural"),
        (SMALL, ["--output-dir", "model.neural/x"], "NE134", "not a directory"),
        (SMALL, ["--save-weights", "model.neural"], "NE136", "model.neural"),
        (
            SMALL,
            ["--save-weights", "none/w.safetensors"],
            "NE134",
            "none/w.safetensors",
        ),
        (SMALL, ["--save-weights", "."], "NE134", "is a directory"),
    ],
)
def test_each_bad_input_has_its_own_message(
    neural, file, text, arguments, code, said, tmp_path
):
    result = neural("visualize", file(text), "--attention", *arguments)
    assert result.code == 1 and result.out == ""
    assert f"error[{code}]" in result.err and said in result.err
    assert result.err.count("error[") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.neural"]
    assert (tmp_path / "model.neural").read_text(encoding="utf-8") == text


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.parametrize("folder", ["/proc/new", "/proc/new/inner"])
def test_a_folder_that_takes_nothing_is_named_as_the_reason(neural, file, folder):
    drawn = ["visualize", file(SMALL), "--attention", "--output-dir", folder]
    for arguments in (drawn, ["train", EXAMPLES / "tasks/copy.neural", *drawn[-2:]]):
        result = neural(*arguments)
        assert (
            result.code == 1 and "error[NE134]: cannot write `/proc/new`" in result.err
        )
        assert "nothing new can be made in `/proc`" in result.err
        assert "mkdir" not in result.err


@pytest.mark.needs()
@pytest.mark.parametrize("command", ["visualize", "data", "train"])
def test_a_folder_without_a_name_is_not_the_current_one(
    neural, file, command, tmp_path
):
    extra = ["--attention"] if command == "visualize" else []
    result = neural(command, file(SMALL), *extra, "--output-dir", "")
    assert result.code == 2 and "the folder has no name" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["model.neural"]


def test_weights_of_another_model_are_refused(neural, file, tmp_path):
    small = file(SMALL)
    assert (
        neural(
            "visualize", small, "--attention", "--save-weights", "w.safetensors"
        ).code
        == 0
    )
    other = file(SMALL.replace("(4, 8)", "(4, 16)"), "other.neural")
    result = neural(
        *("visualize", other, "--attention", "--weights", "w.safetensors"),
        *("--output-dir", "other"),
    )
    assert result.code == 1 and "NE104" in result.err
    assert not (tmp_path / "other").exists()


def test_an_old_result_survives_a_failure(neural, file, tmp_path, monkeypatch):
    source = file(SMALL)
    assert neural("visualize", source, "--attention").code == 0
    folder = tmp_path / "attention_outputs"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neural_dsl.visualize.pictures.picture_bytes", full)
    result = neural("visualize", source, "--attention", "--seed", "1")
    assert result.code == 1 and "NE134" in result.err and "no space left" in result.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.needs()
def test_a_missing_backend_says_what_to_install(file, tmp_path):
    """With both frameworks hidden, everything that needs none still works."""
    source = file(SMALL)

    def without(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "neural_dsl", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment("torch", "tensorflow", "keras"),
        )

    for arguments in (
        ("check", source),
        ("summary", source),
        ("compile", source),
        ("compile", source, "--backend", "tensorflow"),
        ("visualize", source),
        ("explain", "NE021"),
        ("version",),
    ):
        done = without(*arguments)
        assert done.returncode == 0, done.stderr
    for arguments in (("run", source), ("visualize", source, "--attention")):
        done = without(*arguments)
        assert done.returncode == 1 and "NE100" in done.stderr
        assert 'pip install "neural-dsl[torch]"' in done.stderr
    chosen = without("run", source, "--backend", "tensorflow")
    assert 'neural-dsl[tensorflow]"' in chosen.stderr


def test_tokens_that_no_picture_can_carry_are_told_of_and_not_claimed(neural, file):
    strided = (
        "network S { input: (6, 8) layers: TransformerEncoder(2, 4)\n"
        "Conv1D(8, 2, strides=2)\nTransformerEncoder(2, 4) Output(2) }"
    )
    command = ("visualize", file(strided), "--attention", "--tokens", "a,b,c,d,e,f")
    result = neural(*command, "--layer", "1", "--output-dir", "one", "--format", "svg")
    assert result.code == 0 and result.err.count("warning[NW139]") == 1
    assert "`transformer_encoder_1` is drawn without tokens" in result.err
    assert (
        "behind `conv1d`" in result.err and "2 │ Conv1D(8, 2, strides=2)" in result.err
    )
    told = metrics("one")
    assert told["provenance"]["inputs"] == "random, seed 0"
    assert told["layers"][0]["key_tokens"] is None
    assert "labels" not in result.err.replace("NW139", "")

    result = neural(*command, "--format", "svg")
    assert metrics()["provenance"]["inputs"] == "labels; input random, seed 0"
    grids = [
        Path(f"attention_outputs/attention_heads_transformer_encoder_{i}.svg")
        for i in (0, 1)
    ]
    shown = ["labels; input random" in grid.read_text("utf-8") for grid in grids]
    assert shown == [True, False]

    result = neural(*command, "--layer", "0")
    assert result.code == 0 and "NW139" not in result.err


@pytest.mark.needs()
def test_a_misspelt_input_name_is_refused(neural, file):
    tokens = ("--tokens", "inptu=a,b,c,d")
    result = neural("visualize", file(SMALL), "--attention", *tokens)
    assert result.code == 1 and "error[NE129]" in result.err
    assert "did you mean `input`?" in result.err


def test_spaces_between_tokens_are_hinted_at(neural, file):
    path = file(SMALL.replace("(4, 8)", "(None, 8)"))
    shown = neural("visualize", path, "--attention", "--tokens", "a b c")
    assert shown.code == 0 and '--tokens "a,b,c"' in shown.err
    for fine in ("a,b,c", "a b,c", "abc"):
        shown = neural("visualize", path, "--attention", "--tokens", fine)
        assert "is one token" not in shown.err


def test_what_an_earlier_call_left_in_the_folder_is_named(neural, file, tmp_path):
    folder = tmp_path / "attention_outputs"
    folder.mkdir()
    for name in ("attention_1.npz", "compiled_model_tensorflow_2.py", "other.txt"):
        (folder / name).touch()
    shown = neural("visualize", file(SMALL), "--attention", "--backend", "pytorch")
    (line,) = [one for one in shown.err.splitlines() if one.startswith("Older files")]
    assert line.endswith(": attention_1.npz, compiled_model_tensorflow_2.py")


def test_the_page_opens_on_the_head_that_was_asked_for(neural, file, tmp_path):
    neural("visualize", file(SMALL), "--attention", "--layer", "1", "--head", "3")
    page = (tmp_path / "attention_outputs/attention_interactive.html").read_text()
    assert json.loads(page.split('id="record">')[1].split("</script>")[0])["head"] == 3


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log", "uniform"])
def test_the_scale_is_the_one_that_was_asked_for(neural, file, tmp_path, scale):
    shown = neural("visualize", file(SMALL), "--attention", "--scale", scale)
    assert shown.code == 0
    page = (tmp_path / "attention_outputs/attention_interactive.html").read_text()
    record = json.loads(page.split('id="record">')[1].split("</script>")[0])
    assert record["chosen"] == {"kind": scale, "why": ""}


@pytest.mark.needs()
def test_a_scale_without_attention_is_a_slip(neural, file):
    shown = neural("visualize", file(SMALL), "--scale", "log")
    assert shown.code == 2 and "--scale goes with --attention" in shown.err


@pytest.mark.needs()
@pytest.mark.parametrize("mode", [(), ("--attention",)])
@pytest.mark.parametrize("suffix", ["", ".neural"])
def test_a_name_too_long_for_the_system_has_its_code(neural, tmp_path, mode, suffix):
    long = "a" * 300 + suffix
    for files in ([long], [tmp_path, long] if mode else [long]):
        result = neural("visualize", *files, *mode)
        assert result.code == 1 and "error[NE003]" in result.err
        assert "file name too long" in result.err
