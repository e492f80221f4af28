"""The rows a model uses, and the columns at those rows: read once, kept for the whole design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, BoolArray, LongArray
from mixedmodels.design.columns import CategoricalColumn, Column, NumericColumn, all_finite
from mixedmodels.design.frame import Table
from mixedmodels.design.levels import kind_of_times, level_positions, times_remedy
from mixedmodels.design.places import Named, first_rows
from mixedmodels.design.seen import SeenLevels
from mixedmodels.errors import DataError

# Values that are taken for a message; it shows no more.
_SHOWN = 5


class Larger(NamedTuple):
    """A larger table that some rows stand for: they have all of its levels.

    Attributes:
        n_rows: Rows of it that are used.
        seen: By column: its levels, and how often each occurs.
    """

    n_rows: int
    seen: Mapping[str, SeenLevels]


class Rows:
    """Columns of a table at the kept rows.

    Args:
        table: The table.
        larger: What its rows stand for, or None for themselves.

    Attributes:
        table: Where the columns come from.
        kept: Positions of the kept rows, or None when all are.
        n_rows: How many are kept.
    """

    def __init__(self, table: Table, larger: Larger | None = None) -> None:
        self.table = table
        self._larger = larger
        self.kept: LongArray | None = None
        self.n_rows = table.n_rows
        self._columns: dict[str, Column] = {}
        self._finite: set[str] = set()

    def column(self, name: str) -> Column:
        """The column called `name`; it must exist."""
        found = self._columns.get(name)
        if found is None:
            found = self.table.column(name)
            if self.kept is not None:
                found = found.take(self.kept)
            self._columns[name] = found
        return found

    def missing(self, name: str) -> BoolArray | None:
        """(n,) where the column called `name` is missing, or None where nothing is."""
        column = self.column(name)
        if isinstance(column, NumericColumn) and (
            column.values.dtype.kind != "f" or all_finite(column.values)
        ):
            self._finite.add(name)
            return column.absent
        return column.missing()

    def is_finite(self, name: str) -> bool:
        """Whether `missing` has found all numbers of a column finite, those that are missing aside.

        False where it was not asked.
        """
        return name in self._finite

    def numbers(self, name: str) -> Any:
        """The column for arithmetic: float64 or bool (n,), or a pandas Categorical.

        Missing values are NaN. An array is read-only: it may be the user's own.

        Raises:
            DataError: The column has times, which are not numbers.
        """
        column = self.column(name)
        if isinstance(column, CategoricalColumn):
            times = kind_of_times(column.levels)
            if times is not None:
                raise DataError(f"'{name}' has {times}; {times_remedy(times, name)}.")
            return column.to_pandas()
        values = column.values
        if column.absent is not None:
            values = np.where(column.absent, np.nan, values)
        elif values.dtype.kind != "b":
            values = values.astype(np.float64, copy=False)
        values = values.view()
        values.flags.writeable = False
        return values

    def restrict(self, keep: BoolArray) -> None:
        """Drop the rows (among those kept so far) where `keep` is False."""
        positions = np.flatnonzero(keep)
        self.kept = positions if self.kept is None else self.kept[positions]
        self.n_rows = len(positions)
        self._columns = {name: column.take(positions) for name, column in self._columns.items()}

    @property
    def n_used(self) -> int:
        """How many rows are used: those kept, or those of the larger table."""
        return self.n_rows if self._larger is None else self._larger.n_rows

    def level_counts(self, name: str, column: CategoricalColumn) -> LongArray:
        """(l,) how many of the rows used have each level of a column.

        Args:
            name: What the column is called.
            column: The column at the kept rows.
        """
        seen = None if self._larger is None else self._larger.seen.get(name)
        if seen is None:
            counts: LongArray = np.bincount(
                column.codes[column.codes >= 0], minlength=len(column.levels)
            )
            return counts
        known = level_positions(column.levels, seen.levels)
        return np.where(known < 0, 0, seen.counts[known])

    def index(self) -> pd.Index | None:
        """Row labels of the kept rows."""
        labels = self.table.index
        return labels if labels is None or self.kept is None else labels.take(self.kept)

    def names_at(self, which: LongArray) -> Named:
        """What the rows at positions `which` among the kept ones are called."""
        return self.table.row_names(which if self.kept is None else self.kept[which])

    def describe(self, bad: BoolArray, values: AnyArray | None = None) -> str:
        """The kept rows where `bad` is True, as `places.first_rows` names them."""
        which = np.flatnonzero(bad)
        shown = None if values is None else list(values[which[:_SHOWN]])
        return first_rows(which, self.names_at, shown)
