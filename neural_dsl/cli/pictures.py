"""`neural visualize --attention` and `--evolution`: look, draw, write, tell.

No file appears in the folder before all of them are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.cli.console import files_written, note, print_diagnostics, say
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import OutputFolder

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.targets.file import Model
    from neural_dsl.visualize.style import Kind
    from neural_dsl.visualize.views import Training, View


@dataclass(frozen=True)
class Request:
    """The options of `neural visualize`, under the names that Click gives them."""

    files: tuple[Path, ...]
    attention: bool
    evolution: bool
    form: str | None
    output: Path | None
    network: str | None
    backend: str | None
    layers: tuple[str, ...]
    heads: tuple[int, ...]
    data: Path | None
    tokens: tuple[str, ...]
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    weights: Path | None
    save_weights: Path | None
    seed: int
    batch_item: int
    output_dir: Path
    scale: Kind | None
    trust: bool


@dataclass(frozen=True)
class Found:
    """What a request has brought to light.

    - `shown`: what pictures are made of.
    - `text`, `notes`: what is said of it on stdout and, with `warnings`, on stderr.
    - `records`, `models`: what is kept beside the pictures: data and code.
    - `refused`: what was asked for in vain; the rest is drawn nevertheless.
    """

    shown: Sequence[View] | Training
    text: str
    notes: Sequence[str]
    records: Sequence[AttentionRecord] = ()
    models: Sequence[Model] = ()
    warnings: Sequence[Diagnostic] = ()
    refused: Sequence[Diagnostic] = ()


def draw(request: Request, look: Callable[[Request], Found]) -> None:
    """Look, draw, write, and print what was found and written."""
    of = "evolution" if request.evolution else "attention"
    with OutputFolder(request.output_dir) as folder:
        found = look(request)

        from neural_dsl.attention.storage import save_record
        from neural_dsl.visualize.pictures import drawings

        heads, form = sorted(set(request.heads)), request.form or "png"
        wishes = {"heads": heads or None, "head": min(heads, default=None)}
        for number, record in numbered(found.records):
            save_record(record, folder.staged(""), f"attention{number}")
        for number, model in numbered(found.models):
            code = model.compiled  # the very code that was run
            file = folder.staged(BACKENDS[code.backend].file_name(number))
            file.write_text(code.code, encoding="utf-8", newline="\n")
        for name, content in drawings(
            of, found.shown, form, scale=request.scale, **wishes
        ):
            folder.staged(name).write_bytes(content)
        weights = [] if request.save_weights is None else [request.save_weights]
        for model, path in zip(found.models, weights, strict=False):
            model.save_weights(path)
        written = folder.commit()
    print_diagnostics(found.warnings)
    say(found.text)
    families = [of, "compiled_model_"] if found.models else [of]
    files_written([*written, *weights], *families)
    note("\n" + "\n".join(found.notes))
    if found.refused:
        raise NeuralError(*found.refused)


def numbered(things: Sequence[Any]) -> list[tuple[str, Any]]:
    """What follows the name of each one's file: nothing where it is the only one."""
    several = len(things) > 1
    return [(f"_{i}" * several, one) for i, one in enumerate(things, start=1)]
