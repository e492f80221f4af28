"""Dependent columns of X and which functions of its coefficients the data determine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedmodels.arrays import AnyArray, BoolArray, FloatArray
from mixedmodels.estimates.model import Model

# A function may differ from an estimable one by this, relative to its largest weight.
_TOLERANCE = 1e-7
# Rounding of a column in the orthogonal basis, in units of double precision and of its length.
_ROUNDING = 100.0
# Rounds of scaling, each halving the logarithms of what rows and columns differ by, or better.
_ROUNDS = 20


def dependence(model: Model) -> FloatArray:
    """D (p, p_all) with X = X_kept D: the identity, and what aliased columns are made of.

    A column may be made of others of very different sizes, as x + 1e9 is of x and a constant. What
    counts as zero is what rounding of the column may leave, whatever its share of the column is.
    """
    products, kept = model.products, model.products.kept
    D = np.zeros((len(kept), len(model.design.x_names)))
    if not len(kept):
        return D
    D[np.arange(len(kept)), kept] = 1.0
    aliased = np.setdiff1d(np.arange(D.shape[1]), kept)
    if not len(aliased):
        return D
    own = np.asarray(products.all_columns)
    size = column_sizes(own)
    unit = own / size
    inverse = np.linalg.inv(unit[:, kept])
    least = _ROUNDING * np.finfo(np.float64).eps * np.linalg.norm(inverse, axis=1)
    for column in aliased.tolist():
        shares = inverse @ unit[:, column]
        parts = np.flatnonzero(np.abs(shares) > least)
        if parts.size:
            found = np.linalg.lstsq(unit[:, kept[parts]], unit[:, column], rcond=None)[0]
            D[parts, column] = found / size[kept[parts]] * size[column]
    return D


def balanced(B: FloatArray, classes: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """A matrix with rows and columns scaled so that entries that are not zero are near to 1.

    Args:
        B: (p, columns).
        classes: (columns,) numbers; columns with one number keep their sizes to each other.

    Returns:
        The scaled matrix, and (p,) the factors of its rows.
    """
    present = B != 0.0
    logs = np.log2(np.abs(np.where(present, B, 1.0)))
    rows, columns = np.zeros(len(B)), np.zeros(B.shape[1])
    numbers = np.asarray(classes)
    for _ in range(_ROUNDS):
        left = logs + rows[:, None] + columns
        rows -= _middle(left, present)
        left = logs + rows[:, None] + columns
        for number in np.unique(numbers):
            chosen = numbers == number
            own = _middle(left[:, chosen].reshape(1, -1), present[:, chosen].reshape(1, -1))
            columns[chosen] -= own
    rows, columns = np.rint(rows), np.rint(columns)
    return np.ldexp(B, (rows[:, None] + columns).astype(np.int64)), np.exp2(rows)


def _middle(logs: FloatArray, present: BoolArray) -> FloatArray:
    """(rows,) the middle between the largest and the smallest of those present; 0 of none."""
    far = np.finfo(np.float64).max
    most = np.max(logs, axis=1, where=present, initial=-far)
    least = np.min(logs, axis=1, where=present, initial=far)
    middle: FloatArray = np.where(present.any(axis=1), 0.5 * most + 0.5 * least, 0.0)
    return middle


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
