"""One generalized model fitted to many responses, as `refits` for linear ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.generalized import LaplaceCriterion
from mixedmodels.estimates.generalized import GeneralizedFitted, GeneralizedModel
from mixedmodels.estimates.generalized_search import ROUNDING, second_start
from mixedmodels.estimates.refits import attempt
from mixedmodels.optimize import Request
from mixedmodels.settings import Control


@dataclass(frozen=True, slots=True, eq=False)
class GeneralizedRefitter:
    """Fits a model to responses.

    Attributes:
        model: The model; its own response is not read.
        start: (m + p + k,) parameters of the search where searches start.
        control: Limits and tolerances.
        threads: Threads, each with a workspace.
    """

    model: GeneralizedModel
    start: FloatArray
    control: Control
    threads: int

    def __call__(self, responses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(count, m + p + k) parameters as users know them, and (count,) criteria; NaN for none."""
        criterion = self.model.criterion()
        found = criterion.refit(responses, self.start, self.control, self.threads)
        par, objective = np.array(found.par), np.array(found.objective)
        if self.model.reml:  # the constant of the integral over the coefficients
            objective -= self.model.products.p * np.log(2.0 * np.pi)
        for i in np.flatnonzero(found.status).tolist():
            par[i], objective[i] = self._fit_again(responses[i])
        if max(self.model.templates.sizes, default=0) > 1:
            for i in np.flatnonzero(found.status == 0).tolist():
                self._search_again(criterion, responses[i], par, objective, i)
        return criterion.to_user(par), objective

    def _search_again(
        self,
        criterion: LaplaceCriterion,
        y: FloatArray,
        par: FloatArray,
        objective: FloatArray,
        i: int,
    ) -> None:
        """The second search that a fit makes where a large term has lost an effect, if lower."""
        start = second_start(criterion, self.model.templates, par[i])
        if start is None:
            return

        def search(y: FloatArray) -> GeneralizedFitted:
            model = self.model.with_response(y)
            return model.solve(model.criterion(), Request(start=start, control=self.control))

        other = attempt(search, y)
        if other is not None and other.optsum.converged:
            lower = other.solution.objective < objective[i] - ROUNDING
            if lower:
                par[i], objective[i] = other.solution.par, other.solution.objective

    def _fit_again(self, y: FloatArray) -> tuple[FloatArray | float, float]:
        """The whole search, with restarts, for a response where the short one did not settle."""

        def search(y: FloatArray) -> GeneralizedFitted:
            model = self.model.with_response(y)
            return model.solve(model.criterion(), Request(control=self.control))

        again = attempt(search, y)
        if again is None or not again.optsum.converged:
            return np.nan, np.nan
        return again.solution.par, again.solution.objective
