"""The model graph as text, for `neural compile --emit ir` and for golden cases.

One line a node, indented by structure; the same network always gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from neural_dsl.catalogue.shapes import show
from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.graph import nodes


def dump(network: nodes.Network) -> str:
    """The whole graph: inputs, layers with shapes, weights and attentions, settings."""
    inner = "".join(f"  {line}\n" for line in _network(network))
    return f"network {network.name}\n{inner}"


def _network(network: nodes.Network) -> Iterator[str]:
    if network.task is not None:
        yield f"task {_value(network.task)}"
    for each in network.inputs:
        bound = "" if each.vocabulary is None else f" vocabulary={each.vocabulary}"
        yield f"input {each.name}: {_tensor(each.tensor)}{bound}"
    for node in network.body:
        yield from _node(node)
    yield f"output {_tensor(network.output)} activation={network.output_activation}"
    yield f"parameters {network.parameter_count}"
    for name in ("loss", "optimizer", "lr_schedule"):
        if getattr(network, name) is not None:
            yield f"{name} {_value(getattr(network, name))}"
    for metric in network.metrics:
        yield f"metric {_value(metric)}"
    for name in ("train", "execution"):
        for key, value in getattr(network, name).items():
            yield f"{name} {key}={_value(value)}"
    for found in network.search:
        chosen = f"chosen={_value(found.chosen)}"
        yield f"search {found.place} {found.kind}({_params(found.arguments)}) {chosen}"


def _node(node: nodes.Node) -> Iterator[str]:
    ends, titles = "", list[str]()
    if isinstance(node, nodes.Layer | nodes.MacroUse | nodes.Residual):
        ends = f"{', '.join(map(_tensor, node.inputs))} -> {_tensor(node.output)}"
    match node:
        case nodes.Layer():
            yield f"{node.type} {node.name}({_params(node.params)}): {ends}"
            for weight in node.weights:
                frozen = "" if weight.trainable else " not trained"
                yield f"  weight {weight.name} {show(weight.shape)}{frozen}"
            for each in node.attentions:
                name = node.attention_name(each)
                yield f"  attention {name} {each.kind} heads={each.num_heads}"
        case nodes.MacroUse():
            yield f"macro {node.macro}: {ends}"
        case nodes.Residual():
            yield f"residual {node.name}: {ends}"
        case nodes.Repeat(copies=copies):
            yield f"repeat {len(copies)}"
            titles = [f"copy {number}" for number in range(len(copies))]
        case nodes.Branches(branches=branches):
            yield "branches"
            for branch in branches:
                read = "the tensor before" if branch.input is None else branch.input
                title = f"branch {branch.name} reads {read}: {_tensor(branch.output)}"
                titles.append(title)
    for number, row in enumerate(node.rows):
        if titles:
            yield f"  {titles[number]}"
        for inner in row:
            for line in _node(inner):
                yield f"{'    ' if titles else '  '}{line}"


def _tensor(tensor: Tensor) -> str:
    mask = "" if tensor.mask is None else f" mask={_mask(tensor.mask)}"
    return f"{tensor.dtype} {show(tensor.shape)}{mask}"


def _mask(mask: Mask) -> str:
    if mask.operation == "input":
        return mask.input
    ones = mask.operation == "ones"
    inside = str(mask.length) if ones else ", ".join(map(_mask, mask.parts))
    return f"{mask.operation}({inside})"


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in params.items())


def _value(value: Any) -> str:
    if isinstance(value, nodes.Setting):
        return f"{value.name}({_params(value.params)})"
    text = isinstance(value, str)
    return json.dumps(value, ensure_ascii=False) if text else repr(value)
