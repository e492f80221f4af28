"""From predictions and their errors to the table that users get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.model import Fitted
from mixedmodels.prediction.averaged import averaged_errors
from mixedmodels.prediction.predict import conditional_variance, predicted, residual_variance
from mixedmodels.prediction.replicates import interval_tails
from mixedmodels.prediction.target import Target
from mixedmodels.settings import (
    INTERVALS,
    UNCERTAINTIES,
    IntervalKind,
    Uncertainty,
    check_option,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked beside the prediction itself.

    Attributes:
        interval: For the mean, for an observation, or none.
        level: Coverage of the interval.
        uncertainty: Whether theta counts as known.
        std_error: Whether standard errors are shown.

    Raises:
        MixedModelsError: An unknown option, or an invalid level.
    """

    interval: IntervalKind | None = None
    level: float = 0.95
    uncertainty: Uncertainty = "conditional"
    std_error: bool = False

    def __post_init__(self) -> None:
        if self.interval is not None:
            check_option("interval", self.interval, INTERVALS)
        check_option("uncertainty", self.uncertainty, UNCERTAINTIES)
        interval_tails(self.level)


def prediction_table(
    fitted: Fitted, target: Target, wanted: Wanted
) -> pd.Series[float] | pd.DataFrame:
    """Predictions, and in a table beside them standard errors and limits as asked for."""
    mean = predicted(fitted, target)
    if wanted.interval is None and not wanted.std_error:
        return pd.Series(mean, index=target.index, name="prediction")
    columns = {"prediction": mean}
    if wanted.uncertainty == "full":
        error, limits = averaged_errors(
            fitted,
            target,
            mean,
            interval_tails(wanted.level),
            noise=wanted.interval == "prediction",
        )
    else:
        error, limits = _conditional(fitted, target, mean, wanted)
    if wanted.std_error:
        columns["std_error"] = error
    if wanted.interval is not None:
        columns |= {"lower": limits[0], "upper": limits[1]}
    return pd.DataFrame(columns, index=target.index)


def _conditional(
    fitted: Fitted, target: Target, mean: FloatArray, wanted: Wanted
) -> tuple[FloatArray, FloatArray]:
    """(n,) standard errors and (2, n) limits, theta taken as known and sigma as estimated."""
    variance = conditional_variance(fitted, target)
    if wanted.interval == "prediction":
        variance = variance + residual_variance(fitted, target)
    error = np.sqrt(variance)
    solution = fitted.solution
    quantiles = stdtrit(solution.n - solution.p, interval_tails(wanted.level))
    return error, mean + np.multiply.outer(quantiles, error)
