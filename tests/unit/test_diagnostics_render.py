"""How findings look on a terminal and as JSON."""

import json
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_dsl.diagnostics import MOST, Diagnostic, Diagnostics, NeuralError, Related
from neural_dsl.diagnostics.layout import crop, width
from neural_dsl.diagnostics.render import count, render_json, render_text
from neural_dsl.source import Source, Span


def at(text: str, part: str, **more: object) -> Diagnostic:
    """A finding whose place is the first occurrence of a part of a text."""
    start = text.index(part)
    span = Span(start, start + len(part))
    return Diagnostic("NE021", "no", Source("a.neural", text), span, **more)  # type: ignore[arg-type]


def test_an_error_looks_as_promised() -> None:
    text = (
        "network T {\n  input: (50, 256)\n  layers:\n"
        "    TransformerEncoder(num_heads=7, ff_dim=512, dropout=0.1)\n}\n"
    )
    start = text.index("num_heads=7")
    diagnostic = Diagnostic(
        "NE021",
        "`num_heads` must divide the model width: 256 is not a multiple of 7",
        Source("basic_transformer.neural", text),
        Span(start, start + 11),
        "7 heads cannot share 256 features evenly",
        "use 1, 2, 4, 8, 16, … or give `key_dim` (the size of one head) yourself",
    )
    assert render_text([diagnostic]) == (
        """\
error[NE021]: `num_heads` must divide the model width: 256 is not a multiple of 7
  ┌─ basic_transformer.neural:4:24
  │
4 │     TransformerEncoder(num_heads=7, ff_dim=512, dropout=0.1)
  │                        ^^^^^^^^^^^ 7 heads cannot share 256 features evenly
  │
  = help: use 1, 2, 4, 8, 16, … or give `key_dim` (the size of one head) yourself
  = see:  neural explain NE021

1 error"""
    )


def test_what_is_related_is_shown_on_its_own_line() -> None:
    text = "a\nb\nc\nd\n"
    shown = render_text([at(text, "d", related=(Related(Span(0, 1), "first here"),))])
    assert "1 │ a\n  │ - first here\n  ·\n4 │ d\n  │ ^\n" in shown


def test_marks_on_one_line_share_it() -> None:
    text = "Dense(units=1, units=2)"
    related = (Related(Span(6, 13), "first given here"),)
    shown = render_text([at(text, "units=2", label="again", related=related)])
    assert shown.count("1 │ Dense") == 1
    assert "  │       ------- first given here\n" in shown
    assert "  │                ^^^^^^^ again\n" in shown


@pytest.mark.parametrize(
    ("line", "marked", "under"),
    [
        ("\tx = y", "y", "        ^"),
        ("日本 = y", "y", "       ^"),
        ("日本 = y", "日本", "^^^^"),
        ("e\u0301 = y", "y", "    ^"),
        ("\x1b[31m y", "y", "      ^"),
        ("a\u202eb y", "y", "           ^"),
    ],
)
def test_carets_stand_below_what_they_mark(line: str, marked: str, under: str) -> None:
    shown = render_text([at(line, marked)]).split("\n")
    assert shown[4] == "  │ " + under


def test_nothing_in_a_file_or_message_reaches_the_terminal_as_a_command() -> None:
    evil = "\x1b]0;x\x07\x9b2J\u202e\x7f\u2028\x00"
    source = Source(evil, f"{evil} y {evil}")
    related = (Related(Span(0, 2), evil),)
    end = len(source.text)
    for place in (Span(0, end), Span(12, 13), Span(end, end)):
        found = Diagnostic("NE021", evil, source, place, evil, evil, related)
        for text in (
            render_text([found], colour=False),
            render_text([found], width=30),
        ):
            assert not {
                character
                for character in text
                if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
            } - {"\n"}
        assert render_json([found]).isascii()


def test_colours_are_given_only_when_asked_for() -> None:
    diagnostic = at("x", "x", help="h")
    assert "\x1b" not in render_text([diagnostic])
    coloured = render_text([diagnostic], colour=True)
    assert coloured.startswith("\x1b[1;31merror[NE021]\x1b[0m")
    assert coloured.count("\x1b[0m") * 2 == coloured.count("\x1b[")


def test_a_long_line_is_cropped_around_the_mark() -> None:
    text = "a" * 500_000 + " HERE " + "b" * 500_000
    shown = render_text([at(text, "HERE", label="x")], width=80).split("\n")
    line, carets = shown[3], shown[4]
    assert len(line) <= 80
    assert line[4] == line[-1] == "…"
    assert line[carets.index("^") : carets.rindex("^") + 1] == "HERE"


@given(st.text("ab\t日\x1b\u0301", max_size=60), st.data(), st.integers(20, 50))
def test_cropping_keeps_the_mark_in_view(
    line: str, data: st.DataObject, room: int
) -> None:
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, len(line)))
    text, column, columns = crop(line, start, end, room)
    assert width(text) <= room
    assert column <= width(text)
    assert 1 <= columns <= room + 1
    assert column + columns <= max(width(text), column + 1)


def test_a_span_over_several_lines_marks_both_ends() -> None:
    text = "Dense(\n  1,\n  2\n  ) x"
    shown = render_text([at(text, text[:-2], label="all of it")])
    assert (
        "1 │ Dense(\n  │ ^^^^^^ all of it\n  ·\n4 │   ) x\n  │   ^ … to here\n" in shown
    )


def test_the_end_of_a_file_can_be_marked() -> None:
    for text in ("", "a", "a\n"):
        source = Source("x", text)
        found = Diagnostic("NE010", "m", source, Span(len(text), len(text)), "end")
        assert "^ end" in render_text([found])


def test_a_finding_without_a_place_still_says_all() -> None:
    shown = render_text([Diagnostic("NE100", "no backend", help="install\ntorch")])
    assert shown == (
        "error[NE100]: no backend\n  = help: install\n          torch\n"
        "  = see:  neural explain NE100\n\n1 error"
    )


def test_findings_are_counted_by_severity() -> None:
    def some(*severities: str) -> list[Diagnostic]:
        return [Diagnostic("NE010", "m", severity=s) for s in severities]  # type: ignore[arg-type]

    assert count(some("error", "warning", "error")) == "2 errors, 1 warning"
    assert count(some("warning", "warning")) == "2 warnings"
    assert count(some("note")) == "1 note"
    assert count(some("error", "note")) == "1 error"
    assert render_text([]) == ""


def test_json_has_exactly_the_promised_keys() -> None:
    text = "a\n  bb\n"
    found = [at(text, "bb", help="h"), Diagnostic("NW100", "w", severity="warning")]
    assert json.loads(render_json(found)) == [
        {
            "code": "NE021",
            "severity": "error",
            "message": "no",
            "help": "h",
            "file": "a.neural",
            "line": 2,
            "column": 3,
            "end_line": 2,
            "end_column": 5,
        },
        {
            "code": "NW100",
            "severity": "warning",
            "message": "w",
            "help": None,
            "file": None,
            "line": None,
            "column": None,
            "end_line": None,
            "end_column": None,
        },
    ]
    assert json.loads(render_json([])) == []


def test_findings_are_raised_together_in_the_order_of_the_file() -> None:
    found = Diagnostics(Source("x", "abc"))
    found.warning("NW020", "w", Span(2, 3))
    found.raise_if_failed()
    found.error("NE020", "e", Span(1, 2))
    with pytest.raises(NeuralError, match="NE020: e\n  at x:1:2\nNW020: w") as caught:
        found.raise_if_failed()
    assert [d.code for d in caught.value.diagnostics] == ["NE020", "NW020"]


def test_a_name_of_megabytes_does_not_fill_the_screen() -> None:
    name = "x" * 10_000_000
    source = Source("a.neural", name)
    long = Diagnostic(
        "NE020", f"unknown layer `{name}`", source, Span(0, len(name)), name, name
    )
    assert len(render_text([long])) < 10_000
    assert len(render_json([long])) < 10_000
    assert "unknown layer `xxx" in render_text([long])


def test_thousands_of_findings_do_not_fill_the_screen_and_errors_come_first() -> None:
    """400 kB of mistakes printed 61 MB."""
    text = "Dens(1)\n" * 5000
    source = Source("a.neural", text)
    found = [
        Diagnostic("NE010", "unknown layer", source, Span(8 * n, 8 * n + 4))
        for n in range(5000)
    ]
    hints = [replace(found[0], code="NW020", severity="warning")] * 300
    shown = render_text([*hints, *found])
    assert shown.count("error[NE010]") == MOST and "warning[" not in shown
    assert shown.endswith(
        "5000 errors, 300 warnings, of which 5,200 more are not shown"
    )
    assert len(json.loads(render_json(found))) == 5000
    said = str(NeuralError(*found))
    assert said.count("NE010") == MOST and said.endswith("and 4,900 more")


def test_an_exception_says_place_and_help() -> None:
    one = at("input: (4)\nDens(3)", "Dens", help="did you mean `Dense`?")
    assert str(NeuralError(one, Diagnostic("NE120", "cannot read"))) == (
        f"{one.code}: {one.message}\n  at {one.source.name}:2:1\n"
        "  help: did you mean `Dense`?\nNE120: cannot read"
    )
