"""Stateful functions that give one column for one: centred, scaled, and polynomials of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.functions.kinds import (
    basis,
    count,
    flag,
    learnt_range,
    listed_numbers,
    numbers,
    one_column,
)
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.design.functions.transforms import transforms
from mixedmodels.errors import DataError, FormulaError

MAX_POLYNOMIAL = 100
"""Highest degree of a polynomial. Orthogonal ones lose their digits far below it."""

_CHECKED_ROWS = 1000
_MAX_COLUMNS = 1000


def scale(
    x: Any, center: Any = True, scale: Any = True, ddof: Any = 1, *, _state: dict[str, Any]
) -> AnyArray:
    """``scale(x, center, scale)``: minus the mean, by the deviation; or by the numbers given.

    Raises:
        DataError: the column has no deviation to divide by.
    """
    values = numbers(x)
    if values.ndim == 0:
        raise FormulaError("needs a column of the data, not a constant.")
    if "center" not in _state:
        _state["ddof"] = count(ddof, "ddof", 0, 1)
        _state["center"] = _centre(values, center)
    if _state["center"] is not None:
        values = values - _state["center"]
    if "scale" not in _state:
        _state["scale"] = _deviation(values, scale, _state["ddof"])
    return values if _state["scale"] is None else values / _state["scale"]


def center(x: Any, *, _state: dict[str, Any]) -> AnyArray:
    """``center(x)``: minus the mean."""
    return scale(x, True, False, _state=_state)


def _centre(values: FloatArray, asked: Any) -> Any:
    given = _given(values, asked, "center")
    if given is not True:
        return None if given is False else given
    return _by_column(values, np.mean)


def _deviation(values: FloatArray, asked: Any, ddof: int) -> Any:
    given = _given(values, asked, "scale")
    if given is False:
        return None
    if given is not True:
        if np.any(given == 0.0):
            raise FormulaError("cannot divide by 0; 'scale' must not be 0.")
        return given

    def deviation(column: FloatArray) -> float:
        freedom = max(column.size - ddof, 1)
        size = np.sqrt(np.sum(column**2) / freedom)
        if size == 0.0 or not np.isfinite(size):
            largest = np.abs(column).max()
            if largest > 0.0:
                size = largest * np.sqrt(np.sum((column / largest) ** 2) / freedom)
        return float(size)

    found = _by_column(values, deviation)
    low, high = learnt_range(values.ravel())
    if low == high or np.any(found == 0.0):
        raise DataError(
            "needs a column that varies: all its values are one, so there is no deviation to "
            "divide by; leave it out."
        )
    return found


def _given(values: FloatArray, asked: Any, name: str) -> Any:
    """True, False, or the numbers to use: one for each column."""
    if isinstance(asked, (bool, np.bool_)):
        return bool(asked)
    given = listed_numbers(asked, name, _MAX_COLUMNS)
    n_columns = values.shape[1] if values.ndim == 2 else 1
    if given.size != n_columns:
        raise FormulaError(
            f"needs TRUE, FALSE or one number for each column as '{name}' ({n_columns}), not "
            f"{given.size}."
        )
    return given if values.ndim == 2 else np.float64(given[0])


def _by_column(values: FloatArray, compute: Any) -> Any:
    """`compute` of the finite values of each column."""
    if values.ndim == 2:
        return np.array([_by_column(column, compute) for column in values.T])
    learnt_range(values)
    found: np.float64 = np.float64(compute(values[np.isfinite(values)]))
    return found


def poly(
    x: Any, degree: Any = 1, raw: Any = False, simple: Any = False, *, _state: dict[str, Any]
) -> Any:
    """``poly(x, degree)``: orthonormal polynomials with R's signs, learnt from the training data.

    Raises:
        DataError: there are not more distinct values than the degree, or so many that the
            polynomials of this degree are not orthogonal in double precision.
    """
    values = one_column(x)
    if np.ndim(degree) > 0:
        raise FormulaError("takes one column: polynomials of several are products, x * z + I(x^2).")
    highest = count(degree, "degree", 1, MAX_POLYNOMIAL)
    flag(simple, "simple")
    if flag(raw, "raw"):
        return basis(np.stack([values**power for power in range(1, highest + 1)], axis=1))
    training = not _state
    if training:
        _check_distinct(values, highest)
    values = np.where(np.isfinite(values), values, np.nan)
    found = np.asarray(transforms.poly(values, highest, False, _state=_state).__wrapped__)
    if training and highest > 1:
        _check_orthogonal(found, highest)
    return basis(found)


def _check_distinct(values: FloatArray, degree: int) -> None:
    learnt_range(values)
    distinct = np.unique(values[:_CHECKED_ROWS])
    if np.isfinite(distinct).sum() <= degree:
        distinct = np.unique(values)
        n_distinct = int(np.isfinite(distinct).sum())
        if n_distinct <= degree:
            raise DataError(
                f"of degree {degree} needs more than {degree} distinct values; there are "
                f"{n_distinct}. Take a lower degree, or factor()."
            )


def _check_orthogonal(columns: FloatArray, degree: int) -> None:
    kept = columns[np.isfinite(columns).all(axis=1)]
    gram = kept.T @ kept
    if kept.size == 0 or not np.abs(gram - np.eye(degree)).max() < 1e-6:
        raise DataError(
            f"of degree {degree} loses all digits with these values. Take a lower degree or a "
            "spline such as ns(x, df=5), or scale the column."
        )


FUNCTIONS: dict[str, Function] = {
    "scale": function("scale", scale, stateful=True),
    "center": function("center", center, stateful=True),
    "poly": function("poly", poly, stateful=True),
}
