"""What the scopes of one emitted file share: templates, names, classes, layers' names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from neural_dsl.codegen.imports import imported_names
from neural_dsl.codegen.names import Names, pascal_case
from neural_dsl.codegen.operations import Operations
from neural_dsl.codegen.plan import Planner
from neural_dsl.codegen.templates import BackendTemplates, LayerFile
from neural_dsl.codegen.uses import LayerClass, Parts, Uses, View, layer_use
from neural_dsl.graph.nodes import Layer, Network


class Context:
    """Everything about one emitted file that its scopes share.

    `taken` are names that other parts of the file define. The steps of the model's own
    scope, and its block classes (`planner.classes`), are planned here.
    """

    def __init__(self, network: Network, backend: str, taken: set[str]):
        self.network = network
        self.templates = BackendTemplates(backend)
        structure = self.structure = self.templates.structure
        self.inline: bool = structure.inline
        self.names_members: bool = structure.names_members
        self.reserved = frozenset(structure.reserved.split())
        imported = imported_names("\n".join(structure.imports.values()))
        self.names = Names([*structure.taken.split(), *imported, *taken])
        self.layers = list(network.layers())
        self._class_of: dict[int, LayerClass] = {}
        needed: dict[str, list[Layer]] = {}
        self.layer_classes = list(self._layer_classes(needed))
        self.parts = Parts(needed)
        name = pascal_case(network.name)
        # `network Copy` with `task: Copy` makes a CopyModel.
        name += "Model" if name in self.names.taken else ""
        self.name = self.names.unique(name, separator="")
        self.planner = Planner(self.reserved, self.names)
        self.steps = self.planner.plan(network.body, top=True)

    @cached_property
    def operations(self) -> Operations:
        """The names that Keras knows the steps by."""
        return Operations(self.steps, self.structure.automatic.split())

    def _layer_classes(
        self, needed: dict[str, list[Layer]]
    ) -> Iterator[tuple[LayerFile, LayerClass]]:
        """One class for each variant of a kind of layer that has one. `needed` gets the
        layers that are made of shared parts."""
        kinds: dict[str, dict[str, list[Layer]]] = {}
        for layer in self.layers:
            template = self.templates.layer(layer)
            for part in template.parts:
                needed.setdefault(part, []).append(layer)
            if isinstance(template, LayerFile) and template.has_class:
                variants = kinds.setdefault(layer.type, {})
                variants.setdefault(template.variant(layer), []).append(layer)
        for kind, variants in kinds.items():
            for variant, members in variants.items():
                prefix = variant if len(variants) > 1 else ""
                name = self.names.unique(prefix + kind, separator="")
                cls = LayerClass(name, variant, Uses(layer_use(m) for m in members))
                self._class_of.update((id(member), cls) for member in members)
                template = self.templates.layer(members[0])
                assert isinstance(template, LayerFile)
                yield template, cls

    def view(self, layer: Layer, values: Mapping[str, Any]) -> View:
        """The layer as its template sees it; `values` stand in for its sizes."""
        d_in = values.get("d_in", layer.inputs[0].features)
        d_memory = values.get("d_memory", layer.inputs[-1].features)
        params = {name: values.get(name, given) for name, given in layer.params.items()}
        cls = self._class_of.get(id(layer))
        return View(layer, params, d_in, d_memory, cls, self.parts)

    def reserved_variables(self) -> set[str]:
        """What the file defines and imports: no variable of the model may hide it."""
        return {"self", *self.names.taken}
