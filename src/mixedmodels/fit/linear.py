"""The fitted linear mixed model: values and tables over a frozen solution.

Values are properties, work is done by methods, and nothing is computed before it is asked
for. The formulas of the tables are in `fit.tables` and `fit.varcorr`, their print in
`report`; the numbers at the optimum come from the optimiser as a `Solution`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.messages import fit_messages, singular_terms
from mixedmodels.fit.solution import Solution
from mixedmodels.fit.tables import coef_tables, normal_tests, random_part, ranef_tables
from mixedmodels.fit.varcorr import VarCorr
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.report.html import render_html
from mixedmodels.report.sections import fit_sections
from mixedmodels.report.text import Report, render_text
from mixedmodels.report.values import CoefficientValues, FitValues
from mixedmodels.settings import check_option
from mixedmodels.typing import FloatArray

DfMethod: TypeAlias = Literal["satterthwaite", "kenward-roger", "residual", "none"]
DF_METHODS = ("satterthwaite", "kenward-roger", "residual", "none")
MOST_CORRELATIONS = 20


class FittableModel(Protocol):
    """What a fit asks of the model it came from."""

    @property
    def design(self) -> Design:
        """The frozen model matrices and response."""

    @property
    def templates(self) -> Templates:
        """The covariance templates."""

    def conditional_covariance(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Per group (levels, S, S): covariance of the random effects given y, over sigma^2."""

    def refit(self, y: npt.ArrayLike, *, fitted: LinearMixedFit) -> LinearMixedFit:
        """Fit the same model to another response as `fitted` was, leaving this one untouched."""


class LinearMixedFit:
    """A fitted linear mixed model.

    Made by `lmer` or `LinearMixedModel.fit`. Arrays are read-only; tables are made anew on
    every call and may be changed freely.
    """

    def __init__(self, model: FittableModel, solution: Solution, optsum: OptSummary) -> None:
        self._model = model
        self._solution = solution
        self._optsum = optsum

    # -- the model and the search -------------------------------------------------------

    @property
    def model(self) -> Any:
        """The `LinearMixedModel` that was fitted."""
        return self._model

    @property
    def solution(self) -> Solution:
        """The numbers at the optimum, as arrays."""
        return self._solution

    @property
    def optsum(self) -> OptSummary:
        """How the optimum was found: optimizer, evaluations, trace, gradient, Hessian."""
        return self._optsum

    @property
    def converged(self) -> bool:
        """Whether the search ended at an optimum, by exact gradient and Hessian."""
        return self._optsum.converged

    @property
    def is_singular(self) -> bool:
        """Whether a diagonal of theta, for columns of Z of unit size, is below `singular_tol`."""
        tol = self._optsum.control.singular_tol
        return bool(singular_terms(self._model.templates, self._solution.relative_theta, tol))

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user should know: rows and columns dropped, singularity, convergence."""
        return fit_messages(self._model.design, self._model.templates, self._solution, self.optsum)

    # -- parameters ---------------------------------------------------------------------

    @property
    def theta(self) -> FloatArray:
        """(m,) free entries of the relative covariance templates, term by term."""
        return self._solution.theta

    @property
    def theta_names(self) -> list[str]:
        """Names of theta, as lme4's: `Subject.(Intercept)`, `Subject.Days.(Intercept)`."""
        return list(self._model.templates.names)

    @property
    def beta(self) -> FloatArray:
        """(p_all,) fixed effects in column order of X; NaN where a column is aliased."""
        return self._solution.beta

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self._solution.sigma

    @property
    def fixef(self) -> pd.Series[float]:
        """Fixed effects by name; NaN for columns that depend on earlier ones."""
        return pd.Series(self.beta.copy(), index=list(self._model.design.x_names), name="fixef")

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance (p, p) of the fixed effects, aliased columns left out."""
        names = self._kept_names
        return pd.DataFrame(self._solution.vcov.copy(), index=names, columns=names)

    @property
    def stderror(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, aliased columns left out."""
        return pd.Series(self._std_error, index=self._kept_names, name="stderror")

    @cached_property
    def varcorr(self) -> VarCorr:
        """Standard deviations and correlations of the random effects."""
        return VarCorr.from_theta(self._model.templates, self.theta, self.sigma)

    @property
    def _kept_names(self) -> list[str]:
        names = self._model.design.x_names
        return [names[j] for j in self._solution.kept]

    @property
    def _std_error(self) -> FloatArray:
        errors: FloatArray = np.sqrt(np.diag(self._solution.vcov))
        return errors

    # -- criteria -----------------------------------------------------------------------

    @property
    def reml(self) -> bool:
        """Whether `objective` is the REML criterion."""
        return self._solution.reml

    @property
    def objective(self) -> float:
        """The criterion optimised: REML criterion or ML deviance."""
        return self._solution.objective

    @property
    def deviance(self) -> float:
        """-2 log-likelihood (ML) at the estimates of theta, beta and sigma profiled out."""
        return self._solution.deviance

    @property
    def loglik(self) -> float:
        """-objective / 2: the restricted log-likelihood for a REML fit, as in lme4."""
        return -0.5 * self.objective

    @property
    def aic(self) -> float:
        """Akaike's criterion, objective + 2 npar."""
        return self.objective + 2.0 * self.npar

    @property
    def bic(self) -> float:
        """Schwarz's criterion, objective + log(nobs) npar."""
        return self.objective + float(np.log(self.nobs)) * self.npar

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples; inf when nobs <= npar + 1."""
        room = self.nobs - self.npar - 1
        if room <= 0:
            return float("inf")
        return self.aic + 2.0 * self.npar * (self.npar + 1) / room

    @property
    def nobs(self) -> int:
        """Rows used."""
        return self._solution.n

    @property
    def npar(self) -> int:
        """Parameters: rank of X, length of theta, and sigma."""
        return self._solution.p + len(self.theta) + 1

    @property
    def df_residual(self) -> int:
        """Rows less parameters, nobs - npar."""
        return self.nobs - self.npar

    # -- rows ---------------------------------------------------------------------------

    @cached_property
    def fitted(self) -> FloatArray:
        """(n,) offset + X beta + Z b on the rows used."""
        design = self._model.design
        mean = random_part(
            self._model.templates, design.groups, design.terms, self._solution.b, design.n
        )
        if design.X.shape[1]:
            mean += design.X @ np.nan_to_num(self.beta)
        if design.offset is not None:
            mean += design.offset
        mean.flags.writeable = False
        return mean

    @cached_property
    def residuals(self) -> FloatArray:
        """(n,) y - fitted on the rows used."""
        left: FloatArray = self._model.design.y - self.fitted
        left.flags.writeable = False
        return left

    # -- effects by level ---------------------------------------------------------------

    @overload
    def ranef(self, condvar: Literal[False] = False) -> dict[str, pd.DataFrame]: ...

    @overload
    def ranef(
        self, condvar: Literal[True]
    ) -> tuple[dict[str, pd.DataFrame], dict[str, FloatArray]]: ...

    def ranef(
        self, condvar: bool = False
    ) -> dict[str, pd.DataFrame] | tuple[dict[str, pd.DataFrame], dict[str, FloatArray]]:
        """Conditional modes of the random effects.

        Terms on the same grouping factor share a table, their columns in order of theta;
        rows follow the order of the factor's levels.

        Args:
            condvar: Also give the conditional covariances.

        Returns:
            Tables (levels by effects) by grouping factor; with `condvar`, a pair of these
            and of arrays (levels, s, s) by grouping factor, rows and columns in the order
            of the table's.
        """
        design = self._model.design
        tables = ranef_tables(self._model.templates, design.groups, self._solution.b)
        return (tables, dict(self._condvar)) if condvar else tables

    @cached_property
    def _condvar(self) -> dict[str, FloatArray]:
        found = {}
        blocks = self._model.conditional_covariance(self.theta)
        for group, block in zip(self._model.design.groups, blocks, strict=True):
            scaled = self.sigma**2 * block
            scaled.flags.writeable = False
            found[group.name] = scaled
        return found

    def coef(self) -> dict[str, pd.DataFrame]:
        """Fixed plus random effects: a table (levels by coefficients) per grouping factor."""
        return coef_tables(self.fixef.dropna().to_dict(), self.ranef())

    # -- inference on the fixed effects -------------------------------------------------

    def coef_table(self, df: DfMethod = "none") -> pd.DataFrame:
        """Fixed effects with standard errors and tests.

        Args:
            df: Degrees of freedom of the tests. "none" refers the ratio to a normal
                distribution; it is the only choice of this version.

        Returns:
            One row per kept column of X; columns `estimate`, `std_error`, `df`,
            `statistic`, `p_value`.

        Raises:
            MixedModelsError: Unknown `df`, or one that this version does not have.
        """
        check_option("df", df, DF_METHODS)
        if df != "none":
            raise MixedModelsError(
                f"coef_table: df={df!r} is not available in this version; use df='none', "
                "which refers estimate / std_error to a normal distribution."
            )
        return normal_tests(self._kept_names, self.beta[self._solution.kept], self._std_error)

    def refit(self, y: npt.ArrayLike) -> LinearMixedFit:
        """Fit the same model to another response, starting at this fit's theta.

        Args:
            y: (nobs,) response on the rows used.

        Returns:
            A new fit; this one is unchanged.
        """
        return self._model.refit(y, fitted=self)

    # -- print --------------------------------------------------------------------------

    def summary(self) -> Report:
        """lme4's summary: a string that prints as text and shows as HTML in a notebook."""
        sections = fit_sections(self._values(full=True))
        return Report(render_text(sections), render_html(sections))

    def __str__(self) -> str:
        """The summary without residual quantiles and correlations."""
        return render_text(fit_sections(self._values(full=False)))

    def __repr__(self) -> str:
        """One line."""
        kind = "REML criterion" if self.reml else "deviance"
        return (
            f"<LinearMixedFit {self._model.design.formula.text!r}: "
            f"{kind} {self.objective:.3f}, {self.nobs} observations>"
        )

    def _repr_html_(self) -> str:
        return render_html(fit_sections(self._values(full=False)))

    def _values(self, *, full: bool) -> FitValues:
        design = self._model.design
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
            coefficients=self._coefficients(correlated=full),
            quantiles=self._scaled_quantiles() if full and self.sigma > 0.0 else None,
            messages=self.messages,
        )

    def _coefficients(self, *, correlated: bool) -> CoefficientValues:
        table = self.coef_table()
        std_error = table["std_error"].to_numpy()
        shown = correlated and 1 < len(table) <= MOST_CORRELATIONS
        return CoefficientValues(
            names=tuple(table.index),
            estimate=table["estimate"].to_numpy(),
            std_error=std_error,
            statistic=table["statistic"].to_numpy(),
            p_value=table["p_value"].to_numpy(),
            correlation=self._solution.vcov / np.outer(std_error, std_error) if shown else None,
        )

    def _scaled_quantiles(self) -> FloatArray:
        w = self._model.design.w
        scaled = self.residuals if w is None else self.residuals * np.sqrt(w)
        quantiles: FloatArray = np.quantile(scaled, (0.0, 0.25, 0.5, 0.75, 1.0)) / self.sigma
        return quantiles
