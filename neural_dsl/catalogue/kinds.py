"""Kinds of layers, by what they know of order and time; an entry may say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from neural_dsl.catalogue.shapes import same
from neural_dsl.catalogue.spec import Inputs, LayerSpec, Params
from neural_dsl.catalogue.tensors import Positions


def never(params: Params) -> bool:
    """Rule of `looks_ahead`: each position is computed from itself and earlier ones."""
    return False


def always(params: Params) -> bool:
    """Rule of `looks_ahead`: later positions count too."""
    return True


def kept(params: Params, inputs: Inputs) -> Positions:
    """Each position of the result is the position of the input that stands there."""
    return Positions("kept")


def new(why: str) -> Callable[[Params, Inputs], Positions]:
    """The rule of a layer whose positions are none of its input, and why they are not."""
    return lambda params, inputs: Positions("new", why)


pointwise = partial(
    LayerSpec,
    output=same,
    looks_ahead=never,
    ranks=None,
    time="carried",
    positions=kept,
)
"""Each position by itself, whatever the axes are."""

sequential = partial(
    LayerSpec, output=same, looks_ahead=never, ranks=(2,), time="first", positions=kept
)
"""Position by position of a sequence (time, features); attention says itself what it sees."""

pooling = partial(
    LayerSpec, looks_ahead=always, positions=new("it makes one of all positions")
)
"""One result of all positions."""

imaging = partial(
    LayerSpec,
    looks_ahead=always,
    ranks=(3,),
    time="none",
    positions=new("an image has no positions in time"),
)
"""Over an image (height, width, channels)."""
