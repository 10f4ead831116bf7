"""Addition for PyTorch, compiled from addition.neural.

    input (None) -> Embedding(13) -> PositionalEncoding -> 2 x TransformerDecoder ->
        LayerNormalization -> Output(13)

Run this file to train the model and to test it: python pytorch.py
"""

import math
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

BATCH_SIZE = 128  # problems a step
TOTAL_STEPS = 1500
VALIDATE_EVERY = 50  # steps
LEARNING_RATE = 0.002
WARMUP_STEPS = 50
GRADIENT_CLIP = 1.0  # largest norm of all gradients
PATIENCE = 10  # validations without improvement


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


ENUMERABLE = 4_000_000  # spaces up to this size are shuffled as a whole


def draw_distinct(
    radices: Sequence[int], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Distinct random rows (count, len(radices)), with 0 <= row[i] < radices[i].

    Fewer come back where fewer exist; of a large space at most three quarters.
    """
    total = math.prod(radices)
    if total <= ENUMERABLE:
        order = rng.permutation(total)[:count]
        return np.stack(np.unravel_index(order, radices), axis=1)
    count = min(count, total * 3 // 4)
    rows = np.empty((0, len(radices)), dtype=np.int64)
    while len(rows) < count:
        more = rng.integers(0, radices, size=(count, len(radices)))
        rows = np.concatenate([rows, more])
        first = np.unique(rows, axis=0, return_index=True)[1]
        rows = rows[np.sort(first)]  # without the repeats, in the order of drawing
    return rows[:count]


def share_out(size: int, capacities: Sequence[int]) -> list[int]:
    """Equal shares of `size`; what one capacity cannot take goes to the next ones."""
    shares = []
    for number, capacity in enumerate(capacities):
        shares.append(min(capacity, math.ceil(size / (len(capacities) - number))))
        size -= shares[-1]
    return shares


def deal(
    spaces: Sequence[Sequence[int]], sizes: dict[Split, int], data_seed: int
) -> dict[Split, np.ndarray]:
    """Deal the problems of some spaces out to splits that share none.

    A space is a tuple of radices: how many choices there are at each place. A problem is
    a row of choices, filled up with -1. Problems are split before they are sampled:
    validation and test take at most a quarter of each space, and train repeats problems
    of the rest as often as it must.
    """
    totals = [math.prod(space) for space in spaces]
    quarters = [total // 4 for total in totals]
    held_out: tuple[Split, ...] = ("test", "validation")
    for split in held_out:
        if sizes[split] > sum(quarters):
            raise ValueError(
                f"{sizes[split]:,} {split} problems were asked for, and "
                f"{sum(quarters):,} can be had: a quarter of the {sum(totals):,} "
                f"that exist"
            )
    shares = {split: share_out(sizes[split], quarters) for split in held_out}
    shares["train"] = share_out(sizes["train"], [sizes["train"]] * len(spaces))
    dealt: dict[Split, list[np.ndarray]] = {"test": [], "validation": [], "train": []}
    for number, space in enumerate(spaces):
        n_test, n_validation, n_train = (shares[split][number] for split in dealt)
        rng = np.random.default_rng((data_seed, number))
        rows = draw_distinct(space, n_test + n_validation + n_train, rng)
        missing = max(map(len, spaces)) - len(space)
        rows = np.pad(rows, [(0, 0), (0, missing)], constant_values=-1)
        test, validation, rest = np.split(rows, [n_test, n_test + n_validation])
        dealt["test"].append(test)
        dealt["validation"].append(validation)
        dealt["train"].append(np.resize(rest, (n_train, rows.shape[1])))
    rng = np.random.default_rng(data_seed)
    joined = {split: np.concatenate(parts) for split, parts in dealt.items()}
    return {split: rows[rng.permutation(len(rows))] for split, rows in joined.items()}


class ProblemTask(Task):
    """A task with one right answer to each problem; `problems` holds the splits' rows."""

    def __init__(
        self,
        spaces: Sequence[Sequence[int]],
        train_size: int = 20_000,
        validation_size: int = 2_000,
        test_size: int = 1_000,
        data_seed: int = 0,
    ):
        sizes: dict[Split, int] = {
            "train": train_size,
            "validation": validation_size,
            "test": test_size,
        }
        self.problems = deal(spaces, sizes, data_seed)

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, P) and answers (B, A), with PAD in any free place."""
        raise NotImplementedError

    def size(self, split: Split) -> int:
        """The number of problems in a split."""
        return len(self.problems[split])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (B, T) and targets (B, T): the answer alone is to be learnt."""
        prompts, answers = self.write(self.problems[split][indices])
        targets = np.where(answers == PAD, IGNORED, answers)
        if not self.causal:
            return prompts, targets
        tokens = np.concatenate([prompts, answers], axis=1)
        targets = np.concatenate([np.full_like(prompts, IGNORED), targets], axis=1)
        order = np.argsort(tokens == PAD, axis=1, kind="stable")  # padding goes last
        tokens = np.take_along_axis(tokens, order, axis=1)
        targets = np.take_along_axis(targets, order, axis=1)
        return tokens[:, :-1], targets[:, 1:]  # each position predicts the next symbol


class Arithmetic(ProblemTask):
    """Sums and differences of two numbers from 1 to `max_number`.

    The model reads `07+85=` and writes `092`: leading zeros keep every place at its
    position, and sums have one place more, for the last carry. Where differences are
    asked for, the answer begins with its sign: `07-85=` gives `-078`. With
    `reverse_digits` the digits come in the order in which one works them out by hand,
    the units first: `290` and `-870`.
    """

    def __init__(
        self,
        operations: Sequence[str] = ("add", "subtract"),
        max_number: int = 99,
        reverse_digits: bool = False,
        **sizes: int,
    ):
        self.operations = tuple(operations)
        self.max_number = max_number
        self.reverse_digits = reverse_digits
        self.width = len(str(max_number))
        self.places = self.width + ("add" in operations)  # of an answer
        self.signed = "subtract" in operations
        self.symbols = ["PAD", *"0123456789", "=", "+"] + ["-"] * self.signed
        self.signs = [{"add": "+", "subtract": "-"}[name] for name in operations]
        self.max_length = 2 * self.width + 1 + self.signed + self.places
        super().__init__([(len(operations), max_number, max_number)], **sizes)

    def read(self, problems: np.ndarray) -> tuple[np.ndarray, ...]:
        """The operation, both numbers and the right result of each problem: (B,) each."""
        operation, a, b = problems[:, 0], problems[:, 1] + 1, problems[:, 2] + 1
        adds = np.array([sign == "+" for sign in self.signs])[operation]
        return operation, a, b, np.where(adds, a + b, a - b)

    def digits(self, numbers: np.ndarray, width: int) -> np.ndarray:
        """The ids of the digits of numbers (B,), the highest place first: (B, width)."""
        return numbers[:, None] // 10 ** np.arange(width)[::-1] % 10 + 1

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, 2 width + 2) and of answers."""
        operation, a, b, result = self.read(problems)
        plus, equals = self.symbols.index("+"), self.symbols.index("=")
        signs = np.array([self.symbols.index(sign) for sign in self.signs])[operation]
        a, b = self.digits(a, self.width), self.digits(b, self.width)
        ends = np.full((len(problems), 1), equals)
        prompts = np.concatenate([a, signs[:, None], b, ends], axis=1)
        answers = self.digits(abs(result), self.places)
        answers = answers[:, ::-1] if self.reverse_digits else answers
        if self.signed:  # "-" comes right after "+"
            answers = np.column_stack([plus + (result < 0), answers])
        return prompts, answers

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`12+34=` and `46`."""
        row = self.problems[split][index : index + 1]
        operation, a, b, result = (column.item() for column in self.read(row))
        return f"{a}{self.signs[operation]}{b}=", str(result)

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of `12+34=`; the `=` may be left out. Raises ValueError."""
        for symbol in prompt:
            if symbol not in self.symbols and not symbol.isspace():
                known = " ".join(self.symbols[1:])
                raise ValueError(f"unknown symbol {symbol!r}; the symbols are {known}")
        found = re.fullmatch(r"\s*0*(\d+)\s*([+-])\s*0*(\d+)\s*=?\s*", prompt)
        if found is None or found[2] not in self.signs:
            example = f"12{self.signs[0]}34="
            raise ValueError(f"{prompt!r} is not a problem such as {example}")
        a, sign, b = found.groups()
        for number in (a, b):
            if len(number) > self.width or int(number) > self.max_number:
                raise ValueError(f"{number} is above this task's {self.max_number}")
        text = a.zfill(self.width) + sign + b.zfill(self.width) + "="
        return np.array([self.symbols.index(symbol) for symbol in text])

    def decode(self, ids: Sequence[int]) -> str:
        """The number that answer ids spell, or the symbols themselves if they do not."""
        text = "".join(self.symbols[id] for id in ids)
        sign, digits = (text[:1], text[1:]) if self.signed else ("+", text)
        digits = digits[::-1] if self.reverse_digits else digits
        if sign not in ("+", "-") or not digits.isdigit():
            return text
        return sign.strip("+") + str(int(digits))

    def answer_length(self, prompt: str) -> int:
        """A sign where differences are asked for, and every place."""
        return self.signed + self.places

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """A digit of the answer follows from both digits of the same place."""
        first = 2 * self.width + 1 + self.signed  # predicts the answer's first digit
        known = []
        for place in range(self.width):  # 0: the units
            step = place if self.reverse_digits else self.places - 1 - place
            keys = (self.width - 1 - place, 2 * self.width - place)
            known.append((first + step, keys))
        return sorted(known)


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


class Addition(nn.Module):
    """Token ids (B, T) to logits (B, T, 13)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(13, 128)
        self.positional_encoding = PositionalEncoding(d_model=128, max_len=8)
        self.transformer_decoders = nn.ModuleList(
            TransformerDecoder(d_model=128, num_heads=4, ff_dim=512) for _ in range(2)
        )
        self.layer_normalization = nn.LayerNorm(128)
        self.output = nn.Linear(128, 13)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)  # (B, T, 128)
        x = self.positional_encoding(x)
        for decoder in self.transformer_decoders:
            x = decoder(x)
        x = self.layer_normalization(x)
        return self.output(x)  # (B, T, 13): logits, softmax makes them probabilities


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
            betas=(0.9, 0.98),
            eps=1e-7,
            weight_decay=0.01,
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
        """Stop when the exact match stands still."""
        value = validation["exact_match"]
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = deepcopy(self.model.state_dict())
        else:
            self.waited += 1
        self.stopped = value >= 1.0 or self.waited >= PATIENCE

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
    """Loss and exact match over a split.

    A problem counts when every token of its answer is the most likely one. Given the
    right tokens before, that is when greedy decoding writes the whole answer.
    """
    model.eval()
    device = next(model.parameters()).device
    size, loss = task.size(split), 0.0
    right = 0
    for start in range(0, size, BATCH_SIZE):
        x, y = task.batch(split, np.arange(start, min(start + BATCH_SIZE, size)))
        logits = model(torch.from_numpy(x).to(device))
        targets = torch.from_numpy(y).to(device)
        loss += len(y) * loss_function(logits, targets).item()
        answered = (logits.argmax(-1) == targets) | (targets == IGNORED)
        right += int(answered.all(dim=1).sum())
    return {"loss": loss / size, "exact_match": right / size, "count": size}


def save_weights(model: nn.Module, path: str) -> None:
    """Writes the weights under the names that `neural visualize --weights` reads."""
    weights = {name: value.cpu().contiguous() for name, value in named_weights(model)}
    save_file(weights, path)


def named_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every weight under its layer's name."""
    layers = {
        "transformer_decoders.0": "transformer_decoder_0",
        "transformer_decoders.1": "transformer_decoder_1",
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
    task = Arithmetic(operations=("add",), max_number=99)
    model = Addition()
    training = Training(model, task, seed=0)
    for step in training:
        if step.validation:
            loss, exact = float(step.loss), step.validation["exact_match"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  exact match {exact:.1%}")
    training.restore_best_weights()
    save_weights(model, "addition.safetensors")
    result = evaluate(model, task, "test")
    right, count = round(result["exact_match"] * result["count"]), result["count"]
    print(f"exact match {right}/{count}")


if __name__ == "__main__":
    main()
