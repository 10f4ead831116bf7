"""Every backend has its folders, and no file keeps a list of the backends of its own."""

import re
from pathlib import Path

import pytest

from neural_dsl.catalogue.backends import BACKENDS, find_backend
from neural_dsl.catalogue.configuration import TRAIN
from neural_dsl.catalogue.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[2]
OF_A_BACKEND = {ROOT / "neural_dsl" / "backends" / name for name in BACKENDS}
SOURCES = [
    path
    for path in (ROOT / "neural_dsl").rglob("*.py")
    if not OF_A_BACKEND & set(path.parents) and path.name != "backends.py"
]


@pytest.mark.parametrize("spec", BACKENDS.values(), ids=lambda spec: spec.name)
def test_a_backend_has_its_folders_and_extra(spec):
    assert (ROOT / "templates" / spec.name).is_dir()
    assert (ROOT / "neural_dsl" / "backends" / spec.name / "runtime.py").is_file()
    assert re.search(rf"^{spec.extra} = ", (ROOT / "pyproject.toml").read_text(), re.M)


@pytest.mark.parametrize("spec", BACKENDS.values(), ids=lambda spec: spec.name)
def test_what_a_backend_lacks_exists(spec):
    assert spec.optimizers_lacking <= {each.name for each in OPTIMIZERS.specs}
    assert set(spec.train_lacking) <= {parameter.name for parameter in TRAIN}


def test_a_backend_is_found_under_each_of_its_names():
    for spec in BACKENDS.values():
        for spelling in (
            spec.name,
            spec.name.upper(),
            f" {spec.title} ",
            *spec.aliases,
        ):
            assert find_backend(spelling) is spec
    assert find_backend("jax") is None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_code_compares_with_the_name_of_a_backend(path):
    names = "|".join(BACKENDS)
    compared = re.compile(rf'(?:[=!]= |in \(|\[)"(?:{names})"')
    found = [
        one for one in path.read_text("utf-8").splitlines() if compared.search(one)
    ]
    assert not found, "a fact about a backend belongs into its BackendSpec"
