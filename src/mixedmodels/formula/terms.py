"""The fixed part, or the left of a bar, to terms: R's algebra of ``+ - : * / ^ %in%``, R's order.

A term is a set of factors, kept as the bits of an integer, so that products are unions and reduce
as they are formed. Terms are ordered by degree, factors within a term by first appearance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from mixedmodels.errors import FormulaError
from mixedmodels.formula.limits import MAX_PRODUCTS, MAX_TERMS
from mixedmodels.formula.spec import Factor, Term
from mixedmodels.formula.tokens import shorten
from mixedmodels.formula.tree import POWERS, SUM, Bracket, Call, Chain, Constant, Name, Node, Prefix

_SPACE = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)|\s+""", re.DOTALL)
"""White space, but for that inside of quotes."""

_Terms: TypeAlias = dict[int, None]
"""Terms in order of appearance."""


class Part(NamedTuple):
    """What a formula part says: its terms by degree, the intercept first, and its offsets."""

    terms: tuple[Term, ...]
    offsets: tuple[Factor, ...]


def parse_terms(text: str, summands: Sequence[tuple[str, Node]]) -> Part:
    """The terms of a formula part.

    Args:
        text: The whole formula.
        summands: What the part adds up, each with the sign before it.

    Raises:
        FormulaError: the part is not made of columns and calls by the operators of formulas, or
            has too many terms.
    """
    algebra = _Algebra(text)
    terms = algebra.sum_of(summands, adding=True)
    return algebra.part(terms)


def make_factor(text: str, node: Node) -> Factor:
    """The factor that a column, a call or an expression in the formula stands for."""
    source = text[node.start : node.end]
    if isinstance(node, Name):
        return Factor(node.name, source, True, node.start)
    name = _SPACE.sub(lambda found: found.group(1) or " ", source)
    return Factor(name, source, False, node.start)


def check_name(text: str, node: Name) -> None:
    """Refuse R's dot for all other columns."""
    if node.name == "." and not node.quoted:
        message = (
            "'.' for all other columns is not supported; write the columns you want, as a + b."
        )
        raise FormulaError(message, text, node.start, node.end)


class _Algebra:
    """Expands one part; `bits` and `factors` number its factors by first appearance."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bits: dict[Node | str, int] = {}
        self.factors: list[Factor] = []
        self.offsets = 0
        self.intercept = True
        self.products = 0

    def part(self, terms: _Terms) -> Part:
        """The expanded terms as values, offsets apart."""
        offsets = [term for term in terms if term & self.offsets]
        for term in offsets:
            if term.bit_count() > 1:
                call = self.factors[(term & self.offsets).bit_length() - 1]
                message = "An offset can only be added, not multiplied with other terms."
                raise FormulaError(message, self.text, call.start, call.end)
        self._check_names(terms)
        kept = sorted((term for term in terms if not term & self.offsets), key=int.bit_count)
        intercept = [Term(())] if self.intercept else []
        return Part(
            (*intercept, *(Term(tuple(self._members(term))) for term in kept)),
            tuple(factor for term in offsets for factor in self._members(term)),
        )

    def sum_of(self, summands: Iterable[tuple[str, Node]], *, adding: bool) -> _Terms:
        """The terms of a sum; `adding` is False inside of what is subtracted."""
        terms: _Terms = {}
        for sign, node in summands:
            found = self.expand(node, adding=adding == (sign == "+"), product=False)
            if sign == "+":
                terms.update(found)
                self._check_number(terms, node)
            else:
                for term in found:
                    terms.pop(term, None)
        return terms

    def expand(self, node: Node, *, adding: bool, product: bool) -> _Terms:
        """The terms of a node; `product` where it is multiplied, so that 1 is not the intercept."""
        if isinstance(node, Bracket) and not node.braces:
            return self.expand(node.inner, adding=adding, product=product)
        if isinstance(node, (Name, Call, Bracket)):
            return {1 << self._number_of(node): None}
        if isinstance(node, Constant):
            self._set_intercept(node, adding=adding, product=product)
            return {}
        if isinstance(node, Prefix) and node.operator in SUM and not product:
            return self.sum_of([(node.operator, node.operand)], adding=adding)
        if isinstance(node, Chain):
            if node.operators[0] in SUM:
                return self.sum_of(summands_of(node), adding=adding)
            return self._product(node, adding=adding)
        raise self._unknown(node)

    def _product(self, node: Chain, *, adding: bool) -> _Terms:
        if node.operators[0] in POWERS:
            base = self.expand(node.operands[0], adding=adding, product=False)
            return self._power(base, node.operands[1], node)
        terms = self.expand(node.operands[0], adding=adding, product=True)
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            combine = _OPERATORS.get(operator)
            if combine is None:
                raise self._unknown(node)
            right = self.expand(operand, adding=adding, product=True)
            self._count(len(terms) * len(right), node)
            terms = combine(terms, right)
            self._check_number(terms, node)
        return terms

    def _power(self, base: _Terms, exponent: Node, node: Chain) -> _Terms:
        """Products of up to so many terms; repeated until nothing is new."""
        while isinstance(exponent, Bracket):
            exponent = exponent.inner
        value: object = exponent.value if isinstance(exponent, Constant) else None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            message = "The power of a formula part is a positive integer; for arithmetic write I()."
            raise FormulaError(message, self.text, exponent.start, exponent.end)
        terms = base
        for _ in range(value - 1):
            self._count(len(terms) * len(base), node)
            larger = {left | right: None for left in terms for right in base}
            if len(larger) == len(terms):
                break
            self._check_number(larger, node)
            terms = larger
        return terms

    def _set_intercept(self, node: Constant, *, adding: bool, product: bool) -> None:
        known = node.value in (0, 1) and not isinstance(node.value, bool)
        if not known or product:
            shown = shorten(self.text[node.start : node.end])
            message = (
                f"{shown} cannot stand here: a formula has 1 for the intercept, 0 for none, "
                "and no other constants. For arithmetic write I(...), as in I(2 * x); a column of "
                "this name goes between backticks."
            )
            raise FormulaError(message, self.text, node.start, node.end)
        self.intercept = adding == (node.value == 1)

    def _number_of(self, node: Name | Call | Bracket) -> int:
        # Of a plain column only the name counts, with or without backticks.
        key = node.name if isinstance(node, Name) else node
        if key not in self.bits:
            if isinstance(node, Name):
                check_name(self.text, node)
            self.bits[key] = len(self.factors)
            self.factors.append(make_factor(self.text, node))
            if isinstance(node, Call) and node.name == "offset":
                self.offsets |= 1 << self.bits[key]
        return self.bits[key]

    def _members(self, term: int) -> Iterable[Factor]:
        while term:
            lowest = term & -term
            yield self.factors[lowest.bit_length() - 1]
            term ^= lowest

    def _check_names(self, terms: _Terms) -> None:
        """Two factors with one name would be two coefficients with one name."""
        used = 0
        for term in terms:
            used |= term
        named: dict[str, Factor] = {}
        for factor in self._members(used):
            other = named.setdefault(factor.name, factor)
            if other.is_column != factor.is_column:
                call = other if factor.is_column else factor
                message = (
                    f"'{call.name}' is used both as an expression and as the name of a column; "
                    "rename the column."
                )
                raise FormulaError(message, self.text, call.start, call.end)

    def _count(self, products: int, node: Node) -> None:
        self.products += products
        if self.products > MAX_PRODUCTS:
            message = (
                f"Expanding this part of the formula takes {self.products:,} products of terms; "
                f"the limit is {MAX_PRODUCTS:,}."
            )
            raise FormulaError(message, self.text, node.start, node.end)

    def _check_number(self, terms: _Terms, node: Node) -> None:
        if len(terms) > MAX_TERMS:
            message = (
                f"The formula has {len(terms):,} terms or more here after expansion; the limit is "
                f"{MAX_TERMS:,}."
            )
            raise FormulaError(message, self.text, node.start, node.end)

    def _unknown(self, node: Node) -> FormulaError:
        shown = shorten(self.text[node.start : node.end])
        if isinstance(node, Chain) or (isinstance(node, Prefix) and node.operator == "!"):
            message = f"To compute, write I({shown}): outside of calls operators combine terms."
        elif isinstance(node, Prefix):
            message = f"'{node.operator}' cannot stand here; write a product without signs."
        else:
            message = f"'{shown}' is not a column or a call of a function."
        return FormulaError(message, self.text, node.start, node.end)


def summands_of(node: Node) -> list[tuple[str, Node]]:
    """What a sum adds up, each with the sign before it; any other node is a sum of itself."""
    if isinstance(node, Chain) and node.operators[0] in SUM:
        return list(zip(("+", *node.operators), node.operands, strict=True))
    return [("+", node)]


def _interact(left: _Terms, right: _Terms) -> _Terms:
    return {a | b: None for a in left for b in right}


def _cross(left: _Terms, right: _Terms) -> _Terms:
    return {**left, **right, **_interact(left, right)}


def _nest(left: _Terms, right: _Terms) -> _Terms:
    return {**left, **_within(right, left)}


def _within(left: _Terms, right: _Terms) -> _Terms:
    outer = 0
    for term in right:
        outer |= term
    return {term | outer: None for term in left}


_OPERATORS: dict[str, Callable[[_Terms, _Terms], _Terms]] = {
    ":": _interact,
    "*": _cross,
    "/": _nest,
    "%in%": _within,
}
