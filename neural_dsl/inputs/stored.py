"""Arrays in .npy and .npz files, opened without reading them: what a file claims to hold
is judged by its headers, before any of it takes memory. Nothing is ever unpickled."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted, reason
from neural_dsl.free import available
from neural_dsl.source import NotRegular, open_regular

AnyArray: TypeAlias = npt.NDArray[Any]
Header: TypeAlias = tuple[tuple[int, ...], np.dtype[Any], int]
"""Shape, type, and the bytes of file and header together."""

GIB = 2**30
ALWAYS_FREE = 64 * 2**20  # bytes; asking the system takes longer than reading that

# By version of the format; the third names the fields of structs in UTF-8.
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Member:
    """An array of a .npz file, read when it is asked for. Raises NeuralError as `read`.

    A compressed one can be a thousand times as large as its file: `header` tells what it
    would unpack to.
    """

    path: Path
    name: str
    info: zipfile.ZipInfo

    @cached_property
    def header(self) -> Header:
        """Read from the file, without its array."""
        with self._opened() as member:
            return _header(self.path, member)

    def read(self) -> AnyArray:
        """The array itself."""
        (shape, dtype, size), stored = self.header, self.info.file_size
        what = f"{quoted(self.name)} in {quoted(self.path)}"
        if stored != size:  # the archive's directory and the member's header differ
            message = f"{what} says that it has {size:,} bytes, and has {stored:,}"
            raise refusal("NE120", message, help="write the file again")
        _refuse_too_large(what, shape, dtype)
        with self._opened() as member:
            array: AnyArray = np.lib.format.read_array(member, allow_pickle=False)
            member.read(1)  # to the end, where the archive's checksum is compared
            return array

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with (
            reading(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(self.info) as member,
        ):
            yield member


def read(path: Path) -> AnyArray | dict[str, Member]:
    """The array of a .npy file, left on disk until it is used, or those of a .npz file by
    name.

    Raises NE108 when it is larger than the memory that is free, NE120 when the file
    cannot be read, and NE121 when it holds Python objects, which only unpickling could
    load, and unpickling runs whatever code it contains.
    """
    with reading(path), open_regular(path) as file:
        start = file.read(6)
        if start == b"\x93NUMPY":
            file.seek(0)
            if np.lib.format.read_magic(file) in HEADERS:
                file.seek(0)
                shape, dtype, wanted = _header(path, file)
                size = os.fstat(file.fileno()).st_size
                if size < wanted:
                    cut = f"is cut off: it has {size:,} of {wanted:,} bytes"
                    help = "write or copy the file again"
                    raise refusal("NE120", f"{quoted(path)} {cut}", help=help)
                _refuse_too_large(quoted(path), shape, dtype)
            array: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        if start[:4] in (b"PK\x03\x04", b"PK\x05\x06") and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
            names = [info.filename.removesuffix(".npy") for info in infos]
            return {n: Member(path, n, i) for n, i in zip(names, infos, strict=True)}
    if start[:1] == b"\x80":  # the first byte of every pickle since protocol 2
        raise _pickled(path)
    message = f"{quoted(path)} is neither a .npy nor a .npz file"
    help = "write it with numpy.save(…) or numpy.savez(…)"
    raise refusal("NE120", message, help=help)


def _header(path: Path, file: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"it has the format {version}")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise _pickled(path)
    return tuple(shape), dtype, file.tell() + prod(shape) * dtype.itemsize


def _refuse_too_large(what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise NE108 for an array that does not fit in memory beside what it is converted
    to, at most 8 bytes a number."""
    needed = prod(shape) * (dtype.itemsize + 8)
    if needed > ALWAYS_FREE and needed > (free := available()):
        message = (
            f"{what} needs {needed / GIB:.1f} GiB when it is unpacked and converted, and "
            f"{free / GIB:.1f} GiB are free"
        )
        raise refusal("NE108", message, help="give fewer examples at a time")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into NE120 or NE121."""
    name, help = quoted(path), "write the file again"
    try:
        yield
    except NeuralError:
        raise
    except NotRegular as error:
        message, help = f"{name} is a pipe or a device", "save it to a file"
        raise refusal("NE120", message, help=help) from error
    except Exception as error:
        # A damaged file makes NumPy raise nearly anything: ValueError, EOFError,
        # zlib.error, MemoryError for an absurd header, SyntaxError, …
        if isinstance(error, OSError) and error.errno is not None:
            message = f"cannot read {name}: {reason(error)}"
            raise refusal("NE120", message) from error
        words = " ".join(str(error).split())
        message = f"{name} is damaged or incomplete: {words[:120]}"
        if "header info length" in words.lower():  # NumPy's words go on about pickles
            message = f"{name} has a header larger than any array of numbers needs"
            help = "write it again with numpy.save(…)"
        elif any(said in words.lower() for said in ("pickle", "python objects")):
            raise _pickled(path) from error
        raise refusal("NE120", message, help=help) from error


def _pickled(path: Path) -> NeuralError:
    return refusal(
        "NE121",
        f"{quoted(path)} holds pickled Python objects, which are never loaded: a pickle "
        "can run any code",
        help="save a plain array of numbers: numpy.save(path, numpy.asarray(x, dtype=…))",
    )
