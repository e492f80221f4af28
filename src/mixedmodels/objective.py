"""The profiled criterion of one model as a function of theta, with its gradient and workspace.

One workspace serves one evaluation at a time, so a lock guards it; whoever needs evaluations of his
own makes another `Objective` from the same analysis. How theta is chosen is `optimize`'s.
"""

from __future__ import annotations

import math
import threading

import numpy as np
import numpy.typing as npt

from mixedmodels._core import Analysis, Evaluator, derivatives
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

    def hessian(
        self,
        theta: npt.ArrayLike,
        *,
        reml: bool,
        budget: float = math.inf,
        secant: tuple[FloatArray, FloatArray] | None = None,
    ) -> FloatArray:
        """Second derivatives (m, m) of the criterion at theta, from 2m exact gradients.

        Args:
            theta: (m,) where.
            reml: Which criterion.
            budget: Flops from which on m gradients have to do: differences on one side with a
                smaller step, good to about 1e-5 instead of 1e-6.
            secant: A short step (m,) and what the gradient changed along it (m,), which may save
                one gradient of these.
        """
        at = self.theta(theta)
        unit = self.evaluator.unit
        largest = float(np.abs(at / unit).max(initial=1e-4))
        size = np.maximum(np.abs(at), 1e-2 * largest * unit)
        # A gradient takes about three factorizations; a number of L costs as much as ten flops.
        work = 6.0 * len(at) * (self.analysis.flops + 10.0 * self.analysis.stored)
        with self.lock:
            if work <= budget:
                hessian: FloatArray = self.evaluator.hessian(at, reml, None, 2e-4 * size)
                return hessian
            return self._one_sided(at, reml, 1e-5 * size, secant)

    def _one_sided(
        self,
        at: FloatArray,
        reml: bool,
        steps: FloatArray,
        secant: tuple[FloatArray, FloatArray] | None,
    ) -> FloatArray:
        """H from H S = Y, S made of unit vectors, the longest part of the secant in one's place."""
        self.evaluator.value(at, reml)
        gradient = self.evaluator.gradient(reml)
        S = np.diag(steps)
        Y = np.empty_like(S)
        spared = -1
        if secant is not None:
            spared = int(np.argmax(np.abs(secant[0] / self.evaluator.unit)))
            S[:, spared], Y[:, spared] = secant
        for j in range(len(at)):
            if j != spared:
                self.evaluator.value(at + S[:, j], reml)
                Y[:, j] = self.evaluator.gradient(reml) - gradient
        hessian: FloatArray = np.linalg.solve(S.T, Y.T).astype(np.float64, copy=False)
        symmetric: FloatArray = 0.5 * (hessian + hessian.T)
        return symmetric

    def derivatives(self, theta: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Derivatives with respect to theta of X'V^-1X of the basis (m, p, p), and of pwrss (m,).

        V is the covariance of the response over sigma^2; the basis is X R^-1 (see `_core`).
        """
        at = self.theta(theta)
        with self.lock:
            self.evaluator.value(at, False)
            fixed, pwrss = derivatives(self.evaluator)
        return fixed, pwrss

    def conditional_covariance(self, theta: npt.ArrayLike) -> tuple[FloatArray, ...]:
        """Per group (levels, S, S): lam [M^-1]_ll lam', the conditional covariance over sigma^2."""
        at = self.theta(theta)
        with self.lock:
            self.evaluator.value(at, False)
            groups = range(len(self.templates.group_names))
            return tuple(self.evaluator.conditional_covariance(g) for g in groups)
