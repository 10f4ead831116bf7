"""Imports the text of an emitted file as a module of its own."""

from __future__ import annotations

import linecache
import sys
from itertools import count
from types import ModuleType

from neural_dsl.codegen.generate import CompiledModel

_numbers = count()


def import_emitted(compiled: CompiledModel, file: str | None = None) -> ModuleType:
    """Run `compiled.code` as a module under a private name, never as `__main__`.

    `file` is where that very text stands on disk. Without one the text is given to
    `linecache`, so that tracebacks and `inspect.getsource` show the emitted lines.
    """
    name = f"_neural_dsl_emitted_{next(_numbers)}"
    filename = file or f"<{name}: {compiled.network.name} for {compiled.backend}>"
    if file is None:
        lines = compiled.code.splitlines(keepends=True)
        linecache.cache[filename] = (len(compiled.code), None, lines, filename)
    module = ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    try:
        exec(compile(compiled.code, filename, "exec"), module.__dict__)
    except BaseException:
        forget(module)
        raise
    return module


def forget(module: ModuleType) -> None:
    """Drop what `import_emitted` registered, once its model is gone."""
    sys.modules.pop(module.__name__, None)
    linecache.cache.pop(str(module.__file__), None)
