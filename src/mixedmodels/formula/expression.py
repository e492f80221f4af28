"""Expressions inside formulas: R or Python arithmetic to a checked syntax tree.

An expression is what stands inside a call (``log(x)``, ``I(x^2)``, ``poly(x, 2)``), on the left of
the tilde, or in ``weights=``. R's spellings (``x^2``, ``TRUE``, dotted and backticked names) become
Python's. What the names stand for is decided in the design stage, where the data is known.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass

from mixedmodels.errors import FormulaError

_QUOTED_OR_POWER = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|\^")
_ALIAS = "_backtick_{}"
_R_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}
_PERMITTED = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Attribute,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.expr_context,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name (or dotted chain of names) that an expression mentions.

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
        tree: Its syntax tree, names in backticks replaced by the keys of `aliases`.
        aliases: Identifier in `tree` to the backticked name it stands for.
        references: Every name mentioned, each once.
    """

    text: str
    tree: ast.Expression
    aliases: dict[str, str]
    references: tuple[Reference, ...]

    def span(self, name: str) -> tuple[int, int]:
        """Where `name` stands in the text (the whole text when it cannot be found)."""
        found = re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", self.text)
        return found.span() if found else (0, len(self.text))


@functools.lru_cache(maxsize=512)
def parse_expression(text: str) -> Expression:
    """Check an expression and find the names it mentions.

    Raises:
        FormulaError: not an expression, or one that does more than arithmetic, comparison and
            calls of functions by name.
    """
    aliases: dict[str, str] = {}
    source = _QUOTED_OR_POWER.sub(lambda match: _to_python(match.group(), aliases), text)
    source = source.strip().removeprefix("{").removesuffix("}").strip()
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise FormulaError(
            f"'{text.strip()}' is not a complete expression ({_reason(error)}).", text, 0, len(text)
        ) from None
    tree = ast.fix_missing_locations(_Constants().visit(tree))
    for node in ast.walk(tree):
        if not isinstance(node, _PERMITTED) or isinstance(node, ast.MatMult):
            raise FormulaError(
                f"'{text.strip()}' does more than a formula can: only arithmetic, comparisons and "
                "calls of functions are possible. Make a column of it first.",
                text,
                0,
                len(text),
            )
    references = _References(aliases)
    references.visit(tree)
    return Expression(text, tree, aliases, tuple(dict.fromkeys(references.found)))


def dotted_name(node: ast.expr) -> str | None:
    """``"np.linalg.norm"`` for such a chain of attributes, None for any other node."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join((node.id, *reversed(parts)))


class _Constants(ast.NodeTransformer):
    """R's TRUE, FALSE and NULL to Python's."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in _R_CONSTANTS:
            return ast.copy_location(ast.Constant(_R_CONSTANTS[node.id]), node)
        return node


class _References(ast.NodeVisitor):
    def __init__(self, aliases: dict[str, str]) -> None:
        self.aliases = aliases
        self.found: list[Reference] = []

    def visit_Call(self, node: ast.Call) -> None:
        self._add(node.func, called=True)
        for argument in (*node.args, *node.keywords):
            self.visit(argument)

    def visit_Name(self, node: ast.Name) -> None:
        self._add(node, called=False)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._add(node, called=False)

    def _add(self, node: ast.expr, *, called: bool) -> None:
        name = dotted_name(node)
        if name is None:
            self.generic_visit(node)
            return
        root, dot, rest = name.partition(".")
        quoted = root in self.aliases
        name = self.aliases.get(root, root) + dot + rest
        self.found.append(Reference(name, quoted, called))


def _to_python(piece: str, aliases: dict[str, str]) -> str:
    if piece == "^":
        return "**"
    if not piece.startswith("`"):
        return piece
    name = piece[1:-1]
    for alias, known in aliases.items():
        if known == name:
            return alias
    alias = _ALIAS.format(len(aliases))
    aliases[alias] = name
    return f" {alias} "


def _reason(error: Exception) -> str:
    return getattr(error, "msg", None) or str(error)
