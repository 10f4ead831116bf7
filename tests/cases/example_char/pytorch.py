"""CharGPT for PyTorch, compiled from char.neural.

    input (None) -> Embedding(61) -> PositionalEncoding -> 6 x TransformerDecoder ->
        LayerNormalization -> Output(61)

Run this file to train the model and to test it: python pytorch.py
It reads genesis.txt, relative to the folder that it is run in.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

BATCH_SIZE = 32  # problems a step
TOTAL_STEPS = 800
VALIDATE_EVERY = 100  # steps
LEARNING_RATE = 0.002
WARMUP_STEPS = 50
GRADIENT_CLIP = 1.0  # largest norm of all gradients
PATIENCE = 2  # validations without improvement


Split = Literal["train", "validation", "test"]
IGNORED = -100  # a target that the loss leaves out
PAD = 0  # the id that fills up the shorter sequences of a batch


class Task:
    """Examples to learn from, in three splits that share none.

    `symbols[id]` is the symbol behind an id. `max_length` is the longest model input. A
    causal task asks for the next symbol, so its model must not look ahead. `measure` is
    what tells how good a model is at it.
    """

    symbols: list[str]
    max_length: int
    causal = True
    measure: Literal["exact_match", "accuracy", "loss"] = "exact_match"

    def size(self, split: Split) -> int:
        """The number of examples in a split."""
        raise NotImplementedError

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets (B, T) of some examples.

        Inputs are padded with PAD; targets are IGNORED where no loss is taken.
        """
        raise NotImplementedError

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """The prompt and the answer of one example, as people write them."""
        raise NotImplementedError

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of a prompt, as the model reads it. Raises ValueError."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer, as people write it."""
        raise NotImplementedError

    def answer_length(self, prompt: str) -> int:
        """How many ids the answer to a prompt has at most."""
        raise NotImplementedError

    def is_end(self, id: int) -> bool:
        """Whether this id ends an answer before its full length."""
        return False

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]] | None:
        """Where a model that solves the prompt must look: (query, keys) positions.

        The query is the position that predicts a symbol of the answer; the keys are
        what that symbol follows from. None where no such thing is known.
        """
        return None

    def known_attention(
        self, split: Split, index: int
    ) -> list[tuple[int, tuple[int, ...]]] | None:
        """`attention_for` the prompt of one example."""
        return self.attention_for(self.problem(split, index)[0])


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file. Raises OSError, and ValueError if it is no text."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = f"the byte at {error.start:,} is 0x{error.object[error.start]:02x}"
        raise ValueError(f"{path} is not a text in UTF-8: {place}") from None
    if "\0" in text:
        raise ValueError(f"{path} is a binary file, not a text: it holds NUL bytes")
    if not text.strip():
        raise ValueError(f"{path} is empty")
    return text


class Tokenizer:
    """Cuts a text into tokens. `symbols[id]` is the text of an id; id 0 is padding."""

    symbols: list[str]

    def learn(self, texts: Mapping[Split, str]) -> None:
        """Find the symbols in the parts of a text. Raises ValueError."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        raise NotImplementedError


class Text(Task):
    """A text, cut into windows of `context` tokens, each followed by one more.

    The last tenth is held out, half of it for validation and half for the test.
    """

    measure = "loss"

    def __init__(self, path: str, tokenizer: Tokenizer, context: int = 128):
        text = read_text(path)
        self.texts: dict[Split, str] = {
            "train": text[: len(text) * 18 // 20],
            "validation": text[len(text) * 18 // 20 : len(text) * 19 // 20],
            "test": text[len(text) * 19 // 20 :],
        }
        tokenizer.learn(self.texts)
        self.tokenizer = tokenizer
        self.symbols = tokenizer.symbols
        self.max_length = context
        self.tokens = {
            split: np.array(tokenizer.encode(part))
            for split, part in self.texts.items()
        }
        for split, tokens in self.tokens.items():
            if len(tokens) <= context:
                raise ValueError(
                    f"{path} is too short for context={context}: its {split} part has "
                    f"{len(tokens):,} tokens, and one window takes {context + 1:,}"
                )

    def size(self, split: Split) -> int:
        """The number of windows; each token but the first is predicted once."""
        return (len(self.tokens[split]) - 1) // self.max_length

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Windows (B, context) and what follows each of their tokens."""
        starts = indices * self.max_length
        windows = starts[:, None] + np.arange(self.max_length + 1)
        tokens = self.tokens[split][windows]
        return tokens[:, :-1], tokens[:, 1:]

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """Both halves of a window."""
        start, half = index * self.max_length, (self.max_length + 1) // 2
        tokens = self.tokens[split][start : start + self.max_length + 1].tolist()
        return self.decode(tokens[:half]), self.decode(tokens[half:])

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of the beginning of a text. Raises ValueError."""
        ids = self.tokenizer.encode(prompt)
        if not 1 <= len(ids) <= self.max_length:
            raise ValueError(
                f"the prompt has {len(ids):,} tokens; the model reads 1 to "
                f"{self.max_length:,}"
            )
        return np.array(ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self.tokenizer.decode(ids)

    def answer_length(self, prompt: str) -> int:
        """What is left of the context."""
        return self.max_length - len(self.encode(prompt))


class Characters(Tokenizer):
    """Each character of a text, held out parts included, is a token."""

    def learn(self, texts: Mapping[Split, str]) -> None:
        """Take all characters, in their order."""
        self.symbols = ["PAD", *sorted(set("".join(texts.values())))]
        self.ids = {symbol: id for id, symbol in enumerate(self.symbols) if id}

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError."""
        for symbol in text:
            if symbol not in self.ids:
                raise ValueError(
                    f"the character {symbol!r} is not in the training text"
                )
        return [self.ids[symbol] for symbol in text]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return "".join(self.symbols[id] for id in ids if id)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.projection = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class FeedForward(nn.Module):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.gelu(self.expand(x)))


class PositionalEncoding(nn.Module):
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(max_len, d_model))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]


class TransformerDecoder(nn.Module):
    """Causal attention, then a feed-forward network; each normalises, then adds."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, num_heads)
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attention(self.self_attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class CharGPT(nn.Module):
    """Token ids (B, T) to logits (B, T, 61)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(61, 128)
        self.positional_encoding = PositionalEncoding(d_model=128, max_len=64)
        self.transformer_decoders = nn.ModuleList(
            TransformerDecoder(d_model=128, num_heads=8, ff_dim=512) for _ in range(6)
        )
        self.layer_normalization = nn.LayerNorm(128)
        self.output = nn.Linear(128, 61)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)  # (B, T, 128)
        x = self.positional_encoding(x)
        for decoder in self.transformer_decoders:
            x = decoder(x)
        x = self.layer_normalization(x)
        return self.output(x)  # (B, T, 61): logits, softmax makes them probabilities


@dataclass
class Step:
    """One optimiser step; the last of each round carries a validation."""

    step: int  # steps done so far
    loss: Tensor  # of this step's batch, before the step
    learning_rate: float
    tokens: int  # that this step read
    validation: dict[str, float] | None = None


def learning_rate(step: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at the last step."""
    if step < WARMUP_STEPS:
        return LEARNING_RATE * (step + 1) / WARMUP_STEPS
    progress = min((step - WARMUP_STEPS) / max(TOTAL_STEPS - WARMUP_STEPS, 1), 1.0)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


def loss_function(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of the answer's tokens; other targets are IGNORED."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class ConvolvedLinear(nn.Linear):
    """nn.Linear as a convolution of width 1: same weights, same result up to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 3 or x.shape[0] * x.shape[1] < 1024:  # too small to gain
            return super().forward(x)
        image = x.mT.unsqueeze(2)  # (B, C, 1, T), channels last: it is read in place
        return F.conv2d(image, self.weight[:, :, None, None], self.bias).squeeze(2).mT


def multiply_by_convolving(model: nn.Module) -> None:
    """Speed up the products on AMD processors with AVX-512, up to two times.

    There MKL, which multiplies matrices, makes do with AVX2; oneDNN, which convolves,
    uses AVX-512.
    """
    known = getattr(torch.cpu, "get_capabilities", dict)()  # older ones do not tell
    if "AMD" in known.get("cpu_name", "") and known.get("avx512_f"):
        for layer in model.modules():
            if type(layer) is nn.Linear:
                layer.__class__ = ConvolvedLinear


@lru_cache(maxsize=1)
def batch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the examples in an epoch, kept until the next epoch begins."""
    return np.random.default_rng((seed, epoch)).permutation(size)


class Training:
    """Trains a model on a task. Iterate it: each turn is one optimiser step.

    The order of the batches is a pure function of the seed and the epoch, so `state`
    and `load_state` carry a training over to another process bit for bit.
    """

    def __init__(
        self, model: nn.Module, task: Task, seed: int = 0, device: str = "cpu"
    ):
        torch.manual_seed(seed)
        self.model = model.to(device)
        if device == "cpu":
            multiply_by_convolving(model)
        self.task = task
        self.seed = seed
        self.device = device
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=LEARNING_RATE,
            betas=(0.9, 0.99),
            eps=1e-7,
            weight_decay=0.1,
            fused=True,
        )
        self.step = 0
        self.best = -math.inf
        self.waited = 0
        self.stopped = False
        self.best_weights = deepcopy(model.state_dict())

    def __iter__(self) -> Iterator[Step]:
        while self.step < TOTAL_STEPS and not self.stopped:
            rate = learning_rate(self.step)
            loss, tokens = self.update(rate)
            self.step += 1
            result = Step(self.step, loss, rate, tokens)
            if self.step % VALIDATE_EVERY == 0 or self.step == TOTAL_STEPS:
                result.validation = evaluate(self.model, self.task, "validation")
                self.watch(result.validation)
            yield result

    def update(self, rate: float) -> tuple[Tensor, int]:
        """One optimiser step; returns the loss before it and the tokens read."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        x, y = self.batch(self.step)
        loss = loss_function(self.model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_CLIP)
        self.optimizer.step()
        return loss.detach(), x.numel()

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """The batch of that number, counted over all epochs: inputs and targets."""
        size = self.task.size("train")
        epoch, position = divmod(number, math.ceil(size / BATCH_SIZE))
        order = batch_order(size, self.seed, epoch)
        chosen = order[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        x, y = self.task.batch("train", chosen)
        inputs = torch.from_numpy(x).to(self.device)
        return inputs, torch.from_numpy(y).to(self.device)

    def watch(self, validation: dict[str, float]) -> None:
        """Stop when the loss stands still."""
        value = -validation["loss"]
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = deepcopy(self.model.state_dict())
        else:
            self.waited += 1
        self.stopped = self.waited >= PATIENCE

    def restore_best_weights(self) -> None:
        """Back to the weights of the best validation."""
        self.model.load_state_dict(self.best_weights)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next steps depend on, as arrays."""
        found = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{number}.{k}": v for k, v in slots.items()}
        found |= {f"best.{k}": v for k, v in self.best_weights.items()}
        found["rng.torch"] = torch.get_rng_state()
        if self.device != "cpu":
            found["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        arrays = {k: torch.as_tensor(v).cpu().numpy().copy() for k, v in found.items()}
        progress = {
            "step": self.step,
            "best": self.best,
            "waited": self.waited,
            "stopped": self.stopped,
        }
        return arrays | {f"progress.{k}": np.array(v) for k, v in progress.items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on where `state` was taken."""
        tensors = {k: torch.from_numpy(np.array(v)) for k, v in state.items()}
        model = {
            k.removeprefix("model."): v for k, v in tensors.items() if k[:6] == "model."
        }
        self.model.load_state_dict(model)
        self.best_weights = {k[5:]: v for k, v in tensors.items() if k[:5] == "best."}
        slots: dict[int, dict[str, Tensor]] = {}
        for key in (key for key in tensors if key.startswith("optimizer.")):
            _, number, name = key.split(".", 2)
            slots.setdefault(int(number), {})[name] = tensors[key]
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        torch.set_rng_state(tensors["rng.torch"])
        if self.device != "cpu":
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.device)
        self.step = int(state["progress.step"])
        self.best = float(state["progress.best"])
        self.waited = int(state["progress.waited"])
        self.stopped = bool(state["progress.stopped"])


@torch.inference_mode()
def evaluate(model: nn.Module, task: Task, split: str) -> dict[str, float]:
    """Loss over a split."""
    model.eval()
    device = next(model.parameters()).device
    size, loss = task.size(split), 0.0
    for start in range(0, size, BATCH_SIZE):
        x, y = task.batch(split, np.arange(start, min(start + BATCH_SIZE, size)))
        logits = model(torch.from_numpy(x).to(device))
        targets = torch.from_numpy(y).to(device)
        loss += len(y) * loss_function(logits, targets).item()
    return {"loss": loss / size, "count": size}


def save_weights(model: nn.Module, path: str) -> None:
    """Writes the weights under the names that `neural visualize --weights` reads."""
    weights = {name: value.cpu().contiguous() for name, value in named_weights(model)}
    save_file(weights, path)


def named_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every weight under its layer's name."""
    layers = {
        "transformer_decoders.0": "transformer_decoder_0",
        "transformer_decoders.1": "transformer_decoder_1",
        "transformer_decoders.2": "transformer_decoder_2",
        "transformer_decoders.3": "transformer_decoder_3",
        "transformer_decoders.4": "transformer_decoder_4",
        "transformer_decoders.5": "transformer_decoder_5",
    }
    for name, value in model.state_dict().items():
        for path, layer in layers.items():
            if name.startswith(path + "."):
                name = layer + name.removeprefix(path)
                break
        yield name, value


def main() -> None:
    """Trains, prints how it goes, and tests on problems never seen."""
    torch.manual_seed(0)
    task = Text(path="genesis.txt", tokenizer=Characters(), context=64)
    model = CharGPT()
    training = Training(model, task, seed=0)
    for step in training:
        if step.validation:
            loss, held_out = float(step.loss), step.validation["loss"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  validation {held_out:.4f}")
    training.restore_best_weights()
    save_weights(model, "chargpt.safetensors")
    result = evaluate(model, task, "test")
    print(f"test loss {result['loss']:.4f}, perplexity {math.exp(result['loss']):.2f}")


if __name__ == "__main__":
    main()
