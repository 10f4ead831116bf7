"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from neural_dsl.catalogue.backends import BACKENDS, find_backend
from neural_dsl.cli.console import print_diagnostics
from neural_dsl.files import refuse_overwriting, refuse_unwritable
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.syntax.parser import parse, read_source

F = TypeVar("F", bound=Callable[..., Any])


class BackendName(click.ParamType[str]):
    """A backend under any of its names."""

    name = "backend"

    def convert(self, value: str, param: Any, ctx: Any) -> str:
        found = find_backend(value)
        if found is None:
            known = ", ".join(map(repr, BACKENDS))
            self.fail(f"{value!r} is not one of {known}.", param, ctx)
        return found.name


class Folder(click.Path):
    """A folder to write into; an empty name, which would be the current one, is a slip
    (an unset variable)."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "":
            self.fail("the folder has no name; `.` is the current one.", param, ctx)
        return super().convert(value, param, ctx)


def path_option(*names: str, metavar: str, help: str) -> Callable[[F], F]:
    path = click.Path(path_type=Path)
    return click.option(*names, type=path, metavar=metavar, help=help)


def repeatable(
    name: str, dest: str, metavar: str, help: str, type: Any = str
) -> Callable[[F], F]:
    """An option that may be given several times."""
    look: Any = {"metavar": metavar, "help": help, "type": type}
    return click.option(name, dest, multiple=True, **look)


FOLDER = Folder(path_type=Path)
file_argument = click.argument("file", type=click.Path(path_type=Path))
run_argument = click.argument("run", type=click.Path(path_type=Path))

network_option = click.option(
    "--network",
    metavar="NAME",
    help="Which network of the file; the last one by default.",
)
backend_option = click.option(
    "--backend",
    type=BackendName(),
    metavar=f"[{'|'.join(BACKENDS)}]",
    help="Default: the file's `execution { backend: … }`, else NEURAL_BACKEND, else the "
    "first installed.",
)
SEED = click.IntRange(0, 2**32 - 1)
seed_option = click.option(
    "--seed",
    type=SEED,
    metavar="N",
    default=0,
    help="Seed of random weights and random input.  [default: 0]",
)
weights_option = path_option(
    "--weights",
    metavar="W.safetensors",
    help="Trained weights; random ones from --seed without.",
)
which_option = click.option(
    "--weights",
    type=click.Choice(["best", "last"]),
    help="Weights of the best validation or of the last checkpoint; by default "
    "those that training ended with.",
)
data_option = path_option(
    "--data",
    metavar="X.npy",
    help="Input, batch axis first; X.npz keyed by input when there are several. Random "
    "from --seed without.",
)
trust_option = click.option(
    "--trust", is_flag=True, help="Run the code of a task of your own (Custom)."
)


def named_output(path: Path | None) -> Path | None:
    """The file of `-o`; None for stdout: without `-o`, and with `-o -`."""
    return None if path is None or str(path) == "-" else path


def refuse_output(output: Path | None, *taken: Path | None) -> None:
    """Raise NeuralError for a file that cannot be written, or that is being read."""
    if output is not None:
        for path in taken:
            if path is not None:
                refuse_overwriting(output, path)
        refuse_unwritable(output)


def checked_network(file: Path, name: str | None) -> Network:
    """The model graph of a file; its warnings go to stderr."""
    network, warnings = resolve(parse(read_source(file)), name)
    print_diagnostics(warnings)
    return network
