"""What flows between layers and what they own, as far as a compiler knows it.

Names and layouts of weights are PyTorch's, where they are well known; the emitted code, the
loaders and docs/weights.md all go by the table at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from weakref import WeakValueDictionary

Shape: TypeAlias = tuple[int | None, ...]
Axes: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Mask:
    """Which positions of a sequence are valid: a boolean (B, T), told from the inputs.
    Equal masks are one object, so that masks made of masks are compared in one step.

    - "input": where the ids of the network input `input` are not 0;
    - "ones": everywhere, for `length` positions;
    - "concat": the parts one after another in time;
    - "all": where every part is valid.
    """

    operation: Literal["input", "ones", "concat", "all"]
    input: str = ""
    length: int = 0
    parts: tuple[Mask, ...] = ()

    def __new__(
        cls,
        operation: str,
        input: str = "",
        length: int = 0,
        parts: tuple[Mask, ...] = (),
    ) -> Mask:
        """The one mask of these fields."""
        key = (operation, input, length, parts)
        found = _MASKS.get(key)
        if found is None:
            found = _MASKS[key] = object.__new__(cls)
        return found


_MASKS: WeakValueDictionary[tuple[object, ...], Mask] = WeakValueDictionary()


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

    @property
    def width(self) -> int:
        """The same where it must be known (`LayerSpec.sized`)."""
        assert self.features is not None
        return self.features


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


@dataclass(frozen=True, slots=True)
class Positions:
    """How the positions of a layer's result, its first axis, stand to what it reads.

    - "kept": one to one, in order (of "many" inputs: of each of them; of a "target" and
      its memory: of the target);
    - "joined": those of the inputs, one after another;
    - "new": neither, because of `why`, a clause for a message.
    """

    kind: Literal["kept", "joined", "new"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Array:
    """One kind of array that layers own.

    `name` and `axes` are canonical; `stored` says where a backend keeps it under another
    name or with its axes in another order.
    """

    name: str
    axes: Axes
    stored: Mapping[str, Array] = field(default_factory=dict, hash=False)

    def on(self, backend: str) -> Array:
        """How this backend keeps it."""
        return self.stored.get(backend, self)

    def order(self, backend: str) -> tuple[int, ...]:
        """Transposing the backend's array by this gives the canonical one."""
        return tuple(map(self.on(backend).axes.index, self.axes))

    def order_back(self, backend: str) -> tuple[int, ...]:
        """Transposing the canonical array by this gives the backend's."""
        return tuple(map(self.axes.index, self.on(backend).axes))


@dataclass(frozen=True, slots=True)
class Weight:
    """One array that a layer owns, with its canonical shape.

    `below` is the path of attributes, inside the layer, of what owns it ("" for the layer
    itself); the same on all backends. `trainable` is False for running statistics.
    """

    array: Array
    shape: tuple[int, ...]
    below: str = ""
    trainable: bool = True

    @property
    def name(self) -> str:
        """The canonical name below the layer's: `attention.query.weight`."""
        return f"{self.below}.{self.array.name}".lstrip(".")

    def place(self, backend: str) -> str:
        """Where the backend keeps it, below the layer: `attention.query.kernel`."""
        return f"{self.below}.{self.array.on(backend).name}".lstrip(".")


Weights: TypeAlias = tuple[Weight, ...]


def _array(name: str, *axes: str, keras: str = "", order: Axes = ()) -> Array:
    """An array that Keras calls `keras`, and whose axes it may keep in another order."""
    stored = {"tensorflow": Array(keras, order or axes)} if keras else {}
    return Array(name, axes, stored)


def _filters(*space: str) -> Array:
    """The kernel of a convolution over these axes of space or time."""
    axes = ("filters", "in / groups", *space)
    return _array("weight", *axes, keras="kernel", order=(*space, axes[1], axes[0]))


KERNEL = _array("weight", "out", "in", keras="kernel", order=("in", "out"))
BIAS = _array("bias", "out")
VECTORS = _array("weight", "id", "features", keras="embeddings")
POSITIONS = _array("weight", "position", "features")
SCALE = _array("weight", "features", keras="gamma")
SHIFT = _array("bias", "features", keras="beta")
RMS_SCALE = _array("weight", "features", keras="scale")
MEAN = _array("running_mean", "features", keras="moving_mean")
VARIANCE = _array("running_var", "features", keras="moving_variance")
FILTERS = _filters("width"), _filters("height", "width")
"""Over one axis, over two."""


def with_bias(
    array: Array, shape: tuple[int, ...], use_bias: bool, below: str = ""
) -> Weights:
    """A weight of this shape, (filters, in / groups, …) for a convolution, and a bias
    (filters,) where there is one."""
    weight = Weight(array, shape, below)
    return (weight, Weight(BIAS, shape[:1], below)) if use_bias else (weight,)


def dense_weights(below: str, units: int, features: int, use_bias: bool) -> Weights:
    """Weight (units, features) and bias (units,) of the dense layer at `below`."""
    return with_bias(KERNEL, (units, features), use_bias, below)


def norm_weights(below: str, features: int) -> Weights:
    """Weight and bias, both (features,), of the normalisation at `below`."""
    return Weight(SCALE, (features,), below), Weight(SHIFT, (features,), below)
