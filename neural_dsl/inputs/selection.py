"""Which attentions and heads a user asked for. Codes NE130 to NE132."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Network

LISTED = 12
"""Attentions that a message names."""


def select_layers(
    network: Network,
    wanted: str | int | Iterable[str | int] | None,
    heads: Collection[int] = (),
) -> list[str]:
    """The attention names that were asked for, in the model's order; all without any.

    A wish is an attention's name, a layer's name (all attentions in it) or an index
    counted from 0; a single one need not stand in a list. Raises NE130 with what exists,
    NE131 unless every chosen attention has all these heads, NE132 where there is none.
    """
    sizes = {name: inside.num_heads for name, _, inside in network.attentions()}
    if not sizes:
        message = f"the network `{network.name}` has no attention to show"
        help = (
            "attention lives in MultiHeadAttention, TransformerEncoder and "
            "TransformerDecoder; without --attention, `neural visualize` draws the "
            "architecture"
        )
        raise refusal("NE132", message, help=help)
    names, asked, chosen = list(sizes), wishes(wanted), set[str]()
    for wish in asked:
        word = str(wish).strip()
        found = [name for name, layer, _ in network.attentions() if layer.name == word]
        if word in names:
            found = [word]
        elif not found and word.isascii() and word.isdigit() and len(word) < 9:
            found = names[int(word) : int(word) + 1]
        if not found:
            entries = [
                f"{index} `{name}` ({count} head{'s' if count != 1 else ''})"
                for index, (name, count) in enumerate(sizes.items())
            ]
            if len(entries) > LISTED:
                entries[LISTED - 1 : -1] = ["…"]
            close = get_close_matches(str(wish), names, n=1)
            help = f"did you mean `{close[0]}`? " if close else ""
            help += f"there are: {', '.join(entries)}"
            message = f"there is no attention layer {quoted(str(wish))}"
            raise refusal("NE130", message, help=help)
        chosen.update(found)
    layers = [name for name in names if not asked or name in chosen]
    for name in layers:
        for head in heads:
            if not 0 <= head < sizes[name]:
                last = sizes[name] - 1
                help = "it has " + (f"heads 0 to {last}" if last else "only head 0")
                if len(layers) > 1:
                    help += "; choose other layers with --layer"
                raise refusal("NE131", f"`{name}` has no head {head}", help=help)
    return layers


def wishes(wanted: Any) -> list[Any]:
    """One wish, or several, as a list; None for none."""
    if wanted is None:
        return []
    several = isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes))
    return list(wanted) if several else [wanted]
