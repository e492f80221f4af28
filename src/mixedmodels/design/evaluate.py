"""Expressions of columns to values: which columns they need, and their values on given rows.

No row is dropped and no column of a design matrix is made here. How a text becomes a computation is
in `binding`.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from mixedmodels.design.binding import Bound, UnknownName, Values, bind_text
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.frame import Table
from mixedmodels.design.rows import Rows
from mixedmodels.design.stray import strays_in_rows
from mixedmodels.design.unquoted import with_backticks
from mixedmodels.errors import DataError, FormulaError, MixedModelsError, did_you_mean
from mixedmodels.formula import Factor
from mixedmodels.formula.expression import parse_expression
from mixedmodels.formula.tokens import quote_name, shorten

__all__ = [
    "Bound",
    "absent_columns",
    "bind",
    "bind_factor",
    "columns_hint",
    "columns_of",
    "evaluate",
]

# Columns that a message lists.
_LISTED = 10
# What a file that was read with another separator has in the name of its one column.
_SEPARATORS = (";", "\t", "|", ",")


def bind(text: str, table: Table) -> Bound:
    """Find what the names in an expression stand for: columns first, then the fixed table.

    Raises:
        FormulaError: a name is neither a column nor a function; the nearest ones are offered.
    """
    try:
        present = frozenset([name for name in _candidates(text) if name in table])
        return bind_text(text, present)
    except UnknownName as unknown:
        name = unknown.node.name
        hint = columns_hint(name, table)
        if name == ".":
            hint = " The dot does not stand for other columns here; write the columns you want."
        unknown_name = FormulaError(
            f"'{shorten(name)}' is not a column of the data.{hint}",
            text,
            unknown.node.start,
            unknown.node.end,
        )
        raise with_backticks(unknown_name, table.names()) from None
    except FormulaError as error:
        raise with_backticks(error, table.names()) from None


def bind_factor(factor: Factor, formula: str, table: Table) -> Bound | None:
    """`bind` for a factor of `formula`; None for a plain column, which is checked to exist."""
    if not factor.is_column:
        try:
            return bind(factor.source, table)
        except FormulaError as error:
            raise with_backticks(error.within(formula, factor.start), table.names()) from None
    if factor.name in table:
        return None
    hint = columns_hint(factor.name, table)
    absent = FormulaError(
        f"'{shorten(factor.name)}' is not a column of the data.{hint}",
        formula,
        factor.start,
        factor.end,
    )
    raise with_backticks(absent, table.names())


def columns_hint(name: str, table: Table) -> str:
    """The nearest names of columns; all of them where none is near and they are few."""
    if table.index is not None and name in map(str, table.index.names):
        return f" The index of the data is called '{shorten(name)}': give data.reset_index()."
    hint = did_you_mean(name, table.names(), _as_written)
    names = list(itertools.islice(table.names(), _LISTED + 1))
    if hint or not names or len(names) > _LISTED:
        return hint
    if len(names) == 1:
        sign = next((sign for sign in _SEPARATORS if sign in names[0]), None)
        if sign is not None:
            return (
                f" The data has one column, '{shorten(names[0])}': read the file with sep={sign!r}."
            )
    listed = ", ".join(f"'{shorten(column)}'" for column in names)
    return f" The data has {'the column' if len(names) == 1 else 'the columns'} {listed}."


def _as_written(name: str) -> str:
    """A column's name as a formula has it."""
    written = quote_name(name)
    return f"'{name}'" if written == name else written


def columns_of(factor: Factor, formula: str, table: Table) -> tuple[str, ...]:
    """The columns that a factor of `formula` needs; raises as `bind_factor`."""
    bound = bind_factor(factor, formula, table)
    return (factor.name,) if bound is None else bound.names


def absent_columns(factor: Factor, table: Table) -> list[str]:
    """The columns that a factor needs and the table lacks, those inside an expression too."""
    if factor.is_column:
        return [] if factor.name in table else [factor.name]
    present = {name for name in _candidates(factor.source) if name in table}
    absent: list[str] = []
    while len(absent) < len(parse_expression(factor.source).references):
        name = _unknown_name(factor.source, frozenset([*present, *absent]))
        if name is None:
            break
        absent.append(name)
    return absent


def _unknown_name(text: str, present: frozenset[str]) -> str | None:
    try:
        bind_text(text, present)
    except UnknownName as unknown:
        return unknown.node.name
    except FormulaError:  # said where the factor is evaluated
        return None
    return None


def evaluate(bound: Bound, rows: Rows, states: dict[str, Any]) -> Any:
    """The value of a bound expression on the kept rows; `states` is filled by training.

    Numbers are float64. Truth values are bools, or where some are missing a categorical column of
    FALSE and TRUE.

    Raises:
        FormulaError: the expression cannot be computed from such columns.
        DataError: a function refuses its values.
    """
    for key in bound.states:
        states.setdefault(key, {})
    text = bound.expression.text
    try:
        with np.errstate(all="ignore"):
            value = bound.compute(Values(rows, states))
    except DataError as error:
        raise DataError(f"{shorten(text.strip())}: {error}") from None
    except MixedModelsError:
        raise
    except Exception as error:  # noqa: BLE001
        # What a function of another library raises for these values is an error of the formula.
        raise FormulaError(
            f"'{shorten(text.strip())}' cannot be computed: {_explain(error, bound, rows)}",
            text,
            0,
            len(text),
        ) from None
    # A transform's result with its names passes for an array, and stays what it is.
    if type(value) is np.ndarray and value.dtype.kind in "iuf":
        return value.astype(np.float64, copy=False)
    return value


@functools.lru_cache(maxsize=512)
def _candidates(text: str) -> tuple[str, ...]:
    """The names in an expression that may be those of columns, and the roots of dotted ones.

    ``x.mean`` is refused because x is a column.

    Raises:
        FormulaError: It is not an expression.
    """
    names = [one.name for one in parse_expression(text).references]
    return tuple(dict.fromkeys([*names, *(name.partition(".")[0] for name in names)]))


def _explain(error: Exception, bound: Bound, rows: Rows) -> str:
    texts = [name for name in bound.columns if isinstance(rows.column(name), CategoricalColumn)]
    if texts:
        found = next(filter(None, (strays_in_rows(name, rows) for name in texts)), "")
        return found or f"column '{texts[0]}' is categorical, not numeric."
    return f"{type(error).__name__}: {error}."
