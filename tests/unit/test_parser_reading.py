"""From a path to text: every way in which a file can fail to be one."""

import json
import os
from pathlib import Path

import pytest

from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.diagnostics.render import render_json
from neural_dsl.syntax.parser import parse, read_source

TEXT = "network A {\n  input: (1,)\n}\n"


def refused(path: Path | str) -> Diagnostic:
    with pytest.raises(NeuralError) as caught:
        read_source(path)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_the_text_is_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "a.nr"
    path.write_bytes(TEXT.encode())
    source = read_source(path)
    assert source.text == TEXT
    assert source.name == str(path)


def test_a_byte_order_mark_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "a.neural"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert read_source(path).text == TEXT


def test_line_ends_of_windows_keep_places_right(tmp_path: Path) -> None:
    path = tmp_path / "a.neural"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    source = read_source(path)
    section = parse(source).items[0].sections[0]  # type: ignore[union-attr]
    assert source.position(section.span.start) == (2, 3)
    assert source.line(2) == "  input: (1,)"


def test_a_missing_file_names_a_near_one(tmp_path: Path) -> None:
    (tmp_path / "model.neural").write_text(TEXT)
    diagnostic = refused(tmp_path / "modle.neural")
    assert diagnostic.code == "NE001"
    assert "model.neural" in diagnostic.help


def test_a_missing_directory_is_said_to_be_missing(tmp_path: Path) -> None:
    diagnostic = refused(tmp_path / "nowhere" / "a.neural")
    assert diagnostic.code == "NE001"
    assert "no directory" in diagnostic.help


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path).code == "NE002"


def test_the_file_that_cannot_be_read_is_named_for_programs(tmp_path: Path) -> None:
    for path in (tmp_path / "nofile", tmp_path, tmp_path / "a\0b"):
        (record,) = json.loads(render_json([refused(path)]))
        assert (record["file"], record["line"]) == (str(path), None)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_an_impossible_name_cannot_be_read(name: str) -> None:
    assert refused(name).code == "NE003"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.neural")
    found = refused(tmp_path / "pipe.neural")
    assert found.code == "NE003" and "no regular file" in found.message


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_a_device_is_refused_before_it_fills_the_memory() -> None:
    assert refused("/dev/zero").code == "NE003"


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.neural"
    with path.open("wb") as file:
        file.truncate(100_000_001)  # takes no room on the disk
    found = refused(path)
    assert found.code == "NE003" and "100,000,000" in found.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.neural"
    path.write_text(TEXT)
    path.chmod(0)
    assert refused(path).code == "NE003"


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(TEXT)
    assert refused(tmp_path / "a" / "b.neural").code == "NE003"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bytes_that_are_not_utf8_are_shown_at_their_place(
    tmp_path: Path, mark: bytes
) -> None:
    path = tmp_path / "a.neural"
    path.write_bytes(mark + "né\n# ".encode() + b"\xe9 x\n")
    diagnostic = refused(path)
    assert diagnostic.code == "NE004"
    assert "0xe9" in diagnostic.message
    assert diagnostic.source is not None
    assert diagnostic.span is not None
    line, column = diagnostic.source.position(diagnostic.span.start)
    assert (line, column) == (2, 3)


def test_a_nul_byte_means_a_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.neural"
    path.write_bytes(b"network\n\xff\0")
    diagnostic = refused(path)
    assert diagnostic.code == "NE005"
    assert diagnostic.source is not None
    assert diagnostic.span is not None
    assert diagnostic.source.slice(diagnostic.span) == "\0"


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf"])
def test_nothing_but_space_is_an_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.neural"
    path.write_bytes(content)
    assert refused(path).code == "NE006"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "a.neural"
    mark = "" if encoding == "utf-16" else "\ufeff"
    file.write_bytes((mark + "network A { }").encode(encoding))
    with pytest.raises(NeuralError) as caught:
        read_source(file)
    (error,) = caught.value.diagnostics
    assert (error.code, "UTF-16" in error.message) == ("NE004", True)
