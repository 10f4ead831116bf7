"""What flows between layers, as far as a compiler knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Shape: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Mask:
    """Which positions of a sequence are valid: a boolean (B, T), told from the inputs.

    - "input": where the ids of the network input `input` are not 0;
    - "ones": everywhere, for `length` positions;
    - "concat": the parts one after another in time;
    - "all": where every part is valid.
    """

    operation: Literal["input", "ones", "concat", "all"]
    input: str = ""
    length: int = 0
    parts: tuple[Mask, ...] = ()


@dataclass(frozen=True, slots=True)
class Tensor:
    """Shape without the batch axis (None: any length), kind of value, and mask.

    `ids` are integer tokens (int64 in NumPy); everything else is float32. `mask` says
    which positions along the first axis are valid (None: all). `source` is the network
    input that ids come from, so that an Embedding can say what its mask is made of.
    """

    shape: Shape
    dtype: Literal["float", "ids"] = "float"
    mask: Mask | None = None
    source: str = ""

    @property
    def features(self) -> int | None:
        """The size of the last axis (`d_model` of a sequence)."""
        return self.shape[-1] if self.shape else None


@dataclass(frozen=True, slots=True)
class Weight:
    """One array that a layer owns: canonical name below the layer's, canonical shape.

    Canonical layout is PyTorch's: a dense `weight` is (out, in), a convolution's is
    (filters, in / groups, kernel). `trainable` is False for running statistics.
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool = True


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention inside a layer.

    `suffix` is "" or e.g. "self_attention" (joined to the layer's name with a dot);
    `path` is the attribute path, below the layer's own module, of the module in which
    the attention happens, the same on both backends ("" for the module itself).
    """

    suffix: str
    kind: Literal["self", "causal", "cross"]
    num_heads: int
    path: str
