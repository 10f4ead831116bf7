"""What one entry of the catalogue says; every other stage reads it from here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from neural_dsl.catalogue.tensors import Attention, Positions, Shape, Tensor, Weights

REQUIRED: Final = object()
"""The default of a parameter that must be given."""

Kind: TypeAlias = Literal[
    "int",  # a whole number
    "count",  # a whole number of 1 or more
    "natural",  # a whole number of 0 or more, a seed for example
    "float",
    "positive",  # a float above 0
    "non_negative",  # a float of 0 or more
    "rate",  # a float in [0, 1)
    "fraction",  # a float in [0, 1]
    "bool",
    "choice",  # one of `choices`, case ignored
    "choices",  # one or more of them, each once: a tuple
    "activation",  # a name in catalogue.activations
    "shape",  # a tuple of ints, -1 allowed once
    "size",  # a count, or a tuple of one count
    "pair",  # a count for both axes of an image, or a tuple of two counts: a tuple
    "range",  # a count, or the lowest and the highest: (4, 8)
    "numbers",  # a tuple of numbers
    "text",  # any string
    "device",  # "auto", "cpu", "cuda", "cuda:0", "mps", …
    "learning_rate",  # a float above 0, or a schedule
    "stopping",  # true, false, a count, or the settings of early stopping
]
FromTask: TypeAlias = Literal["", "vocabulary", "max_length"]
Params: TypeAlias = Mapping[str, Any]
Inputs: TypeAlias = Sequence[Tensor]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a layer.

    `choices` maps each accepted spelling (lower case) to its canonical value. `aliases`
    are other names for the parameter. A `default` of None means "worked out from the
    rest", as the doc then says. `from_task` names what the network's task fills in where
    the file is silent: the number of its symbols, or the longest input of the model.
    """

    name: str
    kind: Kind
    default: Any = REQUIRED
    doc: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    from_task: FromTask = ""


def parameter(
    names: str,
    kind: Kind,
    default: Any = REQUIRED,
    doc: str = "",
    choices: str = "",
    from_task: FromTask = "",
) -> Parameter:
    """A `Parameter`, written short: `names` are its own and its aliases; `choices` are
    words, or `spelling=word` for another spelling of one."""
    name, *aliases = names.split()
    pairs = (word.partition("=") for word in choices.split())
    meant = {spelling: word or spelling for spelling, _, word in pairs}
    return Parameter(name, kind, default, doc, meant, tuple(aliases), from_task)


@dataclass(eq=False)
class LayerProblem(Exception):
    """Raised by a layer's rules: parameters or input shapes that cannot work.

    `parameter` names the argument to underline (None: the layer's name); `code` is the
    diagnostic's code.
    """

    code: str
    message: str
    label: str = ""
    help: str = ""
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One valid use of a layer, small enough to run in a moment.

    `reads`: the shapes that arrive, without the batch: one, several for a layer that
    joins, (target, memory) for one that attends to a memory. `gives` (the shape of the
    result) and `numbers` (of its trainable weights) are worked out by hand. `masked`:
    what arrives has padding, as an `Embedding(…, mask_zero=true)` leaves it.
    """

    reads: tuple[Shape, ...]
    gives: Shape
    numbers: int = 0
    params: Params = field(default_factory=dict)
    masked: bool = False

    def written(self, layer: str) -> str:
        """The layer as a file writes it: `Conv1D(filters=8, kernel_size=3)`."""
        written = (
            (name, json.dumps(value) if isinstance(value, bool | str) else value)
            for name, value in self.params.items()
        )
        return f"{layer}({', '.join(f'{name}={value}' for name, value in written)})"


def example(
    *reads: Shape,
    gives: Shape | None = None,
    numbers: int = 0,
    masked: bool = False,
    **params: Any,
) -> Example:
    """An `Example`, written as short as the layer itself; where it says nothing else, it
    gives the shape of what it reads first."""
    return Example(reads, reads[0] if gives is None else gives, numbers, params, masked)


@dataclass(frozen=True)
class LayerSpec:
    """One layer of the language.

    - `complete(params, inputs)` returns the parameters with every None that the rest
      determines filled in (`key_dim` from d_model / num_heads), and checks constraints.
    - `output(params, inputs)` is the shape rule. Both raise `LayerProblem`. Rules see
      the completed params.
    - `weights(params, inputs)` lists what the layer owns; its parameter count is the sum
      of the trainable sizes.
    - `attentions(params, inputs)` lists the attentions inside.
    - `positions(params, inputs)` says which positions of the inputs those of the result
      are, so that pictures can label them.
    - `looks_ahead(params)`: whether a position of the result depends on later positions
      of the input, attention aside (`attentions` tells of that). No default: a layer
      that says nothing would let a model see the answer that it is trained to give.
    - `ranks`: how many axes its input may have, the batch not counted (None: any).
    - `time`: what it knows of time. "first": the first axis of its input is time;
      "carried": whichever axis is time stays so, it does not care; "none": no axis is
      time, it takes whole examples. It decides what a leading None of an input means.
    - `examples`: small uses, from which tests and the reference are made.
    - `sized`: that it must know the size of the last axis: what it is called then.
    - `reads_mask`: the layer's result depends on which positions are valid (attention,
      pooling over time); the generated code hands it the mask.
    - `arity`: how many tensors it takes: "one", "many" (Add, Concatenate: two or more),
      or "target" (one, plus the memory of an encoder when there is one; then `inputs`
      is (target, memory)).
    - `ids`: its input are token ids, not numbers.
    - `orders`: it tells positions apart: of the same vectors in another order its results
      are others, not the same in that order. (Causal attention does so too.)
    - `beside`: what a backend's own file of weights holds for the layer that is no weight
      (backend -> names below the layer's).
    """

    name: str
    doc: str
    output: Callable[[Params, Inputs], Tensor]
    looks_ahead: Callable[[Params], bool]
    ranks: tuple[int, ...] | None
    time: Literal["first", "carried", "none"]
    positions: Callable[[Params, Inputs], Positions]
    examples: tuple[Example, ...]
    parameters: tuple[Parameter, ...] = ()
    complete: Callable[[Params, Inputs], Params] = lambda params, inputs: params
    weights: Callable[[Params, Inputs], Weights] = lambda params, inputs: ()
    attentions: Callable[[Params, Inputs], tuple[Attention, ...]] = (
        lambda params, inputs: ()
    )
    arity: Literal["one", "many", "target"] = "one"
    ids: bool = False
    orders: bool = False
    sized: str = ""
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reads_mask: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def reads(self) -> Literal["any", "sequence", "ids", "example"]:
        """What its input must be: "ids" (time,), a "sequence" (time, features), one whole
        "example", or "any" shape, which the layer hands on in kind."""
        if self.ids:
            return "ids"
        kinds: dict[str, Literal["any", "sequence", "example"]]
        kinds = {"first": "sequence", "carried": "any", "none": "example"}
        return kinds[self.time]

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The default of each parameter."""
        return {each.name: each.default for each in self.parameters}

    @cached_property
    def snake_name(self) -> str:
        """`TransformerEncoder` -> `transformer_encoder`; `Conv1D` -> `conv1d`;
        `RMSNormalization` -> `rms_normalization`."""
        word = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
        return re.sub(word, "_", self.name).lower()
