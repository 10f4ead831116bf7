"""Input declarations: shapes, and what a leading None means. That depends on the first
layer that cares about the shape of its input (`LayerSpec.reads`): a sequence layer wants
(time, features), an Embedding (time,) of ids, Flatten one whole example."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from neural_dsl.catalogue import find_layer
from neural_dsl.catalogue.shapes import show
from neural_dsl.catalogue.spec import LayerSpec
from neural_dsl.catalogue.tensors import Shape, Tensor
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.settings import Task
from neural_dsl.resolve.arguments import Bound
from neural_dsl.resolve.kinds import LARGEST_SIZE
from neural_dsl.resolve.layers import Stream
from neural_dsl.resolve.macros import Macros, Row, call_scope
from neural_dsl.resolve.naming import check_name
from neural_dsl.resolve.terms import At, CallValue, Invalid, is_whole
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

LOOKAHEAD = 2_000
"""Layers looked past in search of one that cares about the shape."""


def declared_inputs(
    section: syntax.InputSection, statements: Row, macros: Macros, findings: Findings
) -> dict[str, Stream]:
    """The declarations by name, each as its first layer reads it; mistakes are reported."""
    several = len(section.inputs) > 1
    given = {node.name.text for node in section.inputs if node.name is not None}
    found: dict[str, Stream] = {}
    for position, node in enumerate(section.inputs):
        if node.name is None:
            name = f"input_{position}" if several else "input"
            while name in given:
                name += "_"
        else:
            name = node.name.text
            check_name(name, node.name.span, findings)
        if name in found:
            span = node.name.span if node.name else node.span
            message = f"two inputs are named `{name}`"
            help = "give each input a name of its own"
            findings.again("NE053", message, span, found[name].span or span, help)
            continue
        at, tensor = At(findings, path=name), None
        shape = _shape(node.shape, at)
        if shape is not None:
            quiet = Findings(findings.source, choice=findings.choice)
            need = Lookahead(macros, quiet, name).need(statements)
            tensor = _tensor(at, node.shape.span, shape, need or ANY)
        found[name] = Stream(tensor, name, True, node.span)
    return found


def task_input(task: Task, name: syntax.Name, findings: Findings) -> dict[str, Stream]:
    """The input that a network with a task need not declare: ids, of any length."""
    if task.gives_ids:
        ids = Tensor((None,), "ids", source="input")
        return {"input": Stream(ids, "input", True, task.given.span)}
    message = f"the network `{name.text}` declares no input"
    help = f"the task `{task.given.name}` does not tell what a model reads; write for instance `input: (50, 256)` or `input: (128,)`"
    label, related = "`input:` is missing", task.related
    findings.error("NE050", message, name.span, label, help, related)
    return {}


def _shape(value: syntax.Value, at: At) -> Shape | None:
    """The sizes of `(50, 256)`, `shape(50, 256)` or `50`; None after reporting."""
    try:
        sizes = evaluate(value, at)
        if isinstance(sizes, CallValue) and sizes.call.name.text.lower() == "shape":
            sizes = tuple(evaluate(each.value, at) for each in sizes.call.arguments)
    except Invalid:
        return None
    if not isinstance(sizes, tuple):
        sizes = (sizes,)
    right = (n is None or (is_whole(n) and 1 <= n <= LARGEST_SIZE) for n in sizes)
    if sizes and all(right):
        return tuple(sizes)
    message = f"`{at.findings.text(value.span)}` is no input shape"
    label = "sizes are whole numbers of 1 or more, or None"
    help = "write for instance `input: (50, 256)` for 50 positions of 256 features, `(None, 256)` for any length, or `(128,)` for 128 token ids"
    at.findings.error("NE051", message, value.span, label, help)
    return None


Need: TypeAlias = tuple[LayerSpec | None, int | None]
"""The first layer that cares, if one does, and the size of an Embedding's vectors."""
ANY: Need = (None, None)


@dataclass
class Lookahead:
    """Finds the first layer with an opinion about the shape of the input `name`.

    Works on a throw-away `Findings`: whatever is wrong is reported when the layers
    themselves are resolved.
    """

    macros: Macros
    findings: Findings
    name: str
    budget: int = LOOKAHEAD
    _calls: list[tuple[syntax.Define, syntax.LayerNode]] = field(default_factory=list)
    _known: dict[tuple[str, int], Need | None] = field(default_factory=dict)

    def need(self, statements: Row) -> Need | None:
        """The need of the first opinionated layer that the input meets; None when the
        statements end without one."""
        for position, statement in enumerate(statements):
            self.budget -= 1
            if self.budget < 0:
                return ANY
            if isinstance(statement, syntax.BranchNode):
                # That of its name; without one the first: all read the same tensor.
                rest = statements[position:]
                branches = [b for b in rest if isinstance(b, syntax.BranchNode)]
                own = [branch for branch in branches if branch.name.text == self.name]
                needs = (self.need(each.body) for each in own or branches)
                return next(filter(None, needs), ANY)
            if isinstance(statement, syntax.GroupNode):
                found = self.need(statement.body)
            else:
                found = self._layer(statement)
            if found is not None:
                return found
        return None

    def _layer(self, node: syntax.LayerNode) -> Need | None:
        define, spec = self.macros.find(node.name.text), find_layer(node.name.text)
        around = [each.name.text for each, _ in self._calls]
        if define and define.name.text not in around and len(around) < 32:
            key = (define.name.text, len(around))
            if key in self._known:
                return self._known[key]
            self._calls.append((define, node))
            found = self.need(define.body)
            self._calls.pop()
            # A body is looked into once where no argument matters.
            if (found is None or not define.parameters) and self.budget >= 0:
                self._known[key] = found
            return found
        if spec is None or spec.arity == "many":
            return ANY
        if node.body is not None:
            return self.need(node.body)
        if spec.reads == "any":
            return None
        at = At(self.findings)
        for called, call in self._calls:
            scope = call_scope(called, call, at)
            if scope is None:
                return ANY
            at = At(self.findings, scope)
        size, arguments = None, node.arguments or ()
        if spec.reads == "ids":
            bound = Bound(spec.name, spec.parameters, arguments, node.name.span, at)
            size = bound.values.get("output_dim")
        return spec, size if isinstance(size, int) else None


def _tensor(at: At, span: Span, shape: Shape, need: Need) -> Tensor:
    """What enters the network, decided by what its first layer needs: of token ids a
    batch axis and a repeated embedding size are taken off."""

    findings, (spec, size), one = at.findings, need, show(shape[1:])
    reads = spec.reads if spec else "any"

    def note_batch() -> None:
        message = f"the leading None is read as the batch axis: one example is {one}"
        label, help = "the batch axis need not be declared", f"write {one}"
        findings.note("NW021", message, span, label, help)

    if reads == "ids":
        repeats = len(shape) > 1 and shape[-1] == size is not None
        rest = shape[:-1] if repeats else shape
        if len(rest) == 2 and rest[0] is None:
            note_batch()
            rest = rest[1:]
        if repeats and len(rest) == 1:
            message = f"the input holds token ids of shape {show(rest)}, not vectors"
            label = f"{shape[-1]} repeats the embedding's `output_dim`"
            help = f"write {show(rest)}: the embedding adds the last axis itself"
            findings.warning("NW022", message, span, label, help)
        return Tensor(rest if len(rest) == 1 else shape, "ids", source=at.path)
    if len(shape) == 1 or shape[0] is not None:
        return Tensor(shape)
    if spec is None or reads != "sequence" or len(shape) != 2:
        note_batch()
        return Tensor(shape[1:])
    message = f"the leading None is read as any length, because `{spec.name}` needs a sequence (time, features)"
    label = f"sequences of any length with {shape[1]} features"
    help = "declare a length, such as (50, …), where it is always the same"
    findings.note("NW021", message, span, label, help)
    return Tensor(shape)
