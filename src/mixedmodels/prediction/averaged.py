"""Errors of predictions that carry the uncertainty of theta as well.

Given theta a prediction is off by its standard error times a t variable of n - p degrees of
freedom. Averaged over the draws of `theta_draws` this is a mixture of such distributions, whose
spread and quantiles are found here.
"""

from __future__ import annotations

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.estimates.linear import Fitted
from mixedmodels.prediction.predict import RowSolver, absent_rows
from mixedmodels.prediction.target import Target
from mixedmodels.prediction.theta_draws import Draws, posterior_draws

# Weight of a draw, relative to the heaviest, below which it is left out.
_LIGHT = 1e-6
# Numbers of the mixture held at a time, and searched for limits at a time.
_MOST_NUMBERS = 8_000_000
_CACHED = 200_000
_STEPS = 60
# Largest last Newton step, relative to the smallest scale; the error left is its square.
_NEAR = 1e-6
# Degrees of freedom from which the t distribution is transformed to the normal one.
_MANY = 1000


def averaged_errors(
    fitted: Fitted, target: Target, mean: FloatArray, tails: FloatArray, *, noise: bool
) -> tuple[FloatArray, FloatArray]:
    """Standard errors and limits of predictions, averaged over theta.

    Args:
        fitted: The fit.
        target: The rows.
        mean: (n,) the predictions.
        tails: (2,) probabilities below the limits.
        noise: Whether an observation is predicted, or its mean.

    Returns:
        (n,) root mean squared errors and (2, n) limits; NaN where a value is missing.
    """
    criterion = fitted.model.own_criterion(reml=True)
    draws = posterior_draws(fitted, criterion, target.n)
    heavy = draws.weight > _LIGHT * draws.weight.max()
    weight = draws.weight[heavy] / draws.weight[heavy].sum()
    draws = Draws(draws.theta[heavy], weight)
    error, limits = np.full(target.n, np.nan), np.full((2, target.n), np.nan)
    rows = np.flatnonzero(~absent_rows(target))
    step = max(1, _MOST_NUMBERS // len(weight))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        means, scales = _at_draws(fitted, criterion, target[part], draws, noise=noise)
        unit = scales.max(axis=0)  # in which squares cannot overflow
        unit[unit == 0.0] = 1.0
        spread = weight @ ((scales / unit) ** 2 + ((means - mean[part]) / unit) ** 2)
        error[part] = unit * np.sqrt(spread)
        df = fitted.solution.rows_less_rank
        for some in np.array_split(np.arange(len(part)), 1 + means.size // _CACHED):
            for limit, tail in zip(limits, tails.tolist(), strict=True):
                limit[part[some]] = _quantile(means[:, some], scales[:, some], weight, df, tail)
    return error, limits


def _at_draws(
    fitted: Fitted, criterion: LinearCriterion, target: Target, draws: Draws, *, noise: bool
) -> tuple[FloatArray, FloatArray]:
    """(k, n) predictions and scales of their errors at every theta."""
    solver = RowSolver.of(fitted.model.products, target)
    df = fitted.solution.rows_less_rank
    means = np.empty((len(draws.theta), target.n))
    scales = np.empty_like(means)
    own = 0.0 if not noise else 1.0 if target.weights is None else 1.0 / target.weights
    for k, theta in enumerate(draws.theta):
        with criterion.at(theta) as point:
            means[k], variance = solver.at(point)
            scales[k] = np.sqrt(point.pwrss / df) * np.sqrt(variance + own)
    return means, scales


def _quantile(
    means: FloatArray, scales: FloatArray, weight: FloatArray, df: int, tail: float
) -> FloatArray:
    """(n,) quantiles of mixtures of t distributions, by Newton steps inside a bracket."""
    scales = np.maximum(scales, np.finfo(np.float64).tiny)  # without an error: the mean
    ends = means + scipy.special.stdtrit(df, tail) * scales
    low, high = ends.min(axis=0), ends.max(axis=0)
    near = _NEAR * scales.min(axis=0)
    at: FloatArray = weight @ ends
    for _ in range(_STEPS):
        t = (at - means) / scales
        gap = weight @ _t_below(df, t) - tail
        low, high = np.where(gap < 0.0, at, low), np.where(gap < 0.0, high, at)
        density = weight @ (_t_density(df, t) / scales)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = at - gap / density
        following = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        done = np.abs(following - at) <= near
        at = following
        if done.all():
            break
    return at


def _t_below(df: int, t: FloatArray) -> FloatArray:
    """The t distribution function; for many degrees of freedom by a transform to the normal.

    The transform (Prescott 1974, Biometrika 61, 177-180) is off by less than 1e-7 there.
    """
    if df < _MANY:
        below: FloatArray = scipy.special.stdtr(df, t)
        return below
    root = np.sqrt(df * np.log1p(t * t / df))
    normal: FloatArray = scipy.special.ndtr(
        np.copysign((8.0 * df + 1.0) / (8.0 * df + 3.0) * root, t)
    )
    return normal


def _t_density(df: int, t: FloatArray) -> FloatArray:
    constant = np.exp(
        scipy.special.gammaln(0.5 * (df + 1)) - scipy.special.gammaln(0.5 * df)
    ) / np.sqrt(df * np.pi)
    density: FloatArray = constant * np.exp(-0.5 * (df + 1) * np.log1p(t * t / df))
    return density
