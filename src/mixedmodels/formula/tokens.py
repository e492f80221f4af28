"""Text to tokens with positions: one scanner for formulas and for the expressions inside them.

The tokens carry where they stand in the text, so that every later error can put its caret there.
What they mean together is decided in `grammar`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Literal, NamedTuple, TypeAlias

from mixedmodels.errors import FormulaError
from mixedmodels.formula.limits import MAX_CHARACTERS, MAX_DEPTH

TokenKind: TypeAlias = Literal[
    "name", "quoted", "number", "text", "operator", "open", "close", "comma", "end"
]

RESERVED = frozenset(
    {"TRUE", "FALSE", "NULL", "NA", "NaN", "Inf"}
    | {"NA_integer_", "NA_real_", "NA_character_", "NA_complex_"}
)
"""R's constants: a column of such a name needs backticks."""

_TOKEN = re.compile(
    r"""
    (?P<space> \s+ )
  | (?P<number> (?: 0[xX][0-9a-fA-F]+ (?:\.[0-9a-fA-F]*)? (?:[pP][+-]?[0-9]+)?
                  | (?: [0-9]+ \.? [0-9]* | \. [0-9]+ ) (?:[eE][+-]?[0-9]+)? ) L? )
  | (?P<name> (?: [^\W\d] | \. (?![0-9]) ) [\w.]* )
  | (?P<quoted> ` (?: \\[\s\S] | [^`\\] )* ` )
  | (?P<text> " (?: \\[\s\S] | [^"\\] )* " | ' (?: \\[\s\S] | [^'\\] )* ' )
  | (?P<operator> %(?:[^\W\d]|[*/|>.])*% | \*\* | \|\| | && | == | != | <= | >= | <- | -> | // | :=
                | :: | [-+*/^:~|&!<>=%$@?] )
  | (?P<open> [(\[{] )
  | (?P<close> [)\]}] )
  | (?P<comma> , )
    """,
    re.VERBOSE,
)
_NAME_GOES_ON = re.compile(r"[\w.]*")
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_ESCAPED = re.compile(r"\\([\\`])")
_JOINERS = "\u200c\u200d"
_LOOKALIKES = {
    **dict.fromkeys("\u2212\u2013\u2014\uff0d", "-"),
    **dict.fromkeys("\u00d7\u2217\u22c5\u00b7", "*"),
    **dict.fromkeys("\u00f7\u2215", "/"),
    **dict.fromkeys("\u201c\u201d\u2018\u2019\u00b4", "a plain quote, \" or '"),
    **dict.fromkeys("\uff5c\u2223\u00a6", "|"),
    **dict.fromkeys("\u223c\u02dc\uff5e", "~"),
    "\uff0b": "+",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2260": "!=",
    "\uff08": "(",
    "\uff09": ")",
    "\uff0c": ",",
    "\uff1a": ":",
}
_SHOWN = 60


class Token(NamedTuple):
    """One token: `text` as typed, except for `quoted`, where it is the name without backticks."""

    kind: TokenKind
    text: str
    start: int
    end: int


def split_tokens(text: str) -> list[Token]:
    """The tokens of a text, brackets in balance, and the token "end".

    Raises:
        FormulaError: the text is too long or nested too deeply, a quote or bracket is not closed,
            or a character has no meaning in a formula.
    """
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(
            f"The formula has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}.", text
        )
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _unknown(text, position)
        start, position = found.span()
        kind: TokenKind = found.lastgroup  # type: ignore[assignment]
        if kind == "name":
            position = _name_end(text, position)
        if found.lastgroup != "space":
            tokens.append(Token(kind, text[start:position], start, position))
            if kind == "quoted":
                tokens[-1] = _unquoted(tokens[-1], text)
    _check_brackets(text, tokens)
    tokens.append(Token("end", "", len(text), len(text) + 1))
    return tokens


@functools.lru_cache(maxsize=1024)
def quote_name(name: str) -> str:
    """A column's name as it is written in a formula: in backticks where it needs them."""
    found = _TOKEN.match(name)
    plain = found is not None and found.lastgroup == "name" and name not in RESERVED | {"."}
    if found is not None and plain and _name_end(name, found.end()) == len(name):
        return name
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def shorten(text: str) -> str:
    """A piece of a formula for a message: its beginning when it is long."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _name_end(text: str, position: int) -> int:
    """Combining marks and joiners belong to a name too, so that names stay as they are typed."""
    while position < len(text) and (
        text[position] in _JOINERS or unicodedata.category(text[position]).startswith("M")
    ):
        goes_on = _NAME_GOES_ON.match(text, position + 1)
        position = goes_on.end() if goes_on is not None else position + 1
    return position


def _unquoted(token: Token, text: str) -> Token:
    name = _ESCAPED.sub(r"\1", token.text[1:-1])
    if not name:
        raise FormulaError(
            "There is no name between these backticks.", text, token.start, token.end
        )
    return token._replace(text=name)


def _check_brackets(text: str, tokens: list[Token]) -> None:
    openings: list[Token] = []
    for token in tokens:
        if token.kind == "open":
            openings.append(token)
            if len(openings) > MAX_DEPTH:
                raise too_deep(text, token.start, token.end)
        elif token.kind == "close":
            if not openings:
                raise FormulaError("This bracket closes nothing.", text, token.start, token.end)
            opening = openings.pop()
            if _PAIRS[opening.text] != token.text:
                message = f"This bracket is closed by '{token.text}', not '{_PAIRS[opening.text]}'."
                raise FormulaError(message, text, opening.start, opening.end)
    if openings:
        opening = openings[-1]
        raise FormulaError("This bracket is never closed.", text, opening.start, opening.end)


def too_deep(text: str, start: int, end: int) -> FormulaError:
    """The error for brackets, calls or operators nested beyond the limit."""
    return FormulaError(
        f"Brackets, calls and operators are nested more than {MAX_DEPTH} deep here, which is the "
        "limit; make a column of a part.",
        text,
        start,
        end,
    )


def _unknown(text: str, position: int) -> FormulaError:
    character = text[position]
    if character in "`\"'":
        kind = "backtick" if character == "`" else "quote"
        return FormulaError(f"This {kind} is never closed.", text, position, len(text))
    name = unicodedata.name(character, "")
    shown = f"'{character}'" if character.isprintable() else "This character"
    message = f"{shown} (U+{ord(character):04X}{' ' + name if name else ''}) has no meaning here"
    if character in _LOOKALIKES:
        remedy = f"; write {_LOOKALIKES[character]} instead."
    else:
        remedy = "; a name with such a character goes between backticks."
    return FormulaError(message + remedy, text, position, position + 1)
