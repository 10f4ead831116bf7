"""Makes the pictures of the README and the docs, with the program itself.

    python docs/make_images.py

They show the model of examples/known_attention, whose weights are set by hand, so that
what a picture says can be checked against what the head is known to do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import save_file

import neural_dsl as nd
from neural_dsl.cli.program import run
from neural_dsl.visualize.figures import save_figure
from neural_dsl.visualize.head_grid import head_grid
from neural_dsl.visualize.heatmap import attention_heatmap

HERE = Path(__file__).parent
IMAGES = HERE / "images"
EXAMPLE = HERE.parent / "examples" / "known_attention"

sys.path.insert(0, str(EXAMPLE))
import make_weights  # noqa: E402


def main() -> None:
    """Write every picture into docs/images."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        weights = Path(folder) / "known_attention.safetensors"
        save_file(make_weights.weights(), weights)
        words = make_weights.WORDS
        ids = np.array([[words.index(word) for word in make_weights.SENTENCE]])
        model = nd.load(EXAMPLE / "known_attention.neural", "pytorch", weights=weights)
        record = nd.capture(model, ids, tokens=make_weights.SENTENCE)
    save_figure(head_grid(record, "six_patterns"), IMAGES / "six_patterns.png")
    save_figure(attention_heatmap(record, ["induction"]), IMAGES / "induction.png")
    for name in ("encoder_decoder", "known_attention"):
        (source,) = HERE.parent.glob(f"examples/*/{name}.neural")
        target = IMAGES / f"{name}_architecture.svg"
        assert (
            run(["visualize", str(source), "--format", "svg", "-o", str(target)]) == 0
        )


if __name__ == "__main__":
    main()
