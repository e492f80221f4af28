"""Formula text to pieces with positions, by formulaic's tokenizer.

The pieces carry where they stand in the text, so that every later error can put its caret there.
What the pieces mean is decided in `parse`, `grouping` and `terms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from formulaic.errors import FormulaicError
from formulaic.parser.algos.tokenize import tokenize
from formulaic.parser.types import Token

from mixedmodels.errors import FormulaError

PieceKind: TypeAlias = Literal["name", "code", "value", "operator", "open", "close"]

_KINDS: dict[Token.Kind, PieceKind] = {
    Token.Kind.NAME: "name",
    Token.Kind.PYTHON: "code",
    Token.Kind.VALUE: "value",
}
_OPEN_MARK, _CLOSE_MARK = "⧛", "⧚"
_PAIRED_OPERATORS = ("||", "**")


@dataclass(frozen=True, slots=True)
class Piece:
    """One token: `text` is its meaning (no backticks), `start:end` its place in the formula."""

    kind: PieceKind
    text: str
    start: int
    end: int


def split_pieces(text: str) -> list[Piece]:
    """The pieces of a formula, in order.

    Raises:
        FormulaError: a quote or bracket is not closed, or a character makes no sense.
    """
    pieces: list[Piece] = []
    try:
        for token in tokenize(text):
            pieces.extend(_pieces_of(token, text))
    except FormulaicError as error:
        raise translate_error(error, text) from None
    return pieces


def translate_error(error: Exception, text: str) -> FormulaError:
    """Our error for one of formulaic's, with the caret where formulaic has its marks."""
    message, _, context = str(error).partition("\n\n")
    start, end = 0, len(text)
    if _OPEN_MARK in context and _CLOSE_MARK in context:
        plain = context.replace("\x1b[1;31m", "").replace("\x1b[0m", "")
        start = plain.index(_OPEN_MARK)
        end = plain.index(_CLOSE_MARK) - 1
    if "is misplaced" in message:
        message = f"'{text[start:end].strip()}' has nothing to work on."
    return FormulaError(message.strip(), text, start, end)


def source_span(token: Token, text: str) -> tuple[int, int]:
    """Where `token` stands in `text`, closing backtick or brace included."""
    start = token.source_start or 0
    end = (start if token.source_end is None else token.source_end) + 1
    if text[start] in "`{" and text[end - 1] != {"`": "`", "{": "}"}[text[start]]:
        end += 1
    return start, end


def _pieces_of(token: Token, text: str) -> Iterator[Piece]:
    start, end = source_span(token, text)
    if token.kind is Token.Kind.CONTEXT:
        bracket = str(token)
        yield Piece("open" if bracket in "([" else "close", bracket, start, end)
    elif token.kind is Token.Kind.OPERATOR:
        yield from _operators(text, start, end)
    else:
        yield Piece(_KINDS[token.kind or Token.Kind.NAME], token.token, start, end)


def _operators(text: str, start: int, end: int) -> Iterator[Piece]:
    """Formulaic runs operators together (``~ -`` is one token); here each stands alone."""
    if text[start] == "%":
        close = text.find("%", start + 1) + 1
        yield Piece("operator", text[start:close], start, close)
        return
    position = start
    while position < end:
        width = 2 if text[position : position + 2] in _PAIRED_OPERATORS else 1
        if not text[position].isspace():
            yield Piece("operator", text[position : position + width], position, position + width)
        position += width
