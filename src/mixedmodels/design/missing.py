"""Which rows a model uses: missing values, weights of zero; and weights and offset themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.design.evaluate import Bound, bind, evaluate
from mixedmodels.design.factors import NumericBlock, Recipe, check_finite, factor_values
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.formula.tokens import quote_name
from mixedmodels.settings import NaAction
from mixedmodels.typing import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """`weights` or `offset` as given: an expression of columns, or values for every row.

    Attributes:
        role: ``"weights"`` or ``"offset"``.
        text: The expression, or None.
        values: (rows of the data,) the values, or None.
        columns: Columns that the expression needs.
        states: What stateful functions in the expression have learnt.
    """

    role: str
    text: str | None = None
    values: FloatArray | None = None
    columns: tuple[str, ...] = ()
    states: dict[str, Any] = field(default_factory=dict)

    def on(self, rows: Rows) -> FloatArray:
        """(n,) its values on the kept rows, float64, a copy."""
        if self.text is not None:
            return _expression_values(self, self.text, rows)
        values = self.values if self.values is not None else np.empty(0)
        return values.copy() if rows.kept is None else values[rows.kept]


@dataclass(frozen=True, slots=True, eq=False)
class OffsetSpec:
    """How to make the offset on new data.

    Attributes:
        argument: The `offset` argument, or None.
        recipes: One for each ``offset(...)`` of the formula.
    """

    argument: Argument | None
    recipes: tuple[Recipe, ...]


def read_argument(role: str, given: Any, rows: Rows) -> Argument | None:
    """Understand `weights=` or `offset=`.

    Raises:
        FormulaError: an expression that cannot be understood or names no column.
        DataError: values that are not numbers, not one for each row, or of other rows.
    """
    if given is None:
        return None
    if isinstance(given, str):
        text = quote_name(given) if given in rows.table else given
        return Argument(role, text=text, columns=_bind(role, text, rows).names)
    labels = rows.table.index
    if isinstance(given, pd.Series) and labels is not None and not given.index.equals(labels):
        raise DataError(
            f"{role} is a Series whose index differs from that of the data, so it is not clear "
            "which value belongs to which row; use .reindex(data.index) or .to_numpy()."
        )
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{role} is not numeric: {given!r:.80}.") from None
    if values.shape != (rows.n_rows,):
        raise DataError(
            f"{role} has shape {values.shape}; it must have one value for each of the "
            f"{rows.n_rows} rows of the data (before missing ones are dropped)."
        )
    return Argument(role, values=values)


def drop_missing(
    columns: Iterable[str], offset: Argument | None, rows: Rows, na_action: NaAction
) -> tuple[int, str | None]:
    """Drop the rows with a missing value, or refuse them.

    Returns:
        How many were dropped, and the message that says so.

    Raises:
        DataError: there are missing values and `na_action` is "raise"; or no row is left.
    """
    masks: dict[str, BoolArray] = {}
    for name in columns:
        absent = rows.column(name).missing()
        if absent is not None and absent.any():
            masks[name] = absent
    if offset is not None and offset.values is not None and np.isnan(offset.values).any():
        masks["offset"] = np.isnan(offset.values)
    if not masks:
        return 0, None
    counts = ", ".join(f"{name} {int(mask.sum())}" for name, mask in masks.items())
    missing = np.logical_or.reduce(list(masks.values()))
    if na_action == "raise":
        raise DataError(
            f"There are missing values ({counts}): {rows.describe(missing)}. Drop or fill them, or "
            'use na_action="omit".'
        )
    n_dropped = int(missing.sum())
    if n_dropped == rows.n_rows:
        raise DataError(f"No row is left: every one has a missing value ({counts}).")
    rows.restrict(~missing)
    return n_dropped, f"{count_rows(n_dropped)} with missing values dropped ({counts})."


def read_weights(argument: Argument | None, rows: Rows) -> tuple[FloatArray | None, str | None]:
    """The weights on the kept rows; rows whose weight is zero are dropped as if absent.

    Raises:
        DataError: a weight is negative, missing or infinite, or all are zero.
    """
    if argument is None:
        return None, None
    w = argument.on(rows)
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        raise DataError(
            f"weights must be finite and not negative: {rows.describe(bad, w)}. Mend or drop these "
            "rows; a weight of zero leaves a row out."
        )
    zero = w == 0
    if not zero.any():
        return w, None
    if zero.all():
        raise DataError("All weights are zero, so no row is left.")
    rows.restrict(~zero)
    return w[~zero], f"{count_rows(int(zero.sum()))} with weight zero dropped."


def read_offset(argument: Argument | None, rows: Rows) -> FloatArray | None:
    """The offset argument on the kept rows.

    Raises:
        DataError: a value is not finite.
    """
    if argument is None:
        return None
    offset = argument.on(rows)
    check_finite("offset", offset, rows)
    return offset


def count_rows(count: int) -> str:
    """``"1 row"``, ``"2 rows"``."""
    return f"{count} row" if count == 1 else f"{count} rows"


def offset_values(recipe: Recipe, rows: Rows) -> FloatArray:
    """(n,) one ``offset(...)`` of the formula, float64.

    Raises:
        DataError: it is not one column of numbers.
    """
    value = factor_values(recipe.factor, recipe.formula, rows, recipe.states)
    if not isinstance(value, NumericBlock) or len(value.values) != 1:
        raise DataError(f"'{recipe.factor.name}' is not one column of numbers.")
    return value.values[0].astype(np.float64)


def _expression_values(argument: Argument, text: str, rows: Rows) -> FloatArray:
    bound = _bind(argument.role, text, rows)
    try:
        values = np.asarray(evaluate(bound, rows, argument.states))
    except FormulaError as error:
        raise _of_argument(argument.role, error) from None
    if values.ndim == 0:
        values = np.broadcast_to(values, (rows.n_rows,))
    if values.shape != (rows.n_rows,) or values.dtype.kind not in "fiub":
        shown = text.strip("`")
        raise DataError(f"{argument.role} '{shown}' does not give one number for each row.")
    return values.astype(np.float64)


def _bind(role: str, text: str, rows: Rows) -> Bound:
    try:
        return bind(text, rows.table)
    except FormulaError as error:
        raise _of_argument(role, error) from None


def _of_argument(role: str, error: FormulaError) -> FormulaError:
    return FormulaError(f"{role}: {error.message}", error.text, error.start, error.end)
