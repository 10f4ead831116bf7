"""The interactive page in a real browser, without a network."""

from __future__ import annotations

import numpy as np
import pytest

from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.record import LayerAttention
from neural_dsl.visualize.interactive import attention_page
from tests.attention_records import HOSTILE, layer, random_layer, record
from tests.browser.chromium import Chromium

pytestmark = pytest.mark.needs("browser")

READY = "document.getElementById('plot').dataset.shown"


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    size = len(HOSTILE)
    identity, previous = np.eye(size), np.eye(size, k=-1)
    previous[0, 0] = 1
    causal = random_layer(1, 3, 12, 12, "causal", name="decoder.self_attention")
    records = {
        "hostile": record(
            layer(np.stack([identity, previous]), tokens=HOSTILE), causal
        ),
        "long": record(
            random_layer(1, 12, 200, 200, tokens=[f"t{i}" for i in range(200)])
        ),
        "padded": record(
            random_layer(
                1,
                2,
                9,
                9,
                key_mask=np.arange(9)[None] < 6,
                query_mask=np.arange(9)[None] < 6,
            )
        ),
    }
    dense = np.full((700, 700), 1e-4)
    dense[np.arange(700), np.maximum(np.arange(700) - 1, 0)] = 0.5
    dense[600, 100] = dense[601, 350] = dense[602, 27] = 1
    tokens = [f"t{i}" for i in range(700)]
    records["dense"] = record(layer(np.tril(dense), "causal", tokens=tokens))
    for name, one in records.items():
        page = attention_page(one)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


def show(browser, pages, name, fragment=""):
    browser.resize(1280, 800)
    browser.open(pages / f"{name}.html", fragment)
    browser.wait_until(READY)


def choose(browser, control, value, shown):
    """Choose as a user would, and wait for the picture."""
    browser.evaluate(
        f"(() => {{ const s = document.getElementById('{control}');"
        f" s.value = '{value}'; s.dispatchEvent(new Event('change')); }})()"
    )
    browser.wait_until(f"{READY} === '{shown}'")


def shown_weights(browser):
    """The matrix on the screen; null where masked."""
    return browser.evaluate(
        "Array.from(document.getElementById('plot').data[0].customdata,"
        " (row) => Array.from(row, (v) => Number.isNaN(v) ? null : v))"
    )


def point_at(browser, row, column):
    """Point at a cell and wait for what the page says of it."""
    x, y = browser.evaluate(
        "(() => { const plot = document.getElementById('plot');"
        " const box = plot.querySelector('.nsewdrag').getBoundingClientRect();"
        " const [q, k] = [plot.data[0].z.length, plot.data[0].z[0].length];"
        f" return [box.left + ({column} + 0.5) * box.width / k,"
        f" box.top + ({row} + 0.5) * box.height / q]; }})()"
    )
    browser.move_mouse(1, 1)
    browser.wait_until("!document.querySelector('#plot .hoverlayer text')")
    browser.move_mouse(x + 1, y + 1)
    browser.move_mouse(x, y)
    browser.wait_until("document.querySelector('#plot .hoverlayer text')")
    return browser.evaluate("document.querySelector('#plot .hoverlayer').textContent")


@pytest.mark.parametrize("name", ["hostile", "long", "padded"])
def test_the_page_opens_without_errors_and_without_any_request(browser, pages, name):
    show(browser, pages, name)
    assert browser.problems() == []
    assert browser.requests() == []
    assert browser.evaluate("document.getElementById('problem').hidden")


def test_choosing_a_layer_and_a_head_shows_that_matrix(browser, pages):
    show(browser, pages, "hostile")
    size = len(HOSTILE)
    assert shown_weights(browser)[5][5] == pytest.approx(0.5, abs=1e-4), "the average"
    choose(browser, "head", "2", "transformer_encoder 1")
    np.testing.assert_allclose(shown_weights(browser)[7], np.eye(size)[6], atol=1e-4)
    choose(browser, "head", "1", "transformer_encoder 0")
    np.testing.assert_allclose(shown_weights(browser)[7], np.eye(size)[7], atol=1e-4)
    choose(browser, "layer", "1", "decoder.self_attention 0")
    first = shown_weights(browser)[0]
    assert first[0] == pytest.approx(1, abs=1e-4) and first[1:] == [None] * 11
    heads = browser.evaluate("document.getElementById('head').length")
    assert heads == 4, "the average and three heads"
    choose(browser, "head", "0", "decoder.self_attention average")
    assert browser.problems() == []


def test_metrics_follow_the_chosen_head(browser, pages):
    show(browser, pages, "hostile", "#layer=0&head=0")
    cell = "document.querySelector('[data-metric={}]').textContent"
    assert browser.evaluate(cell.format("diagonal_mass")) == "1.000"
    choose(browser, "head", "2", "transformer_encoder 1")
    assert browser.evaluate(cell.format("previous_token")) == "1.000"


def test_pointing_at_a_cell_names_query_key_and_weight_literally(browser, pages):
    show(browser, pages, "hostile", "#layer=0&head=1")
    assert browser.evaluate(READY) == "transformer_encoder 1"
    said = point_at(browser, 1, 0)
    assert said == "query 1 <img src=x oner…key 0 </script><scrip…weight 1.0000"
    panel = "document.getElementById('cell-{}').textContent"
    assert browser.evaluate(panel.format("query")) == f"1  {HOSTILE[1]}"
    assert browser.evaluate(panel.format("key")) == f"0  {HOSTILE[0]}"
    assert browser.evaluate(panel.format("weight")) == "1.0000"
    assert point_at(browser, 3, 2) == "query 3 <b>bold</b>key 2 &lt;b&gt;weight 1.0000"
    assert point_at(browser, 6, 5) == r"query 6 %{y}key 5 \frac{weight 1.0000"
    assert browser.evaluate("window.broken === undefined")
    assert browser.evaluate("document.querySelectorAll('img').length") == 0


def test_the_first_query_is_on_top_and_masked_cells_say_so(browser, pages):
    show(browser, pages, "hostile", "#layer=1&head=0")
    assert point_at(browser, 0, 11) == "query 0key 11masked"
    assert point_at(browser, 11, 0).startswith("query 11key 0weight 0.")
    assert not browser.evaluate("document.getElementById('legend-masked').hidden")


def test_padded_queries_are_marked(browser, pages):
    show(browser, pages, "padded")
    assert not browser.evaluate("document.getElementById('legend-padded').hidden")
    shape = browser.evaluate(
        "[document.getElementById('plot').layout.shapes[0].y0,"
        " document.getElementById('plot').layout.shapes[0].y1]"
    )
    assert shape == [5.5, 8.5]


OVERLAPS = """
(() => {
  const labels = [...document.querySelectorAll('#plot .TICKS text, #plot .cbaxis text')];
  const boxes = labels.map((label) => label.getBoundingClientRect());
  const found = [];
  boxes.forEach((a, i) => boxes.slice(0, i).forEach((b, j) => {
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (width > 1 && height > 1) found.push(labels[i].textContent + labels[j].textContent);
  }));
  return [labels.length, found];
})()
"""


@pytest.mark.parametrize("width", [1280, 800, 390])
@pytest.mark.parametrize("name", ["hostile", "long", "padded", "dense"])
def test_it_fits_any_window_and_labels_do_not_overlap(browser, pages, name, width):
    show(browser, pages, name)
    browser.resize(width, 800)
    browser.open(pages / f"{name}.html")
    browser.wait_until(READY)
    wide = browser.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, "no sideways scrolling"
    for axis in ("xtick", "ytick"):
        count, overlaps = browser.evaluate(OVERLAPS.replace("TICKS", axis))
        assert count >= 2 and overlaps == []


def test_every_control_has_a_label(browser, pages):
    show(browser, pages, "hostile")
    labels = browser.evaluate(
        "[...document.querySelectorAll('select')].map((s) => s.labels[0].firstChild.data)"
    )
    assert [label.strip() for label in labels] == [
        "Sequence",
        "Layer",
        "Head",
        "Color scale",
        "Color range",
    ]


def zoom(browser, rows, columns):
    """Show these cells, as dragging a box does, and wait until they are drawn."""
    (top, bottom), (left, right) = rows, columns
    browser.evaluate(
        "Plotly.relayout(document.getElementById('plot'), {"
        f"'xaxis.range': [{left - 0.5}, {right - 0.5}],"
        f" 'yaxis.range': [{bottom - 0.5}, {top - 0.5}]}}).then(() => 1)"
    )
    browser.wait_until(
        f"document.getElementById('plot').data[0].z.length === {bottom - top}"
    )


def test_no_strong_weight_is_lost_where_there_are_more_cells_than_pixels(
    browser, pages
):
    show(browser, pages, "dense")
    blocks = shown_weights(browser)
    assert len(blocks) < 700 and len(blocks[0]) < 700
    width, height = len(blocks[0]), len(blocks)
    for query, key in ((600, 100), (601, 350), (602, 27)):
        near = [
            row[int(key * width / 700) + across]
            for row in blocks[int(query * height / 700) - 1 :][:3]
            for across in (-1, 0, 1)
        ]
        assert max(near) == 1
    assert all(
        max(weight for weight in row if weight is not None) >= 0.5 for row in blocks
    )
    assert blocks[0][-1] is None, "the future is masked"
    legend = "document.getElementById('legend-blocks')"
    assert browser.evaluate(f"{legend}.textContent").startswith("each dot shows")


def test_zooming_in_shows_every_cell_and_its_own_tokens(browser, pages):
    show(browser, pages, "dense")
    zoom(browser, (590, 610), (90, 110))
    found = shown_weights(browser)
    assert found[600 - 590][100 - 90] == 1
    assert sum(weight == 1 for row in found for weight in row) == 1
    assert browser.evaluate("document.getElementById('legend-blocks').hidden")
    point_at(browser, 600 - 590, 100 - 90)
    cell = browser.evaluate("document.getElementById('cell').textContent")
    assert "t600" in cell and "t100" in cell and "1.0000" in cell
    ticks = browser.evaluate("document.getElementById('plot').layout.xaxis.ticktext")
    assert ticks and all("t9" in text or "t10" in text for text in ticks)
    zoom(browser, (640, 660), (670, 690))
    assert all(weight is None for row in shown_weights(browser) for weight in row)
    browser.evaluate(
        "document.querySelector('[data-attr=zoom][data-val=reset]').click()"
    )
    browser.wait_until("document.getElementById('plot').data[0].z.length > 100")


def test_another_scale_changes_the_colors_and_not_what_the_cells_say(browser, pages):
    show(browser, pages, "dense")
    before = shown_weights(browser)
    for kind, ticks in (("sqrt", 5), ("log", 3), ("uniform", 3), ("linear", 5)):
        browser.evaluate(
            "(() => { const s = document.getElementById('scale');"
            f" s.value = '{kind}'; s.dispatchEvent(new Event('change')); }})()"
        )
        browser.wait_until(
            f"document.getElementById('plot').dataset.scale === '{kind} layer'"
        )
        told = browser.evaluate("document.getElementById('legend-scale').textContent")
        assert told.startswith("color scale: ")
        bar = browser.evaluate(
            "document.getElementById('plot').data[0].colorbar.ticktext.length"
        )
        assert bar >= ticks
        found = shown_weights(browser)
        assert [v is None for v in found[5]] == [v is None for v in before[5]]
        if kind != "uniform":  # its dots show the largest of another number
            assert found == before
    z = "document.getElementById('plot').data[0].z[300][1]"
    cell = "document.getElementById('plot').data[0].customdata[300][1]"
    choose_scale = "document.getElementById('scale').value = 'sqrt'; document"
    browser.evaluate(
        f"{choose_scale}.getElementById('scale').dispatchEvent(new Event('change'))"
    )
    browser.wait_until("document.getElementById('plot').dataset.scale === 'sqrt layer'")
    assert browser.evaluate(z) == pytest.approx(browser.evaluate(cell) ** 0.5)
    assert browser.problems() == []


def test_the_page_opens_on_the_head_that_was_asked_for(browser, tmp_path):
    one = record(random_layer(1, 5, 6, 6))
    (tmp_path / "page.html").write_text(attention_page(one, head=3), encoding="utf-8")
    browser.open(tmp_path / "page.html")
    browser.wait_until(f"{READY} === 'transformer_encoder 3'")
    browser.open(tmp_path / "page.html", "#layer=0&head=1")
    browser.wait_until(f"{READY} === 'transformer_encoder 1'")
    browser.open(tmp_path / "page.html", "#layer=0&head=average")
    browser.wait_until(f"{READY} === 'transformer_encoder average'")


def test_a_uniform_causal_head_at_512_tokens_is_not_blank(browser, tmp_path):
    """What the screen shows: hardly any of the dots that may be attended to is white."""
    allowed = np.tri(512)
    one = record(layer(allowed / allowed.sum(-1, keepdims=True), "causal"))
    (tmp_path / "page.html").write_text(attention_page(one), encoding="utf-8")
    browser.open(tmp_path / "page.html")
    browser.wait_until(READY)
    light = browser.evaluate(
        "(() => { const { z, zmin, zmax } = document.getElementById('plot').data[0];"
        " const all = z.flatMap((row) => Array.from(row)).filter((v) => !Number.isNaN(v));"
        " const dim = all.filter((v) => (v - zmin) / (zmax - zmin) < 0.1);"
        " return dim.length / all.length; })()"
    )
    assert light < 0.01
    assert browser.evaluate("document.getElementById('scale').value") == "sqrt"


@pytest.mark.parametrize("head", ["average", "0", "1"])
def test_windows_and_masks_of_single_heads_are_masked(browser, tmp_path, head):
    rng = np.random.default_rng(0)
    cells = rng.random((1, 2, 6, 7)) < 0.5
    cells[..., 0] = True
    shape = (1, 6, 7)
    rules = [
        Allowed(shape, causal=True, window=3, offset=1),
        Allowed(shape, dense=cells),
        Allowed(shape, dense=cells[:, :1]),
    ]
    layers = []
    for number, rule in enumerate(rules):
        open_cells = np.broadcast_to(rule.rows(), (1, 2, 6, 7))
        weights = open_cells / open_cells.sum(-1, keepdims=True)
        one = LayerAttention(f"a{number}", "self", weights.astype(np.float32), rule)
        layers.append(one)
    (tmp_path / "page.html").write_text(
        attention_page(record(*layers)), encoding="utf-8"
    )
    for number, rule in enumerate(rules):
        browser.open(tmp_path / "page.html", f"#layer={number}&head={head}")
        browser.wait_until(f"{READY} === 'a{number} {head}'")
        wanted = rule.tile(0, None if head == "average" else int(head))
        assert [[v is not None for v in row] for row in shown_weights(browser)] == (
            wanted.tolist()
        )
