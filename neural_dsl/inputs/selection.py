"""Which attentions and heads a user asked for. Codes NE130 to NE132."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Network


def attention_heads(network: Network) -> dict[str, int]:
    """Every attention's name and number of heads, in the order that `--layer` counts.

    Raises NE132 when there is none.
    """
    found = {name: inside.num_heads for name, _, inside in network.attentions()}
    if not found:
        raise refusal(
            "NE132",
            f"the network `{network.name}` has no attention to show",
            help="attention lives in MultiHeadAttention, TransformerEncoder and "
            "TransformerDecoder; without --attention, `neural visualize` draws the "
            "architecture",
        )
    return found


def select_layers(
    network: Network, wanted: str | int | Iterable[str | int] | None
) -> list[str]:
    """The attention names that were asked for, in the model's order; all without any.

    A wish is an attention's name, a layer's name (all attentions in it) or an index
    counted from 0; a single one need not stand in a list. Raises NE130 with what exists.
    """
    asked = wishes(wanted)
    heads = attention_heads(network)
    names = list(heads)
    chosen: set[str] = set()
    for wish in asked:
        found = matching(network, names, str(wish).strip())
        if not found:
            close = get_close_matches(str(wish), names, n=1)
            meant = f"did you mean `{close[0]}`? " if close else ""
            message = f"there is no attention layer {quoted(str(wish))}"
            raise refusal("NE130", message, help=f"{meant}there are: {listing(heads)}")
        chosen.update(found)
    return [name for name in names if not asked or name in chosen]


def wishes(wanted: Any) -> list[Any]:
    """One wish, or several, as a list; None for none."""
    if wanted is None:
        return []
    several = isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes))
    return list(wanted) if several else [wanted]


def matching(network: Network, names: list[str], wish: str) -> list[str]:
    """The attentions that one wish names."""
    if wish in names:
        return [wish]
    of_layer = [name for name, layer, _ in network.attentions() if layer.name == wish]
    if of_layer:
        return of_layer
    if wish.isascii() and wish.isdigit() and len(wish) < 9 and int(wish) < len(names):
        return [names[int(wish)]]
    return []


def listing(heads: dict[str, int], shown: int = 12) -> str:
    """`0 transformer_encoder_0 (8 heads), …`, cut short in the middle when long."""
    entries = [
        f"{index} `{name}` ({count} head{'s' if count != 1 else ''})"
        for index, (name, count) in enumerate(heads.items())
    ]
    if len(entries) > shown:
        entries = [*entries[: shown - 1], "…", entries[-1]]
    return ", ".join(entries)


def select_heads(
    network: Network, layers: Sequence[str], wanted: Sequence[int]
) -> list[int]:
    """The heads that were asked for, sorted, each once.

    Raises NE131 unless every chosen layer has them all.
    """
    heads = attention_heads(network)
    for name in layers:
        for head in wanted:
            if not 0 <= head < heads[name]:
                last = heads[name] - 1
                help = "it has " + (f"heads 0 to {last}" if last else "only head 0")
                if len(layers) > 1:
                    help += "; choose other layers with --layer"
                raise refusal("NE131", f"`{name}` has no head {head}", help=help)
    return sorted(set(wanted))
