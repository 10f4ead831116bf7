"""Files that tasks read, as far as a compiler needs to know them. No NumPy."""

from __future__ import annotations

import ast
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.source import open_regular, read_regular

LONGEST_HEADER = 2**16
"""Bytes of an array's header; NumPy itself reads no more than 10,000 without being asked."""
NPY = b"\x93NUMPY"  # how a .npy file begins
NO_ARCHIVE = (
    *(OSError, ValueError, SyntaxError, LookupError, TypeError, EOFError),
    RuntimeError,  # encrypted, or compressed in an unknown way
    *(zlib.error, zipfile.BadZipFile),
)
"""What reading something else than a .npz file raises."""


def unusable(
    name: str, what: str, label: str, help: str, parameter: str = "path"
) -> LayerProblem:
    """NE075 for a file that a task cannot use."""
    what = f"the file `{name}` {what}"
    return LayerProblem("NE075", what, parameter=parameter, label=label, help=help)


@contextmanager
def _readable(name: str, parameter: str = "path") -> Iterator[None]:
    """NE075 for what an operating system says of a file."""
    try:
        yield
        return
    except IsADirectoryError:
        why = "is a folder"
    except FileNotFoundError:
        why = "does not exist"
    except (OSError, ValueError) as error:
        why = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    help = "the path is relative to the folder of the `.neural` file"
    raise unusable(name, why, "this file", help, parameter)


def task_text(name: str, folder: Path, parameter: str = "path") -> str:
    """The text of a UTF-8 file, line ends as `\\n`. Raises LayerProblem (NE075)."""
    with _readable(name, parameter):
        content = read_regular(folder / name)
    help = NO_TEXT if parameter == "path" else NO_TOKENIZER
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"0x{content[error.start]:02x} at byte {error.start:,}"
        raise unusable(name, "is not a text in UTF-8", byte, help, parameter) from None
    if "\0" in text:
        raise unusable(name, "is no text", "it holds NUL bytes", help, parameter)
    if not text.strip():
        raise unusable(name, "is empty", "nothing to learn from", help, parameter)
    return text.replace("\r\n", "\n").replace("\r", "\n")


NO_TEXT = "a text is a file in UTF-8"
NO_TOKENIZER = (
    'write `tokenizer="char"`, `"bpe"`, or the name of a file that the `tokenizers` '
    "library wrote"
)


def tokenizer_symbols(name: str, folder: Path) -> list[str]:
    """PAD and the tokens of a tokenizer.json, in the order of their ids. Raises
    LayerProblem (NE075)."""
    text = task_text(name, folder, "tokenizer")
    try:
        content = json.loads(text)
        known = content["model"]["vocab"]
        if isinstance(known, list):  # of Unigram; a mapping of BPE and WordPiece
            known = {token: id for id, (token, _) in enumerate(known)}
        known |= {each["content"]: each["id"] for each in content["added_tokens"]}
        names = {id: token for token, id in known.items()}
        return ["PAD", *(names.get(id, "") for id in range(max(names) + 1))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        wrong = "is no tokenizer", "not a tokenizer.json"
        raise unusable(name, *wrong, NO_TOKENIZER, "tokenizer") from None


@dataclass(frozen=True)
class ArrayHeader:
    """What the header of an array says: its shape, and whether it holds whole numbers."""

    shape: tuple[int, ...]
    whole: bool


def array_headers(name: str, folder: Path) -> dict[str, ArrayHeader]:
    """The arrays of a .npz file, from the headers alone. Raises LayerProblem (NE075)."""
    with _readable(name), open_regular(folder / name) as file:
        single = file.read(len(NPY)) == NPY
        with suppress(*NO_ARCHIVE), zipfile.ZipFile(file) as archive:
            arrays = [each for each in archive.namelist() if each.endswith(".npy")]
            return {each[:-4]: _header(archive, each) for each in arrays}
    if single:
        what = "is a single array (.npy), not several with names (.npz)"
        help = 'write inputs and targets into one file: `numpy.savez("data.npz", x=…, y=…)`'
        raise unusable(name, what, "one array", help)
    help = "write it with `numpy.savez(path, x=…, y=…)`"
    raise unusable(name, "is no .npz file", "not written by NumPy", help)


def _header(archive: zipfile.ZipFile, member: str) -> ArrayHeader:
    """The header of a .npy file (numpy.lib.format)."""
    with archive.open(member) as file:
        if file.read(6) != NPY:
            raise ValueError(member)
        size = 2 if file.read(2)[0] == 1 else 4
        length = int.from_bytes(file.read(size), "little")
        if length > LONGEST_HEADER:
            raise ValueError(member)
        header = file.read(length)
    described = ast.literal_eval(header.decode("latin1"))
    shape, numbers = described["shape"], described["descr"]
    if not all(isinstance(each, int) for each in shape):
        raise ValueError(member)
    return ArrayHeader(tuple(shape), isinstance(numbers, str) and numbers[1:2] in "biu")
