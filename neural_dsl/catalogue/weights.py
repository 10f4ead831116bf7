"""Every kind of array that a layer owns: canonical name and axes, and how Keras keeps it.

Canonical names and layouts are PyTorch's, where they are well known. The emitted code, the
loaders and docs/weights.md all go by this table.
"""

from __future__ import annotations

from neural_dsl.catalogue.tensors import Array, Stored, Weight


def _array(
    name: str, *axes: str, keras: str = "", order: tuple[str, ...] = ()
) -> Array:
    """An array that Keras calls `keras`, and whose axes it may keep in another order."""
    stored = {"tensorflow": Stored(keras, order or axes)} if keras else {}
    return Array(name, axes, stored)


def filters(*space: str) -> Array:
    """The kernel of a convolution over these axes of space or time."""
    inside = "in / groups"
    order = (*space, inside, "filters")
    return _array("weight", "filters", inside, *space, keras="kernel", order=order)


KERNEL = _array("weight", "out", "in", keras="kernel", order=("in", "out"))
BIAS = _array("bias", "out")
VECTORS = _array("weight", "id", "features", keras="embeddings")
POSITIONS = _array("weight", "position", "features")
SCALE = _array("weight", "features", keras="gamma")
SHIFT = _array("bias", "features", keras="beta")
RMS_SCALE = _array("weight", "features", keras="scale")
MEAN = _array("running_mean", "features", keras="moving_mean")
VARIANCE = _array("running_var", "features", keras="moving_variance")
FILTERS_1D = filters("width")
FILTERS_2D = filters("height", "width")


def with_bias(
    array: Array, shape: tuple[int, ...], use_bias: bool, below: str = ""
) -> tuple[Weight, ...]:
    """A weight of this shape, (filters, in / groups, …) for a convolution, and a bias
    (filters,) where there is one."""
    weight = Weight(array, shape, below)
    return (weight, Weight(BIAS, shape[:1], below)) if use_bias else (weight,)


def dense_weights(
    below: str, units: int, features: int, use_bias: bool
) -> tuple[Weight, ...]:
    """Weight (units, features) and bias (units,) of the dense layer at `below`."""
    return with_bias(KERNEL, (units, features), use_bias, below)


def norm_weights(below: str, features: int) -> tuple[Weight, ...]:
    """Weight and bias, both (features,), of the normalisation at `below`."""
    return Weight(SCALE, (features,), below), Weight(SHIFT, (features,), below)
