"""What is known about theta and sigma: their covariance, and what vcov(beta) owes to them.

The criterion is profiled over sigma; the information of (theta, log sigma) follows from its
Hessian and the gradient of pwrss alone. With lambda(theta) = log(pwrss / df) / 2, the profile of
log sigma, and A = 2 Hessian^-1: cov(theta) = A, cov(theta, log sigma) = A dlambda,
var(log sigma) = 1 / (2 df) + dlambda'A dlambda.

Entries of theta on their bound have no standard error: all else is conditional on them. Nor has
what the data leave open, such as how a template of deficient rank divides between its columns.

Theta is here theta along the axes of the terms (see `criterion.axes`), where the information keeps
its digits whatever the origin of a covariate; results are turned into theta's at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.axes import ThetaAxes
from mixedmodels.crossprod import triangle_inverse
from mixedmodels.errors import NotIdentifiedWarning, SingularFitWarning, warn
from mixedmodels.estimates.linear import Fitted

# Flops that differences on both sides may cost.
_BUDGET = 3e7
# Curvature, relative to that of each entry alone, below which differences cannot distinguish it
# from zero (_FLAT), and above which a negative one is not rounding (_NEGATIVE).
_FLAT = 1e-6
_NEGATIVE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Covariance of the variance parameters, and derivatives of X'V^-1X.

    Attributes:
        held: (m,) entries of theta on their bound; rows and columns of `vcov` are zero there.
        flat: (m, k) directions along which the criterion has no curvature; `vcov` leaves them out.
        vcov: (m + 1, m + 1) covariance of theta and log sigma.
        fixed: (m, p, p) derivatives of X'V^-1X, V for sigma = 1, of the basis X R^-1.
        phi: (p, p) covariance of the coefficients of the basis, over sigma^2.
        R: (p, p) upper triangle that takes coefficients to those of the basis.
        sigma: Residual standard deviation.
        axes: The maps from theta along the axes to theta.
        problem: Why there is no information, `vcov` being NaN; or "".
    """

    held: BoolArray
    flat: FloatArray
    vcov: FloatArray
    fixed: FloatArray
    phi: FloatArray
    R: FloatArray
    sigma: float
    axes: ThetaAxes
    problem: str = ""

    @property
    def unknown(self) -> BoolArray:
        """(m,) entries of theta that have no standard error."""
        flat = np.abs(self.axes.from_axes(self.flat.T).T)
        moving = flat > _FLAT * flat.max(axis=0, initial=0.0)
        unknown: BoolArray = self.held | moving.any(axis=1)
        return unknown

    @property
    def parameters(self) -> FloatArray:
        """(m + 1, m + 1) covariance of theta and sigma, NaN where there is no standard error."""
        out = np.empty_like(self.vcov)
        out[:-1, :-1] = self.axes.covariance_from_axes(self.vcov[:-1, :-1])
        out[:-1, -1] = out[-1, :-1] = self.sigma * self.axes.from_axes(self.vcov[-1, :-1])
        out[-1, -1] = self.sigma**2 * self.vcov[-1, -1]
        unknown = np.append(self.unknown, False)
        out[unknown] = out[:, unknown] = np.nan
        return out

    def slopes(self, L: FloatArray) -> FloatArray:
        """Derivatives of the logarithms of the variances of linear functions of beta.

        Args:
            L: (k, p) functions.

        Returns:
            (k, m + 1) derivatives with respect to theta and log sigma.
        """
        return variance_slopes(L, self.fixed, self.phi, self.R)


def variance_slopes(L: FloatArray, fixed: FloatArray, phi: FloatArray, R: FloatArray) -> FloatArray:
    """(k, m + 1) what `Information.slopes` gives, from its arrays alone."""
    in_basis = to_basis(L, R)
    rows = in_basis @ phi
    variance = np.einsum("ki,ki->k", rows, in_basis)
    out = np.empty((len(L), len(fixed) + 1))
    with np.errstate(invalid="ignore"):
        for entry, derivative in enumerate(fixed):
            change = np.einsum("ki,ki->k", rows @ derivative, rows)
            # Zero for a function that is zero.
            out[:, entry] = -change / np.where(variance == 0.0, 1.0, variance)
    out[:, -1] = 2.0
    return out


def to_basis(L: FloatArray, R: FloatArray) -> FloatArray:
    """Rows (k, p) over coefficients as rows over those of the basis, each of unit length."""
    size = np.abs(L).max(axis=1, keepdims=True, initial=0.0)
    rows: FloatArray = (L / np.where(size > 0.0, size, 1.0)) @ triangle_inverse(R)
    size = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    rows /= np.where(size > 0.0, size, 1.0)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0.0, length, 1.0)


@singledispatch
def variance_information(fitted: Any) -> Information:
    """The information at the optimum of a fit, of whichever kind."""
    raise NotImplementedError(type(fitted))


@variance_information.register
def _(fitted: Fitted) -> Information:
    solution, model = fitted.solution, fitted.model
    theta = solution.axes_theta
    with fitted.criterion.at(theta) as point:
        fixed, slope = point.fixed_derivatives()
        phi = point.fixed_covariance()
        hessian = point.hessian(_BUDGET)
    held = on_bound(model.templates, theta)
    inverse, flat, problem = inverse_of(hessian, ~held, fitted.identification.complete)
    df = solution.scale_df
    drift = 0.5 * slope
    m = len(theta)
    vcov = np.empty((m + 1, m + 1))
    vcov[:m, :m] = 2.0 * inverse
    vcov[:m, m] = vcov[m, :m] = 2.0 * inverse @ drift
    vcov[m, m] = 0.5 / df + drift @ vcov[:m, m]
    if not problem and not np.isfinite(vcov).all():
        problem = "the derivatives of the criterion are not finite"
    if problem:
        vcov[:] = np.nan
    R, sigma = model.products.R, solution.sigma
    return Information(held, flat, vcov, fixed, phi, R, sigma, model.axes, problem)


def on_bound(templates: Templates, theta: FloatArray) -> BoolArray:
    """Diagonal entries that are zero, and all of a column that is zero."""
    held: BoolArray = templates.diagonal & (theta == 0.0)
    columns = templates.entries[:, [0, 2]]
    for entry in np.flatnonzero(held):
        same = (columns == columns[entry]).all(axis=1)
        if not theta[same].any():
            held |= same
    return held


def inverse_of(
    hessian: FloatArray, free: BoolArray, identified: bool
) -> tuple[FloatArray, FloatArray, str]:
    """Inverse over the free entries and the directions with curvature; (m, k) those without.

    And what is wrong with the Hessian, or "". Where parameters are not identified, a negative
    curvature is that of a flat direction, by rounding.
    """
    entries = np.flatnonzero(free)
    part = hessian[np.ix_(entries, entries)]
    if not np.isfinite(part).all():
        problem = "the second derivatives of the criterion are not finite"
        return np.full_like(hessian, np.nan), np.zeros((len(hessian), 0)), problem
    size = np.abs(np.diag(part))
    scale = 1.0 / np.sqrt(np.where(size > 0.0, size, 1.0))
    values, vectors = np.linalg.eigh(part * np.outer(scale, scale))
    curved = values > _FLAT
    directions = np.zeros((len(hessian), len(entries)))
    directions[entries] = vectors * scale[:, None]
    kept = directions[:, curved]
    downhill = identified and values.min(initial=0.0) < -_NEGATIVE
    problem = "the criterion falls from theta, which is not a minimum" if downhill else ""
    return (kept / values[curved]) @ kept.T, directions[:, ~curved], problem


def parameter_covariance(fitted: Fitted) -> FloatArray:
    """(m + 1, m + 1) covariance of theta and sigma, NaN where there is no standard error."""
    out = fitted.once(announced_information).parameters
    identified = fitted.identification
    unknown = np.append(identified.unknown_theta, identified.unknown[-1])
    out[unknown] = out[:, unknown] = np.nan
    return out


def announced_information(fitted: Fitted) -> Information:
    """The information, with a warning when part of theta has no standard error."""
    information = fitted.once(variance_information)
    message = unknown_message(fitted.model.templates, information)
    if message:
        warn(message, SingularFitWarning)
    identified = fitted.identification
    if not identified.complete:
        reason = "No standard errors for parameters that are not identified:"
        warn("\n".join((reason, *identified.problems)), NotIdentifiedWarning)
    return information


def unknown_message(templates: Templates, information: Information) -> str:
    """What has no standard error and why; empty when all have one."""
    if information.problem:
        return f"No standard errors of theta and sigma: {information.problem}."
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
