"""What a task tells a compiler, before anything of it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neural_dsl.catalogue.settings import SettingSpec
from neural_dsl.catalogue.spec import Params


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
