"""The table of fixed effects with tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr

from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.stages import Fitted
from mixedmodels.settings import DF_METHODS, DfMethod, check_option
from mixedmodels.typing import FloatArray


def coef_table(fitted: Fitted, df: DfMethod) -> pd.DataFrame:
    """Estimates, standard errors and tests of the kept coefficients.

    Raises:
        MixedModelsError: Unknown `df`, or one that this version does not have.
    """
    check_option("df", df, DF_METHODS)
    if df != "none":
        raise MixedModelsError(
            f"coef_table: df={df!r} is not available in this version; use df='none', "
            "which refers estimate / std_error to a normal distribution."
        )
    solution, names = fitted.solution, fitted.stages.design.x_names
    kept = [names[j] for j in solution.kept]
    return normal_tests(kept, solution.beta[solution.kept], np.sqrt(np.diag(solution.vcov)))


def normal_tests(names: Sequence[str], estimate: FloatArray, std_error: FloatArray) -> pd.DataFrame:
    """Coefficient table with the ratio to the standard error referred to a normal (df inf)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    return pd.DataFrame(
        {
            "estimate": estimate,
            "std_error": std_error,
            "df": np.full(len(estimate), np.inf),
            "statistic": statistic,
            "p_value": 2.0 * ndtr(-np.abs(statistic)),
        },
        index=list(names),
    )
