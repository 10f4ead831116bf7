"""The examples of the catalogue as networks: what tests of all layers are made from."""

import pytest

from neural_dsl.catalogue import LAYERS
from neural_dsl.catalogue.shapes import show
from tests.unit.resolving import resolved

EXAMPLES = [(spec, each) for spec in LAYERS.values() for each in spec.examples]
"""Every layer with every example of it."""

VOCABULARY = 9


def name_of(spec, example) -> str:
    """`Conv1D(filters=8, kernel_size=3)`, short enough for a test's name."""
    marks = " masked" if example.masked else ""
    return f"{example.written(spec.name)}{marks}"


def each_example(wanted=lambda spec, example: True):
    """Parametrises a test over `spec` and `example`."""
    chosen = [pair for pair in EXAMPLES if wanted(*pair)]
    assert chosen
    ids = [name_of(*pair) for pair in chosen]
    return pytest.mark.parametrize(("spec", "example"), chosen, ids=ids)


def reads_one_sequence(spec, example) -> bool:
    """One sequence of vectors arrives, and nothing else."""
    return len(example.reads) == 1 and len(example.reads[0]) == 2


def example_layer(spec, example):
    """The layer of the model graph."""
    return [*resolved(network_text(spec, example)).layers()][-1]


def keeps_positions(spec, example) -> bool:
    """Whether each position of the result is one of the input."""
    layer = example_layer(spec, example)
    kept = layer.spec.positions(layer.params, layer.inputs).kind == "kept"
    return kept and spec.time != "none"


def network_text(spec, example, after: str = "") -> str:
    """A file whose last layer is the example (before `after`).

    What arrives with padding comes from an `Embedding`. A memory, the second of two,
    comes from the first of two branches.
    """
    reads = list(example.reads)
    if spec.arity == "target":
        reads.reverse()
    shapes, paths = [], []
    for number, shape in enumerate(reads):
        name = f"in{number}"
        embed = ""
        if example.masked:
            embed = f"Embedding({VOCABULARY}, {shape[-1]}, mask_zero=true)"
            shape = shape[:-1]
        shapes.append(f"{name}: {show(shape)}")
        paths.append(f"{name}: {{ {embed} }}" if len(reads) > 1 else embed)
    inputs = "{" + ", ".join(shapes) + "}"
    layers = " ".join([*paths, example.written(spec.name), after])
    return f"network Example {{\n  input: {inputs}\n  layers:\n    {layers}\n}}\n"
