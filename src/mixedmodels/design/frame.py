"""Any table as columns by name: pandas, whatever narwhals takes eagerly, or a dict.

Only the columns that are asked for are touched, and none is ever written to. What a column of each
type becomes is in `convert`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from mixedmodels.arrays import LongArray
from mixedmodels.design.columns import Column
from mixedmodels.design.convert import (
    column_of_categories,
    column_of_narwhals,
    column_of_pandas,
    column_of_values,
    has_no_order,
    of_stored,
)
from mixedmodels.design.objects import TextAmongNumbers
from mixedmodels.design.places import Named, Naming, by_label
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.lazy import late_module

if TYPE_CHECKING:
    import narwhals as nw
else:
    nw = late_module("narwhals")


class Table(Protocol):
    """What the design needs of a table."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def index(self) -> pd.Index | None:
        """Row labels, when the table has any."""

    def names(self) -> Iterable[str]:
        """Names of the columns."""

    def __contains__(self, name: str) -> bool: ...

    def column(self, name: str) -> Column:
        """The column of this name."""

    def row_names(self, positions: LongArray) -> Named:
        """What rows are called in messages."""

    def select(self, names: Iterable[str]) -> Any:
        """Some columns as they were given, in the order of the table; never a copy."""


class FileTable(NamedTuple):
    """A table that was read from a file, whose rows are called as they stand there.

    Attributes:
        table: Any table.
        naming: Names its rows.
    """

    table: Any
    naming: Naming


def as_table(data: Any) -> Table:
    """Wrap `data` without touching it.

    Raises:
        DataError: not a table, a lazy table, or a dict of columns of different lengths.
    """
    if isinstance(data, FileTable):
        return _NamedRows(as_table(data.table), data.naming)
    if isinstance(data, pd.DataFrame):
        return _PandasTable(data)
    if isinstance(data, Mapping):
        return _MappingTable(data)
    if isinstance(data, (str, bytes, os.PathLike)):
        raise DataError(
            f"data is {data!r:.80}; it must be a table. Read the file first, for example with "
            "pandas.read_csv."
        )
    try:
        frame = nw.from_native(data, eager_only=True)
    except TypeError:
        lazy = hasattr(data, "collect")
        remedy = "call .collect() on it first" if lazy else "pass a data frame or a dict of columns"
        if isinstance(data, (list, tuple)):
            remedy += "; pandas.DataFrame(data) makes one of a list of rows"
        raise DataError(
            f"data is {type(data).__module__}.{type(data).__name__}, which is not a table in "
            f"memory; {remedy}."
        ) from None
    return _NarwhalsTable(frame)


class _Names:
    """Positions of columns by the text that a formula can have for them.

    Labels that are not text are found by what they print as, `2020` or `1.5`, and those of several
    levels by their parts, joined: ``("dose", "mean")`` is `dose_mean`.
    """

    def __init__(self, labels: Iterable[Hashable]) -> None:
        self._positions: dict[str, list[int]] = {}
        for position, label in enumerate(labels):
            self._positions.setdefault(_column_text(label), []).append(position)

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __contains__(self, name: str) -> bool:
        return name in self._positions

    def position(self, name: str) -> int:
        """Where the column called `name` is.

        Raises:
            DataError: Several have that name.
        """
        found = self._positions[name]
        if len(found) > 1:
            raise DataError(f"The table has {len(found)} columns called '{name}'; rename one.")
        return found[0]


class _Labelled:
    """Rows are called by their labels, or counted where there are none."""

    index: pd.Index | None

    def row_names(self, positions: LongArray) -> Named:
        return by_label(positions, None if self.index is None else self.index.take(positions))


class _NamedRows:
    """A table whose rows have names from elsewhere."""

    def __init__(self, table: Table, naming: Naming) -> None:
        self._table = table
        self.row_names = naming
        self.n_rows, self.index = table.n_rows, table.index
        self.names, self.column, self.select = table.names, table.column, table.select

    def __contains__(self, name: str) -> bool:
        return name in self._table


class _PandasTable(_Labelled):
    def __init__(self, data: pd.DataFrame) -> None:
        self._data = data
        self.n_rows = len(data)
        self.index: pd.Index | None = data.index
        columns = data.columns
        # Where all names are text, pandas keeps what it needs to find one.
        text = isinstance(columns.dtype, pd.StringDtype) and columns.is_unique
        self._labels: pd.Index | _Names = columns if text else _Names(columns.tolist())
        # One name is asked for by every step of a design.
        self._known: dict[str, bool] = {}

    def names(self) -> Iterable[str]:
        return iter(self._labels)

    def __contains__(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = name in self._labels
        return known

    def column(self, name: str) -> Column:
        labels = self._labels
        position = labels.position(name) if isinstance(labels, _Names) else labels.get_loc(name)
        stored = _values(self._data, position)
        return of_stored(stored) or _read(
            name, lambda: _of_pandas(name, stored, self._data, position), self.row_names
        )

    def select(self, names: Iterable[str]) -> Any:
        labels = self._labels
        places = sorted(
            labels.position(name) if isinstance(labels, _Names) else int(labels.get_loc(name))
            for name in names
        )
        columns = {place: self._data.iloc[:, place] for place in places}
        chosen = pd.DataFrame(columns, self._data.index, copy=False)
        chosen.columns = self._data.columns[places]  # `set_axis` copies before pandas 3
        return chosen


class _Named(_Labelled):
    """Columns are found by the text of their labels."""

    _names: _Names

    def names(self) -> Iterable[str]:
        return iter(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names


class _MappingTable(_Named):
    def __init__(self, data: Mapping[Any, Any]) -> None:
        self._keys = list(data)
        self._columns = list(data.values())
        self._names = _Names(data)
        lengths = {_column_text(name): _length(name, values) for name, values in data.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"'{name}' {length}" for name, length in lengths.items())
            raise DataError(f"The columns have different lengths: {listed}.")
        self.n_rows = next(iter(lengths.values()), 0)
        self.index = _common_index(data)

    def column(self, name: str) -> Column:
        values = self._columns[self._names.position(name)]
        return _read(name, lambda: column_of_values(name, values), self.row_names)

    def select(self, names: Iterable[str]) -> Any:
        places = sorted(map(self._names.position, names))
        return {self._keys[place]: self._columns[place] for place in places}


class _NarwhalsTable(_Named):
    def __init__(self, frame: nw.DataFrame[Any]) -> None:
        self._frame = frame
        self._names = _Names(frame.columns)
        self.n_rows = len(frame)
        self.index: pd.Index | None = nw.maybe_get_index(frame)

    def column(self, name: str) -> Column:
        position = self._names.position(name)
        return _read(
            name, lambda: column_of_narwhals(name, self._frame[:, position]), self.row_names
        )

    def select(self, names: Iterable[str]) -> Any:
        places = sorted(map(self._names.position, names))
        return self._frame.select([self._frame.columns[place] for place in places]).to_native()


def _column_text(label: Hashable) -> str:
    if isinstance(label, str):
        return str(label)
    if isinstance(label, tuple):
        return "_".join(str(part) for part in label if part != "")
    return str(label)


def _common_index(data: Mapping[Any, Any]) -> pd.Index | None:
    """The row labels of the Series in a dict, if there are any.

    Raises:
        DataError: They differ, so it is not clear which values belong together.
    """
    index: pd.Index | None = None
    first: Any = None
    for name, values in data.items():
        if not isinstance(values, pd.Series):
            continue
        if index is None:
            index, first = values.index, name
        elif values.index is not index and not values.index.equals(index):
            raise DataError(
                f"The Series '{name}' and '{first}' have different row labels, so it is not clear "
                "which values belong together; use pandas.DataFrame(data), which aligns them, or "
                ".to_numpy()."
            )
    return index


def _length(name: Hashable, values: Any) -> int:
    sequence = hasattr(values, "__len__") and not isinstance(values, (str, bytes))
    if not sequence or has_no_order(values):
        raise DataError(f"Column '{name}' is {values!r:.80}; a column is a sequence of values.")
    if isinstance(values, np.ndarray) and values.ndim == 0:
        raise DataError(f"Column '{name}' has 0 dimensions; it must have one.")
    return len(values)


def _values(data: pd.DataFrame, position: int) -> Any:
    """The stored values of a column, or None; a Series costs ten times as much to make."""
    stored = getattr(data, "_get_column_array", None)
    return None if stored is None else stored(position)


def _of_pandas(name: str, stored: Any, data: pd.DataFrame, position: int) -> Column:
    if isinstance(stored, pd.Categorical):
        return column_of_categories(name, stored)
    return column_of_pandas(name, data.iloc[:, position])


def _read(name: str, read: Callable[[], Column], naming: Naming) -> Column:
    """A column, with whatever another library raises while it is read as an error of ours.

    Raises:
        DataError: The column cannot be read.
    """
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"The name of column {name!a} is not valid text; rename it.") from None
    try:
        return read()
    except TextAmongNumbers as error:
        raise DataError(error.at(naming)) from None
    except (MixedModelsError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  (each library has errors of its own)
        raise DataError(
            f"Column '{name}' cannot be read ({type(error).__name__}: {error!s:.200}); make it "
            "numeric or text."
        ) from None
