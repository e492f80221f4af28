"""Means, sums of squares and polynomials of values that come in batches.

Means and sums of squares are merged by Chan's formula. For polynomials a batch is replaced by a few
weighted points with the same moments, the nodes of its Gauss quadrature: orthogonal polynomials up
to the degree asked for are the same on these as on the values, and sets of points are merged by
union. Nothing is ever a power of a value far from the others, as in sums of powers.

References:
    Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, The American
    Statistician 37; Golub and Welsch (1969), Calculation of Gauss quadrature rules, Mathematics of
    Computation 23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design.functions.kinds import learnt_range, numbers, one_column

_NO_ROWS = np.zeros(0, dtype=np.int64)
# Values of a batch that are reduced at once, so that the polynomials stay in the cache.
_BLOCK = 1 << 16


class Moments:
    """A function that learns from mean and sum of squares of each column of its argument.

    Args:
        name: The argument.
        train: Gives the state from these and the other arguments.

    Attributes:
        n: (k,) finite values of each column.
        mean: (k,) their means.
        length: (k,) roots of their sums of squared deviations from the mean, which may overflow.
        low: (k,) smallest values.
        high: (k,) largest values.
        n_columns: k of an argument with several columns; None of one without.
    """

    def __init__(
        self, name: str, train: Callable[[Moments, Mapping[str, Any]], dict[str, Any]]
    ) -> None:
        self._name = name
        self._train = train
        self._given: Mapping[str, Any] = {}
        self.n = np.zeros(0)
        self.mean = self.length = self.low = self.high = np.zeros(0)
        self.n_columns: int | None = None

    def add(self, given: Mapping[str, Any]) -> LongArray:
        """Note the values of a batch."""
        values = numbers(given[self._name])
        self._given = {name: value for name, value in given.items() if name != self._name}
        self.n_columns = values.shape[1] if values.ndim == 2 else None
        columns = [values] if values.ndim == 1 else list(values.T)
        found = [_moments(column) for column in columns]
        self._put(*np.array(found).T)
        return _NO_ROWS

    def _put(
        self,
        n: FloatArray,
        mean: FloatArray,
        length: FloatArray,
        low: FloatArray,
        high: FloatArray,
    ) -> None:
        if not self.n.size:
            self.n, self.mean, self.length, self.low, self.high = n, mean, length, low, high
            return
        total = np.maximum(self.n + n, 1.0)
        apart = np.where(n > 0, mean - np.where(self.n > 0, self.mean, mean), 0.0)
        at = np.where(self.n > 0, self.mean, mean)
        between = np.abs(apart) * np.sqrt(self.n * n / total)
        self.length = np.hypot(np.hypot(self.length, length), between)
        self.mean = at + apart * n / total
        self.n = self.n + n
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)

    def merge(self, other: Moments) -> None:
        """The moments of both."""
        if other.n.size:
            self._given, self.n_columns = other._given, other.n_columns
            self._put(other.n, other.mean, other.length, other.low, other.high)

    def finish(self) -> dict[str, Any]:
        """What the function learns from the moments."""
        for low, high in zip(self.low, self.high, strict=True):
            learnt_range(np.array([low, high]))
        return self._train(self, self._given)


def _moments(values: FloatArray) -> tuple[float, float, float, float, float]:
    finite = values[np.isfinite(values)]
    if np.isinf(values).any():
        learnt_range(values)
    if not finite.size:
        return 0.0, 0.0, 0.0, np.nan, np.nan
    low, high = float(finite.min()), float(finite.max())
    # A power of two, so that nothing is rounded.
    unit = 2.0 ** max(int(np.frexp(max(-low, high))[1]) - 1, -1000)
    scaled = finite / unit
    mean = float(scaled.mean())
    length = float(np.linalg.norm(scaled - mean))
    return float(finite.size), mean * unit, length * unit, low, high


class Quadrature:
    """A function that learns orthogonal polynomials of its argument.

    Args:
        name: The argument.
        degree: Highest degree.
        train: Gives the state from the points (k,) and their weights (k,).

    Attributes:
        points: (k,) ascending.
        weights: (k,) how many values each stands for.
    """

    def __init__(
        self, name: str, degree: int, train: Callable[[FloatArray, FloatArray], dict[str, Any]]
    ) -> None:
        self._name = name
        self._degree = degree
        self._train = train
        self.points = self.weights = np.zeros(0)

    def add(self, given: Mapping[str, Any]) -> LongArray:
        """Note the values of a batch."""
        values = one_column(given[self._name])
        if np.isinf(values).any():
            learnt_range(values)
        values = values[~np.isnan(values)]
        for start in range(0, len(values), _BLOCK):
            block = values[start : start + _BLOCK]
            self._put(block, np.ones(len(block)))
        return _NO_ROWS

    def _put(self, points: FloatArray, weights: FloatArray) -> None:
        self.points, self.weights = gauss_points(
            np.concatenate([self.points, points]),
            np.concatenate([self.weights, weights]),
            self._degree + 1,
        )

    def merge(self, other: Quadrature) -> None:
        """The points of both."""
        self._put(other.points, other.weights)

    def finish(self) -> dict[str, Any]:
        """What the function learns from the points."""
        return self._train(self.points, self.weights)


def gauss_points(
    points: FloatArray, weights: FloatArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """At most `count` points, ascending, with the same weighted moments up to degree 2 count - 1.

    Args:
        points: (k,) any points.
        weights: (k,) positive.
        count: Number of points wanted.
    """
    if len(points) <= 2 * count:
        distinct, place = np.unique(points, return_inverse=True)
        if len(distinct) <= count:
            return distinct, np.bincount(place, weights, len(distinct)).astype(np.float64)
    total = float(weights.sum())
    shift = float(weights @ points) / total
    spread = float(np.abs(points - shift).max())
    if spread == 0.0:
        return np.array([points[0]]), np.array([total])
    diagonal, beside = _recurrence((points - shift) / spread, weights / total, count)
    matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return shift + spread * nodes, total * vectors[0] ** 2


def _recurrence(t: FloatArray, weights: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Diagonal and off-diagonal of the Jacobi matrix of points, of at most `count` rows.

    Fewer rows where there are not as many distinct points. Each polynomial is orthogonalised
    against all before it, which keeps high degrees orthogonal.
    """
    root = np.sqrt(weights)
    basis = [root / np.linalg.norm(root)]
    diagonal, beside = [], []
    for k in range(count):
        column = t * basis[k]
        diagonal.append(float(basis[k] @ column))
        if k == count - 1:
            break
        size = np.linalg.norm(column)
        for _ in range(2):
            for earlier in basis:
                column -= (earlier @ column) * earlier
        norm = float(np.linalg.norm(column))
        if norm <= 1e-13 * size or norm == 0.0:
            break
        beside.append(norm)
        basis.append(column / norm)
    return np.array(diagonal), np.array(beside)
