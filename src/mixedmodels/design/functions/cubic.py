"""Cubic regression splines of mgcv's kind, ``cr`` and ``cc``, by formulaic.

The arguments are checked here, so that what formulaic gets can be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray, LongArray
from mixedmodels.design.functions.kinds import (
    basis,
    constant,
    count,
    learnt_range,
    listed_numbers,
    one_column,
)
from mixedmodels.design.functions.learning import Learner, OfCounts, OfExtremes
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.design.functions.splines import MAX_DF, check_beyond
from mixedmodels.design.functions.transforms import transforms
from mixedmodels.errors import DataError, FormulaError


def _spline(name: str, made_by: str, least: int) -> Function:
    """The function `name`, which needs `least` degrees of freedom."""

    def compute(
        x: Any,
        df: Any = None,
        knots: Any = None,
        lower_bound: Any = None,
        upper_bound: Any = None,
        constraints: Any = None,
        extrapolation: Any = "extend",
        *,
        _state: dict[str, Any],
    ) -> Any:
        values = one_column(x)
        finite = np.isfinite(values)
        check_beyond(extrapolation)
        options: dict[str, Any] = {}
        if "knots" not in _state:
            centred = isinstance(constraints, str) and constraints == "center"
            if constraints is not None and not centred:
                raise FormulaError("takes 'center' as 'constraints', or none.")
            fewest = max(least - centred, 1)
            options = _knots(values, df, knots, lower_bound, upper_bound, fewest)
            options["constraints"] = constraints
        try:
            made = getattr(transforms, made_by)(
                values[finite], extrapolation=extrapolation, _state=_state, **options
            )
        except ValueError as error:
            raise DataError(f"cannot make a basis: {error}") from None
        columns = made.__wrapped__
        return _spread(np.column_stack([np.asarray(columns[key]) for key in columns]), finite)

    def learner(given: Mapping[str, Any]) -> Learner:
        """Learns from batches: the range, or the distinct values."""
        if given.get("df") is None and given.get("constraints") is None:
            return OfExtremes("x")
        return OfCounts("x", train)

    def train(values: FloatArray, counts: LongArray, given: Mapping[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = {}
        compute(values, **given, _state=state)
        if given.get("constraints") is None:
            return state
        # The constraint is that the mean over all rows of each column without it is zero.
        free = {**state, "constraints": None}
        columns = np.asarray(compute(values, **given, _state=free))
        state["constraints"] = (counts @ columns / counts.sum())[None, :]
        return state

    return function(name, compute, stateful=True, learner=learner)


def _knots(
    values: FloatArray, df: Any, knots: Any, lower: Any, upper: Any, fewest: int
) -> dict[str, Any]:
    """Knots as the user gives them.

    Raises:
        FormulaError: both `df` and `knots`, or neither.
        DataError: there are not as many distinct values between the bounds as the spline needs.
    """
    if (df is None) == (knots is None):
        raise FormulaError("needs 'df' or 'knots', and not both.")
    low, high = learnt_range(values)
    low = low if lower is None else constant(lower, "lower_bound")
    high = high if upper is None else constant(upper, "upper_bound")
    if not low < high:
        raise DataError(
            f"needs a column that varies, and bounds in ascending order, not {low:g} and {high:g}."
        )
    options: dict[str, Any] = {"lower_bound": low, "upper_bound": high}
    if knots is not None:
        inner = np.unique(listed_numbers(knots, "knots", MAX_DF))
        if inner.size == 0:
            raise FormulaError("needs at least one knot; a straight line is x itself.")
        stray = inner[(inner <= low) | (inner >= high)]
        if stray.size:
            raise DataError(
                f"has the knot {stray[0]:g}, which is not between {low:g} and {high:g}."
            )
        return {**options, "knots": inner}
    columns = count(df, "df", fewest, MAX_DF)
    distinct = np.unique(values[(values >= low) & (values <= high)]).size
    if distinct < columns:
        raise DataError(
            f"with df={columns} needs at least {columns} distinct values between {low:g} and "
            f"{high:g}; there are {distinct}. Take fewer, or factor()."
        )
    return {**options, "df": columns}


def _spread(columns: FloatArray, finite: BoolArray) -> Any:
    """The columns at all rows: NaN where the value was not finite."""
    if finite.all():
        return basis(columns)
    spread = np.full((len(finite), columns.shape[1]), np.nan)
    spread[finite] = columns
    return basis(spread)


_NATURAL = _spline("cr", "natural_cubic_spline", 3)

FUNCTIONS: dict[str, Function] = {
    "cr": _NATURAL,
    "cs": _NATURAL,
    "cc": _spline("cc", "cyclic_cubic_spline", 1),
}
