"""The LALR(1) machine that runs the parse tables, and how it goes on after a mistake.

Recovery is the classic one: the grammar has a symbol RECOVERED_… at the places where it
makes sense to go on (an item of the file, a section, a layer, a setting). After a
mistake the machine drops what it was in the middle of, skips to a token from which one
of these places can continue, and acts as if RECOVERED_… had stood there. Every search
goes forward only, and the number of mistakes is bounded: so any text takes linear time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neural_dsl.syntax import kinds as k
from neural_dsl.syntax.build import Builder
from neural_dsl.syntax.kinds import ACTIONS, ENDS, GOTOS, RULES, STARTS
from neural_dsl.syntax.tokens import Tokens

_KNOWN_SECTION = frozenset((k.KEY, k.BLOCK, k.INPUT, k.LAYERS))
_SYNC = {  # the tokens from which each place can go on
    k.RECOVERED_ENTRY: frozenset((k.KEY, k.BLOCK, k.COMMA, k.SEMICOLON, k.RBRACE)),
    k.RECOVERED_STATEMENT: frozenset(
        (k.NAME, k.BRANCH, k.GROUP, k.LSQB, k.COMMA, k.SEMICOLON, k.RBRACE, k.RSQB)
    ),
    k.RECOVERED_SECTION: _KNOWN_SECTION | {k.RBRACE},
    k.RECOVERED_ITEM: frozenset((k.NETWORK, k.DEFINE, k.END)),
}


class Engine:
    """One run over the tokens of one text.

    `report(engine, token)` is called at each mistake, before recovery; when it returns
    False the run is given up. `states` and `values` are the machine's stacks:
    `values[i]` is what led from `states[i]` to `states[i + 1]`, the number of a token or
    what the builder made.
    """

    def __init__(
        self, tokens: Tokens, builder: Builder, report: Callable[[Engine, int], bool]
    ):
        self.tokens = tokens
        self.report = report
        self.makers = [builder.rule(name) if name else None for _, _, name in RULES]
        self.states: list[int] = []
        self.values: list[Any] = []

    def run(self, start: str) -> Any:
        """The node of the symbol `start`, or None when there were mistakes."""
        kinds, states, values = self.tokens.kinds, self.states, self.values
        states.append(STARTS[start])
        token, marker, intact = 0, 0, True  # a RECOVERED_… is read before the token
        while True:
            action = ACTIONS[states[-1]].get(marker or kinds[token])
            if action is None:
                intact = False
                going_on = self.report(self, token) and self._recover(token)
                if not going_on:
                    return None
                token, marker = going_on
            elif action >= 0:
                states.append(action)
                values.append(-1 if marker else token)
                token += not marker
                marker = 0
            else:
                symbol, length, _ = RULES[~action]
                maker, bottom = self.makers[~action], len(values) - length
                if maker is not None:
                    values[bottom:] = (maker(values[bottom:]),)
                del states[bottom + 1 :]
                states.append(GOTOS[states[-1]][symbol])
                if kinds[token] == k.END and states[-1] == ENDS[start]:
                    return values[-1] if intact else None

    # --- looking without moving -----------------------------------------------------

    def accepts(self, *wanted: int, depth: int | None = None) -> bool:
        """Whether the machine, cut back to `depth` states, could read these kinds."""
        states = self.states[:depth]
        for kind in wanted:
            while True:
                action = ACTIONS[states[-1]].get(kind)
                if action is None:
                    return False
                if action >= 0:
                    states.append(action)
                    break
                symbol, length, _ = RULES[~action]
                del states[len(states) - length :]
                states.append(GOTOS[states[-1]][symbol])
                if kind == k.END and states[-1] in ENDS.values():
                    return True
        return True

    def expected(self) -> list[int]:
        """The kinds of tokens that could stand here."""
        return [kind for kind in ACTIONS[self.states[-1]] if self.accepts(kind)]

    def open_brackets(self, depth: int = 0) -> list[int] | None:
        """Brackets opened since the stack was `depth` states high and still open,
        outermost first; None when one was closed that had been opened before."""
        kinds, open_ = self.tokens.kinds, list[int]()
        for token in self.values[depth:]:
            if type(token) is int and kinds[token] in k.OPENING:
                open_.append(token)
            elif type(token) is int and kinds[token] in k.CLOSING:
                if not open_:
                    return None
                open_.pop()
        return open_

    # --- recovery -------------------------------------------------------------------

    def _recover(self, token: int) -> tuple[int, int] | None:
        """Cut the stacks back, and return the token to go on from and the RECOVERED_…
        to read before it; None at the end."""
        kinds, partners = self.tokens.kinds, self.tokens.partners
        places = [
            (depth, marker, dropped)
            for depth in range(len(self.states), 0, -1)
            for marker in _SYNC
            if marker in ACTIONS[self.states[depth - 1]]
            and (dropped := self.open_brackets(depth - 1)) is not None
        ]
        while True:
            kind = kinds[token]
            for depth, marker, dropped in places:
                if (
                    kind in _SYNC[marker]
                    and self._begins(kind, marker, token)
                    and all(self._is_over(opener, token) for opener in dropped)
                    and self.accepts(marker, kind, depth=depth)
                ):
                    del self.states[depth:], self.values[depth - 1 :]
                    return token, marker
            if kind == k.END:
                return None
            partner = partners[token]
            token = partner + 1 if partner > token else token + 1

    def _is_over(self, opener: int, token: int) -> bool:
        """Whether the text that a bracket encloses ends before a token.

        It does behind its partner. Without one it was forgotten: then it ends where a
        line or a section begins.
        """
        tokens, kind = self.tokens, self.tokens.kinds[token]
        partner = tokens.partners[opener]
        if partner >= 0:
            return partner < token or (
                kind in _KNOWN_SECTION
                and tokens.word(token) in k.SECTION_WORDS
                and tokens.kinds[opener] in (k.BODY, k.GROUP)
                and self.brace_missing()
            )
        if kind in _KNOWN_SECTION:
            return tokens.word(token) in k.SECTION_WORDS
        if kind == k.NAME:
            return tokens.kinds[token + 1] != k.EQUAL and tokens.begins_line(token)
        return True

    def _begins(self, kind: int, marker: int, token: int) -> bool:
        """Whether a token that could begin something likely does: the key in `@ cuda:0`
        does not, nor a `[` in the middle of a line, nor a comma among parameters."""
        tokens = self.tokens
        if kind == k.LSQB:
            return tokens.begins_line(token)
        if kind == k.COMMA and marker == k.RECOVERED_STATEMENT:
            return tokens.kinds[token + 1] in (k.NAME, k.BRANCH, k.GROUP)
        return (
            kind != k.KEY
            or marker == k.RECOVERED_ENTRY
            or tokens.word(token) in k.SECTION_WORDS
            or tokens.begins_line(token)
        )

    def brace_missing(self) -> bool:
        """Whether a brace around the present place has no partner."""
        partners = self.tokens.partners
        return any(partners[opener] < 0 for opener in self.open_brackets() or ())
