"""Names of every length are laid out as Ruff would: 64 characters are allowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import neural_dsl as nd
from neural_dsl.catalogue.backends import BACKENDS
from tests.naming import LONG, ROLES

NETWORKS = {
    "convolutions": """network {1} {{ input: {{{0}: (12,), {1}: (10, 6)}} layers:
      {0}: {{ Embedding(100, 6, mask_zero=true) PositionalEncoding(encoding_type="learned")
        Conv1D(6, 3, padding="causal", activation="mish", dilation_rate=2)
        left_{2}: {{ BatchNormalization() Dense(6) }}
        right_{2}: {{ TransformerEncoder(3, 8, norm="none", causal=true, key_dim=5) }} Add() }}
      {1}: {{ LayerNormalization(name="{0}") Dense(6, name="other_{2}") * 2
        Residual {{ Dense(6, "gelu") BatchNormalization() }} }}
      TransformerDecoder(3, 8, dropout=0.2, norm="pre", activation="silu") * 3
      MultiHeadAttention(2, mode="cross", value_dim=4) Flatten() Reshape((-1, 6))
      Activation("softsign") Conv1D(4, 3, "softmax", strides=2, padding="same")
      GlobalMaxPooling1D() Output(7, "softmax") }}""",
    "masks in time": """define {0}(n) {{ in_{2}: {{ Dense($n) }} too_{2}: {{ Dense($n, "elu") }}
      Add() left_{2}: {{ Dense(4) Dense(4, "squareplus") }}
      right_{2}: {{ MultiHeadAttention(2) }} three: {{ Dense(4) }} Add() }}
    network N {{ input: {{{0}: (12,), {1}: (10,), short: (3, 4), three_{2}: (10,)}} layers:
      short: {{ Dense(4, "leaky_relu") }} {0}: {{ Embedding(100, 4, mask_zero=true) }}
      {1}: {{ Embedding(100, 4, mask_zero=true) }}
      three_{2}: {{ Embedding(100, 4, mask_zero=true) }} Concatenate(axis=1)
      {0}(4) * 2 {0}(4) MultiHeadAttention(2) GlobalAveragePooling1D() Output(30) }}""",
    "masks added": """network N {{ input: {{{0}: (10,), {1}: (10,), three_{2}: (10,)}} layers:
      {0}: {{ Embedding(100, 4, mask_zero=true) }} {1}: {{ Embedding(100, 4, mask_zero=true) }}
      three_{2}: {{ Embedding(100, 4, mask_zero=true) Dense(4, "softmax", name="{0}") }}
      Add() MultiHeadAttention(2) GlobalAveragePooling1D() Output(30) }}""",
    "decoders": """define {0}(n) {{ TransformerDecoder(2, $n, name="dec_{2}")
      TransformerDecoder(2, $n, norm="none") }}
    network {0} {{ input: {{{0}: (10,), {1}: (None,)}} layers:
      {0}: {{ Embedding(100, 4, mask_zero=true) }} {1}: {{ Embedding(100, 4, mask_zero=true) }}
      {0}(4) * 2 {0}(8) Dense(4, name="{0}") * 3 Dense(4, name="{1}", use_bias=false)
      Output(30) }}""",
}


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_file_with_long_names_is_clean(backend: str, tmp_path: Path) -> None:
    for length in range(12, 65, 2):
        first = LONG[:length].rstrip("_").ljust(length, "e")
        second, short = f"a{first[:0:-1]}".replace("_", "x"), first[: length - 6]
        for title, text in {**ROLES, **NETWORKS}.items():
            model = nd.compile(text.format(first, second, short), backend)
            file = tmp_path / f"{title.replace(' ', '_')}_{length}.py"
            file.write_text(model.code, encoding="utf-8")
    for command in (["format", "--diff"], ["check"]):
        options = ["--isolated", "--no-cache", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[:4000]


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_docstrings_end_at_88_columns(backend: str) -> None:
    first, second = LONG[:-4], LONG[4:]
    code = nd.compile(
        NETWORKS["masks in time"].format(first, second, LONG[:-8]), backend
    ).code
    docstrings = code.split('"""')[1::2]
    lines = [line for text in docstrings for line in text.splitlines()]
    assert len(lines) > 20
    assert [line for line in lines if len(line) > 88] == []
