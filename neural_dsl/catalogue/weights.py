"""Every kind of array that a layer owns: canonical name and axes, and how Keras keeps it.

Canonical names and layouts are PyTorch's, where they are well known. The emitted code, the
loaders and docs/weights.md all go by this table.
"""

from __future__ import annotations

from neural_dsl.catalogue.tensors import Array, Stored, Weight

TENSORFLOW = "tensorflow"

KERNEL = Array("weight", ("out", "in"), {TENSORFLOW: Stored("kernel", ("in", "out"))})
BIAS = Array("bias", ("out",))
VECTORS = Array(
    "weight",
    ("id", "features"),
    {TENSORFLOW: Stored("embeddings", ("id", "features"))},
)
POSITIONS = Array("weight", ("position", "features"))
SCALE = Array("weight", ("features",), {TENSORFLOW: Stored("gamma", ("features",))})
SHIFT = Array("bias", ("features",), {TENSORFLOW: Stored("beta", ("features",))})
RMS_SCALE = Array("weight", ("features",), {TENSORFLOW: Stored("scale", ("features",))})
MEAN = Array(
    "running_mean", ("features",), {TENSORFLOW: Stored("moving_mean", ("features",))}
)
VARIANCE = Array(
    "running_var", ("features",), {TENSORFLOW: Stored("moving_variance", ("features",))}
)


def filters(*space: str) -> Array:
    """The kernel of a convolution over these axes of space or time."""
    inside = "in / groups"
    return Array(
        "weight",
        ("filters", inside, *space),
        {TENSORFLOW: Stored("kernel", (*space, inside, "filters"))},
    )


FILTERS_1D = filters("width")
FILTERS_2D = filters("height", "width")


def dense_weights(
    below: str, units: int, features: int, use_bias: bool
) -> tuple[Weight, ...]:
    """Weight (units, features) and bias (units,) of the dense layer at `below`."""
    weight = Weight(KERNEL, (units, features), below)
    return (weight, Weight(BIAS, (units,), below)) if use_bias else (weight,)


def norm_weights(below: str, features: int) -> tuple[Weight, ...]:
    """Weight and bias, both (features,), of the normalisation at `below`."""
    return Weight(SCALE, (features,), below), Weight(SHIFT, (features,), below)


def convolution_weights(
    array: Array, shape: tuple[int, ...], use_bias: bool
) -> tuple[Weight, ...]:
    """Weight, of shape (filters, in / groups, …), and bias (filters,)."""
    weight = Weight(array, shape)
    return (weight, Weight(BIAS, shape[:1])) if use_bias else (weight,)
