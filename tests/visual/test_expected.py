"""Where a task wants attention: the share of it there, the outlines, side by side."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from neural_dsl.attention.expected import (
    best_head,
    expected_cells,
    expected_mass,
    uniform_mass,
)
from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.storage import RecordError, load_record, save_record
from neural_dsl.visualize import style
from neural_dsl.visualize.animation import (
    FRAME_TIME,
    LAST_FRAME_TIME,
    evolution_gif,
    gif_palette,
    nearest,
)
from neural_dsl.visualize.evolution import evolution_figure
from neural_dsl.visualize.head_grid import head_grid
from neural_dsl.visualize.heatmap import attention_heatmap
from neural_dsl.visualize.interactive import attention_page
from neural_dsl.visualize.loss_curves import loss_curves
from neural_dsl.visualize.metric_curves import metrics_figure
from neural_dsl.visualize.sheet import EXPECTED_ENTRY
from neural_dsl.visualize.views import Training, View
from tests.attention_records import (
    KNOWN,
    known_layer,
    layer,
    moments,
    random_layer,
    record,
    views,
)
from tests.visual.looking import pixels, texts

FIRST = "transformer_decoder"


def outlined(axes):
    """The cells (query, key) with an outline, each with its colours from below."""
    found = {}
    for patch in axes.patches:
        if patch.get_gid() == "expected":
            x, y = patch.get_xy()
            middle = (y + patch.get_height() / 2, x + patch.get_width() / 2)
            cell = tuple(round(place) for place in middle)
            found.setdefault(cell, []).append(patch.get_edgecolor()[:3])
    return found


def words(figure):
    return [text for text, _ in texts(figure)]


# --- the share of mass ----------------------------------------------------------------


def test_the_mass_is_the_mean_over_rows_that_expect_something():
    weights = np.array(
        [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.7, 0.2, 0.1, 0], [0.1, 0.3, 0.4, 0.2]]
    )
    one = replace(layer(weights, "causal"), expected=expected_cells(KNOWN, 4, 4)[None])
    assert expected_mass(one) == pytest.approx([(0.7 + (0.3 + 0.4)) / 2])
    assert uniform_mass(one) == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_items_without_expected_rows_are_left_out_and_no_task_means_no_number():
    perfect = np.tile(np.eye(3), (2, 1, 1, 1))
    cells = np.zeros((2, 3, 3), bool)
    cells[0, 1, 1] = True
    one = layer(perfect, name="a", expected=cells)
    assert expected_mass(one) == pytest.approx([1.0])
    assert np.isnan(expected_mass(replace(one, expected=None))).all()
    assert np.isnan(expected_mass(replace(one, expected=cells & False))).all()


def test_mass_on_a_masked_cell_does_not_count_but_its_row_does():
    cells = expected_cells([(0, (2,)), (2, (2,))], 3, 3)[None]
    one = replace(layer(np.eye(3), "causal"), expected=cells)
    assert expected_mass(one) == pytest.approx([0.5])


def test_the_best_head_is_named():
    weak = replace(layer(np.full((2, 2, 2), 0.5)), expected=np.eye(2, dtype=bool)[None])
    strong = np.stack([np.full((2, 2), 0.5), np.eye(2)])
    other = replace(layer(strong, name="b"), expected=weak.expected)
    assert best_head([weak, other]) == ("b", 1, 1.0)
    assert best_head([replace(weak, expected=None)]) is None


def test_cells_outside_of_what_the_model_reads_are_left_out():
    cells = expected_cells([(0, (1,)), (1, (5,)), (7, (0,))], 2, 2)
    assert np.argwhere(cells).tolist() == [[0, 1]]


def test_the_expectation_is_stored_and_read_back(tmp_path):
    one = record(known_layer(), random_layer(1, 1, 3, 3))
    save_record(one, tmp_path, "step-000003")
    assert {path.name for path in tmp_path.iterdir()} == {
        "step-000003.npz",
        "step-000003_metrics.json",
    }
    back = load_record(tmp_path, "step-000003")
    np.testing.assert_array_equal(back.layers[0].expected, one.layers[0].expected)
    assert back.layers[1].expected is None
    path = tmp_path / "step-000003_metrics.json"
    path.write_text(path.read_text().replace("[[2, 0]", "[[2, 9]"))
    with pytest.raises(RecordError, match="outside"):
        load_record(tmp_path, "step-000003")


# --- outlines -------------------------------------------------------------------------


@pytest.mark.parametrize("draw", ["heatmap", "grid"])
def test_exactly_the_expected_cells_are_outlined_and_explained(draw):
    one = record(known_layer(tokens=tuple("abcd")))
    if draw == "heatmap":
        figure = attention_heatmap(one, caption="ab → cd, right")
    else:
        figure = head_grid(one, "transformer_decoder", caption="ab → cd, right")
    panels = [axes for axes in figure.axes if axes.images]
    for axes in panels:
        both = [to_rgb(style.EXPECTED_CASING), to_rgb(style.EXPECTED)]
        assert outlined(axes) == {(2, 0): both, (3, 1): both, (3, 2): both}
    assert len(panels) == (1 if draw == "heatmap" else 2)
    assert EXPECTED_ENTRY in words(figure) and "ab → cd, right" in words(figure)


def test_without_expectation_nothing_is_outlined_or_explained():
    figure = attention_heatmap(record(random_layer(1, 2, 4, 4)))
    assert not outlined(figure.axes[0]) and EXPECTED_ENTRY not in words(figure)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_outline_stands_out_from_the_lightest_and_the_darkest_cell(weight):
    weights = np.array([[1 - weight, weight], [1.0, 0.0]])
    one = replace(layer(weights), expected=np.array([[[False, True], [False, False]]]))
    figure = attention_heatmap(record(one))
    page, axes = pixels(figure), figure.axes[0]
    y = page.shape[0] - int(axes.transData.transform((1, 0))[1])
    left, right = (int(axes.transData.transform((x, 0))[0]) for x in (0.5, 1.0))
    line = page[y, left:right]
    color = np.array(to_rgb(style.EXPECTED)) * 255
    assert (np.abs(line - color).max(-1) < 12).any(), "the colour itself is there"
    inside = line[-1]
    contrast = [
        np.abs(np.array(to_rgb(c)) * 255 - inside).sum()
        for c in (style.EXPECTED, style.EXPECTED_CASING)
    ]
    assert max(contrast) > 250


def test_the_page_holds_the_cells_and_the_share():
    page = attention_page(record(known_layer()), caption="ab → cd, right")
    data = re.search(r'id="record">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(data)["layers"][0]["expected"] == [[2, 0], [3, 1], [3, 2]]
    assert 'data-metric="expected_mass"' in page and "ab → cd, right" in page
    plain = attention_page(record(random_layer(1, 1, 3, 3)))
    assert 'data-metric="expected_mass"' not in plain


# --- side by side ---------------------------------------------------------------------


def test_views_of_different_length_and_depth_stand_side_by_side():
    figure = attention_heatmap(views())
    panels = [axes for axes in figure.axes if axes.images]
    shapes = [axes.images[0].get_array().shape for axes in panels]
    assert shapes == [(4, 4), (6, 6), (4, 4)], "the second model has no second layer"
    places = [axes.get_position() for axes in panels]
    assert places[0].y1 == pytest.approx(places[1].y1) and places[1].x0 > places[0].x1
    assert places[2].y1 < places[0].y0
    shown = words(figure)
    assert {"copy: ab → ba, right", "other: abc → cb"} <= set(shown)
    assert any("Toy" in text for text in shown) and any("Other" in t for t in shown)
    limits = {axes.images[0].get_clim() for axes in panels}
    assert len(limits) == 1, "one scale"


def test_cells_of_long_and_short_sequences_are_about_equally_large():
    panels = [axes for axes in attention_heatmap(views()).axes if axes.images]
    cells = [
        axes.get_window_extent().width / axes.images[0].get_array().shape[1]
        for axes in panels[:2]
    ]
    assert cells[0] == pytest.approx(cells[1], rel=0.25)


def test_each_view_has_its_row_of_heads_and_those_it_lacks_stay_free():
    figure = head_grid(views(), FIRST)
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 2 + 3
    for axes, (number, head) in zip(
        panels, [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)], strict=True
    ):
        weights = views()[number].record.layers[0].weights[0, head]
        np.testing.assert_array_equal(axes.images[0].get_array(), weights)
        assert set(outlined(axes)) == {(2, 0), (3, 1), (3, 2)}
    assert len([a for a in head_grid(views(), "deep").axes if a.images]) == 2


def test_the_page_of_several_views_holds_all_of_them():
    page = attention_page(views())
    assert page.count('id="matrix-') == 3 + 4 + 3
    assert "other: abc → cb" in page and "copy: ab → ba, right" in page
    assert attention_page([View("</script><b>", views()[0].record)]).count("<b>") == 0


# --- evolution ------------------------------------------------------------------------


def test_the_figure_has_a_row_for_each_head_and_a_column_for_each_chosen_step():
    all_moments = moments()
    figure = evolution_figure(Training("runs/x", all_moments), FIRST)
    chosen = Training("", all_moments).spread(8)
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 2 * len(chosen) == 16
    for index, axes in enumerate(panels):
        head, column = divmod(index, 8)
        weights = chosen[column].record.layers[0].weights[0, head]
        np.testing.assert_array_equal(axes.images[0].get_array(), weights)
    shown = words(figure)
    assert {"step 0", "step 2,047"} <= set(shown)
    assert any("run runs/x, steps 0 to 2,047" in text for text in shown)
    before, after = (expected_mass(all_moments[i].record.layers[0])[1] for i in (0, -1))
    assert f"head 1: mass on expected cells {before:.2f} → {after:.2f}" in shown


def test_more_steps_are_shown_where_more_happens():
    all_moments = moments(30)
    chosen = [all_moments.index(one) for one in Training("", all_moments).spread(8)]
    assert chosen[0] == 0 and chosen[-1] == 29 and len(chosen) == 8
    assert len([index for index in chosen if 4 <= index <= 6]) >= 2
    assert Training("", all_moments[:5]).spread(8) == all_moments[:5]


def test_the_gif_has_a_frame_for_each_step_on_one_scale_and_size():
    from PIL import Image

    data = evolution_gif(Training("runs/x", moments(6)))
    with Image.open(io.BytesIO(data)) as gif:
        assert gif.n_frames == 6
        durations, pages = [], []
        for index in range(6):
            gif.seek(index)
            durations.append(gif.info["duration"])
            pages.append(np.asarray(gif.convert("RGB")).astype(int))
    assert durations == [FRAME_TIME] * 5 + [LAST_FRAME_TIME]
    assert all((page[0, 0] == 255).all() for page in pages), "the page is white"
    assert np.abs(pages[0] - pages[-1]).max() > 100, "it moves"


def test_the_palette_serves_every_colour_of_a_page_well():
    palette = gif_palette()
    assert len(palette) <= 256
    page = pixels(head_grid(record(known_layer(12)), "transformer_decoder"))
    shown = palette[nearest(page, palette)]
    assert np.abs(shown - page).max(-1).mean() < 1.5
    assert np.percentile(np.abs(shown - page).max(-1), 99.9) < 60


def test_the_curves_are_the_metrics_over_the_steps():
    some = moments()
    lines = [{"step": i + 1, "loss": 1 / (i + 1)} for i in range(2000)]
    lines += [{"step": 1000, "validation_exact_match": 0.5}]
    figure = metrics_figure(Training("runs/x", some, lines))
    names = [axes.get_ylabel() for axes in figure.axes]
    assert names[:3] == ["loss", "exact match", "mass on expected cells"]
    axes = figure.axes[2]
    drawn = np.array([line.get_ydata() for line in axes.lines])
    wanted = [expected_mass(moment.record.layers[0]) for moment in some]
    np.testing.assert_allclose(drawn, np.transpose(wanted))
    assert axes.lines[0].get_xdata().tolist() == [moment.step for moment in some]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["transformer_decoder, head 0", "transformer_decoder, head 1"]


def test_a_curve_of_any_metric_is_within_its_axes(monkeypatch):
    for metric in METRICS.values():
        monkeypatch.setattr(metric, "curve", True)
    lines = [{"step": i, "loss": 3.0 - i} for i in range(6)]  # below 0 in the end
    figure = metrics_figure(Training("runs/x", moments(), lines))
    shares = [metric.title for metric in METRICS.values() if not metric.unit]
    shares.remove("diagonal strength")  # how many times an even share
    for axes in figure.axes:
        low, high = axes.get_ylim()
        for line in axes.lines:
            assert (low <= line.get_ydata()).all() and (line.get_ydata() <= high).all()
        if axes.get_ylabel() in shares:
            assert (low, high) == (-0.03, 1.05)
    assert "mean distance (positions)" in [axes.get_ylabel() for axes in figure.axes]


def test_losses_close_together_are_labelled_by_plain_numbers():
    lines = [{"step": i + 1, "loss": 0.9 - 0.025 * i} for i in range(24)]
    figure = loss_curves(lines, "runs/x")
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_ylim()
    ticks = figure.axes[0].yaxis
    shown = [*ticks.get_majorticklabels(), *ticks.get_minorticklabels()]
    values = [float(label.get_text()) for label in shown if label.get_text()]
    assert any(low <= value <= high for value in values)
