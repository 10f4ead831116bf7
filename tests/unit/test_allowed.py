"""The rule about masks, against the same rule written out cell by cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.attention.allowed import Allowed, from_cells


@st.composite
def rules(draw, shape=None):
    """Any rule over a few positions."""
    sizes = [draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 7))]
    batch, queries, keys = shape or sizes
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    heads = draw(st.sampled_from([1, 2]))
    dense = random.random((draw(st.sampled_from([1, batch])), heads, queries, keys))
    return Allowed(
        (batch, queries, keys),
        causal=draw(st.booleans()),
        window=draw(st.sampled_from([None, 1, 2, 5])),
        offset=draw(st.sampled_from([0, 0, 3, -2])),
        key_valid=draw(st.sampled_from([None, random.random((batch, keys)) < 0.7])),
        query_valid=draw(st.sampled_from([None, np.ones((batch, queries), bool)])),
        dense=draw(st.sampled_from([None, dense < 0.6])),
    )


def cell(rule: Allowed, b: int, h: int, i: int, j: int) -> bool:
    """The definition, word for word."""
    if rule.causal and j > i + rule.offset:
        return False
    if rule.window is not None and abs(i + rule.offset - j) >= rule.window:
        return False
    if rule.key_valid is not None and not rule.key_valid[b, j]:
        return False
    dense = rule.dense
    return dense is None or bool(dense[min(b, len(dense) - 1), h, i, j])


def written_out(rule: Allowed) -> np.ndarray:
    batch, queries, keys = rule.shape
    shape = (batch, rule.heads, queries, keys)
    cells = [cell(rule, *index) for index in np.ndindex(shape)]
    return np.array(cells, dtype=bool).reshape(shape)


@settings(max_examples=200, deadline=None)
@given(rules())
def test_every_form_of_a_rule_says_the_same(rule):
    cells = written_out(rule)
    np.testing.assert_array_equal(rule.rows(), cells)
    np.testing.assert_array_equal(rule.counts(), cells.sum(-1))
    np.testing.assert_array_equal(rule.seen(), cells.any(-2))
    assert not rule.everywhere or cells.all()
    batch, queries, keys = rule.shape
    some = np.arange(queries)[:: 2 if queries > 1 else 1][::-1]
    np.testing.assert_array_equal(rule.rows(some), cells[:, :, some])
    part = slice(0, max(1, keys // 2))
    np.testing.assert_array_equal(rule.rows(some, part), cells[:, :, some, part])
    for item in range(batch):
        np.testing.assert_array_equal(rule.item(item).rows()[0], cells[item])
        np.testing.assert_array_equal(rule.tile(item), cells[item].any(0))
        for head in range(rule.heads):
            found = rule.tile(item, head)
            np.testing.assert_array_equal(found, cells[item, head])
    for head in range(rule.heads):
        found = rule.head(head).rows()[:, 0]
        np.testing.assert_array_equal(found, cells[:, head])
    again = from_cells(cells, rule.shape)
    np.testing.assert_array_equal(np.broadcast_to(again.rows(), cells.shape), cells)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_two_rules_together_allow_what_both_allow(data):
    shape = (2, 4, 5)
    one, other = (data.draw(rules(shape)) for _ in range(2))
    other = replace(other, offset=one.offset)
    expected = one.rows() & other.rows()
    np.testing.assert_array_equal((one & other).rows(), expected)


def test_rules_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="different shapes or offsets"):
        Allowed((1, 2, 2)) & Allowed((1, 2, 3))
    with pytest.raises(ValueError, match="different shapes or offsets"):
        Allowed((1, 2, 2), causal=True) & Allowed((1, 2, 2), window=1, offset=3)
    for wrong in ({"key_valid": np.ones((1, 3), bool)}, {"dense": np.ones((1, 2, 2))}):
        with pytest.raises(ValueError, match="mask"):
            Allowed((1, 2, 2), **wrong)


@pytest.mark.parametrize(
    "rule",
    [
        Allowed((2, 4, 4)),
        Allowed((2, 4, 4), causal=True),
        Allowed((2, 3, 4), key_valid=np.array([[1, 1, 0, 0], [1, 1, 1, 0]]) == 1),
        Allowed((1, 4, 4), causal=True, key_valid=np.array([[0, 1, 1, 1]]) == 1),
    ],
)
def test_plain_rules_are_recognised_among_cells(rule):
    found = from_cells(rule.rows(), rule.shape)
    assert found.dense is None
    assert found.causal == rule.causal
    np.testing.assert_array_equal(found.rows(), rule.rows())


def test_a_rule_takes_no_room_for_cells():
    """Counting the keys of 100,000 queries must not make 10 GB of cells."""
    rule = Allowed((1, 100_000, 100_000), causal=True, window=7)
    assert rule.counts().sum() == 7 * 100_000 - 21
    assert rule.seen().all()
    assert rule.rows(np.array([99_999])).sum() == 7
