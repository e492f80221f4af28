"""Bases of splines: R's ``ns`` and ``bs``.

The bases of ``ns`` and ``bs`` are those of R value by value: B-splines on knots at quantiles (type
7), for ``ns`` restricted to vanishing second derivatives at the boundary knots by the orthogonal
complement that a Householder QR gives. Knots are learnt from the training data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design.functions.kinds import (
    basis,
    constant,
    count,
    describe,
    flag,
    learnt_range,
    listed_numbers,
    one_column,
)
from mixedmodels.design.functions.learning import Learner, OfCounts, OfExtremes
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.errors import DataError, FormulaError

MAX_DF = 1000
"""Largest number of columns and of knots of a spline."""

MAX_DEGREE = 25
"""Highest degree of the pieces of a spline."""

COUNTS = "counts"
"""Key of a state in training: how often each value of the argument occurs, ascending."""

BEYOND = ("raise", "clip", "na", "zero", "extend")
"""What may be done with values beyond the boundary."""


def ns(
    x: Any,
    df: Any = None,
    knots: Any = None,
    intercept: Any = False,
    boundary_knots: Any = None,
    *,
    _state: dict[str, Any],
) -> Any:
    """``ns(x, df)``: natural cubic splines, linear beyond the boundary knots.

    Raises:
        FormulaError: arguments that contradict one another or are too large.
        DataError: the column does not vary.
    """
    values = one_column(x)
    whole = flag(intercept, "intercept")
    if "knots" not in _state:
        low, high = _boundary(values, boundary_knots, "Boundary.knots")
        n_inner = None if df is None else count(df, "df", 1 + whole, MAX_DF) - 1 - whole
        inner = _inner_knots(values, n_inner, knots, low, high, _state)
        _state["knots"] = _with_boundary(inner, low, high, 3)
    knots_all, values = _near_one(np.asarray(_state["knots"]), values)
    low, high = knots_all[0], knots_all[-1]
    spline = _b_splines(knots_all, 3)
    columns = spline(np.clip(values, low, high))
    for edge, outside in ((low, values < low), (high, values > high)):
        if outside.any():
            columns[outside] += (values[outside] - edge)[:, None] * spline(edge, nu=1)
    bent = spline(np.array([low, high]), nu=2)
    first = 0 if whole else 1
    complement = np.linalg.qr(bent[:, first:].T, mode="complete")[0][:, 2:]
    return basis(columns[:, first:] @ complement)


def bs(
    x: Any,
    df: Any = None,
    knots: Any = None,
    degree: Any = 3,
    intercept: Any = False,
    boundary_knots: Any = None,
    *,
    include_intercept: Any = False,
    lower_bound: Any = None,
    upper_bound: Any = None,
    extrapolation: Any = None,
    _state: dict[str, Any],
) -> Any:
    """``bs(x, df)``: B-splines.

    Raises:
        FormulaError: arguments that contradict one another or are too large.
        DataError: the column does not vary, or has values beyond the boundary knots.
    """
    values = one_column(x)
    whole = flag(intercept, "intercept") or flag(include_intercept, "include_intercept")
    order = count(degree, "degree", 0, MAX_DEGREE)
    beyond = extrapolation
    if beyond is None:  # R goes on where the boundary was given
        beyond = "raise" if boundary_knots is None else "extend"
    check_beyond(beyond)
    if "knots" not in _state:
        bounds = _two_bounds(values, boundary_knots, lower_bound, upper_bound)
        low, high = _boundary(values, bounds, "Boundary.knots")
        n_inner = None
        if df is not None:
            least = max(order + whole, 1)
            n_inner = count(df, "df", least, MAX_DF) - order - whole
        inner = _inner_knots(values, n_inner, knots, low, high, _state)
        _state["knots"] = _with_boundary(inner, low, high, order)
    knots_all = np.asarray(_state["knots"])
    if len(knots_all) - order - 1 - (not whole) < 1:
        raise FormulaError("of degree 0 without an intercept needs 'df' or 'knots'.")
    columns = _extended(_b_splines(knots_all, order), values, knots_all, beyond)
    return basis(columns if whole else columns[:, 1:], spans=whole)


def _near_one(knots: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Knots and values in a unit in which derivatives neither overflow nor underflow.

    The unit is a power of two, so that the splines are the same to the last bit.
    """
    exponent = -int(np.frexp(np.abs(knots).max())[1])
    return np.ldexp(knots, exponent), np.ldexp(values, exponent)


def _b_splines(knots: FloatArray, degree: int) -> Any:
    """All B-splines on `knots`, as one vector-valued spline; SciPy loads the package when asked."""
    return scipy.interpolate.BSpline(knots, np.eye(len(knots) - degree - 1), degree)


def _extended(spline: Any, values: FloatArray, knots: FloatArray, beyond: str) -> FloatArray:
    """The values of the splines, with what is beyond the boundary treated as asked."""
    low, high = knots[0], knots[-1]
    outside = (values < low) | (values > high)
    if not outside.any():
        found: FloatArray = spline(values)
        return found
    if beyond == "raise":
        stray = values[outside]
        raise DataError(
            f"has values that extend beyond the boundary knots {low:g} and {high:g} "
            f"({', '.join(f'{value:g}' for value in stray[:3])}), where polynomials run away. "
            "Write extrapolation='extend' for R's continuation or 'clip' for the nearest value, or "
            "use ns(), which goes on linearly."
        )
    columns: FloatArray = spline(np.clip(values, low, high) if beyond == "clip" else values)
    if beyond in ("na", "zero"):
        columns[outside] = np.nan if beyond == "na" else 0.0
    return columns


def check_beyond(extrapolation: Any) -> None:
    """Refuse a way to treat values beyond the boundary that is not one of `BEYOND`.

    Raises:
        FormulaError: Anything else.
    """
    if not isinstance(extrapolation, str) or extrapolation not in BEYOND:
        listed = ", ".join(repr(option) for option in BEYOND)
        raise FormulaError(f"takes {listed} as 'extrapolation', not {describe(extrapolation)}.")


def _two_bounds(values: FloatArray, given: Any, lower: Any, upper: Any) -> Any:
    if lower is None and upper is None:
        return given
    if given is not None:
        raise FormulaError("takes 'Boundary.knots', or 'lower_bound' and 'upper_bound'; not both.")
    low, high = learnt_range(values)
    return [
        low if lower is None else constant(lower, "lower_bound"),
        high if upper is None else constant(upper, "upper_bound"),
    ]


def _boundary(values: FloatArray, given: Any, name: str) -> tuple[float, float]:
    """The two boundary knots: as given, or the range of the values."""
    if given is None:
        low, high = learnt_range(values)
        if low == high:
            raise DataError(
                f"needs a column that varies; all its values are {low:g}. Leave it out, or give "
                f"{name}."
            )
        return low, high
    bounds = np.sort(listed_numbers(given, name, MAX_DF))
    if bounds.size != 2 or bounds[0] == bounds[1]:
        raise FormulaError(f"needs two different numbers as '{name}', such as c(0, 10).")
    return float(bounds[0]), float(bounds[1])


def _inner_knots(
    values: FloatArray,
    n_inner: int | None,
    given: Any,
    low: float,
    high: float,
    state: dict[str, Any],
) -> FloatArray:
    """Knots between the boundary knots: as given, or at quantiles of the values inside.

    A state that holds `COUNTS` says how often each of the values occurs.
    """
    counts = state.pop(COUNTS, None)
    if given is not None:
        if n_inner is not None:
            raise FormulaError("takes 'df' or 'knots', not both.")
        inner = np.sort(listed_numbers(given, "knots", MAX_DF))
        stray = inner[(inner < low) | (inner > high)]
        if stray.size:
            raise DataError(
                f"has the knot {stray[0]:g} outside the boundary knots {low:g} and {high:g}; move "
                "it, or give Boundary.knots."
            )
        return inner
    if not n_inner:
        return np.empty(0)
    within = (values >= low) & (values <= high)
    if not within.any():
        raise DataError(f"has no value between the boundary knots {low:g} and {high:g}.")
    shares = np.arange(1, n_inner + 1) / (n_inner + 1)
    if counts is not None:
        return _quantiles(values[within], counts[within], shares)
    found: FloatArray = np.quantile(values[within], shares)
    return found


def _quantiles(values: FloatArray, counts: LongArray, shares: FloatArray) -> FloatArray:
    """Quantiles (type 7) of ascending distinct values of which each occurs several times."""
    last = np.cumsum(counts)
    place = shares * (last[-1] - 1)
    lower = np.floor(place)
    low, high = (
        values[np.searchsorted(last, np.minimum(at, last[-1] - 1), side="right")]
        for at in (lower, lower + 1)
    )
    part, apart = place - lower, high - low
    found: FloatArray = np.where(part < 0.5, low + part * apart, high - (1 - part) * apart)
    return found


def _trained_on_counts(compute: Callable[..., Any]) -> Any:
    """What `compute` learns from distinct values and their counts."""

    def train(values: FloatArray, counts: LongArray, given: Mapping[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = {COUNTS: counts}
        compute(values, **given, _state=state)
        return state

    return train


def _learner(compute: Callable[..., Any]) -> Callable[[Mapping[str, Any]], Learner | None]:
    """Learns from batches: the range, or quantiles where only `df` is given."""

    def make(given: Mapping[str, Any]) -> Learner | None:
        if given.get("df") is not None and given.get("knots") is None:
            return OfCounts("x", _trained_on_counts(compute))
        return None if given.get("boundary_knots") is not None else OfExtremes("x")

    return make


def _with_boundary(inner: FloatArray, low: float, high: float, degree: int) -> list[float]:
    edge = degree + 1
    return [low] * edge + [float(knot) for knot in inner] + [high] * edge


FUNCTIONS: dict[str, Function] = {
    "ns": function("ns", ns, stateful=True, learner=_learner(ns), boundary_knots="Boundary.knots"),
    "bs": function("bs", bs, stateful=True, learner=_learner(bs), boundary_knots="Boundary.knots"),
}
