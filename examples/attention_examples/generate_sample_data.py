"""Writes sample inputs for the examples of this folder.

    python generate_sample_data.py [FOLDER]      by default the current folder

The numbers are random (seed 0); they have the shapes and types that the examples take:

    transformer_input.npy    basic_transformer: (2, 50, 256) float32
    multi_layer_input.npy    multi_layer_transformer: (1, 128, 512) float32
    input_tokens.npy         text_classification: (4, 200) ids, padded with 0 at the end
    translation.npz          encoder_decoder: source (2, 12) and target (2, 10) ids
"""

import sys
from pathlib import Path

import numpy as np

rng = np.random.default_rng(0)


def padded_ids(lengths: list[int], width: int, vocabulary: int) -> np.ndarray:
    """Random ids, 1 to vocabulary - 1, one row a length; the rest of a row is 0."""
    ids = rng.integers(1, vocabulary, size=(len(lengths), width))
    ids[np.arange(width) >= np.array(lengths)[:, None]] = 0
    return ids


def main(folder: Path) -> None:
    """Write the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    vectors = rng.standard_normal((2, 50, 256), dtype=np.float32)
    np.save(folder / "transformer_input.npy", vectors)
    vectors = rng.standard_normal((1, 128, 512), dtype=np.float32)
    np.save(folder / "multi_layer_input.npy", vectors)
    np.save(folder / "input_tokens.npy", padded_ids([200, 120, 57, 8], 200, 10_000))
    np.savez(
        folder / "translation.npz",
        source=padded_ids([12, 7], 12, 1000),
        target=padded_ids([10, 6], 10, 1200),
    )
    print(f"wrote four files in {folder.resolve()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
