"""Scripts beside the package, which no other test runs, take from it only what it has."""

import ast
import importlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path for folder in ("benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")
)


def missing(tree: ast.Module) -> Iterator[str]:
    """What a script imports from the package, or asks a module of it for, in vain."""
    modules: dict[str, ModuleType] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "neural_dsl" and alias.asname:
                    modules[alias.asname] = importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and "neural_dsl" in (node.module or ""):
            owner = importlib.import_module(node.module or "")
            for alias in node.names:
                with suppress(ModuleNotFoundError):  # a module that is there
                    importlib.import_module(f"{node.module}.{alias.name}")
                if not hasattr(owner, alias.name):
                    yield alias.name
                elif isinstance(found := getattr(owner, alias.name), ModuleType):
                    modules[alias.asname or alias.name] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = modules.get(node.value.id)
            if owner is not None and not hasattr(owner, node.attr):
                yield f"{node.value.id}.{node.attr}"


@pytest.mark.needs("torch", "tensorflow")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_takes_what_there_is(path: Path) -> None:
    import torch  # noqa: F401  (before TensorFlow)

    assert [*missing(ast.parse(path.read_text("utf-8")))] == []


def test_what_is_missing_is_found() -> None:
    text = "from neural_dsl import api\nfrom neural_dsl.source import Sauce\napi.gone()"
    assert [*missing(ast.parse(text))] == ["Sauce", "api.gone"]
