"""Confidence intervals of all parameters by one of the methods, as one table.

Profile limits are `profile`'s, bootstrap replicates the prediction package's; Wald's formula is
here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mixedmodels.estimates.stages import Fitted
from mixedmodels.inference.limits import limits
from mixedmodels.inference.parameters import Parameter, parameters_of, select
from mixedmodels.settings import check_level


def chosen_parameters(fitted: Fitted, names: str | Sequence[str] | None) -> list[Parameter]:
    """Parameters by name, "theta_" or "beta_"; names of aliased coefficients are passed over.

    Raises:
        MixedModelsError: A name that is none.
    """
    if names is not None:
        asked = [names] if isinstance(names, str) else list(names)
        aliased = _aliased(fitted)
        names = [name for name in asked if name not in aliased]
    return select(parameters_of(fitted), names)


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
    found = limits(fitted, chosen_parameters(fitted, names), level, threads)
    return with_aliased(fitted, found, names)


def wald_intervals(fitted: Fitted, names: str | Sequence[str] | None, level: float) -> pd.DataFrame:
    """Estimate -+ z standard errors for coefficients, NaN for the random effects and sigma."""
    check_level(level)
    chosen = chosen_parameters(fitted, names)
    error = np.sqrt(np.diag(fitted.solution.vcov))
    width = [error[p.place[1]] if p.kind == "beta" else np.nan for p in chosen]
    estimate = np.array([p.estimate for p in chosen])
    half = ndtri(0.5 + 0.5 * level) * np.array(width)
    table = pd.DataFrame(
        {"lower": estimate - half, "upper": estimate + half}, index=[p.name for p in chosen]
    )
    return with_aliased(fitted, table, names)


def with_aliased(
    fitted: Fitted, table: pd.DataFrame, names: str | Sequence[str] | None
) -> pd.DataFrame:
    """The table with rows of NaN for coefficients that depend on earlier ones, in column order."""
    aliased = _aliased(fitted)
    asked = [names] if isinstance(names, str) else names
    if asked is not None and "beta_" not in asked:
        aliased = [name for name in aliased if name in asked]
    if not aliased:
        return table
    x_names = fitted.stages.design.x_names
    others = [name for name in table.index if name not in x_names]
    rows = [name for name in x_names if name in table.index or name in aliased]
    return table.reindex([*others, *rows])


def _aliased(fitted: Fitted) -> list[str]:
    kept = set(fitted.solution.kept.tolist())
    return [name for j, name in enumerate(fitted.stages.design.x_names) if j not in kept]
