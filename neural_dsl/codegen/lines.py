"""The lines of a scope, and what its variables hold: shape and order of axes."""

from __future__ import annotations

from dataclasses import dataclass, field

from neural_dsl.catalogue.tensors import Tensor

INDENT = "    "


@dataclass
class Line:
    """`target = expression  # comment`, or any other statement when target is empty."""

    depth: int
    target: str
    expression: str
    comment: str = ""

    def text(self) -> str:
        """The statement as code."""
        code = f"{self.target} = {self.expression}" if self.target else self.expression
        comment = f"  # {self.comment}" if self.comment else ""
        return INDENT * self.depth + code + comment


@dataclass(kw_only=True)
class Variables:
    """Writes assignments, and knows what stands in each variable.

    The axes of a tensor are those of the language, features last, unless a layer wrote
    them with its channels behind the batch ("first"). A layer says which order it reads;
    axes are permuted only where the next layer wants another order.
    """

    show_shapes: bool = True
    lines: list[Line] = field(default_factory=list)
    depth: int = 0
    shapes: dict[str, Tensor] = field(default_factory=dict)
    _layouts: dict[str, str] = field(default_factory=dict)

    def layout_of(self, name: str) -> str:
        """ "last", or "first" where the channels stand behind the batch."""
        return self._layouts.get(name, "last")

    def copy(self, name: str, other: str) -> None:
        """Write `name = other`."""
        self.say(f"{name} = {other}")
        self._layouts[name] = self.layout_of(other)
        if other in self.shapes:
            self.shapes[name] = self.shapes[other]

    def assign(
        self,
        name: str,
        expression: str,
        output: Tensor | None,
        before: Tensor | None = None,
        layout: str = "last",
    ) -> str:
        """Write `name = expression`; returns the name. Its shape is told where it is not
        that of `before`, the tensor that it was made from."""
        comment = ""
        if output is not None:
            changed = before is None or before.shape != output.shape
            if changed and self.show_shapes:
                comment = shape_comment(output, layout)
            self.shapes[name] = output
        self._layouts[name] = layout
        self.lines.append(Line(self.depth, name, expression, comment))
        return name

    def say(self, statement: str) -> None:
        """Write any other statement."""
        self.lines.append(Line(self.depth, "", statement))


def shape_comment(tensor: Tensor, layout: str = "last", features: str = "") -> str:
    """`(B, 50, 256)`; an axis of any length is T. `features` is the last size's name."""
    sizes = ["T" if size is None else str(size) for size in tensor.shape]
    sizes[-1:] = [features or size for size in sizes[-1:]]
    if layout == "first":
        sizes = [sizes[-1], *sizes[:-1]]
    return f"({', '.join(['B', *sizes])})"
