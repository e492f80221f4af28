"""A whole formula to a FormulaSpec: response, fixed part, random-effects terms.

The text is parsed once; the random-effects terms are the brackets with a bar among the summands,
and what is left is the fixed part.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import inner_nodes
from mixedmodels.formula.grammar import parse_tokens
from mixedmodels.formula.grouping import parse_groups
from mixedmodels.formula.limits import MAX_RANDOM_TERMS
from mixedmodels.formula.spec import Factor, FormulaSpec, RandomTerm, Term, write_terms
from mixedmodels.formula.terms import make_factor, parse_terms, summands_of
from mixedmodels.formula.tokens import Token, split_tokens
from mixedmodels.formula.tree import BARS, SUM, Bracket, Call, Chain, Node, Prefix


def parse_formula(text: str) -> FormulaSpec:
    """Parse a mixed-model formula such as ``"Reaction ~ Days + (Days | Subject)"``.

    Args:
        text: ``response ~ fixed + (lhs | group) + ...``, in R's grammar: the fixed part and each
            `lhs` are terms joined by ``+ - : * / ^ %in%`` (``**`` is ``^``), and whatever stands in
            calls such as ``log(x)`` or ``I(x^2)`` is computed.

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
        raise _not_text(text)
    return _parse(text)


def _not_text(given: object) -> FormulaError:
    kind = type(given).__name__
    if hasattr(given, "columns") or isinstance(given, Mapping):
        return FormulaError(
            f"A formula is a string; this is a {kind}. The formula comes first, then the data."
        )
    return FormulaError(f"A formula is a string; this is {kind}: {given!r:.80}.")


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> FormulaSpec:
    left, right = _sides(text, split_tokens(text))
    response = make_factor(text, parse_tokens(text, left, computing=True))
    tree = parse_tokens(text, right, computing=False)
    if isinstance(tree, Chain) and tree.operators[0] in SUM:
        _check_operands(text, tree)
    fixed: list[tuple[str, Node]] = []
    chunks: list[_Chunk] = []
    for sign, node in summands_of(tree):
        chunk = _chunk(node)
        if chunk is not None and sign == "+":
            chunks.append(chunk)
        else:
            fixed.append((sign, node))
    for _, node in fixed:
        _check_without_bars(text, node)
    random = _random_terms(text, chunks)
    if not random:
        raise FormulaError(
            "There is no random-effects term; add one such as (1 | group). "
            "Without one this is an ordinary linear model.",
            text,
            tree.start,
            tree.end,
        )
    terms, offsets = parse_terms(text, fixed)
    return FormulaSpec(text, response.name, write_terms(terms), random, response, terms, offsets)


def _sides(text: str, tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """The tokens left and right of the tilde, each with an end."""
    tildes = [i for i, token in enumerate(tokens) if token[:2] == ("operator", "~")]
    if not tildes:
        raise FormulaError(
            "There is no '~'; a formula is 'response ~ fixed + (1 | group)'.", text, 0, len(text)
        )
    depth = 0
    for token in tokens[: tildes[0]]:
        depth += (token.kind == "open") - (token.kind == "close")
    if len(tildes) > 1 or depth:
        extra = tokens[tildes[-1]]
        message = "A formula has one '~' only, outside of brackets; write !x for 'not x'."
        raise FormulaError(message, text, extra.start, extra.end)
    tilde = tokens[tildes[0]]
    left, right = tokens[: tildes[0]], tokens[tildes[0] + 1 :]
    if not left:
        raise FormulaError("The response is missing left of '~'.", text, tilde.start, tilde.end)
    if len(right) == 1:
        raise FormulaError("Nothing stands right of '~'.", text, tilde.start, tilde.end)
    return [*left, Token("end", "", tilde.start, tilde.end)], right


class _Chunk(NamedTuple):
    """A random-effects term: its innermost brackets and what they hold."""

    start: int
    end: int
    left: Node
    right: Node
    correlated: bool


def _chunk(node: Node) -> _Chunk | None:
    """The random-effects term that a summand is, in brackets and after pluses; else None."""
    while True:
        if isinstance(node, Prefix) and node.operator == "+":
            node = node.operand
            continue
        if not isinstance(node, Bracket) or node.braces:
            return None
        inner = node.inner
        if isinstance(inner, Chain) and inner.operators[0] in BARS:
            return _split(node, inner)
        node = inner


def _split(node: Bracket, inner: Chain) -> _Chunk:
    left, right = inner.operands[:2]
    if len(inner.operands) > 2:
        # More than one bar: the rest is refused as a grouping factor, with its place.
        right = Chain(
            right.start, inner.end, inner.operands[1:], inner.operators[1:], inner.places[1:]
        )
    return _Chunk(node.start, node.end, left, right, inner.operators[0] == "|")


def _random_terms(text: str, chunks: Sequence[_Chunk]) -> tuple[RandomTerm, ...]:
    found: list[RandomTerm] = []
    for chunk in chunks:
        found.extend(_terms_of_chunk(text, chunk))
        if len(found) > MAX_RANDOM_TERMS:
            message = (
                f"The formula has {max(len(found), len(chunks)):,} random-effects terms or more; "
                f"the limit is {MAX_RANDOM_TERMS:,}."
            )
            raise FormulaError(message, text, chunk.start, chunk.end)
    return tuple(found)


def _terms_of_chunk(text: str, chunk: _Chunk) -> Iterator[RandomTerm]:
    terms, offsets = parse_terms(text, summands_of(chunk.left))
    if offsets or not terms:
        message = "An offset cannot be random." if offsets else "This term has no random effects."
        raise FormulaError(message, text, chunk.left.start, chunk.left.end)
    lhs = write_terms(terms)
    for group in parse_groups(text, chunk.right):
        yield _random_term(chunk, lhs, terms, group)


def _random_term(
    chunk: _Chunk, lhs: str, terms: tuple[Term, ...], group: tuple[Factor, ...]
) -> RandomTerm:
    return RandomTerm(
        lhs=lhs,
        factors=tuple(factor.name for factor in group),
        correlated=chunk.correlated,
        start=chunk.start,
        end=chunk.end,
        terms=terms,
        grouping=group,
    )


def _check_without_bars(text: str, node: Node) -> None:
    """Refuse a bar that is neither inside of a call nor in a bracket that is added."""
    waiting = [(node, node)]
    while waiting:
        node, outer = waiting.pop()
        if isinstance(node, Call):
            _check_call(text, node)
            continue
        if isinstance(node, Chain) and node.operators[0] in BARS:
            raise _misplaced(text, node, outer)
        if isinstance(node, Chain):
            _check_operands(text, node)
        if not (isinstance(node, Bracket) and node.braces):
            waiting.extend((inner, node) for inner in inner_nodes(node))


def _check_operands(text: str, node: Chain) -> None:
    """Refuse an operator without an operand beside a random-effects term.

    In ``a * + (1 | g)`` the grammar takes the plus for a sign of what ``*`` multiplies. Two pluses
    are R's and mean one.
    """
    for i, (operator, place) in enumerate(zip(node.operators, node.places, strict=True)):
        first, signed = _first_of(node.operands[i + 1])
        if signed and operator != "+" and (_chunk(first) or _chunk(node.operands[i])):
            message = f"Nothing stands right of '{operator}'."
            raise FormulaError(message, text, place, place + len(operator))


def _first_of(node: Node) -> tuple[Node, bool]:
    """The leftmost operand of an expression, and whether a sign stands before it."""
    signed = False
    while isinstance(node, (Chain, Prefix)):
        signed = signed or isinstance(node, Prefix)
        node = node.operand if isinstance(node, Prefix) else node.operands[0]
    return node, signed


def _check_call(text: str, node: Call) -> None:
    """``x (1 | g)`` with a space is a call for R too, but a forgotten plus for its writer."""
    bracket = text.index("(", node.name_end)
    if bracket > node.name_end and len(node.arguments) == 1:
        (inner,) = node.arguments
        if _chunk(Bracket(bracket, node.end, inner, braces=False)) is not None:
            message = "A '+' is missing before this random-effects term."
            raise FormulaError(message, text, bracket, node.end)


def _misplaced(text: str, bar: Chain, outer: Node) -> FormulaError:
    if outer is bar:
        place, width = bar.places[0], len(bar.operators[0])
        message = "A random-effects term stands in parentheses, as in (1 + x | group)."
        return FormulaError(message, text, place, place + width)
    message = (
        "A random-effects term can only be added to the formula, with '+', outside of brackets."
    )
    return FormulaError(message, text, outer.start, outer.end)
