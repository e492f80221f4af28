"""Tails and quantiles of t and F, also where degrees of freedom are infinite; Wald intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import scipy

from mixedmodels._core import student_tails
from mixedmodels.arrays import FloatArray
from mixedmodels.settings import check_level

Back: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Values on another scale and their derivatives there."""


def t_tail(df: FloatArray, statistic: FloatArray) -> FloatArray:
    """Two-sided p-values of t ratios; a normal's where df is infinite."""
    dfs, ratios = np.broadcast_arrays(df, statistic)
    tails = student_tails(
        np.ascontiguousarray(dfs, dtype=np.float64).ravel(),
        np.ascontiguousarray(ratios, dtype=np.float64).ravel(),
    )
    return tails.reshape(dfs.shape)


def t_quantile(df: FloatArray, level: float) -> FloatArray:
    """(k,) multiples of the standard error on each side of an interval."""
    upper = 0.5 + 0.5 * level
    with np.errstate(invalid="ignore"):
        quantiles: FloatArray = np.where(
            np.isinf(df), scipy.special.ndtri(upper), scipy.special.stdtrit(df, upper)
        )
    return quantiles


def wald_limits(
    estimate: FloatArray, std_error: FloatArray, df: FloatArray, level: float
) -> FloatArray:
    """(2, k) estimate -+ quantile of t times the standard error: every Wald interval of a fit.

    Raises:
        MixedModelsError: `level` is not a number between 0 and 1.
    """
    check_level(level)
    half = t_quantile(df, level) * std_error
    return np.stack([estimate - half, estimate + half])


def transformed_limits(back: Back, estimate: FloatArray, limits: FloatArray) -> FloatArray:
    """(2, k) limits on another scale, the lower first; arguments as in `transformed_ends`."""
    return np.sort(transformed_ends(back, estimate, limits), axis=0)


def transformed_ends(back: Back, estimate: FloatArray, limits: FloatArray) -> FloatArray:
    """(2, k) limits on another scale, in the order given.

    Args:
        back: From values to those on the other scale and their derivatives.
        estimate: (k,) estimates; limits may be on either side of them.
        limits: (2, k) limits. One beyond a pole, as of 1 / x at 0, is infinite on the other scale;
            of one beyond a turn, as of x^2 at 0, there is the value where the scale turns.
    """
    shown, slope = back(estimate)
    rising = np.sign(slope)
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = [_end(back, limit, estimate, shown, rising) for limit in limits]
    return np.stack(ends)


def _end(
    back: Back, limit: FloatArray, estimate: FloatArray, shown: FloatArray, rising: FloatArray
) -> FloatArray:
    """(k,) one limit of estimates that are `shown`, where the scale rises (1) or falls (-1)."""
    side = np.where(limit < estimate, -1.0, np.where(limit > estimate, 1.0, 0.0))
    found, slope = back(limit)
    turned = np.sign(slope) * rising < 0.0
    beyond = ~((found - shown) * side * rising >= 0.0) & (side != 0.0) & ~turned
    found = np.where(beyond, side * rising * np.inf, found)
    return np.where(turned, back(np.zeros_like(limit))[0], found) if turned.any() else found


def f_tail(num_df: int, den_df: float, statistic: float) -> float:
    """P(F > statistic)."""
    if np.isinf(den_df):
        return float(scipy.special.chdtrc(num_df, num_df * statistic))
    return float(scipy.special.fdtrc(num_df, den_df, statistic))
