"""Columns of a table in the two forms of the design: numbers, and codes with levels.

How a foreign column becomes one of them is in `frame`; what is computed from them in `evaluate`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, BoolArray, LongArray
from mixedmodels.naming import first_few
from mixedmodels.values import quick

DIGITS = 15
"""Significant digits of a level that is not a whole number, as in R."""

DIGITS_SINGLE = 7
"""The same for numbers of single precision."""

_WHOLE = 2.0**64

# Numbers that are looked at one by one: sooner done than errors of arithmetic are silenced.
_FEW = 4096


@quick
@dataclass(frozen=True, slots=True, eq=False)
class NumericColumn:
    """Numbers or truth values.

    Attributes:
        values: (n,) of a float, integer or bool dtype; may be a view of the user's data.
        absent: (n,) True where the value is missing, or None; a NaN counts as missing anyway.
        identity: The values as levels where `values` has not all their digits (whole numbers of
            more than 64 bits, long decimals), or None.
    """

    values: AnyArray
    absent: BoolArray | None = None
    identity: CategoricalColumn | None = None

    def missing(self) -> BoolArray | None:
        """(n,) True where missing, or None when nothing is: one pass, no copy."""
        if self.values.dtype.kind != "f" or all_finite(self.values):
            return self.absent
        nan = np.isnan(self.values)
        if not nan.any():
            return self.absent
        return nan if self.absent is None else nan | self.absent

    def take(self, rows: LongArray) -> NumericColumn:
        """The column at `rows`, a copy."""
        absent = None if self.absent is None else self.absent[rows]
        identity = None if self.identity is None else self.identity.take(rows)
        return NumericColumn(self.values[rows], absent, identity)


@quick
@dataclass(frozen=True, slots=True, eq=False)
class CategoricalColumn:
    """Codes into levels.

    Attributes:
        codes: (n,) integers, -1 where missing; never a view of the user's data.
        levels: The levels in the user's order, unused ones included.
        ordered: Whether the user declared them ordered.
        declared: Whether the data say that they are categories, as the type of the column.
    """

    codes: AnyArray
    levels: pd.Index
    ordered: bool = False
    declared: bool = False

    def missing(self) -> BoolArray | None:
        """(n,) True where missing, or None when nothing is: one pass, no copy."""
        if self.codes.size == 0 or np.minimum.reduce(self.codes) >= 0:
            return None
        absent: BoolArray = self.codes < 0
        return absent

    def take(self, rows: LongArray) -> CategoricalColumn:
        """The column at `rows`, a copy."""
        return CategoricalColumn(self.codes[rows], self.levels, self.ordered, self.declared)

    def to_pandas(self) -> pd.Categorical:
        """The same as a pandas Categorical, for comparisons inside expressions."""
        return pd.Categorical.from_codes(self.codes, self.levels, self.ordered)


def all_finite(values: AnyArray) -> bool:
    """Whether floats (n,) are all finite: of many, their sum tells in one pass without a copy.

    Not a product: threads of a BLAS library that another thread of the program forks never return.
    """
    if values.size <= _FEW:
        return (
            b"\0" not in np.isfinite(values).tobytes()
        )  # no reduction, which takes five times as long
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.add.reduce(values)
    return math.isfinite(total) or bool(np.isfinite(values).all())


Column: TypeAlias = NumericColumn | CategoricalColumn


def level_label(level: Any) -> str:
    """A level as it is printed in names; two levels are the same when they print alike.

    0.2 is "0.2", 1.0 is "1", True is "TRUE" as in R, with 15 significant digits. Whole numbers keep
    all their digits, whatever their type. A time at midnight is its date.
    """
    if isinstance(level, str):
        return str(level)
    if isinstance(level, (bool, np.bool_)):
        return "TRUE" if level else "FALSE"
    if isinstance(level, (float, np.floating)):
        return _float_label(level)
    if isinstance(level, decimal.Decimal):
        return _decimal_label(level)
    if isinstance(level, (dt.datetime, np.datetime64)):
        return _time_label(pd.Timestamp(level))
    if isinstance(level, (dt.timedelta, np.timedelta64)):
        return str(pd.Timedelta(level))
    return str(level)


def level_labels(levels: pd.Index) -> list[str]:
    """`level_label` of each."""
    dtype = levels.dtype
    if isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow":
        return list(levels.array.__arrow_array__().to_pylist())  # a tenth of the time of tolist()
    values = levels.tolist()
    if dtype == np.float32:
        return [_float_label(np.float32(value)) for value in values]
    return [level if type(level) is str else level_label(level) for level in values]


def first_levels(levels: pd.Index, most: int) -> str:
    """The labels of the first `most` levels for a message, ``a, b, ...``."""
    return first_few(level_labels(levels[: most + 1]), most)


def _float_label(value: Any) -> str:
    if abs(value) < _WHOLE and value == int(value):
        return str(int(value))
    return f"{value:.{DIGITS_SINGLE if isinstance(value, np.float32) else DIGITS}g}"


def _decimal_label(value: decimal.Decimal) -> str:
    """A short one as the float that it is; a long one with all its digits, without an exponent."""
    if len(value.as_tuple().digits) <= DIGITS or not -20 < value.adjusted() < 60:
        return level_label(float(value))
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _time_label(time: pd.Timestamp) -> str:
    return str(time.date()) if time.tz is None and time == time.normalize() else str(time)
