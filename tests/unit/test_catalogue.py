"""The catalogue's entries: shapes, weights and parameter counts worked out by hand."""

from dataclasses import replace
from math import prod

import pytest

from neural_dsl.catalogue import LAYERS, find_layer, layer_names, planned_layer
from neural_dsl.catalogue.activations import ACTIVATIONS, canonical_activation
from neural_dsl.catalogue.losses import LOSSES, METRICS
from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.catalogue.schedules import SCHEDULES
from neural_dsl.catalogue.spec import LayerSpec
from tests.layer_examples import (
    each_example,
    example_layer,
    keeps_positions,
    network_text,
    reads_one_sequence,
)
from tests.unit.resolving import diagnostics, layer


@each_example()
def test_output_shape_and_parameter_count(spec, example) -> None:
    found = example_layer(spec, example)
    assert found.spec is spec
    assert found.output.shape == example.gives
    assert found.parameter_count == example.numbers


def test_every_layer_has_examples_and_its_parameters_stand_in_them() -> None:
    """Numbers may keep their defaults; every way that a choice offers is tried."""
    for spec in LAYERS.values():
        assert spec.examples, spec.name
        for parameter in spec.parameters:
            if parameter.choices:
                given = {e.params.get(parameter.name) for e in spec.examples}
                tried = {parameter.choices[value] for value in given - {None}}
                tried.add(parameter.default)
                missing = set(parameter.choices.values()) - tried
                assert not missing, f"{spec.name}.{parameter.name}: {missing}"


def test_a_layer_with_weights_has_an_example_with_weights() -> None:
    for spec in LAYERS.values():
        if spec.weights is not LayerSpec.weights:
            assert any(each.numbers for each in spec.examples), spec.name


@pytest.mark.parametrize("spec", LAYERS.values(), ids=LAYERS)
def test_inputs_of_another_rank_are_refused(spec) -> None:
    example = spec.examples[0]
    for rank in set(range(1, 5)) - set(spec.ranks or range(1, 5)):
        shape = (*range(4, 3 + rank), example.reads[0][-1])
        misfit = replace(example, reads=(shape,) * len(example.reads), masked=False)
        found = diagnostics(network_text(spec, misfit))
        assert [each.code for each in found] in (["NE030"], ["NE055"]), shape


@each_example(reads_one_sequence)
def test_a_mask_survives_where_positions_do(spec, example) -> None:
    """The rules of shapes and of positions stand apart in an entry, and must agree."""
    found = example_layer(spec, replace(example, masked=True))
    kept = keeps_positions(spec, example)
    assert found.output.mask == (found.inputs[0].mask if kept else None)
    assert found.inputs[0].mask is not None


def test_weights_have_the_documented_layout() -> None:
    found = layer("MultiHeadAttention(3, 5, 7)", "(10, 16)")
    shapes = {weight.name: weight.shape for weight in found.weights}
    assert shapes["query.weight"] == (15, 16)
    assert shapes["value.weight"] == (21, 16)
    assert [shape for shape in shapes.values() if shape == (16, 21)] == [(16, 21)]
    assert layer("Conv1D(8, 3, groups=4)").weights[0].shape == (8, 4, 3)
    assert layer("Dense(7)").weights[0].shape == (7, 16)


def test_running_statistics_are_weights_that_are_not_trained() -> None:
    found = layer("BatchNormalization()")
    assert [weight.name for weight in found.weights if not weight.trainable] == [
        "running_mean",
        "running_var",
    ]


def test_cross_attention_projects_the_memory_from_its_own_width() -> None:
    found = layer(
        "a: { Dense(24) } b: { Dense(16) } MultiHeadAttention(4, mode=cross)",
        "(10, 16)",
    )
    shapes = {weight.name: weight.shape for weight in found.weights}
    assert shapes["query.weight"] == (16, 16)
    assert shapes["key.weight"] == shapes["value.weight"] == (16, 24)
    assert [tensor.shape for tensor in found.inputs] == [(10, 16), (10, 24)]
    assert found.attentions[0].kind == "cross"


def test_decoder_has_cross_attention_only_with_a_memory() -> None:
    alone = layer("TransformerDecoder(4, 32)")
    assert [each.suffix for each in alone.attentions] == ["self_attention"]
    both = layer("a: { Dense(16) } b: { Dense(16) } TransformerDecoder(4, 32)")
    assert [(each.suffix, each.kind) for each in both.attentions] == [
        ("self_attention", "causal"),
        ("cross_attention", "cross"),
    ]
    # four more projections and one more norm
    assert both.parameter_count - alone.parameter_count == 4 * (16 * 16 + 16) + 2 * 16


@pytest.mark.parametrize(
    "text",
    [
        "MultiHeadAttention(4, causal=true)",
        "TransformerEncoder(4, causal=true)",
        "TransformerEncoder(4, use_attention_mask=true)",
    ],
)
def test_causal_attention_is_of_kind_causal(text: str) -> None:
    assert [each.kind for each in layer(text).attentions] == ["causal"]


def test_key_dim_is_the_size_of_one_head_and_value_dim_follows_it() -> None:
    params = layer("MultiHeadAttention(4)").params
    assert (params["key_dim"], params["value_dim"]) == (4, 4)
    params = layer("MultiHeadAttention(4, key_dim=10)").params
    assert (params["key_dim"], params["value_dim"]) == (10, 10)


def test_positional_encoding_reaches_the_declared_length() -> None:
    assert layer("PositionalEncoding()", "(10, 16)").params["max_len"] == 10
    assert layer("PositionalEncoding()", "(None, 16)").params["max_len"] == 5000


def test_layers_are_found_in_any_case_and_by_alias() -> None:
    for spelling in layer_names():
        assert find_layer(spelling.upper()) is find_layer(spelling)
    assert find_layer("residual") is find_layer("ResidualConnection")


def test_a_layer_is_never_both_built_and_planned() -> None:
    assert [name for name in layer_names() if planned_layer(name)] == []


def test_every_entry_explains_itself() -> None:
    for spec in LAYERS.values():
        assert spec.doc
        assert all(parameter.doc for parameter in spec.parameters), spec.name
    for table in (LOSSES, METRICS, OPTIMIZERS, SCHEDULES):
        for entry in table.specs:
            assert entry.doc
            assert all(parameter.doc for parameter in entry.parameters), entry.name


def test_layers_with_weights_document_how_they_start() -> None:
    for spec in LAYERS.values():
        if spec.weights is not LayerSpec.weights:
            assert "start" in spec.doc, spec.name


def test_activation_spellings_are_unique_and_lead_to_entries() -> None:
    spellings = [
        spelling
        for activation in ACTIVATIONS.values()
        for spelling in (activation.name, *activation.aliases)
    ]
    assert len(spellings) == len(set(spellings))
    assert canonical_activation("Swish") == "silu"
    assert canonical_activation("NONE") == "linear"
    assert canonical_activation("rellu") is None


def test_keras_activations_all_have_an_entry() -> None:
    keras = [
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "leaky_relu",
        "linear",
        "log_sigmoid",
        "log_softmax",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "squareplus",
        "swish",
        "tanh",
        "tanh_shrink",
    ]
    assert [name for name in keras if canonical_activation(name) is None] == []


@pytest.mark.parametrize("table", [LOSSES, METRICS, OPTIMIZERS, SCHEDULES])
def test_spellings_of_settings_are_unique(table) -> None:
    from neural_dsl.catalogue.settings import plain

    spellings = [
        plain(spelling)
        for spec in table.specs
        for spelling in (spec.name, *spec.aliases)
    ]
    assert sorted(spellings) == sorted(set(spellings))
    assert [name for name in table.planned if table.find(name)] == []


def test_parameter_names_and_aliases_of_a_layer_are_unique() -> None:
    for spec in LAYERS.values():
        spellings = [
            spelling
            for parameter in spec.parameters
            for spelling in (parameter.name, *parameter.aliases)
        ]
        assert len(spellings) == len(set(spellings)), spec.name
        assert "name" not in spellings


def test_parameter_count_is_the_sum_of_trainable_weights() -> None:
    found = layer("BatchNormalization()")
    assert found.parameter_count == sum(
        prod(weight.shape) for weight in found.weights[:2]
    )
