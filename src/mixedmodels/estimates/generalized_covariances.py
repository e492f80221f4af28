"""Covariances of the parameters of a generalized fit, from the exact Hessian in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.unknown import PartlyKnown, flat_shares
from mixedmodels.lazy import cached_property

# Eigenvalues of the information with a unit diagonal up to which a direction counts as flat, and
# below the negative of which the point is a saddle.
_FLAT, _NEGATIVE = 1e-12, 1e-4

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
        known = _known(self._model.criterion(), self._par, self.hessian)
        size = len(self._par)
        return np.full((size, size), np.nan) if known is None else known.matrix

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


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Users' parameters as combinations of those of the search, each over its own conditional sd.

    Attributes:
        information: (search, search) of the parameters of the search.
        combinations: (search, users), scaled.
        flat: (search, k) directions without curvature.
    """

    information: FloatArray
    combinations: FloatArray
    flat: FloatArray

    @property
    def shares(self) -> FloatArray:
        """(users,) how much of each parameter lies in flat directions, from 0 to 1.

        What is orthogonal to these does not depend on them, whatever basis the search took.
        """
        if not np.isfinite(self.information).all():
            return np.ones(self.combinations.shape[1])
        return flat_shares(self.combinations, self.flat)


def scaled_parameters(criterion: AnyModel, par: FloatArray, hessian: FloatArray) -> Scaled:
    """Those of a fit; entries of theta on the boundary do not take part."""
    size = len(par)
    fixed = (par <= criterion.lower_bounds) & (np.arange(size) < criterion.m)
    free = np.flatnonzero(~fixed)
    information = 0.5 * hessian[np.ix_(free, free)]
    J = criterion.to_user(np.eye(size))[free]  # row by row: linear, without an origin
    if not np.isfinite(information).all():
        return Scaled(information, J, J[:, :0])
    scale, values, vectors = scaled_eigen(information)
    return Scaled(information, J * scale[:, None], vectors[:, values <= _FLAT])


def known_parameters(fitted: Any) -> PartlyKnown | None:
    """The covariance of theta, the coefficients and the family's own; None where none is known."""
    solution = fitted.solution
    return _known(fitted.criterion, solution.par, solution.covariance_of.hessian)


def partly_known(fitted: Any) -> PartlyKnown | None:
    """The covariance of the coefficients kept where some are not determined; else None.

    None where nothing is known, too, and of a linear model.
    """
    solution, m = fitted.solution, len(fitted.solution.theta)
    if not hasattr(solution, "covariance_of") or not np.isnan(np.diag(solution.vcov)).any():
        return None
    known: PartlyKnown | None = fitted.once(known_parameters)
    return None if known is None else known.of(slice(m, m + solution.p))


def _known(criterion: AnyModel, par: FloatArray, hessian: FloatArray) -> PartlyKnown | None:
    scaled = scaled_parameters(criterion, par, hessian)
    inverse = _scaled_inverse(scaled.information)
    if inverse is None:
        return None
    covariance = scaled.combinations.T @ inverse @ scaled.combinations
    return PartlyKnown(0.5 * (covariance + covariance.T), scaled.combinations, scaled.flat)


def _scaled_inverse(information: FloatArray) -> FloatArray | None:
    """Of a matrix scaled to a unit diagonal, without flat directions; None if nothing is known.

    That is with a direction of negative curvature, and without finite numbers.
    """
    if not np.isfinite(information).all():
        return None
    _, values, vectors = scaled_eigen(information)
    if values.size and values[0] < -_NEGATIVE:
        return None
    curved = values > _FLAT
    root = vectors[:, curved] / np.sqrt(values[curved])
    inverse: FloatArray = root @ root.T
    return inverse
