"""Runs and scripts of texts: what the token ids mean is kept with the weights."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import EXAMPLES

pytestmark = pytest.mark.needs("torch")

NETWORK = """
network Tiny {
  task: Text(path="text.txt", TOKENS, context=16)
  layers:
    Embedding(output_dim=8)
    PositionalEncoding(encoding_type="learned")
    TransformerDecoder(num_heads=2, ff_dim=8, norm="pre")
    Output()
  train { steps: 4 batch_size: 8 validate_every: 2 }
}
"""
BPE = 'tokenizer="bpe", vocabulary=300'


@pytest.fixture
def text():
    """The beginning of the book that examples/gpt learns from."""
    pytest.importorskip("tokenizers")
    book = (EXAMPLES / "gpt" / "genesis.txt").read_text("utf-8")
    path = Path("text.txt")
    path.write_text(book[:12_000], encoding="utf-8")
    return path


def network(tokens=BPE):
    path = Path("model.neural")
    path.write_text(NETWORK.replace("TOKENS", tokens), encoding="utf-8")
    return path


def test_a_run_keeps_its_tokenizer_and_uses_that(neural, text):
    from tokenizers import Tokenizer

    assert neural("train", network()).code == 0
    stored = Path("runs/model/tokenizer.json")
    names = Tokenizer.from_file(str(stored)).get_vocab()
    assert len(names) == 300
    asked = ["generate", "runs/model", "--prompt", "And God", "--max-tokens", "5"]
    before = neural(*asked).out
    content = stored.read_text("utf-8")
    assert '"And"' in content
    assert before.startswith("And God")
    drawn = ["visualize", "runs/model", "--attention", "--text", "And God"]
    assert neural(*drawn).code == 0
    stored.write_text("{}")
    for command in (asked, drawn):
        done = neural(*command)
        assert done.code == 1 and "tokenizer.json" in done.err


def test_a_script_writes_its_tokenizer_beside_the_weights(neural, text, backend):
    from tokenizers import Tokenizer

    out = ["--backend", backend, "-o", "alone.py"]
    assert neural("compile", network(), *out).code == 0
    done = subprocess.run(
        [sys.executable, "-I", "alone.py"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Path("tiny.safetensors").exists()
    tokenizer = Tokenizer.from_file("tiny.tokenizer.json")
    ids = tokenizer.encode("And God said").ids
    assert tokenizer.decode(ids) == "And God said"
    # That file is a tokenizer like any other.
    assert neural("train", network('tokenizer="tiny.tokenizer.json"')).code == 0


def test_a_changed_text_is_noticed(neural, text):
    path = network('tokenizer="char"')
    assert neural("train", path).code == 0
    assert neural("visualize", "runs/model", "-o", "model.html").code == 0
    text.write_text(text.read_text("utf-8").replace("God", "Gad"), encoding="utf-8")
    resumed = neural("train", path, "--resume")
    assert resumed.code == 1 and "NE157" in resumed.err and "text.txt" in resumed.err
    # The run has the text that it learnt from.
    assert neural("generate", "runs/model", "--prompt", "And").code == 0


@pytest.mark.parametrize(
    ("content", "tokens", "code", "words"),
    [
        (b"", BPE, "NE075", "is empty"),
        (b"\x7fELF\0\0\xff" * 90, BPE, "NE075", "is not a text in UTF-8"),
        (b"abc\0" * 90, BPE, "NE075", "NUL bytes"),
        (b"ab", BPE, "NE162", 'use "char"'),
        (b"abcab" * 90, BPE, "NE162", "tokens, not 300: set vocabulary="),
        (b"short", 'tokenizer="char"', "NE075", "too short for `context=16`"),
        (b"abcab" * 90, 'tokenizer="text.txt"', "NE075", "is no tokenizer"),
        (b"abcab" * 90, 'tokenizer="none.json"', "NE075", "does not exist"),
    ],
)
def test_texts_to_learn_nothing_from_are_refused(
    neural, text, content, tokens, code, words
):
    text.write_bytes(content)
    done = neural("train", network(tokens))
    assert done.code == 1 and code in done.err and words in done.err
    assert not Path("runs/model").exists()


@pytest.mark.parametrize("tokens", ['tokenizer="char"', BPE])
def test_a_run_may_go_elsewhere_without_the_text(neural, text, tokens):
    path = network(tokens)
    assert neural("train", path).code == 0
    before = neural("generate", "runs/model", "--prompt", "And", "--max-tokens", "9")
    text.unlink()
    Path("elsewhere").mkdir()
    Path("runs/model").rename("elsewhere/run")
    after = neural("generate", "elsewhere/run", "--prompt", "And", "--max-tokens", "9")
    assert after.code == 0 and after.out == before.out
    assert neural("evaluate", "elsewhere/run").code == 0
    assert neural("train", "elsewhere/run", "--resume").code == 0


def test_resuming_needs_no_settings_and_tells_other_data_from_its_own(neural, text):
    other = Path("other.txt")
    other.write_text(text.read_text("utf-8").replace("God", "Gad"), encoding="utf-8")
    path = network('tokenizer="char"')
    chosen = ("--set", "task.path=other.txt")
    assert neural("train", path, *chosen).code == 0
    assert neural("train", path, *chosen, "--resume").code == 0
    assert neural("train", path, "--resume").code == 0
    refused = neural("train", path, "--set", "task.path=text.txt", "--resume")
    assert "NE157" in refused.err and "other data than `text.txt`" in refused.err


def test_the_help_for_a_run_is_a_command_that_the_shell_takes(neural, text):
    path, folder = network('tokenizer="char"'), "runs/a model's run"
    assert neural("train", path, "--output-dir", folder).code == 0
    again = neural("train", path, "--output-dir", folder).err
    assert "--output-dir 'runs/a model'\"'\"'s run-2'" in again
    path.write_text(path.read_text("utf-8") + "#", encoding="utf-8")
    changed = neural("train", path, "--output-dir", folder, "--resume").err
    command = shlex.split(
        changed.split("resume this one as it is by `")[1].split("`")[0]
    )
    assert neural(*command[1:]).code == 0


@pytest.mark.parametrize(
    "command", [("evaluate",), ("generate", "--prompt", "And"), ("train", "--resume")]
)
def test_a_run_without_its_text_is_said_to_be_damaged(neural, text, command):
    assert neural("train", network('tokenizer="char"')).code == 0
    Path("runs/model/text.txt").unlink()  # the one beside the file is not the run's
    done = neural(command[0], "runs/model", *command[1:])
    assert done.code == 1 and "NE156" in done.err and "text.txt is missing" in done.err
