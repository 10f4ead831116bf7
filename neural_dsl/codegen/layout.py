"""Lays out long lines as Ruff would at 88 columns.

Templates write each statement on one line; whatever is too long is broken here, so that
no template needs to know how long its values are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

WIDTH = 88
_EXPONENT = re.compile(r"\b(\d+(?:\.\d+)?)e-0(\d)\b")
"""Python's repr of a small float, `1e-05`, which people write `1e-5`."""
_OPEN, _CLOSE = "([{", ")]}"
_VALUE = re.compile(r"(?:[\w.]+ = |return )(?!\()")
_OPERATOR = re.compile(r" ([-+*/%@&|^]|[!=]=) ")


def lay_out(code: str) -> str:
    """Break every line of `code` that is longer than 88 columns at its brackets.

    Docstrings and comments are left alone: the templates keep them short.
    """
    code = _EXPONENT.sub(r"\1e-\2", code)
    lines: list[str] = []
    in_docstring = False
    for line in code.splitlines():
        fences = line.count('"""')
        kept = len(line) <= WIDTH or in_docstring or fences
        lines += [line] if kept else _statement(line)
        in_docstring ^= fences % 2 == 1
    return "\n".join(lines) + "\n"


def _statement(line: str) -> Iterator[str]:
    """One long statement. Its comment ends the last line where it fits there; else prose
    goes above the statement, and a mere shape goes."""
    text = line.lstrip(" ")
    indent, cut = line[: len(line) - len(text)], _outside_brackets(text).find("#")
    code, comment = (text[:cut].rstrip(), text[cut:]) if cut >= 0 else (text, "")
    *first, last = _assigned(code, indent)
    if comment and (not first or len(last) + len(comment) + 2 > WIDTH):
        if ":" in comment:
            yield indent + comment
        comment = ""
    yield from first
    yield f"{last}  {comment}" if comment else last


def _assigned(code: str, indent: str) -> list[str]:
    """`x = value` or `return value`; parentheses go around a value that has no bracket to
    be broken at, or whose first one opens beyond the end of the line."""
    found, lines = _VALUE.match(code), list(_break(code, indent))
    if found is None or (len(lines) == 1 and len(lines[0]) <= WIDTH):
        return lines
    value, inner = code[found.end() :], indent + "    "
    operands = _operands(value)
    breakable = len(operands) == 1
    if len(operands) == 2 and not _bracket_to_break(operands[0], WIDTH):
        # `x + f(…)` is broken in the brackets that end it.
        breakable = operands[1].endswith(")") and not operands[1].endswith("()")
    if breakable and max(len(lines[0]), len(lines[-1])) <= WIDTH:
        return lines
    wrapped = [inner + value]
    if len(wrapped[0]) > WIDTH:
        wrapped = [line for each in operands for line in _break(each, inner)]
    if len(operands) == 1 and max(map(len, wrapped)) > WIDTH:
        return lines  # parentheses would not help
    return [f"{indent}{found[0]}(", *wrapped, f"{indent})"]


def _operands(value: str) -> list[str]:
    """The terms of a sum, a comparison and the like, all but the first behind the
    operator; one term where the operators differ, since some would bind tighter."""
    found = list(_OPERATOR.finditer(_outside_brackets(value)))
    if len({match[1] for match in found}) != 1:
        return [value]
    cuts = [0, *(match.start() + 1 for match in found), len(value)]
    return [value[a:b].strip() for a, b in pairwise(cuts)]


def _break(code: str, indent: str, room: int = WIDTH) -> Iterator[str]:
    """`code` in lines of `room` columns, broken at its outermost brackets if need be."""
    fits = len(indent) + len(code) <= room
    pair = None if fits else _bracket_to_break(code, WIDTH - len(indent))
    if pair is None:
        yield indent + code
        return
    start, end = pair
    head, body, tail = code[: start + 1], code[start + 1 : end], code[end:]
    yield indent + head
    yield from _contents(body, indent + "    ", head)
    yield from _break(tail, indent, room)


def _contents(body: str, indent: str, head: str) -> Iterator[str]:
    """What stands in broken brackets: arguments on one line if they fit, else an item a
    line. The items of a list or tuple never share a line."""
    found = (i for i, c in enumerate(_outside_brackets(body)) if c == ",")
    cuts = pairwise([-1, *found, len(body)])
    items = [item for a, b in cuts if (item := body[a + 1 : b].strip())]
    one_line = ", ".join(items)
    before = head[-2:-1]
    follows_value = before.isalnum() or before in ("_", ")", "]")
    is_call = head[-1] == "(" and follows_value
    clauses = _outside_brackets(one_line).find(" for ")
    fits = len(indent) + len(one_line) <= WIDTH
    if fits and (is_call or clauses >= 0):
        yield indent + one_line
    elif clauses >= 0:
        yield from _break(one_line[:clauses], indent)
        yield indent + one_line[clauses + 1 :]
    else:
        # A comma would make a tuple of `(x)` and of the index in `table[x]`.
        is_single = len(items) == 1 and (head[-1] == "(" or follows_value)
        comma = "" if is_single and not is_call else ","
        for item in items:
            *first, last = _break(item, indent, WIDTH - len(comma))
            yield from first
            yield last + comma


def _bracket_to_break(code: str, room: int) -> tuple[int, int] | None:
    """The first outermost bracket pair that cannot stay on its line.

    A pair stays if the text up to the next pair's opening bracket fits, since the line
    can be broken there instead.
    """
    pairs: list[tuple[int, int]] = []
    start = -1
    # What follows broken brackets begins with the closing one: it opened above.
    before = " " if code[:1] in _CLOSE else code[:1]
    for position, character, depth in _scan(before + code[1:]):
        if character in _OPEN and depth == 1:
            start = position
        elif character in _CLOSE and depth == 0 and start >= 0 and position > start + 1:
            pairs.append((start, position))
    for pair, following in pairwise(pairs):
        if following[0] + 1 > room:
            return pair
    return pairs[-1] if pairs else None


def _outside_brackets(code: str) -> str:
    """`code` with everything inside brackets or strings blanked, same length."""
    blank = [" "] * len(code)
    for position, character, depth in _scan(code):
        if depth == 0 and character not in _CLOSE:
            blank[position] = character
    return "".join(blank)


def _scan(code: str) -> Iterator[tuple[int, str, int]]:
    """Positions outside strings: (position, character, depth after it)."""
    depth, quote, escaped = 0, "", False
    for position, character in enumerate(code):
        if quote:
            if character == quote and not escaped:
                quote = ""
            escaped = character == "\\" and not escaped
        elif character in "\"'":
            quote = character
        else:
            depth += (character in _OPEN) - (character in _CLOSE)
            yield position, character, depth
