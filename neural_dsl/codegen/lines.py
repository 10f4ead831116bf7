"""A line of a scope, and what a variable holds."""

from __future__ import annotations

from dataclasses import dataclass

from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.codegen.environment import Symbol


@dataclass
class Line:
    """`target = expression  # comment`, or any other statement when target is empty."""

    depth: int
    target: str
    expression: str
    comment: str = ""

    def __str__(self) -> str:
        code = f"{self.target} = {self.expression}" if self.target else self.expression
        comment = f"  # {self.comment}" if self.comment else ""
        return "    " * self.depth + code + comment


@dataclass
class Held:
    """What stands in a variable.

    `layout` is the order of its axes: that of the language, features last, unless a layer
    wrote it with its channels behind the batch ("first"). A layer says which order it
    reads; axes are permuted only where the next layer wants another. `width` is the
    parameter of the constructor that is its number of features.
    """

    tensor: Tensor | None = None
    layout: str = "last"
    width: Symbol | None = None


def shape_comment(
    tensor: Tensor, layout: str = "last", width: Symbol | None = None
) -> str:
    """`(B, 50, 256)`; an axis of any length is T. `width` is the last size's name."""
    sizes = ["T" if size is None else str(size) for size in tensor.shape]
    if width is not None:
        sizes[-1] = width.name
    if layout == "first":
        sizes = [sizes[-1], *sizes[:-1]]
    return f"({', '.join(['B', *sizes])})"
