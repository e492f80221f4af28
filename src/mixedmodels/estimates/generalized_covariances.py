"""Covariances of the parameters of a generalized fit, from the exact Hessian in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.lazy import cached_property

# Eigenvalues of the information with a unit diagonal up to which a direction counts as flat, and
# below the negative of which the point is a saddle.
_FLAT, _NEGATIVE = 1e-12, 1e-4
# Share of a parameter in flat directions that is more than rounding.
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
        J = criterion.to_user(np.eye(size))[free]  # row by row: linear, without an origin
        found = _inverse(information)
        symmetric = np.full((size, size), np.nan)
        if found is not None:
            covariance: FloatArray = J.T @ found @ J
            symmetric = 0.5 * (covariance + covariance.T)
        unknown = flat_shares(information, J) > _WEIGHT
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


def flat_shares(information: FloatArray, J: FloatArray) -> FloatArray:
    """(users,) how much of each user's parameter lies in directions without curvature, from 0 to 1.

    A parameter of the user is a combination of those of the search. What is orthogonal to the flat
    directions does not depend on them, whatever basis the search took.

    Args:
        information: (search, search) of the parameters of the search.
        J: (search, users) the combinations.
    """
    if not np.isfinite(information).all():
        return np.ones(J.shape[1])
    scale, values, vectors = scaled_eigen(information)
    scaled = J * scale[:, None]
    whole = np.linalg.norm(scaled, axis=0)
    along = np.linalg.norm(vectors[:, values <= _FLAT].T @ scaled, axis=0)
    return np.where(whole > 0.0, along / np.where(whole > 0.0, whole, 1.0), 0.0)


def _inverse(information: FloatArray) -> FloatArray | None:
    """Of a symmetric matrix, without its flat directions; None where nothing is known.

    That is with a direction of negative curvature, and without finite numbers.
    """
    if not np.isfinite(information).all():
        return None
    scale, values, vectors = scaled_eigen(information)
    if values.size and values[0] < -_NEGATIVE:
        return None
    curved = values > _FLAT
    root = vectors[:, curved] / np.sqrt(values[curved])
    inverse: FloatArray = root @ root.T * np.outer(scale, scale)
    return inverse
