"""Stateful functions that give one column for one: centred, scaled, and polynomials of it."""

from __future__ import annotations

from collections.abc import Mapping
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
from mixedmodels.design.functions.moments import Moments, Quadrature
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.design.functions.transforms import transforms
from mixedmodels.errors import DataError, FormulaError

MAX_POLYNOMIAL = 100
"""Highest degree of a polynomial. Orthogonal ones lose their digits far below it."""

_BY_ZERO = "cannot divide by 0; 'scale' must not be 0."
_CONSTANT = (
    "needs a column that varies: all its values are one, so there is no deviation to divide by; "
    "leave it out."
)
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
            raise FormulaError(_BY_ZERO)
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
        raise DataError(_CONSTANT)
    return found


def _learnt_by_moments(found: Moments, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `scale` learns, from the moments of the columns of its argument."""
    ddof = count(given.get("ddof", 1), "ddof", 0, 1)
    centre = _wanted(found.n_columns, given.get("center", True), "center")
    by = _wanted(found.n_columns, given.get("scale", True), "scale")
    if centre is True:
        centre = found.mean
    about = 0.0 if centre is False else centre
    if by is True:
        if np.any(found.low == found.high):
            raise DataError(_CONSTANT)
        length = np.hypot(found.length, np.sqrt(found.n) * np.abs(found.mean - about))
        by = length / np.sqrt(np.maximum(found.n - ddof, 1.0))
    elif by is not False and np.any(by == 0.0):
        raise FormulaError(_BY_ZERO)
    single = found.n_columns is None

    def kept(value: Any) -> Any:
        return None if value is False else np.float64(np.ravel(value)[0]) if single else value

    return {"ddof": ddof, "center": kept(centre), "scale": kept(by)}


def _learnt_centre(found: Moments, _given: Mapping[str, Any]) -> dict[str, Any]:
    return _learnt_by_moments(found, {"scale": False})


def _given(values: FloatArray, asked: Any, name: str) -> Any:
    """True, False, or the numbers to use: one for each column."""
    return _wanted(values.shape[1] if values.ndim == 2 else None, asked, name)


def _wanted(columns: int | None, asked: Any, name: str) -> Any:
    """The same for an argument of so many columns, None for one without."""
    if isinstance(asked, (bool, np.bool_)):
        return bool(asked)
    given = listed_numbers(asked, name, _MAX_COLUMNS)
    n_columns = 1 if columns is None else columns
    if given.size != n_columns:
        raise FormulaError(
            f"needs TRUE, FALSE or one number for each column as '{name}' ({n_columns}), not "
            f"{given.size}."
        )
    return np.float64(given[0]) if columns is None else given


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
        _check_number(int(np.isfinite(distinct).sum()), degree)


def _check_number(n_distinct: int, degree: int) -> None:
    if n_distinct <= degree:
        raise DataError(
            f"of degree {degree} needs more than {degree} distinct values; there are "
            f"{n_distinct}. Take a lower degree, or factor()."
        )


def _poly_learner(given: Mapping[str, Any]) -> Quadrature | None:
    """Learns from batches; nothing of raw powers."""
    if np.ndim(given.get("degree", 1)) > 0 or flag(given.get("raw", False), "raw"):
        return None
    degree = count(given.get("degree", 1), "degree", 1, MAX_POLYNOMIAL)

    def train(points: FloatArray, weights: FloatArray) -> dict[str, Any]:
        learnt_range(points)
        _check_number(len(points), degree)
        return _monic(points, weights, degree)

    return Quadrature("x", degree, train)


def _monic(points: FloatArray, weights: FloatArray, degree: int) -> dict[str, Any]:
    """The state of formulaic's `poly`, of weighted points: its three-term recurrence."""
    alpha: dict[int, Any] = {}
    norms: dict[int, Any] = {}
    before, now = np.zeros_like(points), np.ones_like(points)
    columns = []
    for k in range(degree + 1):
        norms[k] = np.sum(weights * now**2)
        columns.append(now * np.sqrt(weights / norms[k]))
        if k == degree:
            break
        alpha[k] = np.sum(weights * points * now**2) / norms[k]
        beta = norms[k] / norms[k - 1] if k else 0.0
        before, now = now, (points - alpha[k]) * now - beta * before
    if degree > 1:
        _check_orthogonal(np.column_stack(columns[1:]), degree)
    return {"alpha": alpha, "norms2": norms}


def _check_orthogonal(columns: FloatArray, degree: int) -> None:
    kept = columns[np.isfinite(columns).all(axis=1)]
    gram = kept.T @ kept
    if kept.size == 0 or not np.abs(gram - np.eye(degree)).max() < 1e-6:
        raise DataError(
            f"of degree {degree} loses all digits with these values. Take a lower degree or a "
            "spline such as ns(x, df=5), or scale the column."
        )


FUNCTIONS: dict[str, Function] = {
    "scale": function(
        "scale", scale, stateful=True, learner=lambda _given: Moments("x", _learnt_by_moments)
    ),
    "center": function(
        "center",
        center,
        stateful=True,
        learner=lambda _given: Moments("x", _learnt_centre),
    ),
    "poly": function("poly", poly, stateful=True, learner=_poly_learner),
}
