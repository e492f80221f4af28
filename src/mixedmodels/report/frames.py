"""A DataFrame as a table of strings: the format of a column follows from its name and type."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from mixedmodels.report.numbers import SLACK, format_column, format_p
from mixedmodels.report.sections import Table

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 5
# Columns with three decimals, as in the summary, by their names in lower case.
_CRITERIA = ("aic", "aicc", "bic", "loglik", "deviance", "objective")
_STATISTICS = ("statistic", "lrt", "chisq")
# Columns in the units of the standard error beside them.
_IN_UNITS = ("estimate", "std_error", "lower", "upper", "bias")


def frame_table(frame: pd.DataFrame, caption: str = "", *, blank: Collection[str] = ()) -> Table:
    """A table whose first column holds the row labels and whose header the names of the columns.

    Args:
        frame: Numbers, truth values and text.
        caption: Title of the table.
        blank: Rows in which a number that is missing does not apply, and is left out.
    """
    labels = [str(label) for label in frame.index]
    errors = frame["std_error"] if list(frame.columns).count("std_error") == 1 else None
    columns, sides = [labels], "<"
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        cells = _cells(str(name), values, errors if name in _IN_UNITS else None)
        columns.append(
            [
                "" if cell == "NaN" and label in blank else cell
                for label, cell in zip(labels, cells, strict=True)
            ]
        )
        sides += ">" if values.dtype.kind in "iufb" else "<"
    header = ("", *map(str, frame.columns))
    return Table(caption, header, tuple(zip(*columns, strict=True)), sides)


def _cells(name: str, values: pd.Series, errors: pd.Series | None) -> list[str]:
    if values.dtype.kind != "f":
        return [str(value) for value in values]
    numbers = values.to_numpy(dtype=np.float64)
    if name.startswith("p_") or name == "weight":
        cells = [format_p(value) for value in numbers]
    elif name.lower().endswith("df"):
        finite = numbers[np.isfinite(numbers)]
        decimals = 0 if np.array_equal(finite, np.rint(finite)) else 2
        cells = [f"{value:.{decimals}f}" for value in numbers]
    elif name.lower() in (*_CRITERIA, *_STATISTICS):
        cells = [f"{value:.3f}" for value in numbers]
    else:
        cells = format_column(numbers, DIGITS, SLACK, errors)
    return [cell.replace("nan", "NaN") for cell in cells]
