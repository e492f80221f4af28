"""A formula from another one and a change, in the meaning of R's `update.formula`.

A dot stands for what the old formula has on that side. On the right, terms are added and taken away
from left to right, random-effects terms among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import inner_nodes
from mixedmodels.formula.grammar import parse_text, parse_tokens
from mixedmodels.formula.parse import check_without_bars, sides
from mixedmodels.formula.random_terms import (
    factor_signature,
    random_chunk,
    term_signature,
    terms_of_chunk,
)
from mixedmodels.formula.spec import FormulaSpec, RandomTerm
from mixedmodels.formula.terms import Part, parse_terms, summands_of
from mixedmodels.formula.tokens import split_tokens
from mixedmodels.formula.tree import (
    BARS,
    SUM,
    Bracket,
    Call,
    Chain,
    Constant,
    Name,
    Node,
    Prefix,
)


def updated_formula(old: FormulaSpec, change: str) -> str:
    """The text of a formula after a change such as ``". ~ . + z"`` or ``"~ . - (x | g)"``.

    Args:
        old: The formula.
        change: A formula in which a dot stands for the old side; without a left side the response
            stays. Without a dot on its right it replaces that side.

    Raises:
        FormulaError: The change cannot be understood, or takes away what is not there.
    """
    if not isinstance(change, str):
        raise FormulaError(
            f"A change of the formula is a string such as '. ~ . + x'; this is {change!r:.80}."
        )
    tokens = split_tokens(change)
    if not any(token[:2] == ("operator", "~") for token in tokens):
        message = "A change of the formula has a '~', as in '. ~ . + x' or '~ . - (1 | g)'."
        raise FormulaError(message, change, 0, len(change))
    left, right = sides(change, tokens)
    response = old.response_factor.code
    if len(left) > 1:
        response = _response(change, parse_tokens(change, left, computing=True), response)
    tree = parse_tokens(change, right, computing=False)
    if not any(True for _ in _dots(change, tree)):
        return f"{response} ~ {change[tree.start : tree.end]}"
    parts = _Parts(old, change)
    for sign, node in _flat("+", tree):
        parts.take(sign, node)
    return f"{response} ~ {parts.text()}"


class _Chosen(NamedTuple):
    """Random-effects terms written as one, and which of these are left."""

    text: str
    stands_for: int
    terms: list[RandomTerm]


class _Parts:
    """The right side as it grows."""

    def __init__(self, old: FormulaSpec, change: str) -> None:
        self.old = old
        self.change = change
        self.fixed: list[str] = []
        self.random: list[_Chosen] = []

    def take(self, sign: str, node: Node) -> None:
        """Add a summand of the change, or take it away."""
        chunk = random_chunk(node)
        if chunk is not None:
            terms = list(terms_of_chunk(self.change, chunk))
            if sign == "+":
                self._add_random(self.change[chunk.start : chunk.end], terms)
            else:
                self._remove_random(terms, node)
            return
        check_without_bars(self.change, node)
        dots = list(_dots(self.change, node))
        if sign == "-" and not dots:
            self._check_present(node)
        if sign == "+" and dots:
            self._add_old_random()
            if not self._has_intercept and all(product for _, product in dots):
                self.fixed.append("+ 0")
        self.fixed.append(f"{sign} {self._with_old(node, dots)}")

    def text(self) -> str:
        """The right side, its terms in R's order."""
        part = self._fixed_part()
        names = [":".join(factor.code for factor in term.factors) for term in part.terms]
        written = [name for name in names if name]
        written += [factor.source for factor in part.offsets]
        if "" not in names:
            written.insert(0, "0")
        elif not written:
            written = ["1"]
        for text, count, terms in self.random:
            written += [text] if len(terms) == count else [term.name for term in terms]
        return " + ".join(written)

    @property
    def _has_intercept(self) -> bool:
        return any(not term.factors for term in self.old.terms)

    def _fixed_part(self) -> Part:
        return _part(" ".join(self.fixed).removeprefix("+ ") or "1")

    def _with_old(self, node: Node, dots: list[tuple[Name, bool]]) -> str:
        """The text of a node with the old terms in place of its dots."""
        text, last = self.change[: node.end], node.end
        terms = [":".join(f.code for f in term.factors) for term in self.old.terms if term.factors]
        terms += [factor.source for factor in self.old.offsets]
        done = ""
        for dot, product in sorted(dots, key=lambda found: -found[0].start):
            if product and not terms:
                message = "'.' stands for nothing here: the formula has no fixed terms."
                raise FormulaError(message, self.change, dot.start, dot.end)
            intercept = [] if product else ["1" if self._has_intercept else "0"]
            done = f"({' + '.join(intercept + terms)}){text[dot.end : last]}{done}"
            last = dot.start
        return text[node.start : last] + done

    def _check_present(self, node: Node) -> None:
        """Refuse to take away terms none of which is there; the intercept need not be."""
        taken = _keys(_part(self.change[node.start : node.end]))
        if isinstance(_plain(node), Constant) or taken & _keys(self._fixed_part()):
            return
        shown = self.change[node.start : node.end]
        known = ", ".join(term.name for term in self._fixed_part().terms) or "nothing"
        message = f"'{shown}' cannot be taken away: the fixed part has {known}."
        raise FormulaError(message, self.change, node.start, node.end)

    def _add_old_random(self) -> None:
        for place in dict.fromkeys((term.start, term.end) for term in self.old.random):
            terms = [term for term in self.old.random if (term.start, term.end) == place]
            self._add_random(self.old.text[slice(*place)], terms)

    def _add_random(self, text: str, terms: list[RandomTerm]) -> None:
        known = {term_signature(term) for chosen in self.random for term in chosen.terms}
        new = [term for term in terms if term_signature(term) not in known]
        if new:
            self.random.append(_Chosen(text, len(terms), new))

    def _remove_random(self, terms: list[RandomTerm], node: Node) -> None:
        for gone in map(term_signature, terms):
            holders = [c for c in self.random if gone in map(term_signature, c.terms)]
            if not holders:
                known = ", ".join(term.name for chosen in self.random for term in chosen.terms)
                shown = self.change[node.start : node.end]
                message = f"{shown} cannot be taken away: the formula has {known or 'none'}."
                raise FormulaError(message, self.change, node.start, node.end)
            for chosen in holders:
                chosen.terms[:] = [t for t in chosen.terms if term_signature(t) != gone]


def _part(text: str) -> Part:
    tree = parse_tokens(text, split_tokens(text), computing=False)
    return parse_terms(text, summands_of(tree))


def _keys(part: Part) -> set[frozenset[str]]:
    """Terms and offsets, without the intercept."""
    terms = {frozenset(map(factor_signature, term.factors)) for term in part.terms}
    return (terms | {frozenset([factor_signature(own)]) for own in part.offsets}) - {frozenset()}


def _flat(sign: str, node: Node) -> Iterator[tuple[str, Node]]:
    """The summands of a node, those of brackets around random-effects terms too."""
    for own, summand in summands_of(node):
        at, inner = ("+" if own == sign else "-"), summand
        if isinstance(inner, Prefix) and inner.operator in SUM:
            at, inner = ("+" if at == inner.operator else "-"), inner.operand
        brackets = isinstance(inner, Bracket) and not inner.braces and random_chunk(inner) is None
        if brackets and _has_bars(inner):
            assert isinstance(inner, Bracket)
            yield from _flat(at, inner.inner)
        else:
            yield at, inner


def _has_bars(node: Node) -> bool:
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Chain) and found.operators[0] in BARS:
            return True
        if not isinstance(found, Call):
            waiting.extend(inner_nodes(found))
    return False


def _dots(text: str, node: Node) -> Iterator[tuple[Name, bool]]:
    """The dots of a right side, and whether each is an operand of a product.

    Raises:
        FormulaError: A dot is inside of a call.
    """
    waiting = [(node, False, False)]
    while waiting:
        found, product, called = waiting.pop()
        if isinstance(found, Name) and found.name == "." and not found.quoted:
            if called:
                message = "'.' inside of a call stands for no column; write the column."
                raise FormulaError(message, text, found.start, found.end)
            yield found, product
        called = called or isinstance(found, Call)
        product = product or (isinstance(found, Chain) and found.operators[0] not in SUM)
        waiting.extend((inner, product, called) for inner in inner_nodes(found))


def _response(change: str, tree: Node, old: str) -> str:
    """The left side with the old response in place of dots."""
    compound = isinstance(parse_text(old), (Chain, Prefix)) and not _is_dot(tree)
    shown = f"({old})" if compound else old
    places: list[tuple[int, int, str]] = []
    waiting: list[tuple[Node, str]] = [(tree, shown)]
    while waiting:
        node, text = waiting.pop()
        if _is_dot(node):
            places.append((node.start, node.end, text))
        inside = old if isinstance(node, (Call, Bracket)) else shown
        waiting.extend((inner, inside) for inner in inner_nodes(node))
    out = change[: tree.end]
    for start, end, text in sorted(places, reverse=True):
        out = out[:start] + text + out[end:]
    return out[tree.start :]


def _is_dot(node: Node) -> bool:
    return isinstance(node, Name) and node.name == "." and not node.quoted


def _plain(node: Node) -> Node:
    while isinstance(node, Bracket) and not node.braces:
        node = node.inner
    return node
