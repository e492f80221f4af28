"""The parameters of a generalized model as users see them, their tables and covariances."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from mixedmodels.design import by_row
from mixedmodels.design.columns import level_labels
from mixedmodels.estimates.components import Component, exponential, probability
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.own import own_coefficients
from mixedmodels.estimates.tails import t_tail, wald_limits
from mixedmodels.estimates.unknown import covariance_of_rows
from mixedmodels.families.base import DISPERSION, THRESHOLDS, ZERO_INFLATION, Family
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.inference.generalized import full_covariance
from mixedmodels.inference.robust import RobustCovariance
from mixedmodels.lazy import late_function
from mixedmodels.report.chapters import parameter_section
from mixedmodels.report.distributions import DistributionWords, ParameterWords
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.report.values import CoefficientValues, FitValues
from mixedmodels.settings import (
    Ddf,
    RobustKind,
)

if TYPE_CHECKING:
    from mixedmodels.base_model import MixedModel
    from mixedmodels.marginal.meaning import exposure_of
else:
    exposure_of = late_function("mixedmodels.marginal.meaning", "exposure_of")


class GeneralizedParameters(MixedFit):
    """A fit of a generalized model with its parameters; see `GeneralizedLinearMixedFit`."""

    def __init__(self, model: MixedModel, fitted: GeneralizedFitted) -> None:
        # It has the members that the roles read of a linear fit.
        super().__init__(model, cast("Fitted", fitted))
        self._generalized = fitted

    # -- parameters ---------------------------------------------------------------------

    @property
    def family(self) -> Family:
        """The family and its link."""
        return self._generalized.model.family

    @property
    def dispersion(self) -> float | pd.Series[float] | None:
        """The family's own parameter; None where it has none, by row where it has predictors.

        phi for gamma, inverse Gaussian and Gaussian responses, with variance phi V(mu); k for
        negative binomial ones, with variance mu + mu^2 / k; alpha for `nb1`, with variance
        mu (1 + alpha); the precision of beta responses.
        """
        found = self._generalized.solution.dispersion
        if found is None or isinstance(found, float):
            return found
        return by_row.series(self._design, found, "dispersion")

    def component_table(self) -> pd.DataFrame:
        """Coefficients of the parameters of the distribution beside its mean.

        Returns:
            One row per coefficient, by component ("dispersion", "zero_inflation") and term;
            columns `estimate`, `std_error`, `statistic` (z), `p_value`. A dispersion without
            predictors has one row, its logarithm.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.glmer("TICKS ~ YEAR + (1 | BROOD)", mm.load_dataset("grouseticks"),
            ...                "negative_binomial", dispersion="~ YEAR")
            >>> fit.component_table().loc["dispersion", "estimate"].index.tolist()
            ['(Intercept)', 'YEAR96', 'YEAR97']
        """
        tables = {part.role: self._table_of(part) for part in self._generalized.model.components}
        if not tables:
            empty = pd.MultiIndex.from_arrays([[], []], names=["component", "term"])
            columns = ["estimate", "std_error", "statistic", "p_value"]
            return pd.DataFrame(index=empty, columns=columns, dtype=np.float64)
        return pd.concat(tables, names=["component", "term"])

    def _table_of(self, part: Component) -> pd.DataFrame:
        solution = self._generalized.solution
        first = len(solution.theta) + solution.p + part.first
        place = slice(first, first + len(part.names))
        estimate, slopes = part.estimates(solution.psi)
        covariance = covariance_of_rows(slopes, solution.covariance_of.user[place, place])
        std_error = np.sqrt(np.diag(covariance))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = estimate / std_error
        p_value = t_tail(np.full(len(estimate), np.inf), statistic)
        table = {"estimate": estimate, "std_error": std_error, "statistic": statistic}
        return pd.DataFrame({**table, "p_value": p_value}, index=list(part.names))

    def _component_tables(self) -> dict[str, pd.DataFrame]:
        shown = (part for part in self._generalized.model.components if part.shown)
        return {part.role: self._table_of(part) for part in shown}

    def _values(self, ddf: Ddf = "satterthwaite", *, full: bool) -> FitValues:
        shown = [part for part in self._generalized.model.components if part.shown]
        others = []
        for part in shown:
            table = self._table_of(part)
            numbers = {name: table[name].to_numpy() for name in table}
            others.append((part.title, CoefficientValues(names=part.names, **numbers)))
        return dataclasses.replace(super()._values(ddf, full=full), others=tuple(others))

    @property
    def sigma(self) -> float:
        """1: random effects are on the scale of the linear predictor."""
        return 1.0

    @property
    def vcov_conditional(self) -> pd.DataFrame:
        """Covariance of the fixed effects as if theta were known; `vcov` takes it as estimated."""
        names = self._kept_names
        found = self._generalized.solution.covariance_of.conditional
        return pd.DataFrame(found.copy(), index=names, columns=names)

    @property
    def _title(self) -> tuple[str, ...]:
        family, dispersion = self.family, self._generalized.solution.dispersion
        lines = (
            f"Generalized linear mixed model fit by {self._generalized.model.method}",
            f"Family: {family.title} ({family.link.name})",
        )
        if not isinstance(dispersion, float):
            return lines
        error = own_coefficients(self._generalized).scale_error()
        spread = f" (SE of log: {error:.3g})" if np.isfinite(error) else ""
        return (*lines, f"Dispersion: {family.parameter} {dispersion:.4g}{spread}")

    @property
    def _distribution_words(self) -> DistributionWords | None:
        family, categories = self.family, self._design.categories
        parts = {
            part.role: ParameterWords(
                part.role.replace("_", " ").capitalize(),
                () if part.part is None else part.names,
            )
            for part in self._generalized.model.components
        }
        return DistributionWords(
            family=family.title,
            link=family.link.name,
            method=self._generalized.model.method,
            own=family.parameter,
            of_trials=family.of_trials,
            with_all=family.with_all,
            ordered=self._meaning.of if family.ordered else "",
            categories=() if categories is None else tuple(level_labels(categories)),
            dispersion=parts.get(DISPERSION),
            zeros=parts.get(ZERO_INFLATION),
        )

    def _parameter_sections(self) -> Iterator[Section]:
        for part in self._generalized.model.components:
            table = self._table_of(part)
            estimate, error = table["estimate"].to_numpy(), table["std_error"].to_numpy()
            lower, upper = wald_limits(estimate, error, np.full(len(table), np.inf), 0.95)
            table.insert(2, "lower", lower)
            table.insert(3, "upper", upper)
            yield parameter_section(part.title.rstrip(":"), table)
            if part.part is not None or part.role == THRESHOLDS:
                continue
            name, back = self.family.parameter, exponential
            if part.role == ZERO_INFLATION:
                name, back = "Probability of an extra zero", probability
            value, low, high = (f"{back(float(ends[0])):.5g}" for ends in (estimate, lower, upper))
            limits = f", with 95 % limits {low} to {high}" if np.isfinite(error[0]) else ""
            yield Paragraph((f"{name}: {value}{limits}.",))

    @property
    def _offset_reported(self) -> float | None:
        """Zero for counts with an exposure, whose means are rates then."""
        rates = self.family.counts and self.family.link.name == "log"
        return 0.0 if rates and exposure_of(self._design) is not None else None

    @property
    def _family_words(self) -> dict[str, Any] | None:
        family = self.family
        return {
            "name": family.name,
            "link": family.link.name,
            "n_agq": self._generalized.model.nodes,
            "parameter": family.parameter or None,
            "dispersion": self.dispersion if isinstance(self.dispersion, float) else None,
        }

    def __repr__(self) -> str:
        """One line with the estimates."""
        return (
            f"<{type(self).__name__} {self._design.formula.text!r}: {self.family.title} "
            f"({self.family.link.name}), -2 log-likelihood {self.objective:.3f}, "
            f"{self.nobs} observations>"
        )

    # -- covariances --------------------------------------------------------------------

    def vcov_full(self) -> pd.DataFrame:
        """Covariance of beta (p), theta (m) and the family's own parameter, all estimated.

        From the exact Hessian in all of them. NaN for entries of theta on their bound, and all else
        is conditional on that.
        """
        names = self._parameter_names
        return pd.DataFrame(full_covariance(self._generalized), index=names, columns=names)

    @property
    def _scale_names(self) -> tuple[str, ...]:
        return self._generalized.own_names

    def vcov_robust(self, cluster: Any = None, kind: RobustKind = "CR1") -> RobustCovariance:
        """Covariance of the fixed effects that holds whatever goes on within clusters.

        The sandwich of all parameters: scores of the clusters between inverses of the exact
        Hessian. Tests by it are by the normal distribution; they need many clusters.

        Args:
            cluster: As for linear models: a grouping factor, a column or labels that hold whole
                levels of every grouping factor; the coarsest grouping factor if None.
            kind: "CR0", without correction, or "CR1", times J / (J - 1) with J clusters.

        Returns:
            A matrix (p, p) that is read like a DataFrame.

        Raises:
            MixedModelsError: Unknown `kind`, or groups that are not clusters.
            ModelError: "CR2", which generalized models do not have, or no fixed effects.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)",
            ...                mm.load_dataset("cbpp"))
            >>> fit.vcov_robust("herd").stderror.round(3).tolist()
            [0.296, 0.47, 0.531, 0.375]
        """
        return super().vcov_robust(cluster, kind)

    def glance(self) -> pd.DataFrame:
        """The fit in one row: `nobs`, `logLik`, `AIC`, `BIC`, `deviance`, `df_residual`."""
        return pd.DataFrame(
            {
                "nobs": [self.nobs],
                "logLik": [self.loglik],
                "AIC": [self.aic],
                "BIC": [self.bic],
                "deviance": [self.objective],
                "df_residual": [self.df_residual],
            }
        )
