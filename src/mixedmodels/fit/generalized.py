"""The roles of a fit as generalized models have them: means on two scales, other residuals.

What is about the residual variance of a linear model is refused with its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.design import by_row
from mixedmodels.design.by_row import on_all_rows, used_labels
from mixedmodels.diagnostics import generalized_deletion  # noqa: F401 (deletions know it)
from mixedmodels.diagnostics.distributional import RowVariance, generalized_parts
from mixedmodels.diagnostics.generalized import augmented_rows, pearson_residuals
from mixedmodels.diagnostics.variance import icc, r_squared
from mixedmodels.errors import MixedModelsError, ModelError
from mixedmodels.estimates.components import Component
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.model import Fitted
from mixedmodels.estimates.tails import t_tail
from mixedmodels.families.base import Family
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.fit.prediction import RandomPart
from mixedmodels.inference import generalized_robust  # noqa: F401 (robust covariances know it)
from mixedmodels.inference.generalized import full_covariance
from mixedmodels.inference.robust import RobustCovariance
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.lazy import cached_property, late_module
from mixedmodels.marginal.scale import Scale, link_scale
from mixedmodels.prediction.generalized import (
    PREDICTIONS,
    RESIDUALS,
    PredictionType,
    ResidualType,
    as_categories,
    category_probabilities,
    fitted_means,
    most_likely,
    predicted_values,
    residuals_of_type,
)
from mixedmodels.prediction.generalized_intervals import (
    WantedScale,
    averaged_means,
    check_mean_of,
    generalized_intervals,
)
from mixedmodels.prediction.intervals import Wanted, prediction
from mixedmodels.prediction.simulate import Seed
from mixedmodels.prediction.target import chosen_terms
from mixedmodels.progress import Tally
from mixedmodels.report.values import CoefficientValues, FitValues
from mixedmodels.settings import (
    Ddf,
    IntervalKind,
    RobustKind,
    Uncertainty,
    check_flag,
    check_option,
)

if TYPE_CHECKING:
    from mixedmodels.checking import generalized as checking
    from mixedmodels.checking.result import Checks
else:
    checking = late_module("mixedmodels.checking.generalized")

_NO_RESIDUAL = "it is about the residual variance, which a generalized model does not have"


def _refused(name: str, reason: str, instead: str = "") -> Callable[..., Any]:
    """A method that says why a generalized model does not have it."""

    def method(*_: Any, **__: Any) -> Any:
        raise ModelError(f"{name}: {reason}.{instead and ' ' + instead}")

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Refused: {reason}."
    return method


def _is_average(random: RandomPart) -> bool:
    return isinstance(random, str) and random == "average"


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
        lines = (
            f"Generalized linear mixed model fit by {self._generalized.model.method}",
            f"Family: {family.title} ({family.link.name})",
        )
        if not isinstance(dispersion, float):
            return lines
        return (*lines, f"Dispersion: {family.parameter} {dispersion:.4g}")

    @property
    def _family_in_words(self) -> tuple[str, str] | None:
        return self.family.title, self.family.link.name

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

    def _augmented(self) -> pd.DataFrame:
        deviance = residuals_of_type(self._generalized, "deviance")
        return augmented_rows(self._generalized, self._means, deviance)

    @property
    def _residuals_drawn(self) -> tuple[str, FloatArray]:
        return "Deviance residuals", residuals_of_type(self._generalized, "deviance")

    @property
    def _normal_if_right(self) -> tuple[str, FloatArray]:
        uniform = residuals_of_type(self._generalized, "quantile", 1)
        found: FloatArray = scipy.special.ndtri(uniform)
        return "Normal quantile residuals", found

    @property
    def _standardized(self) -> FloatArray:
        return pearson_residuals(self._generalized)

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
                terms. "average" is the mean of the response over the random effects, by quadrature:
                the mean of the population, where "none" is that of a level in its middle.
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
        average = _is_average(random)
        terms = chosen_terms(self._design, "all" if average else random)
        target = self._target(data, terms, None, allow_new_levels, not average)
        if average:
            check_mean_of(self._generalized, type)
            means = averaged_means(self._generalized, target)
            values = means if type == "response" else self.family.link.predictor(means)
            found = pd.Series(values, target.index, name="prediction")
            return on_all_rows(self._design, found) if data is None else found
        found = prediction(self._fitted, target)
        if self.family.ordered and type in ("response", "prob", "class"):
            ordered = most_likely if type == "class" else category_probabilities
            made: Any = ordered(self._generalized, found)
            return on_all_rows(self._design, made) if data is None else made
        if type != "link":
            values = predicted_values(self._generalized, type, found.to_numpy(), data)
            found = pd.Series(values, found.index, name=found.name)
        return on_all_rows(self._design, found) if data is None else found

    def predict_interval(
        self,
        data: Any = None,
        kind: IntervalKind = "confidence",
        level: float = 0.95,
        *,
        type: PredictionType = "response",  # noqa: A002 (the name that R has)
        ddf: Ddf = "none",
        uncertainty: Uncertainty = "conditional",
        columns: bool = False,
        random: RandomPart = "all",
        allow_new_levels: bool = False,
        weights: Any = None,
        vcov: Covariance = None,
    ) -> pd.DataFrame:
        """Predictions with standard errors and intervals.

        Limits are those of the linear predictor by the normal distribution, transformed, so that
        they stay inside of the possible means.

        Args:
            data: New rows, as for `predict`; the rows of `fitted` if None.
            kind: "confidence" for the mean; "prediction" for an observation with its own variance,
                by 4000 draws for each row, which are the same on every call. Observations are as
                the formula has them: successes of `cbind`, shares of trials.
            level: Coverage of the interval.
            type: "response" or "link", as for `predict`.
            ddf: Without effect: tests and limits are by the normal distribution.
            uncertainty: "conditional" takes the variance parameters as known where random effects
                take part; "full" adds what is left open about them, modes following, as glmmTMB.
                With random="none" the errors are those of `vcov` either way.
            columns: Put the columns of the data before the others.
            random: Random effects that take part, as for `predict`; "average" is the mean over
                them, whose errors have no part of theta unless `uncertainty="full"`.
            allow_new_levels: Rows with a new level get the population value; the variance of its
                random effects enters the errors.
            weights: Trials, or prior weights, of observations at new rows; 1 if None.
            vcov: Another covariance of the fixed effects, as in `coef_table`; with random="none" or
                "average".

        Returns:
            (n, 4) with the index of the data: `prediction`, `std_error` (on the scale of `type`),
            `lower`, `upper`; a row with a missing value is NaN.

        Raises:
            FormulaError: A column is missing.
            DataError: A level is new and new ones are not allowed, or a column is of another kind.
            MixedModelsError: An unknown option or term, or options that do not go together.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)",
            ...                mm.load_dataset("cbpp"))
            >>> fit.predict_interval({"period": ["1"]}, random="none").round(3)
               prediction  std_error  lower  upper
            0       0.198      0.037  0.135   0.28
        """
        check_flag("columns", columns)
        average = _is_average(random)
        wanted = WantedScale(Wanted(kind, level, uncertainty), type, average)
        terms = chosen_terms(self._design, "all" if average else random)
        if vcov is not None and ((terms and not average) or uncertainty == "full"):
            raise MixedModelsError(
                "vcov= is a covariance of the fixed effects alone; it goes with random='none' or "
                "'average', and uncertainty='conditional'."
            )
        target = self._target(data, terms, weights, allow_new_levels, not average)
        tests = method_of(self._fitted, ddf, vcov, announce=True)
        table = generalized_intervals(
            self._generalized, target, wanted, random=bool(terms), vcov=tests.vcov
        )
        return self._laid_out(table, data, columns=columns)

    def _shown(self, drawn: FloatArray) -> pd.DataFrame:
        if self.family.ordered:
            categories = {j: as_categories(self._design, y) for j, y in enumerate(drawn)}
            return pd.DataFrame(categories, used_labels(self._design))
        return super()._shown(self._generalized.shown(drawn))

    def _refit_drawn(self, y: FloatArray) -> Any:
        if self.family.ordered:
            return self.refit(as_categories(self._design, y))
        return self.refit(self._generalized.shown(y))

    # -- shares of the variance ---------------------------------------------------------

    def icc(self, *, variance: RowVariance | None = None) -> pd.DataFrame:
        """Intraclass correlations on the scale of the linear predictor.

        As for linear models, the place of the residual variance taken by that which the family has
        on this scale. The variance of an effect with a level for each row counts to it.

        Args:
            variance: "theoretical", of the latent variable of a binomial model: pi^2 / 3 (logit), 1
                (probit), pi^2 / 6 (cloglog), for one trial; "delta", Var(y) / mu'^2; of a log link
                "lognormal", log(1 + Var(y) / mu^2), or "trigamma", trigamma(mu^2 / Var(y)). The
                mean is that of the model without covariates, over its random effects. If None,
                "theoretical" of binomial models, "lognormal" of a log link, "delta" of others.

        Returns:
            Rows: grouping factors and "all"; columns `variance`, `adjusted`, `conditional`;
            `attrs["variance"]` says which variance the rows have.

        Raises:
            MixedModelsError: An unknown `variance`, or one that the model does not have.

        References:
            Nakagawa, Johnson and Schielzeth (2017), J. R. Soc. Interface 14, 20170213.
        """
        return icc(self._group_names, generalized_parts(self._generalized, variance))

    def r2(self, *, variance: RowVariance | None = None) -> pd.Series[float]:
        """Marginal and conditional R squared on the scale of the linear predictor.

        Args:
            variance: As for `icc`.

        Returns:
            `marginal` and `conditional`; `attrs["variance"]` says which variance the rows have.

        Raises:
            MixedModelsError: An unknown `variance`, or one that the model does not have.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)",
            ...                mm.load_dataset("cbpp"))
            >>> fit.r2().round(3).to_dict()
            {'marginal': 0.085, 'conditional': 0.187}
        """
        return r_squared(generalized_parts(self._generalized, variance))

    def check(
        self,
        *,
        nsim: int | None = None,
        seed: Seed = 1,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> Checks:
        """Check the model's assumptions: one page in words, and a panel of pictures.

        Dispersion (Pearson's chi-square) and zeros of counts are compared with those of data
        simulated from the fit, each fitted again, and quantile residuals with uniform ones.
        Influence, collinearity and singularity are judged by their numbers.

        Args:
            nsim: Simulated data sets; 199, or 99 for many rows, if None.
            seed: A whole number, a SeedSequence or a `numpy.random.Generator`.
            threads: Threads that fit; None for those of the fit.
            progress: Show how far it is: on a terminal when it takes seconds (None), from the start
                (True) or never (False).

        Returns:
            Prints as a page; `to_frame()` has a row for each check, `plot()` draws the panel.

        Raises:
            MixedModelsError: An unusable number or seed.

        Examples:
            >>> import mixedmodels as mm
            >>> ticks = mm.load_dataset("grouseticks")
            >>> fit = mm.glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks, "poisson")
            >>> fit.check(nsim=99).to_frame()["verdict"].to_dict()["Dispersion"]
            'look'
        """
        with Tally("simulated data sets", shown=progress) as tally:
            return checking.check_fit(self._fitted, nsim, seed, threads, tally)

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

    # -- what there is not ---------------------------------------------------------------

    vcov_adjusted = _refused("vcov_adjusted", f"{_NO_RESIDUAL} (Kenward and Roger's method)")
    plot_shrinkage = _refused("plot_shrinkage", _NO_RESIDUAL)
