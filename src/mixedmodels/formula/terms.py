"""The fixed part, or the left of a bar, to terms: formulaic's grammar, R's order.

Formulaic expands ``*``, ``/``, ``**``, ``%in%`` and removes subtracted terms. Here its result is
ordered as R orders it: terms by degree, factors within a term by first appearance in the text.
"""

from __future__ import annotations

import re

from formulaic.errors import FormulaicError
from formulaic.parser import DefaultFormulaParser
from formulaic.parser.types import Factor as ParsedFactor
from formulaic.parser.types import Term as ParsedTerm

from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import parse_expression
from mixedmodels.formula.spec import Factor, Term
from mixedmodels.formula.tokens import Piece, source_span, translate_error

_PARSER = DefaultFormulaParser(feature_flags=set())


def parse_terms(text: str, pieces: list[Piece]) -> tuple[Term, ...]:
    """The terms of a formula part, the intercept (if any) first.

    Args:
        text: The whole formula with everything but this part blanked out, so that positions hold.
        pieces: The pieces of this part.

    Raises:
        FormulaError: the part is not a sum of products of columns and expressions.
    """
    check_pieces(text, pieces)
    try:
        parsed = list(_PARSER.get_terms(text).root)
    except FormulaicError as error:
        raise translate_error(error, text) from None
    known: dict[str, Factor] = {}
    for term in parsed:
        for factor in term.factors:
            _register(factor, text, known)
    terms = [_ordered(term, known) for term in parsed]
    return tuple(sorted(terms, key=lambda term: len(term.factors)))


def check_pieces(text: str, pieces: list[Piece]) -> None:
    """Refuse what formulaic would misread or report without a place.

    Raises:
        FormulaError: a number other than 0 and 1, a lone dot, an expression with an error, or one
            beside a column of that very name (formulaic takes them for the same); a column "1".
    """
    columns = {piece.text for piece in pieces if piece.kind == "name"}
    for before, piece, after in zip([None, *pieces], pieces, [*pieces[1:], None], strict=False):
        if piece.text == "." and piece.kind in ("name", "value"):
            raise FormulaError(
                "'.' for all other columns is not supported; write the columns you want.",
                text,
                piece.start,
                piece.end,
            )
        if piece.kind == "name" and piece.text == "1":
            raise FormulaError(
                "A column called '1' cannot be told from the intercept here; rename it.",
                text,
                piece.start,
                piece.end,
            )
        if piece.kind == "code":
            check_expression(text, piece)
            if piece.text in columns:
                raise FormulaError(
                    f"'{piece.text}' is used both as an expression and as the name of a column; "
                    "rename the column.",
                    text,
                    piece.start,
                    piece.end,
                )
        if piece.kind == "value" and not _may_be_number(before, piece, after):
            raise FormulaError(
                f"{piece.text} cannot stand here: a formula has 1 for the intercept, 0 for none, "
                "and no other constants. For arithmetic write I(...), as in I(2 * x).",
                text,
                piece.start,
                piece.end,
            )


def _may_be_number(before: Piece | None, piece: Piece, after: Piece | None) -> bool:
    """0 and 1 where they stand for the intercept, and any number as a power."""
    if before is not None and before.text in ("**", "^"):
        return True
    neighbours = {side.text for side in (before, after) if side is not None}
    return piece.text in ("0", "1") and not neighbours & {":", "*", "/"}


def check_expression(text: str, piece: Piece) -> None:
    """Parse the expression of a piece, errors shown in the whole formula `text`."""
    try:
        parse_expression(text[piece.start : piece.end])
    except FormulaError as error:
        raise error.within(text, piece.start) from None


def make_factor(text: str, start: int, end: int, column: str | None) -> Factor:
    """The factor that stands at `text[start:end]`; `column` is its name if it is a plain one."""
    source = text[start:end]
    name = column if column is not None else re.sub(r"\s+", " ", source.strip())
    return Factor(name, source, column is not None, start)


def _register(factor: ParsedFactor, text: str, known: dict[str, Factor]) -> None:
    """Keep, for each distinct factor, the first place where it stands."""
    if factor.eval_method is ParsedFactor.EvalMethod.LITERAL or factor.token is None:
        return
    start, end = source_span(factor.token, text)
    if factor.expr not in known or start < known[factor.expr].start:
        is_column = factor.eval_method is ParsedFactor.EvalMethod.LOOKUP
        known[factor.expr] = make_factor(text, start, end, factor.expr if is_column else None)


def _ordered(term: ParsedTerm, known: dict[str, Factor]) -> Term:
    factors = (known[factor.expr] for factor in term.factors if factor.expr in known)
    return Term(tuple(sorted(factors, key=lambda factor: factor.start)))
