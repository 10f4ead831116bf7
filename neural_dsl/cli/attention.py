"""`neural visualize --attention`: from a checked model to a folder of pictures.

Everything that can be refused is checked before a framework is imported, and no file
appears in the folder before all of them are complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neural_dsl import backends
from neural_dsl.attention.analysis import analysis_block
from neural_dsl.attention.items import check_batch_item
from neural_dsl.cli.console import files_written, note, print_diagnostics, say
from neural_dsl.cli.options import refuse_output
from neural_dsl.cli.pictures import Request, draw_record, write_code
from neural_dsl.files import OutputFolder, quoted
from neural_dsl.graph.nodes import Network
from neural_dsl.inputs import Prepared, Tokens, prepare
from neural_dsl.inputs.labels import lost_labels
from neural_dsl.inputs.selection import select_heads, select_layers
from neural_dsl.inputs.tokens import from_options

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord


def draw_attention(network: Network, file: Path, request: Request) -> None:
    """Capture, analyse, draw, write, and print what was found and written."""
    layers = select_layers(network, request.layers)
    select_heads(network, layers, request.heads)
    tokens = from_options(request.tokens, network.inputs)
    prepared = prepare(network, request.data, tokens or None, request.seed)
    check_batch_item(request.batch_item, prepared.batch_size)
    backend = backends.choose(request.backend, network.execution.get("backend"))
    refuse_output(request.save_weights, file, request.data)

    from neural_dsl.api import capture
    from neural_dsl.attention.storage import save_record
    from neural_dsl.targets.file import load

    with OutputFolder(request.output_dir) as folder:
        model = load(
            prepared.network, backend, weights=request.weights, seed=request.seed
        )
        record = capture(model, prepared, layers=layers, batch_item=request.batch_item)
        write_code(folder, [model.compiled])
        save_record(record, folder.staged(""))
        draw_record(folder, record, request)
        if request.save_weights is not None:
            model.save_weights(request.save_weights)
        written = folder.commit()
    print_diagnostics(lost_labels(prepared.network, layers, prepared.tokens))
    say(analysis_block(record))
    weights = [request.save_weights] if request.save_weights is not None else []
    files_written([*written, *weights], "attention", "compiled_model_")
    say_what_is_shown(record, prepared, network)
    say_how_tokens_are_split(prepared.tokens)
    say_what_is_missing(record)


def say_how_tokens_are_split(tokens: Tokens) -> None:
    """A hint where one token with spaces was probably meant to be several."""
    for words in tokens.values():
        if len(words) == 1 and len(words[0].split()) > 1:
            several = ",".join(words[0].split())
            note(
                f"{quoted(words[0])} is one token; commas stand between tokens: "
                f'--tokens "{several}"'
            )


def say_what_is_missing(record: AttentionRecord) -> None:
    """Name the characters of the tokens that no font of this machine can draw."""
    from neural_dsl.visualize.labels import undrawable

    tokens = {
        token
        for layer in record.layers
        for each in (layer.query_tokens, layer.key_tokens)
        for row in each or ()
        for token in row
    }
    if missing := undrawable(tokens):
        note(
            f"no font here has {' '.join(missing[:8])}{' …' if missing[8:] else ''}: "
            "pictures show □, the interactive page what your browser has"
        )


def say_what_is_shown(
    record: AttentionRecord, prepared: Prepared, network: Network
) -> None:
    """Remind of what a picture of an untrained model is worth."""
    provenance = record.provenance
    note(f"\n{provenance.line()}")
    for old, new in zip(network.inputs, prepared.network.inputs, strict=True):
        if old.tensor.shape != new.tensor.shape and None not in old.tensor.shape:
            note(
                f"`{old.name}` ran at length {new.tensor.shape[0]}; the file declares "
                f"{old.tensor.shape[0]}"
            )
    if provenance.weights.startswith("random"):
        note(
            "The weights are random: the pictures show the initialisation, no training."
        )
