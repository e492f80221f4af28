"""One generalized model fitted to many responses, as `refits` for linear ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import FloatArray
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
        user, objective = criterion.to_user(found.par), np.array(found.objective)
        for i in np.flatnonzero(found.status).tolist():
            user[i], objective[i] = self._search(responses[i], None)
        if max(self.model.templates.sizes, default=0) > 1:
            for i in np.flatnonzero(found.status == 0).tolist():
                start = second_start(criterion, self.model.templates, found.par[i])
                if start is not None:
                    again, value = self._search(responses[i], start)
                    if value < objective[i] - ROUNDING:
                        user[i], objective[i] = again, value
        return user, objective

    def _search(self, y: FloatArray, start: FloatArray | None) -> tuple[FloatArray | float, float]:
        """The whole search, with restarts, from a start as users know it or the model's own."""

        def search(y: FloatArray) -> GeneralizedFitted:
            model = self.model.with_response(y)
            return model.solve(model.criterion(), Request(start=start, control=self.control))

        found = attempt(search, y)
        if found is None or not found.optsum.converged:
            return np.nan, np.nan
        return found.parameters, found.solution.objective
