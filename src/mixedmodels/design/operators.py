"""What operators do to the values of a formula: R's arithmetic, comparison and logic.

Numbers are computed as float64, truth values count as 0 and 1, and a missing value stays missing:
it is NaN among numbers; truth values of which some are missing are a categorical column of FALSE
and TRUE. Names and functions are resolved in `binding`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, BoolArray
from mixedmodels.design.codes import TRUTH_LEVELS, match_levels
from mixedmodels.design.columns import CategoricalColumn, NumericColumn, level_label, level_labels
from mixedmodels.design.functions import Basis, CodedColumn
from mixedmodels.formula.limits import MAX_SEQUENCE

_EXACT = 2.0**53
_Truth: TypeAlias = "tuple[BoolArray, BoolArray | None]"


class Unsuitable(ValueError):
    """A value that an operator cannot work with; the message follows the operand's name."""


def as_numbers(value: Any) -> Any:
    """A float64 array, or a Python number, for arithmetic.

    Raises:
        Unsuitable: text, a list, a categorical column, or nothing at all.
    """
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and 0 < value.ndim <= 2:
        return value
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return _scalar(value)
    if isinstance(value, NumericColumn):
        numbers = value.values.astype(np.float64)
        return numbers if value.absent is None else np.where(value.absent, np.nan, numbers)
    if _is_truth(value):
        codes: AnyArray = value.codes
        return np.where(codes < 0, np.nan, codes)
    if as_categorical(value) is not None:
        raise Unsuitable("is categorical, not numeric")
    value = _plain(value)
    if isinstance(value, (str, list, tuple, dict)) or value is None:
        raise Unsuitable("is not numeric")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.ndim > 2:
        raise Unsuitable("is not numeric")
    return array.astype(np.float64) if array.ndim else _scalar(array[()])


def as_truth(value: Any) -> Any:
    """Truth values for logic; a number is true unless it is 0.

    Raises:
        Unsuitable: as `as_numbers`.
    """
    known = isinstance(value, np.ndarray) and value.dtype.kind == "b"
    return value if known or _is_truth(value) else _truth(*_truth_of(value))


def truth_as_numbers(value: Any) -> Any:
    """Truth values as 0 and 1, any other value as it is."""
    known = isinstance(value, np.ndarray) and value.dtype.kind == "b"
    return as_numbers(value) if known or _is_truth(value) else value


def as_categorical(value: Any) -> CategoricalColumn | None:
    """The codes and levels of a categorical value, None for any other and for truth values."""
    if isinstance(value, CodedColumn):
        return value.column
    if isinstance(value, pd.Categorical):
        value = CategoricalColumn(value.codes, value.categories, bool(value.ordered))
    return value if isinstance(value, CategoricalColumn) and not _is_truth(value) else None


def truth_column(values: AnyArray, absent: AnyArray) -> CategoricalColumn:
    """Truth values (n,) of which some are missing."""
    return CategoricalColumn(np.where(absent, -1, values).astype(np.int8), TRUTH_LEVELS)


def arithmetic(sign: str, left: Any, right: Any) -> Any:
    """``+ - * / ^ %% %/%`` of two numbers or arrays of numbers."""
    compute = _ARITHMETIC[sign]
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return compute(*_aligned(left, right))
    result = float(compute(np.float64(left), np.float64(right)))
    exact = isinstance(left, int) and isinstance(right, int) and abs(result) < _EXACT
    return int(result) if exact and result.is_integer() else result


def compare(sign: str, left: Any, right: Any) -> Any:
    """``== != < > <= >=``: truth values, missing where one side is.

    Raises:
        Unsuitable: the two sides cannot be compared.
    """
    first, second = as_categorical(left), as_categorical(right)
    if first is not None or second is not None:
        if first is None:
            return compare(_MIRRORED[sign], right, left)
        return _compare_levels(sign, first, right if second is None else second)
    if isinstance(left, str) and isinstance(right, str):
        return _COMPARISONS[sign](left, right)
    if isinstance(left, str) or isinstance(right, str):
        raise Unsuitable("cannot be compared: one side is text, the other is not categorical")
    left, right = _aligned(as_numbers(left), as_numbers(right))
    absent = np.isnan(left) | np.isnan(right)
    return _truth(_COMPARISONS[sign](left, right), absent)


def negate(value: Any) -> Any:
    """``!x``; a missing value stays missing."""
    values, absent = _truth_of(value)
    return _truth(~values, absent)


def combine(sign: str, left: Any, right: Any) -> Any:
    """``&`` and ``|`` with R's logic: FALSE & NA is FALSE, TRUE | NA is TRUE, else NA is NA."""
    (left, left_absent), (right, right_absent) = _truth_of(left), _truth_of(right)
    result = left & right if sign == "&" else left | right
    if left_absent is None and right_absent is None:
        return _truth(result, None)
    known = np.zeros(1, dtype=np.bool_)
    left_absent = known if left_absent is None else left_absent
    right_absent = known if right_absent is None else right_absent
    settles = sign == "|"
    settled = (~left_absent & (left == settles)) | (~right_absent & (right == settles))
    return _truth(np.where(settled, settles, result), (left_absent | right_absent) & ~settled)


def contains(value: Any, items: Any) -> Any:
    """``x %in% c(...)``: whether each value is one of the constants; a missing one is not.

    Raises:
        Unsuitable: numbers are looked for among texts.
    """
    column = as_categorical(value)
    wanted = [items] if isinstance(items, (str, int, float)) else list(_plain(items))
    if column is not None:
        labels = {level_label(item) for item in wanted}
        known = np.array([label in labels for label in level_labels(column.levels)] + [False])
        return known[column.codes]
    if isinstance(value, str):
        return value in wanted
    if any(isinstance(item, str) for item in wanted):
        raise Unsuitable("is numeric, but is looked for among texts")
    found = np.isin(as_numbers(value), np.array(wanted, dtype=np.float64))
    return found if found.ndim else bool(found)


def sequence(first: Any, last: Any) -> list[float]:
    """R's ``1:3``.

    Raises:
        Unsuitable: not two numbers, or too many numbers between them.
    """
    numbers = isinstance(first, (int, float)) and isinstance(last, (int, float))
    if not numbers or not np.isfinite([first, last]).all():
        raise Unsuitable("does not stand between two numbers; for an interaction leave the call")
    count = int(abs(last - first) + 1e-10) + 1
    if count > MAX_SEQUENCE:
        raise Unsuitable(f"makes {count:,} numbers; the limit is {MAX_SEQUENCE:,}")
    step = 1 if last >= first else -1
    return [first + step * position for position in range(count)]


def _scalar(value: Any) -> int | float:
    return float(value) if isinstance(value, (float, np.floating)) else int(value)


def _plain(value: Any) -> Any:
    """A transform's result without what it says about itself."""
    value = value.columns if isinstance(value, Basis) else value
    if isinstance(value, dict) and value:
        return np.column_stack([np.asarray(column) for column in value.values()])
    return value


def _aligned(left: Any, right: Any) -> tuple[Any, Any]:
    """A matrix of n rows beside a column of n values: the column counts for each of its columns."""
    if np.ndim(left) == 2 and np.ndim(right) == 1:
        return left, right[:, None]
    if np.ndim(left) == 1 and np.ndim(right) == 2:
        return left[:, None], right
    return left, right


def _is_truth(value: Any) -> bool:
    """Whether a value is a categorical column of FALSE and TRUE, as those with missing ones are."""
    return isinstance(value, CategoricalColumn) and value.levels is TRUTH_LEVELS


def _truth(values: Any, absent: Any) -> Any:
    if absent is None or not np.any(absent):
        return values if np.ndim(values) else bool(values)
    if np.ndim(values) > 1:
        raise Unsuitable("has several columns with missing values")
    return truth_column(values, absent) if np.ndim(values) else np.nan


def _truth_of(value: Any) -> _Truth:
    """Truth values and which are missing; a number is true unless it is 0."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        return value, None
    numbers = np.asarray(as_numbers(value))
    absent = np.isnan(numbers) if numbers.dtype.kind == "f" else None
    return numbers != 0, absent if absent is not None and absent.any() else None


def _compare_levels(sign: str, left: CategoricalColumn, right: Any) -> Any:
    """Levels are equal if their labels are; an order they have only if it is declared."""
    if isinstance(right, CategoricalColumn):
        other: Any = match_levels(right, left.levels)
        absent = (left.codes < 0) | (right.codes < 0)
        known = other >= 0
        if sign not in ("==", "!=") and not (known | absent).all():
            raise Unsuitable("has other levels than what it is compared with")
    elif isinstance(right, float) and np.isnan(right):
        other, absent = -1, np.ones(len(left.codes), dtype=np.bool_)
    elif np.ndim(right) or right is None:
        raise Unsuitable("is categorical; it is compared with numbers, not with its levels")
    else:
        labels = level_labels(left.levels)
        label = level_label(right)
        other = labels.index(label) if label in labels else -1
        absent = left.codes < 0
        if sign not in ("==", "!=") and other < 0:
            raise Unsuitable(f"has no level '{label}'")
    if sign not in ("==", "!=") and not left.ordered:
        raise Unsuitable("is categorical without an order; compare it with == or !=")
    return _truth(_COMPARISONS[sign](left.codes, other), absent)


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "**": operator.pow,
    "%%": np.mod,
    "%": np.mod,
    "%/%": np.floor_divide,
    "//": np.floor_divide,
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
