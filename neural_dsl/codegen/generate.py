"""From the model graph to one Python file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.spec import REQUIRED
from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.codegen.environment import prose
from neural_dsl.codegen.imports import import_blocks
from neural_dsl.codegen.layout import lay_out
from neural_dsl.codegen.module import ModuleWriter
from neural_dsl.codegen.paths import layer_paths
from neural_dsl.codegen.task_source import TaskSource, data_part, refuse_taken_names
from neural_dsl.diagnostics import NeuralError
from neural_dsl.graph.nodes import Branches, Layer, MacroUse, Network, Node, Repeat
from neural_dsl.rules.unsupported import training_problems


@dataclass(frozen=True)
class CompiledModel:
    """An emitted file and what is needed to find one's way in it.

    - `code`: the text of the file. PyTorch: a class named `entry`, made without
      arguments, whose `forward` takes the inputs in the network's order. TensorFlow: a
      function named `entry` (`build_model`) that returns a functional `keras.Model`
      which takes a tensor, or a list of tensors when there are several inputs.
    - `paths`: canonical layer name -> attribute path in the live model, dots between,
      list indices as numbers ("blocks.2.dense"). PyTorch: below the model, as
      `get_submodule` reads it. TensorFlow: the first part is the name that
      `model.get_layer` takes, the rest are attributes and indices. Only layers that own
      weights or an attention stand here.
    """

    network: Network
    backend: str
    code: str
    entry: str
    paths: Mapping[str, str]


def generate(network: Network, backend: str, file_name: str) -> CompiledModel:
    """Write the file. `file_name` is what its docstring says to run.

    Raises NeuralError (NE059) for a training that this backend's scripts cannot do.
    """
    problems = training_problems(network, backend)
    if problems:
        raise NeuralError(*problems)
    writer = ModuleWriter(network, backend)
    templates: Any = writer.templates.file("model").module
    classes = list(writer.class_texts())
    model = writer.model()
    body = "\n".join([*classes, *model.members, *model.lines])
    initialiser = str(templates.initialiser(body))
    model.initialised = bool(initialiser.strip())
    parts = [str(templates.helpers(body)), *classes, initialiser]
    parts.append(str(templates.define(model)))
    code = "\n\n".join(part.strip("\n") + "\n" for part in parts if part.strip())
    paths = layer_paths(writer)
    task, code, run = _with_training(writer, model, code, paths)
    structure = writer.templates.structure
    standard, packages = import_blocks(
        [*structure.imports.splitlines(), *(task.imports if task else ())],
        f"{structure.always}\n{code}\n{run}",
        task.own if task else "",
    )
    if task and task.postponed:
        standard = f"from __future__ import annotations\n\n{standard}".rstrip()
    text = writer.templates.file("module").render(
        name=writer.name,
        source=_base_name(network.source.name),
        journey=journey(network),
        file_name=file_name,
        standard_imports=standard,
        package_imports=packages,
        code=code,
        trains=network.task is not None,
        constants=code.lstrip("\n")[:1].isupper(),
        reads=files_read(network),
        run=run.strip("\n").split("\n"),
    )
    entry = str(writer.templates.structure.entry(writer.name)).strip()
    if not (task and task.own):
        return CompiledModel(network, backend, lay_out(text), entry, paths)
    before, own, after = text.partition(task.own)
    before, after = lay_out(before), lay_out(after)
    refuse_taken_names(network, task, before + after)
    return CompiledModel(network, backend, before + own + after, entry, paths)


def _with_training(
    writer: ModuleWriter, model: SimpleNamespace, code: str, paths: Mapping[str, str]
) -> tuple[TaskSource | None, str, str]:
    """The task, the code below the imports, and what a run of the file does.

    With a task the file trains: constants and the task come first, the training last.
    """
    # Only files that say how they learn need what describes trainings.
    from neural_dsl.codegen.training import fit_plan, training_plan

    network = writer.network
    if network.task is None:
        templates: Any = writer.templates.file("model").module
        fit = fit_plan(network, writer.templates.backend, paths)
        if fit is not None:
            fit_templates: Any = writer.templates.file("fit").module
            parts = [fit_templates.constants(fit), code, fit_templates.define(fit)]
            texts = [str(part).strip("\n") + "\n" for part in parts]
            code = "\n\n".join(text for text in texts if text.strip())
        return None, code, str(templates.forward(model))
    plan = training_plan(network, paths)
    plan.model = writer.name
    training: Any = writer.templates.file("training").module
    task = data_part(network)
    parts = [
        str(training.constants(plan)),
        f"# --- data\n\n{task.code}",
        f"# --- model\n\n\n{code}",
        f"# --- training\n\n\n{training.define(plan)}",
    ]
    body = "\n\n".join(part.strip("\n") + "\n" for part in parts)
    return task, body, "main()"


def files_read(network: Network) -> list[str]:
    """The files that a training reads: the user's own task is not one, but a part of it."""
    task = network.task
    if task is None or task.name == "Custom":
        return []
    return [task.params[name] for name in task_spec(task.name).files(task.params)]


def journey(network: Network) -> str:
    """The model in one line, wrapped: `input (50, 256) -> Dense(64) -> Output(5)`."""
    inputs = ", ".join(
        f"{i.name} ({', '.join(map(str, i.tensor.shape))})" for i in network.inputs
    )
    stops = [inputs, *_stops(network.body)]
    if len(stops) > 14:
        stops = [*stops[:8], "…", *stops[-4:]]
    return textwrap.fill(
        prose(" -> ".join(stops)),
        width=84,
        initial_indent="    ",
        subsequent_indent="        ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _stops(nodes: tuple[Node, ...]) -> Iterator[str]:
    """The stations of a path, equal neighbours counted."""
    for label, run in groupby(label for node in nodes for label in _labels(node)):
        count = len(list(run))
        yield f"{count} x {label}" if count > 1 else label


def _labels(node: Node) -> Iterator[str]:
    match node:
        case Layer():
            yield _label(node)
        case MacroUse(macro=macro):
            yield macro
        case Repeat(copies=copies):
            for copy in copies:
                for inner in copy:
                    yield from _labels(inner)
        case Branches(branches=branches):
            paths = (" -> ".join((b.name, *_stops(b.body))) for b in branches)
            yield f"[{'; '.join(paths)}]"
        case _:
            yield f"x + ({' -> '.join(_stops(node.body))})"


def _label(layer: Layer) -> str:
    """`Dense(64)`: the type, with its first parameter if that must be given."""
    parameters = layer.spec.parameters
    if parameters and parameters[0].default is REQUIRED:
        return f"{layer.type}({layer.params[parameters[0].name]})"
    return layer.type


def _base_name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]
