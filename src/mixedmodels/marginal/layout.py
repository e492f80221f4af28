"""How tables of estimates are printed: common decimals, groups below each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.design.columns import level_label
from mixedmodels.marginal.functions import Functions
from mixedmodels.report.frames import frame_table
from mixedmodels.report.sections import Section, Table

_NUMBERS = ("estimate", "std_error", "df", "lower", "upper", "statistic", "p_value")
# Digits of a covariate's values.
_DIGITS = 6
# Columns that are printed with the same number of decimals.
_ALIKE = ("estimate", "std_error", "lower", "upper")


def grouped_tables(table: pd.DataFrame, functions: Functions) -> Iterator[Section]:
    """A table for each group of `by`, under the levels that it stands for."""
    decimals = _decimals(table)
    columns = functions.shown(table)
    groups = [columns[name] for name in functions.by]
    for rows in functions.families(functions.by):
        part = table.iloc[rows].drop(columns=groups)
        levels = group_of(functions, int(rows[0]))
        yield _table_of(part, decimals, f"{levels}:" if levels else "")


def group_of(functions: Functions, row: int, names: Sequence[str] | None = None) -> str:
    """The levels of `by`, or of some of it, at a row."""
    labels = functions.labels
    shown = functions.by if names is None else names
    return ", ".join(
        f"{functions.variable(name)} = {short_labels(labels[name].tolist())[row]}" for name in shown
    )


def short_labels(values: Sequence[Any]) -> list[str]:
    """Labels of levels and of values of a covariate: six digits of numbers, all where these merge.

    A mean of a covariate has as many digits as sentences give it.
    """
    whole = [level_label(value) for value in values]
    short = [f"{v:.{_DIGITS}g}" if isinstance(v, float) else level_label(v) for v in values]
    return short if len(set(short)) == len(set(whole)) else whole


def _decimals(table: pd.DataFrame) -> int:
    """As many as show four digits of the smallest error and seven of the largest number."""
    numbers = np.abs(table[list(_ALIKE)].to_numpy(dtype=np.float64))
    errors, numbers = numbers[:, 1], numbers[np.isfinite(numbers) & (numbers > 0.0)]
    errors = errors[np.isfinite(errors) & (errors > 0.0)]
    if not errors.size:
        return 4
    wanted = 3 - math.floor(math.log10(float(errors.min())))
    most = 6 - math.floor(math.log10(float(numbers.max())))
    return min(max(min(wanted, most), 0), 12)


def _table_of(part: pd.DataFrame, decimals: int, caption: str) -> Table:
    """A table without row names, whose estimates, errors and limits have the same decimals."""
    table = frame_table(part, caption)
    columns = [list(column) for column in zip(*table.rows, strict=True)]
    for place, name in enumerate(part.columns, start=1):
        if name in _ALIKE:
            columns[place] = [_fixed(value, decimals) for value in part[name].tolist()]
        elif str(name) not in _NUMBERS:
            columns[place] = short_labels(part[name].tolist())
    rows = tuple(zip(*columns[1:], strict=True))
    return Table(caption, table.header[1:], rows, table.sides[1:])


def _fixed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return str(value).replace("nan", "NaN")
    return f"{round(value, decimals) + 0.0:.{decimals}f}"
