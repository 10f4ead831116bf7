"""The scale of colours, on matrices of which one knows what they must look like."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from neural_dsl.visualize import style
from neural_dsl.visualize.head_grid import head_grid
from neural_dsl.visualize.heatmap import attention_heatmap
from neural_dsl.visualize.scale import (
    facts_of,
    scale_of,
    together,
    whole_scale,
)
from neural_dsl.visualize.style import KINDS, TITLES
from tests.attention_records import layer, random_layer, record
from tests.visual.test_style import lab


def causal(size):
    """Where a causal head may look, (size, size)."""
    return np.tri(size, dtype=bool)


def even(allowed):
    """Every allowed key gets the same."""
    return allowed / np.maximum(allowed.sum(-1, keepdims=True), 1)


def colored(weights, allowed, kind=None):
    """Where each allowed cell stands on the colours, 0 (lightest) to 1 (darkest)."""
    scale = scale_of([(weights, allowed)], kind)
    low, high = scale.ends
    heights = scale.height(scale.values(weights, allowed))
    return scale, np.clip((heights - low) / (high - low), 0, 1)[allowed]


def test_a_uniform_causal_head_at_512_tokens_shows_its_rows():
    """Linear, from 0 to the 1 of the first row, nearly all of it is white."""
    allowed = causal(512)
    weights = even(allowed)
    scale, places = colored(weights, allowed)
    assert scale.kind == "sqrt" and scale.over and scale.most == pytest.approx(0.5)
    assert np.percentile(places, 5) > 0.2, "nothing that is attended to looks white"
    assert places.min() > 0.15 and np.ptp(places) > 0.7
    rows = np.array([scale.height(1 / n) for n in range(2, 513)])
    assert (np.diff(rows) < 0).all(), "the more keys, the lighter"


def test_a_row_with_one_key_changes_nothing():
    allowed = causal(40)
    weights = even(allowed)
    with_row = scale_of([(weights, allowed)])
    assert with_row == scale_of([(weights[1:], allowed[1:])])
    padded = (
        np.vstack([weights, np.zeros((3, 40))]),
        np.vstack([allowed, allowed[:3] & False]),
    )
    assert with_row == scale_of([padded])


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_an_identity_is_dark_on_the_diagonal_and_light_elsewhere(kind):
    allowed = causal(512)
    scale, places = colored(np.eye(512), allowed, kind)
    diagonal = np.eye(512, dtype=bool)[allowed]
    assert scale.kind == (kind or "linear")
    assert (places[~diagonal] == 0).all()
    # In row 1, which has two keys, all of the attention is only twice an even share.
    assert (places[diagonal][1:] > (0.55 if kind == "uniform" else 0.99)).all()


def test_a_uniform_head_is_neither_solid_navy_nor_without_a_scale():
    weights = np.full((5, 5), 0.2)
    scale, places = colored(weights, np.ones((5, 5), bool))
    assert scale.kind == "uniform" and not scale.over and not scale.under
    np.testing.assert_allclose(places, 0.5)
    assert scale.bottom < 1 < scale.top and scale.bottom * scale.top == pytest.approx(1)
    figure = attention_heatmap(record(layer(weights)))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    axes = figure.axes[0]
    x, y = axes.transData.transform((2, 2))
    assert page[page.shape[0] - int(y), int(x)].min() > 235, "the middle is white"


def test_small_deviations_of_a_long_untrained_head_are_shown():
    rng = np.random.default_rng(0)
    allowed = causal(256)
    weights = np.where(allowed, np.exp(0.05 * rng.normal(size=(256, 256))), 0)
    weights /= weights.sum(-1, keepdims=True)
    scale, places = colored(weights, allowed)
    assert scale.kind == "uniform" and 1.05 <= scale.top < 1.4
    assert np.percentile(places, 90) - np.percentile(places, 10) > 0.25


def test_what_is_sharp_and_short_stays_linear_up_to_its_maximum():
    weights = np.eye(8) * 0.9 + 0.0125
    scale, _ = colored(weights, np.ones((8, 8), bool))
    assert (scale.kind, scale.bottom, scale.top) == ("linear", 0, weights.max())
    assert scale.note == "color scale: linear" and not scale.over


def test_one_sharp_head_does_not_make_all_others_white():
    """Eleven heads look evenly, one at a single key: it goes over the top, and the
    picture says up to where."""
    allowed = causal(256)
    sharp = np.zeros((256, 256))
    sharp[:12, 0] = 1
    sharp[12:] = even(allowed)[12:]
    scale = scale_of([(even(allowed), allowed)] * 11 + [(sharp, allowed)])
    assert scale.over and scale.most == 1 and scale.top < 0.2
    assert "up to 1" in scale.note and scale.ticks()[-1][1].startswith("≥ ")


def test_a_logarithm_hides_at_most_a_hundredth_of_all_attention():
    rng = np.random.default_rng(0)
    weights = rng.pareto(0.6, size=(400, 400)) + 1e-9
    weights /= weights.sum(-1, keepdims=True)
    scale = scale_of([(weights, np.ones((400, 400), bool))], "log")
    assert np.log10(scale.bottom) == pytest.approx(round(np.log10(scale.bottom)))
    assert weights[weights < scale.bottom].sum() <= 0.01 * weights.sum()
    assert weights[weights < 10 * scale.bottom].sum() > 0.01 * weights.sum()


def test_the_scale_of_several_is_that_of_their_facts_together():
    rng = np.random.default_rng(1)
    parts = [
        (rng.dirichlet(np.ones(n), size=m), np.ones((m, n), bool))
        for m, n in ((3, 9), (20, 4))
    ]
    facts = together(facts_of(*part) for part in parts)
    assert facts.mass.sum() == pytest.approx(23)
    for weight in (2.0**-k for k in range(12)):
        kept = sum(w[w >= weight].sum() for w, _ in parts) / 23
        assert facts.seen(weight) == pytest.approx(kept)


def test_no_row_that_could_differ_is_no_reason_to_fail():
    for kind in (None, *KINDS):
        for shape in ((4, 1), (1, 1), (0, 3)):
            scale = scale_of([(np.ones(shape), np.ones(shape, bool))], kind)
            low, high = scale.ends
            assert np.isfinite([low, high]).all() and low < high
    empty = np.zeros((3, 3), bool)
    assert scale_of([(np.zeros((3, 3)), empty)]).top == 1


@pytest.mark.parametrize("top", [1.0, 0.85, 0.1646, 0.02, 3.3e-4, 1e-7])
@pytest.mark.parametrize("kind", KINDS)
def test_the_bar_names_both_ends_and_its_ticks_keep_apart(kind, top):
    weights = np.array([[top, top / 3, top / 200, 0]])
    scale = scale_of([(weights, np.ones((1, 4), bool))], kind)
    low, high = scale.ends
    places = [place for place, _ in scale.ticks()]
    assert places[0] == low and places[-1] == high
    assert min(np.diff(places)) > 0.07 * (high - low)


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_range_leaves_nothing_out(kind):
    rng = np.random.default_rng(2)
    weights = rng.dirichlet(np.full(30, 0.3), size=30)
    weights[0] = 0
    weights[0, 0] = 1
    scale = whole_scale(facts_of(weights, np.ones((30, 30), bool)), kind)
    assert not scale.over and scale.top >= (30 if kind == "uniform" else 1)


def test_the_two_sides_of_the_middle_are_equally_dark_and_even():
    less, more = (
        lab(style.attention_colormap(True)(np.linspace(0.5, end, 17))[:, :3])
        for end in (0, 1)
    )
    for side in (less, more):
        assert (np.diff(side[:, 0]) < 0).all(), "darker is farther from 1"
        steps = np.linalg.norm(np.diff(side, axis=0), axis=1)
        assert steps[1:].max() / steps[1:].min() < 1.35
    assert np.abs(less[:, 0] - more[:, 0]).max() < 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_names_its_scale_and_draws_what_the_scale_says(kind):
    one = record(random_layer(1, 3, 70, 70, "causal"))
    figure = head_grid(one, "transformer_encoder", scale=kind)
    page = " ".join(text.get_text() for text in figure.findobj(Text))
    assert f"color scale: {TITLES[kind]}" in page
    part = one.layers[0]
    allowed = part.allowed.tile(0)
    scale = scale_of([(head, allowed) for head in part.weights[0]], kind)
    for axes, head in zip(figure.axes, part.weights[0], strict=False):
        drawn = axes.images[0].get_array()
        wanted = scale.height(scale.values(head, allowed))
        np.testing.assert_allclose(drawn[allowed], wanted[allowed], rtol=1e-6)
        assert axes.images[0].get_clim() == pytest.approx(scale.ends)
    labels = [label.get_text() for label in figure.axes[3].get_yticklabels()]
    assert labels == [label for _, label in scale.ticks()]
    assert labels[0].startswith("≤") == scale.under
    assert labels[-1].startswith("≥") == scale.over


def test_an_arrow_at_the_bar_says_that_values_go_on():
    """The bar of a uniform causal head has one above, and none without the first rows."""
    plain, beyond = (
        attention_heatmap(
            record(layer(even(causal(200))[start:], "cross")), scale="linear"
        )
        for start in (100, 0)
    )
    extents = [figure.axes[-1].patches for figure in (plain, beyond)]
    assert len(extents[0]) == 0 and len(extents[1]) == 1
