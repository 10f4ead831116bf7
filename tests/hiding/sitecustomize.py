"""Hides packages as if they were not installed: those that `HIDDEN_PACKAGES` names.

Python runs a file of this name at the start of every process that has its folder in
`PYTHONPATH`; in a process that already runs, `hide` does the same.
"""

import os
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path

_find = PathFinder.find_spec
_hidden: set[str] = set()


def _find_spec(cls, name, path=None, target=None):
    return None if name in _hidden else _find(name, path, target)


def hide(*packages: str) -> None:
    """From now on this process neither finds nor imports these."""
    _hidden.update(packages)
    # As it was, a method of the class: others keep it as an attribute of their own.
    PathFinder.find_spec = classmethod(_find_spec)


def environment(*packages: str) -> Mapping[str, str]:
    """The environment of a process in which these are hidden."""
    places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "HIDDEN_PACKAGES": " ".join(packages),
    }


hide(*os.environ.get("HIDDEN_PACKAGES", "").split())
