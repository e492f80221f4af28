"""The right of a bar to grouping factors: nesting, crossing and interaction as lme4 reads them.

``a/b`` is ``a`` and ``b:a``; ``a/b/c`` also ``c:b:a``; ``a*b`` is ``a``, ``b`` and ``a:b``;
``a:b`` is one group. A group is a tuple of factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mixedmodels.errors import FormulaError
from mixedmodels.formula.limits import MAX_GROUP_FACTORS, MAX_RANDOM_TERMS
from mixedmodels.formula.spec import Factor
from mixedmodels.formula.terms import check_name, make_factor
from mixedmodels.formula.tokens import shorten
from mixedmodels.formula.tree import BARS, Bracket, Call, Chain, Name, Node, Prefix

Group: TypeAlias = tuple[Factor, ...]


def parse_groups(text: str, node: Node) -> list[Group]:
    """The groups that a grouping expression stands for, in lme4's order.

    Raises:
        FormulaError: the expression is not made of factors, ``:``, ``/`` and ``*``, or stands for
            too many groups.
    """
    if isinstance(node, Bracket) and not node.braces:
        return parse_groups(text, node.inner)
    if isinstance(node, Name):
        check_name(text, node)
    if isinstance(node, (Name, Call, Bracket)):
        return [(make_factor(text, node),)]
    if not isinstance(node, Chain) or not set(node.operators) <= _OPERATORS.keys():
        raise _unknown(text, node)
    groups = parse_groups(text, node.operands[0])
    for operator, operand in zip(node.operators, node.operands[1:], strict=True):
        right = parse_groups(text, operand)
        _check_size(text, node, "groups", len(groups) * len(right), MAX_RANDOM_TERMS)
        groups = _OPERATORS[operator](groups, right)
        size = max(len(group) for group in groups)
        _check_size(text, node, "factors in one group", size, MAX_GROUP_FACTORS)
    return groups


def _check_size(text: str, node: Node, what: str, size: int, limit: int) -> None:
    if size > limit:
        message = f"This stands for {size:,} {what} or more; the limit is {limit:,}."
        raise FormulaError(message, text, node.start, node.end)


def _unknown(text: str, node: Node) -> FormulaError:
    start, end = node.start, node.end
    if isinstance(node, Chain):
        position = next(i for i, sign in enumerate(node.operators) if sign not in _OPERATORS)
        operator, start = node.operators[position], node.places[position]
        end = start + len(operator)
        if operator == "+":
            message = "Write one term for each grouping factor, as in (1 | a) + (1 | b)."
        elif operator in BARS:
            message = "A random-effects term has one bar, as in (1 + x | group)."
        else:
            message = (
                f"'{operator}' cannot be used among grouping factors; use ':', '/' or '*', or "
                "compute inside I(...)."
            )
    elif isinstance(node, Prefix):
        end = start + len(node.operator)
        message = f"'{node.operator}' cannot be used among grouping factors; use I(...) to compute."
    else:
        shown = shorten(text[start:end])
        message = f"A grouping factor is a column or a call such as factor(x), not {shown}."
    return FormulaError(message, text, start, end)


def _interact(left: list[Group], right: list[Group]) -> list[Group]:
    return _distinct([_union(a, b) for a in left for b in right])


def _cross(left: list[Group], right: list[Group]) -> list[Group]:
    return _distinct([*left, *right, *_interact(left, right)])


def _nest(left: list[Group], right: list[Group]) -> list[Group]:
    """Each group of `right` within the innermost group of `left`, named inner first."""
    outer = max(left, key=len)
    return _distinct([*left, *(_union(inner, outer) for inner in right)])


def _union(left: Group, right: Group) -> Group:
    """The factors of both, each once, in order."""
    return tuple({factor.key: factor for factor in (*reversed(right), *reversed(left))}.values())[
        ::-1
    ]


def _distinct(groups: list[Group]) -> list[Group]:
    return list({tuple(factor.key for factor in group): group for group in groups}.values())


_OPERATORS: dict[str, Callable[[list[Group], list[Group]], list[Group]]] = {
    ":": _interact,
    "*": _cross,
    "/": _nest,
}
