"""Curves through clouds of points, for the eye: a local regression, a density with bounds.

Large samples are put into bins first, so that the cost does not grow with them.
"""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray

_BINS = 2000
_POINTS = 100


def local_line(
    x: FloatArray, y: FloatArray, span: float = 2 / 3
) -> tuple[FloatArray, FloatArray] | None:
    """A smooth of y on x: local straight lines with tricube weights (Cleveland 1979).

    Args:
        x: (n,) finite values.
        y: (n,) finite values.
        span: Part of the points that each local line sees.

    Returns:
        At most 100 places, increasing, and the smooth there; None where fewer than four values of
        x are distinct.
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    weight = np.ones_like(x)
    if len(x) > _BINS:
        ends = np.linspace(0, len(x), _BINS + 1).astype(int)
        weight = np.diff(ends).astype(np.float64)
        x, y = (np.add.reduceat(v, ends[:-1]) / weight for v in (x, y))
    distinct = np.unique(x)
    if len(distinct) < 4:
        return None
    low, high = x[0], x[-1]
    places = (
        distinct if len(distinct) <= _POINTS else np.unique(np.quantile(x, np.linspace(0, 1, 99)))
    )
    places = np.union1d(places, [low, high])
    count = max(int(np.ceil(span * len(x))), 2)
    distance = np.abs(x[None, :] - places[:, None])
    reach = np.partition(distance, count - 1, axis=1)[:, count - 1]
    # A neighbourhood of one value alone has no slope: it reaches at least to the next one.
    reach = np.maximum(reach, 1.001 * np.max(np.diff(distinct)))
    near = weight * np.clip(1.0 - (distance / reach[:, None]) ** 3, 0.0, None) ** 3
    total = near.sum(axis=1)
    centre, level = near @ x / total, near @ y / total
    spread = near @ (x * x) / total - centre**2
    cross = near @ (x * y) / total - centre * level
    flat = spread <= 1e-12 * (high - low) ** 2
    slope = np.where(flat, 0.0, cross / np.where(flat, 1.0, spread))
    return places, level + slope * (places - centre)


def density(
    values: FloatArray, low: float = -np.inf, high: float = np.inf, points: int = 256
) -> tuple[FloatArray, FloatArray]:
    """A kernel density estimate (Gaussian, Silverman's width), reflected at the bounds.

    Args:
        values: (n,) finite values within the bounds.
        low: Lower bound of what is possible.
        high: Upper bound.
        points: Places to return.

    Returns:
        Places and the density there; it integrates to one within the bounds.
    """
    quartiles = np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.349
    spread = min(s for s in (np.std(values), quartiles, np.inf) if s > 0.0)
    if not np.isfinite(spread):
        spread = max(abs(float(values[0])), 1.0) * 1e-3
    width = 0.9 * spread * len(values) ** -0.2
    first = max(values.min() - 3.0 * width, low)
    last = min(values.max() + 3.0 * width, high)
    places = np.linspace(first, last, points)
    mirrored = [values]
    mirrored += [2.0 * bound - values for bound in (low, high) if np.isfinite(bound)]
    heights = np.zeros(points)
    for sample in mirrored:
        inside = sample[(sample > first - 4.0 * width) & (sample < last + 4.0 * width)]
        heights += _kernel_sum(inside, places, width)
    return places, heights / (len(values) * width * np.sqrt(2.0 * np.pi))


def _kernel_sum(sample: FloatArray, places: FloatArray, width: float) -> FloatArray:
    weight = np.ones(len(sample))
    if len(sample) > 4 * _BINS:
        weight, edges = np.histogram(sample, bins=4 * _BINS)
        sample, weight = (edges[:-1] + edges[1:]) / 2.0, weight.astype(np.float64)
    scaled = (places[:, None] - sample[None, :]) / width
    heights: FloatArray = np.exp(-0.5 * scaled**2) @ weight
    return heights
