"""What all tests share."""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

from neural_dsl.backends import available
from neural_dsl.catalogue.backends import BACKENDS

# One thread a worker: the tests' models are small, and threads of two workers that wait for
# one another on two cores cost more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples every time, so that a run says something about the change and not
# about luck. `HYPOTHESIS_PROFILE=explore` draws new ones.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", print_blob=True, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


FRAMEWORKS = {"pytorch": "torch", "tensorflow": "tensorflow"}
RUNS_MODELS = {"execution", "parity", "targets"}  # folders whose tests all run models


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with what it needs, so that parts can be run apart.

    What a module or a test says itself (`pytestmark = pytest.mark.torch`) stands. Else a
    test that takes a `backend`, where models run, needs that one; the others there need
    both; and all that is left is `core`, which needs no framework and no browser.
    """
    for item in items:
        said = {mark.name for mark in item.iter_markers()}
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        chosen = {v for v in parameters.values() if isinstance(v, str)} & {*FRAMEWORKS}
        if folder in RUNS_MODELS and not said & {*FRAMEWORKS.values(), "core"}:
            said |= {FRAMEWORKS[name] for name in chosen or FRAMEWORKS}
        if folder == "browser":
            said.add("browser")
        if not said & {*FRAMEWORKS.values(), "browser"}:
            said.add("core")
        for name in said & {*FRAMEWORKS.values(), "browser", "core"}:
            item.add_marker(name)


class _NoFramework(MetaPathFinder):
    """In a run of the core alone nothing imports a framework: else its mark is wrong."""

    def find_spec(self, name, path=None, target=None):
        if name in FRAMEWORKS.values():
            raise ImportError(f"a test of the core imports {name}")
        return None


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("-m") == "core":
        sys.meta_path.insert(0, _NoFramework())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where models run, no test is of the core, and the imports alone take seconds."""
    is_core = config.getoption("-m") == "core"
    return True if is_core and collection_path.name in RUNS_MODELS else None


class _TorchFirst(MetaPathFinder):
    """Imports torch before tensorflow: in one process, some versions of the two crash
    when they come in the other order."""

    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow" and "torch" not in sys.modules and find_spec("torch"):
            import torch  # noqa: F401
        return None


sys.meta_path.insert(0, _TorchFirst())


@pytest.fixture(params=list(BACKENDS), scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend in turn; one that is not installed is skipped."""
    name: str = request.param
    if name not in available():
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def both_backends() -> tuple[str, str]:
    """Both backends; skipped unless both are installed."""
    if len(available()) < 2:
        pytest.skip("needs both backends")
    return "pytorch", "tensorflow"
