"""The names that statsmodels has for values of a fit: one table, a line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pandas as pd

from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import announced_degrees
from mixedmodels.inference.confint import wald_intervals


def _named(ours: str, read: Callable[[Any], Any]) -> Any:
    """A property whose docstring says what it is called here."""
    return property(read, doc=f"statsmodels' name of `{ours}`.")


class Aliases(Values):
    """Other names of the same values; see `LinearMixedFit`."""

    _other_names: ClassVar[frozenset[str]] = frozenset(
        {"params", "bse", "tvalues", "pvalues", "resid", "fittedvalues", "llf", "df_resid",
         "endog_names", "cov_params", "conf_int"}
    )  # fmt: skip

    params: pd.Series[float] = _named("fixef", lambda fit: fit.fixef)
    bse: pd.Series[float] = _named("stderror", lambda fit: fit.stderror)
    tvalues: pd.Series[float] = _named(
        'coef_table()["statistic"]', lambda fit: fit.coef_table()["statistic"]
    )
    pvalues: pd.Series[float] = _named(
        'coef_table()["p_value"]', lambda fit: fit.coef_table()["p_value"]
    )
    resid: pd.Series[float] = _named("residuals", lambda fit: fit.residuals)
    fittedvalues: pd.Series[float] = _named("fitted", lambda fit: fit.fitted)
    llf: float = _named("loglik", lambda fit: fit.loglik)
    df_resid: int = _named("df_residual", lambda fit: fit.df_residual)
    endog_names: str = _named(
        "model.design.response_name", lambda fit: fit.model.design.response_name
    )

    def cov_params(self) -> pd.DataFrame:
        """statsmodels' name of `vcov`."""
        return self.vcov

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """statsmodels' name of `confint("beta_", 1 - alpha, method="wald")`; columns 0 and 1.

        Args:
            alpha: 1 less the coverage.

        Raises:
            MixedModelsError: `alpha` is not a number between 0 and 1.
        """
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0.0 < alpha < 1.0:
            raise MixedModelsError(f"alpha is {alpha!r:.40}; it must be a number between 0 and 1.")
        tests = announced_degrees(self._fitted, "satterthwaite")
        limits = wald_intervals(self._fitted, "beta_", 1.0 - alpha, tests)
        return limits.set_axis([0, 1], axis=1).set_axis(self.fixef.index, axis=0)
