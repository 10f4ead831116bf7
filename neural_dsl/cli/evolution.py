"""`neural visualize RUN --evolution`: how a run's attention came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neural_dsl.cli.pictures import Found, Request

if TYPE_CHECKING:
    from neural_dsl.visualize.moments import Moment


def look_back(request: Request) -> Found:
    """Read the run's snapshots, and find when heads found their cells."""
    from neural_dsl.runs import directory, metrics, snapshots
    from neural_dsl.visualize.moments import Moment, Training

    (run,) = request.files
    directory.read_about(run)
    taken = snapshots.load(run)
    lines = metrics.read(run)
    moments = [Moment(n, seen, measured_at(lines, n)) for n, seen in taken.items()]
    return Found(
        Training(str(run), moments, lines),
        [layer.name for layer in moments[0].record],
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
    from neural_dsl.attention.expected import best_head, expected_mass

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
