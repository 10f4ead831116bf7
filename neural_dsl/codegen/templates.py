"""The templates of one backend: its files, and each layer's row of a table, or file.

A row writes a constructor as `nn.Linear(d_in, units, bias=use_bias?)`. A word stands for
the layer's parameter of that name (`d_in`: the features of its input), behind `=` for a
named argument; with `?` the argument is named, and left out at the parameter's default.
Anything else stands as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Template

from neural_dsl.codegen.environment import Symbol, arguments, environment
from neural_dsl.codegen.imports import need
from neural_dsl.codegen.uses import Uses
from neural_dsl.graph.nodes import Layer

_ARGUMENT = re.compile(r"(?:(\w+)=)?([a-z]\w*)(\?)?")


@dataclass
class View:
    """One layer as its template sees it.

    `p` holds the parameters (a number may be a Symbol, inside a block class); `d_in` and
    `d_memory` are feature sizes; `cls` is its class in the file, if it has one. `name` is
    a Python expression for the layer's name, empty where names are not needed. `mask`,
    `memory` and `memory_mask` are variable names, empty where there is none. `layout` is
    the order of axes of what it is given: "last", or "first" with the channels behind the
    batch.
    """

    layer: Layer
    template: LayerFile
    p: Mapping[str, Any]
    d_in: Any
    d_memory: Any
    cls: Uses | None
    parts: Mapping[str, Uses]
    name: str = ""
    mask: str = ""
    memory: str = ""
    memory_mask: str = ""
    layout: str = "last"

    @property
    def rank(self) -> int:
        """The number of axes of the input, the batch included."""
        return len(self.layer.inputs[0].shape) + 1

    def between(self, width: Symbol | None) -> Symbol | None:
        """The layer reads features that are `width` many, where that has a name; the name
        of how many it writes."""
        if width is not None:
            self.d_in = width
        for name in ("units", "filters", "output_dim"):
            if name in self.p:
                made = self.p[name]
                return made if isinstance(made, Symbol) else None
        kept = self.layer.output.features == self.layer.inputs[0].features
        return width if kept else None


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

    def define(self, cls: Uses, parts: Mapping[str, Uses]) -> str:
        """The text of the class."""
        return str(self._macros.define(cls, parts))

    def layout(self, view: View) -> str:
        """In which order of axes the layer reads and writes, as in `Row`."""
        return self._write("layout", view) or "last"

    def make(self, view: View) -> str:
        """The constructor's call; empty if nothing is made."""
        return self._write("make", view)

    def call(self, view: View, f: str, x: str | list[str]) -> str:
        """The expression for the result."""
        return self._write("call", view, f, x) or f"{f}({x})"

    def _write(self, macro: str, *values: Any) -> str:
        found = getattr(self._macros, macro, None)
        return str(found(*values)).strip() if found else ""


class Row(LayerFile):
    """One row; it offers what the file of a layer offers, but for classes.

    - `make`: the constructor;
    - `call`: a Jinja text with `f` (what was made), `x`, `xs` (several inputs), `p`
      (parameters) and `mask`; by default `f(x)`, with the mask where one is read;
    - `masked`: what differs in a layer that reads a mask;
    - `activation`: the parameter that names a function applied to the result;
    - `layout`: "first" where the layer reads and writes channels behind the batch, "any"
      where it does not care, else "last";
    - `starts`: its class, where `init_weights` has a branch for its weights;
    - `needs`: names for `codegen.imports`.
    """

    def __init__(self, data: Mapping[str, Any], apply: Callable[..., str] | None):
        super().__init__(None)
        self._data = {False: data, True: {**data, **data.get("masked", {})}}
        self.is_call = "call" not in data
        self._apply = apply

    def layout(self, view: View) -> str:
        return str(self._data[False].get("layout", "last"))

    def make(self, view: View) -> str:
        data = self._data[bool(view.mask)]
        need(*data.get("needs", ()))
        if "starts" in data:
            need("init_weights", data["starts"])
        if "make" not in data:
            return ""
        function, _, inside = data["make"].partition("(")
        need(function.partition(".")[0])
        given = [*_arguments(inside.removesuffix(")"), view)]
        if view.name:
            given.append(f"name={view.name}")
        return f"{function}({arguments(given)})"

    def call(self, view: View, f: str, x: str | list[str]) -> str:
        data = self._data[bool(view.mask)]
        if "call" in data:
            values = {"f": f, "x": x, "xs": x, "p": view.p, "mask": view.mask}
            result = _template(data["call"]).render(values)
        else:
            given = f"[{', '.join(x)}]" if isinstance(x, list) else x
            result = f"{f}({arguments([given, view.mask])})" if f else given
        if "activation" in data and self._apply is not None:
            activation = view.p[data["activation"]]
            features_axis = 1 if view.layout == "first" else -1
            applied = str(self._apply(activation, "@", features_axis))
            result = applied.replace("@", result)
        return result.strip()


@cache
def _template(text: str) -> Template:
    return environment().from_string(text)


def _arguments(inside: str, view: View) -> Iterator[str]:
    """The arguments of a constructor for one layer, as they stand in a row."""
    for part in filter(None, inside.split(", ")):
        found = _ARGUMENT.fullmatch(part)
        if found is None:
            yield part
            continue
        named, name, optional = found.groups()
        value = view.d_in if name == "d_in" else view.p[name]
        if optional and value == view.layer.spec.defaults[name]:
            continue
        if optional and named == "bias":
            need("optional bias")
        text = f'"{value}"' if isinstance(value, str) else repr(value)
        yield f"{named or name}={text}" if named or optional else text


class BackendTemplates:
    """The templates of one backend."""

    def __init__(self, backend: str):
        self.backend = backend
        self._layers: dict[str, LayerFile] = {}

    def file(self, name: str) -> Template:
        """The template `templates/<backend>/<name>.py.j2`."""
        return environment().get_template(f"{self.backend}/{name}.py.j2")

    def macros(self, name: str) -> Any:
        """The macros of that file."""
        return self.file(name).module

    def layer(self, layer: Layer) -> LayerFile:
        """How a layer is written: a row of the table, or a file."""
        if layer.type not in self._layers:
            table = self.macros("layers")
            row = table.table.get(layer.type, {"template": layer.spec.snake_name})
            self._layers[layer.type] = (
                LayerFile(self.macros(f"layers/{row['template']}"))
                if "template" in row
                else Row(row, getattr(table, "apply", None))
            )
        return self._layers[layer.type]
