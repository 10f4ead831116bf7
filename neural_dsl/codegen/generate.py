"""From the model graph to one Python file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from types import SimpleNamespace
from typing import TYPE_CHECKING

from neural_dsl.catalogue.spec import REQUIRED
from neural_dsl.codegen.environment import filled, prose
from neural_dsl.codegen.imports import (
    Needs,
    collecting,
    import_blocks,
    imported_names,
    need,
)
from neural_dsl.codegen.layout import lay_out
from neural_dsl.codegen.module import class_texts, write_model
from neural_dsl.codegen.operations import layer_paths
from neural_dsl.codegen.plan import Plan
from neural_dsl.diagnostics import NeuralError
from neural_dsl.graph.nodes import Branches, Layer, MacroUse, Network, Node, Repeat
from neural_dsl.rules.common import training_problems

if TYPE_CHECKING:  # only files with a task need it
    from neural_dsl.codegen.task_source import TaskSource


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


def generate(
    network: Network, backend: str, file_name: str, *, spell_out: bool = False
) -> CompiledModel:
    """Write the file. `file_name` is what its docstring says to run; `spell_out` writes
    the arithmetic of attention in the open, in place of the framework's fused kernel.

    Raises NeuralError (NE059) for a training that this backend's scripts cannot do.
    """
    problems = training_problems(network, backend)
    if problems:
        raise NeuralError(*problems)
    task, reads = None, list[str]()
    if network.task is not None:
        from neural_dsl.codegen.task_source import data_part, refuse_taken_names
        from neural_dsl.tasks import task_spec

        task, params = data_part(network), network.task.params
        if not task.own:  # the user's own file is no file to read, but a part of it
            reads = [
                params[name] for name in task_spec(network.task.name).files(params)
            ]
    plan = Plan(network, backend, _names_of_training(network, task))
    with collecting() as needs:
        need(*plan.structure.always)
        code, model = _model_part(plan, spell_out, needs)
        operations = plan.operations if plan.inline else None
        paths = dict(layer_paths(plan.steps, operations))
        before, after, run = _training(plan, model, task, paths)
    imports = plan.structure.imports
    chosen = [imports[name] for name in needs if name in imports]
    standard, packages = import_blocks([*chosen, *(task.imports if task else ())])
    if task and task.postponed:
        standard = f"from __future__ import annotations\n\n{standard}".rstrip()
    text = plan.templates.file("module").render(
        name=plan.name,
        source=network.source.name.replace("\\", "/").rpartition("/")[2],
        journey=journey(network),
        file_name=file_name,
        standard_imports=standard,
        package_imports=packages,
        code=_joined(before, code, after),
        trains=task is not None,
        constants=bool(before),
        reads=reads,
        run=run.strip("\n").split("\n"),
    )
    if task is not None and task.own:
        before, own, after = text.partition(task.own)
        before, after = lay_out(before), lay_out(after)
        refuse_taken_names(network, task, before + after)
        text = before + own + after
    else:
        text = lay_out(text)
    entry = str(plan.structure.entry(plan.name)).strip()
    return CompiledModel(network, backend, text, entry, paths)


def _joined(*parts: str) -> str:
    """The parts that are not empty, two lines apart."""
    return "\n\n".join(part.strip("\n") + "\n" for part in parts if part.strip())


def _model_part(
    plan: Plan, spell_out: bool, needs: Needs
) -> tuple[str, SimpleNamespace]:
    """The helpers, classes and the model; and what the skeleton needs to know of it."""
    classes = list(class_texts(plan, spell_out))
    model = write_model(plan)
    helpers = plan.templates.macros("helpers")
    starts = str(helpers.init_weights(needs)) if "init_weights" in needs else ""
    model.initialised = bool(starts)
    # A helper may need another, which is then written before it.
    written = {"init_weights": ""}
    while missing := [n for n in needs if n not in written and hasattr(helpers, n)]:
        written |= {name: str(getattr(helpers, name)()) for name in missing}
    define = plan.templates.macros("model").define
    return _joined(
        *reversed(written.values()), *classes, starts, str(define(model))
    ), model


def _training(
    plan: Plan,
    model: SimpleNamespace,
    task: TaskSource | None,
    paths: Mapping[str, str],
) -> tuple[str, str, str]:
    """The code before and after the model, and what a run of the file does.

    With a task the file trains: constants and the data come first, the training last.
    Without one it keeps what it says of learning as `fit`.
    """
    network, macros = plan.network, plan.templates.macros
    if task is None:
        fit = None
        if _says_how(network):
            from neural_dsl.codegen.training import fit_plan

            fit = fit_plan(network, plan.templates.backend, paths)
        forward = str(macros("model").forward(model))
        if fit is None:
            return "", "", forward
        written = macros("fit")
        constants = str(written.constants(fit)).strip("\n")
        return constants, str(written.define(fit)), forward
    from neural_dsl.codegen.training import training_plan

    told, training = training_plan(network, paths), macros("training")
    told.model = plan.name
    data = f"# --- data\n\n{task.code}"
    before = _joined(str(training.constants(told)), data, "# --- model")
    after = f"# --- training\n\n\n{training.define(told)}"
    return before, after, str(training.run(told))


def _says_how(network: Network) -> bool:
    """Whether the file says anything of how its network learns."""
    said = network.loss, network.optimizer, network.lr_schedule
    return any((*said, network.train, network.metrics))


def _names_of_training(network: Network, task: TaskSource | None) -> set[str]:
    """What a file that trains defines beside the model."""
    own = {"Schedule", "Steps", "SGD", "RMSprop", "ACCUMULATION"}
    if task is None:
        return own if _says_how(network) else set()
    from neural_dsl.tasks.custom import defined

    imported = imported_names("\n".join(task.imports))
    return {*defined(task.code), *imported, *own, "Step", "Training", "PATIENCE"}


def journey(network: Network) -> str:
    """The model in one line, wrapped: `input (50, 256) -> Dense(64) -> Output(5)`."""
    inputs = ", ".join(
        f"{i.name} ({', '.join(map(str, i.tensor.shape))})" for i in network.inputs
    )
    stops = [inputs, *_stops(network.body)]
    if len(stops) > 14:
        stops = [*stops[:8], "…", *stops[-4:]]
    return filled(prose(" -> ".join(stops)), 84, "    ", "        ")


def _stops(nodes: tuple[Node, ...]) -> Iterator[str]:
    """The stations of a path, equal neighbours counted."""
    for label, run in groupby(label for node in nodes for label in _labels(node)):
        count = len(list(run))
        yield f"{count} x {label}" if count > 1 else label


def _labels(node: Node) -> Iterator[str]:
    """`Dense(64)`: a layer's type, with its first parameter if that must be given."""
    match node:
        case Layer(type=name):
            required = (p for p in node.spec.parameters[:1] if p.default is REQUIRED)
            yield name + "".join(f"({node.params[p.name]})" for p in required)
        case MacroUse(macro=macro):
            yield macro
        case Repeat(copies=copies):
            for inner in chain.from_iterable(copies):
                yield from _labels(inner)
        case Branches(branches=branches):
            paths = (" -> ".join((b.name, *_stops(b.body))) for b in branches)
            yield f"[{'; '.join(paths)}]"
        case _:
            yield f"x + ({' -> '.join(_stops(node.body))})"
