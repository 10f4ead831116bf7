"""`neural run`: the model's output for an input."""

from __future__ import annotations

import io
import json
from math import isfinite
from pathlib import Path
from typing import Any

import click

from neural_dsl.cli import options
from neural_dsl.cli.console import note, print_diagnostics, say
from neural_dsl.diagnostics import Diagnostic
from neural_dsl.files import quoted, write_bytes


@click.command(
    epilog="""\b
Examples:
  neural run model.neural                          random weights, random input
  neural run model.neural --data x.npy --weights w.safetensors
  neural run model.neural --data x.npy -o outputs.npy"""
)
@options.file_argument
@options.data_option
@options.weights_option
@options.backend_option
@options.seed_option
@options.path_option(
    "-o",
    "--output",
    metavar="outputs.npy",
    help="Save the array (float32, batch first) instead of printing it.",
)
@options.network_option
def command(
    file: Path,
    data: Path | None,
    weights: Path | None,
    backend: str | None,
    seed: int,
    output: Path | None,
    network: str | None,
) -> None:
    """Run FILE's model on an input and print its output.

    Prints one JSON array a line, one for each example: probabilities where `Output` has
    an activation such as softmax, logits where it has none.
    """
    output = options.named_output(output)
    options.refuse_output(output, file, data, weights)
    checked = options.checked_network(file, network)

    import numpy as np

    from neural_dsl.inputs import prepare
    from neural_dsl.targets.file import load

    prepared = prepare(checked, data, None, seed)
    model = load(prepared.network, backend, weights=weights, seed=seed)
    result = model.run(prepared)
    activation = checked.output_activation
    meaning = "logits" if activation == "linear" else f"after {activation}"
    note(
        f"{checked.name} on {model.compiled.backend}: {model.weights_origin}; input "
        f"{prepared.origin}; output {meaning}, shape {result.shape}"
    )
    odd = int(result.size - np.isfinite(result).sum())
    if odd:
        what = f"{odd:,} of the {result.size:,} numbers in the output are"
        help = "look for very large numbers in the weights and the input"
        what += " NaN or infinite"
        print_diagnostics([Diagnostic("NW138", what, help=help, severity="warning")])
    if output is None:
        for example in result:
            say(json.dumps(plain(example), allow_nan=False))
    else:
        buffer = io.BytesIO()
        np.save(buffer, result, allow_pickle=False)
        write_bytes(output, buffer.getvalue())
        note(f"wrote {quoted(output)}")


def plain(value: Any) -> Any:
    """One example for JSON, each number as short as tells float32 values apart; None for
    NaN and infinity, which JSON does not have."""
    if value.ndim:
        return [plain(item) for item in value]
    return float(str(value)) if isfinite(value) else None
