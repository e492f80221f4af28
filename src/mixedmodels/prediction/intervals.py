"""The table of intervals that users get from predictions and their errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tails import Back, transformed_limits, wald_limits
from mixedmodels.prediction.averaged import averaged_errors
from mixedmodels.prediction.predict import (
    absent_rows,
    conditional_variance,
    predicted,
    residual_variance,
    variance_slopes,
)
from mixedmodels.prediction.replicates import interval_tails
from mixedmodels.prediction.target import Target
from mixedmodels.settings import INTERVALS, UNCERTAINTIES, DfMethod, IntervalKind, Uncertainty
from mixedmodels.spelling import chosen_option


class Tests(Protocol):
    """The method of tests on fixed effects; see `inference.degrees`."""

    method: DfMethod
    source: str
    beta: FloatArray
    sigma: float

    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """Degrees of freedom of rows of L beta, or of sums of them with noise."""
        ...

    def variances(self, L: FloatArray) -> FloatArray:
        """Variances of rows of L beta."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What interval is asked for.

    Attributes:
        kind: For the mean or for an observation.
        level: Coverage of the interval.
        uncertainty: Whether theta counts as known.

    Raises:
        MixedModelsError: An unknown option, or an invalid level.
    """

    kind: IntervalKind = "confidence"
    level: float = 0.95
    uncertainty: Uncertainty = "conditional"

    def __post_init__(self) -> None:
        uncertainty = chosen_option("uncertainty", self.uncertainty, UNCERTAINTIES)
        object.__setattr__(self, "kind", chosen_option("kind", self.kind, INTERVALS))
        object.__setattr__(self, "uncertainty", uncertainty)
        interval_tails(self.level)


def prediction(fitted: Fitted, target: Target) -> pd.Series[float]:
    """Predictions by row label."""
    return pd.Series(predicted(fitted, target), index=target.index, name="prediction")


def averaged_intervals(fitted: Fitted, target: Target, wanted: Wanted) -> pd.DataFrame:
    """Intervals averaged over theta."""
    mean, noise = predicted(fitted, target), wanted.kind == "prediction"
    tails = interval_tails(wanted.level)
    error, limits = averaged_errors(fitted, target, mean, tails, noise=noise)
    return _table(target, mean, error, limits)


def fixed_intervals(fitted: Fitted, target: Target, wanted: Wanted, tests: Tests) -> pd.DataFrame:
    """Intervals of rows without random effects: Wald's, by the method of the tests.

    Args:
        fitted: The fit.
        target: Rows without random effects.
        wanted: Kind and level.
        tests: Coefficients, standard errors and degrees of freedom; those of Kenward and Roger are
            of a fit by REML also where `fitted` is not.
    """
    mean, kept = predicted(fitted, target), fitted.solution.kept
    rows = np.flatnonzero(~absent_rows(target))
    some = target[rows]
    L = some.X[:, kept]
    mean[rows] += L @ (tests.beta - fitted.solution.beta[kept])
    if tests.method == "kenward-roger" or tests.source:
        variance, unit, sigma = tests.variances(L), 1.0, tests.sigma
    else:
        variance, unit, sigma = conditional_variance(fitted, some), fitted.solution.sigma, 1.0
    share = None
    if wanted.kind == "prediction":
        whole = variance + residual_variance(sigma, some)
        share = np.divide(variance, whole, out=np.ones(len(rows)), where=whole > 0.0)
        variance = whole
    error, df = np.full(target.n, np.nan), np.full(target.n, np.nan)
    error[rows] = unit * np.sqrt(variance)
    df[rows] = tests.of_rows(L, share)
    if share is not None and tests.source and tests.method == "satterthwaite":
        # A robust covariance has no part of sigma: Satterthwaite's rule for a sum of variances.
        noise = max(fitted.solution.rows_less_rank, 1)
        df[rows] = 1.0 / (share**2 / df[rows] + (1.0 - share) ** 2 / noise)
    return _table(target, mean, error, wald_limits(mean, error, df, wanted.level))


def conditional_intervals(
    fitted: Fitted,
    target: Target,
    wanted: Wanted,
    method: DfMethod,
    known: Callable[[], FloatArray],
) -> pd.DataFrame:
    """Intervals of rows with random effects, whose standard errors take theta as known.

    Args:
        fitted: The fit.
        target: The rows.
        wanted: Kind and level.
        method: "none" and "residual" have the same degrees of freedom for all rows; by the others
            they match the variance of a row's estimated variance, as Satterthwaite's do for
            fixed effects.
        known: Gives the covariance (m + 1, m + 1) of theta along the axes and log sigma.
    """
    mean = predicted(fitted, target)
    variance = conditional_variance(fitted, target)
    if wanted.kind == "prediction":
        variance = variance + residual_variance(1.0, target)
    error = fitted.solution.sigma * np.sqrt(variance)
    if method == "none":
        df = np.array([np.inf])
    elif method == "residual":
        df = np.array([float(fitted.solution.rows_less_rank)])
    else:
        df = _matched(fitted, target, variance, known())
    return _table(target, mean, error, wald_limits(mean, error, df, wanted.level))


def _matched(fitted: Fitted, target: Target, variance: FloatArray, vcov: FloatArray) -> FloatArray:
    """(n,) degrees of freedom 2 / (g'A g), g the gradient of the logarithm of a row's variance.

    It is with respect to theta and log sigma, A being their covariance. Where the data do not say
    what that is, those of the residual serve.
    """
    residual = float(fitted.solution.rows_less_rank)
    moving = np.flatnonzero(np.diag(vcov)[:-1] != 0.0)
    slopes = np.zeros((target.n, len(vcov)))
    with np.errstate(divide="ignore", invalid="ignore"):
        if np.isfinite(vcov).all():
            by_theta = variance_slopes(fitted, target, moving)
            slopes[:, moving] = by_theta / np.where(variance > 0.0, variance, np.inf)[:, None]
        slopes[:, -1] = 2.0
        df = 2.0 / np.einsum("ki,ki->k", slopes @ vcov, slopes)
    return np.where(np.isnan(df) & ~np.isnan(variance), residual, df)


def on_response(table: pd.DataFrame, back: Back) -> pd.DataFrame:
    """A table of intervals on the scale of a response that the formula transforms.

    Standard errors go by the delta method; limits are transformed, so that coverage stays.
    """
    mean, error = table["prediction"].to_numpy(), table["std_error"].to_numpy()
    shown, slope = back(mean)
    limits = transformed_limits(back, mean, table[["lower", "upper"]].to_numpy().T)
    found = {"prediction": shown, "std_error": np.abs(slope) * error}
    return table.assign(**found, lower=limits[0], upper=limits[1])


def _table(target: Target, mean: FloatArray, error: FloatArray, limits: FloatArray) -> pd.DataFrame:
    columns = {"prediction": mean, "std_error": error, "lower": limits[0], "upper": limits[1]}
    return pd.DataFrame(columns, index=target.index)
