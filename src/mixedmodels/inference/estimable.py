"""Which functions of the coefficients the data determine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedmodels.arrays import AnyArray, BoolArray, FloatArray

# Largest distance of a function from an estimable one, relative to its largest weight.
_TOLERANCE = 1e-7
# Rounds of scaling, each halving the logarithms of what rows and columns differ by, or better.
_ROUNDS = 20


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


def over_kept(L: FloatArray, D: FloatArray, kept: AnyArray) -> tuple[FloatArray, BoolArray]:
    """Functions of all coefficients as functions of the kept ones.

    Args:
        L: (k, p_all) weights.
        D: What `estimates.dependence` gives.
        kept: (p,) columns kept.

    Returns:
        (k, p) weights of the kept coefficients, and (k,) whether each row is estimable: whether
        it takes the same value for all coefficients that give the same X beta.
    """
    rows = L[:, kept]
    off = np.abs(rows @ D - L).max(axis=1, initial=0.0)
    estimable: BoolArray = off <= _TOLERANCE * np.abs(L).max(axis=1, initial=0.0)
    return rows, estimable
