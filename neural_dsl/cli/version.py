"""`neural version`: what is installed."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata

import click

from neural_dsl import __version__
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.cli.console import say

SHOWN = {
    **{spec.package: spec.distributions for spec in BACKENDS.values()},
    **{name: (name,) for name in ("keras", "numpy", "matplotlib", "plotly")},
}


@click.command(
    epilog="""\b
Examples:
  neural version            put this into a bug report
  neural --version          the first line alone"""
)
def command() -> None:
    """Print the versions of neural, Python, the frameworks and the drawing libraries."""
    say(f"neural {__version__}")
    rows = {"python": f"{platform.python_version()} ({platform.platform()})"}
    for name, distributions in SHOWN.items():
        rows[name] = "not installed"
        for one in reversed(distributions):
            with suppress(metadata.PackageNotFoundError):
                rows[name] = metadata.version(one)
    for name, version in rows.items():
        say(f"  {name:<11} {version}")
