"""What the columns of X that are aliased are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray
from mixedmodels.crossprod import with_intercept
from mixedmodels.estimates.base import BaseModel

# Rounding of a column in the orthogonal basis, in units of double precision and of its length.
_ROUNDING = 100.0


def dependence(model: BaseModel[Any]) -> FloatArray:
    """D (p, p_all) with X = X_kept D: the identity, and what aliased columns are made of.

    Where thresholds stand for the intercept, that of X about its means (`origin`).
    """
    if model.origin is None:
        return _dependence(model.products)
    return _dependence(with_intercept(model.design, model.threads))[1:, 1:]


def _dependence(products: Products) -> FloatArray:
    """The same of some products.

    A column may be made of others of very different sizes, as x + 1e9 is of x and a constant. What
    counts as zero is what rounding of the column may leave, or of larger ones that cancel each
    other in it, whatever its share of the column is.
    """
    own, kept = np.asarray(products.all_columns), products.kept
    D = np.zeros((len(kept), own.shape[1]))
    if not len(kept):
        return D
    D[np.arange(len(kept)), kept] = 1.0
    aliased = np.setdiff1d(np.arange(D.shape[1]), kept)
    if not len(aliased):
        return D
    size = column_sizes(own)
    unit = own / size
    inverse = np.linalg.inv(unit[:, kept])
    least = _ROUNDING * np.finfo(np.float64).eps * np.linalg.norm(inverse, axis=1)
    for column in aliased.tolist():
        shares = inverse @ unit[:, column]
        largest = max(1.0, np.abs(shares).max())
        parts = np.flatnonzero(np.abs(shares) > largest * least)
        if parts.size:
            found = np.linalg.lstsq(unit[:, kept[parts]], unit[:, column], rcond=None)[0]
            D[parts, column] = found / size[kept[parts]] * size[column]
    return D


def dependence_of(fitted: Any) -> FloatArray:
    """The same of a fit, for `fitted.once`."""
    return dependence(fitted.model)


def column_sizes(X: FloatArray) -> FloatArray:
    """(p_all,) norms of the columns; 1 for a column of zeros."""
    most = np.abs(X).max(axis=0, initial=0.0)
    scale = np.where(most > 0.0, most, 1.0)
    norm = np.linalg.norm(X / scale, axis=0)
    return np.asarray(scale * np.where(norm > 0.0, norm, 1.0), dtype=np.float64)
