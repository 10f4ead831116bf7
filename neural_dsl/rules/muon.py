"""Which weights Muon trains: the matrices of hidden layers. AdamW trains the rest."""

from __future__ import annotations

from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Network

NEVER_HIDDEN = ("Embedding", "PositionalEncoding", "Output")


def matrix_ends(network: Network) -> list[Layer]:
    """The layers whose matrices are not hidden: tables of embeddings, and the head."""
    own = [layer for layer in network.layers() if layer.weights]
    has_head = any(layer.type == "Output" for layer in own)
    return [
        layer
        for layer in own
        if layer.type in NEVER_HIDDEN
        or (not has_head and layer is own[-1] and layer.type == "Dense")
    ]


def check_muon(network: Network, findings: Findings) -> None:
    """Report NE074 where Muon would train nothing at all."""
    optimizer = network.optimizer
    if optimizer is None or optimizer.name != "Muon":
        return
    ends = {layer.name for layer in matrix_ends(network)}
    hidden = [layer for layer in network.layers() if layer.name not in ends]
    if any(len(weight.shape) == 2 for layer in hidden for weight in layer.weights):
        return
    message = "`Muon` trains the matrices of hidden layers, and this network has none"
    help = "use `AdamW`, which trains everything else under Muon, too"
    findings.error("NE074", message, optimizer.span, "nothing to train", help)
