"""Attention weights of any PyTorch model that runs on PyTorch's attention functions.

A `TorchFunctionMode` sees every call of `F.scaled_dot_product_attention` with the very
tensors that the kernel gets: after rotary embedding, with grouped keys unexpanded, with
its mask and scale. The model keeps its fused kernel and gets that kernel's own result;
the weights are worked out beside it, and weights · values is compared with the result.
Module hooks tell which module is calling, and switch the mode on only inside the modules
that are wanted, so that the others run at full speed.

`nn.MultiheadAttention` is served too: `F.multi_head_attention_forward` is taken apart
here, and the fast path of `nn.TransformerEncoderLayer`, a single opaque kernel, is off
during the capture (PyTorch itself leaves it as soon as a module has hooks).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neural_dsl.backends.check import AttentionCall

Result = TypeVar("Result")

_PACKED = inspect.signature(F.multi_head_attention_forward)


def capture_attention(
    model: nn.Module, run: Callable[[], Result], wanted: Collection[str] | None = None
) -> tuple[Result, list[AttentionCall]]:
    """Call `run`, which runs `model`, and return its result and the attentions seen.

    `wanted`: paths as `model.get_submodule` reads them; attention computed by these
    modules, or by modules inside them, is captured (None: all of the model). A call's
    path is that of the innermost module that makes it; a module that is run twice has
    two calls. Weights are float32 (B, H, Q, K) on the CPU, B and H being 1 where the
    model leaves them out.
    """
    recorder = _Recorder()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as hooks, recorder:
            for path in _outermost({""} if wanted is None else set(wanted)):
                recorder.watch(model.get_submodule(path), path, hooks)
            return run(), recorder.calls
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def uniform_attention(
    model: nn.Module, run: Callable[[], Result], wanted: Collection[str]
) -> tuple[Result, list[str]]:
    """Call `run` with uniform weights in the place of the wanted modules' attention.

    Each row spreads its attention evenly over the keys that it may attend to; all else
    is as ever. Returns the path of every attention that was replaced, too.
    """
    recorder = _Recorder()
    recorder.mode = _UniformMode(recorder)
    with ExitStack() as hooks, recorder:
        for path in _outermost(set(wanted)):
            recorder.watch(model.get_submodule(path), path, hooks)
        return run(), recorder.replaced


def _outermost(paths: set[str]) -> list[str]:
    """The paths that lie in no other of them: hooks go on once for each module."""

    def inside(path: str) -> bool:
        parents = path.split(".")
        above = {".".join(parents[:count]) for count in range(1, len(parents))}
        return path != "" and bool(({""} | above) & paths)

    return sorted(path for path in paths if not inside(path))


class _Recorder:
    """The calls seen so far, and the stack of modules that are running."""

    def __init__(self) -> None:
        self.calls: list[AttentionCall] = []
        self.replaced: list[str] = []
        self.running: list[str] = []
        self.mode: TorchFunctionMode = _AttentionMode(self)
        self.active = ExitStack()

    def __enter__(self) -> _Recorder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.active.close()

    def watch(self, root: nn.Module, path: str, hooks: ExitStack) -> None:
        """Follow a module and all inside it; switch the mode on while it runs."""
        for name, module in root.named_modules(prefix=path):
            self._follow(module, name, hooks)

    def _follow(self, module: nn.Module, path: str, hooks: ExitStack) -> None:
        def enter(module: nn.Module, args: Any) -> None:
            if not self.running:
                self.active.enter_context(self.mode)
            self.running.append(path)

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            if self.running:
                self.running.pop()
            if not self.running:
                self.active.close()

        hooks.callback(module.register_forward_pre_hook(enter, prepend=True).remove)
        handle = module.register_forward_hook(leave, always_call=True)
        hooks.callback(handle.remove)

    def record(self, weights: Tensor, value: Tensor, context: Tensor) -> None:
        """Note one attention: weights (B, H, Q, K) float32, value (B, H, K, d), and the
        kernel's result (B, H, Q, d)."""
        value, context = value.float(), context.float()
        scale = max(1.0, value.abs().max().item())
        difference = (weights @ value).sub_(context).abs_().max().item()
        self.calls.append(
            AttentionCall(self.running[-1], weights.cpu().numpy(), difference / scale)
        )


class _AttentionMode(TorchFunctionMode):
    """Hands attention to the recorder, everything else straight on."""

    def __init__(self, recorder: _Recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        # PyTorch takes this mode off the stack while it is in here.
        if func is F.scaled_dot_product_attention:
            return self._attend(func, *args, **(kwargs or {}))
        if func is F.multi_head_attention_forward:
            return self._attend_packed(func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _attend(
        self,
        kernel: Callable[..., Tensor],
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """What the kernel returns, untouched; its weights are recorded."""
        context = kernel(
            query,
            key,
            value,
            attn_mask,
            dropout_p,
            is_causal,
            scale=scale,
            enable_gqa=enable_gqa,
        )
        with torch.no_grad():
            weights = attention_weights(query, key, attn_mask, is_causal, scale)
            value = _grouped(_four_axes(value), weights.shape[1])
            self.recorder.record(weights, value, _four_axes(context))
        return context

    def _attend_packed(
        self, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None]:
        """`F.multi_head_attention_forward`, which either computes the weights itself or
        calls the kernel under a name that no mode sees while it is handled here."""
        call = _PACKED.bind(*args, **kwargs)
        call.apply_defaults()
        arguments = call.arguments
        if not arguments["need_weights"]:
            with self._kernel_watched():
                result: tuple[Tensor, Tensor | None] = function(**arguments)
            return result
        average = arguments["average_attn_weights"]
        output, weights = function(**{**arguments, "average_attn_weights": False})
        # The function's own softmax made these: nothing to compare them with.
        whole = weights.detach().float().cpu().numpy()
        self.recorder.calls.append(
            AttentionCall(
                self.recorder.running[-1], whole.reshape(-1, *whole.shape[-3:]), 0.0
            )
        )
        return output, weights.mean(dim=-3) if average else weights

    @contextmanager
    def _kernel_watched(self) -> Iterator[None]:
        """Put `_attend` in the place of the kernel that torch.nn.functional calls."""
        kernel = F.scaled_dot_product_attention

        def watched(*args: Any, **kwargs: Any) -> Tensor:
            return self._attend(kernel, *args, **kwargs)

        F.scaled_dot_product_attention = watched
        try:
            yield
        finally:
            F.scaled_dot_product_attention = kernel


class _UniformMode(TorchFunctionMode):
    """Gives the kernel queries of zeros: equal scores wherever the mask allows."""

    def __init__(self, recorder: _Recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        call = _KERNEL.bind(*args, **(kwargs or {}))
        query, mask = call.arguments["query"], call.arguments.get("attn_mask")
        call.arguments["query"] = torch.zeros_like(query)
        if mask is not None and mask.dtype != torch.bool:
            # An added mask may prefer some keys: keep which ones it allows.
            call.arguments["attn_mask"] = mask > torch.finfo(mask.dtype).min / 2
        self.recorder.replaced.append(self.recorder.running[-1])
        return func(*call.args, **call.kwargs)


def _kernel_signature(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> None:
    """The parameters of `F.scaled_dot_product_attention`, a built-in without any."""


_KERNEL = inspect.signature(_kernel_signature)


def attention_weights(
    query: Tensor,
    key: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(Q K^T · scale + mask), float32 (B, H, Q, K).

    Arguments as `F.scaled_dot_product_attention` takes them: query (…, H, Q, d), key
    (…, H or fewer, K, d); a boolean mask says where a query may attend, a float one is
    added; causal means that query i sees the keys 0 … i. A row without any key is 0.
    """
    if attn_mask is not None and query.dim() == attn_mask.dim() == 3:
        attn_mask = attn_mask.unsqueeze(1)  # (B, Q, K) of a call without heads
    query, key = _four_axes(query), _four_axes(key)
    key = _grouped(key, query.shape[1])
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    scores = torch.matmul(query.float() * scale, key.float().transpose(-2, -1))
    if is_causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device)
        scores.masked_fill_(future.triu(diagonal=1), -math.inf)
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            scores.masked_fill_(~attn_mask, -math.inf)
        else:
            scores.add_(attn_mask)
    weights = torch.softmax(scores, dim=-1)
    if attn_mask is not None:
        # Only a row without any key is NaN from the start (0 / 0).
        empty = scores.amax(dim=-1, keepdim=True) == -math.inf
        weights.masked_fill_(empty, 0.0)
    return weights


def _four_axes(tensor: Tensor) -> Tensor:
    """(T, d) and (B, T, d) as (B, H, T, d) with one head."""
    while tensor.dim() < 3:
        tensor = tensor.unsqueeze(0)
    return tensor.unsqueeze(1) if tensor.dim() == 3 else tensor


def _grouped(tensor: Tensor, num_heads: int) -> Tensor:
    """Grouped-query attention: repeat each key or value head for its queries."""
    repeats = num_heads // tensor.shape[1]
    return tensor.repeat_interleave(repeats, dim=1) if repeats > 1 else tensor
