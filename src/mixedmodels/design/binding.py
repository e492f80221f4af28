"""The names of an expression bound to columns and functions: what computes it on any rows.

Depends only on the text and on which names are columns, so it is cached. Nothing is visible from a
formula but the columns of the data and the fixed table of `functions`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from mixedmodels.design.coding import Contrast
from mixedmodels.design.columns import NumericColumn
from mixedmodels.design.functions import CATEGORICAL, CONSTANTS, STATEFUL, NotNumeric, find_function
from mixedmodels.design.operators import (
    Unsuitable,
    arithmetic,
    as_numbers,
    as_truth,
    combine,
    compare,
    contains,
    negate,
    sequence,
    truth_as_numbers,
    truth_column,
)
from mixedmodels.design.rows import Rows
from mixedmodels.design.stray import strays_in_rows
from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import Expression, inner_nodes, parse_expression
from mixedmodels.formula.tokens import quote_name, shorten
from mixedmodels.formula.tree import Bracket, Call, Chain, Constant, Items, Name, Node, Prefix
from mixedmodels.values import quick

# Functions whose arguments after the first may name a contrast.
_OF_CONTRASTS = ("C", "factor")
_CONSTANTS = {"T": True, "F": False, "True": True, "False": False, "None": None}
_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})


@quick
@dataclass(frozen=True, slots=True)
class Values:
    """What an expression is computed from: the kept rows and what stateful functions know."""

    rows: Rows
    states: dict[str, Any]


Compute: TypeAlias = Callable[[Values], Any]


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression whose names are known.

    Attributes:
        expression: What was bound.
        compute: Gives its value.
        columns: Columns whose values are wanted as numbers.
        raw: Columns whose values are wanted as they are in the data.
        states: Keys of the stateful calls.
        names: Columns that the expression needs.
    """

    expression: Expression
    compute: Compute
    columns: tuple[str, ...]
    raw: tuple[str, ...]
    states: tuple[str, ...]
    names: tuple[str, ...]


class UnknownName(Exception):
    """A name that is neither a column nor a constant, and where it stands."""

    def __init__(self, node: Name) -> None:
        super().__init__(node.name)
        self.node = node


@functools.lru_cache(maxsize=512)
def bind_text(text: str, present: frozenset[str]) -> Bound:
    """Bind an expression, of whose names those in `present` are columns.

    Raises:
        UnknownName: a name is neither a column nor a constant.
        FormulaError: a function is not known, or an operand cannot be what it is.
    """
    expression = parse_expression(text)
    binder = _Binder(text, present)
    compute = binder.bind(expression.tree)
    numbers = tuple(name for name, raw in binder.columns if not raw)
    raw = tuple(name for name, raw in binder.columns if raw)
    names = tuple(dict.fromkeys((*numbers, *raw)))
    return Bound(expression, compute, numbers, raw, tuple(binder.states), names)


class _Binder:
    """Makes of every node a function of the rows; nothing but columns and our own table is seen."""

    def __init__(self, text: str, present: frozenset[str]) -> None:
        self.text = text
        self.present = present
        self.columns: dict[tuple[str, bool], None] = {}
        self.states: list[str] = []

    def bind(self, node: Node) -> Compute:
        if isinstance(node, Constant):
            return _constant(node.value)
        if isinstance(node, Name):
            return self._name(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Bracket):
            return self.bind(node.inner)
        if isinstance(node, Items):
            items = [self.bind(item) for item in node.items]
            return lambda values: [item(values) for item in items]
        if isinstance(node, Prefix):
            return self._prefix(node)
        return self._chain(node)

    def _name(self, node: Name) -> Compute:
        if node.name in self.present:
            self.columns[node.name, False] = None
            return functools.partial(_column, node.name)
        known = CONSTANTS if node.name in CONSTANTS else _CONSTANTS
        if node.quoted or node.name not in known:
            root = node.name.partition(".")[0]
            if node.quoted or root not in self.present:
                raise UnknownName(node)
            message = f"'{shorten(root)}' is a column; its attributes cannot be used."
            raise self._error(message, node.start, node.end)
        if isinstance(known[node.name], Contrast):  # means something to C() only
            raise UnknownName(node)
        return _constant(known[node.name])

    def _prefix(self, node: Prefix) -> Compute:
        if node.operator == "!":
            operand = self.bind(node.operand)
            return self._guarded(lambda values: negate(operand(values)), node, node.operand)
        numbers = self._numbers(node.operand)
        return numbers if node.operator == "+" else lambda values: -numbers(values)

    def _chain(self, node: Chain) -> Compute:
        operators = node.operators
        if operators[0] in _COMPARISONS:
            (sign,), (left, right) = operators, map(self.bind, node.operands)
            return self._guarded(lambda v: compare(sign, left(v), right(v)), node, node.operands[0])
        if operators[0] in ("&", "|"):
            return self._folded(node, combine, [self._truth(side) for side in node.operands])
        if operators[0] == ":" or "%in%" in operators:
            return self._constants_chain(node)
        return self._folded(node, arithmetic, [self._numbers(side) for side in node.operands])

    def _folded(
        self, node: Chain, combine: Callable[[str, Any, Any], Any], operands: list[Compute]
    ) -> Compute:
        first, rest = operands[0], list(zip(node.operators, operands[1:], strict=True))

        def compute(values: Values) -> Any:
            result = first(values)
            for sign, operand in rest:
                result = combine(sign, result, operand(values))
            return result

        return self._guarded(compute, node, node)

    def _constants_chain(self, node: Chain) -> Compute:
        """``a:b`` and ``x %in% c(...)``: what is on the right must not depend on the data."""
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            if operator in (":", "%in%") and any(name in self.present for name in _names(operand)):
                message = (
                    "The right side of '%in%' inside a call is a list of constants, as in c(1, 2)."
                    if operator == "%in%"
                    else "':' inside a call makes a sequence of numbers, as in 1:3; write an "
                    "interaction outside of calls, or with interaction(a, b)."
                )
                raise self._error(message, operand.start, operand.end)
        return self._folded(node, _combine_any, list(map(self.bind, node.operands)))

    def _truth(self, node: Node) -> Compute:
        operand = self.bind(node)
        return self._guarded(lambda values: as_truth(operand(values)), node, node)

    def _numbers(self, node: Node) -> Compute:
        operand = self.bind(node)
        return self._guarded(lambda values: as_numbers(operand(values)), node, node)

    def _guarded(self, compute: Compute, node: Node, blamed: Node) -> Compute:
        """`compute`, which names the piece of text that an operator cannot work with."""

        def guarded(values: Values) -> Any:
            try:
                return compute(values)
            except Unsuitable as error:
                shown = shorten(self.text[blamed.start : blamed.end].strip())
                kind = f"column '{shown.strip('`')}'" if isinstance(blamed, Name) else f"'{shown}'"
                found = ""
                if isinstance(blamed, Name) and blamed.name in self.present:
                    found = strays_in_rows(blamed.name, values.rows)
                raise self._error(found or f"{kind} {error}.", node.start, node.end) from None

        return guarded

    def _call(self, node: Call) -> Compute:
        function = self._function(node)
        hidden = [keyword for keyword, _ in node.keywords if keyword.startswith("_")]
        if hidden:
            message = f"'{shorten(hidden[0])}' cannot be given in a formula."
            raise self._error(message, node.start, node.name_end)
        raw = node.name in CATEGORICAL
        arguments = [
            self._contrast(argument, node.name if place else "")
            or self._argument(argument, node.name, raw=raw)
            for place, argument in enumerate(node.arguments)
        ]
        keywords = {
            keyword: self._contrast(value, node.name) or self._argument(value, node.name, raw=raw)
            for keyword, value in node.keywords
        }
        key = None
        if node.name in STATEFUL:
            key = f"_state{len(self.states)}"
            self.states.append(key)

        def compute(values: Values) -> Any:
            named = {keyword: value(values) for keyword, value in keywords.items()}
            if key is not None:
                named["_state"] = values.states[key]
            unnamed = [argument(values) for argument in arguments]
            try:
                return function(*unnamed, **named)
            except NotNumeric as error:
                message = self._named(error.message, node, values)
                raise self._error(message, node.start, node.end) from None
            except FormulaError as error:
                raise self._error(error.message, node.start, node.end) from None

        return compute

    def _named(self, message: str, node: Call, values: Values) -> str:
        """Message on an argument that is not numeric, after the column's name."""
        for argument in (*node.arguments, *(value for _, value in node.keywords)):
            if not isinstance(argument, Name) or argument.name not in self.present:
                continue
            if not isinstance(values.rows.column(argument.name), NumericColumn):
                found = strays_in_rows(argument.name, values.rows)
                own = message.replace("(f)", f"({quote_name(argument.name)})")
                return found or f"column '{argument.name}' is categorical, not numeric: {own}"
        return message

    def _argument(self, node: Node, function: str, *, raw: bool) -> Compute:
        if raw and isinstance(node, Name) and node.name in self.present:
            self.columns[node.name, True] = None
            column = node.name
            return lambda values: values.rows.column(column)
        argument = self.bind(node)
        if function == "offset":
            return lambda values: truth_as_numbers(argument(values))
        return argument

    def _contrast(self, node: Node, function: str) -> Compute | None:
        """A contrast that an argument names: of C(), or of factor(), which says to write C()."""
        if function not in _OF_CONTRASTS or not isinstance(node, Name) or node.quoted:
            return None
        contrast = CONSTANTS.get(node.name)
        if node.name in self.present or not isinstance(contrast, Contrast):
            return None
        return _constant(contrast)

    def _function(self, node: Call) -> Callable[..., Any]:
        try:
            return find_function(node.name)
        except FormulaError as error:
            message = error.message
            if node.name in self.present:
                message = (
                    f"'{shorten(node.name)}' is a column, not a function; is an operator missing "
                    "after it?"
                )
            raise self._error(message, node.start, node.name_end) from None

    def _error(self, message: str, start: int, end: int) -> FormulaError:
        return FormulaError(message, self.text, start, end)


def _constant(value: Any) -> Compute:
    return lambda _: value


def _combine_any(sign: str, left: Any, right: Any) -> Any:
    if sign == ":":
        return sequence(left, right)
    if sign == "%in%":
        return contains(left, right)
    return arithmetic(sign, as_numbers(left), as_numbers(right))


def _column(name: str, values: Values) -> Any:
    column = values.rows.column(name)
    if not isinstance(column, NumericColumn) or column.values.dtype.kind != "b":
        return values.rows.numbers(name)
    return column.values if column.absent is None else truth_column(column.values, column.absent)


def _names(node: Node) -> Iterator[str]:
    """The names in a tree that are not called."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Name):
            yield found.name
        waiting.extend(inner_nodes(found))
