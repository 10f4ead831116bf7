"""What was resolved before is not resolved again, and what is too large not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from neural_dsl.catalogue import find_layer
from neural_dsl.graph.findings import Met
from neural_dsl.resolve.layers import Flow, Made, SingleLayers
from neural_dsl.resolve.macros import MAX_LAYERS, Size
from neural_dsl.source import Span


class TooLarge(Exception):
    """The network cannot be expanded; NE048 has been reported."""


@dataclass(frozen=True)
class Known:
    """What a macro or statements gave on one flow: nodes and flow behind them, what they
    added to the network, and the searches inside, by where they start."""

    made: Made
    size: Size
    reads: tuple[tuple[str, int | None], ...]
    met: Mapping[int, Met]


@dataclass
class Remembering(SingleLayers):
    """Remembers what macros and statements gave; `expanding` are the macros that are being
    written out, the outermost first, and `depth` is how deep that is. `searches` is
    whether the file may search anything at all."""

    expanding: list[str] = field(default_factory=list)
    depth: int = 0

    def __post_init__(self) -> None:
        """What is remembered holds for these inputs and this task."""
        streams, task = tuple(self.inputs.values()), self.task
        around = (streams, task is None, repr(task and task.setting))
        self._of_first: dict[object, Known] = self.macros.memo.setdefault(around, {})
        self._of_run: dict[object, Known] = {}
        self._chosen = {space.start for space in self.findings.choice}
        self.searches = "hpo" in self.findings.source.text.lower()

    def remembered(
        self, what: object, flow: Flow, span: Span, make: Callable[[], Made]
    ) -> Made:
        """What `make` gives for a macro or statements, in whose place `what` stands.

        They are not resolved again on an equal flow, unless this run of a search chooses
        another than the first value inside: but for names, which come later, they give the
        same nodes. That of which more matters (a memory, calls among the arguments) is.
        """
        findings, chosen = self.findings, self._chosen
        if not what or self.output or flow.memory or len(flow.streams) > 1:
            return make()
        shadowing = tuple(filter(find_layer, self.expanding))
        key = (what, flow, self.depth, shadowing)
        known = self._of_first.get(key)
        if known is None or not chosen.isdisjoint(known.met):
            known = self._of_run.get(key)
        if known is not None:
            findings.met += known.met.values()
            self.reads += known.reads
            self.size += known.size
            self.room(span)
            return known.made
        size, errors, wrong = self.size, findings.errors, findings.wrong
        reads, met = len(self.reads), len(findings.met)
        made = make()
        if findings.errors == errors and self.output is None:
            inside = {each[0].start: each for each in findings.met[met:]}
            right = findings.wrong == wrong and chosen.isdisjoint(inside)
            read = tuple(dict.fromkeys(self.reads[reads:]))
            known = Known(made, self.size - size, read, inside)
            (self._of_first if right else self._of_run)[key] = known
        return made

    def room(self, span: Span, more: Size | None = None) -> None:
        """Report NE048 and raise TooLarge when with `more` it is too large."""
        size = self.size + more if more else self.size
        if not size.too_large:
            return
        message = f"the network has more than {MAX_LAYERS:,} layers once it is expanded"
        help = "repeat less; no machine can run so many layers"
        if size.layers <= MAX_LAYERS:
            message = f"expanding the network takes more than {MAX_LAYERS:,} steps"
            help = "each layer, block and macro call that is written out is one; equal copies of `* n` count once"
        self.findings.error("NE048", message, span, "too many copies", help)
        raise TooLarge
