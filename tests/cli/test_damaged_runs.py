"""Runs that lost a file, were moved or were edited: said as they are, nothing replaced."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from neural_dsl.backends import weights_file
from neural_dsl.files import write_bytes
from neural_dsl.runs import checkpoints
from tests.cli.training_files import COPY
from tests.regenerate import chdir

pytestmark = pytest.mark.needs("torch")

SHORT = ("--set", "train.steps=6", "--set", "train.validate_every=2")
RUN = Path("runs/model")


@pytest.fixture
def trained(neural, file):
    """The file of a finished run in runs/model."""
    source = file(COPY)
    assert neural("train", source, *SHORT).code == 0
    return source


def change_about(**changes):
    path = RUN / "run.json"
    about = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**about, **changes}))


def test_weights_without_a_state_are_never_replaced(neural, trained):
    change_about(status="interrupted")
    (RUN / "state.safetensors").unlink()
    before = {p.name: p.read_bytes() for p in RUN.glob("*.safetensors")}
    for given in (trained, RUN):
        done = neural("train", given, "--resume")
        assert done.code == 1 and "NE155" in done.err, done.err
        assert "last.safetensors of step 6" in done.err and "best" in done.err
        assert "--output-dir runs/model-2" in done.err
    (RUN / "best.safetensors").write_bytes(b"no weights")
    assert "best.safetensors and last" in neural("train", RUN, "--resume").err
    assert (RUN / "last.safetensors").read_bytes() == before["last.safetensors"]
    assert neural("evaluate", RUN, "--weights", "last").code == 0


@pytest.mark.parametrize("lost", ["best.safetensors", "last.safetensors"])
def test_weights_that_a_kill_kept_from_following_the_state_are_mended(
    neural, file, monkeypatch, lost, backend
):
    source, written = file(COPY), []

    def dies(path, content):
        if path.name == lost and path.name in written:
            raise KeyboardInterrupt
        written.append(path.name)
        write_bytes(path, content)

    given = (*SHORT, "--backend", backend)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_bytes", dies)
        assert neural("train", source, *given).code == 130
    assert checkpoints.load(RUN)[1].step > checkpoints.saved_weights(RUN)[lost]
    assert neural("train", source, "--resume").code == 0
    assert neural("train", source, *given, "--output-dir", "runs/whole").code == 0
    for name in ("best", "last", "state"):
        ours = weights_file.load(RUN / f"{name}.safetensors")
        whole = weights_file.load(f"runs/whole/{name}.safetensors")
        assert ours.arrays.keys() == whole.arrays.keys()
        for key, array in ours.arrays.items():
            np.testing.assert_array_equal(array, whole.arrays[key])


def test_a_kill_after_the_very_first_state_loses_nothing(neural, file, monkeypatch):
    def dies(path, content):
        if path.name != "state.safetensors":
            raise KeyboardInterrupt
        write_bytes(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_bytes", dies)
        assert neural("train", file(COPY), *SHORT).code == 130
    assert not (RUN / "best.safetensors").exists()
    saved = checkpoints.load(RUN)[1]
    with monkeypatch.context() as patch:  # mended before the next step
        patch.setattr(checkpoints, "save", lambda *given: 1 / 0)
        neural("train", RUN, "--resume")
    assert saved.best_step == saved.step == 2
    assert checkpoints.saved_weights(RUN) == {
        "best.safetensors": 2,
        "last.safetensors": 2,
    }
    best = weights_file.load(RUN / "best.safetensors").metadata
    assert best["step"] == "2" and "loss" in best


def test_a_text_too_short_is_named_where_the_user_has_it(neural, file):
    Path("words.txt").write_text("the cat sat " * 30, encoding="utf-8")
    source = file(
        COPY.replace(
            "Copy(length=4, vocabulary=8, train_size=4000, validation_size=100, "
            "test_size=200)",
            'Text(path="words.txt", tokenizer="bpe", vocabulary=260, context=64)',
        )
    )
    done = neural("train", source, *SHORT)
    assert (
        done.code == 1 and "NE162" in done.err and "words.txt is too short" in done.err
    )
    assert "model.neural:3:9" in done.err and "runs" not in done.err
    assert 'path="words.txt"' in done.err and not Path("runs").exists()


def test_a_broken_copy_is_named_and_not_the_user_s_file(neural, trained):
    copy = RUN / "model.neural"
    copy.write_text(copy.read_text("utf-8").replace("network Tiny", "network"), "utf-8")
    done = neural("evaluate", RUN)
    assert done.code == 1 and "runs/model/model.neural:2:9" in done.err


ARRAYS = """
network N {
  task: Arrays("good.npz")
  input: (4,)
  layers: Dense(8) Output(3, "softmax")
  train { steps: 2 batch_size: 8 }
}
"""


@pytest.fixture
def arrays_run(neural, file):
    """A finished run of arrays in runs/model."""
    rng = np.random.default_rng(0)
    np.savez("good.npz", x=rng.normal(size=(40, 4)), y=np.arange(40) % 3)
    assert neural("train", file(ARRAYS)).code == 0


def test_a_moved_run_of_arrays_says_where_it_looks_for_them(neural, arrays_run):
    Path("elsewhere/deep").mkdir(parents=True)
    RUN.rename("elsewhere/deep/model")
    done = neural("evaluate", "elsewhere/deep/model")
    assert done.code == 1 and "NE075" in done.err and "good.npz" in done.err
    assert "elsewhere/deep/model/model.neural:3:16" in done.err
    assert "looked for from `elsewhere`" in done.err
    Path("good.npz").rename("elsewhere/good.npz")
    assert neural("evaluate", "elsewhere/deep/model").code == 0


def test_a_run_of_arrays_is_told_what_works(neural, arrays_run):
    np.save("x.npy", np.zeros((2, 4)))
    for command in ("predict", "generate"):
        done = neural(command, RUN, "--prompt", "1")
        assert done.code == 1 and "NE160" in done.err
        assert "neural predict" not in done.err
        told = [part.split() for part in done.err.split("`") if "neural run " in part]
        assert "runs/model/last.safetensors" in told[0]  # those that were tested
        assert neural(*told[0][1:]).code == 0
    drawn = neural("visualize", RUN, "--attention", "--prompt", "1")
    assert drawn.code == 1 and "best.safetensors" not in drawn.err


def test_weights_that_are_gone_are_named_with_those_that_are_there(neural, trained):
    (RUN / "last.safetensors").unlink()
    done = neural("predict", RUN, "--prompt", "abcd")
    assert done.code == 1 and "NE156" in done.err and "no last.safetensors" in done.err
    assert "`--weights best`" in done.err and "--resume" not in done.err
    assert neural("predict", RUN, "--prompt", "abcd", "--weights", "best").code == 0


def test_the_best_weights_that_were_tested_are_not_replaced_in_silence(neural, trained):
    change_about(tested="best")
    (RUN / "best.safetensors").unlink()
    done = neural("predict", RUN, "--prompt", "abcd")
    assert done.code == 1 and "NE156" in done.err and "no best.safetensors" in done.err
    assert "`--weights last`" in done.err
    assert neural("predict", RUN, "--prompt", "abcd", "--weights", "last").code == 0


def test_a_finished_run_without_its_weights_is_told_what_works(neural, trained):
    for path in RUN.glob("*.safetensors"):
        path.unlink()
    done = neural("predict", RUN, "--prompt", "abcd")
    assert done.code == 1 and "NE156" in done.err and "its weights are gone" in done.err
    assert "--resume" not in done.err
    told = done.err.replace("\n", " ").split("`neural ")[1].split("`")[0].split()
    assert neural(*told, *SHORT).code == 0
    assert neural("predict", RUN, "--prompt", "abcd").code == 0


def test_a_run_whose_model_lost_its_task_is_no_whole_run(neural, trained_once):
    network = "network A { input: (4,8) layers: Dense(3) }"
    (RUN / "model.neural").write_text(network)
    for command in (
        ("predict", RUN, "--prompt", "ab:"),
        ("evaluate", RUN),
        ("visualize", RUN, "--attention", "--output-dir", "drawn"),
        ("train", RUN, "--resume"),
    ):
        done = neural(*command)
        assert done.code == 1 and "NE156" in done.err, done.err
        assert "its model.neural has no task" in done.err


PROMPT = ("--prompt", "abcd")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize(
    ("name", "code", "command"),
    [
        ("run.json", "NE156", ("predict", RUN, *PROMPT)),
        ("model.neural", "NE156", ("predict", RUN, *PROMPT)),
        ("last.safetensors", "NE103", ("predict", RUN, *PROMPT, "--weights", "last")),
        ("state.safetensors", "NE155", ("train", RUN, "--resume")),
        ("train.py", "NE157", ("train", RUN, "--resume")),
        ("metrics.jsonl", "NE156", ("train", RUN, "--resume")),
        ("metrics.jsonl", "NE156", ("visualize", RUN, "--evolution")),
        ("attention/step-000000.npz", "NE176", ("visualize", RUN, "--evolution")),
        (
            "attention/step-000000_metrics.json",
            "NE176",
            ("visualize", RUN, "--evolution"),
        ),
    ],
)
def test_what_is_no_file_is_not_read(neural, trained_once, name, code, command, kind):
    if command[0] == "train":
        change_about(status="interrupted")
    path = RUN / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:  # which never ends
        path.symlink_to("/dev/zero")
    done = neural(*command)
    assert done.code == 1 and code in done.err, done.err


def test_the_script_of_a_run_is_written_anew_when_it_is_gone(neural, trained):
    change_about(status="interrupted")
    script = RUN / "train.py"
    text = script.read_text("utf-8")
    script.unlink()
    assert neural("train", RUN, "--resume").code == 0
    assert script.read_text("utf-8") == text
    change_about(status="interrupted")
    script.write_text(text + "# mine\n")
    done = neural("train", RUN, "--resume")
    assert done.code == 1 and "NE157" in done.err and "move it elsewhere" in done.err
    assert script.read_text("utf-8").endswith("# mine\n")
    script.rename("mine.py")
    assert neural("train", RUN, "--resume").code == 0


def test_other_code_of_another_version_is_refused_with_that_version(neural, trained):
    change_about(
        status="interrupted", code_sha256="0", versions={"neural-dsl": "0.0.1"}
    )
    done = neural("train", RUN, "--resume")
    assert done.code == 1 and "NE157" in done.err
    assert "other code for it (it began with neural 0.0.1)" in done.err


def test_another_version_of_the_framework_is_noted(neural, trained):
    change_about(status="interrupted", versions={"torch": "1.0", "tensorflow": "1.0"})
    done = neural("train", RUN, "--resume")
    assert done.code == 0 and "bit for bit is promised for one version only" in done.err
    assert "1.0, and this is" in done.err
    change_about(status="interrupted")
    assert "bit for bit" not in neural("train", RUN, "--resume").err


@pytest.mark.parametrize(
    "changes",
    [
        {"network": 5},
        {"source": []},
        {"settings": "train.steps=3"},
        {"settings": [3]},
        {"kept": [None]},
        {"data_sha256": []},
        {"splits_sha256": 7},
        {"versions": "1.0"},
        {"step": "six"},
        {"step": True},
        {"backend": ["pytorch"]},
        {"layout": "2"},
    ],
    ids=str,
)
def test_a_run_json_of_other_types_is_damaged(neural, trained_once, changes):
    change_about(**changes)
    for command in (("train", RUN, "--resume"), ("evaluate", RUN)):
        done = neural(*command)
        assert done.code == 1 and "NE156" in done.err, done.err
        assert "its run.json is damaged" in done.err


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The folder of a program that has trained a run, made once."""
    from neural_dsl.cli.program import run

    folder = tmp_path_factory.mktemp("once")
    (folder / "model.neural").write_text(COPY, encoding="utf-8")
    with chdir(folder):
        snapshots = ("--set", "train.attention_snapshots=2")
        assert run(["train", "model.neural", *SHORT, *snapshots]) == 0
    return folder


@pytest.fixture
def trained_once(once, tmp_path, monkeypatch):
    """A copy of it."""
    shutil.copytree(once, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")


def test_damaged_snapshots_and_metrics_are_named(neural, trained_once):
    taken = sorted((RUN / "attention").glob("step-*.npz"))
    whole = taken[0].read_bytes()
    taken[0].write_bytes(b"")
    done = neural("visualize", RUN, "--evolution", "--output-dir", "drawn")
    assert done.code == 1 and "NE176" in done.err and taken[0].name in done.err
    assert "interrupted" not in done.err
    taken[0].write_bytes(whole)
    metrics = taken[0].with_name(f"{taken[0].stem}_metrics.json")
    metrics.write_bytes(b"\xff\xfe\x00")
    done = neural("visualize", RUN, "--evolution", "--output-dir", "drawn")
    assert done.code == 1 and "NE176" in done.err


def test_foreign_lines_of_metrics_are_left_out(neural, trained_once):
    from neural_dsl.runs import metrics

    path = RUN / "metrics.jsonl"
    before = metrics.read(RUN)
    foreign = b'{"step": 2, "loss": "much", "learning_rate": null}\n\xff\xfe\n[1]\n'
    path.write_bytes(path.read_bytes() + foreign + b"[" * 10**5 + b"\n")
    assert metrics.read(RUN) == [*before, {"step": 2}]
    assert neural("visualize", RUN, "--evolution", "--output-dir", "drawn").code == 0


def test_a_run_of_an_older_version_is_used_where_that_is_right(neural, trained_once):
    about = json.loads((RUN / "run.json").read_text("utf-8"))
    assert about.pop("layout") == 2
    about["splits_sha256"]["test"] = "0" * 64
    (RUN / "run.json").write_text(json.dumps(about))
    assert neural("predict", RUN, "--prompt", "abcd").code == 0
    assert neural("visualize", RUN, "--attention", "--prompt", "abcd").code == 0
    done = neural("evaluate", RUN)
    assert done.code == 1 and "NE162" in done.err
    assert "it may have learnt those of the test split" in done.err
    change_about(status="interrupted")
    done = neural("train", RUN, "--resume")
    assert done.code == 1 and "NE157" in done.err and "an older version" in done.err


def test_what_a_kill_left_half_written_is_removed(neural, trained_once):
    change_about(status="interrupted")
    left = [RUN / ".state.safetensors.1a2b3c4d.tmp", RUN / "attention/.x.npz.00.tmp"]
    for path in left:
        path.write_bytes(b"half")
    (RUN / "attention/.neural-12345678").mkdir()
    (RUN / "notes.tmp").write_text("mine")
    assert neural("train", RUN, "--resume").code == 0
    assert not any(path.exists() for path in left)
    assert not (RUN / "attention/.neural-12345678").exists()
    assert (RUN / "notes.tmp").exists()


def test_a_lesson_is_repeated_by_overwrite(neural, trained_once):
    again = ("train", "model.neural", *SHORT)
    done = neural(*again)
    assert done.code == 1 and "NE150" in done.err and "--overwrite" in done.err
    (RUN / "notes.md").write_text("mine")
    weights = (RUN / "last.safetensors").read_bytes()
    (RUN / "last.safetensors").write_bytes(b"")
    assert neural(*again, "--overwrite").code == 0
    assert (RUN / "last.safetensors").read_bytes() == weights
    assert (RUN / "notes.md").read_text() == "mine"
    assert not (RUN / "attention").exists(), "the first run's snapshots are gone"
    change_about(status="interrupted")
    done = neural(*again, "--overwrite")
    assert done.code == 1 and "NE150" in done.err and "--force" in done.err
    assert (RUN / "last.safetensors").read_bytes() == weights
    assert neural(*again, "--overwrite", "--force").code == 0
    bad = neural("train", "model.neural", "--set", "train.steps=x", "--overwrite")
    assert bad.code == 1 and (RUN / "last.safetensors").exists(), "nothing was removed"


def test_good_prompts_are_answered_beside_a_bad_one(neural, trained_once):
    good = neural("predict", RUN, "--prompt", "abcd", "--prompt", "hgfe")
    assert good.code == 0
    one, other = good.out.splitlines()
    mixed = [f"--prompt={each}" for each in ("abcd", "xyz!", "hgfe", "zzzz")]
    done = neural("predict", RUN, *mixed)
    assert done.code == 1 and done.out.splitlines() == [one, "", other, ""]
    assert done.err.count("NE159") >= 2 and "xyz!" in done.err and "zzzz" in done.err
    drawn = neural("visualize", RUN, "--attention", *mixed[:2], "--output-dir", "drawn")
    assert drawn.code == 1 and "NE171" in drawn.err and "xyz!" in drawn.err
    assert Path("drawn/attention.npz").exists() and "abcd" in drawn.out


def test_a_finished_run_without_weights_is_not_nothing_to_do(neural, trained_once):
    for path in RUN.glob("*.safetensors"):
        path.unlink()
    done = neural("train", RUN, "--resume")
    assert done.code == 1 and "NE156" in done.err, done.err
    assert "its weights are gone" in done.err and "--overwrite" in done.err
