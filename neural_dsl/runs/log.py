"""`log-<time>.txt`: the whole story of a run, a new file each time it is started."""

from __future__ import annotations

import platform
import sys
import traceback
import warnings
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from neural_dsl.files import output_errors

if TYPE_CHECKING:
    from neural_dsl.graph.nodes import Network


class RunLog:
    """Lines with their time, written at once; Python's warnings come here too."""

    def __init__(self, folder: Path):
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        path = folder / f"log-{stamp}.txt"
        number = 1
        while path.exists():  # two starts within one second
            number += 1
            path = folder / f"log-{stamp}-{number}.txt"
        with output_errors(path):
            self._file = path.open("x", encoding="utf-8", buffering=1)
        self.path = path

    def __enter__(self) -> RunLog:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.showwarning = self._warning
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.write("error", f"{type(error).__name__}: {error}")
            self.text("".join(traceback.format_exception(error)))
        self._warnings.__exit__(kind, error, trace)
        self._file.close()

    def write(self, level: str, message: str) -> None:
        """One line: time, level, message. Raises NeuralError NE134."""
        stamp = datetime.now().isoformat(" ", "milliseconds")
        self.text(f"{stamp}  {level:<7}  {message}")

    def text(self, text: str) -> None:
        """Lines as they are."""
        with output_errors(self.path):
            self._file.write(text.rstrip("\n") + "\n")

    def _warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        self.write("warning", f"{category.__name__}: {message} ({filename}:{lineno})")


def heading(
    network: Network, settings: dict[str, Any], versions: dict[str, str]
) -> str:
    """The start of a log: what is trained, how, and on what."""
    lines = [f"model: {network.name}, {network.parameter_count:,} parameters"]
    for layer in network.layers():
        shape = tuple(layer.output.shape)
        count = layer.parameter_count
        lines.append(f"  {layer.name:<32} {layer.type:<24} {shape!s:<16} {count:>10,}")
    lines.append("settings:")
    lines += [f"  {name}: {value}" for name, value in settings.items()]
    lines.append(f"command: {' '.join(sys.argv)}")
    lines.append(f"machine: {platform.platform()}, Python {platform.python_version()}")
    lines.append("versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()))
    return "\n".join(lines)
