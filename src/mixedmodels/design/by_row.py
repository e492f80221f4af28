"""Results with one value for each row: their labels, and the rows that a model leaves out.

The one place that knows `na_action="exclude"`: whatever has a value for each row is made for the
rows used, and `on_all_rows` adds the others.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray, LongArray
from mixedmodels.design.design import Design

P = TypeVar("P", bound="pd.Series[float] | pd.DataFrame")


def used_labels(design: Design) -> pd.Index:
    """(n,) labels of the rows used: the data's own, or their positions in it."""
    if design.index is not None:
        return design.index
    return pd.RangeIndex(design.n) if design.rows is None else pd.Index(design.rows)


def all_labels(design: Design) -> pd.Index:
    """Labels of results by row: those of all rows of the table, or of the rows used."""
    table = design.all_rows
    if table is None:
        return used_labels(design)
    return pd.RangeIndex(table.n) if table.index is None else table.index


def series(design: Design, values: FloatArray, name: str) -> pd.Series[float]:
    """Values (n,) of the rows used, as users get them."""
    return on_all_rows(design, pd.Series(np.array(values), used_labels(design), name=name))


def on_all_rows(design: Design, found: P) -> P:
    """A result for the rows used, with a row of missing values for each that is left out.

    Under `na_action="omit"` the result itself.
    """
    if design.all_rows is None or design.rows is None:
        return found
    return spread(found, design.rows, all_labels(design))


def at_rows_used(given: Any, design: Design) -> Any:
    """Values of which there is one for each row of the data, at the rows used; others as given.

    A Series belongs to the rows by its labels. Other values do by their number, where results by
    row have all rows too.
    """
    rows = design.rows
    if rows is None:
        return given
    if isinstance(given, pd.Series) and design.index is not None:
        known = len(given) > rows[-1] and given.index.take(rows).equals(design.index)
        return given.iloc[rows] if known else given
    if design.all_rows is None or np.shape(given)[:1] != (design.all_rows.n,):
        return given
    if isinstance(given, pd.Series):
        return given.iloc[rows]
    if isinstance(given, (list, tuple)):
        return [given[row] for row in rows]
    return given.to_numpy()[rows] if hasattr(given, "to_numpy") else np.asarray(given)[rows]


def spread(found: P, places: LongArray, labels: pd.Index) -> P:
    """The rows of a result at their places among more rows; the others are missing values.

    Args:
        found: (k rows).
        places: (k,) positions among the labels, increasing.
        labels: Of all rows.
    """
    source = np.full(len(labels), -1, dtype=np.intp)
    source[places] = np.arange(len(places))
    made: P
    if isinstance(found, pd.Series):
        made = pd.Series(_taken(found.array, source), labels, name=found.name)
    elif (found.dtypes == np.float64).all():
        made = pd.DataFrame(_taken(found.to_numpy(), source), labels, found.columns)
    else:
        columns = {j: _taken(found.iloc[:, j].array, source) for j in range(found.shape[1])}
        made = pd.DataFrame(columns, labels).set_axis(found.columns, axis=1)
    return made


def _taken(values: AnyArray, source: AnyArray) -> AnyArray:
    """The values at positions; -1 is a missing value."""
    if values.dtype == np.bool_:
        values = pd.array(np.asarray(values), dtype="boolean")
    elif isinstance(values, pd.arrays.NumpyExtensionArray):
        values = values.to_numpy()
    taken: AnyArray = pd.api.extensions.take(values, source, allow_fill=True)
    return taken
