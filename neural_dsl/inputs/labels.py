"""Token labels where they are true, and what to say where there are none (NW139)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from neural_dsl.diagnostics import Diagnostic
from neural_dsl.graph.nodes import Layer, Network
from neural_dsl.graph.positions import Axis, axes_read, ends
from neural_dsl.source import Span

Items = tuple[tuple[str, ...], ...]


def labels_of(
    axis: Axis, tokens: Mapping[str, Items], lengths: Mapping[str, int]
) -> Items | None:
    """The labels of an axis, one tuple a batch item; None where no token is known, or
    two different ones belong to one position.

    `lengths` are those of the inputs: behind a `Concatenate`, the positions of an input
    without tokens are labelled by their numbers.
    """
    parts = [{tokens[name] for name in part if name in tokens} for part in axis.parts]
    if not any(parts) or any(len(found) > 1 for found in parts):
        return None
    batch = len(next(iter(tokens.values())))
    labels: Items = ((),) * batch
    for part, found in zip(axis.parts, parts, strict=True):
        start = len(labels[0])
        numbers = tuple(map(str, range(start, start + lengths[min(part)])))
        more = next(iter(found), (numbers,) * batch)
        labels = tuple(a + b for a, b in zip(labels, more, strict=True))
    return labels


def lost_labels(
    network: Network, drawn: Collection[str], tokens: Mapping[str, tuple[str, ...]]
) -> list[Diagnostic]:
    """NW139, where the pictures of the attentions `drawn` cannot carry these tokens."""
    given = {name: (words,) for name, words in tokens.items()}
    axes, shown = axes_read(network), set[str]()
    lost: dict[tuple[str, Span, str], dict[str, list[str]]] = {}
    for name, layer, attention in network.attentions():
        sides = zip(("queries", "keys"), ends(attention, axes[layer.name]), strict=True)
        for side, axis in sides if name in drawn else ():
            concerned = axis.inputs & given.keys()
            shown |= concerned
            node, anywhere = axis.node, dict.fromkeys(axis.inputs, 0)
            if node is None or not concerned or labels_of(axis, given, anywhere):
                continue
            title = node.name if isinstance(node, Layer) else "ResidualConnection"
            place = (title, node.span, axis.why)
            lost.setdefault(place, {}).setdefault(name, []).append(side)
    warning = partial(Diagnostic, "NW139", severity="warning")
    found = []
    for (title, span, why), each in lost.items():
        message = (
            f"{_attentions(each)} {'is' if len(each) == 1 else 'are'} drawn without "
            f"tokens, with the numbers of positions: behind `{title}` a position is no "
            "longer that of one token"
        )
        found.append(warning(message, network.source, span, why))
    for name in tokens:
        if name not in shown:
            what = f"the tokens of `{name}` label nothing"
            found.append(
                warning(f"{what}: no attention that is drawn reads this input")
            )
    return found


def _attentions(found: Mapping[str, list[str]], most: int = 3) -> str:
    """`a`, `b` (keys) and 2 more."""
    names = [
        f"`{name}`" if len(sides) == 2 else f"`{name}` ({sides[0]})"
        for name, sides in found.items()
    ]
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
