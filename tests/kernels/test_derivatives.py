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

from mixedmodels._core import kenward_roger_sums, largest_component

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


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_sums_of_kenward_and_roger(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model, problem = data.model, oracle.from_design(data.design)
    theta = theta_at(model, point, 4)
    stages = model._stages
    evaluator, R = stages.objective.evaluator, stages.products.R
    evaluator.value(theta, True)
    trace, traces, P, Q = kenward_roger_sums(evaluator, 1)
    inverse, _, _ = oracle.dense_derivatives(problem, theta)
    root_w = np.sqrt(problem.w)[:, None]
    G = oracle.covariance_derivatives(problem)
    left = (root_w * problem.X).T @ inverse
    close(trace, np.array([np.sum(inverse * g) for g in G]))
    close(traces, np.array([[np.trace(inverse @ g @ inverse @ h) for h in G] for g in G]))
    close(R.T @ P @ R, np.stack([left @ g @ left.T for g in G]))
    expected = np.stack([[left @ g @ inverse @ h @ left.T for h in G] for g in G])
    close(R.T @ Q @ R, expected.transpose(0, 1, 3, 2))


def test_components_of_the_graph_of_levels() -> None:
    """Classes in schools: a school with its classes at a time; crossed factors: all at once."""
    nested = build(Recipe((("crossed", 12), ("nested", 3)), ((0, 1), (1, 2)), n=120))
    sizes = [
        2 + len(np.unique(nested.codes[0][nested.codes[1] == school]))
        for school in range(nested.n_levels[1])
    ]
    assert largest_component(nested.model._stages.products) == max(sizes)
    crossed = build(Recipe((("crossed", 6), ("crossed", 5)), ((0, 2), (1, 1)), n=120))
    assert largest_component(crossed.model._stages.products) == 17
