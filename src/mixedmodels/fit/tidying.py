"""The fit as tidy tables: the methods; the layout is in `diagnostics.tidy`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedmodels.design.by_row import on_all_rows
from mixedmodels.diagnostics.rows import rows_of
from mixedmodels.diagnostics.tidy import (
    augmented,
    beside,
    bind,
    check_effects,
    coefficient_rows,
    fixed_rows,
    mode_rows,
    model_columns,
    parameter_rows,
    rows_used,
)
from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.lazy import late_module
from mixedmodels.settings import Ddf, TidyEffect, check_level

if TYPE_CHECKING:
    from mixedmodels.streaming import augmenting as _augmenting
    from mixedmodels.streaming import sources as _sources
else:
    _augmenting = late_module("mixedmodels.streaming.augmenting")
    _sources = late_module("mixedmodels.streaming.sources")


class Tidying(Values):
    """Tables in the manner of R's broom.mixed; see `LinearMixedFit`."""

    def tidy(
        self,
        effects: TidyEffect | Sequence[TidyEffect] = ("fixed", "ran_pars"),
        *,
        conf_int: bool = False,
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
        vcov: Covariance = None,
    ) -> pd.DataFrame:
        """Estimates in long form, one per row.

        Args:
            effects: "fixed" (coefficients with tests), "ran_pars" (standard deviations `sd__` and
                correlations `cor__`, the residual's as `sd__Observation`), "ran_vals" (conditional
                modes by level, with conditional standard deviations), "ran_coefs" (fixed plus
                random by level).
            conf_int: Add `conf_low` and `conf_high`: the limits of `confint(method="wald")` for
                fixed effects, by the normal for conditional modes, NaN for the others.
            level: Coverage.
            ddf: Method for degrees of freedom of the tests and limits, as in `coef_table`.
            vcov: Another covariance of the fixed effects, as in `coef_table`.

        Returns:
            Columns `effect`, `group`, `term`, `estimate`, and as far as an effect asked for has
            them `level`, `std_error`, `df`, `statistic`, `p_value`, `conf_low`, `conf_high`.

        Raises:
            MixedModelsError: Unknown effects or `ddf`, or a level not in (0, 1).

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.tidy("ran_pars")[["group", "term", "estimate"]].round(2).values.tolist()
            [['Batch', 'sd__(Intercept)', 42.0], ['Residual', 'sd__Observation', 49.51]]
        """
        check_level(level)
        parts = []
        for effect in check_effects(effects):
            if effect == "fixed":
                method = method_of(self._fitted, ddf, vcov, announce=True)
                parts.append(fixed_rows(coef_table(self._kept_names, method), level))
            elif effect == "ran_pars":
                parts.append(parameter_rows(self.varcorr))
            elif effect == "ran_vals":
                parts.append(mode_rows(self.ranef(), self.ranef_cov(), level))
            else:
                parts.append(coefficient_rows(self.coef()))
        return bind(parts, limits=conf_int)

    def glance(self) -> pd.DataFrame:
        """The fit in one row.

        Returns:
            Columns `nobs`, `sigma`, `logLik`, `AIC`, `BIC`, then `REMLcrit` of a REML fit or
            `deviance` of an ML fit (never both: they are not comparable), and `df_residual`.
        """
        criterion = "REMLcrit" if self.reml else "deviance"
        return pd.DataFrame(
            {
                "nobs": [self.nobs],
                "sigma": [self.sigma],
                "logLik": [self.loglik],
                "AIC": [self.aic],
                "BIC": [self.bic],
                criterion: [self.objective],
                "df_residual": [self.df_residual],
            }
        )

    def augment(self, data: Any = None, *, level: float = 0.95) -> pd.DataFrame:
        """The rows of `fitted`, with the values of the fit for each.

        Args:
            data: The table the model was fitted to, whose columns come first; without it the
                response and the grouping factors do. It is not modified. Of a fit that was made
                from a source: that source, or another with the columns of the formula.
            level: Coverage of the intervals that rows of a source get.

        Returns:
            (n rows) with `.fitted`, `.resid` (y - fitted), `.std_resid` (standardized), `.hat`,
            `.cooksd` (NaN without fixed effects), `.fixed` (offset + X beta), `.offset`,
            `.weights`, `.wtres` (sqrt(w) times `.resid`). A column of the data with one of these
            names is called `data(name)`. Of a fit that was made from a source a
            `pyarrow.RecordBatchReader` instead, which reads the source as it is read itself: the
            columns of the formula in the rows used, then `.fitted`, `.resid`, `.fixed`, and
            `.std_error`, `.lower`, `.upper` of the prediction of a row (theta taken as known).

        Raises:
            DataError: Not an eager table, or not the one the model was fitted to.
        """
        if self._sums is not None:
            check_level(level)
            return self._streamed(data, level)
        values = self._fitted.once(rows_of)
        added = on_all_rows(self._design, augmented(self._fitted, values, self._fitted_values))
        if data is None:
            return beside(on_all_rows(self._design, model_columns(self._fitted)), added)
        return beside(rows_used(self._fitted, data), added)

    def _streamed(self, data: Any, level: float) -> Any:
        if self._sums is None or data is None:
            raise MixedModelsError(
                "This fit was made from sums over rows and has none: give augment() their source, "
                "as in fit.augment(source)."
            )
        source = _sources.as_source(data)
        return _augmenting.augment_source(self._fitted, self._sums.plan, source, level)
