"""`neural visualize RUN --attention` and `--evolution`, on runs that were really trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from neural_dsl.backends import weights_file
from neural_dsl.cli.program import run as program
from neural_dsl.runs import checkpoints, directory, snapshots
from neural_dsl.targets.record import record
from tests.cli.conftest import drawn

pytestmark = pytest.mark.needs("torch")

SMALL = """
network Small {{
  task: {task}(length=(3, 4), vocabulary=8, train_size=4000, validation_size=100,
               test_size=100)
  layers:
    Embedding(output_dim=32)
    PositionalEncoding(encoding_type="learned")
    TransformerDecoder(num_heads=2, ff_dim=64, norm="pre", dropout={dropout})
    LayerNormalization()
    Output(activation="softmax")
  optimizer: AdamW(learning_rate=0.006, beta_2=0.98)
  train {{ steps: 120 batch_size: 64 validate_every: 40 attention_snapshots: {count} }}
}}
"""
LAYER = "transformer_decoder.self_attention"
TEXT = "the cat sat on the mat and the dog sat on the log. " * 40


def trained(folder: Path, text: str, name: str, *options: str) -> Path:
    """A run in `folder`/runs/`name`."""
    file, target = folder / f"{name}.neural", folder / "runs" / name
    file.write_text(text, encoding="utf-8")
    command = ["train", str(file), "--output-dir", str(target), "--device", "cpu"]
    assert program([*command, *options]) == 0
    return target


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The folder that holds runs/copy and runs/reverse, made once for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    for task in ("Copy", "Reverse"):
        trained(folder, SMALL.format(task=task, count=6, dropout=0), task.lower())
    return folder


@pytest.fixture(autouse=True)
def among_runs(runs, monkeypatch, tmp_path):
    """Commands name the runs as a user does; what they write goes elsewhere."""
    shutil.copytree(runs / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)


def names(folder="attention_outputs"):
    return {path.name for path in Path(folder).iterdir()}


def metrics(folder="attention_outputs", name="attention_metrics.json"):
    return json.loads((Path(folder) / name).read_text())


def weights(folder="attention_outputs", name="attention.npz"):
    with np.load(Path(folder) / name, allow_pickle=False) as archive:
        return dict(archive)


# --- one run --------------------------------------------------------------------------


def test_a_prompt_is_drawn_with_the_runs_own_answer_and_tokens(neural):
    result = neural("visualize", "runs/copy", "--attention", "--prompt", "dab:")
    assert result.code == 0, result.err
    data = {"attention.npz", "attention_metrics.json", "compiled_model_pytorch.py"}
    assert names() == data | drawn("attention", LAYER)
    first = result.out.splitlines()[0]
    assert first == "dab: → dab, right"
    predicted = neural("predict", "runs/copy", "--prompt", "dab:").out.strip()
    assert first.startswith(f"dab: → {predicted},"), "as `neural predict` answers"
    entry = metrics()["layers"][0]
    assert entry["key_tokens"] == [["d", "a", "b", ":", "d", "a"]]
    assert entry["expected"] == [[[3, 0], [4, 1], [5, 2]]]
    about = metrics()["provenance"]
    step = json.loads(Path("runs/copy/run.json").read_text())[
        "step"
    ]  # without early stopping
    assert about["weights"] == f"run runs/copy, step {step}, last"
    assert about["inputs"] == 'prompt "dab:"'
    page = Path("attention_outputs/attention_interactive.html").read_text("utf-8")
    assert "dab: → dab, right" in page and "run runs/copy, step" in page


def test_the_weights_are_those_of_the_run_and_the_share_is_of_them(neural):
    result = neural("visualize", "runs/reverse", "--attention", "--prompt", "dab:")
    found = weights()[LAYER][0]
    shares = [np.mean([found[h, 3 + k, 2 - k] for k in range(3)]) for h in (0, 1)]
    printed = next(line for line in result.out.splitlines() if f"    {LAYER}" in line)
    assert [float(part) for part in printed.split()[1:]] == pytest.approx(
        shares, abs=6e-4
    )
    best = int(np.argmax(shares))
    assert f"most: {max(shares):.3f}, head {best} of {LAYER}" in result.out
    assert max(shares) > 0.6, "it has learnt where to look"
    heads = metrics()["layers"][0]["heads"]
    assert heads[best]["expected_mass"] == pytest.approx(max(shares), abs=1e-6)


def test_what_is_drawn_without_a_prompt_is_the_first_of_the_file_s_own_test_split():
    from neural_dsl.runs.loaded import open_run
    from neural_dsl.runs.reading import read_held_out

    for name in ("copy", "reverse"):
        run = open_run(Path("runs") / name)
        x, y = (each[0] for each in run.runtime.module.held_out("test"))
        np.testing.assert_array_equal(run.example().arrays["input"][0], x)
        asked = int(np.flatnonzero(y >= 0)[0]) + 1  # up to where the answer begins
        reading = read_held_out(run)
        assert list(reading.ids[:asked]) == x[:asked].tolist()
        answer = [run.task.symbols[id] for id in y[y >= 0]]
        assert reading.right == "".join(answer)


def test_without_a_prompt_the_first_held_out_problem_is_drawn(neural):
    result = neural("visualize", "runs/copy", "--attention")
    assert result.code == 0
    neural("data", "runs/copy/model.neural", "--output-dir", "problems")
    first = Path("problems/test.txt").read_text().splitlines()[0]
    prompt = first.split(":")[0] + ":"
    assert result.out.startswith(f"{prompt} → ")
    assert metrics()["provenance"]["inputs"] == "first held-out problem"


def test_a_wrong_answer_is_called_wrong(neural):
    folder = Path("runs/copy")
    found = weights_file.load(folder / checkpoints.LAST)
    zeros = {k: np.zeros_like(v) for k, v in found.arrays.items()}
    weights_file.save(folder / checkpoints.LAST, zeros, found.metadata)
    result = neural("visualize", "runs/copy", "--attention", "--prompt", "dab:")
    assert "wrong: dab is right" in result.out
    assert "most: " in result.out


def test_the_checkpoint_can_be_chosen_and_is_named(neural):
    neural("visualize", "runs/copy", "--attention", "--weights", "last")
    assert metrics()["provenance"]["weights"] == "run runs/copy, step 120, last"
    for name in (checkpoints.BEST, checkpoints.LAST):
        (Path("runs/copy") / name).unlink()
    result = neural("visualize", "runs/copy", "--attention")
    assert (
        result.code == 1 and "NE156" in result.err and "weights are gone" in result.err
    )


def test_a_length_that_was_never_trained_on_is_remarked(neural):
    result = neural("visualize", "runs/copy", "--attention", "--prompt", "ab:")
    assert "no sequence of length 2 was trained on, only of length 3 to 4" in result.out


@pytest.mark.needs("torch", "tensorflow")
def test_a_run_is_drawn_where_its_own_backend_is_missing(neural, monkeypatch, backend):
    about = Path("runs/copy/run.json")
    other = {"pytorch": "tensorflow", "tensorflow": "pytorch"}[backend]
    trained_by = f'"backend": "{other}"'
    text = about.read_text("utf-8").replace('"backend": "pytorch"', trained_by)
    about.write_text(text, encoding="utf-8")
    monkeypatch.setattr("neural_dsl.backends.available", lambda: [backend])
    asked = ("visualize", "runs/copy", "--attention", "--prompt", "dab:")
    assert "NE100" in neural(*asked).err
    assert neural(*asked, "--backend", backend).code == 0
    assert metrics()["provenance"]["backend"] == backend


def test_the_other_backend_shows_the_same(neural, both_backends):
    for backend in both_backends:
        result = neural(
            *("visualize", "runs/copy", "--attention", "--prompt", "dab:"),
            *("--backend", backend, "--output-dir", backend),
        )
        assert result.code == 0, result.err
    one, other = (weights(backend)[LAYER] for backend in both_backends)
    np.testing.assert_allclose(one, other, atol=2e-4)
    assert {metrics(b)["provenance"]["backend"] for b in both_backends} == {
        *both_backends
    }


def test_no_python_file_of_the_run_is_executed(neural):
    Path("runs/copy/train.py").write_text("raise SystemExit('was run')")
    assert neural("visualize", "runs/copy", "--attention").code == 0


# --- several --------------------------------------------------------------------------


def test_prompts_of_different_lengths_stand_side_by_side(neural):
    result = neural(
        "visualize", "runs/copy", "--attention", "--prompt", "dab:", "--prompt", "cafe"
    )
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == "dab: → dab, right"
    assert names() >= {"attention_1.npz", "attention_2.npz"} | drawn("attention", LAYER)
    assert weights(name="attention_1.npz")[LAYER].shape == (1, 2, 6, 6)
    assert weights(name="attention_2.npz")[LAYER].shape == (1, 2, 8, 8)
    assert metrics(name="attention_2_metrics.json")["layers"][0]["key_tokens"] == [
        [*"cafe", ":", *"caf"]
    ]


def test_copy_stands_against_reverse_on_the_same_prompts(neural):
    result = neural(
        *("visualize", "runs/copy", "runs/reverse", "--attention", "--prompt", "dab:")
    )
    assert result.code == 0, result.err
    assert "copy: dab: → dab, right" in result.out
    # One layer seldom learns both lengths of reversal: its answer is its own, and judged.
    said = next(line for line in result.out.splitlines() if "reverse: dab: → " in line)
    answer, verdict = said.split("→ ")[1].split(", ")
    assert verdict == ("right" if answer == "bad" else "wrong: bad is right")
    assert len(answer) == 3 and answer != "dab"
    expected = [
        metrics(name=f"attention_{i}_metrics.json")["layers"][0]["expected"][0]
        for i in (1, 2)
    ]
    assert expected == [[[3, 0], [4, 1], [5, 2]], [[3, 2], [4, 1], [5, 0]]]
    assert names() >= {"compiled_model_pytorch_1.py", "compiled_model_pytorch_2.py"}
    with Image.open("attention_outputs/attention_heatmap.png") as image:
        assert image.width > 1000


def test_two_runs_without_a_prompt_read_the_same_problem(neural):
    result = neural("visualize", "runs/copy", "runs/reverse", "--attention")
    assert result.code == 0
    lines = [line for line in result.out.splitlines() if " → " in line]
    prompts = {line.split(": ", 1)[1].split(" → ")[0] for line in lines}
    assert len(lines) == 2 and len(prompts) == 1


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--prompt", "dxb:"], "NE171", ["'x'", "`a` to `h`", '`--prompt "']),
        (["--prompt", "abcdefgh:"], "NE171", ["has 8 symbols", "1 to 4"]),
        (["--prompt", ""], "NE171", ["an empty prompt"]),
        (["--prompt", "</script>"], "NE171", ["unknown symbol '<'"]),
        (["--prompt", "a\x1b[31mb\nc"], "NE171", ["cannot read"]),
        (["--prompt", "9" * 100_000], "NE171", ["…"]),
        (["--text", "abc"], "NE173", ["Copy, not a text"]),
        (["--prompt", "dab:"] * 13, "NE174", ["13 sequences"]),
        (["--layer", "9"], "NE130", ["0 `transformer_decoder"]),
        (["--head", "7"], "NE131", ["heads 0 to 1"]),
    ],
)
def test_each_bad_wish_has_its_own_message_and_writes_nothing(
    neural, options, code, words
):
    result = neural("visualize", "runs/copy", "--attention", *options)
    assert result.code == 1 and result.out == ""
    assert f"error[{code}]" in result.err
    assert all(word in result.err for word in words), result.err
    assert "\x1b" not in result.err and len(result.err) < 2000
    assert not Path("attention_outputs").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["runs/copy", "--attention", "--tokens", "a,b"],
        ["runs/copy", "--attention", "--seed", "1"],
        ["runs/copy", "--attention", "--weights", "w.safetensors"],
        ["runs/copy", "--prompt", "dab:"],
        ["runs/copy", "--attention", "--evolution"],
        ["runs/copy", "runs/reverse"],
        ["runs/copy", "runs/reverse", "--evolution"],
        ["runs/copy/model.neural", "--attention", "--prompt", "dab:"],
        ["runs/copy/model.neural", "--evolution"],
        ["runs/copy/model.neural", "runs/reverse/model.neural", "--attention"],
        ["runs/copy", "--evolution", "--layer", "0"],
    ],
)
def test_options_of_the_wrong_mode_are_a_usage_error(neural, command):
    result = neural("visualize", *command)
    assert result.code == 2 and "Error:" in result.err, result.err


def test_a_folder_without_a_run_says_so(neural):
    result = neural("visualize", "runs", "--attention")
    assert result.code == 1 and "NE156" in result.err


def test_a_run_without_a_mode_is_drawn_as_architecture(neural):
    assert neural("visualize", "runs/copy").code == 0
    assert Path("copy_architecture.html").read_text().startswith("<!")


def test_a_text_is_read_or_gone_on_with(neural, tmp_path):
    (tmp_path / "cat.txt").write_text(TEXT)
    file = """
    network Cat {
      task: Text(path="cat.txt", context=16)
      layers:
        Embedding(output_dim=32)
        PositionalEncoding()
        TransformerDecoder(num_heads=2, ff_dim=64)
        Output(activation="softmax")
      train { steps: 10 batch_size: 16 validate_every: 5 attention_snapshots: 3 }
    }
    """
    run = trained(tmp_path, file, "cat")
    result = neural("visualize", run, "--attention", "--text", "the cat")
    assert result.code == 0, result.err
    assert metrics()["layers"][0]["key_tokens"] == [[*"the cat"]]
    assert "expected" not in metrics()["layers"][0]
    result = neural("visualize", run, "--attention", "--prompt", "the d")
    assert result.code == 0 and result.out.startswith("the d → ")
    assert metrics()["layers"][0]["shape"] == [1, 2, 15, 15], (
        "16 of the context, less one"
    )
    result = neural("visualize", run, "--attention")
    assert result.code == 0 and len(metrics()["layers"][0]["key_tokens"][0]) == 16
    result = neural("visualize", run, "--attention", "--text", "qz!")
    assert result.code == 1 and "NE171" in result.err
    assert neural("visualize", run, "--evolution").code == 0


# --- evolution ------------------------------------------------------------------------


def test_the_evolution_is_drawn_from_the_snapshots(neural):
    result = neural("visualize", "runs/copy", "--evolution")
    assert result.code == 0, result.err
    steps = [step for step, _ in snapshots.listed(Path("runs/copy"))]
    assert steps == snapshots.steps(120, 6)
    assert f"Attention at 6 steps: {', '.join(map(str, steps))}" in result.out
    assert names() == drawn("evolution", LAYER)
    with Image.open("attention_outputs/evolution.gif") as gif:
        assert gif.n_frames == 6
    with Image.open(f"attention_outputs/evolution_heads_{LAYER}.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10


def test_a_snapshot_is_what_the_model_of_that_step_does(neural):
    """The last one shows the last weights: the same as a capture of that checkpoint."""
    from neural_dsl.runs.loaded import open_run

    taken = snapshots.load(Path("runs/copy"))
    run = open_run(Path("runs/copy"), "last")
    assert max(taken) == run.step == 120
    again = record(run, snapshots.probe(run.task, run.network)).layers[0]
    last = taken[120].layers[0]
    np.testing.assert_allclose(again.weights, last.weights, atol=1e-6)
    assert np.abs(taken[0].layers[0].weights - last.weights).max() > 0.2
    padded = ~last.query_mask
    assert padded.any() and (last.expected[padded] == 0).all()


@pytest.mark.needs("torch", "tensorflow")
def test_looking_changes_nothing_about_the_training(tmp_path, backend):
    texts = [SMALL.format(task="Copy", count=c, dropout=0.1) for c in (8, 1)]
    texts[1] = texts[1].replace("attention_snapshots: 1 ", "")
    both = [
        trained(
            tmp_path,
            text.replace("120", "12").replace("40", "6"),
            name,
            "--backend",
            backend,
        )
        for text, name in zip(texts, ("seen", "unseen"), strict=True)
    ]
    assert len(snapshots.listed(both[0])) == 8 and not snapshots.listed(both[1])
    one, other = ((run / checkpoints.LAST).read_bytes() for run in both)
    found, wanted = load(one), load(other)
    assert found.keys() == wanted.keys()
    for name in found:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_resuming_forgets_the_snapshots_that_come_after(neural):
    run = Path("runs/copy")
    about = json.loads((run / directory.ABOUT).read_text())
    about["status"] = "interrupted"
    (run / directory.ABOUT).write_text(json.dumps(about))
    stray = run / snapshots.FOLDER / "step-000500.npz"
    shutil.copy(run / snapshots.FOLDER / "step-000120.npz", stray)
    assert neural("train", run, "--resume").code == 0
    assert not stray.exists()
    steps = [step for step, _ in snapshots.listed(run)]
    assert steps == snapshots.steps(120, 6)


def test_a_run_that_kept_nothing_says_how_to_keep_it(neural):
    shutil.rmtree("runs/copy/attention")
    result = neural("visualize", "runs/copy", "--evolution")
    assert result.code == 1 and "NE175" in result.err
    assert "attention_snapshots=20" in result.err


def test_a_damaged_snapshot_is_named(neural):
    path = Path("runs/copy/attention/step-000001.npz")
    path.write_bytes(path.read_bytes()[:100])
    result = neural("visualize", "runs/copy", "--evolution")
    assert result.code == 1 and "NE176" in result.err and path.name in result.err
    assert not Path("attention_outputs").exists()
