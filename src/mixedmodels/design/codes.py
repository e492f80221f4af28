"""Values to codes and levels, in O(n): the step before any categorical factor or group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedmodels._core import compact, encode_integers
from mixedmodels.arrays import AnyArray, IntArray
from mixedmodels.design.columns import (
    CategoricalColumn,
    Column,
    NumericColumn,
    first_levels,
    level_labels,
)
from mixedmodels.design.levels import level_positions, merge_alike
from mixedmodels.errors import DataError, did_you_mean

TRUTH_LEVELS = pd.Index([False, True])
"""Levels of every column of truth values."""

_EXACT_INTEGERS = 2.0**53


def categorize(column: Column) -> CategoricalColumn:
    """The column as codes into levels; numbers and truth values get sorted levels.

    Whole numbers keep all their digits; of other numbers those that print alike are one level.
    """
    if isinstance(column, CategoricalColumn):
        return column
    if column.identity is not None:
        return column.identity
    values = column.values
    missing = column.missing()
    if missing is not None:
        return _with_gaps(column, ~missing)
    if values.dtype.kind == "b":
        return CategoricalColumn(values.view(np.int8), TRUTH_LEVELS)
    if values.dtype.kind == "i" or (values.dtype.kind == "u" and values.dtype.itemsize < 8):
        return _integers(values)
    if values.dtype.kind == "f" and _integral(values):
        column = _integers(values)
        return CategoricalColumn(column.codes, column.levels.astype(np.float64))
    levels, codes = np.unique(values, return_inverse=True)
    if values.dtype == np.float16:  # in the digits that it has: 0.1, not 0.09997559
        levels = np.array([float(str(level)) for level in levels])
    return merge_alike(CategoricalColumn(codes.astype(np.int32), pd.Index(levels)))


def drop_unused(column: CategoricalColumn) -> CategoricalColumn:
    """The column with int32 codes and only the levels that occur."""
    codes = np.ascontiguousarray(column.codes, dtype=np.int32)
    count = len(column.levels)
    found = compact(codes, count)
    kept = found.kept
    levels = column.levels if len(kept) == count else column.levels.take(kept)
    return CategoricalColumn(found.codes, levels, column.ordered)


def relevel(column: CategoricalColumn, levels: pd.Index, name: str) -> CategoricalColumn:
    """The column with the given levels in the given order.

    Raises:
        DataError: a level that occurs is not among `levels`.
    """
    codes = match_levels(column, levels)
    lost = (codes < 0) & (column.codes >= 0)
    if lost.any():
        stray = column.levels.take(np.unique(column.codes[lost]))
        hint = did_you_mean(level_labels(stray)[0], level_labels(levels)) if len(stray) else ""
        raise DataError(
            f"{name} has values that are not among its levels: {first_levels(stray, 5)}. "
            f"The levels are {first_levels(levels, 10)}.{hint}"
        )
    return CategoricalColumn(codes, levels, column.ordered)


def match_levels(column: CategoricalColumn, levels: pd.Index) -> IntArray:
    """(n,) codes of the column's values among `levels`; -1 where missing or not among them."""
    same = column.levels is levels
    if same or (column.levels.dtype == levels.dtype and column.levels.equals(levels)):
        return np.ascontiguousarray(column.codes, dtype=np.int32)
    position = level_positions(column.levels, levels)
    # The appended -1 is where code -1 (a missing value) lands.
    return np.append(position, -1).astype(np.int32)[column.codes]


def _with_gaps(column: NumericColumn, present: AnyArray) -> CategoricalColumn:
    found = categorize(NumericColumn(column.values[present]))
    codes = np.full(len(present), -1, dtype=np.int32)
    codes[present] = found.codes
    return CategoricalColumn(codes, found.levels)


def _integers(values: AnyArray) -> CategoricalColumn:
    found = encode_integers(np.ascontiguousarray(values, dtype=np.int64))
    return CategoricalColumn(found.codes, pd.Index(found.levels))


def _integral(values: AnyArray) -> bool:
    if not np.isfinite(values).all():
        return False
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return bool((np.abs(values) < _EXACT_INTEGERS).all() and (values == np.rint(values)).all())
