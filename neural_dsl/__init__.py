"""Neural DSL: `.neural` files to readable code and true attention pictures.

    import neural_dsl as nd
    model = nd.load("model.neural", backend="pytorch")
    record = nd.capture(model, tokens="The,cat,sat")

Names are imported on first use, so `import neural_dsl` is free and no framework is
imported before a model is loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    **dict.fromkeys(("open", "capture", "train", "evaluate", "predict"), "api"),
    **dict.fromkeys(("load", "Model"), "targets.file"),
    "compile": "compiler",
    "AttentionRecord": "attention.record",
    "CompiledModel": "codegen.generate",
    "NeuralError": "diagnostics",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'neural_dsl' has no attribute {name!r}")
    value = getattr(import_module(f"neural_dsl.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted(__all__)
