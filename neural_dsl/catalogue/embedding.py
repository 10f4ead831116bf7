"""From token ids to vectors, and where in the sequence they stand."""

from __future__ import annotations

from neural_dsl.catalogue.shapes import sequential
from neural_dsl.catalogue.spec import Inputs, LayerProblem, Params, example, parameter
from neural_dsl.catalogue.tensors import POSITIONS, VECTORS, Mask, Tensor, Weight

ANY_LENGTH = 5000
"""Positions that a PositionalEncoding is made for when no length is declared."""

_VOCABULARY = "size of the vocabulary: ids are below it"
_PADDING = "id 0 is padding: invisible to every attention and pooling after it"
_LONGEST = f"longest sequence; by default the declared length, else {ANY_LENGTH}"


def _embedding_output(params: Params, inputs: Inputs) -> Tensor:
    ids = inputs[0]
    mask = Mask("input", input=ids.source) if params["mask_zero"] else None
    return Tensor((*ids.shape, params["output_dim"]), mask=mask)


def _embedding_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    return (Weight(VECTORS, (params["input_dim"], params["output_dim"])),)


EMBEDDING = sequential(
    name="Embedding",
    doc="Looks up a learned vector for each token id. Vectors start normal, N(0, 0.02).",
    parameters=(
        parameter("input_dim", "count", doc=_VOCABULARY, from_task="vocabulary"),
        parameter("output_dim", "count", doc="size of each vector (d_model)"),
        parameter("mask_zero", "bool", False, _PADDING),
    ),
    output=_embedding_output,
    ranks=(1,),
    ids=True,
    examples=(
        example((10,), gives=(10, 6), numbers=20 * 6, input_dim=20, output_dim=6),
        example((None,), gives=(None, 6), numbers=54, input_dim=9, output_dim=6),
    ),
    weights=_embedding_weights,
)


def _positions_complete(params: Params, inputs: Inputs) -> Params:
    length, max_len = inputs[0].shape[0], params["max_len"]
    if max_len is None:
        max_len = ANY_LENGTH if length is None else length
    elif length is not None and length > max_len:
        message = f"the sequence has {length} positions, but `max_len` is {max_len}"
        label = f"encodes positions 0 to {max_len - 1} only"
        help = f"use `max_len={length}` or more, or leave it out"
        raise LayerProblem("NE034", message, label, help, "max_len")
    return {**params, "max_len": max_len}


def _positions_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    learned = params["encoding_type"] == "learned"
    weight = Weight(POSITIONS, (params["max_len"], inputs[0].width))
    return (weight,) if learned else ()


POSITIONAL_ENCODING = sequential(
    name="PositionalEncoding",
    doc="Adds to each position a vector that tells where it stands: fixed sines and "
    "cosines (Vaswani et al., 2017) or learned ones, which start normal, N(0, 0.02).",
    parameters=(
        parameter(
            "max_len max_length", "count", None, _LONGEST, from_task="max_length"
        ),
        parameter(
            "encoding_type",
            "choice",
            "sinusoidal",
            "where the vectors come from",
            "sinusoidal learned learnable=learned",
        ),
    ),
    sized="PositionalEncoding",
    orders=True,
    complete=_positions_complete,
    examples=(
        example((10, 16)),
        example((10, 7), numbers=84, encoding_type="learned", max_len=12),
        example((10, 16), numbers=160, encoding_type="learned"),
    ),
    weights=_positions_weights,
)
