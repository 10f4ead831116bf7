"""The `neural` program itself: its list of commands, and what happens to errors.

A command's file is imported only when that command is run or its help is asked for, so
that `neural --help` costs what Click costs.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import click

from neural_dsl import __version__
from neural_dsl.diagnostics import NeuralError

BUG = 70  # os.EX_SOFTWARE, spelled out because Windows lacks it
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


# What `neural --help` lists: command -> what it does. Its file has its name.
SECTIONS: dict[str, dict[str, str]] = {
    "Look at a file": {
        "check": "Report every mistake in .neural files.",
        "summary": "Table of layers, shapes, parameters and memory.",
        "explain": "Explain a diagnostic code such as NE021.",
    },
    "Turn it into code": {
        "compile": "Write readable PyTorch or TensorFlow code.",
        "run": "Print the model's output for an input.",
    },
    "Train it": {
        "data": "Write the problems of the task as text files.",
        "train": "Train the network on its task; resumable.",
        "evaluate": "Test a run on problems it has never seen.",
        "predict": "Answer prompts with a run's model.",
        "generate": "Write text with a run's language model.",
    },
    "Draw it": {"visualize": "Draw the architecture, or every attention head."},
    "About": {"version": "Versions of neural and of what it runs on."},
}
COMMANDS = {name: text for part in SECTIONS.values() for name, text in part.items()}

EXAMPLES = """\b
Examples:
  neural check model.neural
  neural compile model.neural --backend pytorch -o my_model.py
  neural visualize model.neural --attention --tokens "The,cat,sat"

`neural COMMAND --help` shows a command's options and examples."""


class Program(click.Group):
    """A group whose commands are listed from `SECTIONS` and imported one at a time."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one command's file; its function is called `command`."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"neural_dsl.cli.{name}").command
        command.short_help = COMMANDS[name]
        return command

    def resolve_command(self, context: click.Context, arguments: list[str]) -> Any:
        """Find the command, or say which one was probably meant."""
        name = arguments[0]
        if name.startswith("-") or name in COMMANDS:
            return super().resolve_command(context, arguments)
        from difflib import get_close_matches

        hint = "".join(
            f" Did you mean {one!r}?" for one in get_close_matches(name, COMMANDS, n=1)
        )
        if name.endswith((".neural", ".nr")):
            hint = f" To check this file: neural check {name}"
        raise click.UsageError(f"No such command {name!r}.{hint}")

    def format_options(self, context: click.Context, formatter: Any) -> None:
        """The commands first: they are what a newcomer looks for."""
        self.format_commands(context, formatter)
        click.Command.format_options(self, context, formatter)

    def format_commands(self, context: click.Context, formatter: Any) -> None:
        width = max(map(len, COMMANDS))
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                rows = [(name.ljust(width), text) for name, text in entries.items()]
                formatter.write_dl(rows)


@click.group(
    cls=Program,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.version_option(
    __version__, message="neural %(version)s", help="Print the version and exit."
)
def program() -> None:
    """Neural DSL: from a twenty-line .neural file to a transformer whose every attention
    head you can see, on PyTorch or TensorFlow."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the program and exit: 0 done, 1 the input was refused, 2 a wrong command line.

    Whatever a command raises ends here as a message on stderr, never as a traceback; a
    mistake of ours is reported as such, with how to see the traceback.
    """
    code = run(arguments)
    if code == INTERRUPTED:
        # A framework that was interrupted while it loaded crashes when Python ends in
        # the usual way, and a crash would hide the exit code.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    try:
        code = program.main(arguments, prog_name="neural", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except NeuralError as error:
        from neural_dsl.cli.console import print_diagnostics

        print_diagnostics(error.diagnostics)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        silence_stdout()
        return 1
    except OSError as error:  # a full disk behind `> file`, say
        silence_stdout()
        name = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {name}{error.strerror or error}", err=True)
        return 1
    except MemoryError:
        click.echo("error: not enough memory", err=True)
        return 1
    except Exception as error:  # our mistake; the traceback only on request
        if os.environ.get("NEURAL_TRACEBACK"):
            import traceback

            traceback.print_exception(error)
        click.echo(
            f"internal error: {type(error).__name__}: {error}\n"
            "This is a bug in neural, not in your file. Please report it with the output "
            "of\nthe same command under NEURAL_TRACEBACK=1.",
            err=True,
        )
        return BUG


def silence_stdout() -> None:
    """Give what is left in stdout's buffer a place to go: Python flushes it once more at
    exit, and would complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
