"""The architecture picture: every layer once, repeats folded, nothing overlapping."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from neural_dsl.compiler import analyse
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from neural_dsl.visualize.architecture import architecture_drawing, render
from neural_dsl.visualize.diagram import Card, Columns, Frame, diagram
from neural_dsl.visualize.diagram_layout import Box, Sum, Text, text_width

EXAMPLES = sorted(Path("examples").glob("*/*.neural"))
SVG = "{http://www.w3.org/2000/svg}"


def network(layers, inputs="(16, 32)", before=""):
    text = (
        f"{before}\nnetwork M {{\n  input: {inputs}\n  layers:\n{layers}\n"
        '  Output(3)\n  loss: "mse"\n  optimizer: "Adam"\n}\n'
    )
    return resolve(parse(Source("m.neural", text)), None)[0]


def cards(items):
    for item in items:
        match item:
            case Card():
                yield item
            case Frame():
                yield from cards(item.items)
            case Columns():
                for column in item.columns:
                    yield from cards(column.items)


def svg(network):
    return render(network, "svg").decode("utf-8")


def words(drawn):
    return [
        text for node in ElementTree.fromstring(drawn).iter() if (text := node.text)
    ]


BRANCHES = """
    image: { Conv1D(16, 3, "relu") * 2  GlobalMaxPooling1D() }
    text: { Embedding(1000, 16)  GlobalAveragePooling1D() }
    Concatenate()
    a: { Dense(8) } b: { Dense(8) Dense(8, "tanh") }
    Add()
"""
BLOCKS = """
    ResidualConnection { ResidualConnection { Dense(32) } Dense(32) }
    Block(32) * 3
    Block(32)
    Dense(64)
"""
BLOCK = "define Block(w) { Dense($w) ResidualConnection { Dropout(0.1) } }"
NETWORKS = {path.stem: analyse(path) for path in EXAMPLES} | {
    "branches": network(BRANCHES, "{image: (28, 32), text: (100,)}"),
    "blocks": network(BLOCKS, before=BLOCK),
    "two inputs": network("Concatenate()", "(10), (20)"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_stands_on_exactly_one_card(name):
    shown = [
        layer.name for card in cards(diagram(NETWORKS[name])) for layer in card.layers
    ]
    assert sorted(shown) == sorted(layer.name for layer in NETWORKS[name].layers())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_svg_shows_type_shape_and_parameters_of_every_card(name):
    shown = words(svg(NETWORKS[name]))
    for card in cards(diagram(NETWORKS[name])):
        assert card.title in shown
        assert card.shape in shown
        if card.layers:
            count = f"{card.layers[0].parameter_count:,} parameter"
            assert card.count.startswith(count) and card.count in shown
    assert NETWORKS[name].name in shown


@pytest.mark.parametrize("name", NETWORKS)
def test_cards_do_not_overlap_and_texts_stay_inside_them(name):
    drawing = architecture_drawing(NETWORKS[name])
    boxes = [m for m in drawing.marks if isinstance(m, Box) and m.card is not None]
    assert len(boxes) == len(drawing.cards)
    for a, b in combinations(boxes, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x
        assert apart or a.y + a.height <= b.y or b.y + b.height <= a.y
    for mark in drawing.marks:
        if not isinstance(mark, Text):
            continue
        width = text_width(mark.text, mark.size, bold=mark.bold)
        left = mark.x - (width if mark.anchor == "end" else 0)
        assert left >= 0 and left + width <= drawing.width
        for box in boxes:
            if (
                box.y < mark.y < box.y + box.height
                and box.x < mark.x < box.x + box.width
            ):
                assert left >= box.x and left + width <= box.x + box.width


def test_repeats_are_folded_with_their_number():
    items = diagram(network("TransformerEncoder(num_heads=4, ff_dim=64) * 6"))
    _, encoder, *_ = items
    assert isinstance(encoder, Card) and encoder.times == 6
    assert encoder.name == "transformer_encoder_0 … 5"
    assert len(encoder.layers) == 6 and encoder.count.endswith("each")


def test_a_thousand_equal_layers_are_one_card_and_so_are_equal_groups():
    same = diagram(network("Dense(32)\n" * 1000))
    assert [item.times for item in same] == [1, 1000, 1, 1]
    group = diagram(network("Dense(32) Dropout(0.1) LayerNormalization()\n" * 300))
    assert isinstance(group[1], Frame) and group[1].times == 300
    assert len(group[1].items) == 3


def test_what_differs_is_not_folded():
    found = list(cards(diagram(network("Dense(32)\nDense(32, 'relu')\nDense(32)"))))
    assert [card.times for card in found] == [1] * 6
    growing = diagram(network("Conv1D(16, 3) * 3"))
    assert [card.shape for card in growing[1:4]] == ["(14, 16)", "(12, 16)", "(10, 16)"]


def test_a_macro_is_a_frame_and_its_copies_are_counted():
    frames = [i for i in diagram(NETWORKS["blocks"]) if isinstance(i, Frame)]
    assert [(f.title, f.times) for f in frames[1:]] == [("Block", 4)] or [
        (f.title, f.times) for f in frames[1:]
    ] == [("Block", 3), ("Block", 1)]


def test_a_residual_has_an_arrow_around_it_and_a_plus():
    drawing = architecture_drawing(NETWORKS["blocks"])
    assert sum(isinstance(mark, Sum) for mark in drawing.marks) == 2 + 2


def test_branches_stand_side_by_side_with_their_inputs():
    drawing = architecture_drawing(NETWORKS["branches"])
    places = {
        drawing.cards[mark.card].name: mark
        for mark in drawing.marks
        if isinstance(mark, Box) and mark.card is not None
    }
    image, text = places["global_max_pooling1d"], places["embedding"]
    assert image.x + image.width < text.x
    merged = places["concatenate"]
    assert merged.y > max(image.y, text.y)
    assert image.x < merged.x < text.x
    shown = words(svg(NETWORKS["branches"]))
    assert shown.count("Input") == 2 and "token ids 0 to 999" in shown


def test_a_decoder_says_which_branch_is_the_memory():
    shown = words(svg(NETWORKS["encoder_decoder"]))
    assert "memory" in shown and "target" in shown


def test_names_of_unknown_origin_cannot_become_markup():
    evil = '</svg><script>alert("1")</script>\x00\ud800\ufffe'
    one = network("Dense(32)")
    layer = replace(one.body[0], name=evil)
    one = replace(
        one,
        name=evil,
        source=Source(evil, one.source.text),
        body=(layer, *one.body[1:]),
    )
    drawn = svg(one)
    tags = {node.tag for node in ElementTree.fromstring(drawn).iter()}
    assert f"{SVG}script" not in tags
    page = render(one, "html").decode("utf-8")
    assert page.count("<script") == 2, "the data and our own"
    assert render(one, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("form", ["svg", "html", "png"])
def test_the_same_model_gives_the_same_bytes(form):
    assert render(NETWORKS["blocks"], form) == render(NETWORKS["blocks"], form)


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="gif"):
        render(NETWORKS["blocks"], "gif")


def test_a_very_long_model_still_fits_into_an_image(monkeypatch):
    monkeypatch.setattr("neural_dsl.visualize.diagram_figure.TALLEST", 500)
    import io

    from PIL import Image

    with Image.open(io.BytesIO(render(NETWORKS["blocks"], "png"))) as image:
        assert max(image.size) <= 501
