"""The Gram matrix of the derivatives of V from cross-products, against dense matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mixedmodels import LinearMixedModel

Array = NDArray[np.float64]

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (x | g) + (1 | h)",
    "y ~ x * f + (x + z | g) + (x | h)",
    "y ~ x + (x || g) + (0 + f | h)",
    "y ~ 1 + (1 | g) + (0 + x + z | g) + (1 | h)",
    "y ~ 0 + (x | g)",
]


def orthogonal(z: Array) -> list[Array]:
    """Columns less their projection on those after: the axes of a term, but for their length."""
    done: list[Array] = []
    for column in z.T[::-1]:
        left = np.array(column)
        for other in done:
            left -= (other @ left) / (other @ other) * other
        done.append(left)
    return done[::-1]


def least_pivot(gram: Array) -> float:
    """Of elimination with the largest diagonal entry first."""
    left, least = list(range(len(gram))), 1.0
    while left:
        k = max(left, key=lambda i: float(gram[i, i]))
        left.remove(k)
        least = min(least, float(gram[k, k]))
        gram = gram - np.outer(gram[:, k], gram[k]) / gram[k, k]
    return least


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("formula", FORMULAS)
def test_the_least_pivot_is_that_of_dense_matrices(
    formula: str, weighted: bool, reml: bool
) -> None:
    rng = np.random.default_rng(1)
    n = 120
    data = pd.DataFrame({"g": rng.integers(0, 12, n), "h": rng.integers(0, 7, n)})
    data["x"], data["z"], data["y"] = rng.normal(size=(3, n)) + 3.0
    data["f"] = rng.choice(list("abc"), n)
    weights = rng.uniform(0.5, 2.0, n) if weighted else None
    model = LinearMixedModel(formula, data, weights=weights)
    design = model.design
    root = np.ones(n) if design.w is None else np.sqrt(design.w)
    Q = np.eye(n)
    if reml:
        X = root[:, None] * design.X
        Q -= X @ np.linalg.pinv(X)
    matrices, sizes = [], []
    for term in design.terms:
        codes = design.groups[term.group].codes
        same = (codes[:, None] == codes).astype(np.float64)
        columns = orthogonal(term.z * root[:, None])
        norms = [np.linalg.norm(same * np.outer(v, v)) for v in columns]
        for b in range(len(columns)):
            for a in range(b, len(columns)):
                product = np.outer(columns[a], columns[b])
                matrices.append(Q @ (same * (product + product.T) / 2.0) @ Q)
                sizes.append(np.sqrt(norms[a] * norms[b]))
    rows = np.array([V.ravel() for V in [*matrices, Q]]) / np.array([*sizes, np.sqrt(n)])[:, None]
    pivot, share = model._model.criterion(reml=reml).identifiability()
    gram = rows @ rows.T
    assert np.linalg.eigvalsh(gram)[0] - 1e-9 <= pivot <= 1.0 + 1e-9
    if reml:  # by ML all diagonal entries of variances are 1, and rounding decides the order
        assert pivot == pytest.approx(least_pivot(gram), rel=1e-6)
    assert 0.0 < share <= 1.0 + 1e-12
