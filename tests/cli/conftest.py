"""Running the program as a user would, in this process where that is enough."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from neural_dsl.cli.program import run
from neural_dsl.visualize.pictures import pictures

EXAMPLES = Path(__file__).parents[2] / "examples"
BASIC = EXAMPLES / "attention_examples" / "basic_transformer.neural"
TRANSLATOR = EXAMPLES / "attention_examples" / "encoder_decoder.neural"
DECODER = EXAMPLES / "attention_examples" / "causal_decoder.neural"
TEXT = EXAMPLES / "attention_examples" / "text_classification.neural"

# Small, so that a test may run it: float input, ids with padding, and both at once.
SMALL = """
network Small {
  input: (4, 8)
  layers:
    TransformerEncoder(num_heads=2, ff_dim=8)
    TransformerEncoder(num_heads=4, ff_dim=8)
    GlobalAveragePooling1D()
    Output(3, "softmax")
}
"""
IDS = """
network Ids {
  input: (6,)
  layers:
    Embedding(input_dim=10, output_dim=8, mask_zero=true)
    MultiHeadAttention(num_heads=2)
    Output(10, "softmax")
}
"""
TWO = """
network Two {
  input: {source: (5,), target: (3,)}
  layers:
    source: { Embedding(10, 8) }
    target: { Embedding(12, 8) }
    TransformerDecoder(num_heads=2, ff_dim=8)
    Output(12, "softmax")
}
"""
PLAIN = """
network Plain {
  input: (4,)
  layers: Dense(3, "relu") Output(2, "softmax")
}
"""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


def drawn(of: str, *layers: str, form: str = "png") -> set[str]:
    """The files of all pictures of these attentions: the registry, not a list, says them."""
    files = pictures(of)
    assert files, "no picture is registered"
    return {file.format(layer=layer, form=form) for file in files for layer in layers}


Neural = Callable[..., Result]


@pytest.fixture
def neural(capsys: pytest.CaptureFixture[str]) -> Neural:
    """`neural("check", path)` -> Result."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a text to `model.neural` in an empty folder."""

    def write(text: str, name: str = "model.neural") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own, with no wishes in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("NEURAL_BACKEND", "NEURAL_TRACEBACK", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
