"""Covariances of which some is not known, because the data do not determine some parameters.

A matrix has NaN in the rows of these. What a combination of several of them does not depend on, a
`PartlyKnown` covariance still tells: of a separated reference level, differences of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray

# A weight, relative to the largest of its row, that is rounding.
_ROUNDING = 1e-12
SHARE = 1e-4
"""Share of a parameter or a combination in flat directions that is more than rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Directions of some parameters that data do not determine.

    Attributes:
        combinations: (m, p) the parameters of a user, of those.
        flat: (m, k) the directions, orthonormal.
    """

    combinations: FloatArray
    flat: FloatArray


def shares_of(L: FloatArray, undetermined: Sequence[Directions]) -> FloatArray:
    """(k,) how much of each row of L (k, p) is not determined, from 0 to 1."""
    found = np.zeros(len(L))
    for of in undetermined:
        found = np.maximum(found, flat_shares(of.combinations @ L.T, of.flat))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class PartlyKnown:
    """The covariance of p parameters without the directions that the data do not determine.

    Attributes:
        known: (p, p) without these directions.
        undetermined: The directions.
    """

    known: FloatArray
    undetermined: tuple[Directions, ...]

    def unknown(self, L: FloatArray) -> BoolArray:
        """(k,) rows of L (k, p) that are not determined."""
        return shares_of(L, self.undetermined) > SHARE

    def of(self, place: slice) -> PartlyKnown:
        """Of some of the parameters."""
        undetermined = (Directions(of.combinations[:, place], of.flat) for of in self.undetermined)
        return PartlyKnown(self.known[place, place], tuple(undetermined))

    def through(self, J: FloatArray) -> PartlyKnown:
        """Of functions with derivatives J (k, p) by the parameters."""
        undetermined = (Directions(of.combinations @ J.T, of.flat) for of in self.undetermined)
        return PartlyKnown(J @ self.known @ J.T, tuple(undetermined))

    @property
    def matrix(self) -> FloatArray:
        """(p, p) with NaN for parameters that are not determined."""
        return covariance_of_rows(np.eye(len(self.known)), self)


def flat_shares(combinations: FloatArray, flat: FloatArray) -> FloatArray:
    """(k,) how much of each combination (m, k) lies in flat directions (m, f), from 0 to 1."""
    size = np.abs(combinations).max(axis=0, initial=0.0)  # their squares may overflow
    of_one = combinations / np.where(size > 0.0, size, 1.0)
    whole = np.linalg.norm(of_one, axis=0)
    along = np.linalg.norm(flat.T @ of_one, axis=0)
    return np.where(whole > 0.0, along / np.where(whole > 0.0, whole, 1.0), 0.0)


def known_part(covariance: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The matrix with zero for what is not known, and (p,) whose variances are not."""
    unknown: BoolArray = np.isnan(np.diag(covariance))
    return np.where(np.isnan(covariance), 0.0, covariance) if unknown.any() else covariance, unknown


def covariance_of_rows(L: FloatArray, covariance: FloatArray | PartlyKnown) -> FloatArray:
    """(k, k) L covariance L'; NaN of rows of L (k, p) with a weight on what is not known."""
    known, rows = _of_rows(L, covariance)
    found: FloatArray = L @ known @ L.T
    found[rows] = np.nan
    found[:, rows] = np.nan
    return found


def variances_of_rows(L: FloatArray, covariance: FloatArray | PartlyKnown) -> FloatArray:
    """(k,) the diagonal of `covariance_of_rows`, for any number of rows."""
    known, rows = _of_rows(L, covariance)
    found: FloatArray = np.einsum("ij,ij->i", L @ known, L)
    found[rows] = np.nan
    return found


def _of_rows(L: FloatArray, covariance: FloatArray | PartlyKnown) -> tuple[FloatArray, BoolArray]:
    """What is known, and (k,) rows with a weight on what is not, but for rounding."""
    if isinstance(covariance, PartlyKnown):
        return covariance.known, covariance.unknown(L)
    known, unknown = known_part(covariance)
    size = np.abs(L)
    most = size.max(axis=1, initial=0.0)
    return known, (size[:, unknown] > _ROUNDING * most[:, None]).any(axis=1)
