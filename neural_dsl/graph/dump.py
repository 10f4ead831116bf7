"""The model graph as text, for `neural compile --emit ir` and for golden cases.

One line a node, indented by structure; the same network always gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from neural_dsl.catalogue.shapes import show
from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.graph.nodes import (
    Branch,
    Branches,
    Input,
    Layer,
    MacroUse,
    Network,
    Node,
    Repeat,
    Residual,
    SearchValue,
    Setting,
)

INDENT = "  "


def dump(network: Network) -> str:
    """The whole graph: inputs, layers with shapes, weights and attentions, settings."""
    return "\n".join(_network(network)) + "\n"


def _network(network: Network) -> Iterator[str]:
    yield f"network {network.name}"
    if network.task is not None:
        yield f"{INDENT}task {_setting(network.task)}"
    for each in network.inputs:
        yield INDENT + _input(each)
    for node in network.body:
        yield from (INDENT + line for line in _node(node))
    yield f"{INDENT}output {_tensor(network.output)} activation={network.output_activation}"
    yield f"{INDENT}parameters {network.parameter_count}"
    for name in ("loss", "optimizer", "lr_schedule"):
        setting = getattr(network, name)
        if setting is not None:
            yield f"{INDENT}{name} {_setting(setting)}"
    for metric in network.metrics:
        yield f"{INDENT}metric {_setting(metric)}"
    for name in ("train", "execution"):
        for key, value in getattr(network, name).items():
            yield f"{INDENT}{name} {key}={_value(value)}"
    for found in network.search:
        yield INDENT + _search(found)


def _input(each: Input) -> str:
    bound = f" vocabulary={each.vocabulary}" if each.vocabulary is not None else ""
    return f"input {each.name}: {_tensor(each.tensor)}{bound}"


def _node(node: Node) -> Iterator[str]:
    if isinstance(node, Layer):
        yield from _layer(node)
        return
    heading, titles = _headings(node)
    yield heading
    for title, row in zip(titles, node.rows, strict=True):
        margin = INDENT * 2 if title else INDENT
        if title:
            yield INDENT + title
        for inner in row:
            yield from (margin + line for line in _node(inner))


def _headings(node: MacroUse | Residual | Repeat | Branches) -> tuple[str, list[str]]:
    """The line of a node, and a line for each of its rows ("" for a lone body)."""
    match node:
        case MacroUse():
            return f"macro {node.macro}: {_ends(node)}", [""]
        case Residual():
            return f"residual {node.name}: {_ends(node)}", [""]
        case Repeat(copies=copies):
            return f"repeat {len(copies)}", [f"copy {n}" for n in range(len(copies))]
        case Branches(branches=branches):
            return "branches", [_branch(branch) for branch in branches]


def _branch(branch: Branch) -> str:
    source = "the tensor before" if branch.input is None else branch.input
    return f"branch {branch.name} reads {source}: {_tensor(branch.output)}"


def _layer(layer: Layer) -> Iterator[str]:
    yield f"{layer.type} {layer.name}({_params(layer.params)}): {_ends(layer)}"
    for weight in layer.weights:
        frozen = "" if weight.trainable else " not trained"
        yield f"{INDENT}weight {weight.name} {show(weight.shape)}{frozen}"
    for attention in layer.attentions:
        name = layer.attention_name(attention)
        yield f"{INDENT}attention {name} {attention.kind} heads={attention.num_heads}"


def _ends(node: Layer | MacroUse | Residual) -> str:
    inputs = ", ".join(_tensor(tensor) for tensor in node.inputs)
    return f"{inputs} -> {_tensor(node.output)}"


def _tensor(tensor: Tensor) -> str:
    mask = f" mask={_mask(tensor.mask)}" if tensor.mask is not None else ""
    return f"{tensor.dtype} {show(tensor.shape)}{mask}"


def _mask(mask: Mask) -> str:
    if mask.operation == "input":
        return mask.input
    if mask.operation == "ones":
        return f"ones({mask.length})"
    return f"{mask.operation}({', '.join(_mask(part) for part in mask.parts)})"


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in params.items())


def _setting(setting: Setting) -> str:
    return f"{setting.name}({_params(setting.params)})"


def _value(value: Any) -> str:
    if isinstance(value, Setting):
        return _setting(value)
    text = isinstance(value, str)
    return json.dumps(value, ensure_ascii=False) if text else repr(value)


def _search(found: SearchValue) -> str:
    values = f"{_params(found.arguments)}) chosen={_value(found.chosen)}"
    return f"search {found.place} {found.kind}({values}"
