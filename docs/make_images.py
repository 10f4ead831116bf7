"""Makes the pictures of the README and the docs, with the program itself.

    python docs/make_images.py

Most show the model of examples/known_attention, whose weights are set by hand, so that
what a picture says can be checked against what the head is known to do. The others show
models that this script trains first, which takes a minute.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    trained()
    learnt_induction()


def trained() -> None:
    """Copying against reversing, and how a copying head came about."""
    with TemporaryDirectory() as folder, chdir(folder):
        for name in ("copy", "reverse"):
            file = HERE.parent / "examples" / "tasks" / f"{name}.neural"
            command = ["train", str(file), "--set", "train.attention_snapshots=20"]
            assert run([*command, "--device", "cpu"]) == 0
        prompt = ["--attention", "--prompt", "dabcbbca:", "--layer", "0", "--head", "2"]
        assert run(["visualize", "runs/copy", "runs/reverse", *prompt]) == 0
        assert run(["visualize", "runs/copy", "--evolution"]) == 0
        layer = "transformer_decoder_0.self_attention"
        for source, target in (
            ("attention_heatmap.png", "copy_against_reverse.png"),
            (f"evolution_heads_{layer}.png", "attention_over_training.png"),
        ):
            shutil.copy(Path("attention_outputs") / source, IMAGES / target)


def learnt_induction() -> None:
    """Two layers that learnt to go on with a block of letters that begins again."""
    with TemporaryDirectory() as folder, chdir(folder):
        file = HERE.parent / "examples" / "tasks" / "induction.neural"
        assert run(["train", str(file), "--device", "cpu"]) == 0
        prompt = ["--attention", "--prompt", "neuraln"]
        assert run(["visualize", "runs/induction", *prompt]) == 0
        for layer in range(2):
            name = f"attention_heads_multi_head_attention_{layer}.png"
            target = IMAGES / f"learnt_induction_{layer}.png"
            shutil.copy(Path("attention_outputs") / name, target)


@contextmanager
def chdir(folder: str) -> Iterator[None]:
    """Work in another folder for a while; pictures then name runs as users do."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
