"""One model fitted to many responses, in compiled code; the whole search where one does not settle.

Independent of how responses are drawn and of what the fits are for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.errors import ConvergenceWarning, MixedModelsError, SingularFitWarning
from mixedmodels.estimates.linear import Fitted, Model
from mixedmodels.optimize import Request
from mixedmodels.settings import Control

if TYPE_CHECKING:
    from mixedmodels.estimates.generalized import GeneralizedModel


@dataclass(frozen=True, slots=True, eq=False)
class Refits:
    """Fits to responses; a row of NaN where one failed.

    Attributes:
        theta: (count, m) along the axes.
        beta: (count, p) coefficients kept.
        sigma: (count,).
        objective: (count,) the criterion.
    """

    theta: FloatArray
    beta: FloatArray
    sigma: FloatArray
    objective: FloatArray

    @property
    def arrays(self) -> tuple[FloatArray, ...]:
        """All four arrays."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def joined(cls, parts: list[Refits]) -> Refits:
        """Those of several chunks of responses, one after the other."""
        return cls(*map(np.concatenate, zip(*(part.arrays for part in parts), strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class Refitter:
    """Fits a model to responses.

    Attributes:
        model: The model; its own response is not read.
        reml: The criterion.
        start: (m,) theta along the axes where searches start.
        control: Limits and tolerances.
        threads: Threads, each with a workspace.
    """

    model: Model
    reml: bool
    start: FloatArray
    control: Control
    threads: int

    def __call__(self, responses: FloatArray) -> Refits:
        """The fits to responses (count, n)."""
        criterion = self.model.criterion(reml=self.reml)
        found = criterion.refit(responses, self.start, self.control, self.threads)
        fits = Refits(found.theta, found.beta, found.sigma, found.objective)
        for i in np.flatnonzero(found.status).tolist():
            self.fit_again(responses[i], fits, i)
        return fits

    def fit_again(self, y: FloatArray, fits: Refits, i: int) -> None:
        """The whole search, with restarts, for a response where the short one did not settle."""
        start = self.model.axes.from_axes(self.start)
        request = Request("auto", start, self.control)

        def search(y: FloatArray) -> Fitted:
            model = self.model.with_response(y)
            return model.solve(model.criterion(reml=self.reml), request)

        again = attempt(search, y)
        values: list[Any] = [np.nan] * 4
        if again is not None and again.optsum.converged:
            other = again.solution
            values = [other.axes_theta, other.beta[other.kept], other.sigma, other.objective]
        for array, value in zip(fits.arrays, values, strict=True):
            array[i] = value


def attempt(fit: Callable[[FloatArray], Any], y: FloatArray) -> Any:
    """The fit to a response; None where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return fit(y)
        except MixedModelsError:
            return None


def singular_rows(
    model: Model | GeneralizedModel, theta: FloatArray, control: Control
) -> BoolArray:
    """(count,) whether a fit is singular, as for a fit itself; theta (count, m) along the axes."""
    with np.errstate(invalid="ignore"):
        small = theta / model.axes.unit[: theta.shape[1]] < control.singular_tol
    singular: BoolArray = np.asarray((small & model.templates.diagonal).any(axis=1))
    return singular
