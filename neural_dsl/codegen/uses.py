"""What templates are told of layers: views of single ones, traits of all of a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.tensors import Attention
from neural_dsl.codegen.environment import Symbol
from neural_dsl.graph.nodes import Layer
from neural_dsl.graph.walk import reads_memory


@dataclass(frozen=True)
class Trait:
    """What the uses of one class say about one property."""

    values: tuple[Any, ...]

    @property
    def varies(self) -> bool:
        """Whether the uses differ, so that the class needs a constructor argument."""
        return len(self.values) > 1

    @property
    def value(self) -> Any:
        """The one value. Ask only when it does not vary."""
        (value,) = self.values
        return value

    @property
    def any(self) -> bool:
        """Whether the property holds (or is not zero) for some use."""
        return any(self.values)

    @property
    def all(self) -> bool:
        """Whether the property holds for every use."""
        return all(self.values)


class Uses:
    """All uses of one class; an attribute is the trait of that name.

    `uses.epsilon.varies` asks whether the class needs `epsilon` as an argument.
    """

    def __init__(self, uses: Iterable[SimpleNamespace]):
        self.all = list(uses)

    def __getattr__(self, name: str) -> Trait:
        if name.startswith("_"):
            raise AttributeError(name)
        values = dict.fromkeys(getattr(use, name) for use in self.all)
        made = self.__dict__[name] = Trait(tuple(values))
        return made


class AttentionUses(Uses):
    """The attentions of one sort, to the sequence itself or to a memory: one class."""

    def __init__(self, class_name: str, is_cross: bool, uses: list[SimpleNamespace]):
        super().__init__(uses)
        self.class_name = class_name
        self.is_cross = is_cross

    @property
    def hides_keys(self) -> bool:
        """Whether every use has keys that some query may not see."""
        return bool(self.masked.all or self.causal.all)


class Parts:
    """The classes that several layers are made of."""

    def __init__(self, needed: Mapping[str, list[Layer]]):
        uses: dict[bool, list[SimpleNamespace]] = {}
        for layer in needed.get("attention", ()):
            for each in layer.attentions:
                is_cross = each.kind == "cross"
                uses.setdefault(is_cross, []).append(attention_use(layer, each))
        names = {True: "CrossAttention", False: "SelfAttention"}
        if len(uses) == 1:
            names = dict.fromkeys(names, "MultiHeadAttention")
        self.attentions = [
            AttentionUses(names[is_cross], is_cross, uses[is_cross])
            for is_cross in sorted(uses)
        ]
        fed = needed.get("feed_forward")
        self.feed_forward = Uses(map(layer_use, fed)) if fed else None

    def attention_of(self, kind: str) -> AttentionUses:
        """The class of an attention of this kind."""
        (found,) = (a for a in self.attentions if a.is_cross == (kind == "cross"))
        return found


@dataclass
class LayerClass:
    """A class that stands for one kind of layer in the emitted file."""

    name: str
    variant: str
    uses: Uses

    @property
    def in_words(self) -> str:
        """`Causal self-attention, then a feed-forward network`: a transformer's parts."""
        kinds = [each.kind for each in self.uses.sublayers.value]
        first = "causal attention" if self.uses.causal.all else "self-attention"
        said = ["cross-attention" if kind == "cross" else first for kind in kinds]
        text = ", ".join([*said, "then a feed-forward network"])
        return text[0].upper() + text[1:]


@dataclass
class View:
    """One layer as its template sees it.

    `p` holds the parameters (a number may be a Symbol, inside a block class); `d_in` and
    `d_memory` are feature sizes. `name` is a Python expression for the layer's name,
    empty where names are not needed. `mask`, `memory` and `memory_mask` are variable
    names, empty where there is none. `layout` is the order of axes of what it is given:
    "last", or "first" with the channels behind the batch.
    """

    layer: Layer
    p: Mapping[str, Any]
    d_in: Any
    d_memory: Any
    cls: LayerClass | None
    parts: Parts
    name: str = ""
    mask: str = ""
    memory: str = ""
    memory_mask: str = ""
    layout: str = "last"

    @property
    def rank(self) -> int:
        """The number of axes of the input, the batch included."""
        return len(self.layer.inputs[0].shape) + 1

    @property
    def out(self) -> tuple[int | None, ...]:
        """The output's shape without the batch axis."""
        return self.layer.output.shape

    def between(self, width: Symbol | None) -> Symbol | None:
        """The layer reads features that are `width` many, where that has a name; the name
        of how many it writes."""
        if width is not None:
            self.d_in = width
        for name in ("units", "filters", "output_dim"):
            if name in self.p:
                made = self.p[name]
                return made if isinstance(made, Symbol) else None
        kept = self.layer.output.features == self.layer.inputs[0].features
        return width if kept else None

    @property
    def features_axis(self) -> int:
        """Where the features of its output stand."""
        return 1 if self.layout == "first" else -1


@dataclass(frozen=True)
class Sublayer:
    """One attention of a layer that has several: where it is, and to what."""

    path: str
    kind: str


def layer_use(layer: Layer) -> SimpleNamespace:
    """The concrete facts of one layer, for the traits of its class."""
    inputs, has_memory = layer.inputs, reads_memory(layer)
    facts = {
        "d_model": inputs[0].features,
        "d_memory": inputs[-1].features,
        "has_memory": has_memory,
        "own_memory": has_memory and inputs[-1].features != inputs[0].features,
        "masked": inputs[0].mask is not None,
        "memory_masked": has_memory and inputs[1].mask is not None,
        "sublayers": tuple(
            Sublayer(each.path, "cross" if each.kind == "cross" else "self")
            for each in layer.attentions
        ),
        "causal": any(a.kind == "causal" for a in layer.attentions),
        **layer.params,
    }
    key_dim, num_heads = facts.get("key_dim"), facts.get("num_heads")
    if key_dim is not None and num_heads is not None:
        facts["own_key_dim"] = key_dim * num_heads != inputs[0].features
    return SimpleNamespace(**facts)


def attention_use(layer: Layer, attention: Attention) -> SimpleNamespace:
    """The concrete facts of one attention, whichever layer it is in."""
    params, d_model = layer.params, layer.inputs[0].features
    read = layer.inputs[-1] if attention.kind == "cross" else layer.inputs[0]
    key_dim = params["key_dim"]
    own_value_dim = params.get("value_dim", key_dim) != key_dim
    return SimpleNamespace(
        own_memory=read.features != d_model,
        own_key_dim=key_dim * params["num_heads"] != d_model or own_value_dim,
        own_value_dim=own_value_dim,
        use_bias=params["use_bias"],
        causal=attention.kind == "causal",
        masked=read.mask is not None,
        drops=attention.path == "" and params["dropout"] > 0,
    )
