"""Files that call one thing by any name: an input, a layer, a branch, a macro, a network."""

from __future__ import annotations

LONG = "the_name_of_something_that_somebody_wanted_to_describe_in_full_1"
"""As long as a name may be."""
TAKEN = [
    "inputs",
    "outputs",
    "input",
    "output",
    "logits",
    "x",
    "mask",
    "memory",
    "model",
    "ops",
    "layers",
    "keras",
    "np",
    "os",
    "math",
    "torch",
    "nn",
    "F",
    "self",
    "Tensor",
    "Callable",
    "tf",
    "i",
    "p",
    "layer",
    "encoder",
    "decoder",
    "block",
    "residual",
    "residual_",
    "merged",
    "unmasked",
    "parameters",
    "probabilities",
    "build_model",
    "init_weights",
    "masked_mean",
    "masked_max",
    "squareplus",
    "pad_same",
    "scaled_dot_product_attention",
    "dense",
    "dense_0",
    "dense_layers",
    "embedding",
    "add",
    "residual_connection",
    "repeat",
    "not_equal_1",
    "get_item",
    "ones_like",
    "mask_concatenate",
    "train",
    "weights",
    "training",
    "forward",
    "call",
    "T",
    "name",
    "dtype",
    "len",
    "print",
    "range",
    "list",
    "super",
    "int",
    "str",
    "MultiHeadAttention",
    "FeedForward",
    "TransformerEncoder",
    "PositionalEncoding",
    "Net",
    "Mac",
    "Block",
    "_",
    "_x",
    "__init__",
    "main",
    "T_destination",
    "MaskedMaxPooling1D",
]
"""What emitted code calls something of its own, and what Python, PyTorch and Keras do."""

ROLES = {
    "first input": """network Net {{ input: {{{0}: (4, 4), bb: (4,)}} layers:
        {0}: {{ Dense(4, "squareplus") TransformerEncoder(2, 3) * 2 }}
        bb: {{ Embedding(5, 4, mask_zero=true) Dense(4) * 2 }} Concatenate(axis=1)
        TransformerDecoder(2, 3) * 2 GlobalMaxPooling1D() Output(2, "softmax") }}""",
    "second input": """define Mac(n) {{ Dense($n) Dense(4) }}
      network Net {{ input: {{aa: (4,), {0}: (4,)}} layers:
        aa: {{ Embedding(5, 4, mask_zero=true) TransformerEncoder(2, 3) }}
        {0}: {{ Embedding(5, 4, mask_zero=true) Mac(3) * 2 }}
        TransformerDecoder(2, 3) * 2 GlobalAveragePooling1D() Output(2, "softmax") }}""",
    "only input": """network Net {{ input: {{{0}: (4,)}} layers:
        {0}: {{ Embedding(5, 4, mask_zero=true) TransformerEncoder(2, 3) * 2 }}
        bb: {{ Embedding(5, 4) }} Add() PositionalEncoding()
        GlobalMaxPooling1D() Output(2) }}""",
    "layer": """define Mac {{ Residual {{ LayerNormalization() Dense(4, name="{0}") }} }}
      network Net {{ input: {{aa: (4,), bb: (4, 4)}} layers:
        aa: {{ Embedding(5, 4, mask_zero=true) }} bb: {{ Dense(4) }}
        Concatenate(axis=1) Mac() MultiHeadAttention(2) GlobalMaxPooling1D() Output(2) }}""",
    "input and layer": """define Mac {{ Dense(4) Dense(4) }}
      network Net {{ input: {{aa: (4,), {0}: (4, 4)}} layers:
        aa: {{ Embedding(5, 4, mask_zero=true) }} {0}: {{ Dense(4, "mish", name="{0}") }}
        Concatenate(axis=1) Mac() TransformerEncoder(2, 3) GlobalAveragePooling1D()
        Output(2) }}""",
    "repeated layer": """network Net {{ input: (4,) layers:
        Embedding(5, 4, mask_zero=true) Dense(4, "relu", name="{0}") * 2
        TransformerEncoder(2, 3) GlobalMaxPooling1D() Output(2) }}""",
    "branch": """network Net {{ input: (4,) layers: Embedding(5, 4, mask_zero=true)
        {0}: {{ Dense(4, "gelu") TransformerEncoder(2, 3) * 2 }}
        bb: {{ MultiHeadAttention(2) }} Add() GlobalMaxPooling1D() Output(2) }}""",
    "branch in a macro": """define Mac {{
        {0}: {{ Conv1D(4, 2, "gelu", padding="same", strides=2) Dense(4) * 2 }}
        bb: {{ Conv1D(4, 2, "squareplus", padding="same", strides=2) }} Add() }}
      network Net {{ input: (4, 4) layers: Mac() Mac() * 2 Flatten() Output(2) }}""",
    "macro": """define {0}(n) {{ Residual {{ Dense($n, "gelu") Dense(4) }} Dense(4) }}
      network Net {{ input: {{{0}: (4, 4), bb: (4, 4)}} layers:
        {0}: {{ {0}(4) }} bb: {{ Dense(4) {0}(6) * 2 }} Add() Output(2) }}""",
    "network": """network {0} {{ input: (4,) layers: Embedding(5, 4, mask_zero=true)
        PositionalEncoding() TransformerEncoder(2, 3) MultiHeadAttention(2)
        GlobalMaxPooling1D() Output(2, "softmax") }}""",
}
"""What is named -> a file with the name in the place of {0}."""
