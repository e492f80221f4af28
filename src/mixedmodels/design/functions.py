"""The functions and names that formulas know, besides the columns of the data.

A fixed table: nothing of the caller's program is visible from a formula. Functions either work row
by row or are stateful (they learn from the training data and replay on new data); whatever depends
on all rows without being stateful is refused, because predictions would silently change with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic.transforms import (
    basis_spline,
    center,
    cyclic_cubic_spline,
    natural_cubic_spline,
    scale,
)
from formulaic.transforms import poly as polynomial

from mixedmodels.design.codes import categorize, relevel
from mixedmodels.design.coding import Contrast
from mixedmodels.design.columns import CategoricalColumn, Column, NumericColumn
from mixedmodels.errors import DataError, FormulaError, did_you_mean

_CHECKED_ROWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class CodedColumn:
    """What ``C(x, contrast)`` and ``factor(x)`` give: a categorical column and its contrast."""

    column: CategoricalColumn
    contrast: Any


def as_factor(data: Any, contrast: Any = None, *, levels: Iterable[Any] | None = None) -> Any:
    """``C(x, contrast=None, levels=None)``: treat a column as categorical.

    Args:
        data: A column, or the result of an expression.
        contrast: A name ("sum"), a contrast such as ``Treatment("b")``, or a matrix.
        levels: The levels in the wanted order; by default the column's own.

    Raises:
        DataError: a value is not among `levels`.
    """
    if isinstance(data, CodedColumn):
        data, contrast = data.column, data.contrast if contrast is None else contrast
    column = categorize(_as_column(data))
    if levels is not None:
        column = relevel(column, pd.Index(list(levels)), "C()")
    return CodedColumn(column, contrast)


def identity(data: Any) -> Any:
    """``I(x)``: its argument; the text inside is arithmetic, not formula operators."""
    return data


def poly(x: Any, degree: int = 1, raw: bool = False, _state: Any = None) -> Any:
    """``poly(x, degree)``: orthonormal polynomials with R's signs, learnt from the training data.

    Raises:
        DataError: there are not more distinct values than the degree.
    """
    values = np.asarray(x, dtype=np.float64)
    if not raw and not _state and np.unique(values[:_CHECKED_ROWS]).size <= degree:
        distinct = np.unique(values).size
        if distinct <= degree:
            raise DataError(
                f"A polynomial of degree {degree} needs more than {degree} distinct values; "
                f"there are {distinct}."
            )
    return polynomial(values, degree, raw, _state=_state)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(np, name)
        for name in (
            *("log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs", "sign"),
            *("sin", "cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil", "round"),
        )
    },
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "ceiling": np.ceil,
    "pmin": np.minimum,
    "pmax": np.maximum,
    "ifelse": np.where,
    "I": identity,
    "offset": identity,
    "C": as_factor,
    "factor": as_factor,
    "as.factor": as_factor,
    "poly": poly,
    "scale": scale,
    "center": center,
    "bs": basis_spline,
    "cr": natural_cubic_spline,
    "cs": natural_cubic_spline,
    "cc": cyclic_cubic_spline,
    "Treatment": Contrast("treatment"),
    "contr.treatment": Contrast("treatment"),
}
"""What may be called by a plain name."""

CONSTANTS: dict[str, Any] = {
    "pi": np.pi,
    "np.pi": np.pi,
    "np.e": np.e,
    "Treatment": Contrast("treatment"),
    "Sum": Contrast("sum"),
    "Helmert": Contrast("helmert"),
    "Poly": Contrast("poly"),
    "contr.treatment": Contrast("treatment"),
    "contr.sum": Contrast("sum"),
    "contr.helmert": Contrast("helmert"),
    "contr.poly": Contrast("poly"),
}
"""What may be named without being called, where no column has that name."""

CATEGORICAL = frozenset({"C", "factor", "as.factor"})
"""Functions whose argument is the column as it is in the data, not as numbers."""

STATEFUL = frozenset({"poly", "scale", "center", "bs", "cr", "cs", "cc"})
"""Functions that learn from the training data and take `_state`."""

_ROW_WISE_NUMPY = frozenset({"where", "clip", "round", "around", "nan_to_num", "isin", "real"})


def find_function(name: str) -> Callable[..., Any]:
    """The function that `name` calls.

    Raises:
        FormulaError: no such function, or one of NumPy's that does not work row by row.
    """
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    package, _, member = name.partition(".")
    if package not in ("np", "numpy") or not member:
        raise FormulaError(
            f"'{name}' is not a function that formulas know; make a column of it first."
            f"{did_you_mean(name, FUNCTIONS)}"
        )
    function = getattr(np, member, None)
    if isinstance(function, np.ufunc) or (member in _ROW_WISE_NUMPY and callable(function)):
        return function
    if function is None:
        raise FormulaError(f"NumPy has no function '{member}'.{did_you_mean(member, dir(np))}")
    raise FormulaError(
        f"'{name}' does not work row by row, so it could not be repeated on new data. Use "
        "center(), scale() or poly(), or make a column of it first."
    )


def _as_column(data: Any) -> Column:
    if isinstance(data, (NumericColumn, CategoricalColumn)):
        return data
    if isinstance(data, pd.Categorical):
        return CategoricalColumn(data.codes, data.categories, bool(data.ordered))
    return NumericColumn(np.asarray(data))
