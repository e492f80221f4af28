"""The fit as text and HTML.

The layout is `report`'s; here the values of a fit are handed to it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table, degrees
from mixedmodels.inference.degrees import Degrees
from mixedmodels.report.html import render_html
from mixedmodels.report.results import Summary
from mixedmodels.report.sections import fit_sections
from mixedmodels.report.text import render_text
from mixedmodels.report.values import CoefficientValues, FitValues
from mixedmodels.settings import Ddf

MOST_CORRELATIONS = 20


class Reports(Values):
    """What a fit prints; see `LinearMixedFit`."""

    def summary(self, ddf: Ddf = "satterthwaite") -> Summary:
        """lme4's summary, which prints as text and shows as HTML in a notebook.

        Its methods `to_markdown()` and `to_latex()` give the same for other pages, `to_frame()` the
        table of coefficients.

        Args:
            ddf: Method for degrees of freedom of the tests, as in `coef_table`.

        Raises:
            MixedModelsError: Unknown `ddf`.
        """
        table = coef_table(self._kept_names, degrees(self._fitted, ddf))
        return Summary(tuple(fit_sections(self._values(ddf, full=True))), table)

    def __str__(self) -> str:
        """The summary without residual quantiles and correlations."""
        return render_text(fit_sections(self._values(full=False)))

    def __repr__(self) -> str:
        """One line."""
        kind = "REML criterion" if self.reml else "deviance"
        return (
            f"<{type(self).__name__} {self._design.formula.text!r}: "
            f"{kind} {self.objective:.3f}, {self.nobs} observations>"
        )

    def _repr_html_(self) -> str:
        return render_html(fit_sections(self._values(full=False)))

    def _values(self, ddf: Ddf = "satterthwaite", *, full: bool) -> FitValues:
        design = self._design
        method = degrees(self._fitted, ddf)
        table = coef_table(self._kept_names, method)
        notes = [method.note] if method.note else []
        return FitValues(
            formula=design.formula.text,
            reml=self.reml,
            n=self.nobs,
            groups=tuple((group.name, group.n_levels) for group in design.groups),
            objective=self.objective,
            aic=self.aic,
            bic=self.bic,
            loglik=self.loglik,
            deviance=self.deviance,
            df_residual=self.df_residual,
            variances=self.varcorr.rows,
            coefficients=self._coefficients(table, method, correlated=full),
            quantiles=self._scaled_quantiles() if full and self.sigma > 0.0 else None,
            messages=(*self.messages, *notes),
        )

    def _coefficients(
        self, table: pd.DataFrame, method: Degrees, *, correlated: bool
    ) -> CoefficientValues:
        std_error = table["std_error"].to_numpy()
        shown = correlated and 1 < len(table) <= MOST_CORRELATIONS
        return CoefficientValues(
            names=tuple(table.index),
            estimate=table["estimate"].to_numpy(),
            std_error=std_error,
            statistic=table["statistic"].to_numpy(),
            p_value=table["p_value"].to_numpy(),
            statistic_name="z" if method.method == "none" else "t",
            df=None if method.method == "none" else table["df"].to_numpy(),
            correlation=method.vcov / np.outer(std_error, std_error) if shown else None,
        )

    def _scaled_quantiles(self) -> FloatArray:
        w = self._design.w
        left = self._raw_residuals
        scaled = left if w is None else left * np.sqrt(w)
        quantiles: FloatArray = np.quantile(scaled, (0.0, 0.25, 0.5, 0.75, 1.0)) / self.sigma
        return quantiles
