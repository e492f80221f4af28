"""Responses of a fit whose rows are not here, drawn as their sums over rows.

The criterion reads a response through Z'Wy, X'Wy and y'Wy alone, whose joint distribution follows
from the cross-products: see the core's `ErrorSums`. So a model without rows is fitted to responses
that are drawn exactly as those of a model with rows are.
"""

from __future__ import annotations

import numpy as np

from mixedmodels._core import ErrorSums
from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import Fitted
from mixedmodels.memory import limited
from mixedmodels.settings import MODES, Modes
from mixedmodels.spelling import chosen_option


class DrawnSums:
    """Draws the sums over rows of responses, as `Model.with_response` takes them.

    Args:
        fitted: The fit.
        modes: Whether random effects are drawn, or stay at their modes.

    Raises:
        MixedModelsError: Unknown `modes`, or a fit whose log-determinant is estimated.
        ResourceError: The factor does not fit into memory.
    """

    def __init__(self, fitted: Fitted, modes: Modes) -> None:
        modes = chosen_option("modes", modes, MODES)
        model, solution = fitted.model, fitted.solution
        with limited(model.ways.memory):
            self._errors = ErrorSums(model.analysis, model.templates.core_entries, model.threads)
        unit, kept = model.products.unit, model.products.kept
        self._q, self._p = model.templates.q, len(kept)
        self._df = max(solution.n - self._errors.rank, 0)
        self._theta = solution.axes_theta
        self._scale = solution.sigma / unit
        self._mean = model.products.R @ solution.beta[kept] / unit
        self._u = None
        if modes == "kept":
            self._u = np.empty(self._q)
            self._u[model.templates.public_to_core] = solution.u / solution.sigma

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(count, q + p + 1) sums of as many responses."""
        new = 0 if self._u is not None else self._q
        normal = np.empty((count, new + self._q + self._p))
        rest = np.zeros(count)
        for i in range(count):
            rng.standard_normal(out=normal[i])
            if self._df:
                rest[i] = rng.chisquare(self._df)
        u = normal[:, :new] if new else np.tile(self._modes, (count, 1))
        drawn = self._errors.draw(
            self._theta, np.ascontiguousarray(u), np.ascontiguousarray(normal[:, new:]), rest
        )
        sums: FloatArray = np.array(drawn)
        sums[:, :-1] *= self._scale
        sums[:, -1] *= self._scale**2
        sums[:, self._q : -1] += self._mean
        return sums

    @property
    def _modes(self) -> FloatArray:
        return np.zeros(self._q) if self._u is None else self._u
