"""Whether a run may go on: with the very file, settings, data and code that it began with."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from neural_dsl import backends
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.runs.directory import CODE, LAYOUT, About
from neural_dsl.runs.overrides import with_settings
from neural_dsl.runs.prepare import Prepared, TrainRequest, digest, with_kept_files
from neural_dsl.runs.task_files import data_digests, kept_as, located_files
from neural_dsl.source import read_regular
from neural_dsl.syntax.parser import parse, read_source

ANEW = (
    "train anew into another folder by --output-dir, or go on with the version that it "
    "began with; "
)


def refuse_changes(run: Prepared, request: TrainRequest) -> None:
    """Raise NE157 when resuming would not go on with the very same training."""
    layout, folder = run.about.get("layout", 1), shlex.quote(str(run.folder))
    if layout != LAYOUT:  # problems were dealt out otherwise
        which = "an older" if layout < LAYOUT else "a newer"
        raise _cannot_go_on(
            run,
            f"{which} version of neural began it, which held out other problems and kept "
            "another state",
            f"{ANEW}`neural predict` and `neural visualize` use its weights as they are",
        )
    for what in _changes(run, request):
        raise _cannot_go_on(
            run,
            what,
            "a run goes on exactly as it began; start another one by --output-dir, or "
            f"resume this one as it is by `neural train {folder} --resume`",
        )
    _refuse_other_code(run)


def _changes(run: Prepared, request: TrainRequest) -> Iterator[str]:
    """In what a request, or a file that it needs, is not what the run began with."""
    if not request.file.is_dir():
        original = read_source(request.file)
        if digest(original.text) != run.about.get("source_sha256"):
            yield f"{quoted(request.file)} has changed since it began"
        if request.settings:
            asked = with_settings(original, request.settings, request.network)
            asked = with_kept_files(asked, run.network, request.network)
            if asked.text != run.network.source.text:
                yield "it began with other settings"
        if kept_as(run.network):
            # The user's own files: those of the settings, or of this request.
            settings = request.settings or tuple(run.about.get("settings", ()))
            source = with_settings(original, settings, request.network)
            network, _ = resolve(parse(source), request.network)
            for path in other_data(run.about, network):
                yield f"it began with other data than {quoted(path)}"
    for path in other_data(run.about, run.network):
        yield f"{quoted(path)} has changed since it began"
    if request.backend and backends.choose(request.backend) != run.compiled.backend:
        yield f"it began on {run.compiled.backend}"
    if request.network and request.network != run.network.name:
        yield f"it trains the network `{run.network.name}`"


def _refuse_other_code(run: Prepared) -> None:
    """Raise NE157 when this program would train with other code than the run began with,
    or when `train.py` is no longer that code: it is never run, and writing it anew would
    take away what somebody changed there. One that is gone is written anew."""
    try:
        code = read_regular(run.folder / CODE).decode()
    except FileNotFoundError:
        code = run.compiled.code
    except (OSError, UnicodeDecodeError):
        code = ""
    if run.about.get("code_sha256") != digest(run.compiled.code):
        began = run.about.get("versions", {}).get("neural-dsl")
        by = f" (it began with neural {began})" if began else ""
        raise _cannot_go_on(
            run,
            f"this version of neural writes other code for it{by}",
            f"{ANEW}`neural evaluate` and the like still work",
        )
    if code != run.compiled.code:
        raise _cannot_go_on(
            run,
            f"its {CODE} is not the code that it began with",
            f"{CODE} shows what was trained and is never run by neural; move it elsewhere, "
            "and --resume writes it as it was; `python train.py` in its new place trains "
            "what you wrote",
        )


def _cannot_go_on(run: Prepared, why: str, help: str) -> NeuralError:
    message = f"the run in {quoted(run.folder)} cannot go on: {why}"
    return refusal("NE157", message, help=help)


def other_versions(about: About, current: dict[str, str]) -> str:
    """What to say of a run that goes on with another framework than it has been trained
    with, where sums may be ordered otherwise; "" for the same."""
    before = about.get("versions", {})
    others = [
        f"{name} {before[name]}, and this is {version}"
        for name, version in current.items()
        if name != "neural-dsl" and before.get(name, version) != version
    ]
    promise = "the same bit for bit is promised for one version only"
    return f"the run was trained with {'; '.join(others)}: {promise}" if others else ""


def other_data(about: About, network: Network) -> list[Path]:
    """The files of a network's task that are not what a run began with."""
    known, found = about.get("data_sha256", {}), data_digests(network)
    places = located_files(network).items()
    return [
        path for name, path in places if known.get(name, found[name]) != found[name]
    ]
