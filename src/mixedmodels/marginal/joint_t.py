"""The largest of several correlated t ratios: tails and quantiles of the multivariate t.

In r independent directions the ratios are a vector of a random length times one on the unit sphere.
Given the direction, the largest exceeds a size where the length exceeds another, which has an F
distribution; the mean over directions is taken at points of a lattice (Deak, 1980, Numerische
Mathematik 35, 369-380). Contrasts may depend on each other, and one sample serves all sizes and
degrees of freedom. SciPy's `multivariate_t.cdf` is wrong for singular correlations.
"""

from __future__ import annotations

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.tails import t_quantile, t_tail

# Points of the lattice: the larger number leaves errors below 1e-4 in eight directions, the smaller
# one below 5e-4, for so many ratios or more. Neighbours are averaged to so many sizes once sorted.
_MOST_POINTS, _POINTS, _MANY, _SIZES = 400_000, 100_000, 400, 2000
# Eigenvalues of a correlation below this are zero.
_ZERO = 1e-9
# Steps of the search for a quantile, and the error at which it ends.
_STEPS, _NEAR = 80, 1e-9


class Joint:
    """The distribution of the largest absolute ratio.

    Args:
        correlation: (c, c) of the ratios.
    """

    def __init__(self, correlation: FloatArray) -> None:
        values, vectors = np.linalg.eigh(correlation)
        kept = values > _ZERO * max(float(values.max(initial=0.0)), 1.0)
        self._rank = int(kept.sum())
        factor = vectors[:, kept] * np.sqrt(values[kept])
        self._largest = _largest(factor) if self._rank > 1 else np.ones(1)

    def tail(self, size: float, df: float) -> float:
        """P(the largest exceeds `size`)."""
        if self._rank <= 1:
            return float(t_tail(np.array([df]), np.array([size]))[0])
        with np.errstate(divide="ignore"):
            lengths = (size / self._largest) ** 2
        if np.isinf(df):
            return float(np.mean(scipy.special.chdtrc(self._rank, lengths)))
        return float(np.mean(scipy.special.fdtrc(self._rank, df, lengths / self._rank)))

    def quantile(self, tail: float, df: float, tests: int) -> float:
        """The size that the largest of `tests` ratios exceeds with a probability: by bisection."""
        low = float(t_quantile(np.array([df]), 1.0 - tail)[0])
        high = float(t_quantile(np.array([df]), 1.0 - tail / tests)[0])
        if self._rank <= 1 or not np.isfinite(high):
            return low
        for _ in range(_STEPS):
            middle = 0.5 * (low + high)
            if self.tail(middle, df) > tail:
                low = middle
            else:
                high = middle
            if high - low < _NEAR * high:
                break
        return high


def _largest(factor: FloatArray) -> FloatArray:
    """Largest absolute ratios of vectors of unit length, over all directions, sorted."""
    rank = factor.shape[1]
    points = _POINTS if rank == 2 or len(factor) >= _MANY else _MOST_POINTS
    if rank == 2:
        angle = np.pi * (np.arange(points) + 0.5) / points
        directions = np.stack([np.cos(angle), np.sin(angle)])
    else:
        places = np.arange(1, points + 1)[:, None] * np.sqrt(_primes(rank)) + 0.5
        # Folded, so that what is integrated is periodic (Genz and Bretz, 2009).
        folded = np.abs(2.0 * (places % 1.0) - 1.0)
        normal = scipy.special.ndtri(np.clip(folded, 1e-12, 1.0 - 1e-12)).T
        directions = normal / np.linalg.norm(normal, axis=0)
    found = np.zeros(points)
    for row in factor:
        np.maximum(found, np.abs(row @ directions), out=found)
    averaged: FloatArray = np.sort(found).reshape(_SIZES, -1).mean(axis=1)
    return averaged


def _primes(count: int) -> FloatArray:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return np.array(found, dtype=np.float64)
