"""Metrics against values worked out by hand, by analysis, and by a slow oracle."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.record import AttentionRecord, LayerAttention, Provenance
from neural_dsl.attention.storage import analyse, analysis_block

PROVENANCE = Provenance("Toy", "toy.neural", "pytorch", "random, seed 0", "X.npy")


def layer(matrix, kind="self", **rest):
    """One head, one batch item, unless the matrix brings its own leading axes."""
    weights = np.asarray(matrix, dtype=np.float32)
    weights = weights.reshape((1,) * (4 - weights.ndim) + weights.shape)
    batch, _, queries, keys = weights.shape
    allowed = Allowed(
        (batch, queries, keys),
        causal=kind == "causal",
        key_valid=rest.pop("key_mask", None),
        query_valid=rest.pop("query_mask", None),
    )
    return LayerAttention("attention", kind, weights, allowed, **rest)


def head_values(one):
    return one.values()


def value(name, matrix, kind="self", **rest):
    return head_values(layer(matrix, kind, **rest))[name][0]


def causal_uniform(size):
    lower = np.tri(size)
    return lower / lower.sum(-1, keepdims=True)


HAND = [[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.2, 0.7, 0.1]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max_attention", (0.5 + 0.6 + 0.7) / 3),
        ("diagonal_mass", (0.5 + 0.6 + 0.1) / 3),
        ("diagonal_strength", 0.5 + 0.6 + 0.1),
        ("previous_token", (0.1 + 0.7) / 2),
        ("next_token", (0.25 + 0.3) / 2),
        ("first_token", (0.1 + 0.2) / 2),
        ("anti_diagonal", (0.25 + 0.6 + 0.2) / 3),
        ("mean_distance", ((0.25 + 0.5) + (0.1 + 0.3) + (0.4 + 0.7)) / 3),
        # Rows sorted: (1/4, 1/4, 1/2), (.1, .3, .6), (.1, .2, .7); (x3 - x1) · 2 / 3.
        ("gini", 2 / 3 * (0.25 + 0.5 + 0.6) / 3),
        ("sparsity", 2 / 3),
    ],
)
def test_a_small_matrix_gives_the_values_worked_out_by_hand(name, expected):
    assert value(name, HAND) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_uniform_causal_entropy_is_ln_of_the_row_number(size):
    expected = np.mean([math.log(i + 1) for i in range(size)])
    matrix = causal_uniform(size)
    assert value("entropy", matrix, "causal") == pytest.approx(expected, abs=1e-6)
    normalized = value("normalized_entropy", matrix, "causal")
    if size == 1:
        assert math.isnan(normalized), "ln 1 = 0: there is nothing to normalise by"
    else:
        assert normalized == pytest.approx(1, abs=1e-6)


def test_identity_has_no_entropy_and_a_strength_of_its_length():
    found = head_values(layer(np.eye(9)))
    assert found["entropy"][0] == 0 and not np.signbit(found["entropy"][0])
    assert found["diagonal_mass"][0] == 1
    assert found["diagonal_strength"][0] == 9
    assert found["mean_distance"][0] == 0
    assert found["gini"][0] == pytest.approx(1 - 1 / 9)
    assert found["sparsity"][0] == pytest.approx(8 / 9)


def test_uniform_attention_shows_no_preference():
    found = head_values(layer(np.full((11, 11), 1 / 11)))
    assert found["diagonal_strength"][0] == pytest.approx(1, abs=1e-6)
    assert found["entropy"][0] == pytest.approx(math.log(11), abs=1e-6)
    assert found["gini"][0] == pytest.approx(0, abs=1e-6)
    assert found["sparsity"][0] == 0, "float32's 1/11 is not less than the average"


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("previous_token", np.eye(6, k=-1)),
        ("next_token", np.eye(6, k=1)),
        ("anti_diagonal", np.eye(6)[::-1]),
        ("first_token", np.eye(6)[np.zeros(6, int)]),
    ],
)
def test_each_pattern_scores_one_on_its_own_metric(name, matrix):
    assert value(name, matrix) == 1


def test_padded_queries_and_masked_keys_do_not_count():
    """The metrics of a padded item are those of the item without its padding."""
    padded = np.full((1, 1, 5, 5), 0.2)
    padded[0, 0, :, :3] = [HAND[0], HAND[1], HAND[2], [0, 0, 1], [1, 0, 0]]
    padded[0, 0, :, 3:] = 0.77  # a broken capture: masked cells must be ignored
    mask = np.array([[True, True, True, False, False]])
    short = head_values(layer(HAND))
    long = head_values(layer(padded, key_mask=mask, query_mask=mask))
    for name in METRICS:
        assert long[name] == pytest.approx(short[name], abs=1e-6), name


def test_first_token_is_the_first_that_is_not_padding():
    matrix = np.zeros((4, 4))
    matrix[1:, 1] = 1
    mask = np.array([[False, True, True, True]])
    assert value("first_token", matrix, key_mask=mask, query_mask=mask) == 1


def test_first_token_of_cross_attention_drops_no_row_by_the_number_of_a_key():
    """Its queries are another sequence: what stands before the memory is no matter."""
    matrix = [[0, 0, 0.1, 0.9], [0, 0, 0.4, 0.6], [0, 0, 0.7, 0.3]]
    padded = np.array([[False, False, True, True]])
    found = value("first_token", matrix, "cross", key_mask=padded)
    assert found == pytest.approx((0.1 + 0.4 + 0.7) / 3)
    alone = np.array([[False, False, True, False]])
    only = np.tile([0, 0, 1, 0], (3, 1))
    assert math.isnan(value("first_token", only, "cross", key_mask=alone))


def test_first_token_of_self_attention_leaves_out_its_own_row():
    assert value("first_token", HAND) == pytest.approx((0.1 + 0.2) / 2)
    matrix = np.tri(3) / np.tri(3).sum(-1, keepdims=True)
    assert value("first_token", matrix, "causal") == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_metrics_follow_a_rule_that_differs_from_head_to_head():
    dense = np.ones((1, 2, 3, 3), dtype=bool)
    dense[0, 1, :, 0] = False
    weights = np.tile(HAND, (1, 2, 1, 1)).astype(np.float32)
    both = replace(layer(weights), allowed=Allowed((1, 3, 3), dense=dense)).values()
    second = layer(HAND, key_mask=np.array([[False, True, True]])).values()
    first = layer(HAND).values()
    for name, found in both.items():
        assert found == pytest.approx([first[name][0], second[name][0]]), name


def test_an_item_without_valid_keys_is_left_out_of_the_batch_mean():
    weights = np.zeros((2, 1, 3, 3))
    weights[0, 0] = HAND
    mask = np.array([[True] * 3, [False] * 3])
    both = head_values(layer(weights, key_mask=mask, query_mask=mask))
    assert both["entropy"] == pytest.approx(head_values(layer(HAND))["entropy"])
    none = head_values(layer(weights[1:], key_mask=mask[1:]))
    assert all(np.isnan(none[name]).all() for name in METRICS)


def test_items_weigh_the_same_whatever_their_length():
    weights = np.zeros((2, 1, 4, 4))
    weights[0, 0] = np.eye(4)
    weights[1, 0, :1, :1] = 0.5
    weights[1, 0, 0, 1] = 0.5
    mask = np.array([[True] * 4, [True, True, False, False]])
    query = np.array([[True] * 4, [True, False, False, False]])
    found = value("max_attention", weights, key_mask=mask, query_mask=query)
    assert found == pytest.approx((1 + 0.5) / 2)


def test_cross_attention_has_no_diagonal():
    found = head_values(layer(np.full((8, 13), 1 / 13), "cross"))
    undefined = {name for name in METRICS if np.isnan(found[name]).any()}
    assert undefined == {name for name in METRICS if METRICS[name].one_sequence}
    assert found["first_token"][0] == pytest.approx(1 / 13, abs=1e-6)


def test_undefined_values_are_none_in_the_plain_data():
    record = AttentionRecord((layer(np.full((2, 3), 1 / 3), "cross"),), PROVENANCE)
    head = analyse(record)[0]["heads"][0]
    assert head["diagonal_strength"] is None
    assert head["entropy"] == pytest.approx(math.log(3), abs=1e-6)


def test_the_printed_block_has_the_documented_shape():
    layers = (
        layer(np.stack([np.eye(50), np.full((50, 50), 1 / 50)] * 2)),
        layer(np.full((2, 3), 1 / 3), "cross"),
    )
    assert analysis_block(AttentionRecord(layers, PROVENANCE)) == (
        "Attention Analysis:\n"
        "  Layers with attention: 2\n"
        "  attention: (1, 4, 50, 50)\n"
        "    - Num heads: 4\n"
        "    - Avg entropy: 1.956\n"
        "    - Avg max attention: 0.510\n"
        "    - Diagonal strength: 25.500\n"
        "  attention: (1, 1, 2, 3)\n"
        "    - Num heads: 1\n"
        "    - Avg entropy: 1.099\n"
        "    - Avg max attention: 0.333\n"
        "    - Diagonal strength: n/a"
    )


# The oracle: the definitions as loops over one row at a time, in plain Python.


def slow(name, rows):
    """Mean over an item's rows. rows: (i, {j: A_ij for allowed j}, [valid keys])."""
    found = [value for row in rows if (value := SLOW[name](*row)) is not None]
    return sum(found) / len(found) if found else None


def slow_entropy(i, row, keys):
    return -sum(a * math.log(a) for a in row.values() if a > 0)


def slow_gini(i, row, keys):
    """Half the relative mean absolute difference of all pairs: another formula."""
    total = sum(row.values())
    pairs = sum(abs(a - b) for a in row.values() for b in row.values())
    return pairs / (2 * len(row) * total) if total else 0


SLOW = {
    "entropy": slow_entropy,
    "normalized_entropy": lambda i, row, keys: (
        slow_entropy(i, row, keys) / math.log(len(row)) if len(row) > 1 else None
    ),
    "max_attention": lambda i, row, keys: max(row.values()),
    "diagonal_mass": lambda i, row, keys: row.get(i, 0),
    "diagonal_strength": lambda i, row, keys: row.get(i, 0) * len(row),
    "previous_token": lambda i, row, keys: row.get(i - 1, 0) if i - 1 in keys else None,
    "next_token": lambda i, row, keys: row.get(i + 1, 0) if i + 1 in keys else None,
    "first_token": lambda i, row, keys: row.get(keys[0], 0) if i > keys[0] else None,
    "anti_diagonal": lambda i, row, keys: (
        row.get(keys[0] + keys[-1] - i, 0) if keys[0] + keys[-1] - i in keys else None
    ),
    "mean_distance": lambda i, row, keys: (
        sum(a * abs(i - j) for j, a in row.items()) / (sum(row.values()) or 1)
    ),
    "gini": slow_gini,
    "sparsity": lambda i, row, keys: (
        sum(a < (1 - 1e-5) / len(row) for a in row.values()) / len(row)
    ),
}


@st.composite
def padded_layers(draw):
    """Softmax rows over random masks: interior gaps, empty items, causal or not."""
    batch, heads = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    size = draw(st.integers(1, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["self", "causal"]))
    mask = random.random((batch, size)) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    scores = np.exp(random.normal(size=(batch, heads, size, size)) * 3)
    scores *= random.random(scores.shape) < 0.8  # exact zeros happen
    bare = layer(np.zeros(scores.shape), kind, key_mask=mask)
    scores *= bare.allowed.rows()
    total = scores.sum(-1, keepdims=True)
    weights = np.divide(scores, total, out=np.zeros_like(scores), where=total > 0)
    return layer(weights, kind, key_mask=mask, query_mask=mask)


@settings(max_examples=150, deadline=None)
@given(padded_layers())
def test_vectorised_metrics_equal_the_slow_oracle(one):
    found = head_values(one)
    batch, heads, queries, keys = one.weights.shape
    allowed = one.allowed.rows()[:, 0]
    for head in range(heads):
        items = []
        for b in range(batch):
            valid = [j for j in range(keys) if allowed[b, :, j].any()]
            rows = []
            for i in range(queries):
                row = {
                    j: float(one.weights[b, head, i, j])
                    for j in range(keys)
                    if allowed[b, i, j]
                }
                if row and one.query_mask[b, i]:
                    rows.append((i, row, valid))
            items.append(rows)
        for name in METRICS:
            means = [m for m in (slow(name, rows) for rows in items) if m is not None]
            expected = sum(means) / len(means) if means else math.nan
            assert found[name][head] == pytest.approx(
                expected, abs=1e-9, nan_ok=True
            ), name


def test_large_layers_are_measured_in_parts_with_the_same_result(monkeypatch):
    random = np.random.default_rng(0)
    one = layer(random.dirichlet(np.ones(9), size=(2, 5, 9)))
    whole = head_values(one)
    monkeypatch.setattr("neural_dsl.attention.metrics.CELLS_AT_ONCE", 200)
    parts = head_values(one)
    for name in METRICS:
        np.testing.assert_array_equal(parts[name], whole[name])
