"""The root of a gradient that is estimated: a quasi-Newton search that never compares values.

The value of an estimated criterion agrees with its estimated gradient only up to the error of the
estimate, so a line search on values could stop early or go wrong. Steps are bounded instead.
Parameters are theta along the axes in its natural units. The criterion is even in a diagonal entry
that is alone in its column, so that zero is always a root there and the slope beside it decides. A
column whose diagonal entry is negative stands for the one of opposite sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray, IntArray

# Largest decrease of a diagonal entry in a step, relative to it, and change of others in natural
# units.
_LARGEST, _FARTHEST = 0.7, 1.0
# Largest change of the logarithm of a diagonal entry in a step.
_MOST_LOG = 1.4
# Diagonal entries, in natural units, below which zero is tried.
_ZERO = 1e-3
# Change of theta in a step above which the curvature is predicted anew.
_ANEW = 0.1
# Least curvature, relative to the largest, in a step.
_FLATTEST = 1e-8
_MOST_STEPS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Slope:
    """What a search asks for at one point: value, gradient (m,) and predicted curvature (m, m)."""

    value: float
    gradient: FloatArray
    curvature: FloatArray


@dataclass(slots=True, eq=False)
class Path:
    """Where a search has been.

    Attributes:
        par: (m,) where it stands.
        slope: What is known there.
        hessian: (m, m) approximate second derivatives.
        values: Criterion of every iteration.
        pars: Parameters of every iteration.
        predicted: Decrease that gradient and approximate Hessian predict.
        ended: How it ended.
    """

    par: FloatArray
    slope: Slope
    hessian: FloatArray
    values: list[float] = field(default_factory=list)
    pars: list[FloatArray] = field(default_factory=list)
    predicted: float = np.inf
    ended: str = "stalled"


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Places of the parameters in the columns of templates.

    Attributes:
        diagonal: (m,) which are on a diagonal.
        column: (m,) number of the column.
    """

    diagonal: BoolArray
    column: IntArray

    def even(self, par: FloatArray) -> BoolArray:
        """(m,) diagonal entries below which their column is zero."""
        below = np.bincount(self.column, np.where(self.diagonal, 0.0, np.abs(par)))
        even: BoolArray = self.diagonal & (below[self.column] == 0.0)
        return even


def find_root(
    evaluate: Callable[[FloatArray], Slope],
    start: FloatArray,
    entries: Entries,
    tolerance: float,
    most: int,
    notify: Callable[[float, FloatArray], None],
    hessian: FloatArray | None = None,
) -> Path:
    """Search a root of the gradient.

    Args:
        evaluate: The criterion at parameters in natural units; NaN where it cannot be computed.
        start: (m,) where to begin.
        entries: Their places in templates.
        tolerance: Predicted decrease of the criterion at which the search ends.
        most: Evaluations.
        notify: Is given value and parameters of every iteration.
        hessian: (m, m) second derivatives at the start, if known.
    """
    slope = evaluate(start)
    path = Path(start, slope, slope.curvature if hessian is None else hessian)
    path.values.append(slope.value)
    path.pars.append(start)
    notify(slope.value, start)
    if not np.isfinite(slope.value):
        path.ended = "not_finite"
        return path
    for _ in range(min(_MOST_STEPS, most - 1)):
        even = entries.even(path.par)
        _settle_zeros(path, even, evaluate)
        free = ~(even & (path.par == 0.0))
        step, path.predicted = _step(path, even, free)
        if path.predicted <= tolerance:
            path.ended = "converged"
            return path
        step = _bounded(path.par, step, even)
        if not _advance(path, step, free, evaluate):
            return path
        notify(path.slope.value, path.par)
    path.ended = "max_evaluations" if len(path.values) >= most else "stalled"
    return path


def _settle_zeros(path: Path, even: BoolArray, evaluate: Callable[[FloatArray], Slope]) -> None:
    """Small diagonal entries that the criterion would make smaller become zero."""
    towards = path.slope.gradient * np.sign(path.par) >= 0.0
    small = even & (np.abs(path.par) < _ZERO) & (path.par != 0.0) & towards
    if small.any():
        path.par = np.where(small, 0.0, path.par)
        path.slope = evaluate(path.par)


def _step(path: Path, even: BoolArray, free: BoolArray) -> tuple[FloatArray, float]:
    """The Newton step in the free entries by the absolute curvature, and the decrease it predicts.

    Even entries that should grow do so in their logarithm, in which the criterion is nearer to a
    parabola; those that should shrink may have to reach zero.
    """
    step = np.zeros_like(path.par)
    entries = np.flatnonzero(free)
    if not entries.size:
        return step, 0.0
    par, gradient = path.par[entries], path.slope.gradient[entries]
    growing = even[entries] & (gradient * par < 0.0)
    scale = np.where(growing, par, 1.0)
    part = path.hessian[np.ix_(entries, entries)] * np.outer(scale, scale)
    part = part + np.diag(np.where(growing, gradient * par, 0.0))
    size = np.sqrt(np.maximum(np.abs(np.diag(part)), _FLATTEST * np.abs(part).max(initial=1e-300)))
    values, vectors = np.linalg.eigh(part / np.outer(size, size))
    curved = np.maximum(np.abs(values), _FLATTEST * np.abs(values).max(initial=1e-300))
    along = vectors.T @ (gradient * scale / size)
    found = -(vectors @ (along / curved)) / size
    grown = par * np.expm1(np.clip(found, -_MOST_LOG, _MOST_LOG))
    step[entries] = np.where(growing, grown, found)
    return step, 0.5 * float((along**2 / curved).sum())


def _bounded(par: FloatArray, step: FloatArray, even: BoolArray) -> FloatArray:
    """The step, shortened so that no entry moves far and none that is even passes zero."""
    size = np.abs(par)
    falling = even & (step * par < 0.0)
    shrinking = falling & (np.abs(step) > _LARGEST * size)
    farthest = max(_FARTHEST, _LARGEST * float(size.max(initial=0.0)))
    limit = np.where(even & ~falling, np.inf, farthest)  # growing ones are bounded already
    ratio = float((np.abs(step) / limit)[~falling].max(initial=1.0))
    # An entry on its way to zero does not hold the others back.
    return np.where(shrinking, -_LARGEST * par, step / ratio)


def _advance(
    path: Path, step: FloatArray, free: BoolArray, evaluate: Callable[[FloatArray], Slope]
) -> bool:
    """Evaluate after the step, shortened where that fails, and update the Hessian."""
    for _ in range(8):
        slope = evaluate(path.par + step)
        if np.isfinite(slope.value):
            break
        step = 0.25 * step
    else:
        return False
    if np.abs(step).max() > _ANEW * max(1e-3, float(np.abs(path.par).max())):
        path.hessian = slope.curvature
    else:
        change = slope.gradient - path.slope.gradient
        path.hessian = _updated(path.hessian, np.where(free, step, 0.0), change)
    path.par = path.par + step
    path.slope = slope
    path.values.append(slope.value)
    path.pars.append(path.par)
    return True


def _updated(hessian: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """The symmetric matrix nearest to the Hessian that takes the step to the change (Powell)."""
    left = change - hessian @ step
    length = float(step @ step)
    if length == 0.0:
        return hessian
    outer = np.outer(left, step)
    updated: FloatArray = (
        hessian
        + (outer + outer.T) / length
        - (float(left @ step) / length**2) * np.outer(step, step)
    )
    return updated
