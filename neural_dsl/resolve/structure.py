"""The layers of a network: macros expanded, repeats laid out, every layer checked.

`LayerResolver.body` walks statements with a `Flow` of tensors and gives nodes of the
model graph. Layers leave here without canonical names; `naming` hands them out, because
a name depends on how many of a kind the whole network has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from neural_dsl.catalogue import find_layer
from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.graph.nodes import Node, Repeat
from neural_dsl.resolve.blocks import Blocks
from neural_dsl.resolve.flow import Flow
from neural_dsl.resolve.mistakes import device_ignored, output_not_last, unknown_layer
from neural_dsl.resolve.sizes import Size
from neural_dsl.resolve.terms import UNKNOWN, Invalid, Place, Scope, is_whole
from neural_dsl.resolve.values import evaluate
from neural_dsl.syntax import nodes as syntax


@dataclass
class LayerResolver(Blocks):
    """Resolves the statements of one network (or of a macro that nobody calls)."""

    def body(
        self, statements: Sequence[syntax.Statement], flow: Flow, scope: Scope
    ) -> tuple[list[Node], Flow]:
        """Resolve statements in a row."""
        nodes: list[Node] = []
        for branches, row in groupby(statements, _is_branch):
            if branches:  # side by side
                flow = self._branches(list(row), flow, scope, nodes)  # type: ignore[arg-type]
                continue
            for statement in row:
                if isinstance(statement, syntax.GroupNode):
                    times = self._times(statement.repeat, scope)
                    flow = self._repeated(statement, times, flow, scope, nodes)
                elif isinstance(statement, syntax.LayerNode):
                    flow = self._named(statement, flow, scope, nodes)
        return nodes, flow

    def _named(
        self, node: syntax.LayerNode, flow: Flow, scope: Scope, nodes: list[Node]
    ) -> Flow:
        """One `Name(…) { … } @ device * n`: a macro call, a residual block or a layer."""
        if node.device is not None:
            device_ignored(node.device, scope, self.findings)
        times = self._times(node.repeat, scope)
        name = node.name.text
        spec = find_layer(name)
        if self.macros.called(name, self._expanding):
            return self._repeated(node, times, flow, scope, nodes)
        if spec is None:
            unknown_layer(node, self.macros, self.findings)
            return flow.lost()
        if spec is RESIDUAL_CONNECTION:
            return self._repeated(node, times, flow, scope, nodes)
        if node.body is not None:
            message = f"`{spec.name}` with a body of its own is not yet supported"
            help = (
                "a body is for `ResidualConnection { … }`; where the braces hold "
                f"layers of their own, put `;` before them: `{spec.name}(…); {{ … }}`"
            )
            label = "takes no `{ … }`"
            self.findings.error("NE049", message, node.name.span, label, help)
            return flow.lost()
        bound, _ = self._bind(spec, node, scope)
        stacked = bound.values.get("num_layers", 1)
        times *= stacked if isinstance(stacked, int) else 1
        return self._repeated(node, times, flow, scope, nodes)

    def _once(
        self,
        statement: syntax.LayerNode | syntax.GroupNode,
        flow: Flow,
        scope: Scope,
        nodes: list[Node],
    ) -> Flow:
        """One copy of a statement, its `* n` aside."""
        self._steps += 1
        self._room(statement.span, Size())
        if isinstance(statement, syntax.GroupNode):
            inner, flow = self._deeper(statement.body, flow, scope, statement.span)
            nodes.extend(inner)
            return flow
        define = self.macros.called(statement.name.text, self._expanding)
        if define is not None:
            return self._macro(define, statement, flow, scope, nodes)
        spec = find_layer(statement.name.text)
        assert spec is not None
        if spec is RESIDUAL_CONNECTION:
            return self._residual(statement, flow, scope, nodes)
        return self._layer(spec, statement, flow, scope, nodes)

    def _times(self, repeat: syntax.Value | None, scope: Scope) -> int:
        """The number of copies; 1 after reporting a bad one."""
        if repeat is None:
            return 1
        try:
            value = evaluate(repeat, scope, Place("repeat"), self.findings)
        except Invalid:
            return 1
        if is_whole(value) and value >= 1:
            return int(value)
        if value is not UNKNOWN:
            message = "`*` repeats a layer a whole number of times, 1 or more"
            label = "not such a number"
            help = "write for instance `* 6`"
            self.findings.error("NE047", message, repeat.span, label, help)
        return 1

    def _repeated(
        self,
        statement: syntax.LayerNode | syntax.GroupNode,
        times: int,
        flow: Flow,
        scope: Scope,
        nodes: list[Node],
    ) -> Flow:
        """`times` copies; a Repeat node when there are several.

        As soon as a copy leaves the flow as it found it, all further copies are equal to
        it (names aside), and are not resolved again.
        """
        if times == 1:
            return self._once(statement, flow, scope, nodes)
        copies: list[tuple[Node, ...]] = []
        errors, output = self.findings.errors, self.output
        while len(copies) < times:
            before, counted, copy = flow, self.count, list[Node]()
            flow = self._once(statement, flow, scope, copy).behind(copy, before)
            copies.append(tuple(copy))
            if self.output is not None and self.output is not output:
                output_not_last(
                    self.output, statement.span, self.findings, "is repeated"
                )
            left, each = times - len(copies), self.count - counted
            if self.findings.errors > errors:
                return flow
            self._room(statement.span, Size(left * each))
            if flow.alike(before):
                copies.extend([copies[-1]] * left)
                self.count += left * each
        if copies[0]:
            nodes.append(Repeat(tuple(copies), statement.span))
        return flow


def _is_branch(statement: syntax.Statement) -> bool:
    return isinstance(statement, syntax.BranchNode)
