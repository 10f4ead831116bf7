"""What is seen of PyTorch models that this project did not emit."""

from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from neural_dsl.attention.check import check_scores  # noqa: E402
from neural_dsl.backends import foreign_model  # noqa: E402
from neural_dsl.backends.pytorch.capture import KernelCall  # noqa: E402
from neural_dsl.diagnostics import NeuralError  # noqa: E402
from neural_dsl.targets.base import Batch, Given  # noqa: E402
from neural_dsl.targets.module import ModuleTarget  # noqa: E402
from neural_dsl.targets.record import record  # noqa: E402

pytestmark = pytest.mark.needs("torch")


@dataclass
class Seen:
    """One attention: its weights, and which of its module's it was."""

    path: str
    number: int
    weights: np.ndarray


def watching(model, *given, **named):
    return foreign_model(model).watching(*given, **named)


def scores_of(*given, **named):
    """Of one call of the kernel."""
    call = KernelCall(F.scaled_dot_product_attention, given, named)
    return call.scores(call.run())


def capture(model, run, wanted=None):
    """The result of `run`, and every attention that was seen and passed its check."""
    calls = []

    def look(path, number, scores):
        check_scores(path, scores, scores.shape[1])
        calls.append(Seen(path, number, scores.dense()))

    with watching(model, look, wanted):
        return run(), calls


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def padding(batch: int, length: int):
    """Keys to ignore, in PyTorch's sense: the end of item 0."""
    ignored = torch.zeros(batch, length, dtype=torch.bool)
    ignored[0, length - 2 :] = True
    return ignored


def expected_weights(module, query, key, mask=None):
    """What nn.MultiheadAttention itself says when it is asked for every head."""
    return module(
        query,
        key,
        key,
        attn_mask=mask,
        need_weights=True,
        average_attn_weights=False,
    )[1]


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("grad", [True, False])
def test_multihead_attention_gives_every_head_and_the_same_result(need_weights, grad):
    module = nn.MultiheadAttention(12, 4, batch_first=True).eval()
    x = torch.randn(2, 5, 12)
    with torch.set_grad_enabled(grad):
        plain = module(x, x, x, need_weights=need_weights)
        result, calls = capture(
            module, lambda: module(x, x, x, need_weights=need_weights)
        )
        expected = expected_weights(module, x, x)
    torch.testing.assert_close(result[0], plain[0], rtol=0, atol=1e-6)
    if need_weights:
        torch.testing.assert_close(result[1], plain[1], rtol=0, atol=1e-6)
    else:
        assert result[1] is None
    (call,) = calls
    assert call.weights.shape == (2, 4, 5, 5)
    np.testing.assert_allclose(call.weights, expected.detach(), atol=1e-6)


def test_unbatched_cross_attention_with_a_mask_is_captured():
    module = nn.MultiheadAttention(6, 3, kdim=4, vdim=4).eval()
    query, key = torch.randn(5, 6), torch.randn(7, 4)
    mask = torch.ones(5, 7).triu(1).bool()
    _, calls = capture(
        module, lambda: module(query, key, key, attn_mask=mask, need_weights=False)
    )
    expected = expected_weights(module, query, key, mask)
    np.testing.assert_allclose(calls[0].weights[0], expected.detach(), atol=1e-6)
    assert (calls[0].weights[:, :, mask.numpy()] == 0).all()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("norm_first", [True, False])
def test_the_fast_path_of_an_encoder_does_not_hide_its_attention(norm_first):
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, batch_first=True, norm_first=norm_first
    )
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=not norm_first).eval()
    x, ignored = torch.randn(2, 6, 8), padding(2, 6)
    with torch.inference_mode():
        plain = model(x, src_key_padding_mask=ignored)
        result, calls = capture(model, lambda: model(x, src_key_padding_mask=ignored))
    assert [call.path for call in calls] == [f"layers.{i}.self_attn" for i in range(3)]
    # The fast path leaves zeros at padded positions; all others agree.
    torch.testing.assert_close(result[~ignored], plain[~ignored], rtol=1e-4, atol=1e-5)
    for call in calls:
        assert call.weights.shape == (2, 2, 6, 6)
        assert (call.weights[0, :, :, 4:] == 0).all()
        np.testing.assert_allclose(call.weights.sum(-1), 1.0, atol=1e-6)
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_decoder_layer_gives_causal_and_cross_attention():
    layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True).eval()
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    causal = nn.Transformer.generate_square_subsequent_mask(5)
    _, calls = capture(
        layer, lambda: layer(x, memory, tgt_mask=causal, tgt_is_causal=True)
    )
    assert [call.path for call in calls] == ["self_attn", "multihead_attn"]
    assert calls[0].weights.shape == (2, 2, 5, 5)
    assert calls[1].weights.shape == (2, 2, 5, 3)
    assert (np.triu(calls[0].weights, 1) == 0).all()


class Grouped(nn.Module):
    """Grouped-query attention with a scale of its own, called in two ways."""

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=0.7, enable_gqa=True
        )


def test_grouped_keys_are_expanded_and_the_scale_is_kept():
    q, k, v = torch.randn(2, 6, 4, 8), torch.randn(2, 2, 4, 8), torch.randn(2, 2, 4, 8)
    model = Grouped()
    context, calls = capture(model, lambda: model(q, k, v))
    scores = q @ k.repeat_interleave(3, dim=1).transpose(-1, -2) * 0.7
    scores = scores.masked_fill(torch.ones(4, 4).triu(1).bool(), -torch.inf)
    np.testing.assert_allclose(calls[0].weights, scores.softmax(-1), atol=1e-6)
    torch.testing.assert_close(context, model(q, k, v), rtol=0, atol=0)
    assert calls[0].path == ""


class Ladder(nn.Module):
    """Attention at several depths; the last module is used twice."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 8, batch_first=True) for _ in range(3)
        )

    def forward(self, x):
        for step in (*self.steps, self.steps[2]):
            x = step(x)
        return x


def test_only_wanted_modules_are_captured_and_each_run_counts():
    model, x = Ladder().eval(), torch.randn(1, 4, 8)
    wanted = {"steps.0", "steps.2", "steps.2.self_attn"}
    _, calls = capture(model, lambda: model(x), wanted)
    paths = ["steps.0.self_attn", "steps.2.self_attn", "steps.2.self_attn"]
    assert [call.path for call in calls] == paths
    assert [call.number for call in calls] == [0, 0, 1]


def test_an_error_in_the_model_leaves_nothing_behind():
    model = Ladder().eval()
    with pytest.raises((RuntimeError, AssertionError)):
        capture(model, lambda: model(torch.randn(1, 4, 5)))
    assert torch.backends.mha.get_fastpath_enabled()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.overrides._get_current_function_mode() is None
    x = torch.randn(1, 4, 8)
    assert len(capture(model, lambda: model(x))[1]) == 4


def test_gradients_flow_through_a_captured_run():
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(1, 3, 8, requires_grad=True)
    result, calls = capture(module, lambda: module(x, x, x, need_weights=False)[0])
    result.sum().backward()
    assert x.grad is not None
    assert len(calls) == 1


@pytest.mark.parametrize("kind", ["boolean", "float"])
def test_a_row_without_any_key_has_weights_of_zero(kind):
    q, k = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4)
    mask = torch.tensor([[True, False, True], [False, False, False], [True] * 3])
    given = (
        mask if kind == "boolean" else torch.zeros(3, 3).masked_fill(~mask, -torch.inf)
    )
    weights = torch.from_numpy(scores_of(q, k, k, given).dense())
    assert (weights[:, :, 1] == 0).all()
    assert (weights[:, :, 0, 1] == 0).all()
    torch.testing.assert_close(weights.sum(-1)[0, 0], torch.tensor([1.0, 0.0, 1.0]))


def test_half_precision_attention_is_captured_in_float32():
    q = torch.randn(1, 2, 5, 8, dtype=torch.bfloat16)
    model = Grouped()
    _, calls = capture(model, lambda: model(q, q, q))
    assert calls[0].weights.dtype == np.float32
    np.testing.assert_allclose(calls[0].weights.sum(-1), 1.0, atol=1e-6)


def test_numbers_so_low_that_nothing_is_left_hide_a_key():
    """As transformers build masks: the lowest number in place of -inf."""
    q = torch.randn(1, 2, 3, 4)
    lowest = torch.finfo(torch.float32).min
    mask = torch.zeros(1, 1, 3, 3)
    mask[..., 0, 1:] = lowest
    mask[..., 2, :] = lowest  # then softmax makes a row of equal weights of it
    scores = scores_of(q, q, q, mask)
    allowed = scores.allowed.rows()[0, 0].tolist()
    assert allowed == [[True, False, False], [True] * 3, [True] * 3]
    np.testing.assert_allclose(scores.dense()[0, :, 2], 1 / 3, atol=1e-6)
    check_scores("a", scores, 2)


def alibi(length: int):
    """The biases of the steepest slope for 8 heads: -1/2 a position."""
    place = torch.arange(length)
    return -0.5 * (place[:, None] - place).abs().float()


@pytest.mark.parametrize("low", [-1e4, -1e9, torch.finfo(torch.float32).min, -np.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [6, 400])
def test_a_low_number_hides_a_key_and_a_bias_does_not(low, dtype, length):
    """Where queries may look and what a uniform head gives, with ALiBi down to -200."""
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    mask = alibi(length).masked_fill(~causal, low).to(dtype)
    q = torch.randn(1, 2, length, 4, dtype=dtype)

    class Masked(nn.Module):
        def forward(self, q):
            return F.scaled_dot_product_attention(q, q, q, mask)

    model, rules = Masked(), []

    def look(path, number, scores):
        check_scores(path, scores, 2)
        rules.append(scores.allowed)

    with watching(model, look, gates={("", 0): {1: "uniform"}}):
        found = model(q).float()
    model_alone = model(q).float()
    assert rules[0].causal
    assert rules[0].dense is rules[0].key_valid is None
    even = causal / causal.sum(-1, keepdim=True)
    close = {"rtol": 0, "atol": 1e-5 if dtype == torch.float32 else 2e-2}
    torch.testing.assert_close(found[0, 1], even @ q[0, 1].float(), **close)
    torch.testing.assert_close(found[0, 0], model_alone[0, 0], **close)


@pytest.mark.filterwarnings("error")
def test_gradients_flow_through_a_uniform_head_beside_a_mask_of_low_numbers():
    q = torch.randn(1, 2, 3, 4, requires_grad=True)
    mask = torch.zeros(3, 3).masked_fill(~torch.ones(3, 3).tril().bool(), -1e4)

    class Masked(nn.Module):
        def forward(self, q):
            return F.scaled_dot_product_attention(q, q, q, mask)

    model = Masked()
    with watching(model, gates={("", 0): {1: "uniform"}}):
        model(q).sum().backward()
    # Of a uniform head, a key's share of the values alone: 1 / 1, 1 / 2 or 1 / 3 a query.
    share = torch.tensor([1 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 3, 1 / 3])
    torch.testing.assert_close(q.grad[0, 1], share[:, None].expand(3, 4))


def test_of_low_numbers_alone_the_highest_are_seen():
    """Padding on the left and causality, each -1e4: row 0 has no key but its own pad."""
    mask = torch.tensor([[-1e4, -1e4, -2e4], [-1e4, 0.0, -1e4], [-1e4, 0.0, 0.0]])
    q = torch.randn(1, 1, 3, 4)
    scores = scores_of(q, q, q, mask)
    check_scores("a", scores, 1)
    seen = [[True, True, False], [False, True, False], [False, True, True]]
    assert scores.allowed.rows()[0, 0].tolist() == seen


def test_scores_that_outweigh_a_low_number_see_the_key():
    q, k = torch.tensor([[[[100.0]]]]), torch.tensor([[[[-100.0], [100.0]]]])
    mask = torch.tensor([[0.0, -1e4]])  # 100 * 100 - 1e4 is more than -100 * 100
    scores = scores_of(q, k, k, mask)
    assert scores.allowed.everywhere
    check_scores("a", scores, 1)


class Inner(nn.Module):
    """Attention inside a module, to be compiled or traced."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)

    def forward(self, x):
        q = self.one(x)[:, None]
        return F.scaled_dot_product_attention(q, q, q)


def test_a_compiled_module_is_seen_as_the_module_is():
    model, x = Inner().eval(), np.ones((2, 3, 4), np.float32)
    compiled = ModuleTarget(torch.compile(model, backend="eager"))
    (expected,), (found,) = (
        record(target, target.encode(Given(x)))
        for target in (ModuleTarget(model), compiled)
    )
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("inside", [False, True])
def test_scripted_and_traced_modules_are_refused(inside):
    for made in (
        torch.jit.script(Inner()),
        torch.jit.trace(Inner(), torch.ones(2, 3, 4)),
    ):
        with pytest.raises(NeuralError, match=r"^NE111: .* scripted or traced model"):
            ModuleTarget(nn.Sequential(made) if inside else made)


def test_where_the_model_itself_gives_nan_it_is_said_to_be_the_models():
    """nn.MultiheadAttention asked for weights, and an item that is all padding."""
    target = ModuleTarget(nn.MultiheadAttention(4, 2, batch_first=True).eval())
    x = np.ones((2, 3, 4), np.float32)
    padding = np.array([[False] * 3, [True] * 3])
    batch = Batch({"query": x, "key": x, "value": x, "key_padding_mask": padding})
    with pytest.raises(NeuralError, match=r"^NE107: the model itself computed NaN"):
        record(target, batch)


def test_dropout_of_weights_does_not_look_like_a_wrong_capture():
    q = torch.randn(2, 2, 5, 4)
    check_scores("a", scores_of(q, q, q, dropout_p=0.5), 2)


def test_what_comes_out_of_a_head_is_its_mean_or_what_is_given():
    """Against NumPy: the module's output is what its kernel returned, (B, H, T, d)."""

    class Bare(nn.Module):
        def forward(self, q, k, v, mask):
            return F.scaled_dot_product_attention(q, k, v, mask)

    valid = np.array([[True] * 5, [True, True, True, False, False]])
    random = np.random.default_rng(0)
    given = [torch.tensor(random.normal(size=(2, 3, 5, 4))) for _ in range(3)]
    model, mask = Bare(), torch.from_numpy(valid[:, None, None, :])
    plain = model(*given, mask).numpy()
    patch = random.normal(size=(2, 5, 4)).astype(np.float32)
    with watching(model, gates={("", 0): {0: "mean", 2: patch}}):
        found = model(*given, mask).numpy()
    np.testing.assert_allclose(
        found[:, 0], np.broadcast_to(plain[:, 0][valid].mean(0), (2, 5, 4)), atol=1e-6
    )
    np.testing.assert_array_equal(found[:, 1], plain[:, 1])
    np.testing.assert_array_equal(found[:, 2], patch)
