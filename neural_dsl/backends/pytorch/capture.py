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
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neural_dsl.attention.allowed import Bools, Which
from neural_dsl.attention.scores import Float32, Scores, mixed
from neural_dsl.backends.live import Watched
from neural_dsl.backends.watching import Call, Form, Watcher, put

KERNEL = (
    *("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale"),
    "enable_gqa",
)
"""The parameters of `F.scaled_dot_product_attention`, in order."""
BOOLEAN, ADDED = Form(mask="attn_mask"), Form(bias="attn_mask")
"""A boolean mask says where a query may attend to, a float one is added."""
_PACKED = inspect.signature(F.multi_head_attention_forward)


class DeviceScores(Scores):
    """`Scores` over the kernel's own tensors."""

    softmax = staticmethod(partial(torch.softmax, dim=-1))
    log_sum = staticmethod(partial(torch.logsumexp, dim=-1))
    highest = staticmethod(partial(torch.amax, dim=-1, keepdim=True))
    reshape = staticmethod(torch.reshape)
    swap = staticmethod(torch.swapaxes)

    @staticmethod
    def array(tensor: Tensor) -> Float32:
        """Off the device, in float32."""
        return np.asarray(tensor.detach().float().cpu().numpy())

    @staticmethod
    def numbers(tensor: Tensor) -> Tensor:
        """As float32, apart from gradients."""
        return tensor.detach().float()

    @staticmethod
    def take(tensor: Tensor, queries: Which) -> Tensor:
        """See `Scores`."""
        chosen = queries if isinstance(queries, slice) else torch.tensor(queries.copy())
        return tensor[..., chosen, :]

    @staticmethod
    def hide(tensor: Tensor, seen: Any, low: float) -> Tensor:
        """See `Scores`; in its place."""
        hidden = ~torch.as_tensor(seen, device=tensor.device)
        return tensor.masked_fill_(hidden, low)

    @staticmethod
    def where(cells: Bools, values: Any, tensor: Tensor) -> Tensor:
        """See `Scores`."""
        device = tensor.device
        chosen, given = (torch.as_tensor(one, device=device) for one in (cells, values))
        return torch.where(chosen, given.to(tensor.dtype), tensor)

    def mix(self, weights: Float32, columns: npt.NDArray[np.floating]) -> Float32:
        """See `Scores`. By PyTorch's threads: beside them, which go on spinning for a
        while after the model, those of NumPy's own products halve the speed of both."""
        given = (
            np.require(each, np.float32, ["C", "W"]) for each in (weights, columns)
        )
        one, other = map(torch.from_numpy, given)
        return np.asarray(mixed(one, other, torch.reshape).numpy())


class KernelCall(Call):
    """A call of `F.scaled_dot_product_attention`: query (…, H, Q, d), key and value (…, H
    or fewer, K, …). Without a head axis there is one head, without a batch axis one
    item."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any):
        given = dict(zip(KERNEL, args, strict=False)) | kwargs
        mask = given.get("attn_mask")
        added = mask is not None and mask.dtype != torch.bool
        super().__init__(DeviceScores, function, given, ADDED if added else BOOLEAN)

    def scores(self, context: Tensor) -> Scores:
        """See `Call`. What dropout made of the context cannot be compared: the kernel is
        then asked again without."""
        if self.given.get("dropout_p"):
            with torch.no_grad():
                context = self.function(**self.given | {"dropout_p": 0.0})
        return super().scores(context)


@contextmanager
def watch(
    live: Watched, watcher: Watcher, wanted: Collection[str] | None
) -> Iterator[None]:
    """See `Watched.watch`; paths as `get_submodule` reads them."""
    model, active = live.model, ExitStack()

    def follow(module: nn.Module, path: str) -> None:
        """Note when a module starts and ends; switch the mode on while any runs."""

        def enter(module: nn.Module, args: Any) -> None:
            if not watcher.running:
                active.enter_context(_Mode(watcher))
            watcher.running.append(path)

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            if watcher.running:
                watcher.running.pop()
            if not watcher.running:
                active.close()

        hooks.callback(module.register_forward_pre_hook(enter, prepend=True).remove)
        handle = module.register_forward_hook(leave, always_call=True)
        hooks.callback(handle.remove)

    def begin(module: nn.Module, args: Any) -> None:
        watcher.numbers.clear()

    fast_path = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as hooks, active:
        hooks.callback(torch.backends.mha.set_fastpath_enabled, fast_path)
        torch.backends.mha.set_fastpath_enabled(False)
        hooks.callback(model.register_forward_pre_hook(begin, prepend=True).remove)
        # Hooks go on once for each module, whether its path lies in others or not.
        found = {
            path: module
            for root in ([""] if wanted is None else wanted)
            for path, module in model.get_submodule(root).named_modules(prefix=root)
        }
        for path, module in found.items():
            follow(module, path)
        yield


class _Mode(TorchFunctionMode):
    """Hands attention to the watcher, everything else straight on."""

    def __init__(self, watcher: Watcher):
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
            return self.watcher.attend(KernelCall(func, args, kwargs))
        if func is F.multi_head_attention_forward and not self.watcher.paused:
            given = _PACKED.bind(*args, **kwargs)
            given.apply_defaults()
            return attend_packed(self.watcher, func, given.arguments)
        return func(*args, **kwargs)


def attend_packed(
    watcher: Watcher, function: Callable[..., Any], given: dict[str, Any]
) -> tuple[Tensor, Tensor | None]:
    """`F.multi_head_attention_forward`, which calls the kernel under a name that no mode
    sees while it is handled here, or computes the weights itself."""
    calls: list[Call] = []

    def look(call: Call) -> Any:
        calls.append(call)
        query, value = call.given["query"], call.given["value"]
        return query.new_zeros(*query.shape[:-1], value.shape[-1])

    def own(**given: Any) -> Any:
        return weights.detach().reshape(-1, *weights.shape[-3:]) @ given["value"]

    quiet = given | {"need_weights": False}
    if not given["need_weights"] or watcher.place in watcher.gates:
        with kernel_replaced(watcher.attend):
            output = function(**quiet)[0]
        if not given["need_weights"]:
            return output, None
        assert watcher.last is not None
        weights = torch.as_tensor(watcher.last.dense(), dtype=output.dtype)
        weights = weights[0] if given["query"].dim() == 2 else weights
    else:
        with kernel_replaced(look), torch.no_grad():
            function(**quiet)
        output, weights = function(**given | {"average_attn_weights": False})
        calls[0].function, calls[0].given["dropout_p"] = own, 0.0
        watcher.attend(calls[0])
    return output, weights.mean(dim=-3) if given["average_attn_weights"] else weights


@contextmanager
def kernel_replaced(attend: Callable[[Call], Any]) -> Iterator[None]:
    """Let torch.nn.functional call this in place of its kernel."""
    kernel = F.scaled_dot_product_attention

    def called(*args: Any, **kwargs: Any) -> Any:
        return attend(KernelCall(kernel, args, kwargs))

    with put(vars(F), scaled_dot_product_attention=called):
        yield
