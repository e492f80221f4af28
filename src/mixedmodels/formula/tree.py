"""Syntax trees: what a formula or an expression says, as frozen values that compare by meaning.

Positions refer to the parsed text and do not take part in comparisons, so that ``log( x )`` and
``log(x)`` are one factor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class _Placed:
    """Attributes that all nodes have: `start:end` is the node's place in the text."""

    start: int = field(compare=False)
    end: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Constant(_Placed):
    """A number, a text, or one of R's constants (True, False, None, NaN, infinity)."""

    value: float | str | bool | None


@dataclass(frozen=True, slots=True)
class Name(_Placed):
    """A column or a named constant; `quoted` means in backticks, so that it is a column."""

    name: str
    quoted: bool = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call(_Placed):
    """A function by name with its arguments."""

    name: str
    arguments: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...]
    name_end: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Items(_Placed):
    """``[a, b]`` or ``(a, b)``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Bracket(_Placed):
    """``(inner)``, or ``{inner}``, which is an expression wherever it stands."""

    inner: Node
    braces: bool


@dataclass(frozen=True, slots=True)
class Prefix(_Placed):
    """``-x``, ``+x``, ``!x``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Chain(_Placed):
    """Operands joined from left to right by operators of one precedence; powers have two.

    A chain and not a nest, so that a sum of thousands of terms is not thousands of levels deep;
    `places` are where the operators begin.
    """

    operands: tuple[Node, ...]
    operators: tuple[str, ...]
    places: tuple[int, ...] = field(compare=False)


Node: TypeAlias = "Constant | Name | Call | Items | Bracket | Prefix | Chain"

SUM = frozenset({"+", "-"})
BARS = frozenset({"|", "||"})
POWERS = frozenset({"^", "**"})
