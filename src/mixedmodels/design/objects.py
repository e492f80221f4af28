"""Python objects to columns: text, times and categories become levels, numbers keep every digit.

A number beyond the digits of a float keeps an identity beside its value, so that identifiers never
merge.
"""

from __future__ import annotations

import decimal
import math
import numbers
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, BoolArray, LongArray
from mixedmodels.design.columns import (
    DIGITS,
    CategoricalColumn,
    Column,
    NumericColumn,
    level_label,
)
from mixedmodels.design.places import Naming, by_label, first_rows
from mixedmodels.errors import DataError

_LEVELS = frozenset(
    {"string", "date", "datetime", "datetime64", "time", "timedelta", "timedelta64"}
    | {"period", "interval", "empty"}
)
_EXACT = 2**53
# Largest exponent of a decimal that is expanded into digits.
_LONGEST = 60
# Texts that a message shows.
_SHOWN = 5


class TextAmongNumbers(DataError):
    """A column of numbers with a few texts; the table that it is of says which rows these are in.

    Attributes:
        name: Of the column.
        which: Positions of the texts.
        texts: The first of them, as code.
    """

    def __init__(self, name: str, values: AnyArray, which: LongArray) -> None:
        self.name = name
        self.which = which
        self.texts = [f"{value!r:.40}" for value in values[which[:_SHOWN]]]
        super().__init__(self.at(lambda first: by_label(first, None)))

    def at(self, naming: Naming) -> str:
        """The message, with the rows as `naming` calls them."""
        return (
            f"Column '{self.name}' mixes kinds of values, numbers and {len(self.which)} of another"
            f": {first_rows(self.which, naming, self.texts)}. Correct them, make them missing "
            "(pandas.to_numeric with errors='coerce'), or make the column text."
        )


def column_of_objects(name: str, values: AnyArray) -> Column:
    """An array (n,) of Python objects.

    Raises:
        DataError: They are not numbers, truth values, text or times, or mix these.
    """
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in _LEVELS:
        return factorize(name, values)
    absent = np.asarray(pd.isna(values), dtype=np.bool_)
    if absent.ndim == 1 and kind not in ("bytes", "complex"):
        present = values[~absent]
        if kind == "boolean":
            return NumericColumn(_filled(absent, present, np.bool_), absent)
        if kind == "floating":
            return NumericColumn(_floats(absent, present))
        if all(map(_is_number, present)):
            return _numbers(absent, present)
    if kind == "bytes":
        raise DataError(refusal_of_bytes(name))
    if kind == "complex":
        raise DataError(f"Column '{name}' has complex numbers; they cannot be modelled.")
    text = np.fromiter((isinstance(value, str) for value in values), np.bool_, len(values))
    few = 0 < 2 * int(text.sum()) < len(values)
    if few and absent.ndim == 1 and all(map(_is_number, values[~(absent | text)])):
        raise TextAmongNumbers(name, values, np.flatnonzero(text))
    examples = ", ".join(f"{value!r:.40}" for value in values[:3])
    raise DataError(
        f"Column '{name}' mixes kinds of values ({kind}: {examples}, ...); make it numeric or text."
    )


def factorize(name: str, values: Any) -> CategoricalColumn:
    """Text, times or other objects that have an order: sorted levels.

    Raises:
        DataError: They cannot be sorted, or a text is not valid.
    """
    try:
        codes, levels = pd.factorize(values, sort=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"The values of column '{name}' cannot be sorted: {error}.") from None
    found = np.asarray(levels, dtype=object) if _is_plain(levels) else levels
    check_text(name, found)
    return CategoricalColumn(codes.astype(np.int32), pd.Index(found))


def check_text(name: str, levels: Any) -> None:
    """Refuse text that no encoding can write, among levels of any kind.

    Raises:
        DataError: A level has half of a character (a lone surrogate).
    """
    for level in levels:
        if isinstance(level, str) and not level.isascii():
            try:
                level.encode()
            except UnicodeEncodeError:
                raise DataError(
                    f"Column '{name}' has the value {level!a}, which is not valid text (a lone "
                    "surrogate); read the data with the encoding it was written in."
                ) from None


def refusal_of_bytes(name: str) -> str:
    """Why a column of bytes is refused, and what to do."""
    return (
        f"Column '{name}' holds bytes, not text; decode them first (say, with "
        ".str.decode('utf-8') of pandas)."
    )


def _is_plain(levels: Any) -> bool:
    """Whether levels are in an array of pandas that is text or a foreign type."""
    dtype = levels.dtype
    return not isinstance(dtype, np.dtype) and dtype.kind == "O" and dtype.name != "interval"


def _is_number(value: Any) -> bool:
    return isinstance(value, (numbers.Real, decimal.Decimal)) and not isinstance(value, bool)


def _numbers(absent: BoolArray, present: AnyArray) -> NumericColumn:
    whole = [_whole(value) for value in present]
    if None not in whole:
        return _integers(absent, np.fromiter(whole, dtype=object, count=len(whole)))
    long = any(map(_is_long, present))
    identity = _identity(absent, present) if long else None
    return NumericColumn(_floats(absent, present), None, identity)


def _whole(value: Any) -> int | None:
    """The number as an integer, or None where it is not one."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, decimal.Decimal) and not (
        value.is_finite() and value.adjusted() < _LONGEST
    ):
        return None
    if not math.isfinite(value):
        return None
    integer = int(value)
    return integer if integer == value else None


def _integers(absent: BoolArray, present: AnyArray) -> NumericColumn:
    """Whole numbers as the narrower of int64 and uint64; wider ones with their identity."""
    low, high = (min(present), max(present)) if len(present) else (0, 0)
    marked = absent if absent.any() else None
    if low >= -(2**63) and high < 2**63:
        return NumericColumn(_filled(absent, present, np.int64), marked)
    if low >= 0 and high < 2**64:
        return NumericColumn(_filled(absent, present, np.uint64), marked)
    return NumericColumn(_floats(absent, present), None, _identity(absent, present))


def _is_long(value: Any) -> bool:
    """Whether a float might lose digits of the number."""
    if isinstance(value, decimal.Decimal):
        return len(value.as_tuple().digits) > DIGITS
    return isinstance(value, numbers.Integral) and abs(int(value)) > _EXACT


def _identity(absent: BoolArray, present: AnyArray) -> CategoricalColumn:
    """Levels by what the numbers print as, in the order of their values."""
    labels = np.array([level_label(value) for value in present], dtype=object)
    found, first = pd.factorize(labels)
    example = present[np.unique(found, return_index=True)[1]]
    order = sorted(range(len(first)), key=lambda position: example[position])
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    codes = np.full(len(absent), -1, dtype=np.int32)
    codes[~absent] = rank[found]
    whole = all(isinstance(value, int) for value in example)
    levels = example[order] if whole else first[order]
    return CategoricalColumn(codes, pd.Index(levels, dtype=object))


def _filled(absent: BoolArray, present: AnyArray, dtype: Any) -> AnyArray:
    out = np.zeros(len(absent), dtype=dtype)
    out[~absent] = present.astype(dtype)
    return out


def _floats(absent: BoolArray, present: AnyArray) -> AnyArray:
    out = np.full(len(absent), np.nan)
    out[~absent] = np.fromiter(map(_float, present), dtype=np.float64, count=len(present))
    return out


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
