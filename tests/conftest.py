"""What all tests share."""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

import hypothesis
import pytest

from neural_dsl.catalogue.backends import BACKENDS
from tests.hiding.sitecustomize import environment, hide

# One thread a worker: the tests' models are small, and threads of two workers that wait for
# one another on two cores cost more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples every time, so that a run says something about the change and not
# about luck. `HYPOTHESIS_PROFILE=explore` draws new ones.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", print_blob=True, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


# What a mark says is needed -> the packages.
FRAMEWORKS = {spec.package: [*spec.imports] for spec in BACKENDS.values()}


def hidden(config: pytest.Config) -> list[str]:
    """The packages that this run does without: in a run of the core every framework, and
    what `-m "torch and not tensorflow"` rules out."""
    asked = config.getoption("-m")
    unneeded = (f for f in FRAMEWORKS if asked == "core" or f"not {f}" in asked)
    return [package for name in unneeded for package in FRAMEWORKS[name]]


def pytest_configure(config: pytest.Config) -> None:
    """So a test whose mark is wrong fails, in a process that it starts as well."""
    if packages := hidden(config):
        hide(*packages)
        os.environ.update(environment(*packages))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test is marked `torch`, `tensorflow` or `browser`, or both frameworks, as its
    closest `needs("torch", …)` says: its own, a fixture's such as `backend`, its file's. A
    test of which nothing is said is `core`."""
    for item in items:
        needs = item.get_closest_marker("needs")
        for name in (needs and needs.args) or ["core"]:
            item.add_marker(name)
            if name in FRAMEWORKS and not find_spec(name):
                item.add_marker(pytest.mark.skip(f"{name} is not installed"))


class _TorchFirst(MetaPathFinder):
    """Imports torch before tensorflow: in one process, some versions of the two crash
    when they come in the other order."""

    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow" and "torch" not in sys.modules and find_spec("torch"):
            import torch  # noqa: F401
        return None


sys.meta_path.insert(0, _TorchFirst())


# Each backend in turn, for tests that run models on it.
EACH_BACKEND = [
    pytest.param("pytorch", marks=pytest.mark.needs("torch")),
    pytest.param("tensorflow", marks=pytest.mark.needs("tensorflow")),
]


@pytest.fixture(params=EACH_BACKEND, scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend in turn."""
    name: str = request.param
    return name


@pytest.fixture(
    params=[
        pytest.param(
            ("pytorch", "tensorflow"),
            marks=pytest.mark.needs("torch", "tensorflow"),
            id="both",
        )
    ]
)
def both_backends(request: pytest.FixtureRequest) -> tuple[str, str]:
    names: tuple[str, str] = request.param
    return names
