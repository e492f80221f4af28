"""Derivatives that inference takes from the core, against dense matrices."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from properties.structures import (
    POINTS,
    Floats,
    Point,
    Recipe,
    build,
    seeded_recipes,
    theta_at,
)

RECIPES = list(seeded_recipes(12))


def close(actual: Floats, expected: Floats) -> None:
    """Equal to 1e-10 of the largest entry: rounding times a condition number near 100."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=1e-10 * scale)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_derivatives(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model, problem = data.model, oracle.from_design(data.design)
    theta = theta_at(model, point, 3)
    stages = model._stages
    fixed, pwrss = stages.objective.derivatives(theta)
    R = stages.products.R
    close(R.T @ fixed @ R, oracle.fixed_derivatives(problem, theta))
    close(pwrss, oracle.pwrss_gradient(problem, theta))
    assert (fixed == fixed.transpose(0, 2, 1)).all()
