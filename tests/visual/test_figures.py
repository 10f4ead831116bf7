"""Heatmaps and head grids: what is drawn where, and that all of it can be read."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from neural_dsl.diagnostics import NeuralError
from neural_dsl.visualize import labels
from neural_dsl.visualize.figures import save_figure
from neural_dsl.visualize.head_grid import grid_columns, head_grid
from neural_dsl.visualize.heatmap import attention_heatmap
from neural_dsl.visualize.lettering import measure, ticks, wrap
from neural_dsl.visualize.matrix import largest_of_blocks
from neural_dsl.visualize.sheet import MASKED_ENTRY, PADDED_ENTRY
from neural_dsl.visualize.views import View
from tests.attention_records import RECORDS, layer, random_layer, record, words
from tests.visual.looking import pictured, pixels, texts


def cell_color(figure, axes, row, column):
    image = pixels(figure)
    x, y = axes.transData.transform((column, row))
    return image[image.shape[0] - 1 - int(y), int(x)]


def test_short_texts_label_every_token_long_ones_only_some():
    short = attention_heatmap(RECORDS["words"]).axes[0]
    assert [label.get_text() for label in short.get_yticklabels()] == list(words(8))
    assert [label.get_text() for label in short.get_xticklabels()] == list(words(8))
    long = attention_heatmap(RECORDS["two hundred"]).axes[0]
    labels = [label.get_text() for label in long.get_yticklabels()]
    assert 10 < len(labels) < 100
    step = round(long.get_yticks()[1])
    assert labels == list(words(200))[::step]


def test_row_zero_is_on_top_and_rows_are_queries():
    weights = np.zeros((4, 6))
    weights[1, 4] = 1
    figure = attention_heatmap(record(layer(weights, "cross")))
    axes = figure.axes[0]
    assert axes.get_ylabel() == "query" and axes.get_xlabel() == "key"
    dark = cell_color(figure, axes, 1, 4).sum()
    for row in range(4):
        for column in range(6):
            if (row, column) != (1, 4):
                assert cell_color(figure, axes, row, column).sum() > dark + 300
    top = axes.transData.transform((0, 0))[1]
    assert top > axes.transData.transform((0, 3))[1]


def test_a_larger_weight_is_darker_on_the_page():
    weights = np.array([[0.0, 0.1, 0.2, 0.3, 0.4]])
    figure = attention_heatmap(record(layer(weights, "cross")))
    shades = [cell_color(figure, figure.axes[0], 0, j).sum() for j in range(5)]
    assert shades == sorted(shades, reverse=True) and len(set(shades)) == 5


def test_all_panels_share_one_scale_from_zero_to_the_maximum():
    weights = np.stack([np.full((4, 4), 0.25), np.eye(4) * 0.8 + 0.05])
    figure = head_grid(record(layer(weights)), "transformer_encoder")
    limits = {axes.images[0].get_clim() for axes in figure.axes if axes.images}
    assert limits == {(0.0, float(np.float32(0.85)))}
    shown = {text for text, _ in texts(figure)}
    assert {"0", "0.85", "attention weight", "head 0", "head 1"} <= shown


def test_the_average_is_the_mean_of_the_heads_and_heads_are_themselves():
    one = RECORDS["words"]
    weights = one.layers[0].weights[0]
    drawn = attention_heatmap(one, scale="linear").axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn, weights.mean(0), atol=1e-7)
    figure = attention_heatmap(one, heads=[2, 3], scale="linear")
    for axes, head in zip(figure.axes, (2, 3), strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), weights[head])


def test_the_chosen_batch_item_is_drawn():
    one = RECORDS["no tokens"]
    figure = head_grid(one, "transformer_encoder", batch_item=1, scale="linear")
    np.testing.assert_array_equal(
        figure.axes[0].images[0].get_array(), one.layers[0].weights[1, 0]
    )
    assert "batch item 1 of a batch of 2" in {text for text, _ in texts(figure)}


def test_masked_cells_differ_from_zero_weight_and_are_explained():
    one = record(layer([[1.0, 0.0], [1.0, 0.0]], "causal"))
    figure = attention_heatmap(one)
    axes = figure.axes[0]
    masked, zero = cell_color(figure, axes, 0, 1), cell_color(figure, axes, 1, 1)
    assert np.abs(masked - zero).max() > 10
    assert np.ptp(masked) == 0, "grey: no weight has that colour"
    assert MASKED_ENTRY in {text for text, _ in texts(figure)}
    plain = attention_heatmap(record(layer(np.eye(2))))
    assert MASKED_ENTRY not in {text for text, _ in texts(plain)}


def test_padded_queries_are_marked_and_explained():
    shown = {text for text, _ in texts(attention_heatmap(RECORDS["padded"]))}
    assert PADDED_ENTRY in shown
    full = attention_heatmap(RECORDS["padded"], batch_item=1)
    assert PADDED_ENTRY not in {text for text, _ in texts(full)}


@pytest.mark.parametrize("name", ["one token", "words", "layers"])
def test_labels_are_told_of_where_some_are_seen(name):
    one = RECORDS[name]
    for file, picture in pictured("attention", [View("", one)]).items():
        layers = [part for part in one.layers if f"_{part.name}." in file]
        labelled = any(part.query_tokens for part in layers or one.layers)
        for page in picture.pages:
            assert "Toy·pytorch·weights:random,seed0·input:" in page
            assert ("input:labels;inputrandom,seed0" in page) == labelled
            assert ("input:random,seed0" in page) == (not labelled)


def test_a_png_has_150_dots_per_inch(tmp_path):
    from PIL import Image

    figure = head_grid(RECORDS["words"], "transformer_encoder")
    save_figure(figure, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert image.size == tuple(np.round(figure.get_size_inches() * 150))


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="gif"):
        save_figure(attention_heatmap(RECORDS["words"]), tmp_path / "x.gif")


def test_all_144_heads_of_a_layer_are_drawn():
    one = record(random_layer(1, 144, 64, 64, "causal"))
    figure = head_grid(one, "transformer_encoder")
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 144
    shown = {text.get_text() for text in figure.findobj(Text) if text.get_visible()}
    assert {f"head {head}" for head in range(144)} <= shown


def test_what_does_not_exist_is_refused_by_name():
    one = RECORDS["words"]
    with pytest.raises(ValueError, match="decoder"):
        attention_heatmap(one, layers=["decoder"])
    with pytest.raises(ValueError, match="decoder"):
        head_grid(one, "decoder")
    with pytest.raises(ValueError, match="9"):
        attention_heatmap(one, heads=[9])
    with pytest.raises(NeuralError, match="NE133: the batch has no item 1"):
        attention_heatmap(one, batch_item=1)


def test_grids_leave_no_holes_where_they_need_not():
    chosen = {count: grid_columns(count) for count in (1, 2, 3, 4, 6, 8, 12, 16, 144)}
    assert chosen == {1: 1, 2: 2, 3: 3, 4: 2, 6: 3, 8: 4, 12: 4, 16: 4, 144: 12}


@pytest.mark.parametrize("size", [1000, 1601])
def test_a_strong_weight_is_dark_even_where_cells_are_smaller_than_pixels(size):
    weights = np.full((1, 4, size, size), 1e-6, np.float32)
    weights[..., 700, 100] = 1
    figure = head_grid(record(layer(weights)), "transformer_encoder")
    image = pixels(figure)
    for axes in figure.axes[:4]:
        x, y = axes.transData.transform((100, 700))
        row = image.shape[0] - 1 - int(y)
        around = image[row - 2 : row + 3, int(x) - 2 : int(x) + 3]
        assert around.sum(axis=-1).min() < 130  # the darkest of the scale has 122
    assert any("largest of up to" in text for text, _ in texts(figure))


def test_a_picture_with_a_pixel_for_every_weight_speaks_of_no_blocks():
    figure = head_grid(record(random_layer(1, 2, 500, 500)), "transformer_encoder")
    assert not any("largest of up to" in text for text, _ in texts(figure))


def test_a_block_is_masked_only_where_all_of_it_is():
    weights = np.ma.masked_array(np.eye(6) / 2, np.triu(np.ones((6, 6), bool), 1))
    blocks = largest_of_blocks(weights, 2, 3)
    assert blocks.filled(-1).tolist() == [[0.5, 0.5, -1], [0, 0.5, 0.5]]


def test_what_no_font_can_draw_is_named(monkeypatch):
    labels.font_with.cache_clear()
    monkeypatch.setattr(labels, "_installed_fallbacks", tuple)
    assert labels.undrawable(["the", "猫は", "ümlaut", "は□"]) == "は猫"
    labels.font_with.cache_clear()


def test_a_long_name_is_broken_where_it_has_a_joint():
    name = "transformer_decoder_0.self_attention"
    room = measure(name, 9)[0]
    assert wrap(name, 9, room) == [name]
    assert wrap(name, 9, 0.95 * room) == ["transformer_decoder_0.self_", "attention"]
    plain = "transformerdecoderselfattention"
    first, rest = wrap(plain, 9, 0.95 * measure(plain, 9)[0])
    assert first + rest == plain and len(rest) < 4


def test_single_characters_stand_upright_in_small_cells():
    shown = ticks(tuple("iijtdjai"), 8, 14.0, True, 7.0)
    assert not shown.rotated and shown.texts == tuple("iijtdjai")
    assert max(measure(text, shown.size)[0] for text in "iijtdjai") < 14
    assert ticks(("ab", "cd"), 2, 14.0, True, 7.0).rotated
