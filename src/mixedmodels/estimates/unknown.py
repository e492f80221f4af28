"""Covariances of which some rows are not known: NaN where the data do not determine a parameter."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray

# A weight, relative to the largest of its row, that is rounding.
_ROUNDING = 1e-12


def known_part(covariance: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The matrix with zero for what is not known, and (p,) whose variances are not."""
    unknown: BoolArray = np.isnan(np.diag(covariance))
    return np.where(np.isnan(covariance), 0.0, covariance) if unknown.any() else covariance, unknown


def covariance_of_rows(L: FloatArray, covariance: FloatArray) -> FloatArray:
    """(k, k) L covariance L'; NaN of rows of L (k, p) with a weight on what is not known."""
    known, unknown = known_part(covariance)
    found: FloatArray = L @ known @ L.T
    if unknown.any():
        rows = _weighing(L, unknown)
        found[rows] = np.nan
        found[:, rows] = np.nan
    return found


def variances_of_rows(L: FloatArray, covariance: FloatArray) -> FloatArray:
    """(k,) the diagonal of `covariance_of_rows`, for any number of rows."""
    known, unknown = known_part(covariance)
    found: FloatArray = np.einsum("ij,ij->i", L @ known, L)
    if unknown.any():
        found[_weighing(L, unknown)] = np.nan
    return found


def _weighing(L: FloatArray, unknown: BoolArray) -> BoolArray:
    """(k,) rows with a weight on what is not known, but for rounding."""
    size = np.abs(L)
    most = size.max(axis=1, initial=0.0)
    found: BoolArray = (size[:, unknown] > _ROUNDING * most[:, None]).any(axis=1)
    return found
