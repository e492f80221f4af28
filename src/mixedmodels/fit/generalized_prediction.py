"""Predictions of generalized models on both scales, and responses drawn as the formula has them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.by_row import on_all_rows, used_labels
from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.generalized_parameters import GeneralizedParameters
from mixedmodels.fit.prediction import RandomPart
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.prediction.generalized import (
    PREDICTIONS,
    PredictionType,
    as_categories,
    category_probabilities,
    most_likely,
    predicted_values,
)
from mixedmodels.prediction.generalized_intervals import (
    WantedScale,
    averaged_values,
    check_covariance,
    check_mean_of,
    generalized_intervals,
)
from mixedmodels.prediction.intervals import Wanted, prediction
from mixedmodels.prediction.target import chosen_terms
from mixedmodels.settings import Ddf, IntervalKind, Uncertainty, check_flag
from mixedmodels.spelling import chosen_option, spelled


def _is_average(random: RandomPart) -> bool:
    return spelled(random, ("average",)) is not None


class GeneralizedPrediction(GeneralizedParameters):
    """Predictions for other data; see `GeneralizedLinearMixedFit`."""

    def predict(
        self,
        data: Any = None,
        *,
        type: PredictionType = "response",  # noqa: A002 (the name that R has)
        random: RandomPart = "all",
        allow_new_levels: bool = False,
    ) -> pd.Series[Any] | pd.DataFrame:
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
        scale = chosen_option("type", type, PREDICTIONS)
        average = _is_average(random)
        terms = chosen_terms(self._design, "all" if average else random)
        target = self._target(data, terms, None, allow_new_levels, not average)
        if average:
            check_mean_of(self._generalized, scale, average=True)
            values = averaged_values(self._generalized, target, data, scale)
            found = pd.Series(values, target.index, name="prediction")
            return on_all_rows(self._design, found) if data is None else found
        found = prediction(self._fitted, target)
        if self.family.ordered and scale in ("response", "prob", "class"):
            ordered = most_likely if scale == "class" else category_probabilities
            made: Any = ordered(self._generalized, found)
            return on_all_rows(self._design, made) if data is None else made
        if scale != "link":
            values = predicted_values(self._generalized, scale, found, data)
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
        they stay inside of the possible means. Means of responses with zeros of their own, and of
        truncated counts, have the errors of all coefficients that they depend on, by the delta
        method; limits are those of a linear predictor whose error is as large.

        Args:
            data: New rows, as for `predict`; the rows of `fitted` if None.
            kind: "confidence" for the mean; "prediction" for an observation with its own variance,
                by 4000 draws for each row, which are the same on every call. Observations are as
                the formula has them: successes of `cbind`, shares of trials.
            level: Coverage of the interval.
            type: "response" or "link", as for `predict`.
            ddf: "none": limits are by the normal distribution.
            uncertainty: "conditional" takes the variance parameters as known where random effects
                take part; "full" adds what is left open about them, modes following, as glmmTMB.
                With random="none" the errors are those of `vcov` either way. Coefficients of zero
                inflation are estimated in both.
            columns: Put the columns of the data before the others.
            random: Random effects that take part, as for `predict`; "average" is the mean over
                them, whose errors have no part of theta unless `uncertainty="full"`.
            allow_new_levels: Rows with a new level get the population value; the variance of its
                random effects enters the errors.
            weights: Trials, or prior weights, of observations at new rows; 1 if None.
            vcov: Another covariance of the fixed effects, as in `coef_table`; with random="none" or
                "average", of means that depend on no other coefficients.

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
        if vcov is not None and ((terms and not average) or wanted.interval.uncertainty == "full"):
            raise MixedModelsError(
                "vcov= is a covariance of the fixed effects alone; it goes with random='none' or "
                "'average', and uncertainty='conditional'."
            )
        if vcov is not None:
            check_covariance(self._generalized, wanted)
        target = self._target(data, terms, weights, allow_new_levels, not average)
        tests = method_of(self._fitted, ddf, vcov, announce=True)
        table = generalized_intervals(
            self._generalized,
            target,
            wanted,
            data,
            random=bool(terms),
            covariance=tests.covariance,
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
