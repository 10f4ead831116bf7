"""One suite for every kind of target; it knows nothing but the protocol."""

from __future__ import annotations

import numpy as np
import pytest

from neural_dsl.attention.storage import load_record, save_record
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.targets.record import record
from tests.targets.kinds import KINDS


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(make, marks=pytest.mark.needs(framework), id=name)
        for name, (framework, make) in KINDS.items()
    ],
)
def kind(request):
    return request.param()


def attended(kind, sites=None):
    """The output, and the weights by site, in the order in which they were visited."""
    found = {}
    output = kind.target.attend(
        kind.batch,
        sites,
        visit=lambda site, scores: found.update({site.name: scores.dense().copy()}),
    )
    return output, found


def test_every_attention_is_visited_once_in_the_models_order(kind):
    _, found = attended(kind)
    assert list(found) == kind.names
    sites = kind.target.sites(kind.batch)
    assert [site.name for site in sites] == kind.names
    assert [site.kind for site in sites] == kind.kinds
    assert [site.heads for site in sites] == [w.shape[1] for w in found.values()]
    assert len({site.place for site in sites}) == len(sites)


def test_weights_equal_softmax_worked_out_with_numpy(kind):
    _, found = attended(kind)
    assert kind.expected
    for name, expected in kind.expected.items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=2e-6)


def test_a_rule_tells_where_weights_are_and_rows_sum_to_one(kind):
    def look(site, scores):
        weights, allowed = scores.dense(), scores.allowed.rows()
        allowed = np.broadcast_to(allowed, weights.shape)
        assert (weights[~allowed] == 0).all()
        np.testing.assert_allclose(weights.sum(-1), allowed.any(-1), atol=1e-5)
        np.testing.assert_array_equal(
            scores.lse() > -np.inf, allowed.any(-1), err_msg=site.name
        )
        np.testing.assert_allclose(
            scores.expect(scores.values()), scores.context(), rtol=0, atol=1e-4
        )

    kind.target.attend(kind.batch, visit=look)


def test_only_the_sites_that_are_asked_for_are_visited(kind):
    kind.target.attend(kind.batch, visit=lambda site, scores: None)
    last = kind.target.sites(kind.batch)[-1:]
    _, found = attended(kind, last)
    assert list(found) == [kind.names[-1]]


def test_looking_changes_nothing(kind, request):
    if "training" in request.node.name:
        pytest.skip("a model in training is random")
    first, found = attended(kind)
    again, same = attended(kind)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in found:
        np.testing.assert_array_equal(found[name], same[name])


def test_a_record_holds_what_was_seen_and_comes_back_from_disk(kind, tmp_path):
    made = record(kind.target, kind.batch)
    assert [layer.name for layer in made] == kind.names
    assert [layer.kind for layer in made] == kind.kinds
    assert made.provenance.backend == kind.target.about().backend
    assert {"neural-dsl", "numpy"} < {*made.provenance.versions, "any backend"}
    assert made.provenance.inputs == kind.batch.origin
    save_record(made, tmp_path)
    for old, new in zip(made, load_record(tmp_path), strict=True):
        np.testing.assert_array_equal(new.weights, old.weights)
        np.testing.assert_array_equal(new.allowed.rows(), old.allowed.rows())
        for name, values in old.values().items():
            np.testing.assert_array_equal(new.values()[name], values)


def test_uniform_heads_look_everywhere_alike_and_are_as_before_afterwards(kind):
    before, weights = attended(kind)
    kind.target.sites(kind.batch)
    name = kind.names[0]
    seen = {}

    def look(site, scores):
        seen[site.name] = scores.dense(), scores.allowed

    with kind.target.gated({(name, 0): "uniform"}):
        changed = kind.target.attend(kind.batch, visit=look)
    found, allowed = seen[name]
    even = allowed.rows() / np.maximum(allowed.counts(), 1)[..., None]
    np.testing.assert_allclose(found[:, 0], even[:, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 1:], weights[name][:, 1:], atol=1e-6)
    assert np.abs(weights[name][:, 0] - even[:, 0]).max() > 0.01
    assert max(np.abs(a - b).max() for a, b in zip(before, changed, strict=True)) > 1e-4
    _, as_before = attended(kind)
    np.testing.assert_array_equal(as_before[name], weights[name])


def test_a_head_that_is_off_gives_nothing_and_all_heads_off_give_more(kind):
    plain, weights = attended(kind)
    kind.target.sites(kind.batch)
    name = kind.names[0]
    outputs = {}
    for head in (0, None):
        with kind.target.gated({(name, head): "zero"}):
            outputs[head], seen = attended(kind)
        # What it looks at is the same; only what comes out of it is not.
        np.testing.assert_allclose(seen[name], weights[name], atol=1e-6)
        assert np.abs(outputs[head][0] - plain[0]).max() > 1e-4
    if weights[name].shape[1] > 1:
        assert np.abs(outputs[0][0] - outputs[None][0]).max() > 1e-4


def test_a_head_of_its_mean_gives_that_of_the_batch_and_its_valid_positions(kind):
    if getattr(kind.target.live, "training", False):
        pytest.skip("a model in training is random")
    plain, _ = attended(kind)
    kind.target.sites(kind.batch)
    name, found = kind.names[0], {}

    def look(site, scores):
        found[site.name] = scores.context()[:, 0], scores.allowed

    kind.target.attend(kind.batch, visit=look)
    own, allowed = found[name]
    valid = np.ones(own.shape[:2], dtype=bool)
    if kind.kinds[0] != "cross" and allowed.key_valid is not None:
        valid = allowed.key_valid
    mean = own[valid].mean(0, dtype=np.float64)

    def gated(gate):
        with kind.target.gated({(name, 0): gate}):
            return attended(kind)[0]

    for one, other in zip(gated("mean"), gated(mean), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(gated(own), plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(gated(np.zeros(1)), gated("zero"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(gated("mean")[0] - plain[0]).max() > 1e-4
    with pytest.raises(NeuralError, match=r"^NE110: an array \(3, 3, 3, 3\)"):
        gated(np.zeros((3, 3, 3, 3)))
    with pytest.raises(NeuralError, match=r"^NE111: .*not 'half'"):
        gated("half")


def test_heads_that_there_are_not_are_refused(kind):
    kind.target.sites(kind.batch)
    for head in (("nothing", None), (kind.names[0], 99)):
        gate = kind.target.gated({head: "zero"})
        with pytest.raises(NeuralError, match=r"^NE111"), gate:
            pytest.fail("the gate opened")


def test_an_error_of_the_visitor_comes_out_as_it_is_and_leaves_nothing_behind(kind):
    def look(site, scores):
        raise NeuralError(Diagnostic("NE107", f"no more of {site.name}"))

    with pytest.raises(NeuralError, match=f"^NE107: no more of {kind.names[0]}$"):
        kind.target.attend(kind.batch, visit=look)
    assert list(attended(kind)[1]) == kind.names
