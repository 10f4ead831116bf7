"""The interactive page as text: what it holds, and that tokens cannot break out of it.
What it does in a browser is tested in tests/browser."""

from __future__ import annotations

import base64
import json
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from neural_dsl.diagnostics import NeuralError
from neural_dsl.visualize.interactive import attention_page
from tests.attention_records import HOSTILE, layer, random_layer, record


@pytest.fixture(scope="module")
def one():
    size = len(HOSTILE)
    mask = np.arange(size) < size - 3
    return record(
        random_layer(1, 3, size, size, tokens=HOSTILE, key_mask=mask[None]),
        random_layer(1, 2, 4, 7, "cross", name="decoder.cross_attention"),
    )


@pytest.fixture(scope="module")
def page(one):
    return attention_page(one)


class Reader(HTMLParser):
    """Collects scripts by id, and every address that the page refers to."""

    def __init__(self, page):
        super().__init__()
        self.scripts, self.tags, self.addresses = {}, [], []
        self._open = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.addresses += [given[key] for key in ("src", "href") if key in given]
        if tag == "script":
            self._open = given.get("id", f"script {len(self.scripts)}")
            self.scripts[self._open] = ""

    def handle_endtag(self, tag):
        if tag == "script":
            self._open = None

    def handle_data(self, data):
        if self._open:
            self.scripts[self._open] += data


def unpack(text, shape):
    values = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<u2")
    return values.reshape(shape) / 65535


def test_every_matrix_is_in_the_page_to_the_documented_precision(one, page):
    scripts = Reader(page).scripts
    for number, part in enumerate(one.layers):
        weights = part.weights[0]
        for index, expected in enumerate([weights.mean(0), *weights]):
            found = unpack(scripts[f"matrix-{number}-{index}"], expected.shape)
            np.testing.assert_allclose(found, expected, atol=0.5 / 65535 + 1e-7)
    matrices = [name for name in scripts if name.startswith("matrix")]
    assert len(matrices) == 4 + 3, "the mean and each head, once"


def test_the_page_names_layers_metrics_and_provenance(one, page):
    data = json.loads(Reader(page).scripts["record"])
    assert [part["name"] for part in data["layers"]] == [p.name for p in one.layers]
    assert data["layers"][0]["heads"][2]["head"] == 2
    assert one.provenance.line() in page
    assert "<title>Attention of Toy</title>" in page


def test_hostile_tokens_stay_inside_the_data(page):
    reader = Reader(page)
    assert "img" not in reader.tags
    assert reader.tags.count("script") == 4 + 3 + 3, "matrices, data, Plotly, ours"
    for token in HOSTILE[:4]:
        assert token not in page
    data = json.loads(reader.scripts["record"])
    assert data["layers"][0]["query_tokens"][0] == HOSTILE[0]


def test_labels_are_different_even_where_tokens_are_not(page):
    labels = json.loads(Reader(page).scripts["record"])["layers"][0]["query_labels"]
    assert labels[0] == "0 </script><scrip…"
    assert labels[-2:] == ["19 same", "20 same"]
    assert len(set(labels)) == len(HOSTILE)


def test_the_page_refers_to_nothing_outside_itself(page):
    assert Reader(page).addresses == []
    assert "default-src 'none'" in page


def test_the_same_record_gives_the_same_page(one, page):
    assert attention_page(one) == page


def test_the_page_can_be_written_as_utf_8(page):
    page.encode("utf-8")


def test_a_large_record_adds_little_more_than_its_numbers(page):
    """BertViz needs 16 MB for 144 heads of 64 tokens."""
    large = attention_page(record(random_layer(1, 144, 64, 64)))
    empty = attention_page(record(layer([[1.0]])))
    assert len(large) - len(empty) < 1.1 * 145 * 64 * 64 * 2 * 4 / 3


def test_the_chosen_batch_item_is_shown():
    one = record(random_layer(2, 1, 4, 4))
    scripts = Reader(attention_page(one, batch_item=1)).scripts
    found = unpack(scripts["matrix-0-1"], (4, 4))
    np.testing.assert_allclose(found, one.layers[0].weights[1, 0], atol=1e-5)
    with pytest.raises(NeuralError, match="NE133: the batch has no item 2"):
        attention_page(one, batch_item=2)
