"""What templates are told of layers: views of single ones, traits of all of a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.tensors import Attention
from neural_dsl.codegen.environment import Trait, trait
from neural_dsl.graph.nodes import Layer


class Uses:
    """All uses of one class; an attribute is the trait of that name.

    `uses.epsilon.varies` asks whether the class needs `epsilon` as an argument.
    """

    def __init__(self, uses: Iterable[SimpleNamespace]):
        self.all = list(uses)

    def __getattr__(self, name: str) -> Trait:
        if name.startswith("_"):
            raise AttributeError(name)
        made = trait(self.all, name)
        setattr(self, name, made)
        return made


@dataclass
class LayerClass:
    """A class that stands for one kind of layer in the emitted file."""

    name: str
    variant: str
    uses: Uses


@dataclass
class View:
    """One layer as its template sees it.

    `p` holds the parameters (a number may be a Symbol, inside a block class); `d_in` and
    `d_memory` are feature sizes. `name` is a Python expression for the layer's name,
    empty where names are not needed. `mask`, `memory` and `memory_mask` are variable
    names, empty where there is none. `shared` has the uses of the shared parts.
    """

    layer: Layer
    p: Mapping[str, Any]
    d_in: Any
    d_memory: Any
    cls: LayerClass | None
    shared: Mapping[str, Uses]
    name: str = ""
    mask: str = ""
    memory: str = ""
    memory_mask: str = ""

    @property
    def rank(self) -> int:
        """The number of axes of the input, the batch included."""
        return len(self.layer.inputs[0].shape) + 1

    @property
    def out(self) -> tuple[int | None, ...]:
        """The output's shape without the batch axis."""
        return self.layer.output.shape


def layer_use(layer: Layer) -> SimpleNamespace:
    """The concrete facts of one layer, for the traits of its class."""
    inputs = layer.inputs
    has_memory = layer.spec.arity == "target" and len(inputs) > 1
    facts = {
        "d_model": inputs[0].features,
        "d_memory": inputs[-1].features,
        "has_memory": has_memory,
        "masked": inputs[0].mask is not None,
        "memory_masked": has_memory and inputs[1].mask is not None,
        **layer.params,
    }
    key_dim, num_heads = facts.get("key_dim"), facts.get("num_heads")
    if key_dim is not None and num_heads is not None:
        facts["own_key_dim"] = key_dim * num_heads != inputs[0].features
    return SimpleNamespace(**facts)


def attention_use(layer: Layer, attention: Attention) -> SimpleNamespace:
    """The concrete facts of one attention, whichever layer it is in."""
    params, cross = layer.params, attention.kind == "cross"
    read = layer.inputs[-1] if cross else layer.inputs[0]
    alone = attention.path == ""
    return SimpleNamespace(
        d_model=layer.inputs[0].features,
        d_memory=read.features,
        own_memory=read.features != layer.inputs[0].features,
        value_dim=params.get("value_dim", params["key_dim"]),
        own_value_dim=params.get("value_dim", params["key_dim"]) != params["key_dim"],
        use_bias=params["use_bias"],
        causal=attention.kind == "causal",
        cross=cross,
        masked=read.mask is not None,
        dropout=params["dropout"] if alone else 0,
        drops=alone and params["dropout"] > 0,
    )
