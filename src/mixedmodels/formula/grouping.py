"""The right of a bar to grouping factors: nesting, crossing and interaction as lme4 reads them.

``a/b`` is ``a`` and ``b:a``; ``a/b/c`` also ``c:b:a``; ``a*b`` is ``a``, ``b`` and ``a:b``;
``a:b`` is one group. A group is a tuple of factors.
"""

from __future__ import annotations

from typing import TypeAlias

from mixedmodels.errors import FormulaError
from mixedmodels.formula.spec import Factor
from mixedmodels.formula.terms import check_expression, make_factor
from mixedmodels.formula.tokens import Piece

Group: TypeAlias = tuple[Factor, ...]


def parse_groups(text: str, pieces: list[Piece]) -> list[Group]:
    """The groups that a grouping expression stands for, in lme4's order.

    Raises:
        FormulaError: the expression is empty or is not made of factors, ``:``, ``/`` and ``*``.
    """
    parser = _Parser(text, pieces)
    groups = parser.nesting()
    parser.finish()
    return groups


class _Parser:
    """Recursive descent over the pieces: ``/`` and ``*`` bind weaker than ``:``."""

    def __init__(self, text: str, pieces: list[Piece]) -> None:
        self.text = text
        self.pieces = pieces
        self.position = 0

    def nesting(self) -> list[Group]:
        groups = self.interaction()
        while self._next_is("/", "*"):
            operator = self._take()
            right = self.interaction()
            groups = _nest(groups, right) if operator.text == "/" else _cross(groups, right)
        return groups

    def interaction(self) -> list[Group]:
        groups = self.atom()
        while self._next_is(":"):
            self._take()
            groups = _interact(groups, self.atom())
        return groups

    def atom(self) -> list[Group]:
        if self.position >= len(self.pieces):
            last = self.pieces[-1]
            raise self._error("a grouping factor is missing here", last.end, last.end + 1)
        piece = self._take()
        if piece.kind == "open" and piece.text == "(":
            groups = self.nesting()
            self._take()
            return groups
        if piece.kind == "name":
            return [(make_factor(self.text, piece.start, piece.end, piece.text),)]
        if piece.kind == "code":
            check_expression(self.text, piece)
            return [(make_factor(self.text, piece.start, piece.end, None),)]
        raise self._error(
            "a grouping factor is a column or a call such as factor(x)", piece.start, piece.end
        )

    def finish(self) -> None:
        """Refuse whatever the grammar has not used up."""
        if self.position >= len(self.pieces):
            return
        piece = self.pieces[self.position]
        if piece.text == "+":
            message = "write one term for each grouping factor, as in (1 | a) + (1 | b)"
        elif piece.text in ("|", "||"):
            message = "a random-effects term has one bar, as in (1 + x | group)"
        else:
            message = f"'{piece.text}' cannot be used among grouping factors; use ':', '/' or '*'"
        raise self._error(message, piece.start, piece.end)

    def _next_is(self, *operators: str) -> bool:
        if self.position >= len(self.pieces):
            return False
        piece = self.pieces[self.position]
        return piece.kind == "operator" and piece.text in operators

    def _take(self) -> Piece:
        if self.position >= len(self.pieces) or (
            self.pieces[self.position].kind == "operator" and not self._next_is(":", "/", "*")
        ):
            self.finish()
        self.position += 1
        return self.pieces[self.position - 1]

    def _error(self, message: str, start: int, end: int) -> FormulaError:
        return FormulaError(f"{message[0].upper()}{message[1:]}.", self.text, start, end)


def _interact(left: list[Group], right: list[Group]) -> list[Group]:
    return _distinct([_union(a, b) for a in left for b in right])


def _cross(left: list[Group], right: list[Group]) -> list[Group]:
    return _distinct([*left, *right, *_interact(left, right)])


def _nest(left: list[Group], right: list[Group]) -> list[Group]:
    """Each group of `right` within the innermost group of `left`, named inner first."""
    outer = max(left, key=len)
    return _distinct([*left, *(_union(inner, outer) for inner in right)])


def _union(left: Group, right: Group) -> Group:
    """The factors of both, each once by name, in order."""
    return tuple({factor.name: factor for factor in (*reversed(right), *reversed(left))}.values())[
        ::-1
    ]


def _distinct(groups: list[Group]) -> list[Group]:
    return list({tuple(factor.name for factor in group): group for group in groups}.values())
