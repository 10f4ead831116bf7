"""`neural visualize RUN`: with --attention trained models reading real sequences, with
--evolution how a run's attention came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neural_dsl.attention.expected import best_head, expected_mass, uniform_mass
from neural_dsl.attention.storage import analysis_block
from neural_dsl.cli.pictures import Found, Request
from neural_dsl.diagnostics import Diagnostic, NeuralError, refusal
from neural_dsl.inputs.selection import select_layers

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.runs.loaded import LoadedRun
    from neural_dsl.runs.prompted import Shown
    from neural_dsl.runs.reading import Reading
    from neural_dsl.visualize.views import Moment

MOST_VIEWS = 12  # side by side; beyond that nobody can read them


def look_at_runs(request: Request) -> Found:
    """Open, read, capture; several sequences or runs stand side by side."""
    asked = max(len(request.prompts) + len(request.texts), 1)
    if len(request.files) * asked > MOST_VIEWS:
        runs = len(request.files)
        of_runs = f" of {runs} runs" if runs > 1 else ""
        raise refusal(
            "NE174",
            f"{asked} sequences{of_runs} are too many to stand side by side",
            help=f"give {MOST_VIEWS // runs or 1} at most, or draw them one by one",
        )
    from neural_dsl.runs.loaded import open_run
    from neural_dsl.visualize.views import View

    weights = None if request.weights is None else str(request.weights)
    opened = [
        open_run(run, weights, request.trust, request.backend) for run in request.files
    ]
    for run in opened:
        select_layers(run.network, request.layers, request.heads)
    refused: list[Diagnostic] = []
    shown = [
        one for run in opened for one in readings(run, request, opened[0], refused)
    ]
    if not shown:
        raise NeuralError(*refused)
    views, lines = [], []
    for each in shown:
        title = f"{each.run.name}: " * (len(opened) > 1) + each.reading.line()
        views.append(View(title, each.labelled()))
        lines.append(title)
        if each.reading.remark:
            lines.append(f"  {each.reading.remark}")
        lines += mass_lines(each.record)
    if len(shown) == 1:
        lines += ["", analysis_block(shown[0].record)]
    return Found(
        views,
        "\n".join(lines),
        list(dict.fromkeys(each.record.provenance.line() for each in shown)),
        records=[each.record for each in shown],
        models=[run.model for run in opened],
        refused=refused,
    )


def readings(
    run: LoadedRun, request: Request, first: LoadedRun, refused: list[Diagnostic]
) -> list[Shown]:
    """What one run is shown on; `refused` receives what it cannot read (NE171). Without a
    wish it is the first held-out problem, of the first run, so that several runs read
    the same."""
    from neural_dsl.runs import prompted
    from neural_dsl.runs.reading import (
        read_held_out,
        read_prompt,
        read_text,
        shortened,
    )

    layers = select_layers(run.network, request.layers)
    if request.data is not None:
        return [prompted.capture_data(run, request.data, layers)]
    asked: list[tuple[Reading, str]] = []
    for what, given, read in (
        ("prompt", request.prompts, read_prompt),
        ("text", request.texts, read_text),
    ):
        for each in given:
            try:
                named = f'{what} "{shortened(each)}"'
                asked.append((read(run, each), named))
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
    return [prompted.capture(run, reading, origin, layers) for reading, origin in asked]


def mass_lines(record: AttentionRecord) -> list[str]:
    """The share of attention on the expected cells: a layer a line, then the best head."""
    best = best_head(record)
    if best is None:
        return []
    known = [layer for layer in record if layer.expected is not None]
    wide = max(len(layer.name) for layer in known)
    lines = ["  share of attention on the cells expected for this task, by head:"]
    for layer in known:
        shares = "  ".join(f"{mass:.3f}" for mass in expected_mass(layer))
        lines.append(f"    {layer.name:<{wide}}  {shares}")
    name, head, mass = best
    even = uniform_mass(record[name])
    most = f"  most: {mass:.3f}, head {head} of {name} (looking evenly: {even:.3f})"
    return [*lines, most]


def look_back(request: Request) -> Found:
    """Read the run's snapshots, and find when heads found their cells."""
    from neural_dsl.runs import directory, metrics, snapshots
    from neural_dsl.visualize.views import Moment, Training

    (run,) = request.files
    directory.read_about(run)
    taken = snapshots.load(run)
    lines = metrics.read(run)
    moments = [Moment(n, seen, measured_at(lines, n)) for n, seen in taken.items()]
    return Found(
        Training(str(run), moments, lines),
        "\n".join(summary(moments)),
        [moments[-1].record.provenance.line()],
    )


def measured_at(lines: list[dict[str, Any]], step: int) -> str:
    """`loss 0.12 · exact match 98.0%`: the losses at a step, and the last validation
    until then."""
    losses = [line["loss"] for line in lines if line["step"] == step and "loss" in line]
    name = "validation_exact_match"
    matches = [line[name] for line in lines if line["step"] <= step and name in line]
    words = [f"loss {loss:.3g}" for loss in losses[-1:]]
    words += [f"exact match {match:.1%}" for match in matches[-1:]]
    return " · ".join(words)


def summary(moments: list[Moment]) -> list[str]:
    """The steps that are shown; where a solver's cells are known, when they were found."""
    steps = ", ".join(f"{moment.step:,}" for moment in moments)
    found = [f"Attention at {len(moments)} steps: {steps}"]
    best = best_head(moments[-1].record)
    if best is None:
        return found
    layer, head, mass = best
    course = [float(expected_mass(m.record[layer])[head]) for m in moments]
    half = (course[0] + mass) / 2
    pairs = zip(moments, course, strict=True)
    when = next(moment.step for moment, value in pairs if value >= half)
    return [
        *found,
        f"  share of attention on the cells expected for this task: {course[0]:.3f} at "
        f"first, {mass:.3f} in the end,",
        f"  in head {head} of {layer}; half of the way was done by step {when:,}",
    ]
