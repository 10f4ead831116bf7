"""The backends: every fact about one that is not code, once.

A new backend is an entry here, a folder of its name in `neural_dsl/backends/` (what runs
its models) and one in `templates/` (what its files look like).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BackendSpec:
    """One backend.

    - `name`: what it is called in commands, files and records; its folders' name, too.
    - `title`: what it is called in prose.
    - `aliases`: what else a user may call it, in lower case.
    - `package`: what must be importable to run it; `distributions` are the names under
      which installers know that package, and `extra` is ours that installs it.
    - `imports`: the top-level modules that only this backend may import.
    - `optimizers_lacking`: names of optimizers that its training scripts do not have.
    - `train_lacking`: keys of `train` that its scripts do not have -> what to do instead.
    - `own_name`: what the framework itself calls the weight at a path of attributes.
    - `holds_out`: whether `fit` of a file without a task can keep examples apart.
    - `whole_matrices`: whether its attention holds all its weights while the model runs.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    package: str
    distributions: tuple[str, ...]
    extra: str
    imports: frozenset[str]
    optimizers_lacking: frozenset[str] = frozenset()
    train_lacking: Mapping[str, str] = field(default_factory=dict)
    own_name: Callable[[str], str] = str
    holds_out: bool = False
    whole_matrices: bool = False

    def file_name(self, suffix: str = "") -> str:
        """The name of a compiled file that is given none."""
        return f"compiled_model_{self.name}{suffix}.py"


_PYTORCH = BackendSpec(
    name="pytorch",
    title="PyTorch",
    aliases=("torch",),
    package="torch",
    distributions=("torch",),
    extra="torch",
    imports=frozenset({"torch"}),
    optimizers_lacking=frozenset({"Lion"}),
)
# Keras can only build a whole model of 16 bits, and what is tested and drawn afterwards
# would be another model's numbers.
_MIXED = "leave it out, or compile for pytorch, which uses it on GPUs"
_TENSORFLOW = BackendSpec(
    name="tensorflow",
    title="TensorFlow",
    aliases=("tf", "keras"),
    package="tensorflow",
    distributions=("tensorflow", "tensorflow-cpu"),
    extra="tensorflow",
    imports=frozenset({"tensorflow", "keras"}),
    train_lacking={"mixed_precision": _MIXED},
    # Keras names the layers of a list after the list: `blocks.0` is `blocks_0`.
    own_name=lambda path: re.sub(r"\.(\d+)", r"_\1", path).replace(".", "/"),
    holds_out=True,
    whole_matrices=True,
)
BACKENDS = {spec.name: spec for spec in (_PYTORCH, _TENSORFLOW)}
"""In the order of preference; the first is the default where none is installed."""

DEFAULT = next(iter(BACKENDS))

BACKEND_NAMES: Mapping[str, str] = {
    **{name: name for name in BACKENDS},
    **{alias: spec.name for spec in BACKENDS.values() for alias in spec.aliases},
}
"""What a user may call a backend, and its name; the names come first."""


def find_backend(spelling: str) -> BackendSpec | None:
    """The backend that a user's word means."""
    return BACKENDS.get(BACKEND_NAMES.get(spelling.strip().lower(), ""))
