"""What one entry says of a task, and what several tasks have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neural_dsl.catalogue.settings import SettingSpec
from neural_dsl.catalogue.spec import LayerProblem, Parameter, Params
from neural_dsl.catalogue.tasks.splits import (
    COUNTABLE,
    HELD_OUT,
    MOST,
    bounds,
    counted,
    surely,
)


@dataclass(frozen=True)
class TaskSpec(SettingSpec):
    """One task.

    - `complete(params)`: the same, with what follows from others in place of those.
    - `files(params)`: the parameters that name files, relative to the `.neural` file.
    - `symbols(params, folder)`: what each token id means; id 0 is padding. None where
      there are no token ids or where only the file's author knows. `folder` is what
      paths are relative to. Raises LayerProblem for a file that cannot be used.
    - `id_count(params, folder)`: how many ids there are, where `symbols` cannot tell.
    - `longest(params, folder)`: the longest model input, None if unknown.
    - `examples(params, folder)`: how many there are to train on; None where only the
      running task can tell.
    - `is_causal(params)`: the model is asked for the next symbol and must not look ahead.
    - `data`: the template of `templates/tasks` that draws its examples, and the file of
      `neural_dsl/tasks` that knows their prompts.
    - `problems(params)`: how many there are, where examples are drawn from problems.
    - `measure`: what tells how good a model is at it, and so what early stopping
      watches; `also` are other measures that its validation may have.
    - `layout`: where answers stand: behind the source ("sequence"), at the positions of
      the source ("aligned"), at every next position ("text"), or "free" where the task
      does not say.
    - `aligned_needs`: what a model of the aligned layout must be able to do: "nothing"
      (each answer follows from its own position) or "later" (from later positions too).
    - `layers_needed`: layers of attention without which sequences of several lengths
      cannot be learnt.
    """

    complete: Callable[[Params], Params] = lambda params: params
    files: Callable[[Params], tuple[str, ...]] = lambda params: ()
    symbols: Callable[[Params, Path], Sequence[str] | None] = lambda params, folder: (
        None
    )
    longest: Callable[[Params, Path], int | None] = lambda params, folder: None
    id_count: Callable[[Params, Path], int | None] = lambda params, folder: None
    examples: Callable[[Params, Path], int | None] = lambda params, folder: int(
        params["train_size"]
    )
    is_causal: Callable[[Params], bool] = lambda params: True
    data: str = ""
    problems: Callable[[Params], int] | None = None
    measure: Literal["exact_match", "accuracy", "loss"] = "exact_match"
    also: tuple[str, ...] = ()
    layout: Callable[[Params], Literal["sequence", "aligned", "text", "free"]] = (
        lambda params: "sequence"
    )
    aligned_needs: Literal["nothing", "later"] = "later"
    layers_needed: int = 1

    @property
    def draws(self) -> bool:
        """Whether training draws its examples anew for ever, so that they have no order."""
        return self.problems is not None or self.data == "text"

    def vocabulary_size(self, params: Params, folder: Path = Path()) -> int | None:
        """The number of token ids, padding included; None if unknown."""
        symbols = self.symbols(params, folder)
        return self.id_count(params, folder) if symbols is None else len(symbols)

    def max_length(self, params: Params, folder: Path = Path()) -> int | None:
        """The longest model input in positions; None if unknown."""
        return self.longest(params, folder)

    def train_size(self, params: Params, folder: Path = Path()) -> int | None:
        """The number of examples to train on; None if only the running task can tell."""
        return self.examples(params, folder)

    def causal(self, params: Params) -> bool:
        """Whether the model must not look ahead."""
        return self.is_causal(params)


SIZES = (
    Parameter("train_size", "count", 20_000, "problems to train on"),
    Parameter("validation_size", "count", 2_000, "problems that validation uses"),
    Parameter("test_size", "count", 1_000, "problems kept for the test at the end"),
    Parameter("data_seed", "natural", 0, "where the random numbers of the data start"),
)


def held_out_bounds(params: Params, total: int) -> dict[str, tuple[int, int]]:
    """Split -> the hundredths of the problems that are its own."""
    return bounds({split: params[f"{split}_size"] for split in HELD_OUT}, total)


def check_space(
    params: Params,
    total: int,
    problems: Callable[[], Iterable[Sequence[int]]],
    cause: str,
    more: str,
) -> None:
    """Refuse splits that would not have the problems that were asked for.

    `total` is how many `problems` there are; `cause` names the parameter that decides
    it; `more` says how to have more. Raises LayerProblem (NE074).
    """
    within = held_out_bounds(params, total)
    there = {
        split: surely(total, end - first) for split, (first, end) in within.items()
    }
    wanted = {"train": 1} | {split: params[f"{split}_size"] for split in HELD_OUT}
    if all(there[split] >= wanted[split] for split in wanted):
        return
    if total <= COUNTABLE:
        there = counted(problems(), params["data_seed"], within)
    large = [split for split in wanted if there[split] < wanted[split]]
    if not large:
        return
    there_are = f"there are {total:,} problems" if total != 1 else "there is 1 problem"
    if "train" in large:
        raise LayerProblem(
            "NE074",
            f"{there_are}, too few to train on some and test on others",
            parameter=cause,
            label="none is left for training",
            help=more,
        )
    asked = " and ".join(f"{wanted[split]:,} for {split}" for split in large)
    kept = " and ".join(f"{there[split]:,}" for split in large)
    fitting = " and ".join(f"`{split}_size={there[split]}`" for split in large)
    raise LayerProblem(
        "NE074",
        f"{there_are}, too few to keep {asked}",
        parameter=cause,
        label=f"{kept} can be kept: {MOST}% of all{' each' if len(large) > 1 else ''}",
        help=f"{more}, or set {fitting}" if all(there[s] for s in large) else more,
    )
