"""Choosing a backend, the files that both share, masks and memory. No framework."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neural_dsl import backends
from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.check import check_output, check_scores
from neural_dsl.attention.scores import Scores
from neural_dsl.backends import inputs, memory
from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.diagnostics import NeuralError
from neural_dsl.graph.nodes import Input
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from neural_dsl.targets.network import evaluate, of_attention
from tests.handwritten import NOWHERE, make_layer, make_network, translator_network

FOLDER = Path(backends.__file__).parent


def refused(code: str):
    return pytest.raises(NeuralError, match=f"^{code}: ")


# --- choosing -----------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch):
    """Pretend that exactly these backends are installed."""

    def pretend(*names):
        monkeypatch.setattr(backends, "available", lambda: list(names))

    pretend("pytorch", "tensorflow")
    return pretend


@pytest.mark.parametrize(
    ("requested", "from_file", "variable", "expected"),
    [
        ("tensorflow", "pytorch", "pytorch", "tensorflow"),
        (None, "tensorflow", "pytorch", "tensorflow"),
        (None, None, "TF", "tensorflow"),
        (None, None, "", "pytorch"),
        ("torch", None, "tensorflow", "pytorch"),
    ],
)
def test_the_command_line_wins_over_the_file_over_the_environment(
    installed, requested, from_file, variable, expected
):
    env = {"NEURAL_BACKEND": variable}
    assert backends.choose(requested, from_file, env) == expected


def test_the_first_installed_backend_is_the_default(installed):
    installed("tensorflow")
    assert backends.choose(env={}) == "tensorflow"


def test_a_missing_backend_says_what_to_install(installed):
    installed("pytorch")
    with refused("NE100") as caught:
        backends.choose("tensorflow", env={})
    (diagnostic,) = caught.value.diagnostics
    assert 'pip install "neural-dsl[tensorflow]"' in diagnostic.help


def test_without_any_backend_both_extras_are_named(installed):
    installed()
    with refused("NE100") as caught:
        backends.choose(env={})
    (diagnostic,) = caught.value.diagnostics
    assert "neural-dsl[torch]" in diagnostic.help
    assert "neural-dsl[tensorflow]" in diagnostic.help


def test_code_can_be_written_for_a_backend_that_is_not_installed(installed):
    installed()
    assert backends.choose(env={}, must_run=False) == "pytorch"
    assert backends.choose("tensorflow", env={}, must_run=False) == "tensorflow"


def test_an_unknown_backend_says_where_it_was_named(installed):
    with refused("NE101") as caught:
        backends.choose(env={"NEURAL_BACKEND": "jax"})
    assert "`jax` in NEURAL_BACKEND" in str(caught.value)


def test_looking_for_backends_imports_none():
    code = (
        "import sys, neural_dsl.backends as b; b.available(); "
        "assert not {'torch', 'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the two folders mirror each other ----------------------------------------------


def public_signatures(folder: Path) -> dict[str, str]:
    """File and name -> arguments of every public function and method."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        found[path.name] = ""
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = [arg.arg for arg in node.args.args + node.args.kwonlyargs]
                found[f"{path.name}:{node.name}"] = ", ".join(names)
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                methods = [m.name for m in node.body if isinstance(m, ast.FunctionDef)]
                found[f"{path.name}:{node.name}"] = ", ".join(methods)
    return found


def test_both_backends_have_the_same_files_and_shared_functions():
    torch_side = public_signatures(FOLDER / "pytorch")
    keras_side = public_signatures(FOLDER / "tensorflow")
    files = [name for name in torch_side if ":" not in name]
    assert files == [name for name in keras_side if ":" not in name]
    alike = ("runtime.py:LiveRuntime", "capture.py:watch", "capture.py:hide")
    for name in (*alike, "training.py:count_gpus"):
        assert torch_side[name] == keras_side[name]


# --- masks --------------------------------------------------------------------------

IDS = np.array([[3, 0, 5], [0, 0, 0]])


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (Mask("input", input="x"), [[1, 0, 1], [0, 0, 0]]),
        (Mask("ones", length=2), [[1, 1], [1, 1]]),
        (
            Mask("concat", parts=(Mask("ones", length=1), Mask("input", input="x"))),
            [[1, 1, 0, 1], [1, 0, 0, 0]],
        ),
        (
            Mask("all", parts=(Mask("input", input="x"), Mask("input", input="y"))),
            [[0, 0, 1], [0, 0, 0]],
        ),
    ],
)
def test_masks_are_worked_out_from_the_inputs(mask, expected):
    arrays = {"x": IDS, "y": np.array([[0, 1, 1], [1, 1, 1]])}
    np.testing.assert_array_equal(evaluate(mask, arrays), np.array(expected) == 1)


SHAPES = {"self": (2, 1, 3, 3), "causal": (2, 1, 2, 2), "cross": (2, 1, 2, 3)}


def test_cross_attention_reads_the_mask_of_the_memory():
    network = translator_network()
    arrays = {"source": IDS, "target": np.array([[1, 2], [1, 0]])}
    found = {
        name: of_attention(layer, attention, arrays, SHAPES[attention.kind])
        for name, layer, attention in network.attentions()
    }
    cross = found["transformer_decoder.cross_attention"]
    np.testing.assert_array_equal(cross.query_valid, [[True, True], [True, False]])
    np.testing.assert_array_equal(cross.key_valid, IDS != 0)
    causal = found["transformer_decoder.self_attention"]
    np.testing.assert_array_equal(causal.key_valid, cross.query_valid)
    assert (causal.causal, cross.causal) == (True, False)


# --- memory -------------------------------------------------------------------------


def one_layer(length: int | None, heads: int = 12):
    tensor = Tensor((length, 24))
    layer = make_layer("TransformerEncoder", "encoder", tensor, num_heads=heads)
    return make_network("Long", [Input("input", tensor, None, NOWHERE)], layer)


def test_the_estimate_holds_at_least_the_weights_and_grows_with_the_square():
    small = memory.estimate(one_layer(None), 2, 100)
    large = memory.estimate(one_layer(None), 2, 200)
    assert small >= 2 * 12 * 100 * 100 * 4
    assert large == 4 * small
    assert memory.estimate(one_layer(100), 2, 100) == small


def test_only_wanted_layers_count():
    network = translator_network()
    tokens = 64
    whole = memory.estimate(network, 1, tokens)
    part = memory.estimate(network, 1, tokens, ["transformer_encoder_0"])
    assert part < whole
    eager = memory.estimate(network, 1, tokens, [], holds=memory.eager)
    assert 0 == memory.estimate(network, 1, tokens, []) < eager


def test_too_long_inputs_are_refused_with_the_size_and_a_way_out():
    tokens = 32768
    with refused("NE108") as caught:
        memory.refuse_if_too_large(translator_network(), 2, tokens, limit=2**34)
    (diagnostic,) = caught.value.diagnostics
    assert "GiB, and 16.0 GiB are free" in diagnostic.message
    assert "--layer" in diagnostic.help
    assert "--data" in diagnostic.help
    assert "fewer than 32768 tokens" in diagnostic.help


def test_what_fits_is_not_refused():
    memory.refuse_if_too_large(one_layer(50), 1, 50, limit=2**24)


def attends(options: str, features: str = "(60000, 16)"):
    """A network of one attention over 60,000 positions."""
    first = "Embedding(50, 16, mask_zero=true)" if features == "(60000,)" else ""
    text = f"network A {{ input: {features} layers: {first} MultiHeadAttention(8{options}) }}"
    return resolve(parse(Source("a.neural", text)))[0]


GIB = 2**30
ONE = 8 * 60000**2 * 4 / GIB  # one matrix of all eight heads, in GiB: 107


@pytest.mark.parametrize(
    ("options", "features", "eager", "fused"),
    [
        ("", "(60000, 16)", 2, 0),
        (", causal=true", "(60000, 16)", 3 + 0.25 / 8, 0),  # and the mask, of one byte
        ("", "(60000,)", 4, 0),
        (", causal=true", "(60000,)", 4 + 0.5 / 8, 1.5 / 8),
        (", key_dim=2, value_dim=4", "(60000, 16)", 2, 2.25),
        (", key_dim=2, value_dim=2", "(60000, 16)", 2, 0),
    ],
)
def test_a_run_is_estimated_by_what_the_backend_holds(options, features, eager, fused):
    network, tokens = attends(options, features), 60000
    for holds, copies in ((memory.eager, eager), (memory.fused, fused)):
        needed = memory.estimate_run(network, 1, tokens, holds) / GIB
        assert needed == pytest.approx(copies * ONE, abs=0.1)
    assert memory.estimate_run(network, 3, tokens, memory.eager) == pytest.approx(
        3 * memory.estimate_run(network, 1, tokens, memory.eager)
    )


def test_a_run_that_does_not_fit_is_refused_with_the_backend_that_would_do():
    network, tokens = attends(""), 60000
    refuse = memory.refuse_run_if_too_large
    with refused("NE108") as caught:
        refuse(network, 2, tokens, "tensorflow", memory.eager, limit=2**34)
    (diagnostic,) = caught.value.diagnostics
    assert "on tensorflow at 60000 tokens needs 429." in diagnostic.message
    assert "16.0 GiB are free" in diagnostic.message
    assert "`--backend pytorch`" in diagnostic.help
    assert "fewer than 2 batch items" in diagnostic.help
    refuse(network, 2, tokens, "pytorch", memory.fused, limit=2**34)
    # Where PyTorch would hold as much, it is no advice.
    with refused("NE108") as caught:
        wide = attends(", key_dim=2, value_dim=4")
        refuse(wide, 1, tokens, "tensorflow", memory.eager, limit=2**34)
    assert "pytorch" not in caught.value.diagnostics[0].help


def test_an_image_has_no_tokens():
    text = "network A { input: (900, 800, 3) layers: Conv2D(5000, 3) Flatten }"
    network = resolve(parse(Source("a.neural", text)))[0]
    arrays = {"input": np.zeros((1, 900, 800, 3), "float32")}
    assert inputs.sizes(network, arrays) == (1, 0)
    with refused("NE108") as caught:
        memory.refuse_run_if_too_large(
            network,
            *inputs.sizes(network, arrays),
            "pytorch",
            memory.fused,
            limit=2**30,
        )
    (diagnostic,) = caught.value.diagnostics
    assert "on pytorch needs" in diagnostic.message
    assert "tokens" not in diagnostic.message + diagnostic.help


def test_wide_layers_count_too():
    text = "network A { input: (1000, 4) layers: Dense(1000000) GlobalMaxPooling1D }"
    network = resolve(parse(Source("a.neural", text)))[0]
    needed = memory.estimate_run(network, 1, 1000, memory.fused)
    assert 4e9 <= needed < 4.1e9


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_limit_on_the_process_counts():
    code = (
        "import resource; from neural_dsl.backends import memory; "
        "resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)); "
        "print(memory.available())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 0 < int(found.stdout) < 2**33


def test_free_memory_is_a_sensible_number():
    assert 2**24 < memory.available() < 2**50


# --- inputs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"source": IDS}, "`target` is missing"),
        ({"source": IDS, "target": IDS, "extra": IDS}, "no input `extra`"),
        ({"source": IDS, "target": IDS[0]}, "has the shape (3,)"),
        ({"source": IDS, "target": IDS[:1]}, "one batch size"),
        ({"source": IDS, "target": IDS[:, :0]}, "is empty"),
        ({"source": IDS, "target": IDS + 0.5}, "holds float64, not token ids"),
        (
            {"source": IDS, "target": IDS + 6},
            "ids from 6 to 11; the vocabulary is 0 to 10",
        ),
        ({"source": IDS, "target": IDS - 1}, "ids from -1"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(arrays, problem):
    with refused("NE110") as caught:
        inputs.validated(translator_network(), arrays)
    assert problem in str(caught.value)


def test_all_wrong_inputs_are_named_at_once():
    with refused("NE110") as caught:
        inputs.validated(translator_network(), {"source": IDS - 9})
    assert "`source`" in str(caught.value)
    assert "`target` is missing" in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_must_be_finite(value):
    array = np.ones((1, 50, 24))
    array[0, 3, 5] = value
    with refused("NE110"):
        inputs.validated(one_layer(50), {"input": array})


def test_inputs_come_back_in_order_and_in_the_right_type():
    fitting = inputs.validated(
        translator_network(), {"target": IDS.astype(np.uint8), "source": IDS}
    )
    assert list(fitting) == ["source", "target"]
    assert {array.dtype for array in fitting.values()} == {np.dtype(np.int64)}


# --- the self-check -----------------------------------------------------------------

ROWS = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]], dtype=np.float32)


class Claimed(Scores):
    """Says of its weights what it is told to."""

    def __init__(self, weights, rule, lie=0.0):
        weights = np.asarray(weights, dtype=np.float32)[None, None]
        values = np.eye(weights.shape[-1])[None, None]
        super().__init__(weights, values, values, weights + lie)
        self.claimed, self.allowed = weights, rule

    def rows(self, queries):
        return self.claimed[:, :, queries]


def causal(keys=None):
    valid = None if keys is None else np.array([keys], dtype=bool)
    return Allowed((1, 3, 3), causal=True, key_valid=valid)


def plain(keys=None, queries=3):
    valid = None if keys is None else np.array([keys], dtype=bool)
    return Allowed((1, queries, 3), key_valid=valid)


def test_true_weights_pass():
    check_scores("a", Claimed(ROWS, causal()), 1)
    check_scores("a", Claimed(ROWS[:2], plain([1, 1, 0], queries=2)), 1)
    check_scores("a", Claimed(0 * ROWS, causal([0, 0, 0])), 1)


@pytest.mark.parametrize(
    ("weights", "rule", "lie", "problem"),
    [
        (ROWS * 0.9, plain(), 0.0, "does not sum to 1"),
        (ROWS * [1, 1, -1], causal(), 0.0, "does not sum to 1"),
        (ROWS.T[::-1, ::-1] * 0 + 1 / 3, causal(), 0.0, "masked"),
        (ROWS, causal([1, 0, 1]), 0.0, "masked"),
        (ROWS, plain([0, 0, 0]), 0.0, "masked"),
        (ROWS * np.nan, plain(), 0.0, "NaN"),
        (ROWS, plain(), 0.01, "differ from what the model computed by 0.01"),
        (ROWS, plain(), np.nan, "the model itself computed NaN or infinity"),
    ],
)
def test_untrue_weights_are_refused(weights, rule, lie, problem, monkeypatch):
    for block in (2**24, 3):  # in one go, and row by row
        monkeypatch.setattr("neural_dsl.attention.scores.BLOCK", block)
        with refused("NE107") as caught:
            check_scores("encoder", Claimed(weights, rule, lie), 1)
        assert problem in str(caught.value)
        assert "`encoder`" in str(caught.value)


def test_another_number_of_heads_is_refused():
    with refused("NE107") as caught:
        check_scores("encoder", Claimed(ROWS, causal()), 2)
    assert "its shape is (1, 1, 3, 3)" in str(caught.value)


def test_an_output_changed_by_capture_is_refused():
    output = np.ones((2, 3), dtype=np.float32)
    check_output(output, output + 1e-6)
    with refused("NE107"):
        check_output(output, output + 1e-2)


QUIET = """
import os, sys
from neural_dsl.backends.quiet import quiet_stderr
try:
    with quiet_stderr():
        os.write(2, b"no drivers on your machine ")
        if sys.argv[1] == "fails":
            raise ImportError
except ImportError:
    pass
print("after", file=sys.stderr, end="")
"""


@pytest.mark.parametrize(
    ("case", "stderr"),
    [("works", "after"), ("fails", "no drivers on your machine after")],
)
def test_what_a_framework_says_while_it_loads_is_shown_only_when_it_fails(case, stderr):
    done = subprocess.run(
        [sys.executable, "-c", QUIET, case], capture_output=True, text=True, check=True
    )
    assert done.stderr == stderr
