"""When two levels are the same: by value where the types agree, else by what they print as.

Levels of numbers that are not whole print with 15 significant digits, as in R, so that 0.1 * 3 and
0.3 are one level; a number of single precision is compared by the digits it has. Whole numbers are
compared exactly, whatever their types.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray
from mixedmodels.design.columns import (
    DIGITS_SINGLE,
    CategoricalColumn,
    level_label,
    level_labels,
)
from mixedmodels.forks import lock_held_by_forks

# pandas makes the table that finds levels when it is first asked, and other threads may see it half
# made.
_LOOKUP = lock_held_by_forks()
# Relative distance above which two numbers never print alike: one unit in the last digit, twice.
_APART = {np.dtype(np.float64): 2e-14, np.dtype(np.float32): 2e-6}


def merge_alike(column: CategoricalColumn) -> CategoricalColumn:
    """The column with one level for all that print alike; only floats that are not whole can."""
    levels = column.levels
    apart = _APART.get(levels.dtype)
    if apart is None or len(levels) < 2:
        return column
    ascending = np.sort(levels.to_numpy())
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.diff(ascending) <= apart * np.abs(ascending[1:])
    if not near.any():
        return column
    labels = level_labels(levels)
    found: dict[str, int] = {}
    position = [found.setdefault(label, len(found)) for label in labels]
    if len(found) == len(labels):
        return column
    # The last one is where code -1 (a missing value) lands.
    codes = np.array([*position, -1], dtype=np.int32)[column.codes]
    merged = pd.Index([float(label) for label in found], dtype=levels.dtype)
    return CategoricalColumn(codes, merged, column.ordered)


def level_positions(wanted: pd.Index, levels: pd.Index) -> AnyArray:
    """(w,) position among `levels` of each of `wanted`; -1 where it is not one of them."""
    if wanted.dtype == levels.dtype and _compares_exactly(levels):
        with _LOOKUP:
            _ = levels.is_unique  # makes the table
        return np.asarray(levels.get_indexer(wanted))
    single = np.float32 in (wanted.dtype, levels.dtype)
    known: dict[str, int] = {}
    for position, label in enumerate(_labels(levels, single)):
        # In fewer digits than they have, several levels may look the same: it is then none of them.
        known[label] = -1 if label in known else position
    labels = _labels(wanted, single)
    return np.array([known.get(label, -1) for label in labels], dtype=np.int64)


def kind_of_times(levels: pd.Index) -> str | None:
    """``"dates or times"`` or ``"durations"`` where levels are that, whatever their type."""
    if isinstance(levels.dtype, pd.StringDtype):
        return None
    kind = levels.dtype.kind
    if kind == "m":
        return "durations"
    if kind == "M" or isinstance(levels.dtype, pd.PeriodDtype):
        return "dates or times"
    if kind == "O":
        for level in levels.tolist():
            if isinstance(level, (dt.timedelta, np.timedelta64)):
                return "durations"
            if isinstance(level, (dt.date, dt.time, np.datetime64, pd.Period)):
                return "dates or times"
    return None


def times_remedy(kind: str, source: str) -> str:
    """What to write instead of a column of times as a number."""
    what = "its length in days or seconds" if kind == "durations" else "say, days since the first"
    return f"make a number of it ({what}), or write factor({source}) for one effect per value"


def _compares_exactly(levels: pd.Index) -> bool:
    return levels.dtype.kind in "iubMm" or isinstance(levels.dtype, pd.StringDtype)


def _labels(levels: pd.Index, single: bool) -> list[str]:
    if not single or levels.dtype.kind != "f":
        return level_labels(levels)
    return [
        level_label(value) if value.is_integer() else f"{value:.{DIGITS_SINGLE}g}"
        for value in levels.astype(np.float64).tolist()
    ]
