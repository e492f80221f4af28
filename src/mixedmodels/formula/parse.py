"""A whole formula to a FormulaSpec: response, fixed part, random-effects terms.

The random-effects terms are cut out by position; what is left goes to formulaic's grammar with
everything else blanked, so that errors from there point into the text the user typed.
"""

from __future__ import annotations

import functools

from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import parse_expression
from mixedmodels.formula.grouping import parse_groups
from mixedmodels.formula.spec import Factor, FormulaSpec, RandomTerm, Term, write_terms
from mixedmodels.formula.terms import check_expression, make_factor, parse_terms
from mixedmodels.formula.tokens import Piece, split_pieces

_BARS = ("|", "||")


def parse_formula(text: str) -> FormulaSpec:
    """Parse a mixed-model formula such as ``"Reaction ~ Days + (Days | Subject)"``.

    Args:
        text: ``response ~ fixed + (lhs | group) + ...``. The fixed part and each `lhs` are in
            formulaic's grammar; R's ``I(x^2)``, ``factor(x)`` and ``offset(x)`` are understood.

    Returns:
        The parsed formula; the same object for the same text.

    Raises:
        FormulaError: with the formula and a caret under the offending piece.

    Example:
        >>> spec = parse_formula("Reaction ~ Days + (Days | Subject)")
        >>> spec.fixed, [term.name for term in spec.random]
        ('1 + Days', ['(1 + Days | Subject)'])
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is a string; this is {type(text).__name__}: {text!r}.")
    return _parse(text)


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> FormulaSpec:
    pieces = split_pieces(text)
    left, right = _sides(text, pieces)
    response = _response(text, left)
    chunks = _find_random(text, right)
    random = tuple(term for chunk in chunks for term in _random_terms(text, chunk))
    if not random:
        raise FormulaError(
            "There is no random-effects term; add one such as (1 | group). "
            "Without one this is an ordinary linear model.",
            text,
            right[0].start,
            right[-1].end,
        )
    fixed = _fixed_pieces(right, chunks)
    terms, offsets = _split_offsets(text, _terms_of(text, fixed))
    return FormulaSpec(text, response.name, write_terms(terms), random, response, terms, offsets)


def _sides(text: str, pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    tildes = [i for i, piece in enumerate(pieces) if piece.text == "~" and piece.kind == "operator"]
    if not tildes:
        raise FormulaError(
            "There is no '~'; a formula is 'response ~ fixed + (1 | group)'.", text, 0, len(text)
        )
    if len(tildes) > 1:
        extra = pieces[tildes[1]]
        raise FormulaError("A formula has one '~' only.", text, extra.start, extra.end)
    tilde = pieces[tildes[0]]
    left, right = pieces[: tildes[0]], pieces[tildes[0] + 1 :]
    if not left:
        raise FormulaError("The response is missing left of '~'.", text, tilde.start, tilde.end)
    if not right:
        raise FormulaError("Nothing stands right of '~'.", text, tilde.start, tilde.end)
    return left, right


def _response(text: str, pieces: list[Piece]) -> Factor:
    """The left-hand side is one expression, with R's meaning of its operators: arithmetic."""
    start, end = pieces[0].start, pieces[-1].end
    if len(pieces) == 1 and pieces[0].kind == "name":
        return make_factor(text, start, end, pieces[0].text)
    check_expression(text, Piece("code", text[start:end], start, end))
    return make_factor(text, start, end, None)


class _Chunk:
    """The pieces of one parenthesised random-effects term; `first:last` index its brackets."""

    def __init__(self, pieces: list[Piece], first: int, bar: int, last: int) -> None:
        self.first, self.last = first, last
        self.start, self.end = pieces[first].start, pieces[last].end
        self.left = pieces[first + 1 : bar]
        self.right = pieces[bar + 1 : last]
        self.bar = pieces[bar]
        while first > 0 and pieces[first - 1].text == "(" and pieces[last + 1].text == ")":
            first, last = first - 1, last + 1
        self.outer = first, last


def _find_random(text: str, pieces: list[Piece]) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    openings: list[int] = []
    bars: dict[int, int] = {}
    for position, piece in enumerate(pieces):
        if piece.kind == "open":
            openings.append(position)
        elif piece.kind == "close":
            if not openings:
                raise FormulaError("This bracket closes nothing.", text, piece.start, piece.end)
            opening = openings.pop()
            if opening in bars:
                chunks.append(_Chunk(pieces, opening, bars[opening], position))
        elif piece.kind == "operator" and piece.text in _BARS:
            if not openings:
                raise FormulaError(
                    "A random-effects term stands in parentheses, as in (1 + x | group).",
                    text,
                    piece.start,
                    piece.end,
                )
            bars.setdefault(openings[-1], position)
    if openings:
        piece = pieces[openings[-1]]
        raise FormulaError("This bracket is never closed.", text, piece.start, piece.end)
    for chunk in chunks:
        _check_additive(text, pieces, chunk)
    return chunks


def _check_additive(text: str, pieces: list[Piece], chunk: _Chunk) -> None:
    first, last = chunk.outer
    before = pieces[first - 1] if first > 0 else None
    after = pieces[last + 1] if last + 1 < len(pieces) else None
    added = before is None or (before.kind == "operator" and before.text == "+")
    ended = after is None or (after.kind == "operator" and after.text in "+-")
    depth = sum({"open": 1, "close": -1}.get(piece.kind, 0) for piece in pieces[:first])
    if depth:
        message = "A random-effects term can only be added to the formula, outside of brackets."
    elif not added and before is not None and before.kind != "operator":
        message = "A '+' is missing before this random-effects term."
    elif not ended and after is not None and after.kind != "operator":
        message = "A '+' is missing after this random-effects term."
    elif not (added and ended):
        message = "A random-effects term can only be added to the formula, with '+'."
    else:
        return
    raise FormulaError(message, text, chunk.start, chunk.end)


def _random_terms(text: str, chunk: _Chunk) -> list[RandomTerm]:
    if not chunk.left:
        raise FormulaError(
            "Nothing stands left of the bar; write (1 | group) for a random intercept.",
            text,
            chunk.start,
            chunk.end,
        )
    if not chunk.right:
        raise FormulaError(
            "The grouping factor is missing right of the bar.", text, chunk.start, chunk.end
        )
    terms, offsets = _split_offsets(text, _terms_of(text, chunk.left))
    if offsets or not terms:
        message = "An offset cannot be random." if offsets else "This term has no random effects."
        raise FormulaError(message, text, chunk.left[0].start, chunk.left[-1].end)
    correlated = chunk.bar.text == "|"
    return [
        RandomTerm(
            lhs=write_terms(terms),
            factors=tuple(factor.name for factor in group),
            correlated=correlated,
            start=chunk.start,
            end=chunk.end,
            terms=terms,
            grouping=group,
        )
        for group in parse_groups(text, chunk.right)
    ]


def _fixed_pieces(pieces: list[Piece], chunks: list[_Chunk]) -> list[Piece]:
    """The pieces without random-effects terms and without the '+' that joined each."""
    dropped: set[int] = set()
    for chunk in chunks:
        first, last = chunk.outer
        dropped.update(range(first, last + 1))
        before = first - 1
        while before in dropped:
            before -= 1
        if before >= 0:
            dropped.add(before)
        elif last + 1 < len(pieces) and pieces[last + 1].text == "+":
            dropped.add(last + 1)
    return [piece for position, piece in enumerate(pieces) if position not in dropped]


def _terms_of(text: str, pieces: list[Piece]) -> tuple[Term, ...]:
    if not pieces:
        return (Term(()),)
    blanked = [" "] * len(text)
    for piece in pieces:
        blanked[piece.start : piece.end] = text[piece.start : piece.end]
    try:
        return parse_terms("".join(blanked), pieces)
    except FormulaError as error:
        raise FormulaError(error.message, text, error.start, error.end) from None


def _split_offsets(
    text: str, terms: tuple[Term, ...]
) -> tuple[tuple[Term, ...], tuple[Factor, ...]]:
    """Terms proper, and the ``offset(...)`` calls among them."""
    offsets: list[Factor] = []
    kept: list[Term] = []
    for term in terms:
        calls = [factor for factor in term.factors if _is_offset(factor)]
        if calls and len(term.factors) > 1:
            raise FormulaError(
                "An offset can only be added, not multiplied with other terms.",
                text,
                calls[0].start,
                calls[0].end,
            )
        offsets.extend(calls)
        if not calls:
            kept.append(term)
    return tuple(kept), tuple(offsets)


def _is_offset(factor: Factor) -> bool:
    if factor.is_column or not factor.source.startswith("offset"):
        return False
    return any(
        reference.name == "offset" and reference.called
        for reference in parse_expression(factor.source).references
    )
