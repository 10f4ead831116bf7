"""`neural version`: what is installed."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from neural_dsl import __version__
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.cli.console import say

SHOWN = {
    **{spec.package: spec.distributions for spec in BACKENDS.values()},
    "keras": ("keras",),
    "numpy": ("numpy",),
    "matplotlib": ("matplotlib",),
    "plotly": ("plotly",),
}


def installed_version(distributions: tuple[str, ...]) -> str:
    """The version of the first of these distributions that is installed."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"


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
    rows |= {name: installed_version(names) for name, names in SHOWN.items()}
    for name, version in rows.items():
        say(f"  {name:<11} {version}")
