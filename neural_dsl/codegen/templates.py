"""The templates of one backend: its files, and each layer's row or file."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jinja2 import Template

from neural_dsl.codegen.environment import environment
from neural_dsl.codegen.table import Row
from neural_dsl.codegen.uses import View
from neural_dsl.graph.nodes import Layer


class LayerFile:
    """The macros of a layer that has more to write than a line. All but `make` and `call`
    may be missing: `variant`, `define` and `requires` of a layer with a class."""

    is_call = True

    def __init__(self, macros: Any):
        self._macros = macros
        self.parts: tuple[str, ...] = tuple(getattr(macros, "requires", ()))
        self.has_class = hasattr(macros, "define")

    def variant(self, layer: Layer) -> str:
        """Layers of one variant share a class."""
        return self._write("variant", layer)

    def define(self, cls: Any, parts: Any) -> str:
        """The text of the class."""
        return str(self._macros.define(cls, parts))

    def layout(self, view: View) -> str:
        """In which order of axes the layer reads and writes, as in `Row`."""
        return self._write("layout", view) or "last"

    def make(self, view: View) -> str:
        """The constructor's call; empty if nothing is made."""
        return self._write("make", view)

    def call(self, view: View, f: str, x: Any) -> str:
        """The expression for the result."""
        return self._write("call", view, f, x) or f"{f}({x})"

    def _write(self, macro: str, *values: Any) -> str:
        found = getattr(self._macros, macro, None)
        return str(found(*values)).strip() if found else ""


class BackendTemplates:
    """The templates of one backend."""

    def __init__(self, backend: str):
        self.backend = backend
        self._layers: dict[str, Row | LayerFile] = {}

    def file(self, name: str) -> Template:
        """The template `templates/<backend>/<name>.py.j2`."""
        return environment().get_template(f"{self.backend}/{name}.py.j2")

    def macros(self, name: str) -> Any:
        """The macros of that file."""
        return self.file(name).module

    @cached_property
    def structure(self) -> Any:
        """How this backend writes loops, masks and classes."""
        return self.macros("structure")

    def layer(self, layer: Layer) -> Row | LayerFile:
        """How a layer is written: a row of the table, or a file."""
        found = self._layers.get(layer.type)
        if found is None:
            found = self._layers[layer.type] = self._find(layer)
        return found

    def _find(self, layer: Layer) -> Row | LayerFile:
        table = self.macros("layers")
        row = table.table.get(layer.type, {"template": layer.spec.snake_name})
        if "template" in row:
            return LayerFile(self.macros(f"layers/{row['template']}"))
        return Row(row, getattr(table, "apply", None))
