"""Our PyTorch training and its peers in one process, from equal weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from neural_dsl.backends.pytorch.training import ConvolvedLinear
from peers.mingpt import GPT, Trainer
from peers.shapes import (
    BETAS,
    CLIP,
    DECAY,
    EPSILON,
    LEARNING_RATE,
    Shape,
    batches,
    examples,
    ours,
    task_of,
)
from peers.torch_encoder import EncoderModel
from peers.turns import Contestant

LONGEST = 3_000  # batches that a loader holds, more than any measurement takes
Weights = Mapping[str, Tensor]

MINGPT = {
    "embedding.weight": "wte.weight",
    "positional_encoding.weight": "wpe.weight",
    "transformer_decoders": "h",
    "self_attention.packed": "attn.c_attn",
    "self_attention.projection": "attn.c_proj",
    "self_attention_norm": "ln_1",
    "feed_forward_norm": "ln_2",
    "feed_forward.expand": "mlp.0",
    "feed_forward.contract": "mlp.2",
    "layer_normalization": "ln_f",
    "output": "lm_head",
}
ENCODER = {
    "positional_encoding.weight": "position",
    "transformer_decoders": "encoder.layers",
    "self_attention.packed.": "self_attn.in_proj_",
    "self_attention.projection": "self_attn.out_proj",
    "self_attention_norm": "norm1",
    "feed_forward_norm": "norm2",
    "feed_forward.expand": "linear1",
    "feed_forward.contract": "linear2",
    "layer_normalization": "encoder.norm",
}


def contestants(shape: Shape, folder: Path, device: str) -> list[Contestant]:
    """Ours first, as `neural train` runs it; then the file alone where that differs, as
    on AMD processors with AVX-512. On a GPU ours compiled and in CUDA graphs too."""
    live = ours(shape, "pytorch", folder, device)
    weights = {k: v.clone() for k, v in live.runtime.model.state_dict().items()}
    found = [contestant("emitted Training", live)]
    if any(type(each) is ConvolvedLinear for each in live.runtime.model.modules()):
        found.append(alone(shape, folder, device))
    size = (len(task_of(live).symbols), shape.layers, shape.heads, shape.width)
    x, y = map(torch.from_numpy, examples(live))
    for name, kind, names in (
        ("minGPT's loop", GPT, MINGPT),
        ("nn.TransformerEncoder", EncoderModel, ENCODER),
    ):
        model = kind(*size, shape.length)
        model.load_state_dict(renamed(weights, names) | buffers(model), strict=False)
        order = list(batches(shape.batch, LONGEST))
        # In this process: more of them would take the two cores from the training.
        loader = DataLoader(TensorDataset(x, y), batch_sampler=order, num_workers=0)
        trainer = Trainer(model, optimizer(model), loader, CLIP, device)
        found.append(Contestant(name, trainer.run(), count(model)))
    if device != "cpu":
        found += compiled(shape, folder, device)
    return found


def emitted(shape: Shape, folder: Path, device: str) -> Contestant:
    """Ours alone."""
    return contestant("emitted Training", ours(shape, "pytorch", folder, device))


def alone(shape: Shape, folder: Path, device: str) -> Contestant:
    """Ours without the speed-up that the package puts around it."""
    live = ours(shape, "pytorch", folder, device)
    for layer in live.runtime.model.modules():
        if type(layer) is ConvolvedLinear:
            layer.__class__ = nn.Linear
    return contestant("the file alone", live)


def contestant(name: str, live: Any) -> Contestant:
    """The emitted training as one that takes its turn."""
    losses = (step.loss for step in live.steps())
    return Contestant(name, losses, count(live.runtime.model))


def compiled(shape: Shape, folder: Path, device: str) -> Iterator[Contestant]:
    """Ours by `torch.compile`, without and with CUDA graphs."""
    for name, mode in (("torch.compile", "default"), ("graphs", "reduce-overhead")):
        live = ours(shape, "pytorch", folder, device)
        live.training.model = torch.compile(live.training.model, mode=mode)
        yield contestant(f"emitted, {name}", live)


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """minGPT's own for minGPT, else AdamW as people write it."""
    if isinstance(model, GPT):
        return model.configure_optimizers(LEARNING_RATE, BETAS, EPSILON, DECAY)
    return torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, BETAS, EPSILON, weight_decay=DECAY
    )


def count(model: nn.Module) -> int:
    """Parameters."""
    return sum(each.numel() for each in model.parameters())


def renamed(weights: Weights, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Our weights under a peer's names, query, key and value as one matrix."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if ".key." in name or ".value." in name:
            continue
        if ".query." in name:
            parts = (name.replace("query", part) for part in ("query", "key", "value"))
            value = torch.cat([weights[part] for part in parts])
            name = name.replace("query", "packed")
        for before, after in names.items():
            name = name.replace(before, after)
        found[name] = value
    return found


def buffers(model: nn.Module) -> dict[str, Tensor]:
    """What a model holds besides weights, its masks."""
    return dict(model.named_buffers())
