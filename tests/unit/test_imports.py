"""Who may import whom (docs/architecture.md), read from the source of every module."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from neural_dsl.catalogue.backends import BACKENDS

PACKAGE = Path(__file__).parents[2] / "neural_dsl"
MODULES = sorted(PACKAGE.rglob("*.py"))

# part -> the parts of neural_dsl that it may import. Every part may import itself.
CORE = {"source", "diagnostics", "syntax", "catalogue", "tasks", "graph"}
MAY_IMPORT = {
    "__init__": set(),
    "source": set(),
    "diagnostics": {"source"},
    "syntax": {"source", "diagnostics", "grammar"},
    "catalogue": {"source", "diagnostics"},
    "graph": {"source", "diagnostics", "catalogue", "tasks"},
    "rules": CORE,
    "resolve": {*CORE, "rules"},
    "codegen": {*CORE, "rules", "templates"},
    "compiler": {*CORE, "codegen", "resolve", "files", "backends"},
    "leftovers": set(),
    "files": {"source", "diagnostics", "catalogue", "leftovers"},
    "free": set(),
    "attention": {"source", "files", "diagnostics"},
    "backends": {
        "source",
        "diagnostics",
        "catalogue",
        "tasks",
        "graph",
        "codegen",
        "attention",
        "files",
        "free",
    },
    "targets": {
        "__init__",
        *CORE,
        "attention",
        "backends",
        "codegen",
        "compiler",
        "files",
        "inputs",
        "outputs",
    },
    "surgery": {*CORE, "attention", "backends", "files", "inputs", "targets"},
    "visualize": {
        "source",
        "diagnostics",
        "catalogue",
        "graph",
        "attention",
        "files",
        "templates",
    },
    "inputs": {
        "source",
        "diagnostics",
        "catalogue",
        "graph",
        "resolve",
        "files",
        "free",
    },
    "tasks": {"source", "catalogue", "diagnostics", "files"},
    "outputs": set(),
    "runs": {
        "syntax",
        "source",
        "diagnostics",
        "catalogue",
        "graph",
        "resolve",
        "rules",
        "codegen",
        "compiler",
        "backends",
        "targets",
        "attention",
        "visualize",
        "files",
        "leftovers",
        "tasks",
        "inputs",
    },
    "api": {
        "attention",
        "compiler",
        "diagnostics",
        "files",
        "runs",
        "targets",
        "tasks",
    },
}
EVERYTHING = {*MAY_IMPORT, "cli"}
MAY_IMPORT["cli"] = EVERYTHING
MAY_IMPORT["__main__"] = {"cli"}

FRAMEWORKS = set[str]().union(*(spec.imports for spec in BACKENDS.values()))
HEAVY = {"numpy", "matplotlib", "plotly", "rich", "jinja2", "safetensors"}
NO_NUMPY = {
    "catalogue",
    "graph",
    "resolve",
    "rules",
    "syntax",
    "codegen",
    "diagnostics",
    "source",
}


def part_of(path: Path) -> str:
    """`neural_dsl/graph/nodes.py` -> "graph"; `neural_dsl/api.py` -> "api"."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path, *, types: bool = False) -> list[tuple[str, bool]]:
    """Every module that a file imports, lazily too, and whether at module level; with
    `types` also what only its annotations name. Of `from package import name` it is the
    module `package.name` where there is one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    typing_only = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.dump(test.test)
        for node in ast.walk(test)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only and not types:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            module = node.module or ""
            longer = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if name in BY_NAME else module for name in longer]
        else:
            continue
        found += [(name, id(node) not in inner) for name in names]
    return found


def module_name(path: Path) -> str:
    """`neural_dsl/graph/nodes.py` -> "neural_dsl.graph.nodes"."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


BY_NAME = {module_name(path): path for path in MODULES}


def identify(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_a_part_imports_only_the_parts_below_it(path):
    part = part_of(path)
    assert part in MAY_IMPORT, f"say in this test what {part} may import"
    for name, _ in imports(path):
        first, _, rest = name.partition(".")
        if first != "neural_dsl":
            continue
        target = rest.split(".")[0] or "__init__"
        assert target == part or target in MAY_IMPORT[part], f"{part} imports {name}"


def test_no_circle_between_files():
    left = {
        name: {
            other
            for other, _ in imports(path, types=True)
            if other in BY_NAME and other != name
        }
        for name, path in BY_NAME.items()
    }
    while free := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in free}
    # What is left imports one another, or is imported by such; drop the latter.
    while loose := left.keys() - set[str]().union(*left.values()):
        left = {name: needs for name, needs in left.items() if name not in loose}
    assert not left, f"these import one another: {', '.join(sorted(left))}"


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_only_a_backend_imports_its_framework(path):
    parts = path.relative_to(PACKAGE).parts
    backend = BACKENDS.get(parts[1]) if parts[0] == "backends" else None
    mine = backend.imports if backend else set()
    if parts[0] == "targets":  # they open models of any framework
        mine = FRAMEWORKS
    for name, _ in imports(path):
        framework = name.split(".")[0]
        assert framework not in FRAMEWORKS - mine, f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_the_core_does_without_numpy(path):
    if part_of(path) in NO_NUMPY:
        assert not [name for name, _ in imports(path) if name.split(".")[0] == "numpy"]


def test_what_tasks_of_one_s_own_build_on_needs_numpy_alone():
    for name, _ in imports(PACKAGE / "tasks" / "base.py"):
        assert name.split(".")[0] in {"numpy", *sys.stdlib_module_names}


def modules_after(arguments: list[str]) -> set[str]:
    """The modules that a process has imported after running `neural` so."""
    code = (
        "import json, sys\n"
        "from neural_dsl.cli.program import run\n"
        "run(sys.argv[1:])\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def packages_after(arguments: list[str]) -> set[str]:
    """The same, only the names of the packages."""
    return {name.split(".")[0] for name in modules_after(arguments)}


EXAMPLE = str(PACKAGE.parent / "examples/attention_examples/basic_transformer.neural")


TASK = str(PACKAGE.parent / "examples/tasks/arithmetic.neural")


@pytest.mark.parametrize("arguments", [["--help"], ["check", EXAMPLE], ["check", TASK]])
def test_help_and_check_import_nothing_heavy(arguments):
    assert not packages_after(arguments) & (HEAVY | FRAMEWORKS)


FOR_TASKS = (
    "resolve.tasks",
    "tasks",
    *(f"rules.{name}" for name in ("learning", "measures", "training")),
    "rules",
)
FOR_SETTINGS = tuple(
    f"catalogue.{name}"
    for name in ("losses", "metrics", "optimizers", "schedules", "configuration")
)


@pytest.mark.parametrize(
    ("settings", "unneeded"),
    [
        ("", FOR_TASKS + FOR_SETTINGS),
        ('loss: "mse" optimizer: Adam train { epochs: 2 }', FOR_TASKS[:-1]),
    ],
)
def test_check_imports_only_what_a_file_needs(settings, unneeded, tmp_path):
    file = tmp_path / "a.neural"
    file.write_text(f"network N {{ input: (4,) layers: Dense(2) {settings} }}")
    loaded = modules_after(["check", str(file)])
    assert "neural_dsl.resolve.settings" in loaded
    for part in unneeded:
        name = f"neural_dsl.{part}"
        assert not [each for each in loaded if f"{each}.".startswith(f"{name}.")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", EXAMPLE],
        ["compile", EXAMPLE],
        ["visualize", EXAMPLE, "-o", "/dev/null"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_run_no_model_import_no_framework(arguments):
    assert not packages_after(arguments) & FRAMEWORKS


def test_importing_the_package_imports_only_itself():
    code = "import sys; import neural_dsl; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    modules = done.stdout.split()
    assert [name for name in modules if name.startswith("neural_dsl")] == ["neural_dsl"]
    assert not {"click", "lark", *HEAVY, *FRAMEWORKS} & set(modules)
