"""`neural run`: the model's output for an input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neural_dsl.cli.console import note, print_diagnostics, say
from neural_dsl.cli.options import (
    backend_option,
    checked_network,
    data_option,
    file_argument,
    named_output,
    network_option,
    path_option,
    refuse_output,
    seed_option,
    weights_option,
)
from neural_dsl.diagnostics import Diagnostic
from neural_dsl.files import quoted, write_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@click.command(
    epilog="""\b
Examples:
  neural run model.neural                          random weights, random input
  neural run model.neural --data x.npy --weights w.safetensors
  neural run model.neural --data x.npy -o outputs.npy"""
)
@file_argument
@data_option
@weights_option
@backend_option
@seed_option
@path_option(
    "-o",
    "--output",
    metavar="outputs.npy",
    help="Save the array (float32, batch first) instead of printing it.",
)
@network_option
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
    output = named_output(output)
    refuse_output(output, file, data, weights)
    checked = checked_network(file, network)

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
    print_diagnostics(not_finite(result))
    if output is None:
        for example in result:
            say(as_json(example))
    else:
        write_bytes(output, npy(result))
        note(f"wrote {quoted(output)}")


def not_finite(result: npt.NDArray[np.float32]) -> list[Diagnostic]:
    """NW138 when the output holds NaN or infinity."""
    import numpy as np

    count = int(result.size - np.isfinite(result).sum())
    if not count:
        return []
    return [
        Diagnostic(
            "NW138",
            f"{count:,} of the {result.size:,} numbers in the output are NaN or infinite",
            help="look for very large numbers in the weights and the input",
            severity="warning",
        )
    ]


def as_json(example: npt.NDArray[np.float32]) -> str:
    """One example as JSON, each number as short as tells float32 values apart; null for
    NaN and infinity, which JSON does not have."""
    import json
    from math import isfinite

    def plain(value: Any) -> Any:
        if value.ndim:
            return [plain(item) for item in value]
        return float(str(value)) if isfinite(value) else None

    return json.dumps(plain(example), allow_nan=False)


def npy(array: npt.NDArray[np.float32]) -> bytes:
    """The bytes of a .npy file."""
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
