"""`neural visualize RUN --attention`: trained models reading real sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neural_dsl.attention.analysis import analysis_block
from neural_dsl.attention.expected import best_head, expected_mass, uniform_mass
from neural_dsl.cli.console import files_written, note, say
from neural_dsl.cli.pictures import Request, draw_record, write_code, write_page
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import OutputFolder
from neural_dsl.inputs.selection import select_heads, select_layers

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.runs.loaded import LoadedRun
    from neural_dsl.runs.prompted import Reading, Shown

MOST_VIEWS = 12  # side by side; beyond that nobody can read them


def draw_runs(request: Request) -> None:
    """Open, read, capture, draw, write, and print what was found and written."""
    asked = len(request.prompts) + len(request.texts)
    if len(request.files) * max(asked, 1) > MOST_VIEWS:
        raise too_many(len(request.files), asked)
    from neural_dsl.attention.storage import save_record
    from neural_dsl.runs.loaded import open_run

    weights = None if request.weights is None else str(request.weights)
    runs = [
        open_run(run, weights, request.trust, request.backend) for run in request.files
    ]
    for run in runs:
        select_heads(
            run.network, select_layers(run.network, request.layers), request.heads
        )
    with OutputFolder(request.output_dir) as folder:
        refused: list[Diagnostic] = []
        shown = [
            each for run in runs for each in readings(run, request, runs[0], refused)
        ]
        if not shown:
            raise NeuralError(*refused)
        several = len(shown) > 1
        for number, each in enumerate(shown, start=1):
            stem = f"attention_{number}" if several else "attention"
            save_record(each.record, folder.staged(""), stem)
        if several:
            draw_several(folder, shown, request)
        else:
            only = shown[0]
            draw_record(folder, only.labelled(), request, only.reading.line())
        write_code(folder, [run.runtime.compiled for run in runs])
        written = folder.commit()
    for each in shown:
        say("\n".join(summary(each, several=len(runs) > 1)))
    if not several:
        say(f"\n{analysis_block(shown[0].record)}")
    files_written(written, "attention", "compiled_model_")
    note("")
    for line in dict.fromkeys(each.record.provenance.line() for each in shown):
        note(line)
    if refused:  # the others are drawn
        raise NeuralError(*refused)


def readings(
    run: LoadedRun, request: Request, first: LoadedRun, refused: list[Diagnostic]
) -> list[Shown]:
    """What one run is shown on; `refused` receives what it cannot read (NE171). Without a
    wish it is the first held-out problem, of the first run, so that several runs read
    the same."""
    from neural_dsl.runs import prompted

    layers = select_layers(run.network, request.layers)
    if request.data is not None:
        return [prompted.capture_data(run, request.data, layers)]
    asked: list[tuple[Reading, str]] = []
    for what, given, read in (
        ("prompt", request.prompts, prompted.read_prompt),
        ("text", request.texts, prompted.read_text),
    ):
        for each in given:
            try:
                named = f'{what} "{prompted.shortened(each)}"'
                asked.append((read(run, each), named))
            except NeuralError as error:
                if error.diagnostics[0].code != "NE171":
                    raise
                refused += error.diagnostics
    if not (request.prompts or request.texts):
        origin = "first held-out problem"
        reading = prompted.read_held_out(first)
        if run is not first and (not reading.ids or run.task.measure == "loss"):
            reading = prompted.read_held_out(run)
        elif run is not first:
            reading = prompted.read_prompt(run, reading.prompt)
            origin += f" of {first.folder}"
        asked = [(reading, origin)]
    return [prompted.capture(run, reading, origin, layers) for reading, origin in asked]


def draw_several(
    folder: OutputFolder, shown: Sequence[Shown], request: Request
) -> None:
    """Several sequences or runs, side by side."""
    from neural_dsl.visualize.figures import save_figure
    from neural_dsl.visualize.interactive import comparison_page
    from neural_dsl.visualize.side_by_side import compare_heads, compare_heatmaps
    from neural_dsl.visualize.views import View

    several = len(request.files) > 1
    views = [View(title(each, several=several), each.labelled()) for each in shown]
    figure = compare_heatmaps(views, request.chosen_heads, request.scale)
    save_figure(figure, folder.staged(request.picture("attention_heatmap")))
    deepest = max((view.record for view in views), key=lambda one: len(one.layers))
    for index, layer in enumerate(deepest.layers):
        figure = compare_heads(views, index, request.scale)
        name = request.picture(f"attention_heads_{layer.name}")
        save_figure(figure, folder.staged(name))
    write_page(folder, comparison_page(views, request.first_head, request.scale))


def title(shown: Shown, *, several: bool) -> str:
    """What was read and written, with the run's name where there are several."""
    return f"{shown.run.name}: " * several + shown.reading.line()


def summary(shown: Shown, *, several: bool) -> list[str]:
    """What the model answered, and how much attention lies where the task wants it."""
    remark = [f"  {shown.reading.remark}"] if shown.reading.remark else []
    return [title(shown, several=several), *remark, *mass_lines(shown.record)]


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
