"""Tokens to a syntax tree, with R's precedence: one grammar for formulas and for expressions.

From weak to strong: ``| ||``, ``& &&``, ``!``, comparisons (not in chains), ``+ -``, ``* /``,
``%% %/% %in%``, ``:``, unary ``- +``, ``^`` (from the right). Python's ``**`` is ``^``, its ``//``
and ``%`` bind like ``*``. What a tree means is decided in `terms`, `grouping` and the design stage.
"""

from __future__ import annotations

import math
import re

from mixedmodels.errors import FormulaError
from mixedmodels.formula.limits import MAX_DEPTH
from mixedmodels.formula.tokens import RESERVED, Token, shorten, split_tokens, too_deep
from mixedmodels.formula.tree import (
    BARS,
    Bracket,
    Call,
    Chain,
    Constant,
    Items,
    Name,
    Node,
    Prefix,
)

_LEVELS = {
    **dict.fromkeys(("|", "||"), 1),
    **dict.fromkeys(("&", "&&"), 2),
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "//", "%"), 6),
    **dict.fromkeys(("%%", "%/%", "%in%"), 7),
    ":": 8,
    **dict.fromkeys(("^", "**"), 10),
}
_PREFIXES = {"!": 3, "-": 9, "+": 9}
_ANY, _COMPARISON, _POWER = 0, 4, 10
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None, "Inf": math.inf}
_EXACT = 2.0**53
_ESCAPES = {**{c: c for c in "\\'\"`\n"}, "n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\s\S])")
_FOREIGN = {
    "~": "write !x for 'not x'",
    "&&": "write &, which works row by row",
    "||": "write |, which works row by row",
    "=": "write == to compare",
    ":=": "make a column first",
    "<-": "with a space, as in x < -1, it is a comparison",
    "->": "make a column first",
    "$": "name a column of the data alone",
    "@": "name a column of the data alone",
    "::": "name the function alone",
    "?": "write ifelse(test, yes, no) for a choice",
}
_WORDS = {
    "and": "write & for 'and'",
    "or": "write | for 'or'",
    "not": "write !x for 'not x'",
    "in": "write x %in% c(1, 2)",
    "if": "write ifelse(test, yes, no)",
}


def parse_tokens(text: str, tokens: list[Token], *, computing: bool) -> Node:
    """The tree of tokens that end with the token "end".

    Args:
        text: What the tokens were made from, for messages.
        tokens: As `split_tokens` gives them, or a part of them with an end.
        computing: Whether this is an expression to be computed; else operators are a formula's
            and bars are those of random-effects terms.

    Raises:
        FormulaError: operators or operands are missing, or this is more than a formula can.
    """
    parser = _Parser(text, tokens, computing)
    node = parser.expression(_ANY)
    parser.finish()
    return node


def parse_text(text: str) -> Node:
    """The tree of an expression to be computed; raises as `parse_tokens`."""
    return parse_tokens(text, split_tokens(text), computing=True)


class _Parser:
    """Precedence climbing; each level of nesting takes two frames and counts in `depth`."""

    def __init__(self, text: str, tokens: list[Token], computing: bool) -> None:
        self.text = text
        self.tokens = tokens
        self.computing = computing
        self.position = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def take(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def expression(self, weakest: int) -> Node:
        """An operand and all operators after it that bind at least as strongly as `weakest`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise too_deep(self.text, self.token.start, self.token.end)
        left = self.operand()
        while (level := self.level()) >= max(weakest, 1):
            left = self.chain(left, level)
        self.depth -= 1
        return left

    def level(self) -> int:
        """How strongly the next token binds if it is an operator between operands, else 0."""
        kind, text, start, end = self.token
        if kind != "operator":
            return 0
        if text in _FOREIGN and (self.computing or text != "||"):
            raise self.error(f"'{text}' cannot be used here; {_FOREIGN[text]}.", start, end)
        if text.startswith("%") and text not in _LEVELS:
            raise self.error(f"There is no operator '{shorten(text)}' in formulas.", start, end)
        return _LEVELS.get(text, 0)

    def chain(self, left: Node, level: int) -> Node:
        operands, operators, places = [left], [], []
        while self.level() == level:
            operator = self.take()
            operators.append(operator.text)
            places.append(operator.start)
            if level == _COMPARISON and len(operators) > 1:
                message = "Comparisons cannot be chained; write (a < b) & (b < c)."
                raise self.error(message, operator.start, operator.end)
            # A power binds from the right, and its exponent may have a sign.
            operands.append(self.expression(level if level == _POWER else level + 1))
        end = operands[-1].end
        return Chain(left.start, end, tuple(operands), tuple(operators), tuple(places))

    def operand(self) -> Node:
        token = self.token
        if token.kind == "operator" and token.text in _PREFIXES:
            self.take()
            operand = self.expression(_PREFIXES[token.text])
            return Prefix(token.start, operand.end, token.text, operand)
        if token.kind in ("name", "quoted"):
            return self.named(self.take())
        if token.kind == "number":
            self.take()
            return Constant(token.start, token.end, _number(token.text))
        if token.kind == "text":
            self.take()
            return Constant(token.start, token.end, self.unescaped(token))
        if token.kind == "open":
            return self.bracket(self.take())
        raise self.missing_operand()

    def named(self, token: Token) -> Node:
        if self.token.kind == "open" and self.token.text == "(":
            return self.call(token)
        if token.kind == "name" and token.text in RESERVED:
            value = _CONSTANTS.get(token.text, math.nan)
            return Constant(token.start, token.end, value)
        return Name(token.start, token.end, token.text, token.kind == "quoted")

    def call(self, function: Token) -> Node:
        self.take()
        outer, self.computing = self.computing, True
        arguments: list[Node] = []
        keywords: dict[str, Node] = {}
        while self.token.kind != "close":
            keyword = self.keyword()
            if keyword is None:
                arguments.append(self.expression(_ANY))
            elif keyword.text in keywords:
                message = f"The argument '{shorten(keyword.text)}' is given twice."
                raise self.error(message, keyword.start, keyword.end)
            else:
                keywords[keyword.text] = self.expression(_ANY)
            self.separator()
        self.computing = outer
        end = self.take().end
        named = tuple(keywords.items())
        return Call(function.start, end, function.text, tuple(arguments), named, function.end)

    def keyword(self) -> Token | None:
        """The name before ``=``, both taken; None where an argument has no name."""
        token, after = self.tokens[self.position : self.position + 2]
        if token.kind not in ("name", "quoted", "text") or after[:2] != ("operator", "="):
            return None
        self.position += 2
        return token._replace(text=self.unescaped(token)) if token.kind == "text" else token

    def bracket(self, opening: Token) -> Node:
        outer, self.computing = self.computing, self.computing or opening.text != "("
        if self.token.kind == "close" and opening.text != "[":
            message = "Nothing stands between these brackets."
            raise self.error(message, opening.start, self.token.end)
        items: list[Node] = []
        several = opening.text == "["
        while self.token.kind != "close":
            items.append(self.expression(_ANY))
            several = several or self.token.kind == "comma"
            if several and (not self.computing or opening.text == "{"):
                self.finish()
            self.separator()
        self.computing = outer
        end = self.take().end
        if several:
            return Items(opening.start, end, tuple(items))
        return Bracket(opening.start, end, items[0], opening.text == "{")

    def separator(self) -> None:
        """A comma or the end of the brackets must follow."""
        if self.token.kind == "comma":
            self.take()
        elif self.token.kind != "close":
            self.finish()

    def unescaped(self, token: Token) -> str:
        return _ESCAPE.sub(lambda found: self.escaped(found, token), token.text[1:-1])

    def escaped(self, found: re.Match[str], token: Token) -> str:
        code = found.group(1)
        if code in _ESCAPES:
            return _ESCAPES[code]
        if len(code) > 1 and int(code[1:], 16) <= 0x10FFFF:
            return chr(int(code[1:], 16))
        start = token.start + 1 + found.start()
        message = f"'\\{code}' is not known inside quotes; write \\\\ for a backslash."
        raise self.error(message, start, start + len(found.group()))

    def finish(self) -> None:
        """Refuse a token that cannot follow an operand."""
        token = self.token
        if token.kind == "end":
            return
        before = self.tokens[self.position - 1]
        start, end = token.start, token.end
        if token.kind == "comma":
            raise self.error("A comma stands between the arguments of a call only.", start, end)
        if token.text == "[":
            message = (
                "A subscript does more than a formula can: only arithmetic, comparisons and calls "
                "of functions are possible. Make a column of it first."
            )
            raise self.error(message, start, end)
        if token.kind == "operator":
            raise self.error(f"'{token.text}' cannot be used here.", start, end)
        message = f"An operator such as '+' is missing before '{shorten(token.text)}'"
        word = next((t.text for t in (token, before) if t.kind == "name" and t.text in _WORDS), "")
        if word:
            message = f"'{word}' is not an operator; {_WORDS[word]}"
        elif before.kind == "number" and before.end == start:
            message = "A name that begins with a digit goes between backticks"
            start = before.start
        raise self.error(f"{message}.", start, end)

    def missing_operand(self) -> FormulaError:
        token = self.token
        before = self.tokens[self.position - 1] if self.position else None
        closed = token.kind in ("close", "end")
        bar = token.text in BARS and not self.computing
        alone = before is not None and before.kind == "operator"
        if before is not None and alone and (closed or (bar and before.text not in BARS)):
            start, end = before.start, before.end
            if before.text in BARS and not self.computing:
                message = "The grouping factor is missing right of the bar."
            else:
                message = f"Nothing stands right of '{before.text}'."
            return self.error(message, start, end)
        if bar:
            if before is None or before.kind == "open":
                message = (
                    "Nothing stands left of the bar; write (1 | group) for a random intercept."
                )
            else:
                message = "A random-effects term has one bar, as in (1 + x | group)."
            return self.error(message, token.start, token.end)
        if closed:
            return self.error("An expression is missing here.", token.start, token.end)
        if token.text in _FOREIGN:
            message = f"'{token.text}' cannot be used here; {_FOREIGN[token.text]}."
            return self.error(message, token.start, token.end)
        message = f"Nothing stands left of '{shorten(token.text)}'."
        return self.error(message, token.start, token.end)

    def error(self, message: str, start: int, end: int) -> FormulaError:
        return FormulaError(message, self.text, start, end)


def _number(text: str) -> float:
    """R's number, as an integer where it is exactly one, so that it can be a degree or a count."""
    plain = text.removesuffix("L")
    try:
        value = float.fromhex(plain) if plain[:2] in ("0x", "0X") else float(plain)
    except OverflowError:
        value = math.inf
    return int(value) if value.is_integer() and abs(value) < _EXACT else value
