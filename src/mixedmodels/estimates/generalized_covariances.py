"""Covariances of the parameters of a generalized fit, from the exact Hessian in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.lazy import cached_property

# Eigenvalues of the information with a unit diagonal up to which a direction counts as flat, and
# below the negative of which the point is a saddle.
_FLAT, _NEGATIVE = 1e-12, 1e-4
# Weight of a parameter in a flat direction that is more than rounding.
_WEIGHT = 1e-4

AnyModel: TypeAlias = Any
"""A generalized model: the members that `estimates.generalized.GeneralizedModel` has."""


@runtime_checkable
class Covariances(Protocol):
    """Covariances of the parameters of a fit."""

    @property
    def hessian(self) -> FloatArray:
        """(m + p + k, m + p + k) of the criterion, by parameters of the search."""

    @property
    def user(self) -> FloatArray:
        """(m + p + k, m + p + k) covariance of theta, the coefficients and the family's own."""

    @property
    def conditional(self) -> FloatArray:
        """(p, p) of the kept coefficients for known theta and dispersion."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownCovariances:
    """Covariances that have been made.

    Attributes:
        hessian: (m + p + k, m + p + k) of the criterion, by parameters of the search.
        user: (m + p + k, m + p + k) covariance of theta, the coefficients and the family's own.
        conditional: (p, p) of the kept coefficients for known theta and dispersion.
    """

    hessian: FloatArray
    user: FloatArray
    conditional: FloatArray


class ModelCovariances:
    """The covariance of all parameters, made when it is first read."""

    def __init__(self, model: AnyModel, par: FloatArray) -> None:
        self._model = model
        self._par = par

    @cached_property
    def hessian(self) -> FloatArray:
        """(m + p + k, m + p + k) of the criterion, by parameters of the search."""
        found: FloatArray = self._model.criterion().hessian(self._par)
        return found

    @cached_property
    def user(self) -> FloatArray:
        """(m + p + k, m + p + k) covariance of theta, the coefficients and the family's own.

        Entries of theta on the boundary are taken as known: their rows and columns are zero. Those
        of parameters that the data do not determine are NaN.
        """
        model, par = self._model, self._par
        m, size = model.templates.m, len(par)
        criterion = model.criterion()
        fixed = (par <= criterion.lower_bounds) & (np.arange(size) < m)
        free = np.flatnonzero(~fixed)
        information = 0.5 * self.hessian[np.ix_(free, free)]
        found, flat = np.zeros((size, size)), np.zeros(size, dtype=np.bool_)
        found[np.ix_(free, free)], flat[free] = _inverse(information)
        J = criterion.to_user(np.eye(size))  # row by row: linear, without an origin
        covariance: FloatArray = J.T @ found @ J
        symmetric: FloatArray = 0.5 * (covariance + covariance.T)
        unknown = (J[flat] != 0.0).any(axis=0)
        symmetric[unknown] = np.nan
        symmetric[:, unknown] = np.nan
        return symmetric

    @cached_property
    def conditional(self) -> FloatArray:
        """(p, p) of the kept coefficients for known theta and dispersion."""
        model = self._model
        with model.criterion().at(self._par) as point:
            basis = point.fixed_covariance()
        root = np.linalg.solve(model.products.R, np.linalg.cholesky(basis)) if len(basis) else basis
        found: FloatArray = root @ root.T
        return found


def scaled_eigen(information: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scales that make its diagonal 1, eigenvalues and vectors of the scaled matrix."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(information)), np.finfo(np.float64).tiny))
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    return scale, values, vectors


def _inverse(information: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Of a symmetric matrix, and which parameters lie in directions without curvature.

    Such directions are left out: what is orthogonal to them does not depend on them. With a
    direction of negative curvature nothing is known.
    """
    everything = np.ones(len(information), dtype=np.bool_)
    if not np.isfinite(information).all():
        return np.zeros(information.shape), everything
    scale, values, vectors = scaled_eigen(information)
    if values.size and values[0] < -_NEGATIVE:
        return np.zeros(information.shape), everything
    flat = values <= _FLAT
    root = vectors[:, ~flat] / np.sqrt(values[~flat])
    inverse: FloatArray = root @ root.T * np.outer(scale, scale)
    touched: BoolArray = np.abs(vectors[:, flat]).max(axis=1, initial=0.0) > _WEIGHT
    return inverse, touched
