"""The profiled criterion of one model as a function of theta, with its gradient and workspace.

One workspace serves one evaluation at a time, so a lock guards it; callers that evaluate
concurrently create their own `Objective` from the same analysis. No theta is chosen here.

The core works along the axes of the terms: their columns of Z made orthogonal by a fixed lower
triangle T, so that the origin and the scale of a covariate cost no digits. Templates along the axes
are T^-1 times those of theta, and lower triangular too. Whatever searches, differentiates or
inverts does so in theta along the axes; the maps to and from theta, which are linear, are here.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixedmodels._core import Analysis, Evaluator, derivatives
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.crossprod import triangle_inverse
from mixedmodels.errors import MixedModelsError
from mixedmodels.lazy import cached_property
from mixedmodels.memory import fits

# Numbers that exact second derivatives may need room for: most of a gigabyte; and up to which
# nobody asks whether they fit, for their panels have this many whatever the size of the model.
_MOST_NUMBERS = 1e8
_FEW_NUMBERS = 1e7


_ALL: weakref.WeakSet[Objective] = weakref.WeakSet()
_LEFT_BEHIND: list[Evaluator | None] = []


@dataclass(frozen=True, slots=True)
class HessianCost:
    """What second derivatives cost, in flops of a dense factorization, about.

    Attributes:
        exact: The exact ones.
        differences: Differences of 2m gradients.
        numbers: Numbers that the exact ones need room for.
    """

    exact: float
    differences: float
    numbers: float

    def exact_pays(self, gradients: float = 1.0) -> bool:
        """Whether the exact ones cost less than so large a part of the 2m gradients."""
        pays = self.exact <= gradients * self.differences and self.numbers <= _MOST_NUMBERS
        return pays and (self.numbers <= _FEW_NUMBERS or fits(8.0 * self.numbers))


class Objective:
    """The ML deviance or REML criterion over theta.

    Args:
        analysis: Order and pattern of the factor.
        templates: What theta means.
        threads: Threads of the core; BLAS is held to one.

    Attributes:
        lock: Held during every evaluation.
    """

    def __init__(self, analysis: Analysis, templates: Templates, threads: int = 1) -> None:
        self.templates = templates
        self.analysis = analysis
        self.threads = threads
        self.lock = threading.RLock()
        self._evaluator: Evaluator | None = self._new_evaluator()
        _ALL.add(self)

    @property
    def evaluator(self) -> Evaluator:
        """The core's evaluator; use it under `lock` only."""
        if self._evaluator is None:
            self._evaluator = self._new_evaluator()
        return self._evaluator

    def _new_evaluator(self) -> Evaluator:
        return Evaluator(self.analysis, self.templates.core_entries, self.threads)

    def after_fork(self) -> None:
        """In a forked process: take back what a thread of the parent was using.

        Such a thread does not exist here and will never give its lock back; what it was computing
        was left half done.
        """
        if self.lock.acquire(blocking=False):
            self.lock.release()
            return
        # The old workspace is kept: it may not be in a state to be destroyed.
        _LEFT_BEHIND.append(self._evaluator)
        self._evaluator = None
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

    # -- the door between theta and theta along the axes -----------------------------------

    def to_axes(self, theta: FloatArray) -> FloatArray:
        """(..., m) along the axes from theta of the columns of Z as the user has them."""
        return self.evaluator.to_axes(theta)

    def from_axes(self, theta: FloatArray) -> FloatArray:
        """(..., m) of the columns of Z as the user has them."""
        return self.evaluator.from_axes(theta)

    def slope_to_axes(self, slope: FloatArray) -> FloatArray:
        """(..., m) derivatives by theta along the axes from derivatives by theta."""
        return self.evaluator.slope_to_axes(slope)

    def slope_from_axes(self, slope: FloatArray) -> FloatArray:
        """(..., m) derivatives by theta from derivatives by theta along the axes."""
        return self.evaluator.slope_from_axes(slope)

    def hessian_from_axes(self, hessian: FloatArray) -> FloatArray:
        """(m, m) second derivatives by theta."""
        return self.evaluator.hessian_from_axes(hessian)

    def covariance_from_axes(self, covariance: FloatArray) -> FloatArray:
        """(m, m) covariance of theta."""
        return self.evaluator.covariance_from_axes(covariance)

    # -- at a theta along the axes ---------------------------------------------------------

    def value(self, at: FloatArray, *, reml: bool) -> float:
        """The criterion; NaN where it cannot be computed in floating point."""
        with self.lock:
            return self.evaluator.value(at, reml)

    def gradient(self, at: FloatArray, *, reml: bool) -> FloatArray:
        """Exact gradient (m,) of the criterion."""
        with self.lock:
            self.evaluator.value(at, reml)
            gradient: FloatArray = self.evaluator.gradient(reml)
        return gradient

    def hessian(self, at: FloatArray, *, reml: bool, budget: float = math.inf) -> FloatArray:
        """Second derivatives (m, m) of the criterion.

        Exact, unless differences of the gradient are cheaper or better: where templates are so
        large that the exact ones would lose their digits.

        Args:
            at: (m,) where.
            reml: Which criterion.
            budget: Flops from which on m gradients have to do: differences on one side with a
                smaller step, good to about 1e-5 instead of 1e-6.
        """
        with self.lock:
            self.evaluator.value(at, reml)
            if self.hessian_cost.exact_pays():
                exact: FloatArray | None = self.evaluator.hessian(reml)
                if exact is not None:
                    return exact
            return self._difference_hessian(at, reml, budget)

    def _difference_hessian(self, at: FloatArray, reml: bool, budget: float) -> FloatArray:
        forward = self.gradients_work > budget
        hessian: FloatArray = self.evaluator.difference_hessian(at, reml, forward)
        return hessian

    @property
    def gradients_work(self) -> float:
        """Flops of the factorizations in 2m gradients, about."""
        # A gradient takes about three factorizations; a number of L costs as much as ten flops.
        return 6.0 * self.templates.m * (self.analysis.flops + 10.0 * self.analysis.stored)

    @cached_property
    def hessian_cost(self) -> HessianCost:
        """What second derivatives cost."""
        return HessianCost(*self.evaluator.hessian_cost())

    def fixed_covariance(self, at: FloatArray) -> FloatArray:
        """(p, p) (X'V^-1X)^-1 of the basis X R^-1; V is the covariance of y over sigma^2."""
        with self.lock:
            self.evaluator.value(at, False)
            RX: FloatArray = self.evaluator.RX
        root = triangle_inverse(RX)
        covariance: FloatArray = root @ root.T
        return covariance

    def derivatives(self, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of X'V^-1X of the basis (m, p, p), and of log pwrss (m,)."""
        with self.lock:
            self.evaluator.value(at, False)
            fixed, log_pwrss = derivatives(self.evaluator)
        return fixed, log_pwrss

    def conditional_covariance(self, at: FloatArray) -> tuple[FloatArray, ...]:
        """Per group (levels, S, S): lam [M^-1]_ll lam', the conditional covariance over sigma^2.

        Of the random effects of the columns of Z as the user has them.
        """
        with self.lock:
            self.evaluator.value(at, False)
            groups = range(len(self.templates.group_names))
            return tuple(self.evaluator.conditional_covariance(g) for g in groups)


def _after_fork() -> None:
    for objective in list(_ALL):
        objective.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
