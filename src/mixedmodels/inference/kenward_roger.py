"""Kenward and Roger's adjusted covariance of beta and degrees of freedom (1997, Biometrics 53).

All is put together from sums over the random effects, which the core makes; the residual's share
follows from the others, because the variance parameters times their derivatives of V add up to V.
Everything is in units of sigma and in the orthogonal basis of X until the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mixedmodels._core import kenward_roger_flops, kenward_roger_workspace
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.crossprod import triangle_inverse
from mixedmodels.estimates.linear import Fitted, Model
from mixedmodels.estimates.tails import f_tail
from mixedmodels.inference.degrees import Degrees, FTest, estimates, principal_axes
from mixedmodels.inference.information import to_basis
from mixedmodels.memory import announce, require
from mixedmodels.settings import DfMethod

# Information on a variance parameter, relative to the largest, that counts as none.
_FLAT = 1e-10
# Denominators that are zero but for rounding, and degrees of freedom that are two.
_ZERO = 1e-10
_TWO = 1e-2
_REMEDY = "Use ddf='satterthwaite', which comes to the same in large samples."


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """Derivatives of X'V^-1X with respect to variances, per unit of sigma^2.

    Attributes:
        P: (r, p, p) X'V^-1 G_i V^-1 X, with G_i the derivative of V (P_i of the paper negated).
        Q: (r, r, p, p) X'V^-1 G_i V^-1 G_j V^-1 X.
        traces: (r, r) tr(V^-1 G_i V^-1 G_j).
    """

    P: FloatArray
    Q: FloatArray
    traces: FloatArray


class KenwardRoger(Degrees):
    """Adjusted covariance, and degrees of freedom that match two moments of F.

    Args:
        fitted: A fit by REML.
        note: What the user should know.

    Raises:
        ResourceError: The random effects are so many, and so connected, that too much memory would
            be needed.
    """

    method: DfMethod = "kenward-roger"

    def __init__(self, fitted: Fitted, note: str = "") -> None:
        beta, _, sigma = estimates(fitted)
        check_size(fitted.model)
        R = fitted.model.products.R
        self.note = note
        self._R_inverse = triangle_inverse(R)
        self._R = R
        self._phi, self._parts = _parts(fitted)
        whole = np.diag(self._parts.traces)
        self._W = 2.0 * _pseudo_inverse(_information(self._parts, self._phi), whole)
        adjusted = _adjusted(self._parts, self._phi, self._W)
        self._adjusted = adjusted
        scaled = sigma * self._R_inverse
        super().__init__(beta, scaled @ adjusted @ scaled.T, sigma)

    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """2 / A2 of every row; the F of one row needs no scaling."""
        in_basis = to_basis(L, self._R)
        rows = in_basis @ self._phi
        shares = np.stack([np.einsum("ki,ki->k", rows @ P, rows) for P in self._parts.P])
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.einsum("ki,ki->k", rows, in_basis)
            shares /= np.where(variance == 0.0, 1.0, variance)
            if share is not None:
                shares *= share
                shares[-1] += 1.0 - share
            df: FloatArray = 2.0 / np.einsum("ik,ij,jk->k", shares, self._W, shares)
        return df

    def variances(self, L: FloatArray) -> FloatArray:
        """(k,) adjusted variances, by way of the basis, which keeps digits."""
        in_basis = self._in_basis(L)
        found: FloatArray = self.sigma**2 * np.einsum(
            "ki,ij,kj->k", in_basis, self._adjusted, in_basis
        )
        return found

    def joint(self, L: FloatArray, difference: FloatArray) -> FTest:
        """The scaled Wald test with the denominator that matches its first two moments."""
        axes, _ = principal_axes(L @ self.vcov @ L.T)
        num_df = len(axes)
        if num_df == 0:
            return FTest(float("nan"), 0, float("nan"), float("nan"))
        rows = axes @ L
        left = axes @ difference
        wald = float(left @ np.linalg.solve(rows @ self.vcov @ rows.T, left)) / num_df
        in_basis = self._in_basis(rows)
        directions = in_basis @ self._phi
        middle = np.linalg.inv(directions @ in_basis.T)
        blocks = [middle @ directions @ P @ directions.T for P in self._parts.P]
        first = np.array([np.trace(block) for block in blocks])
        second = np.array([[np.sum(a * b.T) for b in blocks] for a in blocks])
        a1, a2 = float(first @ self._W @ first), float(np.sum(self._W * second))
        den_df, scale = _moments(num_df, a1, a2)
        statistic = scale * wald
        return FTest(statistic, num_df, den_df, f_tail(num_df, den_df, statistic), scale)

    def _in_basis(self, L: FloatArray) -> FloatArray:
        rows: FloatArray = L @ self._R_inverse
        return rows


def by_reml(fitted: Fitted) -> tuple[Fitted, str]:
    """The fit itself if by REML, else its refit, and what to say of that."""
    if fitted.solution.reml:
        return fitted, ""
    note = "Kenward-Roger needs REML: the model was refitted by it for this table."
    return fitted.by(reml=True), note


def check_size(model: Model) -> None:
    """Refuse what would not fit into memory, and announce what would take long.

    Raises:
        ResourceError: With the numbers, and what to use instead.
    """
    size = 8.0 * kenward_roger_workspace(model.products, model.templates.m)
    sums = f"sums over {model.templates.q} random effects and {model.products.p} columns of X"
    require({sums: size}, "Kenward-Roger", remedy=_REMEDY)
    announce("Kenward-Roger", kenward_roger_flops(model.products), _REMEDY)


def _parts(fitted: Fitted) -> tuple[FloatArray, _Parts]:
    """Phi, and the parts: of the entries of the templates, and of the residual as the rest."""
    model, theta = fitted.model, fitted.solution.axes_theta
    with fitted.criterion.at(theta) as point:
        phi = point.fixed_covariance()
        sums = point.kenward_roger_sums()
    trace, traces, P, Q = sums.trace, sums.traces, sums.P, sums.Q
    gamma = _ratios(model.templates, theta)
    cross_trace = trace - traces @ gamma
    total = fitted.solution.n - gamma @ trace
    S = np.linalg.inv(phi)
    residual = 0.5 * (S + S.T) - np.tensordot(gamma, P, 1)
    cross = P - np.tensordot(gamma, Q, 1)
    m, p = len(theta), len(phi)
    all_P = np.concatenate([P, residual[None]])
    all_Q = np.empty((m + 1, m + 1, p, p))
    all_Q[:m, :m] = Q
    all_Q[m, :m] = cross
    all_Q[:m, m] = cross.transpose(0, 2, 1)
    all_Q[m, m] = residual - np.tensordot(gamma, cross, 1)
    all_traces = np.empty((m + 1, m + 1))
    all_traces[:m, :m] = traces
    all_traces[m, :m] = all_traces[:m, m] = cross_trace
    all_traces[m, m] = total - gamma @ cross_trace
    return phi, _Parts(all_P, all_Q, all_traces)


def _ratios(templates: Templates, theta: FloatArray) -> FloatArray:
    """(m,) covariances along the axes of the random effects over sigma^2, in theta's places."""
    return templates.theta_of([lam @ lam.T for lam in templates.lam(theta)])


def _information(parts: _Parts, phi: FloatArray) -> FloatArray:
    """Twice the expected REML information of the variance parameters."""
    scaled = parts.P @ phi
    products = np.einsum("iab,jba->ij", scaled, scaled, optimize=True)
    fixed = np.einsum("ijab,ab->ij", parts.Q, phi, optimize=True)
    return np.asarray(parts.traces - 2.0 * fixed + products)


def _pseudo_inverse(information: FloatArray, whole: FloatArray) -> FloatArray:
    """Its inverse over the directions that have information, scaled to a unit diagonal first.

    A parameter of which the fixed effects leave almost nothing of `whole`, its information without
    them, has rounding errors for its information.
    """
    size = np.diag(information)
    scale = np.zeros(len(size))
    known = size > _FLAT * np.abs(whole)
    scale[known] = 1.0 / np.sqrt(size[known])
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    kept = values > _FLAT * values.max()
    root = vectors[:, kept] * scale[:, None]
    inverse: FloatArray = (root / values[kept]) @ root.T
    return inverse


def _adjusted(parts: _Parts, phi: FloatArray, W: FloatArray) -> FloatArray:
    """Phi + 2 Phi (sum of W_ij (Q_ij - P_i Phi P_j)) Phi."""
    mixed = np.tensordot(W, parts.P, 1)
    middle = np.tensordot(W, parts.Q, 2) - np.sum(parts.P @ phi @ mixed, axis=0)
    adjusted: FloatArray = phi + phi @ (middle + middle.T) @ phi
    return adjusted


def _moments(num_df: int, a1: float, a2: float) -> tuple[float, float]:
    """Denominator degrees of freedom and scale of F from A1 and A2 of the paper."""
    if num_df == 1:  # what the following comes to
        return 2.0 / a2, 1.0
    b = (a1 + 6.0 * a2) / (2.0 * num_df)
    g = ((num_df + 1) * a1 - (num_df + 4) * a2) / ((num_df + 2) * a2)
    divisor = 3.0 * num_df + 2.0 * (1.0 - g)
    c1, c2, c3 = g / divisor, (num_df - g) / divisor, (num_df + 2 - g) / divisor
    v0, v1, v2 = (0.0 if abs(v) < _ZERO else v for v in (1 + c1 * b, 1 - c2 * b, 1 - c3 * b))
    expected = 1.0 - a2 / num_df
    ratio = 1.0 if abs(expected) < _ZERO and abs(v1) < _ZERO else expected / v1
    rho = ratio**2 * v0 / (num_df * v2) if v2 else math.inf
    den_df = 4.0 + (num_df + 2) / (num_df * rho - 1.0)
    scale = 1.0 if abs(den_df - 2.0) < _TWO else den_df * expected / (den_df - 2.0)
    return den_df, scale
