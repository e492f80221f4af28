"""The table of fixed effects with tests, and the method of the tests by its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixedmodels.errors import ConvergenceWarning, RefitWarning, warn
from mixedmodels.estimates.model import Fitted
from mixedmodels.estimates.tails import t_tail
from mixedmodels.inference.degrees import Degrees, Normal, Residual, Satterthwaite, estimates
from mixedmodels.inference.information import variance_information
from mixedmodels.inference.kenward_roger import KenwardRoger, by_reml
from mixedmodels.settings import Ddf, df_method


def degrees(fitted: Fitted, ddf: Ddf) -> Degrees:
    """The method of the tests; where rows have no residual of their own, normal distributions.

    Raises:
        MixedModelsError: An unknown name.
        ResourceError: "kenward-roger" would need too much memory.
    """
    method = df_method(ddf)
    solution = fitted.solution
    if method == "none" or solution.p == 0 or solution.residual_sd is None:
        return Normal(*estimates(fitted))
    if method == "residual":
        return Residual(*estimates(fitted), solution.n - solution.p)
    if method == "kenward-roger":
        return fitted.once(_kenward_roger)
    return Satterthwaite(fitted, fitted.once(variance_information))


def announced_degrees(fitted: Fitted, ddf: Ddf) -> Degrees:
    """The method, with a warning where it has no degrees of freedom to give."""
    found = degrees(fitted, ddf)
    if isinstance(found, Satterthwaite) and found.note:
        warn(found.note, ConvergenceWarning)
    return found


def _kenward_roger(fitted: Fitted) -> KenwardRoger:
    restricted, note = by_reml(fitted)
    if note:
        warn(note, RefitWarning)
    return KenwardRoger(restricted, note)


def coef_table(names: Sequence[str], degrees: Degrees) -> pd.DataFrame:
    """Estimates, standard errors and tests of the kept coefficients, one row for each.

    `attrs["notes"]` has by name why a row has no test.
    """
    std_error = np.sqrt(np.diag(degrees.vcov))
    df = degrees.of_rows(np.eye(len(names)))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = degrees.beta / std_error
    table = pd.DataFrame(
        {
            "estimate": degrees.beta,
            "std_error": std_error,
            "df": df,
            "statistic": statistic,
            "p_value": t_tail(df, statistic),
        },
        index=list(names),
    )
    table.attrs["notes"] = notes_of(table, "df", degrees)
    return table


def notes_of(table: pd.DataFrame, column: str, degrees: Degrees) -> dict[str, str]:
    """By row the note of the method, where it gives no number in a column."""
    if not degrees.note:
        return {}
    return {str(name): degrees.note for name in table.index[table[column].isna()]}
