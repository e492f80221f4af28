"""DataFrames of pandas as tables of Arrow, but for the columns that Arrow cannot hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from mixedmodels.streaming.adapters.streams import from_table
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.source import Source


def from_pandas(data: pd.DataFrame) -> Source:
    """A table of Arrow; what Arrow cannot hold is refused where the formula uses it."""
    pa = pyarrow()
    try:
        return from_table(pa.Table.from_pandas(data, preserve_index=False))
    except _unlike(pa):
        pass
    table, unusable = table_of(
        data.columns, [_taken(data, place) for place in range(data.shape[1])], len(data)
    )
    return dataclasses.replace(from_table(table), unusable=unusable)


def table_of(
    names: Iterable[Any], columns: Iterable[Callable[[], pd.Series[Any]]], rows: int
) -> tuple[Any, dict[str, str]]:
    """A table of Arrow, column by column.

    Args:
        names: Of the columns.
        columns: What gives each of them.
        rows: How many each has.

    Returns:
        The table, with nulls for columns that Arrow cannot hold, and by name of these: why.
    """
    pa = pyarrow()
    arrays, unusable = [], {}
    for name, column in zip(names, columns, strict=True):
        array, why = _column(column)
        arrays.append(pa.nulls(rows) if array is None else array)
        if why:
            unusable[str(name)] = why
    return pa.Table.from_arrays(arrays, names=[str(name) for name in names]), unusable


def _column(column: Callable[[], pd.Series[Any]]) -> tuple[Any, str]:
    """A column of Arrow, or None and why there is none."""
    pa = pyarrow()
    try:
        return pa.Array.from_pandas(column()), ""
    except _unlike(pa) as error:
        return None, str(error)


def _taken(data: pd.DataFrame, place: int) -> Callable[[], pd.Series[Any]]:
    return lambda: data.iloc[:, place]


def _unlike(pa: Any) -> tuple[type[Exception], ...]:
    """What pyarrow raises for values that it has no type for."""
    return pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError
