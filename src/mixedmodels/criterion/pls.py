"""Penalized least squares at one theta, as values one can look at.

The factor, the coefficients and the modes in public order (see `covariance`), copied from the
core's workspace. Nothing here is used by the search for theta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.criterion.linear import LinearCriterion


@dataclass(frozen=True, slots=True, eq=False)
class PLS:
    """The solution of Bates' extended system at one theta.

    Attributes:
        theta: (m,) where it was solved.
        L: (q, q) sparse lower triangular, L L' = P M P' with M = Lambda'Z'WZ Lambda + I.
        perm: (q,) row of M (public order) at each row of L.
        RZX: (q, p) L RZX = P Lambda'Z'WX, over the columns kept.
        RX: (p, p) upper triangular, RX'RX = X'V^-1X for sigma = 1.
        kept: (p,) columns of X that are not aliased.
        u: (q,) conditional modes, spherical scale, public order.
        b: (q,) conditional modes Lambda u, original scale, public order.
        beta: (p,) coefficients of the columns kept.
        pwrss: Penalized weighted residual sum of squares.
        logdet_L2: log|L|^2.
        logdet_RX2: log|RX|^2.
        sum_log_weights: Sum of the logarithms of the prior weights.
    """

    theta: FloatArray
    L: scipy.sparse.csc_array
    perm: LongArray
    RZX: FloatArray
    RX: FloatArray
    kept: LongArray
    u: FloatArray
    b: FloatArray
    beta: FloatArray
    pwrss: float
    logdet_L2: float
    logdet_RX2: float
    sum_log_weights: float


def penalized_least_squares(
    criterion: LinearCriterion, products: Products, theta: FloatArray
) -> PLS:
    """Solve at theta and copy everything out.

    Raises:
        FloatingPointError: M or X'V^-1X is not positive definite in floating point at this theta.
    """
    axes = criterion.axes
    at = axes.checked(theta)
    to_core = criterion.workspace.templates.public_to_core
    to_public = np.empty_like(to_core)
    to_public[to_core] = np.arange(len(to_core))
    with criterion.at(axes.to_axes(at)) as point:
        if np.isnan(point.deviance):
            raise FloatingPointError(
                f"theta = {at}: the penalized least squares system is not positive definite in "
                "double precision; theta is too large for these data."
            )
        q = len(to_core)
        return PLS(
            theta=at.copy(),
            L=scipy.sparse.csc_array(point.factor(), shape=(q, q)),
            perm=to_public[criterion.workspace.analysis.permutation],
            RZX=point.RZX @ products.R,
            RX=point.RX @ products.R,
            kept=products.kept.astype(np.int64),
            u=point.u[to_core],
            b=point.b[to_core],
            beta=point.beta,
            pwrss=point.pwrss,
            logdet_L2=point.logdet_L2,
            logdet_RX2=point.logdet_RX2,
            sum_log_weights=products.sum_log_weights,
        )
