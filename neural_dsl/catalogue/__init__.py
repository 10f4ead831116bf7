"""The catalogue: every layer of the language, one entry each.

The validator, the shape engine, the code generator and the reference docs all read it.
"""

from __future__ import annotations

from neural_dsl.catalogue import (
    attention,
    convolution,
    core,
    embedding,
    merging,
    normalization,
    pooling,
    transformer,
)
from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.catalogue.spec import LayerSpec

_FAMILIES = [core, embedding, normalization, attention, transformer]
_FAMILIES += [convolution, pooling, merging]
_ENTRIES = [
    (spec, family.__name__.rpartition(".")[2])
    for family in _FAMILIES
    for spec in vars(family).values()
    if isinstance(spec, LayerSpec)
]
_FAMILY_OF = {spec.name: family for spec, family in _ENTRIES}
_BY_SPELLING = {
    spelling.lower(): spec
    for spec, _ in _ENTRIES
    for spelling in (spec.name, *spec.aliases)
}

LAYERS: dict[str, LayerSpec] = {
    spec.name: spec for spec, _ in _ENTRIES if spec is not RESIDUAL_CONNECTION
}
"""Every layer by its canonical name, family by family."""

_PLANNED = """
Permute RepeatVector Masking SpatialDropout1D SpatialDropout2D SpatialDropout3D
GaussianNoise GaussianDropout AlphaDropout ActivityRegularization Lambda
ReLU LeakyReLU PReLU ELU Softmax
InstanceNormalization UnitNormalization
SpectralNormalization
Attention AdditiveAttention GroupedQueryAttention Transformer
Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D ConvLSTM1D
ConvLSTM2D ConvLSTM3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D
ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D
MaxPooling1D MaxPooling3D AveragePooling1D AveragePooling2D
AveragePooling3D MaxPool1D MaxPool3D AvgPool1D AvgPool2D AvgPool3D
GlobalAveragePooling3D GlobalMaxPooling2D
GlobalMaxPooling3D AdaptiveAveragePooling1D AdaptiveAveragePooling2D
AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
AdaptiveMaxPooling3D
SimpleRNN RNN LSTM GRU Bidirectional TimeDistributed
Subtract Multiply Average Maximum Minimum Dot
"""
"""Layers that the language knows and this version does not build yet: a file that uses
one is told so, with its line, instead of "unknown layer"."""


def family_of(spec: LayerSpec) -> str:
    """The family of a layer, the name of the file in which its entry stands."""
    return _FAMILY_OF[spec.name]


def find_layer(name: str) -> LayerSpec | None:
    """The entry for any spelling of a layer's name, case ignored; None if unknown.

    `ResidualConnection` is found too, though it is a block and not in `LAYERS`.
    """
    return _BY_SPELLING.get(name.lower())


def planned_layer(name: str) -> str | None:
    """The canonical name of a layer that is known but not built yet."""
    return next((n for n in _PLANNED.split() if n.lower() == name.lower()), None)


def layer_names() -> list[str]:
    """Canonical names and aliases, for suggestions."""
    return [spelling for spec, _ in _ENTRIES for spelling in (spec.name, *spec.aliases)]
