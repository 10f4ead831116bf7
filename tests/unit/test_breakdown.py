"""The tables of `neural evaluate` count what they say, each problem once."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from neural_dsl.runs.decoding import Sample
from neural_dsl.runs.evaluation import by_kind
from tests.data_parts import task_of

SIZES = {"train_size": 3000, "validation_size": 50, "test_size": 300}


class Oracle:
    """Stands for a run whose model answers as `wrong` says; every sequence that it read
    is kept in `read`."""

    def __init__(self, task, max_len, wrong=lambda prompt: False):
        self.task, self.wrong, self.read = task, wrong, []
        self.input_length = None
        layer = SimpleNamespace(params={"max_len": max_len})
        self.network = SimpleNamespace(layers=lambda: [layer])

    def logits(self, ids):
        """The right next symbols, computed from the text alone."""
        found = np.zeros((*ids.shape, len(self.task.symbols)), np.float32)
        for row, tokens in zip(found, ids.tolist(), strict=True):
            text = "".join(self.task.symbols[id] for id in tokens if id)
            answer = self.answer(text)
            end = len(text)
            row[end - 1, self.task.symbols.index(answer)] = 1
        return found

    def answer(self, text):
        """The symbol after a text such as `abc:ab` or `07+85=0`."""
        if ":" in text:
            source, written = text.split(":")
            self.read += [source] * (not written)
            right = source
        else:
            prompt, written = text.split("=")
            self.read += [prompt] * (not written)
            a, sign, b = prompt[: len(prompt) // 2], prompt[len(prompt) // 2], None
            b = prompt[len(prompt) // 2 + 1 :]
            result = int(a) + int(b) if sign == "+" else int(a) - int(b)
            places = len(a) + ("+" in self.task.signs)
            right = str(abs(result)).zfill(places)
            if self.task.signed:
                right = ("-" if result < 0 else "+") + right
        if self.wrong(text.split("=")[0].split(":")[0]):
            right = right[:-1] + (
                "a" if right[-1] == "b" else "b" if ":" in text else "+"
            )
        return right[len(written)]


def test_short_lengths_are_tried_on_each_problem_once():
    task = task_of("Copy", length=4, vocabulary=8, **SIZES)
    run = Oracle(task, max_len=13)
    rows = {row.label: row for row in by_kind(run, [])["length"]}
    counts = {label: (row.right, row.count) for label, row in rows.items()}
    new = "(never trained on)"
    assert counts == {
        f"1 {new}": (8, 8),  # eight symbols make eight sequences
        f"2 {new}": (64, 64),
        f"3 {new}": (200, 200),
        f"4 {new}": (200, 200),
        f"5 {new}": (200, 200),
        f"6 {new}": (200, 200),
    }
    assert len(run.read) == len(set(run.read)) == 8 + 64 + 4 * 200


def test_unique_sequences_stay_unique_in_lengths_never_trained_on():
    task = task_of("Copy", length=4, vocabulary=5, unique=True, train_size=50, validation_size=9, test_size=9)  # fmt: skip
    run = Oracle(task, max_len=99)
    counts = {row.label.split()[0]: row.count for row in by_kind(run, [])["length"]}
    assert counts == {"1": 5, "2": 20, "3": 60, "4": 120, "5": 120}
    assert all(len(set(each)) == len(each) for each in run.read)


@pytest.mark.parametrize("operations", [("add",), ("add", "subtract")])
def test_arithmetic_is_counted_by_the_digits_of_both_numbers(operations):
    task = task_of("Arithmetic", operations=operations, max_number=99, **SIZES)
    problems = [task.problem("train", i) for i in range(task.size("train"))]
    answers = [  # wrong wherever the second number has one digit
        Sample(prompt, right if len(prompt.split(sign(prompt))[1]) > 2 else "?", right)
        for prompt, right in problems
    ]
    rows = {
        row.label: row
        for row in by_kind(Oracle(task, task.max_length), answers)["digits"]
    }
    signs = "+-"[: len(operations)]
    assert set(rows) == {f"{a}{s}{b}" for s in signs for a in (1, 2) for b in (1, 2)}
    for label, row in rows.items():
        of_kind = [p for p, _ in problems if kind(p) == label]
        assert row.count == len(of_kind) > 0
        assert row.right == (row.count if label.endswith("2") else 0)


def sign(prompt):
    return "-" if "-" in prompt else "+"


def kind(prompt):
    a, b = prompt[:-1].split(sign(prompt))
    return f"{len(a)}{sign(prompt)}{len(b)}"


def test_longer_numbers_are_tried_where_there_are_positions_for_them():
    task = task_of("Arithmetic", max_number=99, **SIZES)
    run = Oracle(task, task.max_length + 6, wrong=lambda p: p[0] == "9")
    rows = [
        row for row in by_kind(run, [])["digits"] if "never trained on" in row.label
    ]
    labels = [f"{n}{s}{n} (never trained on)" for n in (3, 4) for s in "+-"]
    assert [row.label for row in rows] == labels
    assert [row.count for row in rows] == [200] * 4
    assert len(set(run.read)) == len(run.read) == 800
    for row, read in zip(rows, np.split(np.array(run.read), 4), strict=True):
        assert row.right == sum(text[0] != "9" for text in read) < 200
        assert all(len(text) == 2 * int(row.label[0]) + 1 for text in read)
        assert all(text[0] != "0" and text[len(text) // 2 + 1] != "0" for text in read)
