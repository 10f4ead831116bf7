"""Arrays in .npy and .npz files, opened without reading them: what a file claims to hold
is judged by its headers, before any of it takes memory. Nothing is ever unpickled."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted, reason
from neural_dsl.free import available
from neural_dsl.source import NotRegular, open_regular

AnyArray: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

GIB = 2**30
ALWAYS_FREE = 64 * 2**20  # bytes; asking the system takes longer than reading that

# By version of the format; the third names the fields of structs in UTF-8.
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Archive(Mapping[str, AnyArray]):
    """The arrays of a .npz file by name; each is read when it is asked for.

    A compressed member can be a thousand times as large as its file: `shape` tells what
    it would unpack to. Raises NeuralError as `read` does.
    """

    def __init__(self, path: Path):
        self.path = path
        with reading(path), zipfile.ZipFile(path) as archive:
            self._members = {
                name.removesuffix(".npy"): name for name in archive.namelist()
            }

    def __getitem__(self, name: str) -> AnyArray:
        self._check(name)
        with self._opened(name) as member:
            array: AnyArray = np.lib.format.read_array(member, allow_pickle=False)
            member.read(1)  # to the end, where the archive's checksum is compared
            return array

    def shape(self, name: str) -> Shape:
        """The shape that the header of a member gives."""
        return self._header(name)[0]

    def _header(self, name: str) -> tuple[Shape, np.dtype[Any], int]:
        """Shape, type and the length of the header itself."""
        with self._opened(name) as member:
            version = np.lib.format.read_magic(member)
            header = HEADERS.get(version)
            if header is None:
                raise ValueError(f"it has the format {version}")
            shape, _, dtype = header(member)
            if dtype.hasobject:
                raise pickled(self.path)
            return tuple(shape), dtype, member.tell()

    def _check(self, name: str) -> None:
        """Raise NE120 where the archive's directory and the member's header differ in
        its size, and NE108 where that takes more memory than there is."""
        shape, dtype, begins = self._header(name)
        size = math.prod(shape) * dtype.itemsize
        with reading(self.path), zipfile.ZipFile(self.path) as archive:
            stored = archive.getinfo(self._members[name]).file_size
        if stored != begins + size:
            message = (
                f"{quoted(name)} in {quoted(self.path)} says that it has "
                f"{begins + size:,} bytes, and has {stored:,}"
            )
            raise refusal("NE120", message, help="write the file again")
        refuse_too_large(f"{quoted(name)} in {quoted(self.path)}", shape, dtype)

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        stored = self._members[name]
        with (
            reading(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(stored) as member,
        ):
            yield member

    def __contains__(self, name: object) -> bool:
        return name in self._members  # Mapping's own would read the array

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def read(path: Path) -> AnyArray | Archive:
    """The array of a .npy file, left on disk until it is used, or a .npz file's arrays.

    Raises NE120 when the file cannot be read and NE121 when it holds Python objects,
    which only unpickling could load, and unpickling runs whatever code it contains.
    """
    with reading(path), open_regular(path) as file:
        start = file.read(6)
        if start == b"\x93NUMPY":
            file.seek(0)
            refuse_cut_off(path, file)
            array: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        if start[:4] in (b"PK\x03\x04", b"PK\x05\x06") and zipfile.is_zipfile(path):
            return Archive(path)
    if start[:1] == b"\x80":  # the first byte of every pickle since protocol 2
        raise pickled(path)
    message = f"{quoted(path)} is neither a .npy nor a .npz file"
    raise refusal(
        "NE120", message, help="write it with numpy.save(…) or numpy.savez(…)"
    )


def refuse_too_large(what: str, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Raise NE108 for an array that does not fit in memory beside what it is converted
    to, at most 8 bytes a number."""
    needed = math.prod(shape) * (dtype.itemsize + 8)
    if needed > ALWAYS_FREE and needed > (free := available()):
        message = (
            f"{what} needs {needed / GIB:.1f} GiB when it is unpacked and converted, and "
            f"{free / GIB:.1f} GiB are free"
        )
        raise refusal("NE108", message, help="give fewer examples at a time")


def refuse_cut_off(path: Path, file: IO[bytes]) -> None:
    """Raise NE120 for a .npy file that ends before its array does."""
    header = HEADERS.get(np.lib.format.read_magic(file))
    if header is None:
        return
    shape, _, dtype = header(file)
    wanted = file.tell() + math.prod(shape) * dtype.itemsize
    size = os.fstat(file.fileno()).st_size
    if size < wanted and not dtype.hasobject:
        message = f"{quoted(path)} is cut off: it has {size:,} of {wanted:,} bytes"
        raise refusal("NE120", message, help="write or copy the file again")
    refuse_too_large(quoted(path), shape, dtype)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into NE120 or NE121."""
    try:
        yield
    except NeuralError:
        raise
    except NotRegular as error:
        message = f"{quoted(path)} is a pipe or a device"
        raise refusal("NE120", message, help="save it to a file") from error
    except OSError as error:
        if error.errno is not None:
            message = f"cannot read {quoted(path)}: {reason(error)}"
            raise refusal("NE120", message) from error
        raise damaged(path, error) from error
    except Exception as error:
        # A damaged file makes NumPy raise nearly anything: ValueError, EOFError,
        # zlib.error, MemoryError for an absurd header, SyntaxError, …
        words = str(error).lower()
        if "header info length" in words:  # NumPy's words go on about pickles
            raise refusal(
                "NE120",
                f"{quoted(path)} has a header larger than any array of numbers needs",
                help="write it again with numpy.save(…)",
            ) from error
        if "pickle" in words or "python objects" in words:
            raise pickled(path) from error
        raise damaged(path, error) from error


def pickled(path: Path) -> NeuralError:
    """NE121."""
    return refusal(
        "NE121",
        f"{quoted(path)} holds pickled Python objects, which are never loaded: a pickle "
        "can run any code",
        help="save a plain array of numbers: numpy.save(path, numpy.asarray(x, dtype=…))",
    )


def damaged(path: Path, error: Exception) -> NeuralError:
    """NE120 for a file that starts well and does not go on so."""
    words = " ".join(str(error).split())[:120]
    message = f"{quoted(path)} is damaged or incomplete: {words}"
    return refusal("NE120", message, help="write the file again")
