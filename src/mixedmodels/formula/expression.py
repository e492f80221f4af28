"""Expressions inside formulas: a checked syntax tree and the names it mentions.

An expression is what stands inside a call (``log(x)``, ``I(x^2)``, ``poly(x, 2)``), on the left of
the tilde, or in ``weights=``. What the names stand for is decided in the design stage, where the
data is known.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from mixedmodels.formula.grammar import parse_text
from mixedmodels.formula.tree import Bracket, Call, Chain, Items, Name, Node, Prefix


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that an expression mentions.

    Attributes:
        name: The name without backticks, e.g. ``"Days"``, ``"total.fruits"``, ``"np.log"``.
        quoted: True when it stood in backticks, so that it can only be a column.
        called: True when it is followed by arguments, so that it can only be a function.
    """

    name: str
    quoted: bool
    called: bool


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    Attributes:
        text: As typed.
        tree: Its syntax tree.
        references: Every name mentioned, each once.
    """

    text: str
    tree: Node
    references: tuple[Reference, ...]


@functools.lru_cache(maxsize=512)
def parse_expression(text: str) -> Expression:
    """Check an expression and find the names it mentions.

    Raises:
        FormulaError: not an expression, or one that does more than arithmetic, comparison and
            calls of functions by name.
    """
    tree = parse_text(text)
    return Expression(text, tree, tuple(dict.fromkeys(_references(tree))))


def inner_nodes(node: Node) -> tuple[Node, ...]:
    """The nodes right under `node`."""
    if isinstance(node, Chain):
        return node.operands
    if isinstance(node, Call):
        return (*node.arguments, *(value for _, value in node.keywords))
    if isinstance(node, Items):
        return node.items
    if isinstance(node, Bracket):
        return (node.inner,)
    return (node.operand,) if isinstance(node, Prefix) else ()


def _references(node: Node) -> Iterator[Reference]:
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Name):
            yield Reference(found.name, found.quoted, called=False)
        elif isinstance(found, Call):
            yield Reference(found.name, quoted=False, called=True)
        waiting.extend(reversed(inner_nodes(found)))
