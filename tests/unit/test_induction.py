"""The induction score, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from neural_dsl.attention.expected import induction_cells, induction_score
from neural_dsl.attention.record import LayerAttention
from tests.attention_records import layer as any_layer


def layer(weights: list[list[float]], tokens: str) -> LayerAttention:
    return any_layer(weights, "causal", tokens=tokens)


def test_cells_of_a_repeated_block_are_the_diagonal_one_less_than_the_block_back() -> (
    None
):
    cells = np.argwhere(induction_cells("abcabc")).tolist()
    assert cells == [[3, 1], [4, 2], [5, 3]]


def test_every_earlier_occurrence_counts() -> None:
    # `a` came at 0 and 2: it was followed by b at 1 and by c at 3. The `a` before the
    # query itself is the query, and what follows it is not known yet.
    assert np.argwhere(induction_cells("abaca")).tolist() == [[2, 1], [4, 1], [4, 3]]


def test_two_equal_tokens_in_a_row_point_at_the_second_itself() -> None:
    assert np.argwhere(induction_cells("aa")).tolist() == [[1, 1]]


def test_score_is_the_mean_mass_of_the_rows_that_have_such_keys() -> None:
    weights = [
        [1.0, 0.0, 0.0, 0.0],
        [0.5, 0.5, 0.0, 0.0],
        [0.1, 0.7, 0.2, 0.0],  # a: looks 0.7 at the b that followed the first a
        [0.2, 0.3, 0.4, 0.1],  # b: looks 0.4 at the a that followed the first b
    ]
    assert induction_score(layer(weights, "abab")) == pytest.approx([0.55])


def test_score_is_undefined_where_no_token_repeats() -> None:
    assert np.isnan(induction_score(layer([[1.0, 0.0], [0.5, 0.5]], "ab"))).all()


def test_attention_without_tokens_is_refused() -> None:
    without = any_layer([[1.0]], "causal", "a")
    with pytest.raises(ValueError, match="own sequence of tokens"):
        induction_score(without)
