"""Expressions of columns to values: names are bound to columns and functions, then computed.

Binding depends only on the text and on which names are columns, so it is cached. No row is dropped
and no column of a design matrix is made here.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.frame import Table
from mixedmodels.design.functions import CATEGORICAL, CONSTANTS, STATEFUL, find_function
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError, FormulaError, did_you_mean
from mixedmodels.formula import Factor
from mixedmodels.formula.expression import Expression, dotted_name, parse_expression

_COMPUTE_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression whose names are known.

    Attributes:
        expression: What was bound.
        code: Compiled; its free names are keys of the following.
        columns: (key, column) pairs whose values are wanted as numbers.
        raw: (key, column) pairs whose values are wanted as they are in the data.
        functions: Key to function or constant.
        states: Keys of the stateful calls.
    """

    expression: Expression
    code: CodeType
    columns: tuple[tuple[str, str], ...]
    raw: tuple[tuple[str, str], ...]
    functions: dict[str, Any]
    states: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that the expression needs."""
        return tuple(dict.fromkeys(name for _, name in (*self.columns, *self.raw)))


def bind(text: str, table: Table) -> Bound:
    """Find what the names in an expression stand for: columns first, then the fixed table.

    Raises:
        FormulaError: a name is neither a column nor a function; the nearest ones are offered.
    """
    expression = parse_expression(text)
    present = frozenset(
        candidate
        for reference in expression.references
        for candidate in _candidates(reference.name)
        if candidate in table
    )
    try:
        return _bind(text, present)
    except _UnknownName as unknown:
        raise FormulaError(
            f"'{unknown.name}' is not a column of the data."
            f"{did_you_mean(unknown.name, table.names())}",
            text,
            *expression.span(unknown.name),
        ) from None


def bind_factor(factor: Factor, formula: str, table: Table) -> Bound | None:
    """`bind` for a factor of `formula`; None for a plain column, which is checked to exist."""
    if not factor.is_column:
        try:
            return bind(factor.source, table)
        except FormulaError as error:
            raise error.within(formula, factor.start) from None
    if factor.name in table:
        return None
    hint = did_you_mean(factor.name, table.names())
    raise FormulaError(
        f"'{factor.name}' is not a column of the data.{hint}", formula, factor.start, factor.end
    )


def evaluate(bound: Bound, rows: Rows, states: dict[str, Any]) -> Any:
    """The value of a bound expression on the kept rows; `states` is filled by training.

    Raises:
        FormulaError: the expression cannot be computed from such columns.
        DataError: a function refuses its values.
    """
    names: dict[str, Any] = {"__builtins__": {}, **bound.functions}
    names.update((key, rows.numbers(name)) for key, name in bound.columns)
    names.update((key, rows.column(name)) for key, name in bound.raw)
    for key in bound.states:
        names[key] = states.setdefault(key, {})
    text = bound.expression.text
    try:
        with np.errstate(all="ignore"):
            # Safe: the tree is checked, every name in it is one of ours, and there are no builtins.
            return eval(bound.code, names)
    except DataError as error:
        raise DataError(f"{text.strip()}: {error}") from None
    except _COMPUTE_ERRORS as error:
        raise FormulaError(
            f"'{text.strip()}' cannot be computed: {_explain(error, bound, rows)}",
            text,
            0,
            len(text),
        ) from None


class _UnknownName(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@functools.lru_cache(maxsize=512)
def _bind(text: str, present: frozenset[str]) -> Bound:
    expression = parse_expression(text)
    binder = _Binder(expression, present)
    tree = ast.Expression(binder.visit(copy.deepcopy(expression.tree.body)))
    return Bound(
        expression,
        compile(ast.fix_missing_locations(tree), "<formula>", "eval"),
        tuple((key, name) for (name, raw), key in binder.columns.items() if not raw),
        tuple((key, name) for (name, raw), key in binder.columns.items() if raw),
        binder.functions,
        tuple(binder.states),
    )


class _Binder(ast.NodeTransformer):
    """Replaces every name in the tree by a key of our own, so that nothing else can be meant."""

    def __init__(self, expression: Expression, present: frozenset[str]) -> None:
        self.expression = expression
        self.present = present
        self.columns: dict[tuple[str, bool], str] = {}
        self.functions: dict[str, Any] = {}
        self.states: list[str] = []

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = self._name(node.func)
        function = self._function(name)
        raw = name in CATEGORICAL
        node.func = self._constant(function)
        node.args = [
            self._column(argument, raw=raw and position == 0) or self.visit(argument)
            for position, argument in enumerate(node.args)
        ]
        node.keywords = [self.visit(keyword) for keyword in node.keywords]
        if any(keyword.arg is None or keyword.arg.startswith("_") for keyword in node.keywords):
            raise self._error("Such an argument cannot be given in a formula.", name)
        if name in STATEFUL:
            key = f"_state{len(self.states)}"
            self.states.append(key)
            node.keywords.append(ast.keyword("_state", ast.Name(key, ast.Load())))
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._column(node, raw=False) or self._named_constant(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._column(node, raw=False) or self._named_constant(node)

    def _column(self, node: ast.expr, *, raw: bool) -> ast.Name | None:
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        name = self._name(node)
        if name not in self.present:
            return None
        key = self.columns.setdefault((name, raw), f"_column{len(self.columns)}")
        return ast.Name(key, ast.Load())

    def _named_constant(self, node: ast.expr) -> ast.expr:
        name = self._name(node)
        root = name.partition(".")[0]
        if self._is_backticked(node) or (name not in CONSTANTS and root not in self.present):
            raise _UnknownName(name)
        if name not in CONSTANTS:
            raise self._error(f"'{root}' is a column; its attributes cannot be used.", name)
        return self._constant(CONSTANTS[name])

    def _function(self, name: str) -> Callable[..., Any]:
        try:
            return find_function(name)
        except FormulaError as error:
            message = error.message
            if name in self.present:
                message = f"'{name}' is a column, not a function; is an operator missing after it?"
            raise self._error(message, name) from None

    def _constant(self, value: Any) -> ast.Name:
        key = f"_function{len(self.functions)}"
        self.functions[key] = value
        return ast.Name(key, ast.Load())

    def _name(self, node: ast.expr) -> str:
        name = dotted_name(node)
        if name is None:
            raise self._error("Only functions with a name can be called.", "")
        root, dot, rest = name.partition(".")
        return self.expression.aliases.get(root, root) + dot + rest

    def _is_backticked(self, node: ast.expr) -> bool:
        name = dotted_name(node) or ""
        return name.partition(".")[0] in self.expression.aliases

    def _error(self, message: str, name: str) -> FormulaError:
        return FormulaError(message, self.expression.text, *self.expression.span(name))


def _candidates(name: str) -> Iterable[str]:
    """The name, and its root when it is dotted: ``x.mean`` is refused because x is a column."""
    root = name.partition(".")[0]
    return (name,) if root == name else (name, root)


def _explain(error: Exception, bound: Bound, rows: Rows) -> str:
    texts = [name for _, name in bound.columns if isinstance(rows.column(name), CategoricalColumn)]
    if texts:
        return f"column '{texts[0]}' is categorical, not numeric."
    return f"{type(error).__name__}: {error}."
