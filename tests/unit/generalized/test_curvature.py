"""Second derivatives of generalized models against differences of the gradient."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from unit.generalized.test_families import DISPERSION, EVERY, data_of, intercept

from mixedmodels import GeneralizedLinearMixedModel
from mixedmodels.criterion.generalized import LaplaceCriterion
from mixedmodels.families.catalogue import FAMILIES

Floats = NDArray[np.float64]
UNORDERED = [(name, link) for name, link in EVERY if not FAMILIES[name].ordered]

# One factor with slopes, the same without correlations, nested and crossed ones.
RANDOM = ["(x | g)", "(x || g)", "(1 | big / g)", "(x | g) + (1 | h)"]


def difference(criterion: LaplaceCriterion, at: Floats, steps: Floats) -> Floats:
    """Fourth-order differences of the gradient."""
    rows = []
    for e, h in zip(np.eye(len(at)), steps, strict=True):
        up, down, top, bottom = (criterion.gradient(at + k * h * e) for k in (1, -1, 2, -2))
        rows.append((8 * (up - down) - (top - bottom)) / (12 * h))
    return np.array(rows)


def check(model: GeneralizedLinearMixedModel, at: Floats) -> None:
    criterion = model._criterion
    found = criterion.hessian(at)
    scale = np.sqrt(np.abs(np.diag(found)))
    scale = np.maximum(scale, 1e-3 * scale.max())
    expected = difference(criterion, at, np.minimum(2e-3 / scale, 5e-4))
    assert np.abs((found - expected) / np.outer(scale, scale)).max() < 1e-6


@pytest.mark.parametrize("random", RANDOM)
@pytest.mark.parametrize(("name", "link"), UNORDERED)
def test_hessian_is_that_of_the_gradient(name: str, link: str, random: str) -> None:
    data = data_of(name, link).assign(big=lambda d: d["g"] // 3)
    model = GeneralizedLinearMixedModel(f"y ~ x + {random}", data, name, link=link)
    theta = np.array([0.06, 0.01, 0.05, 0.04])[: len(model.theta_names)]
    psi = [np.log(DISPERSION[name])] if name in DISPERSION else []
    given = np.concatenate([theta, [intercept(name, link), 0.04], psi])
    check(model, model._criterion.from_user(given))


@pytest.mark.parametrize("levels", [6, 200])
def test_hessian_of_crossed_factors_by_sums_or_by_differences(levels: int) -> None:
    rng = np.random.default_rng(levels)
    n = 1000
    data = {
        "x": rng.normal(size=n),
        "g": rng.integers(0, levels, n),
        "h": rng.integers(0, levels, n),
        "y": rng.poisson(2.0, n),
    }
    model = GeneralizedLinearMixedModel("y ~ x + (x | g) + (1 | h)", data, "poisson")
    given = np.array([0.4, 0.1, 0.3, 0.5, 0.6, 0.1])
    check(model, model._criterion.from_user(given))
    sums = model._criterion.workspace.evaluator.n_value
    model._criterion.hessian(model._criterion.from_user(given))
    assert (model._criterion.workspace.evaluator.n_value - sums <= 1) == (levels == 6)
