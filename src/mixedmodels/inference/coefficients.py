"""The table of fixed effects with tests, and the method of the tests by its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixedmodels.errors import ConvergenceWarning, ModelError, RefitWarning, warn
from mixedmodels.estimates.generalized_covariances import partly_known
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tails import t_tail
from mixedmodels.inference.degrees import Degrees, Normal, Residual, Satterthwaite, estimates
from mixedmodels.inference.information import variance_information
from mixedmodels.inference.kenward_roger import KenwardRoger, by_reml
from mixedmodels.settings import Ddf, DfMethod, df_method


def method_for(fitted: Fitted, ddf: Ddf) -> DfMethod:
    """The method called `ddf`, as the fit has it: normal distributions for a generalized model.

    "satterthwaite" is what methods are called with if nothing is said, and means the usual tests.

    Raises:
        MixedModelsError: An unknown name.
        ModelError: A method that needs a residual variance, which the model does not have.
    """
    if fitted.solution.residual_sd is not None:
        return df_method(ddf)
    return without_degrees(ddf)


def without_degrees(ddf: Ddf) -> DfMethod:
    """The method called `ddf` for a model whose rows have no residual: "none".

    Raises:
        MixedModelsError: An unknown name.
        ModelError: A method that needs a residual variance.
    """
    if df_method(ddf) in ("kenward-roger", "residual"):
        raise ModelError(
            f"ddf is {ddf!r}; a generalized model does not have denominator degrees of freedom: "
            "its tests are z and chi-square tests. Leave ddf= out or write ddf='none'; where "
            "groups are few, confint(method='profile'), likelihood ratios (drop1, mm.anova) or "
            "bootstrap() are better than z tests."
        )
    return "none"


def degrees(fitted: Fitted, ddf: Ddf) -> Degrees:
    """The method of the tests; where rows have no residual of their own, normal distributions.

    Raises:
        MixedModelsError: An unknown name.
        ModelError: A method that the model does not have.
        ResourceError: "kenward-roger" would need too much memory.
    """
    method = method_for(fitted, ddf)
    solution = fitted.solution
    if method == "none" or solution.p == 0:
        normal = Normal(*estimates(fitted))
        normal.partly = fitted.once(partly_known)
        return normal
    if method == "residual":
        return Residual(*estimates(fitted), solution.rows_less_rank)
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
