"""The profiled criterion of one model as a function of theta, with its gradient and workspace.

One workspace serves one evaluation at a time, so a lock guards it; whoever needs evaluations of his
own makes another `Objective` from the same analysis. How theta is chosen is `optimize`'s.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from mixedmodels._core import Analysis, Evaluator
from mixedmodels.covariance import Templates
from mixedmodels.errors import MixedModelsError
from mixedmodels.typing import FloatArray


class Objective:
    """The ML deviance or REML criterion over theta.

    Args:
        analysis: Order and pattern of the factor.
        templates: What theta means.
        threads: Threads that BLAS may use.

    Attributes:
        evaluator: The core's evaluator; use it under `lock` only.
        lock: Held during every evaluation.
    """

    def __init__(self, analysis: Analysis, templates: Templates, threads: int = 1) -> None:
        self.templates = templates
        self.analysis = analysis
        self.evaluator = Evaluator(analysis, templates.core_entries.tolist(), threads)
        self.lock = threading.RLock()

    def theta(self, values: npt.ArrayLike) -> FloatArray:
        """`values` as a theta of this model.

        Raises:
            MixedModelsError: Not numbers, the wrong length, or a value that is not finite.
        """
        names = ", ".join(self.templates.names)
        try:
            theta = np.ascontiguousarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise MixedModelsError(
                f"theta is {values!r:.80}; it must be one number for each of: {names}."
            ) from None
        if theta.shape != (self.templates.m,):
            raise MixedModelsError(
                f"theta has shape {theta.shape}; this model has {self.templates.m} "
                f"parameter{'s' if self.templates.m > 1 else ''}: {names}."
            )
        if not np.isfinite(theta).all():
            raise MixedModelsError(f"theta is {theta}; every value must be finite ({names}).")
        return theta

    def value(self, theta: npt.ArrayLike, *, reml: bool) -> float:
        """The criterion at theta; NaN where it cannot be computed in floating point."""
        at = self.theta(theta)
        with self.lock:
            return self.evaluator.value(at, reml)

    def gradient(self, theta: npt.ArrayLike, *, reml: bool) -> FloatArray:
        """Exact gradient (m,) of the criterion at theta."""
        at = self.theta(theta)
        with self.lock:
            self.evaluator.value(at, reml)
            gradient: FloatArray = self.evaluator.gradient(reml)
        return gradient

    def hessian(self, theta: npt.ArrayLike, *, reml: bool) -> FloatArray:
        """Second derivatives (m, m) of the criterion at theta, from 2m exact gradients."""
        at = self.theta(theta)
        unit = self.evaluator.unit
        largest = float(np.abs(at / unit).max(initial=1e-4))
        size = np.maximum(np.abs(at), 1e-2 * largest * unit)
        with self.lock:
            hessian: FloatArray = self.evaluator.hessian(at, reml, None, 1e-3 * size)
        return hessian

    def conditional_covariance(self, theta: npt.ArrayLike) -> tuple[FloatArray, ...]:
        """Per group (levels, S, S): lam [M^-1]_ll lam', the conditional covariance over sigma^2."""
        at = self.theta(theta)
        with self.lock:
            self.evaluator.value(at, False)
            groups = range(len(self.templates.group_names))
            return tuple(self.evaluator.conditional_covariance(g) for g in groups)
