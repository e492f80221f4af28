"""Arguments of functions to the kinds they need: numbers, categories, constants.

Every function reads its arguments here, so that truth values and short number types are computed
in double precision everywhere, and the wrong kind is refused in the same words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.codes import TRUTH_LEVELS, categorize
from mixedmodels.design.columns import CategoricalColumn, NumericColumn, first_levels
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.values import quick

_SHOWN = 3
_REMEDY = (
    "Write as.numeric(as.character(f)) for numbers that are written in its labels, or the factor "
    "by itself for its effect."
)


@dataclass(frozen=True, slots=True, eq=False)
class CodedColumn:
    """What ``C(x, contrast)`` and ``factor(x)`` give: a categorical column and its contrast.

    Attributes:
        column: Codes and levels.
        contrast: The contrast asked for inside the formula, or None.
        compact: Whether levels that do not occur in training do not count, as in R's ``factor(x)``.
    """

    column: CategoricalColumn
    contrast: Any = None
    compact: bool = False


class TextColumn(CategoricalColumn):
    """What ``as.character(x)`` gives: text, whose levels are the distinct texts in order."""

    __slots__ = ()


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Columns with names of their own; an array for all computations.

    Attributes:
        columns: (n, k) numbers.
        names: What follows the name of the factor in the names of its columns.
        spans: Whether the columns add up to a constant.
    """

    columns: FloatArray
    names: tuple[str, ...]
    spans: bool

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """The columns, for NumPy, which asks for `copy` from 2.0 on."""
        if copy is None:
            return np.asarray(self.columns, dtype=dtype)
        return np.array(self.columns, dtype=dtype, copy=copy)


class NotNumeric(FormulaError):
    """An argument that should be numbers and is not; the message follows the function's name."""


def numbers(value: Any) -> FloatArray:
    """The argument as float64: (n,), (n, k), or without dimensions for a constant.

    Raises:
        NotNumeric: it is text, categorical, a list, or has dates.
    """
    array = value.columns if isinstance(value, Basis) else value
    if isinstance(array, NumericColumn):
        plain = array.values
        array = plain if array.absent is None else np.where(array.absent, np.nan, plain)
    elif isinstance(array, (CategoricalColumn, pd.Categorical, CodedColumn)):
        array = _truth(array)
    elif array is None or isinstance(array, (str, tuple, list, dict)):
        raise NotNumeric(f"needs numbers, not {describe(array)}.")
    try:
        found = np.asarray(array)
        if found.dtype.kind in "fiub" and found.ndim <= 2:
            return found.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        pass
    raise NotNumeric(f"needs numbers, not {describe(array)}.")


def one_column(value: Any) -> FloatArray:
    """The argument as (n,) float64.

    Raises:
        FormulaError: not numbers, a constant, or several columns.
    """
    array = numbers(value)
    if array.ndim == 0:
        raise FormulaError(f"needs a column of the data, not the constant {float(array):g}.")
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 2:
        raise FormulaError(f"needs one column, not the {array.shape[1]} that it is given.")
    return array


def categories(value: Any) -> CategoricalColumn:
    """The argument as codes into levels; numbers and truth values get sorted levels.

    Raises:
        FormulaError: a constant, a list or several columns.
    """
    if isinstance(value, CodedColumn):
        return value.column
    if isinstance(value, CategoricalColumn):
        return value
    if isinstance(value, pd.Categorical):
        return CategoricalColumn(value.codes, value.categories, bool(value.ordered))
    if isinstance(value, NumericColumn):
        return categorize(value)
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind == "b":
        return categorize(NumericColumn(value))
    if value is None or isinstance(value, (str, tuple, list)):
        raise FormulaError(f"needs a column of the data, not {describe(value)}.")
    return categorize(NumericColumn(one_column(value)))


def occurring(column: CategoricalColumn) -> CategoricalColumn:
    """The column with only the levels that occur; missing values stay missing."""
    n_levels = len(column.levels)
    occurs = np.zeros(n_levels + 1, dtype=np.bool_)
    # Code -1, a missing value, marks the place behind the last level.
    occurs[column.codes] = True
    if occurs[:n_levels].all():
        return column
    kept = np.flatnonzero(occurs[:n_levels])
    position = np.full(n_levels + 1, -1, dtype=np.int32)
    position[kept] = np.arange(len(kept), dtype=np.int32)
    return CategoricalColumn(position[column.codes], column.levels.take(kept), column.ordered)


def is_categorical(value: Any) -> bool:
    """Whether the argument is categories or text, truth values aside."""
    if isinstance(value, CodedColumn):
        return True
    if isinstance(value, CategoricalColumn):
        return not _is_truth(value.levels)
    return isinstance(value, pd.Categorical) and not _is_truth(value.categories)


def constant(value: Any, name: str) -> float:
    """An argument that is one number.

    Raises:
        FormulaError: anything else.
    """
    if isinstance(value, (bool, int, float, np.bool_, np.number)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    if isinstance(value, (tuple, list)) and len(value) == 1:
        return constant(value[0], name)
    raise FormulaError(f"needs one number as '{name}', not {describe(value)}.")


def count(value: Any, name: str, least: int, most: int) -> int:
    """An argument that is a whole number from `least` to `most`.

    Raises:
        FormulaError: not a whole number, or one outside the limits.
    """
    if isinstance(value, int) and not least <= value <= most:
        shown = str(value) if abs(value) < 10**15 else "one of more than 15 digits"
        raise FormulaError(f"takes {least} to {most} as '{name}', not {shown}.")
    number = constant(value, name)
    if number != math.floor(number) or not least <= number <= most:
        raise FormulaError(
            f"takes a whole number from {least} to {most} as '{name}', not {number:g}."
        )
    return int(number)


def flag(value: Any, name: str) -> bool:
    """An argument that is TRUE or FALSE.

    Raises:
        FormulaError: anything else.
    """
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, float)) and value in (0, 1)):
        return bool(value)
    raise FormulaError(f"takes TRUE or FALSE as '{name}', not {describe(value)}.")


def listed(value: Any, name: str, most: int) -> list[Any]:
    """An argument that is a constant or a list of constants: ``c(1, 2)`` or ``[1, 2]``.

    Raises:
        FormulaError: a column, or more than `most` values.
    """
    if isinstance(value, (bool, int, float, str, np.bool_, np.number)):
        return [value]
    if not isinstance(value, (tuple, list)):
        raise FormulaError(f"needs constants as '{name}', such as c(1, 2), not {describe(value)}.")
    if len(value) > most:
        raise FormulaError(f"takes at most {most} values as '{name}', not {len(value)}.")
    if not all(isinstance(v, (bool, int, float, str, np.bool_, np.number)) for v in value):
        raise FormulaError(f"needs constants as '{name}', such as c(1, 2).")
    return list(value)


def listed_numbers(value: Any, name: str, most: int) -> FloatArray:
    """An argument that is a number or a list of numbers, as (k,) float64.

    Raises:
        FormulaError: anything else, or more than `most` values.
    """
    values = [constant(item, name) for item in listed(value, name, most)]
    return np.array(values, dtype=np.float64)


def learnt_range(values: FloatArray) -> tuple[float, float]:
    """Smallest and largest value of (n,) that a stateful function learns from; NaN is left out.

    Raises:
        DataError: a value is infinite, or there is none.
    """
    low = np.fmin.reduce(values, axis=None, initial=np.inf)
    high = np.fmax.reduce(values, axis=None, initial=-np.inf)
    if low > high:
        raise DataError("has no value to learn from: all are missing.")
    for edge in (low, high):
        if np.isinf(edge):
            count = int(np.isinf(values).sum())
            raise DataError(
                f"cannot learn from a value that is {edge} ({count} of {values.size} values are "
                "infinite); drop their rows, or change what is computed inside."
            )
    return float(low), float(high)


def basis(columns: FloatArray, *, spans: bool = False, names: Sequence[str] | None = None) -> Any:
    """Columns (n, k) as the value of a function; a single one is (n,), as R names it."""
    if columns.shape[1] == 1 and not spans:
        return columns[:, 0]
    suffixes = tuple(names) if names else tuple(map(str, range(1, columns.shape[1] + 1)))
    return Basis(columns, suffixes, spans)


def describe(value: Any) -> str:
    """What an argument is, for messages: ``"categories (a, b, c, ...)"``."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f"the text '{value[:40]}'"
    if isinstance(value, (tuple, list, dict)):
        return f"a list of {len(value)} values"
    if isinstance(value, CodedColumn):
        value = value.column
    if isinstance(value, pd.Categorical):
        value = CategoricalColumn(value.codes, value.categories)
    if isinstance(value, CategoricalColumn):
        return _describe_levels(value.levels)
    if isinstance(value, (bool, int, float, np.number)):
        return f"{value!r:.40}"
    array: AnyArray = np.asarray(value.values if isinstance(value, NumericColumn) else value)
    return "a column" if array.ndim == 1 else f"{array.dtype} values in {array.ndim} dimensions"


def _describe_levels(levels: pd.Index) -> str:
    if levels.dtype.kind in "mM":
        return "dates or times (make a number of them, say, days since the first)"
    return f"categories ({first_levels(levels, _SHOWN)})"


def _is_truth(levels: pd.Index) -> bool:
    return levels is TRUTH_LEVELS or (len(levels) > 0 and levels.dtype.kind == "b")


def _truth(value: CategoricalColumn | pd.Categorical | CodedColumn) -> FloatArray:
    """Categories FALSE and TRUE as 0 and 1; -1 is NaN."""
    if isinstance(value, CodedColumn):
        raise NotNumeric(f"needs numbers, not a factor of {describe(value)}. {_REMEDY}")
    levels = value.levels if isinstance(value, CategoricalColumn) else value.categories
    if not _is_truth(levels):
        remedy = "" if levels.dtype.kind in "mM" else f" {_REMEDY}"
        raise NotNumeric(f"needs numbers, not {describe(value)}.{remedy}")
    return np.append(levels.to_numpy(dtype=np.float64), np.nan)[value.codes]
