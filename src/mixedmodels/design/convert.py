"""One column of any kind of table to numbers, or codes with levels, by its type.

What a type means is the same in every table: numbers, decimals and truth values are numbers; text,
categories, times, durations, periods and intervals are levels; nested, binary and complex types
are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray
from mixedmodels.design.columns import CategoricalColumn, Column, NumericColumn, level_labels
from mixedmodels.design.levels import merge_alike
from mixedmodels.design.objects import (
    check_text,
    column_of_objects,
    factorize,
    refusal_of_bytes,
)
from mixedmodels.errors import DataError
from mixedmodels.lazy import late_module

if TYPE_CHECKING:
    import narwhals as nw
else:
    nw = late_module("narwhals")

_NUMBERS = "fiub"
_PLAIN = frozenset("fdbBhHiIlLqQ")
_EXACT = 2.0**53
_TEXT = ("string", "large_string", "string_view")


def column_of_values(name: str, values: Any) -> Column:
    """A sequence of values of any library: what a dict of columns holds.

    Raises:
        DataError: Values that cannot be modelled.
    """
    if has_no_order(values):
        raise DataError(
            f"Column '{name}' is a {type(values).__name__}, whose values belong to no rows; a "
            "column is a sequence of values."
        )
    if isinstance(values, np.ndarray):
        return column_of_array(name, values)
    if isinstance(values, (pd.Series, pd.Index)):
        return column_of_pandas(name, values)
    if isinstance(values, (pd.Categorical, pd.api.extensions.ExtensionArray)):
        return column_of_pandas(name, pd.Series(values, copy=False))
    pyarrow = nw.dependencies.get_pyarrow()
    if pyarrow is not None and isinstance(values, pyarrow.Array):
        values = pyarrow.chunked_array([values])
    if nw.dependencies.is_into_series(values):
        return column_of_narwhals(name, nw.from_native(values, series_only=True))
    listed = list(values)
    objects = np.empty(len(listed), dtype=object)
    objects[:] = listed
    return column_of_objects(name, objects)


def has_no_order(values: Any) -> bool:
    """Whether this is a dict or a set: its elements would be taken in an order of its own."""
    return isinstance(values, (Mapping, set, frozenset))


def column_of_array(name: str, values: AnyArray) -> Column:
    """A NumPy array (n,) of any type, masked or not.

    Raises:
        DataError: Values that cannot be modelled.
    """
    if values.ndim != 1:
        raise DataError(f"Column '{name}' has {values.ndim} dimensions; it must have one.")
    if isinstance(values, np.ma.MaskedArray):
        return _of_masked(name, values)
    kind = values.dtype.kind
    if kind in _NUMBERS:
        return NumericColumn(plain_numbers(values))
    if kind == "O":
        return column_of_objects(name, values)
    if kind in "UT":
        return column_of_objects(name, values.astype(object))
    if kind in "mM":
        return factorize(name, pd.Index(values))
    if kind == "S":
        raise DataError(refusal_of_bytes(name))
    raise DataError(refusal_of_type(name, values.dtype))


def plain_numbers(values: AnyArray) -> AnyArray:
    """Numbers in the bytes of this machine, truth values as 0 and 1; the array itself if so."""
    dtype = values.dtype
    if dtype.char == "?":
        # A view of foreign bytes may hold any; NumPy takes all but 0 for True, unless it counts.
        raw = values.view(np.uint8)
        return values if raw.size == 0 or raw.max() <= 1 else raw != 0
    if dtype.char == "g":
        with np.errstate(over="ignore"):
            return values.astype(np.float64)
    return values if dtype.isnative else values.astype(dtype.newbyteorder("="))


def refusal_of_type(name: str, dtype: Any) -> str:
    """Why a column of a type that has no meaning in a model is refused."""
    if getattr(dtype, "kind", "") == "c":
        return f"Column '{name}' has complex numbers; they cannot be modelled."
    return (
        f"Column '{name}' has type {dtype}, whose values cannot be modelled; make columns of "
        "numbers or text of it."
    )


def of_stored(values: Any) -> Column | None:
    """Plain numbers and categories, which need no Series; None for all others."""
    if isinstance(values, np.ndarray):
        if values.dtype.char in _PLAIN and values.dtype.isnative:
            return NumericColumn(values)
        if values.dtype.char == "?":
            return NumericColumn(plain_numbers(values))
    return None


def column_of_pandas(name: str, series: Any) -> Column:
    """A Series of any type.

    Raises:
        DataError: Values that cannot be modelled.
    """
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return column_of_array(name, series.to_numpy())
    if isinstance(dtype, pd.CategoricalDtype):
        return column_of_categories(name, series.array)
    if isinstance(dtype, pd.SparseDtype):
        return column_of_array(name, np.asarray(series.array))
    kind = dtype.kind
    arrow = getattr(dtype, "pyarrow_dtype", None)
    # What an extension type stores is not what it means: months may be stored as numbers.
    if arrow is not None and str(arrow).startswith(("dictionary", "extension")):
        return _of_arrow(name, series.array.__arrow_array__())
    if kind in _NUMBERS:
        return _of_nullable(series)
    ordered = isinstance(
        dtype, (pd.StringDtype, pd.DatetimeTZDtype, pd.PeriodDtype, pd.IntervalDtype)
    )
    if ordered or str(arrow) in _TEXT:
        return factorize(name, series)
    return _of_foreign_objects(name, series.to_numpy(dtype=object), dtype)


def column_of_categories(name: str, values: pd.Categorical) -> CategoricalColumn:
    """Categories in the user's order.

    Raises:
        DataError: Two categories print alike, or one is not valid text.
    """
    levels = values.categories
    # A copy: the codes may be the user's own, and the design must not follow them.
    codes = np.array(values.codes, dtype=np.int32)
    if levels.dtype.kind == "f":
        if not isinstance(levels.dtype, np.dtype):
            levels = levels.astype(np.float64)
        return merge_alike(CategoricalColumn(codes, levels, bool(values.ordered), True))
    if levels.dtype == object:
        check_text(name, levels)
        _check_distinct(name, levels)
    return CategoricalColumn(codes, levels, bool(values.ordered), True)


def column_of_narwhals(name: str, series: nw.Series[Any]) -> Column:
    """A column of Polars, PyArrow or another library that narwhals takes.

    Raises:
        DataError: Values that cannot be modelled.
    """
    dtype = series.dtype
    native = series.to_native()
    if isinstance(native, pd.Series):
        return column_of_pandas(name, native)
    if len(series) and series.null_count() == len(series):
        return CategoricalColumn(np.full(len(series), -1, dtype=np.int32), pd.Index([]))
    if dtype in (nw.Decimal, nw.Int128, nw.UInt128):
        return _of_long_numbers(name, series)
    if dtype.is_numeric() or dtype == nw.Boolean:
        return _of_numbers(series)
    if nw.dependencies.is_polars_series(native):
        return _of_polars(name, series, native)
    if nw.dependencies.is_pyarrow_chunked_array(native):
        return _of_arrow(name, native)
    return column_of_pandas(name, series.to_pandas())


def _of_masked(name: str, values: Any) -> Column:
    """NumPy's masked arrays: what is masked is missing."""
    hidden = np.ma.getmaskarray(values)
    data = np.asarray(values.data)
    if not hidden.any():
        return column_of_array(name, data)
    if data.dtype.kind in _NUMBERS:
        return NumericColumn(plain_numbers(data), hidden.astype(np.bool_))
    objects = data.astype(object)
    objects[hidden] = None
    return column_of_objects(name, objects)


def _of_nullable(series: Any) -> Column:
    """The masked and Arrow numbers of pandas: missing ones become 0 and are marked."""
    dtype = np.dtype(series.dtype.numpy_dtype)
    if dtype.kind == "f":
        return NumericColumn(plain_numbers(series.to_numpy(dtype=dtype, na_value=np.nan)))
    absent = np.asarray(series.isna())
    if not absent.any():
        return NumericColumn(plain_numbers(series.to_numpy(dtype=dtype)))
    return NumericColumn(
        plain_numbers(series.to_numpy(dtype=dtype, na_value=dtype.type(0))), absent
    )


def _of_foreign_objects(name: str, values: AnyArray, dtype: Any) -> Column:
    """Values of a type that is known by what it gives: times, decimals; all others are refused."""
    try:
        return column_of_objects(name, values)
    except DataError as error:
        if "bytes" in str(error) or "valid text" in str(error):
            raise
        raise DataError(refusal_of_type(name, dtype)) from None


def _check_distinct(name: str, levels: pd.Index) -> None:
    labels = level_labels(levels)
    if len(set(labels)) < len(labels):
        twice, _ = Counter(labels).most_common(1)[0]
        raise DataError(
            f"Column '{name}' has several categories that print as '{twice}'; rename them."
        )


def _of_numbers(series: nw.Series[Any]) -> NumericColumn:
    """Integers and truth values with nulls would become floats or objects: fill and mark them."""
    if series.dtype.is_float() or series.null_count() == 0:
        return NumericColumn(plain_numbers(series.to_numpy()))
    filled = series.fill_null(False if series.dtype == nw.Boolean else 0)
    return NumericColumn(plain_numbers(filled.to_numpy()), series.is_null().to_numpy())


def _of_long_numbers(name: str, series: nw.Series[Any]) -> Column:
    """Decimals and integers of 128 bits: as float64 where that holds all digits."""
    values = series.cast(nw.Float64).to_numpy()
    present = values[~np.isnan(values)]
    if (np.abs(present) < _EXACT).all() and (present == np.rint(present)).all():
        return NumericColumn(values)
    listed = series.to_list()
    objects = np.empty(len(listed), dtype=object)
    objects[:] = listed
    return column_of_objects(name, objects)


def _of_polars(name: str, series: nw.Series[Any], native: Any) -> Column:
    dtype = series.dtype
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return _of_polars_text(native)
    if dtype in (nw.Date, nw.Duration):
        return factorize(name, pd.Index(native.to_numpy()))
    if dtype == nw.Datetime:
        times = pd.DatetimeIndex(native.dt.replace_time_zone(None).to_numpy())
        if native.dtype.time_zone is not None:
            instants = pd.DatetimeIndex(native.dt.convert_time_zone("UTC").to_numpy())
            times = instants.tz_localize("UTC").tz_convert(native.dtype.time_zone)
        return factorize(name, times)
    if dtype in (nw.Time, nw.Object):
        return column_of_values(name, native.to_list())
    if dtype == nw.Binary:
        raise DataError(refusal_of_bytes(name))
    raise DataError(refusal_of_type(name, native.dtype))


def _of_polars_text(series: Any) -> CategoricalColumn:
    """Text and Categorical by Polars' own sort order, Enum in its declared order."""
    polars = nw.dependencies.get_polars()
    declared = series.dtype != polars.String
    ordered = isinstance(series.dtype, polars.Enum)
    if ordered:
        levels = series.dtype.categories
    else:
        levels = series.unique().drop_nulls().sort().cast(polars.String)
        if series.dtype not in (polars.String, polars.Categorical):
            series = series.cast(polars.String)
        series = series.cast(polars.Enum(levels))
    physical = series.to_physical().cast(polars.Int32).fill_null(-1)
    codes = np.array(physical.to_numpy(), dtype=np.int32)
    return CategoricalColumn(codes, pd.Index(levels.to_list(), dtype=object), ordered, declared)


def _of_arrow(name: str, native: Any) -> Column:
    kind = str(native.type)
    if kind.startswith("dictionary"):
        try:
            return column_of_pandas(name, _by_signed_codes(native).to_pandas())
        except ValueError:  # the dictionary repeats a value, or has a missing one
            return column_of_arrow_values(name, native.cast(native.type.value_type))
    return column_of_arrow_values(name, native)


def _by_signed_codes(native: Any) -> Any:
    """A dictionary whose codes pandas takes: of unsigned ones PyArrow makes no categories."""
    pa, kind = nw.dependencies.get_pyarrow(), native.type
    if not pa.types.is_unsigned_integer(kind.index_type):
        return native
    chunks = native.chunks if isinstance(native, pa.ChunkedArray) else [native]
    signed = [
        pa.DictionaryArray.from_arrays(
            chunk.indices.cast(pa.int64()), chunk.dictionary, ordered=kind.ordered
        )
        for chunk in chunks
    ]
    return pa.chunked_array(signed, pa.dictionary(pa.int64(), kind.value_type, kind.ordered))


def column_of_arrow_values(name: str, native: Any) -> Column:
    """An Arrow column that is neither numbers nor a dictionary."""
    kind = str(native.type)
    if kind in ("binary", "large_binary", "binary_view") or kind.startswith("fixed_size_binary"):
        raise DataError(refusal_of_bytes(name))
    try:
        series = native.to_pandas()
    except (TypeError, ValueError, NotImplementedError):  # pandas has no such type
        raise DataError(refusal_of_type(name, native.type)) from None
    if series.dtype == object and kind not in _TEXT:
        return _of_foreign_objects(name, series.to_numpy(), native.type)
    return column_of_pandas(name, series)
