"""Layers of one line: what a row of `templates/<backend>/layers.py.j2` says, as code.

A constructor is written as `nn.Linear(d_in, units, bias=use_bias?)`. A word stands for
the layer's parameter of that name (`d_in`: the features of its input), behind `=` for a
named argument; with `?` the argument is named, and left out at the parameter's default;
`1-momentum` is what is left of a share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from neural_dsl.codegen.environment import arguments, complement, environment
from neural_dsl.codegen.uses import View

_ARGUMENT = re.compile(r"(?:(\w+)=)?(1-)?(\w+)(\?)?")


class Row:
    """One row: offers what a template file of a layer offers.

    - `make`: the constructor; `masked`: the one for a layer that reads a mask;
    - `call`: a Jinja text with `f` (what was made), `x`, `xs` (several inputs), `p`
      (parameters), `mask` and `layout`; by default `f(x)`, or `f(x, mask)`;
    - `activation`: the parameter that names a function applied to the result;
    - `layout`: see `codegen.axes`; `starts`: the weights' start that `init_weights` has
      a branch for; `needs`: names for `codegen.needs`.
    """

    requires: tuple[str, ...] = ()

    def __init__(self, data: Mapping[str, Any], apply: Any):
        self.data = data
        self.apply = apply
        self.needs: tuple[str, ...] = tuple(data.get("needs", ()))
        if "starts" in data:
            self.needs += ("init_weights", data["starts"])

    def layout(self, layer: Any) -> str:
        """In which order of axes the layer reads and writes."""
        return str(self.data.get("layout", "last"))

    def make(self, view: View) -> str:
        """The constructor's call; empty if nothing is made."""
        text = self.data.get("masked" if view.mask else "make") or self.data.get("make")
        if text is None:
            return ""
        function, _, inside = text.partition("(")
        given = [*self._arguments(inside.removesuffix(")"), view)]
        if view.name:
            given.append(f"name={view.name}")
        return f"{function}({arguments(given)})"

    def _arguments(self, inside: str, view: View) -> Iterator[str]:
        defaults = {p.name: p.default for p in view.layer.spec.parameters}
        for part in filter(None, inside.split(", ")):
            found = _ARGUMENT.fullmatch(part)
            assert found is not None, part
            named, rest, name, optional = found.groups()
            value = view.d_in if name == "d_in" else view.p[name]
            if optional:
                named = named or name
                if value == defaults[name]:
                    continue
            text = complement(value) if rest else _literal(value)
            yield f"{named}={text}" if named else text

    def call(self, view: View, f: str, x: Any) -> str:
        """The expression for the result."""
        text = self.data.get("call")
        if text is None:
            several = f"[{', '.join(x)}]" if isinstance(x, list) else x
            result = f"{f}({arguments([several, view.mask])})" if f else several
        else:
            values = {"f": f, "x": x, "xs": x, "p": view.p, "mask": view.mask}
            template = environment().from_string(text)
            result = template.render(values, layout=view.layout, rank=view.rank)
        name = self.data.get("activation")
        return str(self.apply(view.p[name], result)).strip() if name else result


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
