"""Numbers that are infinite: found and refused in training, made missing in new data.

Missing values are dealt with elsewhere; NaN passes here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from mixedmodels.arrays import AnyArray, BoolArray
from mixedmodels.design.columns import CategoricalColumn, NumericColumn, all_finite
from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError, LostRowsWarning, warn
from mixedmodels.formula import Factor

_SHOWN = 5
# An expression that names a missing value means to have some.
_SAYS_MISSING = re.compile(r"\b(NA|NaN|nan)\b")
NAN_THERE = "What depends on it is NaN in these rows."
LEFT_OUT = "The model is fitted without these rows."

Columns: TypeAlias = Callable[[], Sequence[str]]


def sources(factor: Factor, formula: str, rows: Rows) -> Columns:
    """The columns that a factor of `formula` is computed from, when they are asked for."""
    return lambda: () if factor.is_column else columns_of(factor, formula, rows.table)


def check_finite(name: str, values: AnyArray, rows: Rows, columns: Columns = tuple) -> None:
    """Refuse infinity; rows with missing values are gone.

    Args:
        name: What the values are, as typed.
        values: (n,) the values.
        rows: The rows in use.
        columns: Gives the columns that the values are computed from, none for those of a column;
            called when the check fails.

    Raises:
        DataError: With the number of rows, the first rows and values, and what to do.
    """
    if values.dtype.kind == "f" and not all_finite(values):
        needed = columns()
        raise DataError(
            f"{infinite(name, values, rows, needed)} {_remedy(needed)}, so that their rows are "
            "dropped."
        )


def check_finite_levels(
    name: str, column: CategoricalColumn, rows: Rows, columns: Columns = tuple
) -> None:
    """Refuse levels that are infinite numbers; arguments and error as of `check_finite`."""
    levels = column.levels
    if levels.dtype.kind == "f" and not np.isfinite(levels.to_numpy(dtype=np.float64)).all():
        check_finite(name, levels.to_numpy(dtype=np.float64)[column.codes], rows, columns)


def infinite_in_new_rows(
    name: str, values: AnyArray, rows: Rows, columns: Columns
) -> BoolArray | None:
    """(n,) where a value of new data is infinite, which is said in a warning; None where none is.

    Args: as of `check_finite`.
    """
    if values.dtype.kind != "f" or all_finite(values):
        return None
    bad: BoolArray = np.isinf(values)
    if not bad.any():
        return None
    warn(
        f"{infinite(name, values, rows, columns())} {NAN_THERE}",
    )
    return bad


def warn_of_lost_rows(
    name: str, absent: BoolArray, rows: Rows, columns: Columns, outcome: str
) -> None:
    """Say in which rows an expression has no value though the columns that it takes have theirs.

    Args:
        name: The expression, as typed.
        absent: (n,) where it is missing.
        rows: The rows in use, those among them.
        columns: Gives the columns that it is computed from.
        outcome: What becomes of the rows.
    """
    needed = columns()
    bad = absent.copy()
    for column in needed:
        missing = rows.column(column).missing()
        if missing is not None:
            bad &= ~missing
    if not bad.any() or _SAYS_MISSING.search(name):
        return
    there = ", ".join(_values_at(int(np.argmax(bad)), needed, rows))
    first = f" In the first of them {there}." if there else ""
    warn(
        f"'{name}' is not a number in {rows.describe(bad)}: {int(bad.sum())} of {len(bad)} "
        f"row{'s' * (len(bad) != 1)}.{first} {outcome}",
        LostRowsWarning,
    )


def infinite(name: str, values: AnyArray, rows: Rows, columns: Sequence[str]) -> str:
    """Sentences that say in which rows `values` are infinite, and made of what in the first."""
    bad = np.isinf(values)
    first = int(np.argmax(bad))
    count = int(bad.sum())
    found = (
        f"'{name}' is not finite in {rows.describe(bad, values)}: {count} of {len(values)} "
        f"row{'s' * (len(values) != 1)}."
    )
    values_there = list(_values_at(first, columns, rows))
    if values_there:
        found += f" In the first of them {', '.join(values_there)}."
    return found


def _values_at(row: int, columns: Sequence[str], rows: Rows) -> Iterable[str]:
    """``x is 0`` for the first numeric columns."""
    for name in columns[:_SHOWN]:
        column = rows.column(name)
        if isinstance(column, NumericColumn):
            yield f"{name} is {column.values[row]:.15g}"


def _remedy(columns: Sequence[str]) -> str:
    if not columns:
        return "Correct these values, or set them to NaN"
    shown = " or ".join(columns[:_SHOWN])
    return (
        "Write an expression that is finite there (log(x + 1) for log(x) where x is 0, a larger "
        f"unit where numbers grow too large), or set these values of {shown} to NaN"
    )
