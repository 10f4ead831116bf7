"""The architecture page in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from neural_dsl.compiler import analyse
from neural_dsl.visualize.architecture import render
from tests.browser.chromium import Chromium

pytestmark = pytest.mark.needs("browser")

EXAMPLES = Path("examples/attention_examples")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    page = tmp_path_factory.mktemp("page") / "page.html"
    page.write_bytes(render(analyse(EXAMPLES / "encoder_decoder.neural"), "html"))
    with Chromium() as chromium:
        chromium.open(page)
        yield chromium


def test_it_opens_without_errors_or_requests_and_fits(browser):
    assert browser.problems() == []
    assert browser.requests() == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= 1280


def test_clicking_a_layer_shows_all_of_it(browser):
    browser.evaluate(
        "[...document.querySelectorAll('[data-card]')]"
        ".find((card) => card.getAttribute('aria-label').startsWith('TransformerDecoder'))"
        ".dispatchEvent(new MouseEvent('click'))"
    )
    told = browser.evaluate("document.getElementById('details').innerText")
    assert "TransformerDecoder" in told
    assert "transformer_decoder_0, transformer_decoder_1" in told
    assert "cross_attention.query.weight" in told
    assert "4 heads, causal" in told and "4 heads, cross" in told


def test_layers_can_be_reached_by_keyboard(browser):
    browser.evaluate("document.querySelector('[data-card]').focus()")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert browser.evaluate(focused).startswith("Embedding embedding_0")


def test_every_text_stays_inside_its_card_with_the_fonts_at_hand(browser):
    outside = browser.evaluate(
        "(() => { const cards = [...document.querySelectorAll('[data-card]')]"
        ".map((c) => c.getBoundingClientRect());"
        " return [...document.querySelectorAll('svg text')].filter((text) => {"
        " const t = text.getBoundingClientRect();"
        " const c = cards.find((c) => t.top >= c.top && t.bottom <= c.bottom"
        " && t.left < c.right && t.right > c.left);"
        " return c && (t.left < c.left || t.right > c.right);"
        " }).map((text) => text.textContent); })()"
    )
    assert outside == []
