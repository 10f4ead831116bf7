"""Input declarations: shapes, and what a leading None means.

Which reading is right depends on the first layer that cares about the shape of its input
(`LayerSpec.reads`): a sequence layer wants (time, features), an Embedding (time,) of ids,
Flatten one whole example. Layers that take any shape are looked past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from neural_dsl.catalogue import find_layer
from neural_dsl.catalogue.shapes import show
from neural_dsl.catalogue.spec import LayerSpec
from neural_dsl.catalogue.tensors import Shape, Tensor
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.settings import Task
from neural_dsl.resolve.arguments import Binder
from neural_dsl.resolve.flow import Stream
from neural_dsl.resolve.kinds import LARGEST_SIZE
from neural_dsl.resolve.macros import Macros, call_scope
from neural_dsl.resolve.naming import check_name
from neural_dsl.resolve.terms import CallValue, Invalid, Place, Scope, is_whole
from neural_dsl.resolve.values import evaluate
from neural_dsl.syntax import nodes as syntax

LOOKAHEAD = 2_000
"""Layers looked past in search of one that cares about the shape."""


@dataclass(frozen=True)
class Declared:
    """One input as declared: its name and sizes (None tensor shape: a mistake in it)."""

    name: str
    shape: Shape | None
    node: syntax.InputDeclaration


def declared_inputs(section: syntax.InputSection, findings: Findings) -> list[Declared]:
    """The declarations with names and evaluated shapes; mistakes are reported."""
    several = len(section.inputs) > 1
    given = {node.name.text for node in section.inputs if node.name is not None}
    found: dict[str, Declared] = {}
    for position, node in enumerate(section.inputs):
        if node.name is None:
            name = f"input_{position}" if several else "input"
            while name in given:
                name += "_"
        else:
            name = check_name(node.name.text, node.name.span, findings) or (
                node.name.text
            )
        if name in found:
            first = found[name].node
            span = node.name.span if node.name else node.span
            message = f"two inputs are named `{name}`"
            help = "give each input a name of its own"
            findings.again("NE053", message, span, first.span, help)
            continue
        found[name] = Declared(name, _shape(node.shape, name, findings), node)
    return list(found.values())


def _shape(value: syntax.Value, name: str, findings: Findings) -> Shape | None:
    """The sizes of `(50, 256)`, `shape(50, 256)` or `50`; None after reporting."""
    scope, place = Scope(), Place(name)
    try:
        sizes = evaluate(value, scope, place, findings)
        if isinstance(sizes, CallValue) and sizes.call.name.text.lower() == "shape":
            sizes = tuple(
                evaluate(argument.value, scope, place, findings)
                for argument in sizes.call.arguments
            )
    except Invalid:
        return None
    if not isinstance(sizes, tuple):
        sizes = (sizes,)
    if sizes and all(map(_is_size, sizes)):
        return tuple(sizes)
    message = f"`{findings.text(value.span)}` is no input shape"
    label = "sizes are whole numbers of 1 or more, or None"
    help = (
        "write for instance `input: (50, 256)` for 50 positions of 256 features, "
        "`(None, 256)` for any length, or `(128,)` for 128 token ids"
    )
    findings.error("NE051", message, value.span, label, help)
    return None


def _is_size(size: Any) -> bool:
    return size is None or (is_whole(size) and 1 <= size <= LARGEST_SIZE)


# --- what the first layer needs -------------------------------------------------------


@dataclass(frozen=True)
class Need:
    """What the first layer that cares reads, and the size of an Embedding's vectors."""

    reads: Literal["any", "sequence", "ids", "example"]
    layer: str = ""
    output_dim: int | None = None


ANY = Need("any")


@dataclass
class Lookahead:
    """Finds the first layer with an opinion about the shape of an input.

    Works on a throw-away `Findings`: whatever is wrong is reported when the layers
    themselves are resolved.
    """

    macros: Macros
    findings: Findings
    budget: int = LOOKAHEAD
    _expanding: list[str] = field(default_factory=list)
    _known: dict[tuple[str, str, int], Need | None] = field(default_factory=dict)

    def need(
        self, statements: Sequence[syntax.Statement], name: str, scope: Scope
    ) -> Need | None:
        """The need of the first opinionated layer that the input `name` meets; None when
        the statements end without one."""
        for position, statement in enumerate(statements):
            self.budget -= 1
            if self.budget < 0:
                return ANY
            if isinstance(statement, syntax.BranchNode):
                return self._branches(statements[position:], name, scope)
            if isinstance(statement, syntax.GroupNode):
                found = self.need(statement.body, name, scope)
            else:
                found = self._layer(statement, name, scope)
            if found is not None:
                return found
        return None

    def _branches(
        self, statements: Sequence[syntax.Statement], name: str, scope: Scope
    ) -> Need:
        """The branch of that name; without one, the first (all read the same tensor)."""
        branches = [b for b in statements if isinstance(b, syntax.BranchNode)]
        own = [branch for branch in branches if branch.name.text == name]
        for branch in own or branches:
            found = self.need(branch.body, name, scope)
            if found is not None:
                return found
        return ANY

    def _layer(self, node: syntax.LayerNode, name: str, scope: Scope) -> Need | None:
        define = self.macros.find(node.name.text)
        spec = find_layer(node.name.text)
        shadowed = define is not None and define.name.text in self._expanding
        if define is not None and not shadowed and len(self._expanding) < 32:
            inner = call_scope(define, node, scope, self.findings)
            return self._inside(define, name, inner) if inner else ANY
        if spec is None or spec.arity == "many":
            return ANY
        if node.body is not None:
            return self.need(node.body, name, scope)
        if spec.reads == "any":
            return None
        return Need(spec.reads, spec.name, self._output_dim(spec, node, scope))

    def _inside(self, define: syntax.Define, name: str, scope: Scope) -> Need | None:
        """The need of a macro's body; one without parameters is looked into once."""
        key = (define.name.text, name, len(self._expanding))
        if key in self._known:
            return self._known[key]
        self._expanding.append(define.name.text)
        found = self.need(define.body, name, scope)
        self._expanding.pop()
        if not define.parameters and self.budget >= 0:
            self._known[key] = found
        return found

    def _output_dim(
        self, spec: LayerSpec, node: syntax.LayerNode, scope: Scope
    ) -> int | None:
        if spec.reads != "ids":
            return None
        takes = spec.parameters
        binder = Binder(spec.name, takes, self.findings, scope, Place(""))
        bound = binder.bind(node.arguments or (), node.name.span)
        size = bound.values.get("output_dim")
        return size if isinstance(size, int) else None


# --- from declaration to tensor -------------------------------------------------------


def input_tensor(declared: Declared, need: Need, findings: Findings) -> Tensor | None:
    """What enters the network, decided by what its first layer needs."""
    shape = declared.shape
    if shape is None:
        return None
    if need.reads == "ids":
        ids = _ids(declared, shape, need, findings)
        return Tensor(ids, "ids", source=declared.name)
    if len(shape) == 1 or shape[0] is not None:
        return Tensor(shape)
    if need.reads != "sequence" or len(shape) != 2:
        _note_batch(declared, shape, findings)
        return Tensor(shape[1:])
    message = (
        f"the leading None is read as any length, because `{need.layer}` needs a "
        "sequence (time, features)"
    )
    label = f"sequences of any length with {shape[1]} features"
    help = "declare a length, such as (50, …), where it is always the same"
    findings.note("NW021", message, declared.node.shape.span, label, help)
    return Tensor(shape)


def task_input(
    task: Task, node: syntax.NetworkNode, findings: Findings
) -> tuple[list[Declared], dict[str, Stream]]:
    """The input that a network with a task need not declare: ids, of any length."""
    if not task.gives_ids:
        message = f"the network `{node.name.text}` declares no input"
        help = (
            f"the task `{task.given.name}` does not tell what a model reads; write "
            "for instance `input: (50, 256)` or `input: (128,)`"
        )
        label = "`input:` is missing"
        findings.error("NE050", message, node.name.span, label, help, task.related)
        return [], {}
    span = task.given.span
    any_length = syntax.LiteralValue(span, None)
    declaration = syntax.InputDeclaration(span, None, any_length)
    stream = Stream(Tensor((None,), "ids", source="input"), "input", input=True)
    return [Declared("input", (None,), declaration)], {"input": stream}


def _ids(declared: Declared, shape: Shape, need: Need, findings: Findings) -> Shape:
    """The shape of token ids: a batch axis and a repeated embedding size taken off."""
    if len(shape) == 1:
        return shape
    repeats = need.output_dim is not None and shape[-1] == need.output_dim
    rest = shape[:-1] if repeats else shape
    if len(rest) == 2 and rest[0] is None:
        _note_batch(declared, shape, findings)
        rest = rest[1:]
    if repeats and len(rest) == 1:
        message = f"the input holds token ids of shape {show(rest)}, not vectors"
        label = f"{shape[-1]} repeats the embedding's `output_dim`"
        help = f"write {show(rest)}: the embedding adds the last axis itself"
        findings.warning("NW022", message, declared.node.shape.span, label, help)
        return rest
    return rest if len(rest) == 1 else shape


def _note_batch(declared: Declared, shape: Shape, findings: Findings) -> None:
    one = show(shape[1:])
    message = f"the leading None is read as the batch axis: one example is {one}"
    label, help = "the batch axis need not be declared", f"write {one}"
    findings.note("NW021", message, declared.node.shape.span, label, help)
