"""Sees every attention of any PyTorch model that runs on PyTorch's attention functions.

A `TorchFunctionMode` sees every call of `F.scaled_dot_product_attention` with the very
tensors that the kernel gets: after rotary embedding, with grouped keys unexpanded, with
its mask and scale. The model keeps its fused kernel and gets that kernel's own result;
the scores are kept beside it. Module hooks tell which module is calling, and switch the
mode on only inside the modules that are wanted: the others run at full speed.

`nn.MultiheadAttention` is served too: `F.multi_head_attention_forward` is taken apart
here, and the fast path of `nn.TransformerEncoderLayer`, a single opaque kernel, is off
meanwhile (PyTorch itself leaves it as soon as a module has hooks).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neural_dsl.attention.allowed import Bools
from neural_dsl.attention.scores import Float32
from neural_dsl.backends.base import Visit, Watcher
from neural_dsl.backends.gates import Gates, HeadGates, outputs, uniform_heads
from neural_dsl.backends.pytorch.scores import Call, DeviceScores, four_axes, visible

_PACKED = inspect.signature(F.multi_head_attention_forward)


@contextmanager
def watching(
    model: nn.Module,
    visit: Visit | None = None,
    wanted: Collection[str] | None = None,
    gates: Gates | None = None,
) -> Iterator[ModuleWatcher]:
    """While this lasts, `visit(path, number, scores)` is told of every attention.

    `path` is that of the innermost module that computes it, as `model.get_submodule`
    reads it; `number` counts its attentions in one run of the model. `wanted`: paths;
    attention of these modules, or of modules inside them, is seen (None: all of the
    model). `gates` are applied to what the kernel is given and what it returns.
    """
    watcher = ModuleWatcher(visit, gates or {})
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as hooks, watcher.active:
            handle = model.register_forward_pre_hook(watcher.begin, prepend=True)
            hooks.callback(handle.remove)
            for path in _outermost({""} if wanted is None else set(wanted)):
                for name, module in model.get_submodule(path).named_modules(
                    prefix=path
                ):
                    watcher.follow(module, name, hooks)
            yield watcher
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _outermost(paths: set[str]) -> list[str]:
    """The paths that lie in no other of them: hooks go on once for each module."""

    def inside(path: str) -> bool:
        parents = path.split(".")
        above = {".".join(parents[:count]) for count in range(1, len(parents))}
        return path != "" and bool(({""} | above) & paths)

    return sorted(path for path in paths if not inside(path))


class ModuleWatcher(Watcher):
    """Runs each attention in the kernel's place; `last` is what it saw last."""

    def __init__(self, visit: Visit | None, gates: Gates):
        super().__init__(visit, gates)
        self.active = ExitStack()
        self.last: DeviceScores | None = None

    def begin(self, module: nn.Module, args: Any) -> None:
        """A run of the whole model starts: calls are counted from 0."""
        self.numbers.clear()

    def follow(self, module: nn.Module, path: str, hooks: ExitStack) -> None:
        """Note when a module starts and ends; switch the mode on while any runs."""

        def enter(module: nn.Module, args: Any) -> None:
            if not self.running:
                self.active.enter_context(_Mode(self))
            self.running.append(path)

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            if self.running:
                self.running.pop()
            if not self.running:
                self.active.close()

        hooks.callback(module.register_forward_pre_hook(enter, prepend=True).remove)
        handle = module.register_forward_hook(leave, always_call=True)
        hooks.callback(handle.remove)

    def attend(self, call: Call) -> Tensor:
        """Run one attention, gated and visited."""
        if self.paused:
            return call.run()
        path = self.running[-1]
        place = path, self.numbers[path]
        self.numbers[path] += 1
        self.seen.add(place)
        gates = self.gates.get(place)
        if gates:
            call = uniform(call, gates)
        context = call.run()
        with torch.no_grad():
            if self.visit or gates:
                self.last = DeviceScores(call, context)
            # Before the visit: a target tells the scores what no kernel knows.
            changed = outputs(gates, self.last) if gates and self.last else None
            if self.visit and self.last:
                self.visit(*place, self.last)
        return replaced(context, *changed) if changed else context

    def attend_packed(
        self, function: Callable[..., Any], arguments: dict[str, Any]
    ) -> tuple[Tensor, Tensor | None]:
        """`F.multi_head_attention_forward`, which calls the kernel under a name that no
        mode sees while it is handled here, or computes the weights itself."""
        calls: list[Call] = []

        def look(call: Call) -> Tensor:
            calls.append(call)
            return call.query.new_zeros(*call.query.shape[:-1], call.value.shape[-1])

        quiet = {**arguments, "need_weights": False}
        average = arguments["average_attn_weights"]
        if not arguments["need_weights"] or self.gates:
            with kernel_replaced(self.attend):
                output = function(**quiet)[0]
            if not arguments["need_weights"] or self.last is None:
                return output, None
            made = torch.as_tensor(self.last.dense(), dtype=output.dtype)
            if arguments["query"].dim() == 2:
                made = made[0]
            return output, made.mean(dim=-3) if average else made
        with kernel_replaced(look), torch.no_grad():
            function(**quiet)
        output, weights = function(**{**arguments, "average_attn_weights": False})
        call = replace(calls[0], dropout_p=0.0)
        own = weights.detach().reshape(-1, *weights.shape[-3:])
        self.attend(replace(call, kernel=lambda *_, **__: own @ call.value))
        return output, weights.mean(dim=-3) if average else weights


class _Mode(TorchFunctionMode):
    """Hands attention to the watcher, everything else straight on."""

    def __init__(self, watcher: ModuleWatcher):
        super().__init__()
        self.watcher = watcher

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        # PyTorch takes this mode off the stack while it is in here.
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self.watcher.attend(Call(func, *args, **kwargs))
        if func is F.multi_head_attention_forward and not self.watcher.paused:
            given = _PACKED.bind(*args, **kwargs)
            given.apply_defaults()
            return self.watcher.attend_packed(func, given.arguments)
        return func(*args, **kwargs)


@contextmanager
def kernel_replaced(attend: Callable[[Call], Tensor]) -> Iterator[None]:
    """Let torch.nn.functional call this in place of its kernel."""
    kernel = F.scaled_dot_product_attention

    def watched(*args: Any, **kwargs: Any) -> Tensor:
        return attend(Call(kernel, *args, **kwargs))

    F.scaled_dot_product_attention = watched
    try:
        yield
    finally:
        F.scaled_dot_product_attention = kernel


def uniform(call: Call, gates: HeadGates) -> Call:
    """The call with queries of zeros for the heads that look everywhere alike: equal
    scores wherever the mask allows. An added mask may prefer some keys: of it is kept
    which ones it allows."""
    query, mask = call.query, call.attn_mask
    several = query.dim() > 3
    heads = uniform_heads(gates, query.shape[-3] if several else 1)
    if not heads.any():
        return call
    chosen = torch.as_tensor(heads, device=query.device)
    if several:
        chosen = chosen[:, None, None]
    if mask is not None and mask.dtype != torch.bool:
        seen = visible(mask, query, call.key, call.scale)
        mask = torch.where(chosen, mask.masked_fill(seen, 0.0), mask)
    return replace(call, query=query.masked_fill(chosen, 0.0), attn_mask=mask)


def replaced(context: Tensor, heads: Bools, values: Float32) -> Tensor:
    """The result of the kernel with these values for the chosen heads."""
    chosen, given = (
        torch.as_tensor(each, device=context.device) for each in (heads, values)
    )
    made = torch.where(
        chosen[:, None, None], given.to(context.dtype), four_axes(context)
    )
    return made.reshape(context.shape)
