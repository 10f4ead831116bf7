"""Pictures of runs label an attention only where it reads the positions of the ids."""

from types import SimpleNamespace

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.prompted import Shown, capture
from neural_dsl.runs.reading import Reading
from neural_dsl.targets.base import Batch
from neural_dsl.targets.record import record

pytestmark = pytest.mark.needs("torch")

TEXT = """network N { input: (4,) layers: Embedding(9, 4) TransformerEncoder(2, 4)
  Flatten Dense(16) Reshape((4, 4)) TransformerEncoder(2, 4) Output(9) }"""
WORDS = ("a", "b", "c", "d")
IDS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def model():
    return nd.load(TEXT, "pytorch")


def judge(layers):
    first, second = layers
    assert first.query_tokens == first.key_tokens == (WORDS,)
    assert first.expected is not None
    assert second.query_tokens is second.key_tokens is second.expected is None


def test_snapshots_label_what_the_ids_are_and_nothing_of_equal_length(model):
    ids = {"input": np.array([IDS])}
    cells = np.ones((1, 4, 4), bool)
    batch = Batch(ids, {"input": (WORDS,)}, "a problem", expected=cells)
    judge(record(model, batch).layers)


def test_prompts_label_what_the_ids_are_and_nothing_of_equal_length(model, tmp_path):
    task = SimpleNamespace(symbols=("_", *WORDS))
    run = LoadedRun(model.runtime, tmp_path, task)
    reading = Reading("abcd", None, None, IDS, WORDS, ("", "", "", "x"), [(3, (0,))])
    shown = capture(run, reading, "a prompt")
    judge(shown.record.layers)
    first, second = Shown.labelled(shown).layers
    assert first.query_tokens == (("a", "b", "c", "d → x"),)
    assert second.query_tokens is None
