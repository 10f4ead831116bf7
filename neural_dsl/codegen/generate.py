"""From the model graph to one Python file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from neural_dsl.ir.nodes import Network

Backend: TypeAlias = Literal["pytorch", "tensorflow"]


@dataclass(frozen=True)
class CompiledModel:
    """An emitted file and what is needed to find one's way in it.

    - `code`: the text of the file. PyTorch: a class named `entry`, made without
      arguments, whose `forward` takes the inputs in the network's order. TensorFlow: a
      function named `entry` (`build_model`) that returns a functional `keras.Model` which
      takes a tensor, or a list of tensors when there are several inputs.
    - `paths`: canonical layer name -> attribute path in the live model, dots between,
      list indices as numbers ("blocks.2.dense"). PyTorch: below the model, as
      `get_submodule` reads it. TensorFlow: the first part is the name that
      `model.get_layer` takes, the rest are attributes and indices. Only layers that own
      weights or an attention stand here.
    """

    network: Network
    backend: Backend
    code: str
    entry: str
    paths: Mapping[str, str]
