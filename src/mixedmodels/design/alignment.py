"""Values given beside a table, one for each row: by position, but never against their own labels.

The one rule for weights, offsets, new responses and labels of rows: a Series belongs to the rows in
its order if its index is that of the rows, and is refused otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.columns import Column, NumericColumn
from mixedmodels.design.convert import column_of_values, has_no_order
from mixedmodels.design.places import by_label
from mixedmodels.design.stray import strays
from mixedmodels.errors import DataError

# Values that a message shows.
_SHOWN = 3


def row_column(
    role: str,
    given: Any,
    n_rows: int,
    index: pd.Index | None,
    which: str,
    name: str = "",
) -> Column:
    """Values of any kind, one for each row.

    Args:
        role: What they are, for messages: ``"weights"``.
        given: A Series, an array or a list.
        n_rows: How many rows there are.
        index: The labels of the rows, or None.
        which: Which rows these are, for messages.
        name: What may be given in place of values, for messages.

    Raises:
        DataError: Not one for each row, or a Series with labels of other rows or in another order.
    """
    labels = given.index if isinstance(given, (pd.Series, pd.DataFrame)) else None
    if labels is not None and index is not None and not labels.equals(index):
        raise DataError(
            f"{role} is a Series whose index differs from that of the data, so it is not clear "
            "which value belongs to which row; use .reindex(data.index) or .to_numpy()."
        )
    if has_no_order(given):
        raise DataError(
            f"{role} is a {type(given).__name__}, so it is not clear which value belongs to which "
            "row; give a list or an array in the order of the rows, or a pandas Series with their "
            "index."
        )
    shape = _shape(given)
    if shape != (n_rows,):
        has = f"has shape {shape}" if shape else f"is {given!r:.40}, one value"
        raise DataError(
            f"{role} {has}; it must have one value for each of the {n_rows} {which}{_or(name)}."
        )
    try:
        return column_of_values(role, given)
    except DataError as error:
        raise DataError(f"{role} cannot be used: {error}") from None


def row_numbers(
    role: str,
    given: Any,
    n_rows: int,
    index: pd.Index | None,
    which: str,
    name: str = "",
) -> FloatArray:
    """(n,) numbers, one for each row, as a copy; NaN where missing.

    Raises:
        DataError: As `row_column`, and where they are not numbers.
    """
    column = row_column(role, given, n_rows, index, which, name)
    if not isinstance(column, NumericColumn):
        found = strays(
            role, column, lambda at: by_label(at, None if index is None else index.take(at))
        )
        first = ", ".join(map(repr, list(given)[:_SHOWN]))
        raise DataError(
            found
            or f"{role} is not numeric: {first}{', ...' if n_rows > _SHOWN else ''}; it must have "
            f"one number for each of the {n_rows} {which}{_or(name)}."
        )
    values = np.array(column.values, dtype=np.float64)
    if column.absent is not None:
        values[column.absent] = np.nan
    return values


def _or(name: str) -> str:
    return f", or be {name}" if name else ""


def _shape(given: Any) -> tuple[int, ...]:
    """The shape of anything that has one or a length; () of a single value."""
    shape = getattr(given, "shape", None)
    if isinstance(shape, tuple):
        return shape
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        return ()
    first = next(iter(given), None)
    nested = isinstance(first, (list, tuple, np.ndarray))
    return (len(given), len(first)) if nested and first is not None else (len(given),)
