"""Covariances of the parameters of a generalized fit, from the exact Hessian in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.separation import undetermined
from mixedmodels.estimates.unknown import Directions, PartlyKnown, shares_of
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

    def __init__(self, model: AnyModel, par: FloatArray, converged: bool) -> None:
        self._model = model
        self._par = par
        self._converged = converged

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
        known = _known(self._model, self._par, self.hessian, converged=self._converged)
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


def scales(information: FloatArray) -> FloatArray:
    """Those that make its diagonal 1."""
    least = np.finfo(np.float64).tiny
    scale: FloatArray = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(information)), least))
    return scale


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Users' parameters as combinations of those of the search, each over its own conditional sd.

    Attributes:
        information: (search, search) of the parameters of the search, seen from `curved`.
        combinations: (search, users), scaled.
        curved: (search, c) orthonormal directions that are not separated.
        undetermined: Directions that are, and others without curvature.
    """

    information: FloatArray
    combinations: FloatArray
    curved: FloatArray
    undetermined: tuple[Directions, ...]

    @property
    def shares(self) -> FloatArray:
        """(users,) how much of each parameter lies in undetermined directions, from 0 to 1.

        What is orthogonal to these does not depend on them, whatever basis the search took.
        """
        size = self.combinations.shape[1]
        if not np.isfinite(self.information).all():
            return np.ones(size)
        return shares_of(np.eye(size), self.undetermined)


def scaled_parameters(
    model: AnyModel, par: FloatArray, hessian: FloatArray, *, converged: bool
) -> Scaled:
    """Those of a fit; entries of theta on the boundary do not take part."""
    criterion, size = model.criterion(), len(par)
    fixed = (par <= criterion.lower_bounds) & (np.arange(size) < criterion.m)
    free = np.flatnonzero(~fixed)
    information = 0.5 * hessian[np.ix_(free, free)]
    J = criterion.to_user(np.eye(size))[free]  # row by row: linear, without an origin
    if not np.isfinite(information).all():
        return Scaled(information, J, np.eye(len(free)), ())
    scale = scales(information)
    separated = undetermined(model, criterion.to_user(par), converged=converged)
    along = criterion.from_user(separated)[:, free].T
    combinations = J * scale[:, None]
    # Sizes of a separated direction depend on how far the search went, and on the coding by them.
    own = Directions(J, _orthonormal(along))
    curved = _orthonormal(along / scale[:, None], complement=True)
    seen = curved.T @ (information * np.outer(scale, scale)) @ curved
    values, vectors = np.linalg.eigh(seen)
    flat = Directions(combinations, curved @ vectors[:, values <= _FLAT])
    return Scaled(seen, combinations, curved, (own, flat))


def _orthonormal(directions: FloatArray, *, complement: bool = False) -> FloatArray:
    """(s, k) an orthonormal basis of directions (s, k) of full rank, or (s, s - k) of the rest."""
    k = directions.shape[1]
    size = np.linalg.norm(directions, axis=0)
    Q = np.linalg.qr(directions / np.where(size > 0.0, size, 1.0), mode="complete").Q
    return Q[:, k:] if complement else Q[:, :k]


def known_parameters(fitted: Any) -> PartlyKnown | None:
    """The covariance of theta, the coefficients and the family's own; None where none is known."""
    solution, converged = fitted.solution, fitted.optsum.converged
    hessian = solution.covariance_of.hessian
    return _known(fitted.model, solution.par, hessian, converged=converged)


def partly_known(fitted: Any) -> PartlyKnown | None:
    """The covariance of the coefficients kept where some are not determined; else None.

    None where nothing is known, too, and of a linear model.
    """
    solution, m = fitted.solution, len(fitted.solution.theta)
    if not hasattr(solution, "covariance_of") or not np.isnan(np.diag(solution.vcov)).any():
        return None
    known: PartlyKnown | None = fitted.once(known_parameters)
    return None if known is None else known.of(slice(m, m + solution.p))


def _known(
    model: AnyModel, par: FloatArray, hessian: FloatArray, *, converged: bool
) -> PartlyKnown | None:
    """None with a direction of negative curvature, and without finite numbers."""
    if not np.isfinite(hessian).all():
        return None
    scaled = scaled_parameters(model, par, hessian, converged=converged)
    values, vectors = np.linalg.eigh(scaled.information)
    if values.size and values[0] < -_NEGATIVE:
        return None
    curved = values > _FLAT
    root = scaled.combinations.T @ scaled.curved @ (vectors[:, curved] / np.sqrt(values[curved]))
    return PartlyKnown(root @ root.T, scaled.undetermined)
