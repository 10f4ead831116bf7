"""When attention is recorded in training."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as some

from neural_dsl.runs.snapshots import steps


@settings(max_examples=200)
@given(total=some.integers(1, 10**6), count=some.integers(2, 60))
def test_steps_are_as_many_as_asked_for_from_zero_to_the_end(total, count):
    found = steps(total, count)
    assert found == sorted(set(found))
    assert found[0] == 0 and found[-1] == total
    assert len(found) == min(count, total + 1)


def test_steps_lie_the_farther_apart_the_later():
    found = steps(1500, 20)
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert gaps == sorted(gaps)
    later = [step for step in found if step >= 10]  # rounding weighs more before
    ratios = [b / a for a, b in itertools.pairwise(later)]
    assert max(ratios) / min(ratios) < 1.1, "a constant factor once they can"


def test_a_single_one_shows_the_end():
    assert steps(100, 1) == [100]
