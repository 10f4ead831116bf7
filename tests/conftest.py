"""What all tests share."""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

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
