"""Names and versions of what computes: for provenance."""

from __future__ import annotations

from importlib import metadata

import numpy as np

from neural_dsl import __version__
from neural_dsl.catalogue.backends import BACKENDS


def versions(backend: str) -> dict[str, str]:
    """Names and versions of what computed a record."""
    found = {"neural-dsl": __version__, "numpy": np.__version__}
    for name in BACKENDS[backend].distributions:
        try:
            found[name] = metadata.version(name)
            break
        except metadata.PackageNotFoundError:
            continue
    return found
