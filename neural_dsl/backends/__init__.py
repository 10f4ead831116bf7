"""Live models: build the emitted file, load and save weights, run it, capture attention.

Nothing here imports a framework until `create_runtime` is called.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from neural_dsl.catalogue.backends import BACKENDS, DEFAULT, find_backend
from neural_dsl.diagnostics import NeuralError, refusal

if TYPE_CHECKING:
    from neural_dsl.backends.live import Runtime
    from neural_dsl.codegen.generate import CompiledModel


def available() -> list[str]:
    """The installed backends, preferred first. Looks for the packages, imports none."""
    return [spec.name for spec in BACKENDS.values() if find_spec(spec.package)]


def choose(
    requested: str | None = None,
    from_file: str | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    must_run: bool = True,
) -> str:
    """The backend to use.

    `requested` (by the caller) wins over `from_file` (`execution { backend: … }`),
    which wins over `NEURAL_BACKEND` in `env`; else it is the first installed one. With
    `must_run` False the code is only to be written: the backend need not be installed,
    and PyTorch is the default where none is. Raises NeuralError: NE101 for an unknown
    name, NE100 when the backend, or any backend, is not installed.
    """
    wishes = {
        "": requested,
        " in execution { backend: … }": from_file,
        " in NEURAL_BACKEND": env.get("NEURAL_BACKEND"),
    }
    installed = available()
    for place, wish in wishes.items():
        if not wish:
            continue
        found = find_backend(str(wish))
        if found is None:
            raise refusal(
                "NE101",
                f"unknown backend `{wish}`{place}",
                help=f"the backends are {' and '.join(BACKENDS)}",
            )
        if must_run and found.name not in installed:
            raise _missing(found.name)
        return found.name
    if installed or not must_run:
        return installed[0] if installed else DEFAULT
    extras = (f'`pip install "neural-dsl[{spec.extra}]"`' for spec in BACKENDS.values())
    message = "no backend is installed: running a model needs one"
    raise refusal("NE100", message, help=" or ".join(extras))


def create_runtime(
    compiled: CompiledModel, seed: int = 0, file: str | None = None
) -> Runtime:
    """Import the emitted file and build its model with weights drawn from `seed`.
    `file` is where its text stands on disk, if it does.

    Raises NeuralError: NE100 when the backend is not installed, NE102 when it is
    installed but cannot be used in this process, NE106 when the model cannot be built.
    """
    made = runtime_module(compiled.backend).LiveRuntime(compiled, seed, file)
    return made  # type: ignore[no-any-return]


def runtime_module(backend: str) -> Any:
    """The backend's `runtime` module, its framework imported with it.

    Raises NeuralError: NE100 when it is not installed, NE102 when it cannot be imported.
    """
    package = BACKENDS[backend].package
    if not find_spec(package):
        raise _missing(backend)
    try:
        return import_module(f"neural_dsl.backends.{backend}.runtime")
    except (ImportError, OSError) as error:
        raise refusal(
            "NE102",
            f"the {backend} backend is installed but cannot be imported: {error}",
            help=f'try `python -c "import {package}"`, then reinstall {package}',
        ) from error


def foreign_model(model: Any) -> Any:
    """A live model that was not emitted, with its backend's methods to run and watch it
    (`ForeignModel`). Raises NeuralError NE111 for what is no model."""
    roots = {one.__module__.partition(".")[0] for one in type(model).__mro__}
    for name, spec in BACKENDS.items():
        if roots & spec.imports and callable(model):
            return runtime_module(name).ForeignModel(model)
    raise refusal(
        "NE111",
        f"{type(model).__name__} is no model whose attention can be seen",
        help="give a torch.nn.Module or a keras.Model",
    )


def _missing(name: str) -> NeuralError:
    """NE100 for one backend."""
    spec = BACKENDS[name]
    return refusal(
        "NE100",
        f"the {name} backend needs the package `{spec.package}`, which is not installed",
        help=f'install it with `pip install "neural-dsl[{spec.extra}]"`',
    )
