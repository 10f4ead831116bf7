"""Layers of one line: what a row of `templates/<backend>/layers.py.j2` says, as code.

A constructor is written as `nn.Linear(d_in, units, bias=use_bias?)`. A word stands for
the layer's parameter of that name (`d_in`: the features of its input), behind `=` for a
named argument; with `?` the argument is named, and left out at the parameter's default.
Anything else stands as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from neural_dsl.codegen.environment import arguments, environment
from neural_dsl.codegen.needs import need
from neural_dsl.codegen.uses import View

_ARGUMENT = re.compile(r"(?:(\w+)=)?([a-z]\w*)(\?)?")


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
    - `needs`: names for `codegen.needs`.
    """

    parts: tuple[str, ...] = ()
    has_class = False

    def __init__(self, data: Mapping[str, Any], apply: Callable[..., str] | None):
        self.data = data
        self.apply = apply
        self.is_call = "call" not in data

    def layout(self, view: View) -> str:
        """In which order of axes the layer reads and writes."""
        return str(self.data.get("layout", "last"))

    def make(self, view: View) -> str:
        """The constructor's call; empty if nothing is made."""
        data = self._data(view)
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
        data = self._data(view)
        if "call" in data:
            values = {"f": f, "x": x, "xs": x, "p": view.p, "mask": view.mask}
            result = environment().from_string(data["call"]).render(values)
        else:
            given = f"[{', '.join(x)}]" if isinstance(x, list) else x
            result = f"{f}({arguments([given, view.mask])})" if f else given
        if "activation" in data and self.apply is not None:
            result = self.apply(view.p[data["activation"]], result, view.features_axis)
        return str(result).strip()

    def _data(self, view: View) -> Mapping[str, Any]:
        masked = self.data.get("masked", {}) if view.mask else {}
        return {**self.data, **masked}


def _arguments(inside: str, view: View) -> Iterator[str]:
    """The arguments of a constructor for one layer."""
    defaults = {p.name: p.default for p in view.layer.spec.parameters}
    for part in filter(None, inside.split(", ")):
        found = _ARGUMENT.fullmatch(part)
        if found is None:
            yield part
            continue
        named, name, optional = found.groups()
        value = view.d_in if name == "d_in" else view.p[name]
        if optional and value == defaults[name]:
            continue
        if optional and named == "bias":
            need("optional bias")
        text = f'"{value}"' if isinstance(value, str) else repr(value)
        yield f"{named or name}={text}" if named or optional else text
