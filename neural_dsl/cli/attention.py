"""`neural visualize FILE --attention`: a model of a file, running on an input.

Everything that can be refused is checked before a framework is imported.
"""

from __future__ import annotations

from collections.abc import Iterator

from neural_dsl import backends
from neural_dsl.attention.record import AttentionRecord, check_batch_item
from neural_dsl.attention.storage import analysis_block
from neural_dsl.cli.options import checked_network, refuse_output
from neural_dsl.cli.pictures import Found, Request
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Network
from neural_dsl.inputs import Prepared, prepare
from neural_dsl.inputs.labels import lost_labels
from neural_dsl.inputs.selection import select_layers
from neural_dsl.inputs.tokens import from_options


def look_at_file(request: Request) -> Found:
    (file,) = request.files
    network = checked_network(file, request.network)
    layers = select_layers(network, request.layers, request.heads)
    tokens = from_options(request.tokens, network.inputs)
    prepared = prepare(network, request.data, tokens or None, request.seed)
    item = request.batch_item
    check_batch_item(item, prepared.batch_size)
    backend = backends.choose(request.backend, network.execution.get("backend"))
    refuse_output(request.save_weights, file, request.data)

    from neural_dsl.api import capture
    from neural_dsl.targets.file import load
    from neural_dsl.visualize.views import View

    weights, seed = request.weights, request.seed
    model = load(prepared.network, backend, weights=weights, seed=seed)
    record = capture(model, prepared, layers=layers, batch_item=item)
    return Found(
        [View("", record, item)],
        analysis_block(record),
        [*what_is_shown(record, prepared, network), *what_is_missing(record)],
        records=[record],
        models=[model],
        warnings=lost_labels(prepared.network, layers, prepared.tokens),
    )


def what_is_shown(
    record: AttentionRecord, prepared: Prepared, network: Network
) -> Iterator[str]:
    """Provenance, what a picture of an untrained model is worth, and a hint where one
    token with spaces was probably meant to be several."""
    yield record.provenance.line()
    for old, new in zip(network.inputs, prepared.network.inputs, strict=True):
        if old.tensor.shape != new.tensor.shape and None not in old.tensor.shape:
            yield (
                f"`{old.name}` ran at length {new.tensor.shape[0]}; the file declares "
                f"{old.tensor.shape[0]}"
            )
    if record.provenance.weights.startswith("random"):
        yield "The weights are random: the pictures show the initialisation, no training."
    for words in prepared.tokens.values():
        if len(words) == 1 and len(words[0].split()) > 1:
            several = ",".join(words[0].split())
            yield (
                f"{quoted(words[0])} is one token; commas stand between tokens: "
                f'--tokens "{several}"'
            )


def what_is_missing(record: AttentionRecord) -> Iterator[str]:
    """Name the characters of the tokens that no font of this machine can draw."""
    from neural_dsl.visualize.labels import undrawable

    labels = {
        token
        for layer in record
        for each in (layer.query_tokens, layer.key_tokens)
        for row in each or ()
        for token in row
    }
    if missing := undrawable(labels):
        yield (
            f"no font here has {' '.join(missing[:8])}{' …' if missing[8:] else ''}: "
            "pictures show □, the interactive page what your browser has"
        )
