"""What the documentation says is true: its commands run, its code runs, its links lead."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neural_dsl.cli.program import SECTIONS, run
from neural_dsl.diagnostics.explain import codes, page
from neural_dsl.resolve.checking import check_all
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from neural_dsl.tasks import TASKS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
)
SET_UP = "python3 -m venv"  # the README's two commands: .ci/run runs them


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def fences(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(path: Path) -> list[str]:
    lines = "\n".join(fences(path, "sh")).splitlines()
    return [line for line in lines if line and not line.startswith(("#", SET_UP))]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the examples, as at the top of the repository."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    # Pages call a reader's own file model.neural.
    basic = ROOT / "examples" / "attention_examples" / "basic_transformer.neural"
    shutil.copy(basic, tmp_path / "model.neural")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEURAL_BACKEND", raising=False)
    return tmp_path


def its_needs(path: Path) -> pytest.MarkDecorator:
    """The frameworks that the commands of a page run."""
    named = any("tensorflow" in line for line in commands(path))
    return pytest.mark.needs("torch", *(["tensorflow"] if named else []))


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=its_needs(p)) for p in PAGES if commands(p)],
    ids=name_of,
)
def test_every_command_of_a_page_runs(path, checkout, capsys):
    for line in commands(path):
        program, *arguments = shlex.split(line, comments=True)
        if program == "neural":
            code = run(arguments)
            assert code == 0, f"{line}\n{capsys.readouterr().err}"
        else:
            assert program == "python", f"how should the test run `{line}`?"
            done = subprocess.run(
                [sys.executable, *arguments], capture_output=True, text=True
            )
            assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("path", [p for p in PAGES if fences(p, "neural")], ids=name_of)
def test_every_network_of_a_page_is_right(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in fences(path, "python"):  # the tasks that networks name
        for name in re.findall(r"^class (\w+)\(Task\):", text, re.MULTILINE):
            Path(f"{name.lower()}.py").write_text(text, encoding="utf-8")
    for text in fences(path, "neural"):
        found = check_all(parse(Source(path.name, text)))
        assert not found, found


@pytest.mark.needs("torch")
@pytest.mark.slow
def test_the_python_of_the_docs_runs(checkout):
    saved = ["--attention", "--save-weights", "w.safetensors"]
    assert run(["visualize", "model.neural", *saved]) == 0
    for path in PAGES:
        scope = {}
        for text in fences(path, "python"):
            exec(compile(text, str(path), "exec"), scope)


def test_the_error_of_the_readme_is_what_check_says(checkout, capsys):
    (shown,) = fences(ROOT / "README.md", "console")
    text = Path("examples/attention_examples/basic_transformer.neural").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    Path("model.neural").write_text("\n".join(lines).replace("heads=4", "heads=7"))
    assert run(["check", "model.neural"]) == 1
    said = capsys.readouterr().err.strip().rpartition("\n\n")[0]
    assert said == shown.strip().removeprefix("$ neural check model.neural\n")


@pytest.mark.needs("torch")
def test_the_analysis_of_the_readme_is_what_its_command_prints(checkout, capsys):
    shown = next(
        text
        for text in fences(ROOT / "README.md", "text")
        if text.startswith("Attention Analysis")
    )
    line = next(one for one in commands(ROOT / "README.md") if "classification" in one)
    arguments = shlex.split(line)[1:]
    assert run([*arguments, "--backend", "pytorch"]) == 0
    *wanted, rest = shown.rstrip().splitlines()
    assert rest.strip() == "…" and len(wanted) > 4
    assert capsys.readouterr().out.splitlines()[: len(wanted)] == wanted


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_to_a_file(path):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if not target.startswith("http"):
            assert (path.parent / target).exists(), f"{name_of(path)} links to {target}"


def test_the_reference_pages_are_what_the_script_writes():
    spec = importlib.util.spec_from_file_location(
        "make_reference", ROOT / "docs/make_reference.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, write in script.PAGES.items():
        shown = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert shown == write(), f"run docs/make_reference.py: docs/{name} is old"


def test_every_command_task_and_code_is_documented():
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    for entries in SECTIONS.values():
        for name in entries:
            assert f"### neural {name}\n" in text
    language = (ROOT / "docs/language.md").read_text(encoding="utf-8")
    for task in TASKS.specs:
        assert re.search(rf"`{task.name}[(`]", language), task.name
    listed = (ROOT / "docs/codes.md").read_text(encoding="utf-8")
    assert all(f"[{code}]" in listed for code in codes())


def raised_codes() -> set[str]:
    """Every code that stands in a string of the package."""
    sources = (ROOT / "neural_dsl").rglob("*.py")
    found = (
        re.findall(r'"(N[EW]\d{3})"', p.read_text(encoding="utf-8")) for p in sources
    )
    return {code for each in found for code in each}


def test_every_code_that_is_raised_has_a_page_and_every_page_is_of_use():
    raised = raised_codes()
    assert raised == set(codes())
    for code in raised:
        assert page(code).startswith(f"# {code}: ")
