"""Columns of a table in the two forms the design knows: numbers, and codes with levels.

How a foreign column becomes one of them is in `frame`; what is computed from them in `evaluate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.typing import AnyArray, BoolArray, LongArray


@dataclass(frozen=True, slots=True, eq=False)
class NumericColumn:
    """Numbers or truth values.

    Attributes:
        values: (n,) of a float, integer or bool dtype; may be a view of the user's data.
        absent: (n,) True where the value is missing, or None; a NaN counts as missing anyway.
    """

    values: AnyArray
    absent: BoolArray | None = None

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
        return NumericColumn(self.values[rows], absent)


@dataclass(frozen=True, slots=True, eq=False)
class CategoricalColumn:
    """Codes into levels.

    Attributes:
        codes: (n,) integers, -1 where missing; may be a view of the user's data.
        levels: The levels in the user's order, unused ones included.
        ordered: Whether the user declared them ordered.
    """

    codes: AnyArray
    levels: pd.Index
    ordered: bool = False

    def missing(self) -> BoolArray | None:
        """(n,) True where missing, or None when nothing is: one pass, no copy."""
        if self.codes.size == 0 or self.codes.min() >= 0:
            return None
        absent: BoolArray = self.codes < 0
        return absent

    def take(self, rows: LongArray) -> CategoricalColumn:
        """The column at `rows`, a copy."""
        return CategoricalColumn(self.codes[rows], self.levels, self.ordered)

    def to_pandas(self) -> pd.Categorical:
        """The same as a pandas Categorical, for comparisons inside expressions."""
        return pd.Categorical.from_codes(self.codes, self.levels, self.ordered)


def all_finite(values: AnyArray) -> bool:
    """Whether floats (n,) are all finite: their squares tell in one pass without a copy."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = values.dot(values)
    return math.isfinite(size) or bool(np.isfinite(values).all())


Column: TypeAlias = NumericColumn | CategoricalColumn


def level_label(level: object) -> str:
    """A level as R prints it in names: 0.2 is "0.2", 1.0 is "1", True is "TRUE"."""
    if isinstance(level, (bool, np.bool_)):
        return "TRUE" if level else "FALSE"
    if isinstance(level, (float, np.floating)):
        return f"{level:.15g}"
    return str(level)


def level_labels(levels: pd.Index) -> list[str]:
    """`level_label` of each."""
    return [level if type(level) is str else level_label(level) for level in levels.tolist()]
