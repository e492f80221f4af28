"""What is known about theta and sigma: their covariance, and what vcov(beta) owes to them.

The criterion is profiled over sigma; the information of (theta, log sigma) follows from its
Hessian and the gradient of pwrss alone. With lambda(theta) = log(pwrss / df) / 2, the profile of
log sigma, and A = 2 Hessian^-1: cov(theta) = A, cov(theta, log sigma) = A dlambda,
var(log sigma) = 1 / (2 df) + dlambda'A dlambda.

Entries of theta on their bound have no standard error: all else is conditional on them. Nor has
what the data leave open, such as how a template of deficient rank divides between its columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.covariance import Templates
from mixedmodels.estimates.stages import Fitted
from mixedmodels.typing import BoolArray, FloatArray

# Flops that differences on both sides may cost.
_BUDGET = 3e7
# Curvature, relative to that of each entry alone, that differences cannot tell from none.
_FLAT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Covariance of the variance parameters, and derivatives of X'V^-1X.

    Attributes:
        held: (m,) entries of theta on their bound; rows and columns of `vcov` are zero there.
        open: (m,) entries of theta that the data do not determine.
        vcov: (m + 1, m + 1) covariance of theta and log sigma.
        fixed: (m, p, p) derivatives of X'V^-1X, V for sigma = 1, of the basis X R^-1.
        R: (p, p) upper triangle that takes coefficients to those of the basis.
        sigma: Residual standard deviation.
    """

    held: BoolArray
    open: BoolArray
    vcov: FloatArray
    fixed: FloatArray
    R: FloatArray
    sigma: float

    @property
    def unknown(self) -> BoolArray:
        """(m,) entries of theta that have no standard error."""
        unknown: BoolArray = self.held | self.open
        return unknown

    def slopes(self, L: FloatArray, vcov: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Variances of linear functions of beta and their derivatives.

        Args:
            L: (k, p) functions.
            vcov: (p, p) covariance of beta.

        Returns:
            (k,) the diagonal of L vcov L', and (k, m + 1) its derivatives with respect to theta
            and log sigma.
        """
        directions = L @ vcov
        variance = np.einsum("ki,ki->k", directions, L)
        rows = directions @ self.R.T / self.sigma
        out = np.empty((len(L), len(self.vcov)))
        for entry, derivative in enumerate(self.fixed):
            out[:, entry] = -np.einsum("ki,ki->k", rows @ derivative, rows)
        out[:, -1] = 2.0 * variance
        return variance, out


def variance_information(fitted: Fitted) -> Information:
    """The information at the optimum of a fit."""
    solution, stages = fitted.solution, fitted.stages
    theta, objective = solution.theta, stages.objective
    fixed, slope = objective.derivatives(theta)
    hessian = objective.hessian(theta, reml=solution.reml, budget=_BUDGET)
    held = _on_bound(stages.templates, theta)
    inverse, open_ = _inverse(hessian, ~held)
    df = solution.n - solution.p if solution.reml else solution.n
    drift = slope / (2.0 * solution.pwrss)
    m = len(theta)
    vcov = np.empty((m + 1, m + 1))
    vcov[:m, :m] = 2.0 * inverse
    vcov[:m, m] = vcov[m, :m] = 2.0 * inverse @ drift
    vcov[m, m] = 0.5 / df + drift @ vcov[:m, m]
    return Information(held, open_, vcov, fixed, stages.products.R, solution.sigma)


def _on_bound(templates: Templates, theta: FloatArray) -> BoolArray:
    """Diagonal entries that are zero, and all of a column that is zero."""
    held: BoolArray = templates.diagonal & (theta == 0.0)
    columns = templates.entries[:, [0, 2]]
    for entry in np.flatnonzero(held):
        same = (columns == columns[entry]).all(axis=1)
        if not theta[same].any():
            held |= same
    return held


def _inverse(hessian: FloatArray, free: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Inverse over the free entries and the directions with curvature; entries without."""
    out = np.zeros_like(hessian)
    open_ = np.zeros(len(hessian), dtype=np.bool_)
    entries = np.flatnonzero(free)
    if not entries.size:
        return out, open_
    part = hessian[np.ix_(entries, entries)]
    size = np.abs(np.diag(part))
    scale = 1.0 / np.sqrt(np.where(size > 0.0, size, 1.0))
    values, vectors = np.linalg.eigh(part * np.outer(scale, scale))
    flat = values <= _FLAT
    kept = vectors[:, ~flat] * scale[:, None]
    out[np.ix_(entries, entries)] = (kept / values[~flat]) @ kept.T
    open_[entries] = np.any(np.abs(vectors[:, flat]) > _FLAT, axis=1)
    return out, open_
