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
# Length, relative to theta, of a step along which differences are good derivatives.


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Covariance of the variance parameters, and derivatives of X'V^-1X.

    Attributes:
        held: (m,) entries of theta on their bound; rows and columns of `vcov` are zero there.
        flat: (m, k) directions along which the criterion has no curvature; `vcov` leaves them out.
        vcov: (m + 1, m + 1) covariance of theta and log sigma.
        fixed: (m, p, p) derivatives of X'V^-1X, V for sigma = 1, of the basis X R^-1.
        R: (p, p) upper triangle that takes coefficients to those of the basis.
        sigma: Residual standard deviation.
    """

    held: BoolArray
    flat: FloatArray
    vcov: FloatArray
    fixed: FloatArray
    R: FloatArray
    sigma: float

    @property
    def unknown(self) -> BoolArray:
        """(m,) entries of theta that have no standard error."""
        moving = np.abs(self.flat) > _FLAT * np.abs(self.flat).max(axis=0, initial=0.0)
        unknown: BoolArray = self.held | moving.any(axis=1)
        return unknown

    @property
    def parameters(self) -> FloatArray:
        """(m + 1, m + 1) covariance of theta and sigma, NaN where there is no standard error."""
        scale = np.ones(len(self.vcov))
        scale[-1] = self.sigma
        out = self.vcov * np.outer(scale, scale)
        unknown = np.append(self.unknown, False)
        out[unknown] = out[:, unknown] = np.nan
        return out

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
    held = _on_bound(stages.templates, theta)
    hessian = _hessian(fitted)
    inverse, flat = _inverse(hessian, ~held)
    df = solution.n - solution.p if solution.reml else solution.n
    drift = slope / (2.0 * solution.pwrss)
    m = len(theta)
    vcov = np.empty((m + 1, m + 1))
    vcov[:m, :m] = 2.0 * inverse
    vcov[:m, m] = vcov[m, :m] = 2.0 * inverse @ drift
    vcov[m, m] = 0.5 / df + drift @ vcov[:m, m]
    return Information(held, flat, vcov, fixed, stages.products.R, solution.sigma)


def _on_bound(templates: Templates, theta: FloatArray) -> BoolArray:
    """Diagonal entries that are zero, and all of a column that is zero."""
    held: BoolArray = templates.diagonal & (theta == 0.0)
    columns = templates.entries[:, [0, 2]]
    for entry in np.flatnonzero(held):
        same = (columns == columns[entry]).all(axis=1)
        if not theta[same].any():
            held |= same
    return held


def _hessian(fitted: Fitted) -> FloatArray:
    """Second derivatives of the criterion; the verdict's, where making them again would be dear."""
    theta, objective, optsum = fitted.solution.theta, fitted.stages.objective, fitted.optsum
    dear = objective.gradients_work > _BUDGET
    if dear and optsum.hessian_exact and optsum.hessian is not None:
        return optsum.hessian
    return objective.hessian(theta, reml=fitted.solution.reml, budget=_BUDGET)


def _inverse(hessian: FloatArray, free: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Inverse over the free entries and the directions with curvature; (m, k) those without."""
    entries = np.flatnonzero(free)
    part = hessian[np.ix_(entries, entries)]
    size = np.abs(np.diag(part))
    scale = 1.0 / np.sqrt(np.where(size > 0.0, size, 1.0))
    values, vectors = np.linalg.eigh(part * np.outer(scale, scale))
    curved = values > _FLAT
    directions = np.zeros((len(hessian), len(entries)))
    directions[entries] = vectors * scale[:, None]
    kept = directions[:, curved]
    return (kept / values[curved]) @ kept.T, directions[:, ~curved]


def unknown_message(templates: Templates, information: Information) -> str:
    """What has no standard error and why; empty when all have one."""
    parts = []
    if information.held.any():
        names = _names(templates, information.held)
        parts.append(f"{names} on the bound: standard errors of all else are conditional on that")
    rest = information.unknown & ~information.held
    if rest.any():
        parts.append(f"{_names(templates, rest)} not determined by the data")
    return f"No standard error for theta: {'; '.join(parts)}." if parts else ""


def _names(templates: Templates, entries: BoolArray) -> str:
    return ", ".join(templates.names[e] for e in np.flatnonzero(entries))
