"""The fit as tidy tables: the methods; the layout is in `diagnostics.tidy`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.design.by_row import on_all_rows
from mixedmodels.diagnostics.rows import rows_of
from mixedmodels.diagnostics.tidy import (
    augmented,
    beside,
    bind,
    check_effects,
    coefficient_rows,
    component_rows,
    fixed_rows,
    limited,
    mode_rows,
    own_columns,
    parameter_rows,
    profiled_component,
    rows_used,
    scale_rows,
)
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import by_ml
from mixedmodels.estimates.own import own_coefficients
from mixedmodels.estimates.parameters import random_names
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table
from mixedmodels.inference.components import component_limits, components_of, table_order
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.lazy import late_function, late_module
from mixedmodels.report.whole import WholeFrame
from mixedmodels.settings import TIDY_LIMITS, Ddf, TidyEffect, TidyLimits, check_flag, check_level
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from mixedmodels.inference.confint import profile_intervals
    from mixedmodels.marginal import ratios as _ratios
    from mixedmodels.streaming import augmenting as _augmenting
    from mixedmodels.streaming import sources as _sources
else:
    profile_intervals = late_function("mixedmodels.inference.confint", "profile_intervals")
    _ratios = late_module("mixedmodels.marginal.ratios")
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
        conf_method: TidyLimits | None = None,
        exponentiate: bool = False,
    ) -> pd.DataFrame:
        """Estimates in long form, one per row.

        Args:
            effects: "fixed" (coefficients with tests), "ran_pars" (standard deviations `sd__` and
                correlations `cor__`, the residual's as `sd__Observation`), "ran_vals" (conditional
                modes by level, with conditional standard deviations), "ran_coefs" (fixed plus
                random by level).
            conf_int: Add `conf_low` and `conf_high`: limits of fixed effects, standard deviations
                and correlations; by the normal for conditional modes; NaN for `ran_coefs`.
            level: Coverage.
            ddf: Method for degrees of freedom of the tests and limits, as in `coef_table`.
            vcov: Another covariance of the fixed effects, as in `coef_table`.
            conf_method: None, Wald limits: of standard deviations on the scale of their logarithm,
                of correlations on that of Fisher's z, as nlme's `intervals`; NaN, with a warning,
                where one is on its bound. "wald" leaves these two out, as lme4 and broom.mixed do;
                "profile", those of `confint()`, takes some fits by maximum likelihood.
            exponentiate: Fixed effects of the mean and their limits as ratios: odds ratios of a
                logit link, ratios of means of a log link or a response log(y). Standard errors are
                by the delta method, tests those of the coefficients.

        Returns:
            Columns `effect`, `group`, `term`, `estimate`, and as far as an effect asked for has
            them `level`, `std_error`, `df`, `statistic`, `p_value`, `conf_low`, `conf_high`. Of a
            generalized model with other parameters than the mean these and the fixed effects have a
            `component`: "mean", "dispersion", "zero_inflation" or "thresholds". A dispersion that
            is one number (k, phi, precision) is a row of "ran_pars", its limits on the scale of its
            logarithm.

        Raises:
            MixedModelsError: Unknown effects or `ddf`, or a level not in (0, 1).

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.tidy("ran_pars")[["group", "term", "estimate"]].round(2).values.tolist()
            [['Batch', 'sd__(Intercept)', 42.0], ['Residual', 'sd__Observation', 49.51]]
        """
        check_level(level)
        if conf_method is not None:
            conf_method = chosen_option("conf_method", conf_method, TIDY_LIMITS)
        check_flag("conf_int", conf_int)
        check_flag("exponentiate", exponentiate)
        wanted = check_effects(effects)
        if conf_int and conf_method == "profile" and vcov is not None:
            raise MixedModelsError(
                'vcov= is for Wald limits, not for conf_method="profile"; leave one of them out.'
            )
        profiled = self._profiled(wanted, level) if conf_int and conf_method == "profile" else None
        parts = []
        for effect in wanted:
            if effect == "fixed":
                method = method_of(self._fitted, ddf, vcov, announce=True)
                rows = fixed_rows(coef_table(self._kept_names, method), level)
                rows = rows if profiled is None else limited(rows, profiled, rows["term"])
                rows = _ratios.as_ratios(rows, self._ratios()) if exponentiate else rows
                others = self._component_tables()
                further = bool(others or self._own_scale)
                parts.append(rows.assign(component="mean") if further else rows)
                for role, table in others.items():
                    added = component_rows(table, role, level)
                    parts.append(added if profiled is None else profiled_component(added, profiled))
            elif effect == "ran_pars":
                rows = parameter_rows(self.varcorr)
                if profiled is not None:
                    names = np.array(random_names(self._fitted))
                    order = table_order(self._fitted.model.templates)[: len(rows)]
                    rows = limited(rows, profiled, names[order])
                elif conf_int and conf_method is None:
                    rows = self._transformed(rows, level)
                parts.append(rows)
                parts += self._scale_part(level, profiled)
            elif effect == "ran_vals":
                parts.append(mode_rows(self.ranef(), self.ranef_cov(), level))
            else:
                parts.append(coefficient_rows(self.coef()))
        return WholeFrame(bind(parts, limits=conf_int))

    @property
    def _own_scale(self) -> tuple[str, ...]:
        """Names of parameters of the family that are one number; none of a linear model."""
        return self._fitted.scale_names if self._solution.residual_sd is None else ()

    def _scale_part(self, level: float, profiled: pd.DataFrame | None) -> list[pd.DataFrame]:
        """Their rows, in a table of their own."""
        names = self._own_scale
        if not names:
            return []
        error = own_coefficients(self._fitted).scale_error()
        rows = scale_rows(names, self._fitted.scale_values, error, level)
        return [rows if profiled is None else limited(rows, profiled, names)]

    def _transformed(self, rows: pd.DataFrame, level: float) -> pd.DataFrame:
        """Standard deviations and correlations with Wald limits on scales without bounds."""
        table = components_of(self._fitted, self.varcorr)
        limits = component_limits(table, level)
        return rows.assign(conf_low=limits[0], conf_high=limits[1])

    def _profiled(self, effects: Sequence[TidyEffect], level: float) -> pd.DataFrame:
        """Limits by profile of what is asked for, by name."""
        kinds = {"fixed": "beta_", "ran_pars": "theta_"}
        fitted = by_ml(self._fitted)
        found = [
            profile_intervals(fitted, kinds[effect], level, None)
            for effect in effects
            if effect in kinds
        ]
        return pd.concat(found) if found else pd.DataFrame(columns=["lower", "upper"])

    def glance(self) -> pd.DataFrame:
        """The fit in one row.

        Returns:
            Columns `nobs`, `sigma`, `logLik`, `AIC`, `BIC`, then `REMLcrit` of a REML fit or
            `deviance` of an ML fit (never both: they are not comparable), and `df_residual`.
        """
        criterion = "REMLcrit" if self.reml else "deviance"
        return WholeFrame(
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
            data: The table the model was fitted to, whose columns come first; without it those of
                `model_frame()` do, or, of a fit that has no table any more (see `data`), the
                response and the grouping factors. It is not modified. Of a fit that was made
                from a source: that source, or another with the columns of the formula.
            level: Coverage of the intervals that rows of a source get.

        Returns:
            (n rows) with `.fitted`, `.resid` (y - fitted), `.std_resid` (standardized), `.hat`,
            `.cooksd` (NaN without fixed effects), `.fixed` (offset + X beta), `.offset`,
            `.weights`, `.wtres` (sqrt(w) times `.resid`). A column of the data with one of these
            names is called `data(name)`. Of a fit that was made from a source a
            `pyarrow.RecordBatchReader` instead, which reads the source as it is read itself: the
            columns of the formula in the rows used, then those above, and `.std_error`, `.lower`,
            `.upper` of the prediction of a row (theta taken as known). What is made from variances
            of rows is NaN where the log-likelihood is estimated.

        Raises:
            DataError: Not an eager table, or not the one the model was fitted to.
        """
        if self._sums is not None:
            check_level(level)
            return self._streamed(data, level)
        added = on_all_rows(self._design, self._augmented())
        if data is None:
            own = on_all_rows(self._design, own_columns(self._fitted, self._given))
            return WholeFrame(beside(own, added))
        return WholeFrame(beside(rows_used(self._fitted, data), added))

    def _augmented(self) -> pd.DataFrame:
        """The columns that `augment` adds, on the rows used."""
        return augmented(self._fitted, self._fitted.once(rows_of), self._fitted_values)

    def _streamed(self, data: Any, level: float) -> Any:
        if self._sums is None or data is None:
            raise MixedModelsError(
                "This fit was made from sums over rows and has none: give augment() their source, "
                "as in fit.augment(source)."
            )
        source = _sources.as_source(data)
        return _augmenting.augment_source(self._fitted, self._sums.plan, source, level)
