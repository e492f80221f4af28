"""Any table to columns: pandas, whatever narwhals takes eagerly, or a dict.

Only the columns that are asked for are touched, and none is ever written to. Strings become
categorical with sorted levels; categories keep their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import narwhals as nw
import numpy as np
import pandas as pd

from mixedmodels.design.columns import CategoricalColumn, Column, NumericColumn
from mixedmodels.errors import DataError
from mixedmodels.typing import AnyArray

_NUMBER_KINDS = "fiub"


class Table(Protocol):
    """What the design asks of a table."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def index(self) -> pd.Index | None:
        """Row labels, when the table has any."""

    def names(self) -> Iterable[str]:
        """Column names."""

    def __contains__(self, name: str) -> bool: ...

    def column(self, name: str) -> Column:
        """One column."""


def as_table(data: Any) -> Table:
    """Wrap `data` without touching it.

    Raises:
        DataError: not a table, a lazy table, or a dict of columns of different lengths.
    """
    if isinstance(data, pd.DataFrame):
        return _PandasTable(data)
    if isinstance(data, Mapping):
        return _MappingTable(data)
    try:
        frame = nw.from_native(data, eager_only=True)
    except TypeError:
        lazy = hasattr(data, "collect")
        remedy = "call .collect() on it first" if lazy else "pass a data frame or a dict of columns"
        raise DataError(
            f"data is {type(data).__module__}.{type(data).__name__}, which is not an eager table; "
            f"{remedy}."
        ) from None
    return _NarwhalsTable(frame)


class _PandasTable:
    def __init__(self, data: pd.DataFrame) -> None:
        self._data = data
        # pandas keeps what it needs to find a name; a column of several levels is found by all.
        self._names: pd.Index = (
            data.columns if data.columns.nlevels == 1 else data.columns.to_flat_index()
        )
        self.n_rows = len(data)
        self.index: pd.Index | None = data.index

    def names(self) -> Iterable[str]:
        return (name for name in self._names.tolist() if isinstance(name, str))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def column(self, name: str) -> Column:
        position = self._names.get_loc(name)
        if not isinstance(position, int):
            alike = self._names.tolist().count(name)
            raise DataError(f"The table has {alike} columns called '{name}'; rename one.")
        return _of_array(_values(self._data, position)) or _from_pandas(
            name, self._data.iloc[:, position]
        )


class _MappingTable:
    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.index: pd.Index | None = None
        lengths = {name: _length(name, values) for name, values in data.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"'{name}' {length}" for name, length in lengths.items())
            raise DataError(f"The columns have different lengths: {listed}.")
        self.n_rows = next(iter(lengths.values()), 0)

    def names(self) -> Iterable[str]:
        return self._data.keys()

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def column(self, name: str) -> Column:
        values = self._data[name]
        if isinstance(values, np.ndarray) and values.ndim != 1:
            raise DataError(f"Column '{name}' has {values.ndim} dimensions; it must have one.")
        if isinstance(values, np.ndarray) and values.dtype.kind in _NUMBER_KINDS:
            return NumericColumn(values)
        if isinstance(values, (pd.Series, pd.Categorical, np.ndarray)):
            return _from_pandas(name, pd.Series(values))
        if nw.dependencies.is_into_series(values):
            return _from_narwhals(name, nw.from_native(values, series_only=True))
        return _from_pandas(name, pd.Series(list(values)))


class _NarwhalsTable:
    def __init__(self, frame: nw.DataFrame[Any]) -> None:
        self._frame = frame
        self._names = frozenset(frame.columns)
        self.n_rows = len(frame)
        self.index: pd.Index | None = nw.maybe_get_index(frame)

    def names(self) -> Iterable[str]:
        return self._frame.columns

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def column(self, name: str) -> Column:
        return _from_narwhals(name, self._frame[name])


def _length(name: str, values: Any) -> int:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise DataError(f"Column '{name}' is {values!r}; a column is a sequence of values.")
    return len(values)


def _values(data: pd.DataFrame, position: int) -> Any:
    """The stored values of a column, or None; a Series costs ten times as much to make."""
    stored = getattr(data, "_get_column_array", None)
    return None if stored is None else stored(position)


def _of_array(values: Any) -> Column | None:
    """Plain numbers and categories, which need no Series; None for all others."""
    if isinstance(values, np.ndarray) and values.dtype.kind in _NUMBER_KINDS:
        return NumericColumn(values)
    if isinstance(values, pd.Categorical):
        return CategoricalColumn(values.codes, values.categories, bool(values.ordered))
    return None


def _from_pandas(name: str, series: pd.Series) -> Column:
    dtype = series.dtype
    if isinstance(dtype, (np.dtype, pd.CategoricalDtype)):
        plain = _of_array(series.to_numpy() if isinstance(dtype, np.dtype) else series.array)
        if plain is not None:
            return plain
        if dtype.kind == "O":
            return _from_objects(name, series)
        if dtype.kind == "c":
            raise DataError(f"Column '{name}' has complex numbers; they cannot be modelled.")
        return _factorize(name, series)
    kind = getattr(dtype, "kind", "O")
    if kind in _NUMBER_KINDS:
        return _from_nullable(series, kind)
    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is not None and str(arrow).startswith("dictionary"):
        return _from_pandas(name, series.astype("category"))
    return _factorize(name, series)


def _from_nullable(series: pd.Series, kind: str) -> Column:
    """The masked and Arrow numbers of pandas: missing ones become 0 and are marked."""
    absent = series.isna().to_numpy()
    if not absent.any():
        plain = {"f": np.float64, "b": np.bool_}.get(kind)
        return NumericColumn(series.to_numpy(dtype=plain or getattr(np, kind + "nt64", np.int64)))
    if kind == "f":
        return NumericColumn(series.to_numpy(dtype=np.float64, na_value=np.nan))
    filled = series.fillna(False if kind == "b" else 0)
    return NumericColumn(filled.to_numpy(dtype=np.bool_ if kind == "b" else np.int64), absent)


def _from_objects(name: str, series: pd.Series) -> Column:
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind in ("string", "categorical", "date", "datetime", "datetime64", "empty"):
        return _factorize(name, series)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return NumericColumn(pd.to_numeric(series).to_numpy(dtype=np.float64, na_value=np.nan))
    if kind == "boolean":
        absent = series.isna().to_numpy()
        return NumericColumn((series == True).to_numpy(dtype=np.bool_), absent)  # noqa: E712
    examples = ", ".join(repr(value) for value in series.iloc[:3])
    raise DataError(
        f"Column '{name}' mixes kinds of values ({kind}: {examples}, ...); make it numeric or text."
    )


def _factorize(name: str, values: Any) -> CategoricalColumn:
    try:
        codes, levels = pd.factorize(values, sort=True)
    except TypeError as error:
        raise DataError(f"The values of column '{name}' cannot be sorted: {error}.") from None
    return CategoricalColumn(codes, pd.Index(levels))


def _from_narwhals(name: str, series: nw.Series[Any]) -> Column:
    dtype = series.dtype
    if dtype == nw.Decimal:
        series = series.cast(nw.Float64)
        dtype = series.dtype
    if dtype.is_numeric():
        return _numbers(series, series.to_numpy(), 0)
    if dtype == nw.Boolean:
        return _numbers(series, series.to_numpy(), False)
    native = series.to_native()
    if nw.dependencies.is_polars_series(native):
        return _from_polars(native)
    if nw.dependencies.is_pyarrow_chunked_array(native):
        return _from_pandas(name, native.to_pandas())
    return _from_pandas(name, series.to_pandas())


def _numbers(series: nw.Series[Any], values: AnyArray, fill: Any) -> NumericColumn:
    """Integers and truth values with nulls arrive as floats or objects: fill and mark instead."""
    if series.dtype in (nw.Float32, nw.Float64) or series.null_count() == 0:
        return NumericColumn(values)
    return NumericColumn(series.fill_null(fill).to_numpy(), series.is_null().to_numpy())


def _from_polars(series: Any) -> CategoricalColumn:
    """Text and Categorical by Polars' own sort order, Enum in its declared order."""
    polars = nw.dependencies.get_polars()
    if isinstance(series.dtype, polars.Enum):
        levels = series.dtype.categories
    else:
        distinct = series.unique().drop_nulls()
        levels = distinct.sort().cast(polars.String)
        if series.dtype not in (polars.String, polars.Categorical):
            series = series.cast(polars.String)
        series = series.cast(polars.Enum(levels))
    physical = series.to_physical().cast(polars.Int32).fill_null(-1)
    return CategoricalColumn(physical.to_numpy(), pd.Index(levels.to_list(), dtype=object))
