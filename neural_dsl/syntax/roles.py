"""What the grammar cannot see: the roles of names and braces, and which brackets pair.

The language has no line ends and needs no separators, so a name's part in it depends on
what comes behind: `loss` in `loss: "mse"` is a key, `text` in `text: { Dense(4) }` is a
branch, `train` in `train { epochs: 10 }` is a block. One pass over the tokens settles
this, before the parser runs; comments and line ends do not get in its way.
"""

from __future__ import annotations

from neural_dsl.diagnostics import Diagnostics, NeuralError
from neural_dsl.source import Span
from neural_dsl.syntax import kinds as k
from neural_dsl.syntax.tokens import Tokens

DEEPEST = 64
"""How deep brackets may nest: far more than a model needs, far less than would exhaust
the stack of whoever walks the tree."""

_ITEM_WORDS = ("network", "define", "macro")
_VALUE_ENDS = frozenset(
    (*k.CLOSING, k.NAME, k.NUMBER, k.STRING, k.PARAMETER, k.OPEN_STRING)
)


class Roles:
    """One pass over the tokens of a file. `assign` raises NeuralError NE013 where
    brackets nest too deep. Without `items` no name begins a network or macro.

    Before the first token `kinds[-1]` and `kinds[-2]` are END: a text ends in three.
    """

    def __init__(self, tokens: Tokens, found: Diagnostics, items: bool = True):
        self.tokens = tokens
        self.items = items
        self.kinds = tokens.kinds
        self.found = found
        self.open: list[int] = []  # the brackets open here
        self.network = -1  # the brace of the network open here, -1 outside of one
        self.layers_seen = False  # whether that network has its `layers:`

    def assign(self) -> None:
        """Give every token its role and every bracket its partner, in place."""
        kinds = self.kinds
        for token in range(len(kinds)):
            kind = kinds[token]
            if kind == k.NAME:
                self._name(token)
            elif kind == k.LBRACE:
                kinds[token] = self._brace(token)
                self._opened(token)
            elif kind in (k.LPAR, k.LSQB):
                self._opened(token)
            elif kind in k.CLOSING:
                self._closed(token, kind)

    # --- names ----------------------------------------------------------------------

    def _name(self, token: int) -> None:
        kinds, following = self.kinds, self.kinds[token + 1]
        if self.open and kinds[self.open[-1]] in k.CLOSERS:
            self._forget_brackets(token)
        if following == k.COLON:
            kinds[token] = self._before_colon(token)
        elif kinds[token - 1] not in (k.NETWORK, k.DEFINE):  # else its own name
            if self.items and (not self.open or following == k.NAME):
                self._item(token)
            if following == k.LBRACE and kinds[token] == k.NAME:
                kinds[token] = k.BLOCK if self._is_block(token) else k.NAME

    def _before_colon(self, token: int) -> int:
        """KEY, or a role in the network: the two sections of their own, or BRANCH."""
        around = self.open[-1] if self.open else -2
        in_network = around == self.network
        word = self.tokens.word(token)
        layers = in_network and word == "layers"
        if self.kinds[token + 2] == k.LBRACE and not (layers and not self.layers_seen):
            settings = self._holds_settings(token + 2)
            among_layers = self.kinds[around] in (k.BODY, k.GROUP, k.LSQB)
            if not settings and (in_network or among_layers):
                known = in_network and word in k.SECTION_WORDS
                if not known or (settings is False and self._holds_call(token + 2)):
                    return k.BRANCH
        if in_network and word in k.INPUT_WORDS:
            return k.INPUT
        self.layers_seen |= layers
        return k.LAYERS if layers else k.KEY

    def _is_block(self, token: int) -> bool:
        """Whether the name before a `{` names settings, not layers."""
        if (self.kinds[token - 2], self.kinds[token - 1]) == (k.KEY, k.COLON):
            return True  # optimizer: Adam { … }
        settings = self._holds_settings(token + 1)
        if settings or not self.open or self.open[-1] != self.network:
            return bool(settings)
        known = self.tokens.word(token) in k.BLOCK_WORDS
        return known and not self._holds_call(token + 1)

    def _item(self, token: int) -> None:
        """Mark `network` and `define` where they begin an item of the file.

        A `network Name {` inside brackets can only mean that these were left open: they
        stay without partners, and the parser says so.
        """
        word, kinds, outside = self.tokens.word(token), self.kinds, not self.open
        opener = kinds[token + 2] if kinds[token + 1] == k.NAME else k.END
        heads = opener in (k.LBRACE, k.LPAR)
        if outside and heads and word not in _ITEM_WORDS:
            word = self._spelt(token, word)
        if word == "network" and (outside or opener == k.LBRACE):
            kinds[token] = k.NETWORK
            self.open.clear()
            self.network = -1
        elif word in ("define", "macro") and (outside or (heads and word == "define")):
            kinds[token] = k.DEFINE

    def _spelt(self, token: int, word: str) -> str:
        """`network` for a `netwrok Name {`, which is reported; the file is read on as if
        it were spelt right."""
        from neural_dsl.diagnostics.suggest import closest  # a right file needs none

        meant = closest(word, ("network", "define"))
        if meant is not None:
            message = f"expected a network or a macro, found `{word}`"
            help = f"did you mean `{meant}`?"
            self.found.error("NE016", message, self.tokens.span(token), help=help)
        return meant or word

    # --- braces ---------------------------------------------------------------------

    def _brace(self, token: int) -> int:
        """Whether a `{` opens a BODY, a GROUP of layers, or a MAP of settings."""
        kinds, before = self.kinds, self.kinds[token - 1]
        if before == k.NAME:
            if kinds[token - 2] == k.NETWORK:
                self.network, self.layers_seen = token, False
            return k.BODY
        if before == k.BLOCK:
            return k.MAP
        opener = self.tokens.partners[token - 1]
        if before == k.RPAR and opener > 0 and kinds[opener - 1] == k.NAME:
            return k.BODY
        if before == k.COLON and token > 1:
            return k.GROUP if kinds[token - 2] in (k.BRANCH, k.LAYERS) else k.MAP
        around = kinds[self.open[-1]] if self.open else k.END
        if before == k.EQUAL or around in (k.LPAR, k.MAP):
            return k.MAP
        return k.MAP if self._holds_settings(token) else k.GROUP

    def _holds_settings(self, brace: int) -> bool | None:
        """Whether `{` is followed by `key: value` rather than by layers; None for `{}`.

        Where the first thing inside has braces itself (`{ a: { b: { …`), those decide.
        """
        kinds, token = self.kinds, brace + 1
        for _ in range(DEEPEST):
            kind, following = kinds[token], kinds[token + 1]
            if kind == k.RBRACE:
                return None
            if kind not in (k.NAME, k.STRING, k.NUMBER):
                return False
            if following == k.EQUAL:
                return kind == k.NAME
            if following == k.LBRACE and kind == k.NAME:
                token += 2
            elif following != k.COLON:
                return False
            elif kinds[token + 2] != k.LBRACE:
                return True
            else:
                token += 3
        return False

    def _holds_call(self, brace: int) -> bool:
        return self.kinds[brace + 1] == k.NAME and self.kinds[brace + 2] == k.LPAR

    # --- brackets -------------------------------------------------------------------

    def _opened(self, token: int) -> None:
        self.open.append(token)
        if len(self.open) > DEEPEST:
            start = self.tokens.starts[token]
            message = f"brackets are nested more than {DEEPEST} deep"
            label = "this one is too deep"
            help = "give the inner part a name of its own with `define`"
            self.found.error("NE013", message, Span(start, start + 1), label, help)
            raise NeuralError(*self.found.in_order())

    def _forget_brackets(self, token: int) -> None:
        """Give up parentheses that were clearly forgotten, before a name on a new line
        (or a key, which only a call can hold).

        In them a comma would have to come first. Without this, one `)` too few would
        change the roles of all that follows.
        """
        kinds, open_, following = self.kinds, self.open, self.kinds[token + 1]
        if kinds[token - 1] not in _VALUE_ENDS or following == k.EQUAL:
            return
        key, opener = following == k.COLON, open_[-1]
        parameter = key and kinds[token + 2] != k.LBRACE
        if parameter and self.tokens.word(token) not in k.SECTION_WORDS:
            return
        in_call = kinds[opener] == k.LPAR and opener and kinds[opener - 1] == k.NAME
        if (in_call or not key) and not self.tokens.begins_line(token):
            return
        forgotten = (k.LPAR, k.LSQB) if key else (k.LPAR,)
        while open_ and kinds[open_[-1]] in forgotten:
            open_.pop()

    def _closed(self, token: int, kind: int) -> None:
        """Pair a closing bracket with the last one of its kind that is open.

        A `}` closes over `(` and `[` that were forgotten; `)` and `]` never close over
        a `{`. What finds no partner keeps -1.
        """
        partners, open_ = self.tokens.partners, self.open
        for depth in reversed(range(len(open_))):
            opener = open_[depth]
            if k.CLOSERS.get(self.kinds[opener], k.RBRACE) == kind:
                partners[opener], partners[token] = token, opener
                del open_[depth:]
                if opener == self.network:
                    self.network = -1
                return
            if kind != k.RBRACE and self.kinds[opener] not in k.CLOSERS:
                return
