"""Random-effects terms: the brackets with a bar that a formula adds, and what each stands for."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from mixedmodels.errors import FormulaError
from mixedmodels.formula.grouping import parse_groups
from mixedmodels.formula.spec import Factor, RandomTerm, Term, write_terms
from mixedmodels.formula.terms import parse_terms, summands_of
from mixedmodels.formula.tree import BARS, Bracket, Call, Chain, Node, Prefix


class Chunk(NamedTuple):
    """A random-effects term: its innermost brackets and what they hold."""

    start: int
    end: int
    left: Node
    right: Node
    correlated: bool


def random_chunk(node: Node) -> Chunk | None:
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


_UNSTRUCTURED = frozenset({"us", "un", "unstr"})
_DIAGONAL = frozenset({"diag", "zerocorr"})
_STRUCTURES = frozenset(
    {"homdiag", "cs", "homcs", "hetcs", "ar1", "hetar1", "ou", "toep", "homtoep", "gau", "exp",
     "mat", "rr", "propto", "equalto"}
)  # fmt: skip


def refuse_structure(text: str, node: Call) -> None:
    """Refuse ``us(x | g)`` and other structures of glmmTMB and lme4, and say what they are here.

    Raises:
        FormulaError: The call is one of these.
    """
    known = node.name in _UNSTRUCTURED | _DIAGONAL | _STRUCTURES
    inner = node.arguments[0] if known and node.arguments else None
    if not isinstance(inner, Chain) or inner.operators[0] not in BARS:
        return
    left, right = inner.operands[:2]
    start, group = text[left.start : left.end], text[right.start : right.end]
    if node.name in _UNSTRUCTURED:
        answer = f"'{node.name}' needs no name here: write ({start} | {group})."
    elif node.name in _DIAGONAL:
        answer = f"'{node.name}' is written with two bars here: ({start} || {group})."
    else:
        answer = (
            f"The covariance structure '{node.name}' is not here. (x | {group}) has all variances "
            f"and correlations of its columns, (x || {group}) their variances without "
            "correlations; one correlation of all levels of a factor f, not negative, is "
            f"(1 | {group}) + (1 | {group}:f)."
        )
    raise FormulaError(answer, text, node.start, node.end)


def _split(node: Bracket, inner: Chain) -> Chunk:
    left, right = inner.operands[:2]
    if len(inner.operands) > 2:
        # More than one bar: the rest is refused as a grouping factor, with its place.
        right = Chain(
            right.start, inner.end, inner.operands[1:], inner.operators[1:], inner.places[1:]
        )
    return Chunk(node.start, node.end, left, right, inner.operators[0] == "|")


def terms_of_chunk(text: str, chunk: Chunk) -> Iterator[RandomTerm]:
    """The terms that a chunk stands for, one for each group of its right side.

    Raises:
        FormulaError: It has no random effects, or an offset, or its group cannot be understood.
    """
    terms, offsets = parse_terms(text, summands_of(chunk.left))
    if offsets or not terms:
        message = "An offset cannot be random." if offsets else "This term has no random effects."
        raise FormulaError(message, text, chunk.left.start, chunk.left.end)
    lhs = write_terms(terms)
    for group in parse_groups(text, chunk.right):
        yield _random_term(chunk, lhs, terms, group)


def _random_term(
    chunk: Chunk, lhs: str, terms: tuple[Term, ...], group: tuple[Factor, ...]
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


def group_signature(grouping: Sequence[Factor]) -> frozenset[str]:
    """What tells groups apart: their factors, in any order and spacing."""
    return frozenset(map(factor_signature, grouping))


def product_signature(term: Term) -> frozenset[str]:
    """What tells products of factors apart: these, in any order and spacing; none is 1."""
    return frozenset(map(factor_signature, term.factors))


def term_signature(term: RandomTerm) -> Hashable:
    """What tells random-effects terms apart: columns, bar and group."""
    lhs = frozenset(map(product_signature, term.terms))
    return lhs, term.correlated or len(term.terms) == 1, group_signature(term.grouping)


def factor_signature(factor: Factor) -> str:
    """Key of a factor: its text without spaces."""
    return factor.key if factor.is_column else re.sub(r"\s+", "", factor.name)
