"""What a network says outside `input:` and `layers:`, as it is resolved and ruled on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neural_dsl.diagnostics import Related
from neural_dsl.graph.nodes import Setting
from neural_dsl.source import Span

if TYPE_CHECKING:
    from neural_dsl.tasks.spec import TaskSpec


@dataclass(frozen=True)
class Task:
    """The resolved task, with what TaskSpec says of it. Without a `setting`, something is
    wrong with it, and nothing that depends on it can be checked. None for the sizes that
    the task does not tell."""

    setting: Setting | None = None
    symbols: Sequence[str] | None = None
    vocabulary: int | None = None
    max_length: int | None = None

    @property
    def given(self) -> Setting:
        """The setting of a task that is right."""
        assert self.setting is not None
        return self.setting

    @property
    def spec(self) -> TaskSpec:
        """The entry of the catalogue."""
        from neural_dsl.tasks import task_spec  # only a task needs it

        return task_spec(self.given.name)

    @property
    def causal(self) -> bool:
        return self.spec.causal(self.given.params)

    @property
    def layout(self) -> str:
        return self.spec.layout(self.given.params)

    @property
    def gives_ids(self) -> bool:
        """Whether the task itself says what a model reads: one row of token ids."""
        return self.layout != "free"

    @property
    def related(self) -> tuple[Related, ...]:
        """Where the task stands, for a diagnostic about something else."""
        return (Related(self.given.span, "the task"),)


@dataclass(frozen=True)
class Settings:
    """Everything that a network says outside `input:` and `layers:`.

    `spans` says where each key of `train`, `execution` and early stopping was given.
    """

    loss: Setting | None
    optimizer: Setting | None
    lr_schedule: Setting | None
    metrics: tuple[Setting, ...]
    train: Mapping[str, Any]
    execution: Mapping[str, Any]
    task: Task | None
    spans: Mapping[str, Mapping[str, Span]]

    @property
    def learns(self) -> bool:
        """Whether anything is said of how the network learns, or where it does."""
        rules = (self.loss, self.optimizer, self.lr_schedule, self.metrics, self.train)
        return any(rules) or bool(set(self.execution) - {"backend"})

    @property
    def train_spans(self) -> dict[str, Span]:
        """Where each key of the completed `train` was given; some stand in `execution`."""
        moved = dict(self.spans.get("execution", {}))
        if "precision" in moved:
            moved.setdefault("mixed_precision", moved["precision"])
        return {**moved, **self.spans.get("train", {})}
