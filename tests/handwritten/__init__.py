"""A small encoder-decoder written by hand for both backends, with its model graph.

The runtimes are tested on it without the code generator in between.
"""

from pathlib import Path
from typing import Any

from neural_dsl.catalogue import LAYERS
from neural_dsl.catalogue.spec import REQUIRED
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.graph.nodes import Branch, Branches, Input, Layer, Network, Repeat
from neural_dsl.source import Source, Span

NOWHERE = Span(0, 0)


def make_layer(type: str, name: str, *inputs: Tensor, **given: Any) -> Layer:
    """A layer of the model graph, as the resolver would make it."""
    spec = LAYERS[type]
    params = {one.name: one.default for one in spec.parameters} | given
    assert REQUIRED not in params.values()
    params = dict(spec.complete(params, inputs))
    return Layer(
        spec=spec,
        name=name,
        given_name=False,
        params=params,
        inputs=inputs,
        output=spec.output(params, inputs),
        weights=spec.weights(params, inputs),
        attentions=spec.attentions(params, inputs),
        span=NOWHERE,
    )


def make_network(name: str, inputs: list[Input], *body: Any) -> Network:
    """A network without loss, optimizer or settings."""
    return Network(
        name=name,
        source=Source(f"{name.lower()}.neural", ""),
        inputs=tuple(inputs),
        body=body,
        output=body[-1].output,
        output_activation="linear",
        loss=None,
        optimizer=None,
        lr_schedule=None,
        metrics=(),
        train={},
        execution={},
        search=(),
    )


def translator_network() -> Network:
    source = Tensor((None,), "ids", source="source")
    target = Tensor((None,), "ids", source="target")
    size = {"input_dim": 11, "output_dim": 8, "mask_zero": True}
    heads = {"num_heads": 2, "ff_dim": 16}
    embedded = make_layer("Embedding", "embedding_0", source, **size)
    first = make_layer(
        "TransformerEncoder", "transformer_encoder_0", embedded.output, **heads
    )
    second = make_layer(
        "TransformerEncoder", "transformer_encoder_1", first.output, **heads
    )
    asked = make_layer("Embedding", "embedding_1", target, **size)
    decoder = make_layer(
        "TransformerDecoder",
        "transformer_decoder",
        asked.output,
        second.output,
        **heads,
    )
    conv = make_layer(
        "Conv1D", "conv1d", decoder.output, filters=6, kernel_size=3, padding="same"
    )
    norm = make_layer("BatchNormalization", "batch_normalization", conv.output)
    output = make_layer("Output", "output", norm.output, units=5)
    repeat = Repeat(((first,), (second,)), NOWHERE)
    branches = Branches(
        (
            Branch("source", "source", (embedded, repeat), second.output, NOWHERE),
            Branch("target", "target", (asked,), asked.output, NOWHERE),
        ),
        NOWHERE,
    )
    return make_network(
        "Translator",
        [Input("source", source, 11, NOWHERE), Input("target", target, 11, NOWHERE)],
        branches,
        decoder,
        conv,
        norm,
        output,
    )


def translator(backend: Any) -> CompiledModel:
    """The handwritten file as if it had been compiled."""
    code = Path(__file__).with_name(f"translator_{backend}.py").read_text("utf-8")
    own = ("embedding_0", "embedding_1", "transformer_decoder", "conv1d", "output")
    paths = {name: name for name in (*own, "batch_normalization")}
    inside = "blocks" if backend == "pytorch" else "blocks.layers"
    paths |= {f"transformer_encoder_{i}": f"{inside}.{i}" for i in range(2)}
    entry = "Translator" if backend == "pytorch" else "build_model"
    return CompiledModel(translator_network(), backend, code, entry, paths)
