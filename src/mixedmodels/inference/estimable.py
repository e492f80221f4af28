"""Dependent columns of X and which functions of its coefficients the data determine."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import AnyArray, BoolArray, FloatArray
from mixedmodels.estimates.model import Model

# A function may differ from an estimable one by this, relative to its largest weight.
_TOLERANCE = 1e-7
# A column has no part in another when it makes up no more of it than this.
_ROUNDING = 1e-10


def dependence(model: Model) -> FloatArray:
    """D (p, p_all) with X = X_kept D: the identity, and what aliased columns are made of."""
    X, kept = model.design.X, model.products.kept
    D = np.zeros((len(kept), X.shape[1]))
    D[np.arange(len(kept)), kept] = 1.0
    aliased = np.setdiff1d(np.arange(X.shape[1]), kept)
    if aliased.size:
        size = column_sizes(X)
        unit = np.linalg.lstsq(X[:, kept] / size[kept], X[:, aliased] / size[aliased], rcond=None)
        shares = np.where(np.abs(unit[0]) <= _ROUNDING, 0.0, unit[0])
        D[:, aliased] = shares / size[kept, None] * size[aliased]
    return D


def column_sizes(X: FloatArray) -> FloatArray:
    """(p_all,) norms of the columns; 1 for a column of zeros."""
    most = np.abs(X).max(axis=0, initial=0.0)
    scale = np.where(most > 0.0, most, 1.0)
    norm = np.linalg.norm(X / scale, axis=0)
    return np.asarray(scale * np.where(norm > 0.0, norm, 1.0), dtype=np.float64)


def over_kept(L: FloatArray, D: FloatArray, kept: AnyArray) -> tuple[FloatArray, BoolArray]:
    """Functions of all coefficients as functions of the kept ones.

    Args:
        L: (k, p_all) weights.
        D: What `dependence` gave.
        kept: (p,) columns kept.

    Returns:
        (k, p) weights of the kept coefficients, and (k,) whether each row is estimable: whether
        it takes the same value for all coefficients that give the same X beta.
    """
    rows = L[:, kept]
    off = np.abs(rows @ D - L).max(axis=1, initial=0.0)
    estimable: BoolArray = off <= _TOLERANCE * np.abs(L).max(axis=1, initial=0.0)
    return rows, estimable
