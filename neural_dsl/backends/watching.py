"""What happens around every attention while a model is watched, whatever its backend.

A backend finds the calls of functions that attend, and says how each takes what it is
given (`Form`); what is done about them is the same everywhere (`Watcher.attend`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import Bools
from neural_dsl.attention.scores import Float32, Scores, visible
from neural_dsl.diagnostics import refusal

Visit: TypeAlias = Callable[[str, int, Scores], None]
"""Is told of an attention: the path of the module, which of its calls, its scores."""

Named: TypeAlias = Literal["uniform", "zero", "mean"]
Gate: TypeAlias = Named | npt.NDArray[np.floating]
"""What may be done to a head while a model runs:

- "uniform": the head looks alike at every key that it may attend to;
- "zero": nothing comes out of the head;
- "mean": at every position comes out what does on average over the batch and its valid
  positions (mean ablation; of these very inputs, not of a corpus);
- an array: this comes out, broadcast to (batch, query, size): the head's mean over a
  corpus, or what it gave on other inputs (activation patching).

The kernel is told which keys are valid, not which queries: of self-attention the valid
positions are those that some query may attend to, of cross-attention all of them."""

NAMED = get_args(Named)

HeadGates: TypeAlias = Mapping[int | None, Gate]
Gates: TypeAlias = Mapping[tuple[str, int], HeadGates]
"""(module path, which of its calls) -> head, or None for all of them -> what is done."""


@dataclass(frozen=True)
class Form:
    """How a function that attends takes what it is given: the names of its parameters,
    and the `axis` of heads, which tensors of fewer than four axes lack.

    `scored`: the queries are the scores already, there are no keys. `spreads`: see
    `Scores`. `items`: masks of three axes have one of batch items, not of heads.
    """

    query: str = "query"
    key: str = "key"
    value: str = "value"
    mask: str = "mask"
    bias: str = "bias"
    scale: str = "scale"
    causal: str = "is_causal"
    axis: int = 1
    scored: bool = False
    spreads: bool = False
    items: bool = False


@dataclass
class Call:
    """One call of a function that attends, with what it is given by name; `kit` are the
    scores of its backend."""

    kit: type[Scores]
    function: Callable[..., Any]
    given: dict[str, Any]
    form: Form

    def run(self) -> Any:
        """What the function gives: the context, or a tuple that begins with it."""
        return self.function(**self.given)

    def make_uniform(self, gates: HeadGates) -> None:
        """Queries or scores of zero for the heads that look everywhere alike: equal
        scores wherever the mask allows. An added mask may prefer some keys: of it is
        kept which ones it allows."""
        form, given, kit = self.form, self.given, self.kit
        query, bias = given[form.query], given.get(form.bias)
        several = query.shape[form.axis] if len(query.shape) > 3 else 1
        asked = [_gate(gates, head) for head in range(several)]
        heads = np.array([isinstance(g, str) and g == "uniform" for g in asked])
        if not heads.any():
            return
        if bias is not None:
            scale = given.get(form.scale) or query.shape[-1] ** -0.5
            ends = kit.array(query), kit.array(given[form.key])
            seen = visible(kit.array(bias), *ends, scale)
            given[form.bias] = kit.where(seen & _along(1, heads), 0.0, bias)
        given[form.query] = kit.where(_along(form.axis, heads), 0.0, query)

    def scores(self, context: Any) -> Scores:
        """The scores behind this context."""
        form, given = self.form, self.given
        query = self._heads_first(given[form.query])
        return self.kit(
            query,
            None if form.scored else self._heads_first(given[form.key]),
            self._heads_first(given[form.value]),
            self._heads_first(context),
            mask=self._mask(form.mask),
            bias=self._mask(form.bias),
            scale=given.get(form.scale),
            causal=bool(given.get(form.causal)),
            given=query if form.scored else None,
            spreads=form.spreads,
        )

    def replaced(self, result: Any, heads: Bools, values: Float32) -> Any:
        """The result with these values (B, H, Q, size) for the chosen heads."""
        if isinstance(result, tuple):
            return (self.replaced(result[0], heads, values), *result[1:])
        values = values.swapaxes(1, self.form.axis).reshape(tuple(result.shape))
        return self.kit.where(_along(self.form.axis, heads), values, result)

    def _heads_first(self, tensor: Any) -> Any:
        """(T, d), (B, T, d) and (B, T, H, d) as (B, H, T, d)."""
        if self.form.axis == 2:
            return self.kit.swap(tensor, 1, 2)
        while len(tensor.shape) < 4:
            tensor = tensor[..., None, :, :]
        return tensor

    def _mask(self, name: str) -> Any:
        """A mask that broadcasts to (B, H, Q, K)."""
        mask, rank = self.given.get(name), len(self.given[self.form.query].shape)
        if mask is not None and len(mask.shape) == 2 and self.form.scored:
            mask = mask[:, None]  # (B, K): the keys that are no padding
        if mask is not None and len(mask.shape) == 3 and (self.form.items or rank == 3):
            mask = mask[:, None]
        return mask


class Watcher:
    """What is going on while a model is watched (see `live.Watched`).

    `running` is the stack of modules that run; `numbers`, how often each has attended in
    this run of the model; `seen`, every place that ever attended, as (module path, which
    of its calls); `last`, the scores looked at last; `failure`, what went wrong first
    beside the model. While `paused`, nothing is seen or gated.
    """

    def __init__(self, visit: Visit | None, gates: Gates):
        self.visit, self.gates = visit, gates
        self.running: list[str] = []
        self.numbers: Counter[str] = Counter()
        self.seen: set[tuple[str, int]] = set()
        self.last: Scores | None = None
        self.failure: Exception | None = None
        self.paused = False

    @property
    def place(self) -> tuple[str, int]:
        """Of the attention that comes next."""
        return self.running[-1], self.numbers[self.running[-1]]

    def attend(self, call: Call) -> Any:
        """Run one attention, gated and visited."""
        if self.paused or not self.running:
            return call.run()
        place = self.place
        gates = self.gates.get(place)
        if gates:
            call.make_uniform(gates)
        result = call.run()
        if isinstance(result, tuple) and result[1] is None:
            return result  # no weights beside it: it called a function that was seen
        self.seen.add(place)
        self.numbers[place[0]] += 1
        if self.failure is not None or not (self.visit or gates):
            return result
        # What is raised here is kept for the end of the run: a framework may make
        # another exception of it, in the name of its layer.
        try:
            context = result[0] if isinstance(result, tuple) else result
            self.last = call.scores(context)
            if gates:
                # Before the visit: a target tells the scores what no kernel knows.
                result = call.replaced(result, *outputs(gates, self.last))
            if self.visit:
                self.visit(*place, self.last)
        except Exception as error:
            self.failure = error
        return result


def outputs(gates: HeadGates, scores: Scores) -> tuple[Bools, Float32]:
    """What comes out of the heads in place of their own result: which heads those are,
    (heads,), and values (batch, heads, query, size) that count for them.

    Raises NeuralError NE110 for an array that does not fit.
    """
    context = scores.context()
    values = np.zeros_like(context)
    changed = np.zeros(context.shape[1], dtype=bool)
    for head in range(len(changed)):
        gate = _gate(gates, head)
        if isinstance(gate, np.ndarray):
            try:
                values[:, head] = gate
            except ValueError:
                message = f"an array {gate.shape} is no output of a head"
                fits = f"it is broadcast to {values[:, head].shape}"
                raise refusal("NE110", message, help=fits) from None
        elif gate == "mean":
            rows, rule = context[:, head], scores.allowed
            if rule.shape[1] == rule.shape[2]:
                rows = rows[rule.seen().any(1)]
            rows = rows.reshape(-1, rows.shape[-1])
            values[:, head] = rows.mean(0, dtype=np.float64) if len(rows) else 0.0
        elif gate != "zero":
            continue
        changed[head] = True
    return changed, values


def _gate(gates: HeadGates, head: int) -> Gate | None:
    """A head's own gate goes before that of all."""
    return gates.get(head, gates.get(None))


def _along(axis: int, heads: Bools) -> Bools:
    """(heads,) as they stand along an axis of four; one head has no axis."""
    return heads.reshape((-1, *(1,) * (3 - axis)) if heads.size > 1 else ())


@contextmanager
def put(names: dict[str, Any], **new: Any) -> Iterator[None]:
    """While this lasts, these stand in a namespace: the dictionary of a module, or of a
    layer, past its framework's tracking."""
    before = {name: names[name] for name in new if name in names}
    names.update(new)
    try:
        yield
    finally:
        for name in new:
            del names[name]
        names.update(before)
