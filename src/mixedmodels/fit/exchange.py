"""The names by which packages that make tables of models read a fit.

maketables asks any object for these attributes, so nothing of it is imported. Version 0.2 looks for
statsmodels' names first, which a fit has too (`aliases`), and comes here for what lacks those.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from mixedmodels.estimates.tails import wald_limits
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table, degrees

_STATISTICS = {
    "N": "Observations",
    "groups": "Groups",
    "sigma": "Residual SD",
    "ll": "Log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
}


class Exchange(Values):
    """What maketables reads of a fit; see `LinearMixedFit`."""

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        """Coefficients: `b`, `se`, `t`, `p` (Satterthwaite), limits of 95 and of 90 %."""
        table = coef_table(self._kept_names, degrees(self._fitted, "satterthwaite"))
        estimate, error, df = (table[k].to_numpy() for k in ("estimate", "std_error", "df"))
        columns = {"b": estimate, "se": error, "t": table["statistic"], "p": table["p_value"]}
        for level in (95, 90):
            limits = wald_limits(estimate, error, df, level / 100)
            columns[f"ci{level}l"], columns[f"ci{level}u"] = limits
        return pd.DataFrame(columns, pd.Index(table.index, name="Coefficient"))

    def __maketables_stat__(self, key: str) -> Any:
        """A statistic by its key; None for a key that is not known."""
        found = {
            "N": self.nobs,
            "groups": ", ".join(f"{g.name}: {g.n_levels}" for g in self._design.groups),
            "sigma": self.sigma,
            "ll": self.loglik,
            "loglik": self.loglik,
            "aic": self.aic,
            "bic": self.bic,
            "se_type": "Satterthwaite",
        }
        return found.get(key)

    @property
    def __maketables_depvar__(self) -> str:
        """The response as the formula has it."""
        return self._design.response_name

    @property
    def __maketables_stat_labels__(self) -> dict[str, str]:
        """How statistics are called in the table."""
        return dict(_STATISTICS)

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        """The statistics that a table shows unless it is told others."""
        return list(_STATISTICS)

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        """The kind of covariance of the coefficients."""
        return {"vcov_type": "model-based"}
