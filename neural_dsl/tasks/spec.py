"""What a task tells a compiler before anything of it runs; tasks over a script's own data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from neural_dsl.catalogue.settings import SettingSpec
from neural_dsl.catalogue.spec import Params
from neural_dsl.tasks.base import Split, Task
from neural_dsl.tasks.lazy import np


@dataclass(frozen=True, kw_only=True)
class TaskSpec(SettingSpec):
    """One task. Its methods answer for given parameters; this one, of the task of which
    only its file's author knows anything, answers nothing.

    - `data`: the template of `templates/tasks` that draws its examples.
    - `task`: its class; a task of the user's own has none here.
    - `complete(params)`: the same, with what follows from others in place of those.
    - `measure`: what tells how good a model is at it, and so what early stopping
      watches; `also` are other measures that its validation may have.
    - `draws`: training draws its examples anew for ever, so that they have no order.
    - `aligned_needs`: what aligned answers follow from: their own position ("nothing"
      else is needed) or "later" ones too; `layers_needed`: layers of attention without
      which sequences of several lengths cannot be learnt.
    - `examples`: small uses, from which tests are made.

    Paths in the parameters are relative to `folder`.
    """

    data: str
    task: Any = None
    complete: Callable[[Params], Params] = lambda params: params
    measure: Literal["exact_match", "accuracy", "loss"] = "loss"
    also: tuple[str, ...] = ()
    draws: bool = False
    aligned_needs: Literal["nothing", "later"] = "later"
    layers_needed: int = 1
    examples: tuple[str, ...] = ()

    def layout(self, params: Params) -> Literal["sequence", "aligned", "text", "free"]:
        """Where answers stand: behind the source ("sequence"), at the positions of the
        source ("aligned"), at every next position ("text"); "free" where the task does
        not say."""
        return "free"

    def causal(self, params: Params) -> bool:
        """Whether a model is asked for the next symbol, and must not look ahead."""
        return self.layout(params) in ("sequence", "text")

    def files(self, params: Params) -> tuple[str, ...]:
        """The parameters that name files."""
        return ("path",) if "path" in params else ()

    def symbols(self, params: Params, folder: Path) -> Sequence[str] | None:
        """What each token id means; id 0 is padding. None where there are no ids or only
        the file's author knows. Raises LayerProblem for a file that cannot be used."""
        return None

    def vocabulary_size(self, params: Params, folder: Path = Path()) -> int | None:
        """The number of token ids, padding included; None if unknown."""
        symbols = self.symbols(params, folder)
        return None if symbols is None else len(symbols)

    def max_length(self, params: Params, folder: Path = Path()) -> int | None:
        """The longest model input in positions; None if unknown."""
        return None

    def train_size(self, params: Params, folder: Path = Path()) -> int | None:
        """The number of examples to train on; None if only the running task can tell."""
        return params.get("train_size")


class GivenTask(Task):
    """A task of the catalogue, over the data part of a script that trains on it
    (`codegen/task_source.py` tells what that offers).

    `params` are those of its entry; paths in them are relative to `folder`. "train" are
    the examples of the first epoch, in the order in which a training with `seed` reads
    them.
    """

    def __init__(
        self, spec: TaskSpec, params: Params, folder: Path, data: Any, seed: int = 0
    ):
        self.params, self.folder, self.data, self.seed = params, folder, data, seed
        self.max_length = spec.max_length(params, folder) or 0
        self.causal = spec.causal(params)
        self.measure = spec.measure
        self.symbols = spec.symbols(params, folder) or []
        self.held_out = lru_cache(maxsize=2)(data.held_out)
        self.trained_on = lru_cache(maxsize=1)(data.batch)

    def batch(self, split: Split, indices: np.ndarray) -> tuple[Any, np.ndarray]:
        """Inputs and targets of some examples."""
        if split != "train":
            x, y = self.held_out(split)
            return _rows(x, indices), y[indices]
        inputs, targets = [], []
        for index in indices.tolist():
            number, row = divmod(index, self.data.BATCH_SIZE)
            x, y = self.trained_on(self.seed, number)
            inputs.append(_rows(x, [row]))
            targets.append(y[row])
        if isinstance(inputs[0], tuple):
            joined = tuple(np.concatenate(part) for part in zip(*inputs, strict=True))
            return joined, np.stack(targets)
        return np.concatenate(inputs), np.stack(targets)


def _rows(x: Any, indices: Any) -> Any:
    return tuple(p[indices] for p in x) if isinstance(x, tuple) else x[indices]
