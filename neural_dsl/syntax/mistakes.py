"""What to say about a token that cannot stand where it stands."""

from __future__ import annotations

from functools import partial

from neural_dsl.diagnostics import Diagnostic, Related
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.source import Source, Span
from neural_dsl.syntax import kinds as k
from neural_dsl.syntax.engine import Engine

_TYPED_QUOTES = "“”„‟‘’‚‛«»‹›"  # what text processors make of quotes


class Mistake:
    """One unexpected token and what is known around it."""

    def __init__(self, engine: Engine, source: Source, token: int):
        self.engine = engine
        self.tokens = engine.tokens
        self.kinds = engine.tokens.kinds
        self.accepts = engine.accepts
        self.token = token
        self.before, self.kind, self.following = (
            self.kinds[token + i] for i in (-1, 0, 1)
        )
        self.word = engine.tokens.word(token)
        self.opener = next(reversed(engine.open_brackets() or ()), None)
        self.span = engine.tokens.span(token)
        if self.kind == k.END and token:  # better right behind the text than far below
            end = engine.tokens.ends[token - 1]
            self.span = Span(end, end)
        self.error = partial(Diagnostic, source=source, span=self.span)

    def describe(self) -> Diagnostic:
        """The diagnostic for the mistake."""
        return (
            self._bad_token()
            or self._brackets()
            or self._outside()
            or self._section_among_layers()
            or self._missing_colon()
            or self._unknown_section()
            or self.error("NE010", self._expected(), help=self._hint())
        )

    # --- tokens that are wrong anywhere ---------------------------------------------

    def _bad_token(self) -> Diagnostic | None:
        if self.kind == k.UNKNOWN:
            shown = self.word[:20] + "…" * (len(self.word) > 20)
            help = "text belongs in quotes, remarks behind `#` or `//`"
            if self.word[0] in _TYPED_QUOTES:
                help = 'write plain quotes: `"…"`'
            message = f"`{shown}` means nothing in this language"
            return self.error("NE007", message, help=help)
        if self.kind == k.OPEN_STRING:
            help = f"close it with {self.word[0]} on the same line"
            return self.error("NE008", "this string is never closed", help=help)
        if self.kind == k.OPEN_COMMENT:
            message, help = "this comment is never closed", "close it with `*/`"
            label = "everything from here on is a comment"
            sign = Span(self.span.start, self.span.start + 2)
            return self.error("NE009", message, label=label, help=help, span=sign)
        return None

    # --- brackets -------------------------------------------------------------------

    def _brackets(self) -> Diagnostic | None:
        opener, tokens, closing = self.opener, self.tokens, self.kind in k.CLOSING
        needless = "remove it, or open the bracket where it belongs"
        if opener is None:
            message = f"no bracket is open that this `{self.word}` could close"
            return self.error("NE012", message, help=needless) if closing else None
        closer = k.CLOSERS.get(self.kinds[opener], k.RBRACE)
        open_ended = tokens.partners[opener] < 0
        if closing and self.kind != closer:
            if open_ended:
                return self._never_closed(opener, closer)
            message = f"`{self.word}` closes nothing here"
            label = f"no `{k.CLOSING[self.kind][0]}` is open"
            return self.error("NE012", message, label=label, help=needless)
        forgotten = open_ended and (
            self.kind in (k.END, k.NETWORK, k.INPUT, k.LAYERS, k.BLOCK)
            or tokens.begins_line(self.token)
        )
        if forgotten and not self.accepts(self.kind) and self.kind != k.EQUAL:
            return self._never_closed(opener, closer)
        return None

    def _never_closed(self, opener: int, closer: int) -> Diagnostic:
        bracket, wanted = self.tokens.word(opener), k.CLOSING[closer][1]
        where = "the file ends" if self.kind == k.END else f"{self._found()} comes"
        here = Related(self.span, f"{where} before any `{wanted}`")
        message, help = f"this `{bracket}` is never closed", f"close it with `{wanted}`"
        span, related = self.tokens.span(opener), (*self._suspect(opener), here)
        return self.error(
            "NE011", message, span=span, label="opened here", help=help, related=related
        )

    def _suspect(self, opener: int) -> tuple[Related, ...]:
        """The first brace inside that seems to have taken the closing brace of another:
        the one that closes it stands further left than its own line begins."""
        tokens, kinds = self.tokens, self.kinds
        label = "is this the one? the `}` that closes it stands further left"
        for inner in range(opener + 1, self.token):
            closer = tokens.partners[inner]
            if (
                kinds[opener] not in k.CLOSERS
                and closer > inner
                and kinds[closer] == k.RBRACE
                and tokens.begins_line(closer)
                and tokens.indentation(closer) < tokens.indentation(inner)
            ):
                return (Related(tokens.span(inner), label),)
        return ()

    # --- in the wrong place ---------------------------------------------------------

    def _outside(self) -> Diagnostic | None:
        """Something at the top of the file that is neither network nor macro."""
        if not self.accepts(k.NETWORK):
            return None
        if self.kind in (k.KEY, k.BLOCK) and self.word in k.SECTION_WORDS:
            message = f"`{self.word}` stands outside of any network"
            help = "sections belong inside `network Name { … }`; is a `}` too many before it?"
            return self.error("NE016", message, help=help)
        meant = closest(self.word, ("network", "define"))
        help = "a file consists of `network Name { … }` and `define Name { … }`"
        if meant and self.following != k.LPAR:
            help = f"did you mean `{meant}`?"
        elif self.token:
            help += "; is a `}` too many before this?"
        message = f"expected a network or a macro, found {self._found()}"
        return self.error("NE016", message, help=help)

    def _section_among_layers(self) -> Diagnostic | None:
        """A section or setting inside braces (or brackets) that hold layers."""
        opener = self.opener
        if self.kind not in (k.KEY, k.BLOCK, k.INPUT, k.LAYERS) or opener is None:
            return None
        if self.kinds[opener] not in (k.BODY, k.GROUP) or not self.accepts(k.BRANCH):
            return None
        help = f"put parameters in parentheses: `Layer({self.word}=…)`"
        if self.word in k.SECTION_WORDS:
            missing = self.engine.brace_missing()
            move = "move it out of the braces"
            help = "is a `}` missing before it?" if missing else move
        only = "only layers can stand in these braces"
        message = f"`{self.word}` is no layer, and {only}"
        opened = Related(self.tokens.span(opener), "the braces are opened here")
        return self.error("NE017", message, help=help, related=(opened,))

    def _missing_colon(self) -> Diagnostic | None:
        """For `loss = "mse"`, `layers Dense(10)` and `epochs 10`: the key is to blame."""
        key, at, found = self.word, self.span, self._found()
        section_without_colon = (  # `input (50, 256)`, `layers = […]`
            self.kind == k.NAME
            and key in k.SECTION_WORDS
            and self._before_section()
            and self.following in (k.EQUAL, k.LPAR, k.LSQB, k.NAME)
        )
        if section_without_colon:
            at, found = self.tokens.span(self.token + 1), self._found(self.token + 1)
        else:
            key = self.tokens.word(self.token - 1)
            setting = set(self.engine.expected()) == {k.EQUAL}
            section = key in k.SECTION_WORDS and not self.accepts(k.RPAR)
            if self.before != k.NAME or not (setting or section):
                return None
        message = f"expected `:` behind `{key}`, found {found}"
        return self.error("NE010", message, help=f"write `{key}: …`", span=at)

    def _unknown_section(self) -> Diagnostic | None:
        """For the second layer behind `layrs:`: its key is to blame, not the layer."""
        key = self._section_key()
        if key is None or self.kind not in (k.NAME, k.BRANCH):
            return None
        name = self.tokens.word(key)
        if name in k.SECTION_WORDS or not self._before_section():
            return None
        meant = closest(name, k.SECTION_WORDS)
        if meant is None or self.accepts(k.RECOVERED_ENTRY):
            return None
        message, help = f"unknown section `{name}`", f"did you mean `{meant}`?"
        span, label = self.tokens.span(key), "no such section"
        return self.error("NE060", message, span=span, label=label, help=help)

    # --- anything else --------------------------------------------------------------

    def _expected(self) -> str:
        expected = k.in_words(set(self.engine.expected()))
        return f"expected {expected}, found {self._found()}"

    def _hint(self) -> str:
        before, accepts = self.tokens.word(self.token - 1), self.accepts
        if self.kind == k.DEFINE:
            return "macros stand outside of networks: move it before or behind this one"
        if self.before == k.AT:
            return 'devices are strings: `@ "cuda:0"`'
        bare = self.before == k.NAME and accepts(k.LPAR)
        if bare and self.kind in (k.NUMBER, k.STRING):
            return f"parameters stand in parentheses: `{before}({self.word})`"
        if self.before in (k.NETWORK, k.DEFINE):
            what = before if self.before == k.NETWORK else "macro"
            return f"a {what} needs a name: `{before} Name {{ … }}`"
        if self.opener is not None and self.opener > 1:
            word = self.tokens.word(self.opener - 1)
            item, name, bracket = self.kinds[self.opener - 2 : self.opener + 1]
            if (name, bracket) == (k.NAME, k.LSQB):
                return f"parameters stand in parentheses: `{word}(…)`"
            in_define = (item, bracket) == (k.DEFINE, k.LPAR)
            if in_define and self.kind == k.PARAMETER:
                return f"without the `$` here: `{self.word[1:]}`"
            if in_define and self.kind in (k.EQUAL, k.KEY):
                return "parameters of macros have no defaults; each call gives all"
        if self._before_section() and self.kind in (k.NAME, k.BRANCH):
            return self._section_hint()
        among = accepts(k.COMMA) and (accepts(k.RPAR) or accepts(k.RSQB))
        comma = among and self.kind in k.VALUE | {k.KEY, k.PARAMETER}
        return "is a comma missing?" if comma else ""

    def _section_hint(self) -> str:
        """For a name where a section or setting should begin."""
        if self.following == k.EQUAL:
            return f"sections take a colon: `{self.word}: …`"
        if self.word in k.SECTION_WORDS or self.accepts(k.RECOVERED_ENTRY):
            return f"write `{self.word}: …`"
        key = self._section_key()
        if key is not None and self.kind == k.BRANCH:
            return f"a branch needs braces: `{self.tokens.word(key)}: {{ … }}`"
        return "layers belong in a section `layers: …`"

    def _before_section(self) -> bool:
        """Whether a section, or a setting in braces, could begin here."""
        return self.accepts(k.KEY) and self.accepts(k.RBRACE)

    def _section_key(self) -> int | None:
        """The token of the key whose section the engine has just read."""
        values = reversed(self.engine.values)
        tokens = (value for value in values if type(value) is int)
        return next((token for token in tokens if self.kinds[token] == k.KEY), None)

    def _found(self, token: int | None = None) -> str:
        if self.kind == k.END:
            return "the end of the file"
        word = self.word if token is None else self.tokens.word(token)
        return f"`{word if len(word) <= 30 else word[:29] + '…'}`"
