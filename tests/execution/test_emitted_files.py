"""Emitted files stand alone: they run where `neural_dsl` does not exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from neural_dsl.resolve.network import resolve
from neural_dsl.syntax.parser import parse, read_source
from tests.regenerate import cases, whole_files

# Runs every file named on the command line in one process, so that the framework is
# imported once, with an import hook that refuses the compiler. Each runs in the folder
# named after it, where its data are.
RUNNER = """
import contextlib, io, itertools, json, math, os, re, runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "neural_dsl":
            raise ImportError("an emitted file imports neural_dsl")
sys.meta_path.insert(0, Refuse())
printed = {}
for path, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    os.chdir(folder)
    out, text = io.StringIO(), open(path, encoding="utf-8").read()
    with contextlib.redirect_stdout(out):
        if "class Training" not in text:
            runpy.run_path(path, run_name="__main__")
        else:  # a whole training takes minutes: two steps of it
            emitted = runpy.run_path(path, run_name="emitted")
            if emitted["TOTAL_STEPS"] < 10:  # a small one, to its end
                emitted = runpy.run_path(path, run_name="__main__")
                model = emitted["model"]
                losses = map(float, re.findall(r"loss (\\S+)", out.getvalue()))
            else:
                model = eval(re.search(r"^    model = (.+)", text, re.M)[1], emitted)
                training = emitted["Training"](model)
                losses = (float(step.loss) for step in itertools.islice(training, 2))
            losses = list(losses)
            assert losses and all(0 < loss < 10 for loss in losses), losses
            weights = getattr(model, "trainable_weights", None) or model.parameters()
            count = sum(math.prod(w.shape) for w in weights)
            print(f"{count:,} parameters\\n Trainable params: {count:,} ")
    printed[path] = out.getvalue()
json.dump(printed, sys.stdout)
"""
WHOLE = {
    "arrays_classification": r"test accuracy \d+\.\d%",
    "arrays_regression": r"test loss \d\.\d{4}",
    "arrays_two_inputs": r"test accuracy \d+\.\d%",
    "custom": r"test exact match \d+\.\d%",
    "double": r"test exact match \d+\.\d%",
    "reverse_aligned": r"test exact match \d+\.\d%",
    "sort_aligned": r"test exact match \d+\.\d%",
}
"""Cases that are trained to their end, and what they print last."""


def test_every_emitted_file_runs_alone_and_counts_its_parameters(
    backend: str, tmp_path: Path
) -> None:
    names = list(cases())
    files = [str(tmp_path / f"{name}.py") for name in names]
    folders = [str(tmp_path / name) for name in names]
    for name, file in zip(names, files, strict=True):
        code = whole_files(cases()[name])[backend]
        Path(file).write_text(code, encoding="utf-8")
    for name, folder in zip(names, folders, strict=True):
        # Data only: a `tensorflow.py` beside a script would be taken for the package.
        ignored = shutil.ignore_patterns("*.py", "__pycache__")
        shutil.copytree(cases()[name].parent, folder, ignore=ignored)
    places = [each for pair in zip(files, folders, strict=True) for each in pair]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *places],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    for name, file in zip(names, files, strict=True):
        network, _ = resolve(parse(read_source(cases()[name])))
        count = f"{network.parameter_count:,}"
        line = {
            "pytorch": f"{count} parameters",
            "tensorflow": f"Trainable params: {count} ",
        }
        assert line[backend] in printed[file], name
        if name in WHOLE:
            last = printed[file].splitlines()[-3]
            assert re.fullmatch(WHOLE[name], last), (name, last)
            assert (tmp_path / name / f"{network.name.lower()}.safetensors").exists()
    assert {name for name in WHOLE if name in names} == set(WHOLE)
