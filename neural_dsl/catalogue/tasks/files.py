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

NO_ARCHIVE = (
    OSError,
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    EOFError,
    RuntimeError,  # encrypted, or compressed in an unknown way
    zlib.error,
    zipfile.BadZipFile,
)
"""What reading something else than a .npz file raises."""

NPY = b"\x93NUMPY"  # how a .npy file begins


def task_file(name: str, folder: Path, parameter: str = "path") -> bytes:
    """The content of a file named in a task. Raises LayerProblem (NE075)."""
    with _readable(name, parameter):
        return read_regular(folder / name)


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
    where = "the folder of the `.neural` file"
    raise LayerProblem(
        "NE075",
        f"the file `{name}` {why}",
        parameter=parameter,
        label="this file",
        help=f"the path is relative to {where}",
    )


def task_text(name: str, folder: Path, parameter: str = "path") -> str:
    """The text of a UTF-8 file, line ends as `\\n`. Raises LayerProblem (NE075)."""
    content = task_file(name, folder, parameter)
    try:
        text = content.decode("utf-8-sig")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        byte = f"0x{content[error.start]:02x} at byte {error.start:,}"
        raise _unusable(name, "is not a text in UTF-8", byte, parameter) from None
    if "\0" in text:
        raise _unusable(name, "is no text", "it holds NUL bytes", parameter)
    if not text.strip():
        raise _unusable(name, "is empty", "nothing to learn from", parameter)
    return text


def tokenizer_symbols(name: str, folder: Path) -> list[str]:
    """PAD and the tokens of a tokenizer.json, in the order of their ids.

    Raises LayerProblem (NE075).
    """
    text = task_text(name, folder, "tokenizer")
    try:
        content = json.loads(text)
        known: dict[str, int] = _ids(content["model"]["vocab"])
        known |= {each["content"]: each["id"] for each in content["added_tokens"]}
        names = {id: token for token, id in known.items()}
        return ["PAD", *(names.get(id, "") for id in range(max(names) + 1))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _unusable(
            name, "is no tokenizer", "not a tokenizer.json", "tokenizer"
        ) from None


def array_lengths(name: str, folder: Path) -> dict[str, int]:
    """How many examples each array of a .npz file has. Raises LayerProblem (NE075)."""
    found = array_headers(name, folder)
    return {
        each: header.shape[0] if header.shape else 0 for each, header in found.items()
    }


@dataclass(frozen=True)
class ArrayHeader:
    """What the header of an array says: its shape, and whether it holds whole numbers."""

    shape: tuple[int, ...]
    whole: bool


def array_headers(name: str, folder: Path) -> dict[str, ArrayHeader]:
    """The arrays of a .npz file, from the headers alone.

    Raises LayerProblem (NE075).
    """
    with _readable(name), open_regular(folder / name) as file:
        single = file.read(len(NPY)) == NPY
        with suppress(*NO_ARCHIVE), zipfile.ZipFile(file) as archive:
            arrays = [each for each in archive.namelist() if each.endswith(".npy")]
            return {each[:-4]: _header(archive, each) for each in arrays}
    if single:
        raise LayerProblem(
            "NE075",
            f"the file `{name}` is a single array (.npy), not several with names (.npz)",
            parameter="path",
            label="one array",
            help='write inputs and targets into one file: `numpy.savez("data.npz", '
            "x=…, y=…)`",
        )
    raise LayerProblem(
        "NE075",
        f"the file `{name}` is no .npz file",
        parameter="path",
        label="not written by NumPy",
        help="write it with `numpy.savez(path, x=…, y=…)`",
    )


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


def _ids(vocabulary: object) -> dict[str, int]:
    """Token -> id, from the mapping of BPE and WordPiece or the list of Unigram."""
    if isinstance(vocabulary, list):
        return {token: id for id, (token, _) in enumerate(vocabulary)}
    assert isinstance(vocabulary, dict)
    return dict(vocabulary)


def _unusable(name: str, what: str, label: str, parameter: str) -> LayerProblem:
    return LayerProblem(
        "NE075",
        f"the file `{name}` {what}",
        parameter=parameter,
        label=label,
        help="a text is a file in UTF-8"
        if parameter == "path"
        else 'write `tokenizer="char"`, `"bpe"`, or the name of a file that the '
        "`tokenizers` library wrote",
    )
