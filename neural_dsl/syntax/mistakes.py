"""What to say about a token that cannot stand where it stands."""

from __future__ import annotations

from neural_dsl.diagnostics import Diagnostic, Related
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.source import Source, Span
from neural_dsl.syntax import kinds as k
from neural_dsl.syntax.engine import Engine
from neural_dsl.syntax.phrases import VALUE, in_words

_OPENERS = {k.RPAR: "(", k.RSQB: "[", k.RBRACE: "{"}
_TYPED_QUOTES = "“”„‟‘’‚‛«»‹›"  # what text processors make of quotes
_CLOSERS = {k.LPAR: k.RPAR, k.LSQB: k.RSQB}  # any other opening bracket: a brace


def describe(engine: Engine, source: Source, token: int) -> Diagnostic:
    """The diagnostic for the mistake that stopped the engine at `token`."""
    return _Mistake(engine, source, token).describe()


class _Mistake:
    """One unexpected token and what is known around it."""

    def __init__(self, engine: Engine, source: Source, token: int):
        self.engine = engine
        self.source = source
        self.tokens = engine.tokens
        self.token = token
        self.kind = engine.tokens.kinds[token]
        self.word = engine.tokens.word(token)
        self.opener = next(reversed(engine.open_brackets() or ()), None)
        self.span = engine.tokens.span(token)
        if self.kind == k.END and token:  # better right behind the text than far below
            end = engine.tokens.ends[token - 1]
            self.span = Span(end, end)

    def describe(self) -> Diagnostic:
        return (
            self._bad_token()
            or self._brackets()
            or self._outside()
            or self._section_among_layers()
            or self._missing_colon()
            or self._unknown_section()
            or self._unexpected()
        )

    def _error(
        self,
        code: str,
        message: str,
        label: str = "",
        help: str = "",
        span: Span | None = None,
        related: tuple[Related, ...] = (),
    ) -> Diagnostic:
        span = span or self.span
        return Diagnostic(code, message, self.source, span, label, help, related)

    # --- tokens that are wrong anywhere ---------------------------------------------

    def _bad_token(self) -> Diagnostic | None:
        if self.kind == k.UNKNOWN:
            shown = self.word[:20] + "…" * (len(self.word) > 20)
            help = "text belongs in quotes, remarks behind `#` or `//`"
            if self.word[0] in _TYPED_QUOTES:
                help = 'write plain quotes: `"…"`'
            message = f"`{shown}` means nothing in this language"
            return self._error("NE007", message, help=help)
        if self.kind == k.OPEN_STRING:
            help = f"close it with {self.word[0]} on the same line"
            return self._error("NE008", "this string is never closed", help=help)
        if self.kind == k.OPEN_COMMENT:
            label, help = "everything from here on is a comment", "close it with `*/`"
            sign = Span(self.span.start, self.span.start + 2)
            return self._error(
                "NE009", "this comment is never closed", label, help, sign
            )
        return None

    # --- brackets -------------------------------------------------------------------

    def _brackets(self) -> Diagnostic | None:
        opener, tokens, closing = self.opener, self.tokens, self.kind in k.CLOSING
        needless = "remove it, or open the bracket where it belongs"
        if opener is None:
            message = f"no bracket is open that this `{self.word}` could close"
            return self._error("NE012", message, help=needless) if closing else None
        closer = _CLOSERS.get(tokens.kinds[opener], k.RBRACE)
        open_ended = tokens.partners[opener] < 0
        if closing and self.kind != closer:
            if open_ended:
                return self._never_closed(opener, closer)
            message = f"`{self.word}` closes nothing here"
            label = f"no `{_OPENERS[self.kind]}` is open"
            return self._error("NE012", message, label, needless)
        forgotten = open_ended and (
            self.kind in (k.END, k.NETWORK, k.INPUT, k.LAYERS, k.BLOCK)
            or tokens.begins_line(self.token)
        )
        if forgotten and not self.engine.accepts(self.kind) and self.kind != k.EQUAL:
            return self._never_closed(opener, closer)
        return None

    def _never_closed(self, opener: int, closer: int) -> Diagnostic:
        bracket, wanted = self.tokens.word(opener), k.CLOSING[closer]
        where = "the file ends" if self.kind == k.END else f"`{self._shown()}` comes"
        here = Related(self.span, f"{where} before any `{wanted}`")
        message, help = f"this `{bracket}` is never closed", f"close it with `{wanted}`"
        span, related = self.tokens.span(opener), (*self._suspect(opener), here)
        return self._error("NE011", message, "opened here", help, span, related)

    def _suspect(self, opener: int) -> tuple[Related, ...]:
        """The first brace inside that seems to have taken the closing brace of another:
        the one that closes it stands further left than its own line begins."""
        tokens = self.tokens
        if tokens.kinds[opener] in _CLOSERS:
            return ()
        for inner in range(opener + 1, self.token):
            closer = tokens.partners[inner]
            if (
                closer > inner
                and tokens.kinds[closer] == k.RBRACE
                and tokens.begins_line(closer)
                and tokens.indentation(closer) < tokens.indentation(inner)
            ):
                label = "is this the one? the `}` that closes it stands further left"
                return (Related(tokens.span(inner), label),)
        return ()

    # --- in the wrong place ---------------------------------------------------------

    def _outside(self) -> Diagnostic | None:
        """Something at the top of the file that is neither network nor macro."""
        if not self.engine.accepts(k.NETWORK):
            return None
        if self.kind in (k.KEY, k.BLOCK) and self.word in k.SECTION_WORDS:
            message = f"`{self.word}` stands outside of any network"
            help = "sections belong inside `network Name { … }`; is a `}` too many before it?"
            return self._error("NE016", message, help=help)
        meant = closest(self.word, ("network", "define"))
        help = "a file consists of `network Name { … }` and `define Name { … }`"
        if meant and self.tokens.kinds[self.token + 1] != k.LPAR:
            help = f"did you mean `{meant}`?"
        elif self.token:
            help += "; is a `}` too many before this?"
        message = f"expected a network or a macro, found {self._found()}"
        return self._error("NE016", message, help=help)

    def _section_among_layers(self) -> Diagnostic | None:
        """A section or setting inside braces (or brackets) that hold layers."""
        kinds, opener = self.tokens.kinds, self.opener
        if self.kind not in (k.KEY, k.BLOCK, k.INPUT, k.LAYERS) or opener is None:
            return None
        if kinds[opener] not in (k.BODY, k.GROUP) or not self.engine.accepts(k.BRANCH):
            return None
        help = f"put parameters in parentheses: `Layer({self.word}=…)`"
        if self.word in k.SECTION_WORDS:
            missing = self.engine.brace_missing()
            move = "move it out of the braces"
            help = "is a `}` missing before it?" if missing else move
        message = (
            f"`{self.word}` is no layer, and only layers can stand in these braces"
        )
        opened = Related(self.tokens.span(opener), "the braces are opened here")
        return self._error("NE017", message, help=help, related=(opened,))

    # --- anything else --------------------------------------------------------------

    def _unexpected(self) -> Diagnostic:
        expected = in_words(set(self.engine.expected()))
        message = f"expected {expected}, found {self._found()}"
        return self._error("NE010", message, help=self._hint())

    def _missing_colon(self) -> Diagnostic | None:
        """For `loss = "mse"`, `layers Dense(10)` and `epochs 10`: the key is to blame."""
        key, at, found = self.word, self.span, self._found()
        if self._is_section_without_colon():
            at = self.tokens.span(self.token + 1)
            found = f"`{self._shown(self.token + 1)}`"
        else:
            if not self.token or self.tokens.kinds[self.token - 1] != k.NAME:
                return None
            key = self.tokens.word(self.token - 1)
            setting = set(self.engine.expected()) == {k.EQUAL}
            section = key in k.SECTION_WORDS and not self.engine.accepts(k.RPAR)
            if not setting and not section:
                return None
        message = f"expected `:` behind `{key}`, found {found}"
        return self._error("NE010", message, help=f"write `{key}: …`", span=at)

    def _is_section_without_colon(self) -> bool:
        """Whether `input (50, 256)` or `layers = […]` stands where a section begins."""
        accepts = self.engine.accepts
        return (
            self.kind == k.NAME
            and self.word in k.SECTION_WORDS
            and accepts(k.KEY)
            and accepts(k.RBRACE)
            and self.tokens.kinds[self.token + 1] in (k.EQUAL, k.LPAR, k.LSQB, k.NAME)
        )

    def _unknown_section(self) -> Diagnostic | None:
        """For the second layer behind `layrs:`: its key is to blame, not the layer."""
        accepts, key = self.engine.accepts, self._section_key()
        if key is None or self.kind not in (k.NAME, k.BRANCH):
            return None
        name = self.tokens.word(key)
        if name in k.SECTION_WORDS or not (accepts(k.KEY) and accepts(k.RBRACE)):
            return None
        meant = closest(name, k.SECTION_WORDS)
        if meant is None or self.engine.accepts(k.RECOVERED_ENTRY):
            return None
        message = f"unknown section `{name}`"
        help = f"did you mean `{meant}`?"
        label = "no such section"
        return self._error("NE060", message, label, help, self.tokens.span(key))

    def _hint(self) -> str:
        kinds, token, word = self.tokens.kinds, self.token, self.tokens.word
        before = kinds[token - 1] if token else k.END
        accepts = self.engine.accepts
        if self.kind == k.DEFINE:
            return "macros stand outside of networks: move it before or behind this one"
        if before == k.AT:
            return 'devices are strings: `@ "cuda:0"`'
        if before == k.NAME and accepts(k.LPAR) and self.kind in (k.NUMBER, k.STRING):
            return f"parameters stand in parentheses: `{word(token - 1)}({self.word})`"
        if before in (k.NETWORK, k.DEFINE):
            item = word(token - 1)
            return f"a {item if before == k.NETWORK else 'macro'} needs a name: `{item} Name {{ … }}`"
        if self.opener is not None and self.opener > 1:
            hint = self._hint_inside(self.opener)
            if hint:
                return hint
        if accepts(k.KEY) and accepts(k.RBRACE) and self.kind in (k.NAME, k.BRANCH):
            return self._section_hint()
        among = accepts(k.COMMA) and (accepts(k.RPAR) or accepts(k.RSQB))
        if among and self.kind in VALUE | {k.KEY, k.PARAMETER}:
            return "is a comma missing?"
        return ""

    def _hint_inside(self, opener: int) -> str:
        """For what brackets in certain places cannot hold."""
        kinds, before = self.tokens.kinds, self.tokens.word(opener - 1)
        if kinds[opener] == k.LSQB and kinds[opener - 1] == k.NAME:
            return f"parameters stand in parentheses: `{before}(…)`"
        if kinds[opener] == k.LPAR and kinds[opener - 2] == k.DEFINE:
            if self.kind == k.PARAMETER:
                return f"without the `$` here: `{self.word[1:]}`"
            if self.kind in (k.EQUAL, k.KEY):
                return "parameters of macros have no defaults; each call gives all"
        return ""

    def _section_hint(self) -> str:
        """For a name where a section or setting should begin."""
        following = self.tokens.kinds[self.token + 1]
        if following == k.EQUAL:
            return f"sections take a colon: `{self.word}: …`"
        if self.word in k.SECTION_WORDS or self.engine.accepts(k.RECOVERED_ENTRY):
            return f"write `{self.word}: …`"
        key = self._section_key()
        if key is not None and self.kind == k.BRANCH:
            return f"a branch needs braces: `{self.tokens.word(key)}: {{ … }}`"
        return "layers belong in a section `layers: …`"

    def _section_key(self) -> int | None:
        """The token of the key whose section the engine has just read."""
        for value in reversed(self.engine.values):
            if type(value) is int and self.tokens.kinds[value] == k.KEY:
                return value
        return None

    def _found(self) -> str:
        if self.kind == k.END:
            return "the end of the file"
        return f"`{self._shown()}`"

    def _shown(self, token: int | None = None) -> str:
        word = self.word if token is None else self.tokens.word(token)
        return word if len(word) <= 30 else word[:29] + "…"
