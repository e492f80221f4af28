"""Whether a point is a minimum, by the exact gradient and the Hessian.

At a zero on a diagonal the gradient vanishes by symmetry whether the zero is a minimum or a saddle,
so only the curvature tells; a saddle is left along its direction of descent.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from mixedmodels.optimize.methods import ZERO
from mixedmodels.optimize.problem import Ended, Problem
from mixedmodels.typing import BoolArray, FloatArray

# All of the Hessian is made from differences up to so much work (flops), and up to more of it for
# so few parameters; the exact one instead of a learnt one up to so much. Where few gradients are
# next to no work, which way is the cheaper is not worth asking.
_CHEAP = 3e7
_FEW, _AFFORDABLE = 3, 1e10
_EXACT = 6e8
_TINY = 1.5e4
# A zero is taken when the criterion rises by no more than this.
_INDIFFERENT = 1e-9
# Curvature, relative to that of each entry alone, that may be rounding.
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """A point and what gradient and Hessian say of it.

    Attributes:
        theta: (m,), its columns turned so that no diagonal entry is negative.
        value: The criterion.
        gradient: (m,).
        hessian: (m, m).
        exact: Whether none of it was learnt: exact, or differences of the gradient.
        products: Products of the exact Hessian with a direction, where not all of it was made.
        decrement: g'H^-1 g / 2 over the entries that may move.
        max_gradient: Largest absolute gradient over the entries that may move.
        downhill: (m,) direction of negative curvature, or None.
    """

    theta: FloatArray
    value: float
    gradient: FloatArray
    hessian: FloatArray
    exact: bool
    products: int
    decrement: float
    max_gradient: float
    downhill: FloatArray | None


def judge(problem: Problem, ended: Ended) -> Verdict:
    """Examine a point: its gradient, and the Hessian.

    The Hessian is the exact one, or made from m gradients where these are fewer or cheaper. Where
    neither is cheap, the one that the search has learnt leads conjugate gradients whose products
    with the exact Hessian tell what is left to gain; a last step of the search that was just such a
    product need not be made again. These cannot show a saddle that the gradient does not point to;
    but a search that goes downhill ends at such a saddle only where symmetry holds it, at a zero,
    and those columns are always examined.
    """
    theta = ended.theta if ended.tidied else _tidied(problem, ended.theta)
    objective = problem.objective
    work, few = 0.5 * objective.gradients_work, problem.m <= _FEW
    all_of_it = ended.model is None or work <= (_AFFORDABLE if few else _CHEAP)
    exact = not (few and work <= _TINY) and objective.hessian_cost.exact_pays(0.5)
    exact = exact and (all_of_it or objective.hessian_cost.exact <= _EXACT)
    learnt = None if all_of_it else ended.model
    found = objective.evaluator.examine(theta, problem.reml, learnt, ended.confirmed, exact)
    verdict = Verdict(theta=theta, **found)
    return verdict if problem.idle is None else _without(verdict, problem, problem.idle.dead)


def _without(verdict: Verdict, problem: Problem, dead: BoolArray) -> Verdict:
    """The verdict on the other entries: gradient and curvature of the dead ones are rounding."""
    alive = np.flatnonzero(~dead)
    if not alive.size:
        return dataclasses.replace(verdict, decrement=0.0, max_gradient=0.0, downhill=None)
    # The entries are those of theta as users know it.
    objective = problem.objective
    theta = objective.from_axes(verdict.theta)[alive]
    gradient = objective.slope_from_axes(verdict.gradient)[alive]
    held = objective.templates.diagonal[alive] & (theta == 0.0) & (gradient >= 0.0)
    gradient = np.where(held, 0.0, gradient)
    part = objective.hessian_from_axes(verdict.hessian)[np.ix_(alive, alive)]
    size = np.abs(np.diag(part))
    scale = 1.0 / np.sqrt(np.maximum(size, max(1e-8 * size.max(), 1e-300)))
    values, vectors = np.linalg.eigh(part * np.outer(scale, scale))
    along = vectors.T @ (scale * gradient)
    downhill = None
    if values[0] < -_ROUNDING:
        downhill = np.zeros(len(dead))
        downhill[alive] = np.sqrt(2.0) * scale * vectors[:, 0]
        downhill = objective.to_axes(downhill)
    slope = np.zeros(len(dead))
    slope[alive] = gradient
    return dataclasses.replace(
        verdict,
        decrement=float(0.5 * np.sum(along**2 / np.maximum(np.abs(values), _ROUNDING))),
        max_gradient=float(np.abs(objective.slope_to_axes(slope)).max()),
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


def _tidied(problem: Problem, theta: FloatArray) -> FloatArray:
    """No diagonal entry negative, small ones zero where the criterion does not mind, one by one."""
    theta = problem.objective.templates.rectify(theta)
    diagonal = problem.objective.templates.diagonal
    small = theta < ZERO * problem.objective.evaluator.unit
    candidates = np.flatnonzero(diagonal & (theta > 0.0) & small)
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
