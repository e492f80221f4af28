"""Predictions at a target: offset + x'beta + z'b, and their standard errors given theta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from mixedmodels._core import Products, RowPredictions
from mixedmodels.arrays import BoolArray, FloatArray, LongArray
from mixedmodels.criterion.generalized import LaplacePoint
from mixedmodels.criterion.point import LinearPoint
from mixedmodels.errors import warn
from mixedmodels.estimates.dependence import dependence_of
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tables import fixed_mean, term_modes
from mixedmodels.memory import require
from mixedmodels.prediction.target import Target

# Step of differences in theta, relative.
_STEP = 1e-4
# How far a row may be from the dependency among the columns of X, relative to its own size.
_DEPENDENT = 1e-6


def predicted(fitted: Any, target: Target) -> FloatArray:
    """(n,) offset + x'beta + z'b, nothing for new levels; NaN in rows with a missing value."""
    design, templates, solution = fitted.model.design, fitted.model.templates, fitted.solution
    # A covariate may be infinite here, as log(0); nothing is known of such a row.
    with np.errstate(invalid="ignore"):
        mean = fixed_mean(target, solution.beta)
    for t, term in enumerate(design.terms):
        codes = target.codes[term.group]
        first = templates.term_offsets[t]
        modes = term_modes(templates, solution.b, t)
        for j in range(templates.sizes[t]):
            z = target.z[term.group][:, first + j]
            mean += np.where(codes >= 0, modes[:, j].take(codes, mode="clip"), 0.0) * z
    mean[absent_rows(target)] = np.nan
    _warn_unidentified(fitted, target)
    return mean


def absent_rows(target: Target) -> BoolArray:
    """(n,) rows with a missing value in a variable that counts."""
    absent: BoolArray = np.asarray(np.isnan(target.X).any(axis=1))
    for z in target.z:
        absent |= np.isnan(z).any(axis=1)
    for values in (target.offset, target.weights):
        if values is not None:
            absent |= np.isnan(values)
    return absent if target.missing is None else absent | target.missing


@dataclass(frozen=True, slots=True, eq=False)
class RowSolver:
    """Predictions at the rows of a target, for any theta.

    Attributes:
        target: The rows.
        X: (n, p) the kept columns.
        basis: (n, p) their coordinates in the basis of the core.
        z: Per grouping factor (n, S), along the axes of its terms.
    """

    target: Target
    X: FloatArray
    basis: FloatArray
    z: tuple[FloatArray, ...]

    @classmethod
    def of(cls, products: Products, target: Target) -> RowSolver:
        """Prepare the rows; those with a missing value give NaN."""
        width = 3 * len(products.kept) + sum(z.shape[1] for z in target.z)
        require({f"{target.n} rows of {width} numbers": 8.0 * target.n * width}, "The prediction")
        X = np.ascontiguousarray(target.X[:, products.kept])
        if X.shape[1] and len(X):
            basis = scipy.linalg.solve_triangular(products.R, X.T, trans="T", check_finite=False).T
        else:
            basis = X
        axes = [products.axes(g) for g in range(len(target.z))]
        z = tuple(
            np.ascontiguousarray(z if T is None else z @ T)
            for z, T in zip(target.z, axes, strict=True)
        )
        return cls(target, X, np.ascontiguousarray(basis), z)

    def rows(self, point: LinearPoint | LaplacePoint) -> RowPredictions:
        """(n,) z'b, and (n,) the variance of the error of x'beta + z'b over sigma^2."""
        codes = [np.ascontiguousarray(codes, dtype=np.int32) for codes in self.target.codes]
        return point.predict_rows(codes, list(self.z), self.basis)

    def at(self, point: LinearPoint) -> tuple[FloatArray, FloatArray]:
        """(n,) offset + x'beta + z'b, and (n,) the variance of its error over sigma^2."""
        found = self.rows(point)
        mean = found.random + self.X @ point.beta
        if self.target.offset is not None:
            mean += self.target.offset
        return mean, found.variance


def conditional_variance(fitted: Fitted, target: Target) -> FloatArray:
    """(n,) variance of the error of x'beta + z'b given theta and sigma, over sigma^2.

    The errors of beta and of the modes b are taken together (the inverse of Henderson's mixed model
    equations); a new level adds the variance of its random effects.

    References:
        Henderson (1975), Biometrics 31, 423-447.
    """
    solver = RowSolver.of(fitted.model.products, target)
    with fitted.criterion.at(fitted.solution.axes_theta) as point:
        _, variance = solver.at(point)
    variance[absent_rows(target)] = np.nan
    return variance


def variance_slopes(fitted: Fitted, target: Target, entries: LongArray) -> FloatArray:
    """(n, k) derivatives of `conditional_variance` by entries of theta along the axes.

    By central differences: each entry costs two evaluations.
    """
    solver = RowSolver.of(fitted.model.products, target)
    theta, unit = fitted.solution.axes_theta, fitted.model.axes.unit
    out = np.empty((target.n, len(entries)))
    for k, entry in enumerate(entries):
        move = np.zeros_like(theta)
        move[entry] = _STEP * max(abs(theta[entry]), 0.1 * unit[entry])
        sides = []
        for at in (theta + move, theta - move):
            with fitted.criterion.at(at) as point:
                sides.append(solver.at(point)[1])
        out[:, k] = (sides[0] - sides[1]) / (2.0 * move[entry])
    return out


def residual_variance(sigma: float, target: Target) -> FloatArray | float:
    """Sigma^2 / w of an observation at each row."""
    if target.weights is None:
        return sigma * sigma
    with np.errstate(over="ignore"):  # infinite, where weights are next to nothing
        return sigma * sigma / target.weights


def _warn_unidentified(fitted: Any, target: Target) -> None:
    """Rows whose aliased columns do not depend on the others as they did in training."""
    design, kept = fitted.model.design, fitted.solution.kept
    if len(kept) == len(design.x_names):
        return
    aliased = np.setdiff1d(np.arange(len(design.x_names)), kept)
    C = fitted.once(dependence_of)[:, aliased]
    X = target.X if fitted.model.origin is None else target.X - fitted.model.origin
    gap = np.abs(X[:, aliased] - X[:, kept] @ C)
    size = np.abs(target.X[:, aliased]) + np.abs(target.X[:, kept]) @ np.abs(C)
    rows = (gap > _DEPENDENT * size).any(axis=1)
    if rows.any():
        names = ", ".join(design.x_names[j] for j in aliased)
        warn(
            f"{rows.sum()} of {target.n} rows cannot be predicted: {names} was dropped because it "
            "depended on earlier columns, which it does not do in these rows; its coefficient is "
            "taken as zero.",
        )
