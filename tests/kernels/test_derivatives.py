"""Derivatives that inference takes from the core, along the axes, against dense matrices."""

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

from mixedmodels._core import kenward_roger_workspace

RECIPES = list(seeded_recipes(12))


def close(actual: Floats, expected: Floats) -> None:
    """Equal to 1e-10 of the largest entry: rounding times a condition number near 100."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=1e-10 * scale)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_derivatives(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model = data.model
    problem = oracle.from_design(data.along_axes(model).design)
    theta = theta_at(model, point, 3)
    inner = model._model
    with inner.criterion(reml=False).at(theta) as point:
        fixed, log_pwrss = point.fixed_derivatives()
        pwrss = point.pwrss
    R = inner.products.R
    close(R.T @ fixed @ R, oracle.fixed_derivatives(problem, theta))
    close(log_pwrss * pwrss, oracle.pwrss_gradient(problem, theta))
    assert (fixed == fixed.transpose(0, 2, 1)).all()


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_sums_of_kenward_and_roger(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model = data.model
    problem = oracle.from_design(data.along_axes(model).design)
    theta = theta_at(model, point, 4)
    inner = model._model
    R = inner.products.R
    with inner.criterion(reml=True).at(theta) as point:
        sums = point.kenward_roger_sums()
    trace, traces, P, Q = sums.trace, sums.traces, sums.P, sums.Q
    inverse, _, _ = oracle.dense_derivatives(problem, theta)
    root_w = np.sqrt(problem.w)[:, None]
    G = oracle.covariance_derivatives(problem)
    left = (root_w * problem.X).T @ inverse
    close(trace, np.array([np.sum(inverse * g) for g in G]))
    close(traces, np.array([[np.trace(inverse @ g @ inverse @ h) for h in G] for g in G]))
    close(R.T @ P @ R, np.stack([left @ g @ left.T for g in G]))
    expected = np.stack([[left @ g @ inverse @ h @ left.T for h in G] for g in G])
    close(R.T @ Q @ R, expected.transpose(0, 1, 3, 2))


def test_workspace_is_that_of_one_component_and_of_all_factors_but_the_largest() -> None:
    """Classes in schools: a school at a time; crossed factors: all at once; one factor: little."""
    X = np.empty((400, 0))
    schools = build(Recipe((("crossed", 80), ("nested", 20)), ((0, 1), (1, 1)), n=400))
    crossed = build(Recipe((("crossed", 80), ("crossed", 20)), ((0, 1), (1, 1)), n=400))
    one = build(Recipe((("crossed", 80),), ((0, 1),), n=400))
    sizes = [
        kenward_roger_workspace(data.replace(X=X).model._model.products, m)
        for data, m in ((schools, 2), (crossed, 2), (one, 1))
    ]
    assert sizes[0] < sizes[1] / 20
    rest, q = min(crossed.n_levels), sum(crossed.n_levels)
    assert 0.0 <= sizes[1] - 2 * rest * (q + rest) < 100.0
    assert sizes[2] < 100.0
