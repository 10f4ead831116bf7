"""The page of several sequences in a real browser: changing views, outlined cells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neural_dsl.attention.expected import expected_cells
from neural_dsl.visualize.interactive import attention_page
from neural_dsl.visualize.views import View
from tests.attention_records import random_layer, record
from tests.browser.chromium import Chromium

pytestmark = pytest.mark.needs("browser")

READY = "document.getElementById('plot').dataset.shown"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    long, short = (
        replace(
            random_layer(
                1, heads, size, size, "causal", name="deep", tokens="abcdef"[:size]
            ),
            expected=expected_cells([(size - 1, (0, 2))], size, size)[None],
        )
        for heads, size in ((4, 6), (2, 4))
    )
    first = random_layer(1, 2, 6, 6, name="first")
    views = [View("copy: ab", record(first, long)), View("reverse: <b>", record(short))]
    (folder / "page.html").write_text(attention_page(views), encoding="utf-8")
    return folder / "page.html"


@pytest.fixture
def browser(page):
    with Chromium() as chromium:
        chromium.resize(1280, 800)
        chromium.open(page, "#layer=1&head=3")
        chromium.wait_until(READY)
        yield chromium


def choose(browser, control, value):
    browser.evaluate(
        f"(() => {{ const s = document.getElementById('{control}');"
        f" s.value = '{value}'; s.dispatchEvent(new Event('change')); }})()"
    )


def outlines(browser):
    """The middle of every outline, (query, key), once for its two strokes."""
    found = browser.evaluate(
        "document.getElementById('plot').layout.shapes.map("
        "(s) => [(s.y0 + s.y1) / 2, (s.x0 + s.x1) / 2])"
    )
    return sorted({(round(i, 6), round(j, 6)) for i, j in found})


def test_changing_the_sequence_changes_layers_heads_and_outlines(browser):
    assert browser.evaluate(READY) == "deep 3"
    assert outlines(browser) == [(5, 0), (5, 2)]
    assert browser.evaluate(
        "[...document.getElementById('view').options].map((o) => o.text)"
    ) == ["copy: ab", "reverse: <b>"]
    choose(browser, "view", 1)
    browser.wait_until(f"{READY} === 'deep average'")
    assert browser.evaluate("document.getElementById('layer').length") == 1
    assert outlines(browser) == [(3, 0), (3, 2)]
    choose(browser, "head", 2)
    browser.wait_until(f"{READY} === 'deep 1'")
    choose(browser, "view", 0)
    browser.wait_until(f"{READY} === 'first 1'")
    assert outlines(browser) == []
    assert browser.evaluate("document.getElementById('legend-expected').hidden")
    choose(browser, "layer", 1)
    browser.wait_until(f"{READY} === 'deep 1'")
    assert browser.problems() == [] and browser.requests() == []


def test_the_share_of_mass_stands_among_the_metrics(browser):
    shown = browser.evaluate(
        "document.querySelector('[data-metric=expected_mass]').textContent"
    )
    wanted = browser.evaluate(
        "JSON.parse(document.getElementById('record').textContent)"
        ".layers[1].heads[3].expected_mass"
    )
    assert float(shown) == pytest.approx(wanted, abs=5e-4)
