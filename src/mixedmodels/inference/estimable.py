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
    kept = model.products.kept
    if not model.design.has_rows:
        return _dependence_of_sums(model)
    X = model.design.X
    if model.design.categories is not None:  # thresholds stand for a constant
        X = X - X.mean(axis=0)
    D = np.zeros((len(kept), X.shape[1]))
    D[np.arange(len(kept)), kept] = 1.0
    aliased = np.setdiff1d(np.arange(X.shape[1]), kept)
    if aliased.size:
        size = column_sizes(X)
        unit = np.linalg.lstsq(X[:, kept] / size[kept], X[:, aliased] / size[aliased], rcond=None)
        shares = np.where(np.abs(unit[0]) <= _ROUNDING, 0.0, unit[0])
        D[:, aliased] = shares / size[kept, None] * size[aliased]
    return D


def _dependence_of_sums(model: Model) -> FloatArray:
    """The same from the coordinates of all columns in the basis of those kept."""
    products, kept = model.products, model.products.kept
    D = np.zeros((len(kept), len(model.design.x_names)))
    if not len(kept):
        return D
    own = products.all_columns
    size = sizes_of_sums(model)
    aliased = np.setdiff1d(np.arange(D.shape[1]), kept)
    shares = np.linalg.solve(own[:, kept] / size[kept], own[:, aliased] / size[aliased])
    shares[np.abs(shares) <= _ROUNDING] = 0.0
    D[np.arange(len(kept)), kept] = 1.0
    D[:, aliased] = shares / size[kept, None] * size[aliased]
    return D


def sizes_of_sums(model: Model) -> FloatArray:
    """(p_all,) norms of the columns, with the weights; 1 for a column of zeros."""
    if not len(model.products.kept):
        return np.ones(len(model.design.x_names))
    return column_sizes(model.products.all_columns)


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
