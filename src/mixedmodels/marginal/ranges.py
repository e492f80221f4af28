"""Tails and quantiles of the studentized range, for many degrees of freedom at once.

P(range <= q s) is an integral over s, the scale of a standard deviation with `df` degrees of
freedom, of P(range of k normals <= q s), itself an integral; both by Gauss and Legendre's rule.
SciPy's `studentized_range` is as accurate and takes seconds for a quantile.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.tails import t_quantile

# Points of the two rules, the part of the normal that counts, and tails of the scale left out.
_OUTER, _INNER = 96, 96
_FAR = 8.5
_LOWER, _UPPER = 1e-10, 1e-13
# Steps of the search for a quantile, and the relative error at which it ends.
_STEPS, _NEAR = 60, 1e-9
# Values of q looked at together.
_TOGETHER = 64


def range_tail(q: FloatArray, k: int, df: FloatArray) -> FloatArray:
    """(m,) P(studentized range of k means > q) for each q and its degrees of freedom."""
    q, df = np.broadcast_arrays(np.asarray(q, dtype=np.float64), df)
    found = np.full(len(q), np.nan)
    good = np.flatnonzero(np.isfinite(q) & (df > 0.0))
    for part in np.array_split(good, 1 + len(good) // _TOGETHER):
        found[part] = _tail(q[part], k, df[part])
    return found


def range_quantile(tail: float, k: int, df: FloatArray) -> FloatArray:
    """(m,) the q that the studentized range of k means exceeds with probability `tail`."""
    known, place = np.unique([float(f"{value:.10g}") for value in df], return_inverse=True)
    good = known > 0.0
    found = np.full(len(known), np.nan)
    # Between that of one pair of means and Bonferroni's for all pairs.
    pairs = k * (k - 1) / 2.0
    low, high = (
        math.sqrt(2.0) * t_quantile(known[good], 1.0 - tail / tests) for tests in (1.0, pairs)
    )
    found[good] = low if k == 2 else _between(tail, k, known[good], low, high)
    return found[place]


def _between(tail: float, k: int, df: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """By the method of Illinois (Dowell and Jarratt, 1971) on the logarithm of the tail."""

    def excess(q: FloatArray) -> FloatArray:
        found: FloatArray = np.log(np.maximum(range_tail(q, k, df), 1e-300) / tail)
        return found

    left, right = excess(low), excess(high)
    at = low
    for _ in range(_STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            secant = (low * right - high * left) / (right - left)
        at = np.where((secant > low) & (secant < high), secant, 0.5 * (low + high))
        value = excess(at)
        above = value > 0.0
        right = np.where(above, 0.5 * right, value)
        left = np.where(above, value, 0.5 * left)
        low, high = np.where(above, at, low), np.where(above, high, at)
        if (np.abs(value) <= _NEAR).all() or (high - low <= _NEAR * high).all():
            break
    return at


def _tail(q: FloatArray, k: int, df: FloatArray) -> FloatArray:
    scale, weight = _scales(df)
    nodes, weights = _rule(_INNER)
    z = _FAR * nodes
    density = _FAR * weights * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    gap = (q[:, None] * scale)[..., None]
    # P(all others lie within the gap below the largest, z).
    between = scipy.special.ndtr(z) - scipy.special.ndtr(z - gap)
    below = np.minimum(k * (between ** (k - 1)) @ density, 1.0)
    tail: FloatArray = np.clip((weight * (1.0 - below)).sum(axis=1), 0.0, 1.0)
    return tail


def _scales(df: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(m, points) values of s and their weights; 1 alone where df is infinite."""
    finite = np.isfinite(df) & (df < 1e7)
    nodes, weights = _rule(_OUTER)
    scale, weight = np.ones((len(df), _OUTER)), np.full((len(df), _OUTER), 1.0 / _OUTER)
    some = df[finite][:, None]
    if some.size:
        ends = [scipy.special.chdtri(some, tail) for tail in (1.0 - _LOWER, _UPPER)]
        low, high = (0.5 * np.log(np.maximum(end, 1e-300) / some) for end in ends)
        low = np.maximum(low, high - 40.0)
        half = 0.5 * (high - low)
        logs = low + half * (nodes + 1.0)
        squares = np.exp(2.0 * logs)
        exponent = 0.5 * some * (2.0 * logs - squares)
        mass = weights * half * np.exp(exponent - exponent.max(axis=1, keepdims=True))
        scale[finite] = np.exp(logs)
        weight[finite] = mass / mass.sum(axis=1, keepdims=True)
    return scale, weight


@cache
def _rule(points: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return nodes, weights
