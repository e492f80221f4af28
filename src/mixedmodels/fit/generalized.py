"""The roles of a fit as generalized models have them: means on two scales, other residuals.

What is about the residual variance of a linear model is refused with its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design import by_row
from mixedmodels.design.by_row import on_all_rows, used_labels
from mixedmodels.errors import ModelError
from mixedmodels.estimates.components import Component
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.model import Fitted
from mixedmodels.estimates.tails import t_tail
from mixedmodels.families.base import Family
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.fit.prediction import RandomPart
from mixedmodels.inference.coefficients import degrees
from mixedmodels.inference.confint import wald_intervals
from mixedmodels.lazy import cached_property
from mixedmodels.marginal.scale import Scale, link_scale
from mixedmodels.prediction.generalized import (
    PREDICTIONS,
    RESIDUALS,
    PredictionType,
    ResidualType,
    as_categories,
    category_probabilities,
    drawn_responses,
    fitted_means,
    most_likely,
    predicted_values,
    residuals_of_type,
    shown_response,
)
from mixedmodels.prediction.intervals import prediction
from mixedmodels.prediction.simulate import Seed, check_count, random_generator
from mixedmodels.prediction.target import chosen_terms
from mixedmodels.report.values import CoefficientValues, FitValues
from mixedmodels.settings import CONFINT_METHODS, MODES, Ddf, Modes, check_option

_NO_RESIDUAL = "it is about the residual variance, which a generalized model does not have"
_NOT_YET = "it is not available for generalized models yet"


def _refused(name: str, reason: str, instead: str = "") -> Callable[..., Any]:
    """A method that says why a generalized model does not have it."""

    def method(*_: Any, **__: Any) -> Any:
        raise ModelError(f"{name}: {reason}.{instead and ' ' + instead}")

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Refused: {reason}."
    return method


class GeneralizedFit(MixedFit):
    """A fit of a generalized model with all its roles; see `GeneralizedLinearMixedFit`."""

    def __init__(self, fitted: GeneralizedFitted) -> None:
        # It has the members that the roles read of a linear fit.
        super().__init__(cast("Fitted", fitted))
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
        covariance = slopes @ solution.covariance_of.user[place, place] @ slopes.T
        std_error = np.sqrt(np.diag(covariance))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = estimate / std_error
        p_value = t_tail(np.full(len(estimate), np.inf), statistic)
        table = {"estimate": estimate, "std_error": std_error, "statistic": statistic}
        return pd.DataFrame({**table, "p_value": p_value}, index=list(part.names))

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
        nodes = self._generalized.model.nodes
        how = "Laplace approximation" if nodes == 1 else f"quadrature, {nodes} nodes"
        lines = (
            f"Generalized linear mixed model fit by maximum likelihood ({how})",
            f"Family: {family.title} ({family.link.name})",
        )
        if not isinstance(dispersion, float):
            return lines
        return (*lines, f"Dispersion: {family.parameter} {dispersion:.4g}")

    def __repr__(self) -> str:
        """One line."""
        return (
            f"<{type(self).__name__} {self._design.formula.text!r}: {self.family.title} "
            f"({self.family.link.name}), -2 log-likelihood {self.objective:.3f}, "
            f"{self.nobs} observations>"
        )

    # -- rows ---------------------------------------------------------------------------

    @property
    def fitted(self) -> pd.Series[float]:
        """(n,) means given the random effects, on the scale of the response, by row label.

        Of binomial responses they are probabilities, of ordered ones the probability of the
        category observed. The linear predictor is
        `predict(type="link")`.
        """
        return by_row.series(self._design, self._means, "fitted")

    @property
    def residuals(self) -> pd.Series[float]:
        """(n,) deviance residuals by row label, as lme4's; `std_residuals` has other kinds."""
        values = residuals_of_type(self._generalized, "deviance")
        return by_row.series(self._design, values, "residuals")

    @cached_property
    def _fitted_values(self) -> FloatArray:
        """(n,) linear predictor on the rows used."""
        return self._generalized.solution.eta

    @cached_property
    def _means(self) -> FloatArray:
        return fitted_means(self._generalized)

    @cached_property
    def _raw_residuals(self) -> FloatArray:
        """(n,) working residuals: on the scale of the predictor, as the fitted values."""
        return residuals_of_type(self._generalized, "working")

    def _scaled_quantiles(self) -> FloatArray:
        pearson = residuals_of_type(self._generalized, "pearson")
        quantiles: FloatArray = np.quantile(pearson, (0.0, 0.25, 0.5, 0.75, 1.0))
        return quantiles

    def std_residuals(  # type: ignore[override]
        self, kind: ResidualType = "deviance", *, seed: Seed = None
    ) -> pd.Series[float]:
        """Residuals given the random effects.

        Args:
            kind: "deviance", the root of what the row adds to the deviance with the sign of
                y - mu; "pearson", (y - mu) over the root of the variance function; "response",
                y - mu; "working", (y - mu) over the slope of the mean; "quantile", the share of
                responses below the one observed among draws from the fitted means, ties broken at
                random: uniform on (0, 1) if the model is right.
            seed: Seed of "quantile".

        Returns:
            (n,) by row label.

        Raises:
            MixedModelsError: Unknown `kind`, or an unusable seed.
        """
        check_option("kind", kind, RESIDUALS)
        values = residuals_of_type(self._generalized, kind, seed)
        return by_row.series(self._design, values, f"{kind} residual")

    @property
    def _scale(self) -> Scale | None:
        if self.family.ordered:  # means are on the latent scale
            return None
        return link_scale(self.family.link.name, self._design.response_name)

    # -- prediction ---------------------------------------------------------------------

    def predict(
        self,
        data: Any = None,
        *,
        type: PredictionType = "response",  # noqa: A002 (the name that R has)
        random: RandomPart = "all",
        allow_new_levels: bool = False,
    ) -> Any:
        """Predict means or linear predictors of the rows used or of new ones.

        Args:
            data: New rows, any table that `glmer` takes; the rows of `fitted` if None.
            type: "response" for the mean (a probability of binomial responses), "link" for the
                linear predictor offset + x'beta + z'b. With zeros of their own "conditional" is the
                mean without these, "zprob" (or "zero") their probability and "zlink" its logit;
                "disp" is the family's own parameter. Names are glmmTMB's. Of ordered responses
                "prob" (and "response") gives the probabilities of the categories and "class" the
                most likely one.
            random: Random effects that take part: "all", "none", or a list of grouping factors and
                terms.
            allow_new_levels: Give rows with a level that was not there in training no random
                effect.

        Returns:
            (n,) with the index of the data; a row with a missing value is NaN. Probabilities of
            categories are a DataFrame (n, categories).

        Raises:
            FormulaError: A column is missing.
            DataError: A level is new and new ones are not allowed, or a column is of another kind.
            MixedModelsError: An unknown option or term.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)",
            ...                mm.load_dataset("cbpp"))
            >>> new = {"period": ["1", "4"], "herd": ["1", "999"]}
            >>> fit.predict(new, allow_new_levels=True).round(3).tolist()
            [0.308, 0.048]
        """
        check_option("type", type, PREDICTIONS)
        terms = chosen_terms(self._design, random)
        found = prediction(self._fitted, self._target(data, terms, None, allow_new_levels))
        if self.family.ordered and type in ("response", "prob", "class"):
            ordered = most_likely if type == "class" else category_probabilities
            made: Any = ordered(self._generalized, found)
            return on_all_rows(self._design, made) if data is None else made
        if type != "link":
            values = predicted_values(self._generalized, type, found.to_numpy(), data)
            found = pd.Series(values, found.index, name=found.name)
        return on_all_rows(self._design, found) if data is None else found

    def simulate(self, nsim: int = 1, seed: Seed = None, modes: Modes = "new") -> pd.DataFrame:
        """Draw responses from the fitted model.

        Args:
            nsim: Number of responses.
            seed: A whole number, a SeedSequence or a `numpy.random.Generator`; None draws one.
            modes: "new" draws random effects from their fitted distribution; "kept" leaves them at
                their modes.

        Returns:
            (n, nsim) by row label; columns are numbered from 0. Responses are as `refit` takes
            them: shares where the response is a share, numbers of successes where it is
            `cbind(successes, failures)`, categories of ordered responses.

        Raises:
            MixedModelsError: Unknown `modes`, or an unusable number or seed.
        """
        check_option("modes", modes, MODES)
        count = check_count("nsim", nsim)
        rng, _ = random_generator(seed)
        responses = [drawn_responses(self._generalized, rng, modes) for _ in range(count)]
        design = self._design
        if self.family.ordered:
            categories = {j: as_categories(design, y) for j, y in enumerate(responses)}
            return on_all_rows(design, pd.DataFrame(categories, used_labels(design)))
        drawn = [shown_response(self._generalized, y) for y in responses]
        return on_all_rows(design, pd.DataFrame(np.array(drawn).T, used_labels(design)))

    # -- tables -------------------------------------------------------------------------

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

    def confint(  # type: ignore[override]
        self,
        parameters: str | Sequence[str] | None = None,
        level: float = 0.95,
        *,
        method: str = "wald",
    ) -> pd.DataFrame:
        """Wald intervals of the coefficients.

        Args:
            parameters: Names; all coefficients if None.
            level: Coverage, between 0 and 1.
            method: "wald"; others are not available for generalized models yet.

        Returns:
            One row per coefficient; columns `lower`, `upper`.

        Raises:
            MixedModelsError: Unknown names, another method, or an invalid `level`.
        """
        check_option("method", method, CONFINT_METHODS)
        if method != "wald":
            raise ModelError(f"confint(method={method!r}): {_NOT_YET}. method='wald' is.")
        tests = degrees(self._fitted, "none")
        chosen = "beta_" if parameters is None else parameters
        return wald_intervals(self._fitted, chosen, level, tests)

    # -- what there is not ---------------------------------------------------------------

    leverage = _refused("leverage", _NOT_YET)
    cooks_distance = _refused("cooks_distance", _NOT_YET)
    dfbetas = _refused("dfbetas", _NOT_YET)
    influence = _refused("influence", _NOT_YET)
    check = _refused("check", _NOT_YET, "std_residuals(kind='quantile') are uniform.")
    all_fit = _refused("all_fit", _NOT_YET)
    r2 = _refused("r2", _NOT_YET)
    icc = _refused("icc", _NOT_YET)
    profile = _refused("profile", _NOT_YET, "confint(method='wald') has Wald intervals.")
    bootstrap = _refused("bootstrap", _NOT_YET, "simulate() and refit() make replicates.")
    predict_interval = _refused("predict_interval", _NOT_YET)
    vcov_robust = _refused("vcov_robust", _NOT_YET)
    vcov_adjusted = _refused("vcov_adjusted", f"{_NO_RESIDUAL} (Kenward and Roger's method)")
    vcov_full = _refused("vcov_full", _NOT_YET)
    stderror_full = _refused("stderror_full", _NOT_YET)
    varcorr_table = _refused("varcorr_table", _NOT_YET)
    augment = _refused("augment", _NOT_YET)
    report = _refused("report", _NOT_YET)
    vif = _refused("vif", _NOT_YET)
    plot_shrinkage = _refused("plot_shrinkage", _NO_RESIDUAL)
    plot_influence = _refused("plot_influence", _NOT_YET)
    plot_scale_location = _refused("plot_scale_location", _NO_RESIDUAL)
    plot_residuals = _refused("plot_residuals", _NOT_YET)
    plot_qq = _refused("plot_qq", _NOT_YET)
