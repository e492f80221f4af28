"""The fit as text and HTML.

The layout is `report`'s; here the values of a fit are handed to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import SIGMA
from mixedmodels.estimates.parameters import parameter_names, to_sd_cor
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table, degrees
from mixedmodels.inference.degrees import Degrees
from mixedmodels.inference.tables import tested_by
from mixedmodels.lazy import late_module
from mixedmodels.report.html import render_html
from mixedmodels.report.results import Summary
from mixedmodels.report.sections import fit_sections
from mixedmodels.report.side_by_side import (
    BELOW,
    Below,
    ModelColumn,
    ModelTable,
    ResponseMark,
    check_names,
    with_shared_names,
)
from mixedmodels.report.text import render_text
from mixedmodels.report.values import CoefficientValues, FitValues
from mixedmodels.settings import Ddf, check_flag, check_level
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from mixedmodels.marginal import ratios as _ratios
else:
    _ratios = late_module("mixedmodels.marginal.ratios")

MOST_CORRELATIONS = 20


@runtime_checkable
class InTables(Protocol):
    """What a table of several models needs of each."""

    @property
    def _has_degrees(self) -> bool: ...

    def _model_column(
        self, name: str, ddf: Ddf, level: float, *, exponentiate: bool = False
    ) -> ModelColumn: ...


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
        """One line that names the fit."""
        kind = "REML criterion" if self.reml else "deviance"
        return (
            f"<{type(self).__name__} {self._design.formula.text!r}: "
            f"{kind} {self.objective:.3f}, {self.nobs} observations>"
        )

    @property
    def _title(self) -> tuple[str, ...]:
        """What kind of fit it is."""
        method = "REML" if self.reml else "maximum likelihood"
        return (f"Linear mixed model fit by {method}",)

    def _repr_html_(self) -> str:
        return render_html(fit_sections(self._values(full=False)))

    def _values(self, ddf: Ddf = "satterthwaite", *, full: bool) -> FitValues:
        design = self._design
        method = degrees(self._fitted, ddf)
        table = coef_table(self._kept_names, method)
        notes = [method.note] if method.note else []
        has_residuals = self.sigma > 0.0 and design.has_rows
        return FitValues(
            title=self._title,
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
            quantiles=self._scaled_quantiles() if full and has_residuals else None,
            messages=(*self.messages, *notes),
            beside=self._beside,
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
        quantiles: FloatArray = np.quantile(self._scaled_residuals, (0.0, 0.25, 0.5, 0.75, 1.0))
        return quantiles

    def _other_tables(self, level: float) -> dict[str, pd.DataFrame]:
        """Coefficients of other parameters than the mean, as those of the fixed effects."""
        found = {}
        for title, values in self._values(full=False).others:
            df = np.full(len(values.estimate), np.inf)
            lower, upper = wald_limits(values.estimate, values.std_error, df, level)
            found[title.rstrip(":")] = pd.DataFrame(
                {
                    "estimate": values.estimate,
                    "std_error": values.std_error,
                    "df": df,
                    "statistic": values.statistic,
                    "p_value": values.p_value,
                    "lower": lower,
                    "upper": upper,
                },
                list(values.names),
            )
        return found

    @property
    def _has_degrees(self) -> bool:
        """Whether tests have denominator degrees of freedom."""
        return self._solution.residual_sd is not None

    def _model_column(
        self, name: str, ddf: Ddf, level: float, *, exponentiate: bool = False
    ) -> ModelColumn:
        """What a table of several models shows of this one."""
        design, solution = self._design, self._solution
        method = degrees(self._fitted, ddf)
        table = coef_table(self._kept_names, method)
        estimate, error, df = (table[k].to_numpy() for k in ("estimate", "std_error", "df"))
        lower, upper = wald_limits(estimate, error, df, level)
        fixed = table.assign(lower=lower, upper=upper)
        ratios = self._ratios() if exponentiate else None
        templates = self._fitted.model.templates
        sizes = [*to_sd_cor(templates, solution.theta, self.sigma)]
        labels: tuple[str, ...] = parameter_names(templates)[:-1]
        if solution.residual_sd is not None:
            sizes, labels = [*sizes, solution.residual_sd], (*labels, SIGMA)
        family = self._family_words
        own = {} if family is None else {family["parameter"]: family["dispersion"]}
        return ModelColumn(
            name=name,
            formula=self._formula_in_full,
            reml=self.reml,
            fixed=fixed if ratios is None else _ratios.as_ratios(fixed, ratios),
            random=dict(zip(labels, map(float, sizes), strict=True)),
            groups={group.name: group.n_levels for group in design.groups},
            n=self.nobs,
            response=self._response_mark(),
            criteria={"logLik": self.loglik, "AIC": self.aic, "BIC": self.bic},
            notes=(*self.messages, *([method.note] if method.note else [])),
            family=() if family is None else (family["name"], family["link"]),
            own={name: value for name, value in own.items() if value is not None},
            tested=tested_by(method.method, ""),
            others=self._other_tables(level) if family else {},
        )

    def _response_mark(self) -> ResponseMark:
        design = self._design
        digest = hashlib.blake2b(design.y.tobytes()).digest() if design.has_rows else None
        return ResponseMark(digest, float(self._fitted.model.products.response_norm))


def models_side_by_side(
    fits: Sequence[InTables],
    names: Sequence[str] | None,
    below: Below,
    ddf: Ddf,
    level: float,
    *,
    stars: bool,
    exponentiate: bool = False,
) -> ModelTable:
    """The table of several models; see `table`."""
    below = chosen_option("below", below, BELOW)
    check_level(level)
    check_flag("stars", stars)
    check_flag("exponentiate", exponentiate)
    titles = check_names(names, len(fits))
    # In a table with linear models a method for these leaves the others as they are.
    own = [fit._has_degrees for fit in fits]  # noqa: SLF001
    methods = [ddf if has or not any(own) else "none" for has in own]
    columns = tuple(
        fit._model_column(title, method, level, exponentiate=exponentiate)  # noqa: SLF001
        for fit, title, method in zip(fits, titles, methods, strict=True)
    )
    return ModelTable(with_shared_names(columns), below, level, stars, exponentiate)
