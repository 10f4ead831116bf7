"""How source text is laid out in columns of a terminal.

What a file contains must never reach the terminal as a command: control characters,
escape sequences and text-direction marks are shown by a visible stand-in.
"""

from __future__ import annotations

import unicodedata

TAB = "    "
LONGEST_MESSAGE = 2000  # characters; a name in a file can be megabytes long
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def show(character: str) -> str:
    """What stands for one character of the source on the terminal."""
    if character == "\t":
        return TAB
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    if character < " ":
        return chr(0x2400 + ord(character))  # the pictures of control characters, ␛
    return f"<U+{ord(character):04X}>"


def width(text: str) -> int:
    """The number of terminal columns that shown text takes."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    marks = sum(unicodedata.category(each).startswith("M") for each in text)
    return len(text) + wide - marks


def safe(text: str) -> str:
    """Text for a message: control characters shown, line ends kept."""
    if text.isascii() and text.isprintable():
        return text
    return "\n".join("".join(map(show, line)) for line in text.split("\n"))


def shorten(text: str) -> str:
    """A message without its middle, if it is longer than anyone would read."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    end = LONGEST_MESSAGE // 5
    return f"{text[: LONGEST_MESSAGE - end]} … {text[-end:]}"


def crop(line: str, start: int, end: int, room: int) -> tuple[str, int, int]:
    """The part of a line around `start:end` that fits in `room` columns, as shown text.

    Returns the text, the column at which the marked part begins and the columns that it
    takes (at least 1). What was left out is shown as `…`. Only characters near the mark
    are looked at: a line may be megabytes long.
    """
    if len(line) <= room and width("".join(map(show, line))) <= room:
        first, last = 0, len(line)
    else:
        room -= 2  # for the two `…`
        mark_end, used = _reach(line[start : min(end, start + room)], room * 2 // 3)
        nearby = line[max(0, start - room) : start]
        before, used_before = _reach(nearby[::-1], room // 4)
        first = start - before
        end = start + mark_end
        last = end + _reach(line[end : end + room], room - used - used_before)[0]
    left = "…" if first else ""
    lead = left + "".join(map(show, line[first:start]))
    marked = "".join(map(show, line[start:end]))
    rest = "".join(map(show, line[end:last])) + ("…" if last < len(line) else "")
    return lead + marked + rest, width(lead), max(1, width(marked))


def _reach(text: str, room: int) -> tuple[int, int]:
    """How many characters from the start fit in `room` columns, and the columns used."""
    used = 0
    for count, character in enumerate(text):
        columns = width(show(character))
        if used + columns > room:
            return count, used
        used += columns
    return len(text), used
