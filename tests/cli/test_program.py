"""The program as a whole: help, exit codes, streams, and no traceback whatever comes."""

import json
import os
import signal
import subprocess
import sys

import pytest

from neural_dsl.cli import program
from neural_dsl.cli.program import SECTIONS
from tests.cli.conftest import BASIC, EXAMPLES, SMALL

COMMANDS = [name for entries in SECTIONS.values() for name in entries]


def start(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "neural_dsl", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )


def test_help_lists_every_command_in_its_section(neural):
    result = neural("--help")
    assert result.code == 0 and result.err == ""
    for title, entries in SECTIONS.items():
        assert f"{title}:" in result.out
        for name, summary in entries.items():
            assert f"  {name} " in result.out and summary in result.out
    assert max(map(len, result.out.splitlines())) <= 96


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_and_describes_every_option(neural, command):
    result = neural(command, "--help")
    assert result.code == 0
    assert "Examples:" in result.out and f"  neural {command}" in result.out
    context = program.program.make_context("neural", ["check"], resilient_parsing=True)
    for option in program.program.get_command(context, command).params:
        if option.param_type_name == "option":
            assert option.help, f"{command} {option.opts} has no help"


def test_no_arguments_prints_the_help_and_fails_as_a_usage_error():
    done = start()
    assert done.returncode == 2 and "Usage: neural" in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek", "x"], "Did you mean 'check'?"),
        (["model.neural"], "neural check model.neural"),
        (["check"], "Missing argument"),
        (["check", "x", "--format", "xml"], "'xml' is not one of"),
        (["compile", "x", "--backend", "jax"], "'jax' is not one of"),
        (["run", "x", "--seed", "-1"], "-1"),
        (["visualize", "x", "--tokens", "a"], "--tokens goes with --attention"),
        (["visualize", "x", "--attention", "-o", "y"], "--output-dir"),
        (["visualize", "x", "--attention", "--format", "html"], "png, svg, pdf"),
        (["visualize", "x", "--format", "pdf"], "html, svg, png"),
        (["visualize", "x", "--head", "one"], "one"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2_with_a_hint(neural, arguments, said):
    result = neural(*arguments)
    assert result.code == 2
    assert result.out == "" and said in result.err


@pytest.mark.parametrize(
    ("name", "backend"), [("torch", "PyTorch"), ("TF", "TensorFlow"), ("keras", "Tens")]
)
def test_a_backend_may_be_called_what_files_call_it(neural, tmp_path, name, backend):
    (tmp_path / "m.neural").write_text(
        "network A { input: (4,) layers: Dense(2) Output(2) }"
    )
    result = neural("compile", str(tmp_path / "m.neural"), "--backend", name)
    assert result.code == 0 and f"for {backend}" in result.out.splitlines()[0]


def test_python_dash_m_is_the_same_program():
    assert start("--help").stdout.splitlines()[0].startswith("Usage: neural ")
    assert (
        start("--version").stdout == f"neural {__import__('neural_dsl').__version__}\n"
    )


def test_version_lists_frameworks_without_importing_them(neural):
    result = neural("version")
    assert result.code == 0
    assert "torch" in result.out and "tensorflow" in result.out


def test_a_bug_of_ours_is_reported_in_words_and_with_its_own_code(neural, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("oops")

    monkeypatch.setattr("neural_dsl.cli.check.findings", broken)
    result = neural("check", BASIC)
    assert result.code == program.BUG
    assert "internal error: RuntimeError: oops" in result.err
    assert "Traceback" not in result.err
    monkeypatch.setenv("NEURAL_TRACEBACK", "1")
    assert "Traceback" in neural("check", BASIC).err


def test_ctrl_c_ends_quietly(neural, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("neural_dsl.cli.check.findings", interrupted)
    result = neural("check", BASIC)
    assert result.code == 128 + signal.SIGINT
    assert result.err.strip() == "interrupted"


def test_ctrl_c_while_the_program_is_imported_ends_quietly():
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from neural_dsl.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == ""


def test_after_ctrl_c_no_framework_is_left_to_crash_at_the_end():
    code = (
        "import atexit, sys; atexit.register(print, 'the usual end')\n"
        "import neural_dsl.cli.check as check\n"
        "def interrupted(*_): raise KeyboardInterrupt\n"
        "check.findings = interrupted\n"
        "from neural_dsl.cli.program import main\n"
        "main(['check', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(BASIC)], capture_output=True, text=True
    )
    assert done.returncode == 128 + signal.SIGINT
    assert done.stdout == "" and done.stderr.strip() == "interrupted"


@pytest.mark.skipif(os.name == "nt", reason="pipes of a POSIX shell")
def test_a_reader_that_stops_early_causes_no_noise():
    files = " ".join([str(BASIC)] * 3)
    done = subprocess.run(
        f"{sys.executable} -m neural_dsl explain | true; "
        f"{sys.executable} -m neural_dsl compile {BASIC} | head -n 1; "
        f"{sys.executable} -m neural_dsl check --format json {files} | true",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def test_check_reports_every_file_and_fails_if_one_does(neural, file):
    bad = file("network A { input: (4) layers: Dens(3) Output(2) }")
    result = neural("check", BASIC, bad, "missing.neural")
    assert result.code == 1 and result.out == ""
    assert "Dens" in result.err and "missing.neural" in result.err
    assert neural("check", *EXAMPLES.rglob("*.neural")).code == 0


def test_check_json_is_one_array_on_stdout_and_nothing_else(neural, file):
    bad = file("network A { input: (4) layers: Dens(3) Output(2, activation=1) }")
    result = neural("check", "--format", "json", bad, "missing.neural")
    found = json.loads(result.out)
    assert result.code == 1 and result.err == ""
    assert len(found) >= 2
    keys = [
        "code",
        "severity",
        "message",
        "help",
        "file",
        "line",
        "column",
        "end_line",
        "end_column",
    ]
    assert all(list(entry) == keys for entry in found)
    good = neural("check", "--format", "json", BASIC)
    assert (good.code, json.loads(good.out), good.err) == (0, [], "")


def test_colours_appear_on_a_terminal_only_and_not_against_no_color(file):
    bad = file("network A { input: (4) layers: Dens(3) }")
    assert "\x1b" not in start("check", bad).stderr
    code = (
        "import sys; sys.stderr.isatty = lambda: True\n"
        f"from neural_dsl.cli.program import run; run(['check', {str(bad)!r}])"
    )
    for extra, coloured in (
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ):
        environment = {**os.environ, "TERM": "xterm", **extra}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert ("\x1b" in done.stderr) is coloured, extra


def test_explain_prints_the_page_or_lists_all(neural):
    assert neural("explain", "ne128").out.startswith("# NE128: ")
    listing = neural("explain").out.splitlines()
    assert len(listing) > 30 and all(line.startswith(("NE", "NW")) for line in listing)
    unknown = neural("explain", "NE12O")
    assert unknown.code == 1 and "did you mean" in unknown.err


def test_summary_shows_shapes_parameters_memory_and_layer_indices(neural, file):
    result = neural("summary", file(SMALL))
    assert result.code == 0 and result.err == ""
    rows = [line for line in result.out.splitlines() if "TransformerEncoder" in line]
    assert "(4, 8)" in rows[0] and "0: 2 heads, self" in rows[0]
    assert "1: 4 heads, self" in rows[1]
    # query, key, value, projection 4 (8·8 + 8); feed-forward 2 · 8 · 8 + 16; norms 4 · 8
    assert " 464 " in rows[0] and "1.9 kB" in rows[0]
    assert "955 trainable parameters" in result.out
