"""What the classes of an emitted file are told of their uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.tensors import Attention
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
    """A class of the emitted file and all its uses; any other attribute is the trait of
    that name: `cls.epsilon.varies` asks whether it needs `epsilon` as an argument."""

    def __init__(self, name: str, uses: Iterable[SimpleNamespace], variant: str = ""):
        self.name, self.variant = name, variant
        self._uses = list(uses)

    def __getattr__(self, name: str) -> Trait:
        if name.startswith("_"):
            raise AttributeError(name)
        values = dict.fromkeys(getattr(use, name) for use in self._uses)
        made = self.__dict__[name] = Trait(tuple(values))
        return made

    @property
    def hides_keys(self) -> bool:
        """Of attentions: whether every use has keys that some query may not see."""
        return self.masked.all or self.causal.all

    @property
    def in_words(self) -> str:
        """`Causal self-attention, then a feed-forward network`: a transformer's parts."""
        first = "causal attention" if self.causal.all else "self-attention"
        named = {"self": first, "cross": "cross-attention"}
        said = [named[kind] for _, kind in self.sublayers.value]
        text = ", ".join([*said, "then a feed-forward network"])
        return text[0].upper() + text[1:]


def shared_parts(needed: Mapping[str, list[Layer]]) -> dict[str, Uses]:
    """The classes that several layers are made of, by what needs them: "self" and "causal"
    attention, "cross", "feed_forward"."""
    found: dict[str, list[SimpleNamespace]] = {}
    for layer in needed.get("attention", ()):
        for each in layer.attentions:
            found.setdefault(_sort(each), []).append(attention_use(layer, each))
    parts = {}
    for sort in sorted(found, reverse=True):
        name = f"{sort.title()}Attention" if len(found) > 1 else "MultiHeadAttention"
        parts[sort] = Uses(name, found[sort], sort)
        if sort == "self":
            parts["causal"] = parts[sort]
    if fed := needed.get("feed_forward"):
        parts["feed_forward"] = Uses("FeedForward", map(layer_use, fed))
    return parts


def _sort(attention: Attention) -> str:
    """To the sequence itself, or to a memory: what makes a class of its own."""
    return "cross" if attention.kind == "cross" else "self"


def layer_use(layer: Layer) -> SimpleNamespace:
    """The concrete facts of one layer, for the traits of its class."""
    params, target, memory = layer.params, layer.inputs[0], layer.inputs[-1]
    has_memory = reads_memory(layer)
    inside = params.get("key_dim", 0) * params.get("num_heads", 0)
    return SimpleNamespace(
        has_memory=has_memory,
        own_memory=has_memory and memory.features != target.features,
        own_key_dim=inside != target.features,
        masked=target.mask is not None,
        memory_masked=has_memory and memory.mask is not None,
        sublayers=tuple((each.path, _sort(each)) for each in layer.attentions),
        causal=any(each.kind == "causal" for each in layer.attentions),
        **{name: value for name, value in params.items() if name != "causal"},
    )


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
