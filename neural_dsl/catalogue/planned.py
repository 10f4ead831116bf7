"""Layers that the language knows and this version does not build yet.

A file that uses one is told so, with its line, instead of "unknown layer".
"""

from __future__ import annotations

_NAMES = """
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

PLANNED: dict[str, str] = {name.lower(): name for name in _NAMES.split()}
"""Lower-case name -> name."""
