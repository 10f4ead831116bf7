"""The templates of one backend: its files, and each layer's row of a table, or file.

A row writes a constructor as `nn.Linear(d_in, units, bias=use_bias?)`. A word stands for
the layer's parameter of that name (`d_in`: the features of its input), behind `=` for a
named argument; with `?` the argument is named, and left out at the parameter's default.
Anything else stands as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from jinja2 import Template

from neural_dsl.codegen.environment import arguments, environment
from neural_dsl.codegen.imports import need
from neural_dsl.codegen.uses import View
from neural_dsl.graph.nodes import Layer

_ARGUMENT = re.compile(r"(?:(\w+)=)?([a-z]\w*)(\?)?")


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


class Row:
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

    parts: tuple[str, ...] = ()
    has_class = False

    def __init__(self, data: Mapping[str, Any], apply: Callable[..., str] | None):
        self.plain = data
        self.masked = {**data, **data.get("masked", {})}
        self.is_call = "call" not in data
        self._apply = cache(apply) if apply else None

    def layout(self, view: View) -> str:
        """In which order of axes the layer reads and writes."""
        return str(self.plain.get("layout", "last"))

    def make(self, view: View) -> str:
        """The constructor's call; empty if nothing is made."""
        data = self.masked if view.mask else self.plain
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
        """The expression for the result."""
        data = self.masked if view.mask else self.plain
        if "call" in data:
            values = {"f": f, "x": x, "xs": x, "p": view.p, "mask": view.mask}
            result = _template(data["call"]).render(values)
        else:
            given = f"[{', '.join(x)}]" if isinstance(x, list) else x
            result = f"{f}({arguments([given, view.mask])})" if f else given
        if "activation" in data and self._apply is not None:
            activation = view.p[data["activation"]]
            applied = str(self._apply(activation, "@", view.features_axis))
            result = applied.replace("@", result)
        return str(result).strip()


@cache
def _template(text: str) -> Template:
    return environment().from_string(text)


@cache
def _parsed(inside: str) -> tuple[tuple[str, re.Match[str] | None], ...]:
    """The arguments between the brackets of a constructor in a row."""
    parts = filter(None, inside.split(", "))
    return tuple((part, _ARGUMENT.fullmatch(part)) for part in parts)


def _arguments(inside: str, view: View) -> Iterator[str]:
    """The arguments of a constructor for one layer."""
    for part, found in _parsed(inside):
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
