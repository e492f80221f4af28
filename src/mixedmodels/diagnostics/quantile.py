"""Quantile residuals: where each response lies among responses drawn from the model.

As DHARMa's (Hartig): uniform on (0, 1) if the model is right, whatever the family. Draws come from
the caller.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mixedmodels.arrays import FloatArray


def quantile_residuals(
    y: FloatArray, draws: Iterable[FloatArray], rng: np.random.Generator
) -> FloatArray:
    """(n,) the rank of each response among the draws, ties broken at random, as a share.

    Args:
        y: (n,) responses.
        draws: Chunks (count, n) of drawn responses.
        rng: Breaks ties, and spreads a rank over its share of (0, 1).
    """
    below, ties, count = np.zeros(len(y)), np.zeros(len(y)), 0
    for chunk in draws:
        below += np.sum(chunk < y, axis=0)
        ties += np.sum(chunk == y, axis=0)
        count += len(chunk)
    return (below + rng.random(len(y)) * (ties + 1.0)) / (count + 1.0)
