"""From syntax tree to model graph: names, structure, flow of tensors, masks, inputs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.catalogue.tensors import Mask
from neural_dsl.diagnostics import NeuralError
from neural_dsl.graph.dump import dump
from neural_dsl.graph.nodes import Branches, Layer, MacroUse, Repeat, Residual
from neural_dsl.resolve.checking import check_all
from neural_dsl.resolve.structure import LayerResolver
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from tests.layer_examples import EXAMPLES
from tests.unit.resolving import (
    codes,
    diagnostics,
    layer,
    layers,
    marked,
    names,
    network,
    resolved,
    source,
)

IDS = Mask("input", input="input")

# --- names --------------------------------------------------------------------------


def test_a_single_layer_of_a_kind_has_no_number_and_several_count_from_0() -> None:
    assert names("Dense(4) Dropout(0.1) Dense(4)") == ["dense_0", "dropout", "dense_1"]


def test_counters_run_over_macros_blocks_branches_and_copies() -> None:
    before = "define Block { Dense(16) }"
    text = "Block() ResidualConnection { Dense(16) } Dense(16) * 2 a: { Block } b: {} Add()"
    assert names(text, before=before) == [f"dense_{n}" for n in range(5)] + ["add"]


def test_a_given_name_wins_and_is_not_counted() -> None:
    assert names('Dense(4) Dense(4, name="hidden") Output(2)') == [
        "dense",
        "hidden",
        "output",
    ]


def test_copies_of_a_named_layer_are_numbered() -> None:
    assert names('Dense(16, name="h") * 3') == ["h_0", "h_1", "h_2"]


def test_a_named_layer_in_a_macro_called_twice_is_numbered() -> None:
    before = 'define Block { Dense(16, name="h") }'
    assert names("Block() Block()", before=before) == ["h_0", "h_1"]


def test_generated_names_keep_clear_of_given_ones() -> None:
    assert names('Dense(4) Dense(4, name="dense")') == ["dense_0", "dense"]
    assert names('Dense(4) Dense(4) Dense(4, name="dense_0")') == [
        "dense_1",
        "dense_2",
        "dense_0",
    ]


def test_numbered_copies_may_not_collide_with_a_given_name() -> None:
    assert codes('Dense(16, name="h") * 2 Dense(4, name="h_1")') == ["NE040"]


@pytest.mark.parametrize(
    "name", ["", "1a", "a b", "a.b", "class", "é", "x" * 65, "a\\n"]
)
def test_names_that_could_not_stand_in_code_are_refused(name: str) -> None:
    assert codes(f'Dense(4, name="{name}")') == ["NE039"]


# --- structure ----------------------------------------------------------------------


def test_repeat_keeps_its_copies_and_once_is_no_repeat() -> None:
    body = network("Dense(16) * 3").body
    assert isinstance(body[0], Repeat)
    assert [copy[0].name for copy in body[0].copies] == [
        "dense_0",
        "dense_1",
        "dense_2",
    ]
    assert isinstance(network("Dense(16) * 1").body[0], Layer)


def test_the_first_copy_may_change_the_width() -> None:
    shapes = [each.inputs[0].shape for each in layers("Dense(8) * 3")]
    assert shapes == [(10, 16), (10, 8), (10, 8)]


def test_num_layers_means_the_same_as_repetition() -> None:
    text = dump(network("TransformerEncoder(4, 32, num_layers=3)"))
    assert text == dump(network("TransformerEncoder(4, 32) * 3"))
    assert len(layers("TransformerEncoder(4, 32, num_layers=2) * 3")) == 6


def test_groups_without_repetition_are_flattened() -> None:
    body = network("[ Dense(4), { Dense(5) } ]").body
    assert [type(node) for node in body] == [Layer, Layer]


def test_repeated_group_repeats_all_its_layers() -> None:
    text = "{ Dense(16) Dropout(0.1) } * 2"
    assert names(text) == ["dense_0", "dropout_0", "dense_1", "dropout_1"]


def test_a_macro_call_is_a_node_of_its_own_with_its_shapes() -> None:
    node = network(
        "Block(8)", before="define Block(d) { Dense($d) Dropout(0.1) }"
    ).body[0]
    assert isinstance(node, MacroUse)
    assert node.macro == "Block"
    assert (node.inputs[0].shape, node.output.shape) == ((10, 16), (10, 8))


def test_a_macro_shadows_a_layer_and_means_the_layer_inside_itself() -> None:
    before = "define Dense(n) { Dense($n, use_bias=false) Dropout(0.5) }"
    assert [each.type for each in layers("Dense(4)", before=before)] == [
        "Dense",
        "Dropout",
    ]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$n * 4", 64),
        ("$n / 4", 4),
        ("$n + 2 * 3", 22),
        ("-$n + 20", 4),
        ("($n-1)*2", 30),
    ],
)
def test_macro_arithmetic(expression: str, value: int) -> None:
    before = f"define Block(n) {{ Dense({expression}) }}"
    units = layer("Block(16)", before=before).params["units"]
    assert units == value
    assert isinstance(units, int)


def test_a_division_with_a_rest_is_no_whole_number() -> None:
    before = "define Block(n) { Dense($n / 3) }"
    assert codes("Block(16)", before=before) == ["NE026"]
    before = "define Block(n) { Dropout($n / 32) }"
    assert layer("Block(16)", before=before).params["rate"] == 0.5


def test_macro_arguments_pass_through_nested_calls() -> None:
    before = "define In(a) { Dense($a) }\ndefine Out(b) { In(a=$b * 2) }"
    assert layer("Out(4)", before=before).params["units"] == 8


def test_residual_block_has_the_shape_of_its_input() -> None:
    node = network("ResidualConnection { Dense(32) Dense(16) }").body[0]
    assert isinstance(node, Residual)
    assert node.name == "residual_connection"
    assert node.output.shape == node.inputs[0].shape == (10, 16)


def test_branches_read_the_inputs_of_their_names() -> None:
    found = network(
        "b: { Dense(4) } a: { Dense(4) } Add()", "{a: (10,), b: (20,)}"
    ).body[0]
    assert isinstance(found, Branches)
    assert [branch.input for branch in found.branches] == ["b", "a"]
    assert [branch.body[0].inputs[0].shape for branch in found.branches] == [
        (20,),
        (10,),
    ]


def test_branches_without_such_an_input_read_the_tensor_before() -> None:
    found = network("Dense(8) a: { Dense(4) } b: { } Concatenate()").body[1]
    assert [branch.input for branch in found.branches] == [None, None]
    assert [branch.output.shape for branch in found.branches] == [(10, 4), (10, 8)]


def test_several_inputs_can_be_joined_without_branches() -> None:
    assert layer("Concatenate()", "(10), (20)").output.shape == (30,)
    assert [each.name for each in network("Add()", "(10), (10)").inputs] == [
        "input_0",
        "input_1",
    ]


# --- memory -------------------------------------------------------------------------

TWO = "{source: (12, 16), target: (10, 16)}"
BRANCHES = "source: { Dense(16) } target: { Dense(16) }"


def test_every_decoder_after_the_branches_reads_the_memory() -> None:
    decoders = layers(f"{BRANCHES} TransformerDecoder(4, 32) * 2", TWO)[2:]
    assert [[tensor.shape for tensor in each.inputs] for each in decoders] == [
        [(10, 16), (12, 16)]
    ] * 2


def test_memory_stays_for_cross_attention_in_residual_blocks_and_macros() -> None:
    before = "define Cross { ResidualConnection { MultiHeadAttention(4, mode=cross) } }"
    found = network(f"{BRANCHES} Cross() * 2 Dense(4) ", TWO, before=before)
    repeat = found.body[1]
    for copy in repeat.copies:
        assert [tensor.shape for tensor in copy[0].inputs] == [(10, 16), (12, 16)]
        residual = copy[0].body[0]
        assert [tensor.shape for tensor in residual.inputs] == [(10, 16), (12, 16)]
        assert residual.output.shape == (10, 16)
    assert found.output.shape == (10, 4)


def test_self_attention_does_not_take_the_memory() -> None:
    text = f"{BRANCHES} TransformerDecoder(4, 32) MultiHeadAttention(4)"
    assert len(layer(text, TWO).inputs) == 1


def test_a_block_that_does_not_read_the_memory_has_one_input() -> None:
    before = "define Block { Dense(16) }"
    found = network(f"{BRANCHES} TransformerDecoder(4, 32) Block()", TWO, before=before)
    assert len(found.body[2].inputs) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("MultiHeadAttention(4, mode=cross)", "NE035"),
        ("a: { Dense(16) } b: { Dense(16) } c: {} TransformerDecoder(4)", "NE036"),
        ("a: { Dense(16) } b: { Dense(16) } TransformerEncoder(4)", "NE036"),
        ("a: { Dense(16) } b: { Dense(16) } MultiHeadAttention(4)", "NE036"),
        ("a: { Dense(16) } b: { Dense(16) }", "NE036"),
        ("a: { Dense(16) } a: { Dense(16) } Add()", "NE053"),
        ("a: { Dense(4) } b: { Dense(5) } Add()", "NE032"),
        ("a: { Flatten() } b: { Dense(16) } Concatenate()", "NE032"),
        ("a: { Dense(16) } b: { Dense(16) } Concatenate(axis=0)", "NE027"),
        ("a: { Dense(16) } b: { Dense(16) } Concatenate(axis=3)", "NE027"),
        ("ResidualConnection { Output(16) }", "NE041"),
        ("a: { Output(4) } b: { Dense(4) } Add()", "NE041"),
        ("Output(16) * 2", "NE041"),
        ("Output(4) Output(4)", "NE041"),
    ],
)
def test_wrong_flow_is_one_error(text: str, code: str) -> None:
    assert codes(text) == [code]


# --- inputs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "text", "shape"),
    [
        ("(50, 256)", "Dense(4)", (50, 256)),
        ("(200,)", "Dense(4)", (200,)),
        ("(10)", "Dense(4)", (10,)),
        ("shape(1, 28, 28)", "Flatten()", (1, 28, 28)),
        ("(None, 28, 28)", "Flatten()", (28, 28)),
        ("(NONE, 28, 28)", "Dense(4)", (28, 28)),
        ("(None, 512)", "Dense(4)", (512,)),
        ("(None, 512)", "TransformerEncoder(8)", (None, 512)),
        ("(None, 512)", "Dropout(0.1) Dense(64) TransformerEncoder(8)", (None, 512)),
        ("(None, 50, 512)", "TransformerEncoder(8)", (50, 512)),
        ("(None, None, 512)", "TransformerEncoder(8)", (None, 512)),
        ("(None, 512)", "ResidualConnection { MultiHeadAttention(8) }", (None, 512)),
        ("(None, 512)", "{ GlobalMaxPooling1D } * 1", (None, 512)),
        ("(None,)", "Embedding(10, 512)", (None,)),
        ("(None, 100)", "Embedding(10, 512)", (100,)),
        ("(None, 512)", "Embedding(10, 512)", (None,)),
        ("(100, 512)", "Embedding(10, 512)", (100,)),
        ("(None, 100, 512)", "Embedding(10, 512)", (100,)),
    ],
)
def test_input_forms(declared: str, text: str, shape: tuple) -> None:
    assert network(text, declared).inputs[0].tensor.shape == shape


def test_lookahead_goes_through_macros_and_their_arguments() -> None:
    before = "define Tokens(d) { Embedding(10, $d) }"
    found = network("Tokens(512)", "(None, 512)", before=before).inputs[0]
    assert found.tensor.shape == (None,)


def test_an_input_read_by_an_embedding_holds_ids_below_the_smallest_vocabulary() -> (
    None
):
    text = "a: { Embedding(100, 8) } b: { Embedding(90, 8) } Add()"
    found = network(text, "(10,)").inputs[0]
    assert (found.tensor.dtype, found.vocabulary) == ("ids", 90)
    assert found.tensor.source == "input"
    assert network("Dense(4)").inputs[0].vocabulary is None


@pytest.mark.parametrize(
    ("declared", "text", "expected"),
    [
        ("(None, 28, 28)", "Flatten()", [("NW021", "note")]),
        ("(None, 512)", "TransformerEncoder(8)", [("NW021", "note")]),
        ("(100, 512)", "Embedding(10, 512)", [("NW022", "warning")]),
        (
            "(None, 100, 512)",
            "Embedding(10, 512)",
            [("NW021", "note"), ("NW022", "warning")],
        ),
        ("(None,)", "Embedding(10, 512)", []),
        ("(28, 28)", "Flatten()", []),
    ],
)
def test_what_was_assumed_about_an_input_is_said(declared, text, expected) -> None:
    found = diagnostics(source(text, declared))
    assert sorted((each.code, each.severity) for each in found) == expected


@pytest.mark.parametrize(
    "shape", ["()", "(0,)", "(-1, 5)", "(1.5,)", '("a",)', "(true,)", "(3000000000,)"]
)
def test_impossible_input_shapes(shape: str) -> None:
    assert codes("Dense(4)", shape) == ["NE051"]


def test_an_embedding_of_vectors_is_refused() -> None:
    assert codes("Embedding(10, 8)", "(100, 512)") == ["NE030"]
    assert codes("Dense(4) Embedding(10, 8)", "(100,)") == ["NE055"]


def test_ids_must_be_embedded_before_anything_computes_with_them() -> None:
    text = "a: { Embedding(10, 8) } b: { Dense(8) } Add()"
    assert codes(text, "(10,)") == ["NE055"]


# --- masks --------------------------------------------------------------------------

MASKED = "Embedding(100, 16, mask_zero=true)"


def test_masks_survive_blocks() -> None:
    for text in ("ResidualConnection { Dense(16) }", "a: { Dense(16) } b: { } Add()"):
        assert network(f"{MASKED} {text}", "(10,)").output.mask == IDS


@pytest.mark.parametrize(
    "text", ["GlobalAveragePooling1D()", "GlobalMaxPooling1D()", "Flatten()"]
)
def test_masks_end_without_a_word_where_time_ends(text: str) -> None:
    assert network(f"{MASKED} {text}", "(10,)").output.mask is None
    assert codes(f"{MASKED} {text} Output(2)", "(10,)") == []


@pytest.mark.parametrize("lossy", ["Conv1D(16, 3)", "Reshape((5, 32))"])
def test_a_lost_mask_is_warned_about_at_its_place_if_it_would_be_read(lossy) -> None:
    assert marked(
        f"{MASKED} {lossy} Dense(16) TransformerEncoder(4) Output(2)", "(10,)"
    ) == [("NW023", lossy)]
    assert marked(f"{MASKED} {lossy} Dense(2)", "(10,)") == []


def test_masks_of_different_inputs_add_up() -> None:
    text = (
        "a: { Embedding(9, 4, mask_zero=true) } b: { Embedding(9, 4, mask_zero=true) } "
        "Add()"
    )
    both = network(text, "{a: (10,), b: (10,)}").output.mask
    parts = (Mask("input", input="a"), Mask("input", input="b"))
    assert both == Mask("all", parts=parts)


def test_masks_are_joined_along_time() -> None:
    text = (
        "a: { Embedding(9, 4, mask_zero=true) } b: { Embedding(9, 4) } "
        "Concatenate(axis=1)"
    )
    mask = network(text, "{a: (10,), b: (7,)}").output.mask
    assert mask == Mask(
        "concat", parts=(Mask("input", input="a"), Mask("ones", length=7))
    )
    assert codes(text, "{a: (10,), b: (None,)}") == ["NE033"]


# --- parameters ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "underlined"),
    [
        ("Denze(4)", "NE020", "Denze"),
        ("TransformerEncoder(num_heads=7)", "NE021", "num_heads=7"),
        ("TransformerEncoder(7)", "NE021", "7"),
        ("Conv3D(4, 3)", "NE022", "Conv3D"),
        ("Dense(unit=4)", "NE023", "unit"),
        ("Dense(4, units=5)", "NE024", "units=5"),
        ("Dense(units=4, units=5)", "NE024", "units=5"),
        ("TransformerEncoder(4, causal=true, use_attention_mask=true)", "NE024", None),
        ("Dense()", "NE025", "Dense"),
        ("Dense", "NE025", "Dense"),
        ('Dense("4")', "NE026", '"4"'),
        ("Dense(4.0)", "NE026", "4.0"),
        ("Dense(true)", "NE026", "true"),
        ("Dense(None)", "NE026", "None"),
        ("Dense(4, use_bias=1)", "NE026", "use_bias=1"),
        ("Dense(4, activation=7)", "NE026", "activation=7"),
        ("Conv1D(4, (3, 3))", "NE026", "(3, 3)"),
        ("Dense(0)", "NE027", "0"),
        ("Dense(-4)", "NE027", "-4"),
        ("Dense(99999999999)", "NE027", "99999999999"),
        ("Dropout(1)", "NE027", "1"),
        ("Dropout(-0.1)", "NE027", "-0.1"),
        ('TransformerEncoder(4, norm="after")', "NE027", 'norm="after"'),
        ("TransformerDecoder(4, causal=false)", "NE027", "causal=false"),
        ("Conv1D(4, 3, groups=3)", "NE027", "groups=3"),
        ("Conv1D(4, 3, strides=2, dilation_rate=2)", "NE027", "dilation_rate=2"),
        ("Dropout(0.1, 0.2)", "NE028", "0.2"),
        ("Flatten(1)", "NE028", "1"),
        ('Dense(4, "rellu")', "NE029", '"rellu"'),
        ("Flatten() TransformerEncoder(4)", "NE030", "TransformerEncoder"),
        ("Add()", "NE031", "Add"),
        ("PositionalEncoding(5)", "NE034", "5"),
        ("Conv1D(4, 11)", "NE034", "11"),
        ("Reshape((7, 7))", "NE042", "(7, 7)"),
        ("Reshape((7, -1))", "NE042", "(7, -1)"),
        ("Reshape((-1, -1))", "NE027", "(-1, -1)"),
        ("Dense($x)", "NE043", "$x"),
        ("Dense(8 / 0)", "NE046", "8 / 0"),
        ('Dense("a" * 2)', "NE046", '"a"'),
        ("Dense(4) * 0", "NE047", "0"),
        ("Dense(4) * 1.5", "NE047", "1.5"),
        ("Dense(4) * true", "NE047", "true"),
        ("TransformerEncoder(4) { Dense(16) }", "NE049", "TransformerEncoder"),
        ("ResidualConnection()", "NE049", "ResidualConnection"),
        ("ResidualConnection { Dense(4) }", "NE032", "ResidualConnection"),
    ],
)
def test_a_mistake_is_one_error_at_its_place(text, code, underlined) -> None:
    found = marked(f"{text} Dense(3) Output(2)")
    assert [each for each, _ in found] == [code]
    if underlined is not None:
        assert found[0][1] == underlined


def test_a_shape_mistake_does_not_cascade_but_names_after_it_are_checked() -> None:
    text = "Flatten() TransformerEncoder(4) GlobalMaxPooling1D() Denze(3) Dropout(2)"
    assert codes(text) == ["NE030", "NE020", "NE027"]


def test_all_mistakes_come_in_the_order_of_the_file() -> None:
    found = diagnostics(source("Dense(0) Denze(3) Dropout(2)", extra="loss: foo"))
    starts = [each.span.start for each in found]
    assert starts == sorted(starts)
    assert len(found) == 4


def test_a_mistake_in_a_repeated_or_often_called_body_is_reported_once() -> None:
    before = "define Block(n) { Dense($n, activation=rellu) }"
    text = "Block(4) Block(5) * 3 { Dense(0) } * 7"
    assert codes(text, before=before) == ["NE029", "NE027"]


def test_an_error_in_an_expansion_points_at_the_call() -> None:
    before = "define Block(n) { Dense($n) }"
    whole = source("Block(0)", before=before)
    (found,) = diagnostics(whole)
    assert whole[found.span.start : found.span.end] == "$n"
    (related,) = found.related
    assert whole[related.span.start : related.span.end] == "Block(0)"


@pytest.mark.parametrize(
    ("before", "text", "code"),
    [
        ("define A { A() }", "A()", "NE045"),
        ("define A { B() }\ndefine B { A() }", "A()", "NE045"),
        ("define A(x) { Dense($x) }", "A()", "NE044"),
        ("define A(x) { Dense($x) }", "A(1, 2)", "NE044"),
        ("define A(x) { Dense($x) }", "A(y=1)", "NE044"),
        ("define A(x) { Dense($x) }", "A(1, x=1)", "NE024"),
        ("define A(x, x) { Dense($x) }", "A(1, 2)", "NE053"),
        ("define A(x) { Dense($x) }\ndefine A { Dense(3) }", "A(1)", "NE056"),
        ("define A { Dense(3) }", "A { Dense(4) }", "NE049"),
    ],
)
def test_macro_mistakes(before: str, text: str, code: str) -> None:
    found = codes(text, before=before)
    assert code in found
    assert len(set(found)) == 1 or code == "NE053"


def test_wrong_arguments_of_a_macro_do_not_become_errors_in_its_body() -> None:
    before = "define A(x) { Dense($x) Dense($x) }"
    assert codes("A(4 / 0)", before=before) == ["NE046"]


def test_macros_nested_too_deep_are_refused() -> None:
    chain = "\n".join(f"define M{n} {{ M{n + 1}() }}" for n in range(500))
    assert codes("M0()", before=chain + "\ndefine M500 { Dense(4) }") == ["NE048"]


def test_too_many_copies_are_refused_before_they_are_made() -> None:
    before = "define A { Dense(16) * 1000 }"
    assert codes("{ A() * 1000 } * 1000000", before=before) == ["NE048"]
    doubling = "\n".join(f"define D{n} {{ D{n + 1}() * 2 }}" for n in range(40))
    assert codes("D0()", before=doubling + "\ndefine D40 { Dense(16) }") == ["NE048"]


@pytest.mark.parametrize("leaf", ["Dense(16)", "[ ]", ""])
def test_macros_that_double_forty_times_come_to_an_end(leaf, monkeypatch) -> None:
    monkeypatch.setattr("neural_dsl.resolve.macros.MAX_LAYERS", 5_000)
    doubling = "\n".join(f"define D{n} {{ D{n + 1}() D{n + 1}() }}" for n in range(40))
    before = f"{doubling}\ndefine D40 {{ {leaf} }}"
    assert codes("D0() Dense(3)", before=before) == ["NE048"]


def test_what_doubles_forty_times_is_counted_and_not_expanded(monkeypatch) -> None:
    def expanded(*_: object) -> None:
        raise AssertionError("a layer was resolved before the size was known")

    monkeypatch.setattr(LayerResolver, "layer", expanded)
    doubling = "\n".join(f"define D{n} {{ D{n + 1}() D{n + 1}() }}" for n in range(40))
    before = f"{doubling}\ndefine D40 {{ Dense(4) }}"
    found = diagnostics(source("D0()", before=before))
    # Once, where the limit is passed: 2 to the power of 16 calls of D24 are too many.
    (error,) = found
    text = source("D0()", before=before)
    line = text[: error.span.start].count("\n")
    assert (error.code, text.splitlines()[line]) == (
        "NE048",
        "define D24 { D25() D25() }",
    )
    # The same without a network that calls it.
    alone = check_all(parse(Source("a.neural", before)))
    assert [each.code for each in alone] == ["NE054", "NE048"]


@pytest.mark.parametrize(
    "body",
    [
        "Dense(4) * 300000",
        "{ Dense(4) * 600 } * 600",
        "ResidualConnection { Dense(16) * 600 } * 600",
        "Half() Half()",
    ],
)
def test_large_macros_are_refused_inside_where_they_get_too_large(body) -> None:
    before = f"define Half {{ Dense(16) * 60000 }} define Big {{ {body} }}"
    (found,) = marked("Big()", before=before)
    assert found[0] == "NE048" and found[1] in body


def test_a_macro_may_be_as_large_as_the_limit() -> None:
    before = "define Half { Dense(16) * 49999 } define Big { Half() Half() }"
    assert len(list(network("Big()", before=before).layers())) == 99_998


def test_a_residual_block_without_any_input_declared_is_one_error() -> None:
    text = "network A { layers: ResidualConnection { Dense(3) } a: { } b: { } Add() }"
    assert [each.code for each in diagnostics(text)] == ["NE050"]


def test_a_long_sum_is_worked_out() -> None:
    text = "+".join(["1"] * 40)
    assert layer(f"Dense({text})").params["units"] == 40


def test_devices_are_warned_about() -> None:
    assert marked('Dense(4) @ "cuda:0"') == [("NW020", '"cuda:0"')]


# --- networks and sections ------------------------------------------------------------


def test_the_last_network_is_the_default_and_names_choose() -> None:
    text = source("Dense(1)") + source("Dense(2)").replace("Test", "Other")
    text += source("Dense(3)").replace("Test", "Last")
    assert resolved(text).output.shape == (10, 3)
    assert resolved(text, "Other").output.shape == (10, 2)
    assert resolved(text, "Test").output.shape == (10, 1)


def test_an_unknown_network_lists_what_exists() -> None:
    with pytest.raises(NeuralError) as raised:
        resolved(source("Dense(1)"), "Tset")
    (found,) = raised.value.diagnostics
    assert found.code == "NE054"
    assert "Test" in found.help


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("network A { layers: Dense(3) }", ["NE050"]),
        ("network A { input: (3,) }", ["NE050"]),
        ("network A { }", ["NE050"]),
        ("network A { input: (3,) layers: Dense(3) input: (4,) }", ["NE052"]),
        ("network A { input: (3,) layers: Dense(3) layer: 3 }", ["NE060"]),
        ("network A { input: {a: (3,), a: (4,)} layers: Dense(3) }", ["NE053"]),
        ("network A { input: {a: (3,), b: (4,)} a: 1 layers: Dense(3) }", None),
    ],
)
def test_sections(text: str, expected: list[str] | None) -> None:
    found = [each.code for each in diagnostics(text)]
    assert found
    if expected is not None:
        assert set(found) == set(expected)


def test_an_input_that_nothing_reads() -> None:
    assert marked("left: { Dense(3) }", "{left: (4,), right: (5,)}") == [
        ("NE038", "right: (5,)")
    ]


def test_check_all_looks_at_every_network_and_at_macros_that_nobody_calls() -> None:
    text = (
        "define Unused(n) { Denze($n) Dense($m) Dense($n * 2, rellu) Dropout(7) }\n"
        + source("Dense(0)")
        + source("Dense(-1)").replace("Test", "Other")
    )
    found = [each.code for each in check_all(parse(Source("x", text)))]
    assert found == ["NE020", "NE043", "NE029", "NE027", "NE027", "NE027"]


def test_an_uncalled_macro_may_use_its_parameters_anywhere() -> None:
    text = (
        "define Unused(n, r, t) { ResidualConnection { Dense($n * 2) * $t } "
        "TransformerEncoder($n, dropout=$r, num_layers=$t) a: { Dense($n) } b: { } Add() "
        "Embedding($n, $n) MultiHeadAttention($n, mode=cross) Concatenate() }\n"
    )
    assert check_all(parse(Source("x", text + source("Dense(3)")))) == ()


# --- the whole ------------------------------------------------------------------------


def test_output_activation_is_that_of_output() -> None:
    assert network("Dense(3, relu) Output(3, Softmax)").output_activation == "softmax"
    assert network("Dense(3, softmax)").output_activation == "linear"


def test_attentions_are_listed_in_order_with_their_names() -> None:
    found = network(
        "source: { TransformerEncoder(4) } target: { MultiHeadAttention(4) } "
        "TransformerDecoder(4)",
        TWO,
    )
    assert [name for name, _, _ in found.attentions()] == [
        "transformer_encoder",
        "multi_head_attention",
        "transformer_decoder.self_attention",
        "transformer_decoder.cross_attention",
    ]


def test_dump_is_deterministic_and_names_everything() -> None:
    text = source(
        f"{MASKED} TransformerEncoder(4, 32) * 2 GlobalMaxPooling1D() Output(2, softmax)",
        "(10,)",
        extra='loss: "mse" optimizer: Adam metrics: [accuracy] train { epochs: 3 }',
    )
    first = dump(resolved(text))
    assert first == dump(resolved(text))
    for part in (
        "transformer_encoder_1",
        "mask=input",
        "vocabulary=100",
        "Adam(",
        "epochs",
    ):
        assert part in first


LAYER = st.sampled_from(
    [
        *(each.written(spec.name) for spec, each in EXAMPLES),
        "ResidualConnection { Dense(16) }",
        "a: { Dense(16) } b: { } Concatenate()",
        "Dense(4) * 2",
        'Dense(16, name="given")',
    ]
)


@settings(max_examples=80)
@given(st.lists(LAYER, min_size=1, max_size=6))
def test_any_sequence_of_layers_resolves_or_is_refused_with_a_place(parts) -> None:
    text = source(" ".join(parts))
    try:
        found = resolved(text)
    except NeuralError as error:
        for each in error.diagnostics:
            assert 0 <= each.span.start <= each.span.end <= len(text)
        assert len({each.code for each in error.diagnostics}) >= 1
        return
    every = [each.name for each in found.layers()]
    assert len(every) == len(set(every))
    last = list(found.layers())[-1]
    assert found.output.shape == last.output.shape or isinstance(
        found.body[-1], Residual
    )
    assert found.parameter_count == sum(each.parameter_count for each in found.layers())
