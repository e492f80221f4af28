"""Whether a point is a minimum, by the exact gradient and the Hessian made from its differences.

At a zero on a diagonal the gradient vanishes by symmetry whether the zero is a minimum or a saddle,
so only the curvature tells; a saddle is left along its direction of descent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.optimize.methods import ZERO
from mixedmodels.optimize.problem import Problem
from mixedmodels.typing import BoolArray, FloatArray

# A Hessian made from differences is good to about this, relative to its diagonal.
_ROUNDING = 1e-3
_STEP = 1e-4
# A zero is taken when the criterion rises by no more than this.
_INDIFFERENT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """A point and what gradient and Hessian say of it.

    Attributes:
        theta: (m,), its columns turned so that no diagonal entry is negative.
        value: The criterion.
        gradient: (m,).
        hessian: (m, m).
        decrement: g'H^-1 g / 2 over the entries that may move.
        max_gradient: Largest absolute gradient over the entries that may move.
        downhill: (m,) direction of negative curvature, or None.
    """

    theta: FloatArray
    value: float
    gradient: FloatArray
    hessian: FloatArray
    decrement: float
    max_gradient: float
    downhill: FloatArray | None

    @property
    def on_boundary(self) -> BoolArray:
        """(m,) entries that are exactly zero."""
        zero: BoolArray = self.theta == 0.0
        return zero


def judge(problem: Problem, theta: FloatArray) -> Verdict:
    """Examine a point: m + 1 gradients, and a value for every small diagonal entry."""
    templates = problem.objective.templates
    theta = _snap(problem, templates.rectify(theta))
    value = problem.value(theta)
    gradient = problem.gradient()
    size = np.maximum(np.abs(theta), 1e-2 * max(float(np.abs(theta).max()), 1e-4))
    hessian = problem.objective.evaluator.hessian(theta, problem.reml, gradient, _STEP * size)
    free = ~(templates.diagonal & (theta == 0.0) & (gradient >= 0.0))
    decrement, downhill = _model(hessian, np.where(free, gradient, 0.0))
    return Verdict(
        theta=theta,
        value=value,
        gradient=gradient,
        hessian=hessian,
        decrement=decrement,
        max_gradient=float(np.abs(gradient[free]).max(initial=0.0)),
        downhill=downhill,
    )


def escape(problem: Problem, verdict: Verdict) -> FloatArray | None:
    """A lower point along the direction of negative curvature; None when there is none."""
    if verdict.downhill is None:
        return None
    for length in (1.0, 0.3, 0.1, 0.03, 0.01):
        for sign in (1.0, -1.0):
            theta = verdict.theta + sign * length * verdict.downhill
            if problem.value(theta) < verdict.value - 10.0 * _INDIFFERENT:
                return theta
    return None


def _snap(problem: Problem, theta: FloatArray) -> FloatArray:
    """Small diagonal entries at exactly zero where the criterion is indifferent, smallest first."""
    diagonal = problem.objective.templates.diagonal
    candidates = np.flatnonzero(diagonal & (theta > 0.0) & (theta < ZERO))
    if not candidates.size:
        return theta
    value = problem.value(theta)
    for entry in candidates[np.argsort(theta[candidates])]:
        trial = theta.copy()
        trial[entry] = 0.0
        found = problem.value(trial)
        if found <= value + _INDIFFERENT:
            theta, value = trial, found
    return theta


def _model(hessian: FloatArray, gradient: FloatArray) -> tuple[float, FloatArray | None]:
    """Decrease promised by the quadratic model, and a direction of negative curvature if any."""
    diagonal = np.abs(np.diag(hessian))
    diagonal = np.maximum(diagonal, 1e-8 * max(float(diagonal.max(initial=0.0)), 1e-300))
    scale = 1.0 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(hessian * np.outer(scale, scale))
    along = vectors.T @ (gradient * scale)
    held = np.maximum(np.abs(values), _ROUNDING)
    decrement = 0.5 * float(np.sum(along**2 / held))
    if values[0] >= -_ROUNDING:
        return decrement, None
    return decrement, scale * vectors[:, 0] * np.sqrt(2.0)
