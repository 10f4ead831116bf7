"""Writes one whole file: which classes it needs, in which order, and the model itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.tensors import Mask
from neural_dsl.codegen.blocks import block_class
from neural_dsl.codegen.emit import Flow, ScopeWriter, shape_comment, statements
from neural_dsl.codegen.environment import BackendTemplates
from neural_dsl.codegen.imports import imported_names
from neural_dsl.codegen.names import Names, pascal_case
from neural_dsl.codegen.operations import Operations
from neural_dsl.codegen.plan import Planner, inputs_read, masks_read
from neural_dsl.codegen.uses import LayerClass, Uses, attention_use, layer_use
from neural_dsl.graph.nodes import Branches, Layer, Network

_SHOWN = {"softmax": "probabilities", "sigmoid": "probabilities"}
_SHOWN_AS = {
    "softmax": ", softmax makes them probabilities",
    "sigmoid": ", a sigmoid makes them probabilities",
}


class ModuleWriter:
    """Everything about one emitted file that its scopes share."""

    def __init__(self, network: Network, backend: str):
        self.network = network
        self.templates = BackendTemplates(backend)
        structure = self.templates.structure
        self.inline: bool = structure.inline
        self.names_members: bool = structure.names_members
        self.reserved: frozenset[str] = frozenset(structure.reserved.split())
        taken = [*structure.taken.split(), *imported_names(structure.imports)]
        self.names = Names([*taken, *_names_of_training(network)])
        self.layers = list(network.layers())
        self.class_of: dict[int, LayerClass] = {}
        self.shared: dict[str, Uses] = {}
        self.layer_classes = self._layer_classes()
        name = pascal_case(network.name)
        # `network Copy` with `task: Copy` makes a CopyModel.
        name += "Model" if name in self.names.taken else ""
        self.name = self.names.unique(name, separator="")
        self.planner = Planner(self.reserved, self.names)
        self.steps = self.planner.plan(network.body, top=True)
        self.operations = Operations(self.steps, structure.automatic.split())

    # --- classes for layers ---------------------------------------------------------

    def _layer_classes(self) -> list[tuple[str, LayerClass]]:
        """One class a variant of each kind of layer that needs one; shared parts too."""
        kinds: dict[str, list[Layer]] = {}
        for layer in self.layers:
            kinds.setdefault(layer.spec.snake_name, []).append(layer)
        required: dict[str, list[Layer]] = {}
        found: list[tuple[str, LayerClass]] = []
        for kind, layers in kinds.items():
            templates = self.templates.layer(kind)
            for part in getattr(templates, "requires", ()):
                required.setdefault(part, []).extend(layers)
            if hasattr(templates, "define"):
                found.extend((kind, cls) for cls in self._variants(kind, layers))
        for part, layers in required.items():
            self.shared[part] = Uses(_part_uses(part, layers))
        return found

    def _variants(self, kind: str, layers: list[Layer]) -> Iterator[LayerClass]:
        templates = self.templates.layer(kind)
        variants: dict[str, list[Layer]] = {}
        for layer in layers:
            named = hasattr(templates, "variant")
            variant = str(templates.variant(layer)).strip() if named else ""
            variants.setdefault(variant, []).append(layer)
        for variant, members in variants.items():
            prefix = variant if len(variants) > 1 else ""
            name = self.names.unique(prefix + layers[0].type, separator="")
            cls = LayerClass(name, variant, Uses(layer_use(m) for m in members))
            self.class_of.update((id(member), cls) for member in members)
            yield cls

    def class_texts(self) -> Iterator[str]:
        """The helper classes in dependency order: shared parts, layers, blocks."""
        for part in sorted(self.shared):
            yield str(self.templates.part(part).define(self.shared[part]))
        for kind, cls in self.layer_classes:
            yield str(self.templates.layer(kind).define(cls, self.shared))
        for block in self.planner.classes.values():
            yield block_class(self, block)

    # --- the model ------------------------------------------------------------------

    def model(self) -> SimpleNamespace:
        """What the skeleton template needs to know of the model itself."""
        inputs, masks_needed = self.network.inputs, masks_read(self.network.body)
        variables = Names(self.reserved_variables())
        parameters = {i.name: variables.unique(self._input_name(i)) for i in inputs}
        kept = {parameters[name] for name in self._read_again()}
        home = variables.unique("x") if "x" in kept else "x"
        variables.taken.add(home)
        masks = self._mask_names(masks_needed, variables)
        scope = ScopeWriter(
            self, self.inline, variables, masks, inputs=dict(parameters), kept=kept
        )
        for mask in masks:
            scope._assign(
                Flow(write=masks[mask]), self._mask(mask, masks, parameters), None
            )
            scope.lines[-1].comment = "(B, T): True where a position is valid"
        names = list(parameters.values())
        flow = Flow(write=home, home=home)
        if len(names) == 1:
            flow.read = names[0]
        else:
            flow.streams = names
        scope.steps(self.steps, flow)
        has_head = bool(self.layers) and self.layers[-1].type == "Output"
        result = "logits" if has_head else "outputs"
        activation, shape = self.network.output_activation, self.network.output.shape
        if has_head and scope.lines:
            scope.lines[-1].comment += f": {result}{_SHOWN_AS.get(activation, '')}"
        return SimpleNamespace(
            name=self.name,
            doc=f"{self._inputs_in_words()} to {result} {shape_comment(self.network.output)}.",
            members=scope.members,
            lines=statements(scope, flow, result if self.inline else "return"),
            inputs=[
                (name, declared, self.operations.input(declared.name))
                for name, declared in zip(names, inputs, strict=True)
            ],
            kept=variables.unique(
                "model_inputs" if "inputs" in variables.taken else "inputs"
            ),
            rebinds=any(line.target in names for line in scope.lines),
            example_length=min([16, *self._position_limits()]),
            result=result,
            activation=activation,
            shown=_SHOWN.get(activation, result),
            is_short=len(shape) == 1 and (shape[0] or 99) <= 20,
        )

    def _read_again(self) -> Iterator[str]:
        """The inputs that more than one step reads: code must not write over them."""
        read = Counter(inputs_read(self.network.body))
        first = self.network.body[0] if self.network.body else None
        if not isinstance(first, Branches) or any(
            branch.input is None for branch in first.branches
        ):  # the first step takes what no branch names
            read.update(declared.name for declared in self.network.inputs)
        return (name for name, times in read.items() if times > 1)

    def _position_limits(self) -> list[int]:
        """How many positions the encodings know; no example may be longer."""
        return [
            layer.params["max_len"]
            for layer in self.layers
            if "max_len" in layer.params
        ]

    def _inputs_in_words(self) -> str:
        """`Float input (B, 50, 256)`, `Token ids source (B, T), target (B, T)`."""
        inputs = self.network.inputs
        if len(inputs) == 1:
            kind = "Token ids" if inputs[0].tensor.dtype == "ids" else "Float input"
            return f"{kind} {shape_comment(inputs[0].tensor)}"
        return "Inputs " + ", ".join(
            f"{i.name} {shape_comment(i.tensor)}" for i in inputs
        )

    def reserved_variables(self) -> set[str]:
        """What the file defines and imports: no variable of the model may hide it."""
        return {"self", *self.names.taken}

    def _input_name(self, declared: Any) -> str:
        if len(self.network.inputs) == 1 and declared.name == "input":
            ids = declared.tensor.dtype == "ids"
            return "tokens" if ids else str(self.templates.structure.input_variable)
        return str(declared.name)

    def _mask_names(self, masks: list[Mask], variables: Names) -> dict[Mask, str]:
        """Variables for the masks that are read, those that they are made of first."""
        named: dict[Mask, str] = {}

        def add(mask: Mask) -> None:
            for part in mask.parts:
                add(part)
            if mask not in named:
                name = {"input": f"{mask.input}_mask", "ones": "unmasked"}
                wanted = name.get(mask.operation, "mask")
                if len(self.network.inputs) == 1 and mask.operation == "input":
                    wanted = "mask"
                named[mask] = variables.unique(wanted)

        for mask in masks:
            add(mask)
        return named

    def _mask(
        self, mask: Mask, named: dict[Mask, str], parameters: dict[str, str]
    ) -> str:
        structure = self.templates.structure
        parts = [named[part] for part in mask.parts]
        if mask.operation == "input":
            return str(structure.input_mask(parameters[mask.input])).strip()
        if mask.operation == "ones":
            first = self.network.inputs[0]
            rank = 1 + len(first.tensor.shape)
            name = parameters[first.name]
            return str(structure.ones_mask(name, rank, mask.length)).strip()
        if mask.operation == "all":
            return str(structure.all_masks(parts)).strip()
        name = self.operations.mask(named[mask])
        return str(structure.concat_masks(parts, name)).strip()


def _names_of_training(network: Network) -> set[str]:
    """What a file that trains defines beside the model."""
    own = {"Schedule", "Steps", "SGD", "RMSprop", "ACCUMULATION"}
    if network.task is None:
        said = network.loss, network.optimizer, network.lr_schedule, network.train
        return own if any(said) else set()
    from neural_dsl.codegen.task_source import data_part

    task = data_part(network)
    found = re.findall(r"^(?:class |def )?(\w+)(?= ?[:=(])", task.code, re.M)
    imported = imported_names("\n".join(task.imports))
    return {*found, *imported, *own, "Step", "Training", "PATIENCE"}


def _part_uses(part: str, layers: list[Layer]) -> Iterator[SimpleNamespace]:
    """Attention is described attention by attention; other parts layer by layer."""
    for layer in layers:
        if part == "attention":
            for attention in layer.attentions:
                yield attention_use(layer, attention)
        else:
            yield layer_use(layer)
