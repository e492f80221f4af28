"""Confidence intervals of all parameters by one of the methods, as one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.own import own_coefficients
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.inference.degrees import Degrees
from mixedmodels.inference.limits import from_optimum, limits
from mixedmodels.inference.parameters import Parameter, select, with_aliased


def chosen_parameters(fitted: Fitted, names: str | Sequence[str] | None) -> list[Parameter]:
    """Parameters by name, "theta_" or "beta_"; aliased coefficients are among them.

    Raises:
        MixedModelsError: An unknown name, or one that can mean several parameters.
    """
    return select(fitted, with_aliased(fitted), names)


def profile_intervals(
    fitted: Fitted, names: str | Sequence[str] | None, level: float, threads: int | None
) -> pd.DataFrame:
    """Limits by profile likelihood.

    Args:
        fitted: The fit by maximum likelihood.
        names: Parameters, or all if None.
        level: Coverage.
        threads: Parameters at a time; None leaves the choice to the library.
    """
    notes: dict[str, str] = {}

    def found(fit: Fitted, unbounded: bool) -> pd.DataFrame:
        chosen = chosen_parameters(fit, names)
        estimated = [parameter for parameter in chosen if not parameter.aliased]
        searched = limits(fit, estimated, level, threads, unbounded=unbounded)
        notes.update(searched.attrs["notes"])
        return _table(chosen, searched.to_numpy())

    table = from_optimum(fitted, found)
    table.attrs["notes"] = notes
    return table


def wald_intervals(
    fitted: Fitted, names: str | Sequence[str] | None, level: float, degrees: Degrees
) -> pd.DataFrame:
    """Wald intervals of coefficients by a method of tests, NaN for the random effects and sigma.

    Those of other parameters of a distribution are by the normal; of one number for all rows on the
    scale of its logarithm.
    """
    chosen = chosen_parameters(fitted, names)
    std_error = np.sqrt(np.diag(degrees.vcov))
    df = degrees.of_rows(np.eye(len(std_error)))
    by_coefficient = wald_limits(degrees.beta, std_error, df, level).T
    rows = {"beta": by_coefficient, "own": np.empty((0, 2)), "sigma": np.empty((0, 2))}
    kinds = {parameter.kind for parameter in chosen}
    own = own_coefficients(fitted)
    if "own" in kinds:
        rows["own"] = normal_limits(own.values, np.sqrt(np.diag(own.vcov())), level)
    if "sigma" in kinds:
        error = np.full(len(fitted.scale_names), own.scale_error())
        rows["sigma"] = np.exp(normal_limits(np.log(fitted.scale_values), error, level))
    limits = [
        rows[parameter.kind][parameter.place[1]] if parameter.kind in rows else np.full(2, np.nan)
        for parameter in chosen
        if not parameter.aliased
    ]
    return _table(chosen, np.array(limits))


def normal_limits(estimate: FloatArray, error: FloatArray, level: float) -> FloatArray:
    """(k, 2) limits by the normal distribution."""
    limits: FloatArray = wald_limits(estimate, error, np.full(len(estimate), np.inf), level).T
    return limits


def bootstrap_intervals(
    fitted: Fitted, names: str | Sequence[str] | None, every: pd.DataFrame
) -> pd.DataFrame:
    """Rows of a table of limits of all parameters with an estimate, in their order."""
    chosen = chosen_parameters(fitted, names)
    places = [parameter.position for parameter in chosen if not parameter.aliased]
    return _table(chosen, every.to_numpy()[places])


def _table(chosen: Sequence[Parameter], limits: FloatArray) -> pd.DataFrame:
    """One row for each parameter; NaN for aliased coefficients."""
    values = np.full((len(chosen), 2), np.nan)
    values[[not parameter.aliased for parameter in chosen]] = limits.reshape(-1, 2)
    names = [parameter.name for parameter in chosen]
    return pd.DataFrame(values, names, ["lower", "upper"])
