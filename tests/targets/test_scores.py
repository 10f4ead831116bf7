"""Scores of every kind against softmax written out: NumPy's own, and the backends'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.scores import Scores, mixed
from neural_dsl.diagnostics import NeuralError


def numpy_scores(q, k, v, rule, scale, bias):
    return Scores(q, k, v, mask=rule.rows(), scale=scale, bias=bias)


def torch_scores(q, k, v, rule, scale, bias):
    import torch

    from neural_dsl.backends.pytorch.capture import KernelCall

    q, k, v = map(torch.from_numpy, (q, k, v))
    allowed = torch.from_numpy(np.array(rule.rows()))
    mask = allowed
    if bias is not None:
        added = torch.from_numpy(
            np.array(np.broadcast_to(bias, q.shape[:3] + k.shape[2:3]))
        )
        mask = added.masked_fill(~allowed, -torch.inf)
    kernel = torch.nn.functional.scaled_dot_product_attention
    named = {"scale": scale, "enable_gqa": q.shape[1] != k.shape[1]}
    call = KernelCall(kernel, (q, k, v, mask), named)
    return call.scores(call.run())


def keras_scores(q, k, v, rule, scale, bias):
    from neural_dsl.backends.tensorflow.capture import DeviceScores

    context = numpy_scores(q, k, v, rule, scale, bias).context()
    return DeviceScores(q, k, v, context, mask=rule.rows(), bias=bias, scale=scale)


EACH = [
    numpy_scores,
    pytest.param(torch_scores, marks=pytest.mark.needs("torch")),
    pytest.param(keras_scores, marks=pytest.mark.needs("tensorflow")),
]


def written_out(q, k, rule, scale, bias):
    """Softmax cell by cell, and the log of its denominator."""
    batch, heads, queries, _ = q.shape
    keys, groups = k.shape[2], heads // k.shape[1]
    weights = np.zeros((batch, heads, queries, keys))
    lse = np.full((batch, heads, queries), -np.inf)
    allowed = np.broadcast_to(rule.rows(), weights.shape)
    for b, h, i in np.ndindex(batch, heads, queries):
        powers = {}
        for j in np.flatnonzero(allowed[b, h, i]):
            score = float(q[b, h, i].astype(float) @ k[b, h // groups, j]) * scale
            powers[j] = np.exp(score + (0 if bias is None else bias[0, h, i, j]))
        total = sum(powers.values())
        for j, power in powers.items():
            weights[b, h, i, j] = power / total
        if powers:
            lse[b, h, i] = np.log(total)
    return weights, lse


@st.composite
def problems(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, groups, each = (draw(st.integers(1, 2)) for _ in range(3))
    queries, keys = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    heads, size = groups * each, 4

    def numbers(*shape):
        return random.normal(size=shape).astype(np.float32)

    rule = Allowed(
        (batch, queries, keys),
        causal=draw(st.booleans()),
        window=draw(st.sampled_from([None, 2])),
        key_valid=draw(st.sampled_from([None, random.random((batch, keys)) < 0.7])),
    )
    bias = draw(st.sampled_from([None, numbers(1, heads, queries, keys)]))
    q, k = numbers(batch, heads, queries, size), numbers(batch, groups, keys, size)
    return q, k, numbers(batch, groups, keys, 3), rule, draw(st.floats(0.1, 1.5)), bias


@pytest.mark.parametrize("make", EACH)
@settings(max_examples=40, deadline=None)
@given(problems())
def test_every_question_is_answered_as_by_softmax_written_out(make, problem):
    q, k, v, rule, scale, bias = problem
    scores = make(*problem)
    weights, lse = written_out(q, k, rule, scale, bias)
    assert scores.shape == weights.shape
    close = {"rtol": 0, "atol": 2e-6}
    queries = np.arange(q.shape[2])[::-2]
    np.testing.assert_allclose(scores.rows(queries), weights[:, :, queries], **close)
    for size in (None, 1, 2):
        parts = list(scores.chunks(size))
        joined = np.concatenate([part for _, part in parts], axis=2)
        np.testing.assert_allclose(joined, weights, **close)
    np.testing.assert_allclose(scores.lse(), lse, rtol=0, atol=1e-5)
    expected = mixed(weights, v.astype(float))
    np.testing.assert_allclose(scores.expect(v), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(scores.context(), expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(scores.values(), v)
    np.testing.assert_allclose(scores.dense(), weights, **close)
    np.testing.assert_array_equal(
        np.broadcast_to(scores.allowed.rows(), weights.shape),
        np.broadcast_to(rule.rows(), weights.shape),
    )
    assert scores.dense().dtype == scores.lse().dtype == np.float32
    # The entropy without weights: lse - scale · q · E[k], without a bias.
    if bias is None:
        mean_key = scores.expect(k)
        entropy = scores.lse() - scale * (q * mean_key).sum(-1)
        logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
        rows = np.isfinite(lse)
        np.testing.assert_allclose(
            entropy[rows], -(weights * logs).sum(-1)[rows], rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("make", EACH)
def test_all_weights_are_refused_beyond_a_limit_and_rows_are_not(make, monkeypatch):
    q = np.ones((1, 2, 50, 4), np.float32)
    scores = make(q, q, q, Allowed((1, 50, 50), causal=True), 1.0, None)
    monkeypatch.setattr("neural_dsl.attention.scores.BLOCK", 2 * 50 * 7)
    assert max(rows.shape[2] for _, rows in scores.chunks()) == 7
    with pytest.raises(NeuralError, match=r"^NE108: all weights of this .*, 1 x 2"):
        scores.dense(limit=4 * 2 * 50 * 50 - 1)
    assert scores.rows(slice(0, 3)).shape == (1, 2, 3, 50)
    assert scores.dense(limit=4 * 2 * 50 * 50).shape == (1, 2, 50, 50)


@pytest.mark.needs("torch")
def test_what_asks_for_no_weights_makes_no_square_of_them():
    """16,384 tokens: their weights take 1 GiB; a block of rows 64 MiB."""
    import resource

    import torch

    from neural_dsl.backends.pytorch.capture import KernelCall

    q = torch.zeros(1, 1, 16_384, 1)
    kernel = torch.nn.functional.scaled_dot_product_attention
    call = KernelCall(kernel, (q, q, q), {"is_causal": True})
    scores = call.scores(call.run())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lse = scores.lse()
    np.testing.assert_allclose(lse[0, 0], np.log(np.arange(1, 16_385)), atol=1e-5)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 600 * 1024
