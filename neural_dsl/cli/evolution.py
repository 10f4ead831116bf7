"""`neural visualize RUN --evolution`: how a run's attention came about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_dsl.cli.console import files_written, note, say
from neural_dsl.cli.pictures import Request
from neural_dsl.files import OutputFolder

if TYPE_CHECKING:
    from neural_dsl.visualize.moments import Moment


def draw_evolution(run: Path, request: Request) -> None:
    """Read the run's snapshots, draw, write, and print when heads found their cells."""
    from neural_dsl.runs import directory, metrics, snapshots
    from neural_dsl.visualize.animation import evolution_gif
    from neural_dsl.visualize.evolution import evolution_figure
    from neural_dsl.visualize.figures import save_figure
    from neural_dsl.visualize.metric_curves import metrics_figure
    from neural_dsl.visualize.moments import Moment

    directory.read_about(run)
    taken = snapshots.load(run)
    lines = metrics.read(run)
    moments = [
        Moment(one.step, one.record, measured_at(lines, one.step)) for one in taken
    ]
    scale = request.scale
    with OutputFolder(request.output_dir) as folder:
        for layer in moments[0].record.layers:
            figure = evolution_figure(moments, layer.name, str(run), scale=scale)
            save_figure(
                figure, folder.staged(request.picture(f"evolution_heads_{layer.name}"))
            )
        figure = metrics_figure(moments, lines, str(run))
        save_figure(figure, folder.staged(request.picture("evolution_metrics")))
        animation = evolution_gif(moments, str(run), scale=scale)
        folder.staged("evolution.gif").write_bytes(animation)
        written = folder.commit()
    say("\n".join(summary(moments)))
    files_written(written, "evolution")
    note(f"\n{moments[-1].record.provenance.line()}")


def measured_at(lines: list[dict[str, Any]], step: int) -> str:
    """`loss 0.12 · exact match 98.0%`: the losses at a step, and the last validation
    until then."""
    losses = [line["loss"] for line in lines if line["step"] == step and "loss" in line]
    name = "validation_exact_match"
    matches = [line[name] for line in lines if line["step"] <= step and name in line]
    return " · ".join(
        [
            *(f"loss {loss:.3g}" for loss in losses[-1:]),
            *(f"exact match {match:.1%}" for match in matches[-1:]),
        ]
    )


def summary(moments: list[Moment]) -> list[str]:
    """The steps that are shown; where a solver's cells are known, when they were found."""
    from neural_dsl.attention.expected import best_head, expected_mass

    steps = ", ".join(f"{moment.step:,}" for moment in moments)
    found = [f"Attention at {len(moments)} steps: {steps}"]
    best = best_head(moments[-1].record.layers)
    if best is None:
        return found
    layer, head, mass = best
    course = [float(expected_mass(m.record[layer])[head]) for m in moments]
    half = (course[0] + mass) / 2
    when = next(
        m.step for m, value in zip(moments, course, strict=True) if value >= half
    )
    return [
        *found,
        f"  share of attention on the cells expected for this task: {course[0]:.3f} at "
        f"first, {mass:.3f} in the end,",
        f"  in head {head} of {layer}; half of the way was done by step {when:,}",
    ]
