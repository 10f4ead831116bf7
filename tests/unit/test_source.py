"""Lines and columns of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_dsl.source import Source, Span


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_line(newline: str) -> None:
    source = Source("x", newline.join(("ab", "", "c")))
    assert [source.line(number) for number in (1, 2, 3)] == ["ab", "", "c"]
    assert source.position(source.text.index("c")) == (3, 1)


def test_the_end_of_the_text_has_a_place() -> None:
    assert Source("x", "ab\n").position(3) == (2, 1)
    assert Source("x", "").position(0) == (1, 1)
    assert Source("x", "ab").position(2) == (1, 3)


@given(st.text(st.sampled_from("a\n\r\u2028é"), max_size=20))
def test_places_and_offsets_agree(text: str) -> None:
    source = Source("x", text)
    for offset in range(len(text) + 1):
        line, column = source.position(offset)
        assert source.line_starts[line - 1] + column - 1 == offset
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = range(1, len(source.line_starts) + 1)
    assert [source.line(number) for number in numbers] == lines


def test_a_span_covers_its_text() -> None:
    span = Span(1, 2).to(Span(3, 4))
    assert span == Span(1, 4)
    assert Source("x", "abcdef").slice(span) == "bcd"
