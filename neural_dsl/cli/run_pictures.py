"""`neural visualize RUN --attention`: trained models reading real sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neural_dsl.attention.analysis import analysis_block
from neural_dsl.attention.expected import best_head, expected_mass, uniform_mass
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.cli.console import files_written, note, say
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import OutputFolder
from neural_dsl.inputs.selection import select_heads, select_layers

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.runs.loaded import LoadedRun
    from neural_dsl.runs.prompted import Reading, Shown
    from neural_dsl.visualize.scale import Kind
    from neural_dsl.visualize.views import View

MOST_VIEWS = 12  # side by side; beyond that nobody can read them


@dataclass(frozen=True)
class RunRequest:
    """The options of `neural visualize RUN… --attention`."""

    runs: tuple[Path, ...]
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    form: str
    backend: str | None
    weights: str | None
    layers: tuple[str, ...]
    heads: tuple[int, ...]
    output_dir: Path
    data: Path | None = None
    scale: Kind | None = None
    trust: bool = False

    @property
    def head(self) -> int | None:
        """The head that the page opens on: the first that was asked for."""
        return min(self.heads, default=None)


def draw_runs(request: RunRequest) -> None:
    """Open, read, capture, draw, write, and print what was found and written."""
    asked = len(request.prompts) + len(request.texts)
    if len(request.runs) * max(asked, 1) > MOST_VIEWS:
        raise too_many(len(request.runs), asked)
    from neural_dsl.runs.loaded import open_run

    runs = [
        open_run(run, request.weights, request.trust, request.backend)
        for run in request.runs
    ]
    for run in runs:
        layers = select_layers(run.network, request.layers)
        select_heads(run.network, layers, request.heads)
    with OutputFolder(request.output_dir) as folder:
        refused: list[Diagnostic] = []
        shown = [
            each for run in runs for each in readings(run, request, runs[0], refused)
        ]
        if not shown:
            raise NeuralError(*refused)
        if len(shown) == 1:
            write_one(folder, shown[0], request)
        else:
            write_several(folder, shown, request)
        write_code(folder, runs)
        written = folder.commit()
    for each in shown:
        say(summary(each, several=len(runs) > 1))
    if len(shown) == 1:
        say(f"\n{analysis_block(shown[0].record)}")
    files_written(written, "attention", "compiled_model_")
    note("")
    for line in dict.fromkeys(each.record.provenance.line() for each in shown):
        note(line)
    if refused:  # the others are drawn
        raise NeuralError(*refused)


def readings(
    run: LoadedRun, request: RunRequest, first: LoadedRun, refused: list[Diagnostic]
) -> list[Shown]:
    """What one run is shown on; `refused` receives what it cannot read (NE171). Without a
    wish it is the first held-out problem, of the first run, so that several runs read
    the same."""
    from neural_dsl.runs.prompted import (
        capture,
        capture_data,
        read_held_out,
        read_prompt,
        read_text,
    )
    from neural_dsl.runs.prompted import shortened as named

    layers = select_layers(run.network, request.layers)
    if request.data is not None:
        return [capture_data(run, request.data, layers)]
    asked: list[tuple[Reading, str]] = []
    for what, given, read in (
        ("prompt", request.prompts, read_prompt),
        ("text", request.texts, read_text),
    ):
        for each in given:
            try:
                asked.append((read(run, each), f'{what} "{named(each)}"'))
            except NeuralError as error:
                if error.diagnostics[0].code != "NE171":
                    raise
                refused += error.diagnostics
    if not (request.prompts or request.texts):
        origin = "first held-out problem"
        reading = read_held_out(first)
        if run is not first and (not reading.ids or run.task.measure == "loss"):
            reading = read_held_out(run)
        elif run is not first:
            reading = read_prompt(run, reading.prompt)
            origin += f" of {first.folder}"
        asked = [(reading, origin)]
    return [capture(run, reading, origin, layers) for reading, origin in asked]


def write_one(folder: OutputFolder, shown: Shown, request: RunRequest) -> None:
    """One sequence: the files that every picture of attention has."""
    from neural_dsl.attention.storage import save_record
    from neural_dsl.visualize.figures import save_figure
    from neural_dsl.visualize.head_grid import head_grid
    from neural_dsl.visualize.heatmap import attention_heatmap
    from neural_dsl.visualize.interactive import attention_page

    record, caption, form = shown.labelled(), shown.reading.line(), request.form
    save_record(shown.record, folder.staged(""))
    heads = sorted(set(request.heads)) or None
    scale = request.scale
    figure = attention_heatmap(record, heads=heads, caption=caption, scale=scale)
    save_figure(figure, folder.staged(f"attention_heatmap.{form}"))
    for layer in record.layers:
        figure = head_grid(record, layer.name, caption=caption, scale=scale)
        save_figure(figure, folder.staged(f"attention_heads_{layer.name}.{form}"))
    page = attention_page(record, caption=caption, head=request.head, scale=scale)
    write_page(folder, page)


def write_several(
    folder: OutputFolder, shown: Sequence[Shown], request: RunRequest
) -> None:
    """Several sequences or runs, side by side; their records numbered from 1."""
    from neural_dsl.attention.storage import save_record
    from neural_dsl.visualize.figures import save_figure
    from neural_dsl.visualize.interactive import comparison_page
    from neural_dsl.visualize.side_by_side import compare_heads, compare_heatmaps

    views = [view_of(each, several=len(request.runs) > 1) for each in shown]
    for number, each in enumerate(shown, start=1):
        save_record(each.record, folder.staged(""), f"attention_{number}")
    figure = compare_heatmaps(views, sorted(set(request.heads)), request.scale)
    save_figure(figure, folder.staged(f"attention_heatmap.{request.form}"))
    deepest = max((view.record for view in views), key=lambda one: len(one.layers))
    for index, layer in enumerate(deepest.layers):
        figure = compare_heads(views, index, request.scale)
        name = f"attention_heads_{layer.name}.{request.form}"
        save_figure(figure, folder.staged(name))
    write_page(folder, comparison_page(views, request.head, request.scale))


def view_of(shown: Shown, *, several: bool) -> View:
    """The record with its caption, which names the run where there are several."""
    from neural_dsl.visualize.views import View

    name = f"{shown.run.name}: " if several else ""
    return View(f"{name}{shown.reading.line()}", shown.labelled())


def write_page(folder: OutputFolder, page: str) -> None:
    """The interactive page."""
    folder.staged("attention_interactive.html").write_text(page, encoding="utf-8")


def write_code(folder: OutputFolder, runs: Sequence[LoadedRun]) -> None:
    """The very code that was run, numbered where there are several runs."""
    for number, run in enumerate(runs, start=1):
        compiled = run.runtime.compiled
        suffix = f"_{number}" if len(runs) > 1 else ""
        file = folder.staged(BACKENDS[compiled.backend].file_name(suffix))
        file.write_text(compiled.code, encoding="utf-8", newline="\n")


def summary(shown: Shown, *, several: bool) -> str:
    """What the model answered, and how much attention lies where the task wants it."""
    name = f"{shown.run.name}: " if several else ""
    lines = [f"{name}{shown.reading.line()}"]
    if shown.reading.remark:
        lines.append(f"  {shown.reading.remark}")
    return "\n".join([*lines, *mass_lines(shown.record)])


def mass_lines(record: AttentionRecord) -> list[str]:
    """The share of attention on the expected cells: a layer a line, then the best head."""
    best = best_head(record.layers)
    if best is None:
        return []
    known = [layer for layer in record.layers if layer.expected is not None]
    wide = max(len(layer.name) for layer in known)
    lines = ["  share of attention on the cells expected for this task, by head:"]
    for layer in known:
        shares = "  ".join(f"{mass:.3f}" for mass in expected_mass(layer))
        lines.append(f"    {layer.name:<{wide}}  {shares}")
    name, head, mass = best
    even = uniform_mass(next(layer for layer in known if layer.name == name))
    lines.append(
        f"  most: {mass:.3f}, head {head} of {name} (looking evenly: {even:.3f})"
    )
    return lines


def too_many(runs: int, asked: int) -> NeuralError:
    """NE174: more panels than anybody can read."""
    of_runs = f" of {runs} runs" if runs > 1 else ""
    return NeuralError(
        Diagnostic(
            "NE174",
            f"{max(asked, 1)} sequences{of_runs} are too many to stand side by side",
            help=f"give {MOST_VIEWS // runs or 1} at most, or draw them one by one",
        )
    )
