"""Which rows a model uses: missing values, weights of zero; and weights and offset themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.design.evaluate import bind, evaluate
from mixedmodels.design.factors import check_finite
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.settings import NaAction
from mixedmodels.typing import AnyArray, BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """`weights` or `offset` as given: an expression of columns, or values for every row.

    Attributes:
        role: ``"weights"`` or ``"offset"``.
        text: The expression, or None.
        values: (rows of the data,) the values, or None.
        columns: Columns that the expression needs.
    """

    role: str
    text: str | None = None
    values: FloatArray | None = None
    columns: tuple[str, ...] = ()

    def on(self, rows: Rows) -> FloatArray:
        """(n,) its values on the kept rows, float64, a copy."""
        if self.text is not None:
            return np.array(_expression_values(self.role, self.text, rows), dtype=np.float64)
        values = self.values if self.values is not None else np.empty(0)
        return values.copy() if rows.kept is None else values[rows.kept]


def read_argument(role: str, given: Any, rows: Rows) -> Argument | None:
    """Understand `weights=` or `offset=`.

    Raises:
        FormulaError: an expression that cannot be understood or names no column.
        DataError: values that are not numbers, not one for each row, or of other rows.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return bound_argument(role, given, rows)
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


def bound_argument(role: str, text: str, rows: Rows) -> Argument:
    """An argument given as a column's name or an expression of columns.

    Raises:
        FormulaError: it cannot be understood or names no column.
    """
    if text in rows.table:
        return Argument(role, text=f"`{text}`", columns=(text,))
    try:
        return Argument(role, text=text, columns=bind(text, rows.table).names)
    except FormulaError as error:
        raise FormulaError(f"{role}: {error.message}", error.text, error.start, error.end) from None


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
    plural = "row" if n_dropped == 1 else "rows"
    return n_dropped, f"{n_dropped} {plural} with missing values dropped ({counts})."


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
        raise DataError(f"weights must be finite and not negative: {rows.describe(bad, w)}.")
    zero = w == 0
    if not zero.any():
        return w, None
    if zero.all():
        raise DataError("All weights are zero, so no row is left.")
    rows.restrict(~zero)
    return w[~zero], f"{int(zero.sum())} rows with weight zero dropped."


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


def _expression_values(role: str, text: str, rows: Rows) -> AnyArray:
    try:
        values = np.asarray(evaluate(bind(text, rows.table), rows, {}))
    except FormulaError as error:
        raise FormulaError(f"{role}: {error.message}", error.text, error.start, error.end) from None
    if values.ndim == 0:
        values = np.broadcast_to(values, (rows.n_rows,))
    if values.shape != (rows.n_rows,) or values.dtype.kind not in "fiub":
        raise DataError(f"{role} '{text}' does not give one number for each row.")
    return values
