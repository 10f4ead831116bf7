"""What flows from layer to layer while a network is resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.graph.nodes import Node
from neural_dsl.graph.walk import outlasting
from neural_dsl.source import Span


@dataclass(frozen=True)
class Stream:
    """One current tensor. None: its shape is unknown because of an earlier mistake.

    `name` is the network input's or the branch's ("" behind a layer); `input` says that
    this is the untouched network input. `lost_mask` are the layers at which a mask on
    the way here ended, to be warned about if something later would have read it.
    """

    tensor: Tensor | None
    name: str = ""
    input: bool = False
    lost_mask: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Flow:
    """The current tensors, in order, and the memory that decoders may read.

    `unknown` means that not even the number of tensors is known: nothing can be checked
    against them. To equal flows a layer does the same.
    """

    streams: tuple[Stream, ...]
    memory: Stream | None = None
    unknown: bool = False

    def through(self, stream: Stream, memory: Stream | None = None) -> Flow:
        """The flow behind a layer that gives one tensor."""
        return Flow((stream,), memory or self.memory)

    def behind(self, nodes: Sequence[Node], before: Flow) -> Flow:
        """The flow behind a macro or a repeated group that `before` entered."""
        memory = outlasting(nodes, before.streams, before.memory)
        return replace(self, memory=memory)

    def lost(self) -> Flow:
        """The flow behind a layer whose output is unknown."""
        return Flow((Stream(None),), self.memory, unknown=True)
