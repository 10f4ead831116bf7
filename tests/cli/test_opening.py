"""Python opens what the commands open, and gives what they print."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import neural_dsl as nd
from tests.cli.conftest import BASIC, SMALL
from tests.cli.training_files import COPY

pytestmark = pytest.mark.needs("torch")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run, and what `nd.train` said of it."""
    folder = tmp_path_factory.mktemp("opening")
    (folder / "copy.neural").write_text(COPY, encoding="utf-8")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    try:
        outcome = nd.train(
            "copy.neural", backend="pytorch", settings={"train.steps": 120}, seed=1
        )
    finally:
        os.chdir(before)
    return folder / outcome.folder, outcome


@pytest.fixture
def folder(trained):
    return trained[0]


def test_training_gives_what_the_command_prints(trained, neural, file):
    folder, outcome = trained
    assert (outcome.status, outcome.step) == ("finished", 120)
    assert folder.name == "copy" and (folder / "best.safetensors").is_file()
    about = json.loads((folder / "run.json").read_text())
    assert about["settings"] == ["train.steps=120", "train.seed=1"]
    other = folder.parent / "other"
    said = neural(
        *("train", folder.parents[1] / "copy.neural", "--backend", "pytorch"),
        *("--set", "train.steps=120", "--seed", "1", "--output-dir", other),
    )
    right = round(outcome.test["exact_match"] * outcome.test["count"])
    assert f"exact match {right}/200" in said.out


def test_nothing_is_printed_by_training(file, capsys, tmp_path):
    nd.train(
        file(COPY), tmp_path / "run", settings={"train.steps": 1}, backend="pytorch"
    )
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_answers_are_those_of_the_command(folder, neural):
    prompts = ["dabc:", "aa:", "abcd:"]
    shown = neural("predict", folder, *(f"--prompt={one}" for one in prompts))
    found = nd.predict(folder, prompts)
    assert [one.text for one in found] == shown.out.splitlines()
    assert [one.right for one in found] == ["dabc", "aa", "abcd"]
    assert [one.prompt for one in found] == prompts
    assert "no sequence of length 2" in found[1].remark and not found[0].remark
    run = nd.open(folder)
    assert nd.predict(run, "dabc:") == found[:1]


def test_the_evaluation_is_that_of_the_command(folder, neural):
    shown = json.loads(neural("evaluate", folder, "--format", "json").out)
    report = nd.evaluate(folder)
    found = json.loads(json.dumps(report.as_dict()))
    assert found == shown and report.greedy.count == 200


def test_a_run_is_opened_with_its_trained_weights(folder, neural, tmp_path):
    run = nd.open(folder)
    assert run.step == 120
    saved = nd.capture(run, prompt="dabc:")
    neural("visualize", folder, "--attention", "--prompt", "dabc:")
    with np.load(tmp_path / "attention_outputs/attention.npz") as stored:
        for layer in saved:
            np.testing.assert_allclose(layer.weights, stored[layer.name], atol=1e-6)
            assert saved[layer.name] is layer
    assert "run " in saved.provenance.weights and "dabc" in saved.provenance.inputs
    assert saved[0].query_tokens[0][:4] == tuple("dabc")
    held_out = nd.capture(folder)
    assert held_out.provenance.inputs == "first held-out problem"
    last = nd.open(folder, weights="last")
    assert last.weights == "last"


def test_a_file_is_opened_as_load_does():
    opened, loaded = nd.open(BASIC, seed=3), nd.load(BASIC, seed=3)
    for name, value in loaded.weights().items():
        np.testing.assert_array_equal(opened.weights()[name], value)
    record = nd.capture(opened, tokens="The,cat,sat")
    assert record[0].weights.shape[-1] == 3
    assert type(nd.open(SMALL)) is type(opened)


def test_a_live_module_is_opened_and_captured():
    import torch

    torch.manual_seed(0)
    module = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2
    ).eval()
    x = torch.randn(3, 5, 8)
    target = nd.open(module)
    record = nd.capture(target, {"src": x.numpy()})
    names = [layer.name for layer in record]
    assert names == ["layers.0.self_attn", "layers.1.self_attn"]
    wanted = module.layers[0].self_attn(x, x, x, average_attn_weights=False)[1]
    np.testing.assert_allclose(
        record["layers.0.self_attn"].weights, wanted.detach().numpy(), atol=1e-6
    )
    one = nd.capture(module, {"src": x.numpy()}, layers=1)
    assert [layer.name for layer in one] == names[1:]
    assert "TransformerEncoder" in repr(target)
    with pytest.raises(nd.NeuralError, match="NE133"):
        nd.capture(module, {"src": x.numpy()}, batch_item=3)
    with pytest.raises(nd.NeuralError, match=r"layers\.1\.self_attn"):
        nd.capture(module, {"src": x.numpy()}, layers="layers.1.self_atn")


def test_a_run_that_is_loaded_as_a_file_is_led_to_open(folder):
    with pytest.raises(nd.NeuralError, match="NE002") as caught:
        nd.load(folder)
    assert f"neural_dsl.open('{folder}')" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda folder: nd.open("gpt2"),
        lambda folder: nd.open(folder.parent),
        lambda folder: nd.open(folder, weights="w.safetensors"),
        lambda folder: nd.open(folder, network="Other"),
        lambda folder: nd.capture(BASIC, prompt="dabc:"),
        lambda folder: nd.capture(folder, np.zeros((1, 4), int), prompt="dabc:"),
        lambda folder: nd.predict(nd.load(BASIC), "dabc:"),
        lambda folder: nd.evaluate(nd.load(BASIC)),
        lambda folder: nd.evaluate(folder, "tset"),
        lambda folder: nd.predict(folder, None),
        lambda folder: nd.predict(folder, ["dabc:", 3]),
        lambda folder: nd.predict(folder, b"dabc:"),
        lambda folder: nd.capture(folder, prompt=["dabc:"]),
        lambda folder: nd.capture(folder, tokens="d,a,b"),
    ],
)
def test_what_cannot_be_opened_is_refused(folder, wrong):
    with pytest.raises(nd.NeuralError, match="NE112"):
        wrong(folder)


@pytest.mark.parametrize("prompt", [None, "dabc:"])
def test_a_run_reads_one_sequence(folder, prompt):
    with pytest.raises(nd.NeuralError, match="NE133"):
        nd.capture(folder, prompt=prompt, batch_item=7)


@pytest.mark.parametrize(
    "use",
    [
        nd.open,
        nd.load,
        nd.compile,
        nd.capture,
        nd.train,
        nd.evaluate,
        lambda path: nd.predict(path, "dabc:"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(use):
    with pytest.raises(nd.NeuralError, match="NE003"):
        use("a" * 5000)


@pytest.mark.parametrize("use", [nd.load, nd.compile, nd.train])
@pytest.mark.parametrize(
    "path, shown", [("", "`.` is a directory"), ("./x.neural", "no file `x.neural`")]
)
def test_a_path_is_told_in_its_shortest_form(use, path, shown):
    with pytest.raises(nd.NeuralError, match=shown):
        use(path)


@pytest.mark.parametrize("use", [nd.load, nd.compile, nd.train])
def test_what_is_no_path_is_refused(use):
    with pytest.raises(nd.NeuralError, match="NE003"):
        use(None)


@pytest.mark.parametrize("rows", [[[1, 2], [3]], {"arr_0": [[1, 2], [3]]}])
def test_rows_of_different_lengths_are_refused(rows):
    with pytest.raises(nd.NeuralError, match="NE122"):
        nd.capture(BASIC, rows)


def test_no_layers_are_all_layers(folder):
    for target in (BASIC, folder):
        assert len(nd.capture(target, layers=None)) == len(nd.capture(target)) > 0
        with pytest.raises(nd.NeuralError, match="NE130"):
            nd.capture(target, layers=3.5)


def test_weights_never_replace_a_model(tmp_path):
    model = nd.load(BASIC)
    for name in ("model.neural", "model.nr"):
        (tmp_path / name).write_text("kept")
        with pytest.raises(nd.NeuralError, match="NE136"):
            model.save_weights(tmp_path / name)
        assert (tmp_path / name).read_text() == "kept"


def test_a_slip_in_a_path_is_led_to_what_is_there(folder):
    with pytest.raises(nd.NeuralError, match="NE112") as caught:
        nd.open(folder.with_name(folder.name[:-1] + "x"))
    assert "there is no file or folder" in str(caught.value)
    assert f"did you mean `{folder}`?" in str(caught.value)


def test_everything_shows_itself_in_a_line(folder):
    run, model = nd.open(folder), nd.load(BASIC)
    shown = nd.capture(model, tokens="The,cat,sat")
    for one in (run, run.model, model, shown, shown[0]):
        assert len(repr(one)) < 200 and "\n" not in repr(one)
    assert "Tiny" in repr(run) and str(folder) in repr(run)
    assert "random, seed 0" in repr(model)
    assert f"{shown[0].name} (1, " in repr(shown) and "labels" in repr(shown)


def test_a_record_tells_which_attentions_it_has():
    record = nd.capture(BASIC)
    assert record[0].name in record and record[0] in record
    assert "nothing" not in record


def test_what_predict_and_evaluate_print_is_made_by_the_functions_of_python(
    folder, neural, monkeypatch
):
    """One path: a command that went round `api` would not notice these."""
    from dataclasses import replace

    from neural_dsl import api
    from neural_dsl.runs import prompted

    predicted, evaluate = prompted.predicted, api.evaluate

    def changed(run, prompts):
        answers, refused = predicted(run, prompts)
        return [replace(one, text=f"<{one.text}>") for one in answers], refused

    def renamed(run, split="test"):
        return replace(evaluate(run, split), model="Renamed")

    monkeypatch.setattr(prompted, "predicted", changed)
    monkeypatch.setattr(api, "evaluate", renamed)
    said = neural("predict", folder, "--prompt", "dabc:")
    assert said.out.strip() == nd.predict(folder, "dabc:")[0].text
    assert said.out.startswith("<")
    shown = json.loads(neural("evaluate", folder, "--format", "json").out)
    assert shown["model"] == "Renamed"


@pytest.mark.needs()
def test_a_hugging_face_folder_is_called_so(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(nd.NeuralError, match="Hugging Face") as caught:
        nd.open(tmp_path)
    assert "from_pretrained" in str(caught.value)
