"""The values of a fitted linear mixed model: numbers and tables read off a frozen solution.

Values are properties, and nothing is computed before it is asked for. The formulas of the tables
are in `estimates`; what costs further evaluations of the criterion belongs to the other roles.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.calls import Guided
from mixedmodels.design import by_row
from mixedmodels.design.given import Given, beside_formula
from mixedmodels.design.lookup import GroupNames
from mixedmodels.design.names import Effect, Labels
from mixedmodels.estimates import criteria
from mixedmodels.estimates.by_group import ByGroup
from mixedmodels.estimates.linear import Fitted, conditional_covariances
from mixedmodels.estimates.messages import fit_messages, singular_terms
from mixedmodels.estimates.solution import Solution
from mixedmodels.estimates.tables import (
    coef_tables,
    fixed_mean,
    random_part,
    ranef_table,
    ranef_tables,
)
from mixedmodels.estimates.varcorr import VarCorr
from mixedmodels.lazy import cached_property, late_module
from mixedmodels.optimize.summary import OptSummary

if TYPE_CHECKING:
    from mixedmodels.marginal import meaning as _meanings
    from mixedmodels.marginal import ratios as _ratios
    from mixedmodels.marginal import scale as _scales
    from mixedmodels.marginal.categories import Categories
    from mixedmodels.marginal.meaning import Meaning
    from mixedmodels.marginal.scale import Scale
    from mixedmodels.streaming.plan import Plan
else:
    _meanings = late_module("mixedmodels.marginal.meaning")
    _ratios = late_module("mixedmodels.marginal.ratios")
    _scales = late_module("mixedmodels.marginal.scale")


class OfSums(Protocol):
    """Sums over rows that a fit was made from; see `scaleout.CrossProducts`."""

    @property
    def plan(self) -> Plan:
        """What is known of the rows."""

    def level_rows(self) -> list[LongArray]:
        """The rows of each level, for each grouping factor of the model."""

    def restored(self, solution: Solution, optsum: OptSummary, threads: int) -> Any:
        """The fit of a solution."""

    def save_fit(self, solution: Solution, optsum: OptSummary, path: Any) -> None:
        """Write the fit of a solution to a file."""


class Values(Guided, ABC):
    """What a fit has found; see `LinearMixedFit`."""

    _given: Given | None = None
    _sums: OfSums | None = None

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted
        self._design = fitted.model.design
        self._solution = fitted.solution
        self._optsum = fitted.optsum

    @abstractmethod
    def refit(self, y: npt.ArrayLike) -> Values:
        """Fit the same model to another response; every kind of model has its own way."""

    @abstractmethod
    def update(self, formula: str | None = None, data: Any = None) -> Values:
        """Fit the model again with some arguments changed; every kind of model has its own."""

    @abstractmethod
    def _by_formula(self, formula: str) -> Values | None:
        """The fit by another formula, without a word; None where it cannot be made."""

    @property
    def _beside(self) -> dict[str, str]:
        """Offset and weights given beside the formula."""
        return beside_formula(self._design)

    @property
    def _formula_in_full(self) -> str:
        """The formula, with offset and weights that were given beside it."""
        beside = (f"{what.lower()} {text}" for what, text in self._beside.items())
        return "; ".join((self._design.formula.text, *beside))

    @property
    def _family_words(self) -> dict[str, Any] | None:
        """Name, link, nodes and own parameter of the family of a generalized model."""
        return None

    def _component_tables(self) -> dict[str, pd.DataFrame]:
        """Coefficients of other parameters than the mean, by parameter; of generalized models."""
        return {}

    def _ratios(self) -> Scale:
        """The scale on which coefficients are logarithms of ratios; raises where they are not."""
        return _ratios.coefficient_ratios(self._design.formula.response_factor, self._family_words)

    @property
    def _scale(self) -> Scale | None:
        """The way from the linear predictor back to the response that the formula transforms."""
        return _scales.response_scale(self._design.formula.response_factor)

    @property
    def _meaning(self) -> Meaning:
        """What means are, in words."""
        return _meanings.linear_meaning(self._design, self._scale)

    @property
    def _of_successes(self) -> bool:
        """Whether means of the response are probabilities of a success."""
        return False

    @property
    def _categories(self) -> Categories | None:
        """The categories of an ordered response."""
        return None

    @property
    def _linked(self) -> bool:
        """Whether the linear predictor is a transformation of the mean of the response."""
        return False

    @property
    def _partial_residuals(self) -> FloatArray:
        """(n,) residuals on the scale of the linear predictor."""
        return self._raw_residuals

    # -- the search ---------------------------------------------------------------------

    @property
    def solution(self) -> Solution:
        """The numbers at the optimum, as arrays."""
        return self._solution

    @property
    def optsum(self) -> OptSummary:
        """How the optimum was found: optimizer, evaluations, trace, gradient."""
        return self._optsum

    @property
    def converged(self) -> bool:
        """Whether the search ended at an optimum, by its gradient and Hessian."""
        return self._optsum.converged

    @property
    def is_singular(self) -> bool:
        """Whether a diagonal of theta is below `singular_tol`.

        Measured along orthogonal combinations of each term's columns of Z, of unit size: neither
        the origin nor the scale of a covariate makes a fit singular.
        """
        tol = self._optsum.control.singular_tol
        return bool(
            singular_terms(self._fitted.model.templates, self._solution.relative_theta, tol)
        )

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user should know: rows and columns dropped, singularity, convergence."""
        return fit_messages(
            self._design,
            self._fitted.model.templates,
            self._solution,
            self.optsum,
            self._fitted.identification,
            self._fitted.model.note,
        )

    # -- parameters ---------------------------------------------------------------------

    @property
    def theta(self) -> FloatArray:
        """(m,) free entries of the relative covariance templates, term by term."""
        return self._solution.theta

    @property
    def formula(self) -> str:
        """The formula as typed."""
        return self._design.formula.text

    @property
    def theta_names(self) -> list[str]:
        """Names of theta, as lme4's: `Subject.(Intercept)`, `Subject.Days.(Intercept)`."""
        return list(self._fitted.model.templates.names)

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
        return pd.Series(self.beta.copy(), index=list(self._design.x_names), name="fixef")

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
        return VarCorr.from_theta(
            self._fitted.model.templates, self.theta, self._solution.residual_sd
        )

    @property
    def _kept_names(self) -> list[str]:
        names = self._design.x_names
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
        return float(criteria.aic(self.objective, self.npar))

    @property
    def bic(self) -> float:
        """Schwarz's criterion, objective + log(nobs) npar."""
        return float(criteria.bic(self.objective, self.npar, self.nobs))

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples; inf when nobs <= npar + 1."""
        return float(criteria.aicc(self.objective, self.npar, self.nobs))

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self._solution.n

    @property
    def ngroups(self) -> dict[str, int]:
        """Levels of each grouping factor, by its name."""
        return {group.name: group.n_levels for group in self._design.groups}

    @property
    def npar(self) -> int:
        """Parameters: rank of X, length of theta, and sigma or the family's own."""
        return self._solution.npar

    @property
    def df_residual(self) -> int:
        """Rows less parameters, nobs - npar."""
        return self.nobs - self.npar

    # -- rows ---------------------------------------------------------------------------

    @property
    def fitted(self) -> pd.Series[float]:
        """(n,) offset + X beta + Z b by row label.

        Of the rows used, or under `na_action="exclude"` of all rows, NaN where one is left out.
        """
        return by_row.series(self._design, self._fitted_values, "fitted")

    @property
    def residuals(self) -> pd.Series[float]:
        """(n,) y - fitted by row label, of the same rows as `fitted`."""
        return by_row.series(self._design, self._raw_residuals, "residuals")

    @cached_property
    def _fitted_values(self) -> FloatArray:
        """(n,) the same on the rows used."""
        design = self._design
        mean = fixed_mean(design, self.beta)
        mean += random_part(
            self._fitted.model.templates, design.groups, design.terms, self._solution.b, design.n
        )
        mean.flags.writeable = False
        return mean

    @cached_property
    def _raw_residuals(self) -> FloatArray:
        left: FloatArray = self._design.y - self._fitted_values
        left.flags.writeable = False
        return left

    @property
    def _scaled_residuals(self) -> FloatArray:
        """(n,) residuals over their standard deviation sigma / sqrt(w)."""
        w = self._design.w
        left = self._raw_residuals
        scaled: FloatArray = left if w is None else left * np.sqrt(w)
        return scaled / self.sigma

    # -- effects by level ---------------------------------------------------------------

    def ranef(self) -> ByGroup[pd.DataFrame]:
        """Conditional modes of the random effects: a table (levels by effects) per grouping factor.

        Terms on the same grouping factor share a table, their columns in order of theta;
        rows follow the order of the factor's levels. Rows are labelled by the levels as the data
        have them: with integers in the data it is `.loc[101]`, with text `.loc["101"]`; the levels
        of an interaction, `g:h`, are text, `.loc["101:a"]`.
        The result is a mapping by grouping factor that prints; `tables["h:g"]` gives those of
        `g:h`. An effect that two terms of one grouping factor have is called by its term too,
        `(Intercept) [term 2]`.
        """
        design = self._design
        found = ranef_tables(self._fitted.model.templates, design.groups, self._solution.b)
        return ByGroup(found, GroupNames(design.groups))

    def ranef_cov(self) -> ByGroup[FloatArray]:
        """Conditional covariances of the random effects: (levels, s, s) per grouping factor.

        Given y, theta and sigma; levels in the order of the rows of `ranef()`, rows and columns in
        that of its columns.
        """
        names = GroupNames(self._design.groups)
        return ByGroup(self._fitted.once(conditional_covariances), names)

    def ranef_table(self) -> pd.DataFrame:
        """Conditional modes and their standard errors in one long table.

        Returns:
            One row per grouping factor (`grp`), effect (`term`) and `level`, in this order;
            `estimate` is the conditional mode, `std_error` the conditional standard deviation.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.ranef_table().round(2).head(2)
                 grp         term level  estimate  std_error
            0  Batch  (Intercept)     A    -17.61      19.59
            1  Batch  (Intercept)     B      0.39      19.59
        """
        return ranef_table(self.ranef(), self.ranef_cov())

    def coef(self) -> ByGroup[pd.DataFrame]:
        """lme4's `coef`, per level: fixed plus random effects, a table for each grouping factor.

        The fixed effects alone are `fixef`; with their tests, `coef_table()`.
        """
        fixed = self._fixed_effects
        fixef = [(fixed[j], float(self.beta[j])) for j in self._solution.kept]
        effects = {group.name: self._effects_of(g) for g, group in enumerate(self._design.groups)}
        tables = coef_tables(fixef, self.ranef(), effects)
        return ByGroup(tables, GroupNames(self._design.groups))

    @property
    def _fixed_effects(self) -> tuple[Effect, ...]:
        """What the columns of X are."""
        plan = self._design.fixed_spec
        return Labels(plan.recipes).effects(plan.names, plan.columns)

    def _effects_of(self, group: int) -> list[Effect]:
        """What the effects of a grouping factor are, in the order of `ranef`."""
        return [
            effect
            for term in self._design.terms
            if term.group == group
            for effect in Labels(term.spec.recipes).effects(term.columns, term.spec.columns)
        ]
