"""What each option of a training brings into a file: one text for each kind and backend.

Each option of the catalogue is added alone to a short file with a task. What is kept are
the statements, functions and methods of the emitted file that the short file does not
have. So a change of the training loop shows in the whole files and in those options that
stand in the changed function, and in nothing else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from neural_dsl.catalogue.configuration import EXECUTION, STOPPING, TRAIN
from neural_dsl.catalogue.losses import LOSSES, METRICS
from neural_dsl.catalogue.optimizers import CLIPPING, OPTIMIZERS
from neural_dsl.catalogue.schedules import SCHEDULES
from neural_dsl.catalogue.spec import Parameter
from neural_dsl.codegen.generate import generate
from neural_dsl.diagnostics import NeuralError
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from tests.setting_values import required, value_of

SEQUENCES = """network Tiny {
  task: Copy(length=8, vocabulary=20)
  layers:
    Embedding(output_dim=32)
    TransformerDecoder(num_heads=2, ff_dim=64)
    Output()
  OPTION
}"""
ARRAYS = """network Tiny {
  input: (4, 6)
  task: Arrays("train.npz")
  layers:
    GlobalAveragePooling1D()
    Output(3, activation="linear")
  OPTION
}"""
MODEL = ARRAYS.replace('  task: Arrays("train.npz")\n', "")
WITHOUT_TASK = (
    'loss: "mse"',
    "optimizer: SGD(0.5)",
    'loss: "mse" optimizer: Muon() lr_schedule: WarmupCosine()',
    'loss: "mse" lr_schedule: ReduceLROnPlateau()',
    'loss: "mse" metrics: [mae]',
    'loss: "mse" train { epochs: 3 batch_size: 5 gradient_clip: 0.25 }',
)
"""What a file without a task may say, together: it becomes a short `fit`."""
FOLDER = Path(__file__).parent / "cases/arrays_classification"
"""Where `train.npz` stands."""

Option = tuple[str, str, str]
"""Its title, the file without it, the file with it."""


def kinds() -> dict[str, list[Option]]:
    """The options, by the kind of thing that they set."""
    found = {
        "optimizers": list(_optimizers()),
        "schedules": [
            f"lr_schedule: {spec.name}({', '.join(required(spec.parameters))})"
            for spec in SCHEDULES.specs
        ],
        "metrics": [f"metrics: [{spec.name}]" for spec in METRICS.specs],
        "options": list(_options()),
    }
    with_task = {
        kind: [(given, _with(SEQUENCES, ""), _with(SEQUENCES, given)) for given in each]
        for kind, each in found.items()
    }
    without_task = [(g, _with(MODEL, ""), _with(MODEL, g)) for g in WITHOUT_TASK]
    return {**with_task, "losses": list(_losses()), "without_task": without_task}


def _with(file: str, option: str) -> str:
    return file.replace("OPTION", option)


def _optimizers() -> Iterator[str]:
    """Each with its defaults, then with all that is its own."""
    for spec in OPTIMIZERS.specs:
        own = [p for p in spec.parameters if p not in CLIPPING]
        yield f"optimizer: {spec.name}()"
        yield f"optimizer: {spec.name}({_given(own)})"
    for clip in CLIPPING:
        yield f"optimizer: Adam({_given([clip])})"


def _given(parameters: Iterable[Parameter]) -> str:
    return ", ".join(f"{p.name}={value_of(p)}" for p in parameters)


def _options() -> Iterator[str]:
    for block, parameters in {"train": TRAIN, "execution": EXECUTION}.items():
        for each in parameters:
            yield f"{block} {{ {each.name}: {value_of(each)} }}"
    (stopping,) = STOPPING.specs
    for each in stopping.parameters:
        given = f"EarlyStopping({each.name}={value_of(each)})"
        yield f"train {{ early_stopping: {given} }}"


def _losses() -> Iterator[Option]:
    """Each loss in place of another, behind the activation that goes with it."""
    for spec in LOSSES.specs:
        activation = {"b": "sigmoid", "c": "softmax", "s": "softmax"}.get(spec.name[0])
        file = ARRAYS.replace("linear", activation or "linear")
        other = (
            "log_cosh" if spec.name == "mean_squared_error" else "mean_squared_error"
        )
        given = f'loss: "{spec.name}"'
        yield given, _with(file, f'loss: "{other}"'), _with(file, given)


def expected_parts(backend: str) -> dict[str, str]:
    """File name -> what the options of one kind bring into a file of this backend."""
    texts = {}
    for kind, options in kinds().items():
        sections = []
        for title, without, given in options:
            brought = added(emitted(without, backend), emitted(given, backend))
            sections.append(f"=== {title}\n{brought or 'nothing'}\n")
        texts[f"{backend}_{kind}.txt"] = "\n".join(sections)
    return texts


@cache
def emitted(text: str, backend: str) -> str:
    """The file for a text, or the codes with which it is refused."""
    try:
        network, _ = resolve(parse(Source("tiny.neural", text)))
        return generate(network, backend, f"{backend}.py").code
    except NeuralError as error:
        return f"'refused: {', '.join(sorted({d.code for d in error.diagnostics}))}'\n"


def added(without: str, given: str) -> str:
    """The statements and methods of `given` that `without` has not."""
    old, new = _pieces(without), _pieces(given)
    found = [text for place, text in new.items() if old.get(place) != text]
    ends = ["\n\n" if "\n" in text else "\n" for text in found]
    return "".join(map(str.__add__, found, ends)).rstrip()


@cache
def _pieces(code: str) -> dict[str, str]:
    """Where it stands -> the text of every statement at the top and in a class; not the
    file's docstring. Comments belong to the statement below them."""
    return dict(_statements(ast.parse(code).body, code.splitlines(), ""))


def _statements(
    body: list[ast.stmt], lines: list[str], prefix: str
) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for statement in body:
        name = prefix + _name(statement)
        if isinstance(statement, ast.ClassDef):
            yield name, lines[statement.lineno - 1]
            yield from _statements(statement.body, lines, f"{name}.")
            continue
        seen[name] = seen.get(name, 0) + 1
        text = "\n".join(lines[_first(statement, lines) : statement.end_lineno])
        if not (prefix == "" and _is_text(statement) and "compiled from" in text):
            yield f"{name} {seen[name]}", text


def _name(statement: ast.stmt) -> str:
    """What a statement is told by: its name, or else its text."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return statement.name
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = getattr(statement, "targets", None) or [statement.target]
        return ast.unparse(targets[0])
    return ast.unparse(statement)


def _first(statement: ast.stmt, lines: list[str]) -> int:
    """The line of a statement, its decorators and the comments above it."""
    first = min([statement.lineno, *_decorators(statement)]) - 1
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first


def _decorators(statement: ast.stmt) -> list[int]:
    return [each.lineno for each in getattr(statement, "decorator_list", ())]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def whole_files(backend: str) -> Iterator[str]:
    """The whole file of every option that is not refused."""
    given = {text for options in kinds().values() for _, _, text in options}
    codes = (emitted(text, backend) for text in sorted(given))
    return (code for code in codes if not code.startswith("'refused"))
