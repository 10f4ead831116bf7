"""Which token belongs to which row and column, computed by hand."""

import pytest

from neural_dsl.inputs import prepare
from neural_dsl.inputs.labels import attention_axes, labels_of, lost_labels
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse

ENCODER = "TransformerEncoder(2, 4)"


def network(text):
    return resolve(parse(Source("model.neural", text)))[0]


def one(layers, shape="(4, 8)"):
    return network(f"network N {{ input: {shape} layers: {layers} Output(2) }}")


def two(layers, lengths=(2, 3)):
    shape = f"{{x: ({lengths[0]}, 8), y: ({lengths[1]}, 8)}}"
    return one("x: { Dense(8) } y: { Dense(8) } " + layers, shape)


def labels(network, **tokens):
    """Attention name -> the words of its queries, the words of its keys."""
    prepared = prepare(network, tokens={name: list(t) for name, t in tokens.items()})
    model = prepared.network
    given = {name: (words,) for name, words in prepared.tokens.items()}
    lengths = {item.name: item.tensor.shape[0] for item in model.inputs}
    found = {}
    for name, axes in attention_axes(model).items():
        sides = [labels_of(axis, given, lengths) for axis in axes]
        found[name] = tuple(side and " ".join(side[0]) for side in sides)
    return found


def lost(network, *drawn, **tokens):
    every = [name for name, _, _ in network.attentions()]
    return lost_labels(
        network, drawn or every, {n: tuple(t) for n, t in tokens.items()}
    )


def underlined(found):
    return found.source.slice(found.span)


# --- one input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layers",
    [
        "Dense(8) Activation(relu) Dropout(0.1) LayerNormalization BatchNormalization",
        "PositionalEncoding",
        'Conv1D(8, 3, padding="same")',
        'Conv1D(8, 3, padding="causal", dilation_rate=2)',
        "Conv1D(8, 1)",
        "Reshape((4, 2, 4)) Dense(3) Reshape((4, 6)) Dense(8)",
        "ResidualConnection { MultiHeadAttention(2) Dense(8) }",
        "l: { Dense(8) } r: { Dense(8) } Add()",
        "l: { Dense(3) } r: { Dense(5) } Concatenate()",
    ],
)
def test_labels_survive_layers_that_keep_positions(layers):
    found = labels(one(f"{layers} {ENCODER}"), input="abcd")
    assert found.popitem()[1] == ("a b c d", "a b c d")
    assert lost(one(f"{layers} {ENCODER}"), input="abcd") == []


@pytest.mark.parametrize(
    ("layers", "shape", "at"),
    [
        ("GlobalAveragePooling1D Dense(32) Reshape((4, 8))", "(4, 8)", "GlobalA"),
        ("GlobalMaxPooling1D Reshape((4, 2))", "(4, 8)", "GlobalM"),
        ("Flatten Dense(32) Reshape((4, 8))", "(4, 8)", "Flatten"),
        ("Reshape((8, 4)) Dense(4) Reshape((4, 8))", "(4, 8)", "Reshape((8"),
        ("Reshape((4,)) Dense(4) Reshape((4, 1)) Dense(8)", "(4, 1)", "Dense(4)"),
        ("Conv1D(8, 2, strides=2)", "(4, 8)", "Conv1D"),
        ('Conv1D(8, 1, strides=2, padding="same")', "(4, 8)", "Conv1D"),
        ("Conv1D(8, 2)", "(4, 8)", "Conv1D"),
        (
            "ResidualConnection { Flatten Dense(32) Reshape((4, 8)) }",
            "(4, 8)",
            "Flatten",
        ),
    ],
)
def test_labels_end_where_positions_are_made_anew(layers, shape, at):
    model = one(f"{layers} {ENCODER}", shape)
    assert labels(model, input="abcd") == {"transformer_encoder": (None, None)}
    (found,) = lost(model, input="abcd")
    assert found.code == "NW139" and found.severity == "warning" and found.label
    assert underlined(found).startswith(at)
    assert "`transformer_encoder` is drawn without" in found.message


def test_attention_before_the_loss_keeps_its_labels_and_is_not_warned_of():
    model = one(f"{ENCODER} Flatten Dense(32) Reshape((4, 8)) {ENCODER} * 2")
    assert labels(model, input="abcd") == {
        "transformer_encoder_0": ("a b c d", "a b c d"),
        "transformer_encoder_1": (None, None),
        "transformer_encoder_2": (None, None),
    }
    (found,) = lost(model, input="abcd")
    assert "`transformer_encoder_1` and `transformer_encoder_2` are" in found.message
    assert lost(model, "transformer_encoder_0", input="abcd") == []


def test_the_first_copy_of_a_repeated_group_has_labels_that_the_second_lacks():
    group = f"{{ {ENCODER} Reshape((8, 4)) Dense(4) Reshape((4, 8)) }} * 3"
    found = labels(one(group), input="abcd")
    assert [keys for _, keys in found.values()] == ["a b c d", None, None]


# --- several inputs -------------------------------------------------------------------


def test_sequences_joined_in_time_carry_both_sentences():
    model = two(f"Concatenate(axis=1) {ENCODER}")
    both = labels(model, x="ab", y="cde")["transformer_encoder"]
    assert both == ("a b c d e",) * 2
    assert labels(model, x="ab")["transformer_encoder"] == ("a b 2 3 4",) * 2
    assert labels(model, y="cde")["transformer_encoder"] == ("0 1 c d e",) * 2
    assert lost(model, x="ab", y="cde") == []


def test_a_sequence_joined_to_itself_is_labelled_twice():
    model = one(f"l: {{ Dense(8) }} r: {{ Dense(8) }} Concatenate(axis=1) {ENCODER}")
    assert labels(model, input="abcd")["transformer_encoder"][0] == "a b c d a b c d"


@pytest.mark.parametrize("join", ["Add()", "Concatenate()"])
def test_two_tokens_on_one_position_are_no_label(join):
    model = two(f"{join} {'Dense(8)'} {ENCODER}", (2, 2))
    assert labels(model, x="ab", y="cd")["transformer_encoder"] == (None, None)
    (found,) = lost(model, x="ab", y="cd")
    assert underlined(found).startswith(join[:3])
    assert "`x` and `y`" in found.label
    assert labels(model, y="cd")["transformer_encoder"] == ("c d", "c d")
    assert lost(model, y="cd") == []


def test_sums_of_sequences_that_are_joined_in_another_order_have_no_labels():
    model = one(
        "l: { a: { Dense(8) } b: { Dense(8) } Concatenate(axis=1) } "
        f"r: {{ Reshape((8, 4)) Dense(8) }} Add() {ENCODER}"
    )
    assert labels(model, input="abcd")["transformer_encoder"] == (None, None)


def test_a_residual_of_two_branches_adds_the_last_to_their_sum():
    model = two(f"ResidualConnection {{ Add() }} {ENCODER}", (2, 2))
    assert labels(model, x="ab")["transformer_encoder"] == ("a b", "a b")
    assert labels(model, x="ab", y="cd")["transformer_encoder"] == (None, None)


def test_tokens_of_an_input_that_no_drawn_attention_reads_are_reported():
    model = one(
        f"x: {{ {ENCODER} Dense(8) }} y: {{ {ENCODER} Dense(8) }} Add()",
        "{x: (2, 8), y: (2, 8)}",
    )
    assert lost(model, x="ab", y="cd") == []
    (found,) = lost(model, "transformer_encoder_1", x="ab", y="cd")
    assert "the tokens of `x` label nothing" in found.message


# --- whom decoders attend to ----------------------------------------------------------

TRANSLATION = (
    "src: {{ Embedding(9, 4) }} tgt: {{ Embedding(9, 4) }} TransformerDecoder(2, 8) "
    "{} TransformerDecoder(2, 8)"
)


@pytest.mark.parametrize(
    ("between", "attended"),
    [
        ("l: { Dense(4) } r: { Dense(4) } Add()", "le chat dort"),
        (
            "ResidualConnection { l: { Dense(4) } r: { Dense(4) } Add() }",
            "le chat dort",
        ),
        ("l: { Dense(4) }", "le chat dort"),
        ("l: { TransformerDecoder(2, 8) } r: { Dense(4) } Add()", "le chat dort"),
        ("l: { Dense(4) } r: { Dense(4) }", "the cat sleeps"),
    ],
)
def test_cross_attention_is_labelled_with_the_sentence_that_the_code_reads(
    between, attended
):
    model = one(TRANSLATION.format(between), "{src: (3,), tgt: (3,)}")
    found = labels(model, src=("le", "chat", "dort"), tgt=("the", "cat", "sleeps"))
    last = [name for name in found if name.endswith("cross_attention")][-1]
    assert found[last] == ("the cat sleeps", attended)


def test_only_the_input_with_tokens_labels_its_side():
    model = one(TRANSLATION.format(""), "{src: (5,), tgt: (3,)}")
    found = labels(model, src="abcde")
    assert set(map(str, found.values())) == {"(None, None)", "(None, 'a b c d e')"}
    assert lost(model, src="abcde") == []
