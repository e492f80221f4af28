"""The gradient, against differences of the criterion and a complex step through the dense one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import oracle
import pytest
from numpy.typing import NDArray
from properties.structures import POINTS, Floats, Point, build, seeded_recipes, theta_at

STRUCTURES = 200
SINGULAR: tuple[Point, ...] = tuple(point for point in POINTS if point != "interior")


def central_differences(value: Callable[[Floats], float], theta: Floats) -> Floats:
    """Slopes (m,) of a smooth function by central differences, extrapolated to step zero.

    The error of h, h/2 and h/4 combined is of the sixth order in h, which for h = 0.02 and a
    function that changes over lengths of about 0.5 leaves 1e-9 of the slope; rounding leaves about
    eps |f| / h, less than that.
    """
    slopes = np.empty(len(theta))
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 0.02
        first, second, third = (
            (value(theta + step / c) - value(theta - step / c)) / (2.0 * step[k] / c)
            for c in (1.0, 2.0, 4.0)
        )
        near, nearer = (4.0 * second - first) / 3.0, (4.0 * third - second) / 3.0
        slopes[k] = (16.0 * nearer - near) / 15.0
    return slopes


@pytest.mark.parametrize("reml", [False, True], ids=["ml", "reml"])
def test_against_central_differences_on_200_random_structures(reml: bool) -> None:
    """Acceptance: to 1e-6 relative, at interior and at singular thetas."""
    for index, recipe in enumerate(seeded_recipes(STRUCTURES)):
        model = build(recipe).model
        for point in ("interior", SINGULAR[index % len(SINGULAR)]):
            theta = theta_at(model, point, recipe.seed)
            exact = model._by(reml=reml).gradient(theta)
            numeric = central_differences(lambda at: model._by(reml=reml).objective(at), theta)  # noqa: B023
            # A slope that is zero by symmetry is measured in units of one.
            error = np.abs(exact - numeric).max() / max(1.0, np.abs(numeric).max())
            assert error < 1e-6, f"{recipe} at {point}: relative error {error:.2g}"


def complex_criterion(problem: oracle.Problem, theta: NDArray, reml: bool) -> complex:
    """The criterion at a complex theta, by the marginal covariance of the weighted response."""
    templates, n = problem.templates, problem.n
    root = np.sqrt(problem.w)
    V = np.eye(n, dtype=complex)
    at = 0
    for size, start, group in zip(
        templates.sizes, templates.term_starts, templates.groups, strict=False
    ):
        lam = np.zeros((size, size), dtype=complex)
        for col in range(size):
            for row in range(col, size):
                lam[row, col] = theta[at]
                at += 1
        q = size * templates.n_levels[group]
        Z = root[:, None] * problem.Z[:, start : start + q]
        ZL = (Z.reshape(n, -1, size) @ lam).reshape(n, -1)
        V += ZL @ ZL.T
    xy = np.column_stack([problem.X, problem.y - problem.offset]) * root[:, None]
    G = xy.T @ np.linalg.solve(V, xy)
    p = problem.p
    A, c = G[:p, :p], G[:p, p]
    pwrss = G[p, p] - (c @ np.linalg.solve(A, c) if p else 0.0)
    df = n - p if reml else n
    value = _logdet(V) + df * (1.0 + np.log(2.0 * np.pi * pwrss / df)) - np.log(problem.w).sum()
    return value + _logdet(A) if reml and p else value


def _logdet(A: NDArray) -> complex:
    sign, magnitude = np.linalg.slogdet(A)
    # Row exchanges make it negative as a whole; its phase is the derivative.
    return magnitude + np.log(sign / np.sign(sign.real))


@pytest.mark.parametrize("reml", [False, True], ids=["ml", "reml"])
def test_against_a_complex_step(reml: bool) -> None:
    step = 1e-30
    for index, recipe in enumerate(seeded_recipes(STRUCTURES // 2)):
        data = build(recipe)
        model, problem = data.model, oracle.from_design(data.design)
        for point in ("interior", SINGULAR[index % len(SINGULAR)]):
            theta = theta_at(model, point, recipe.seed)
            exact = model._by(reml=reml).gradient(theta)
            truth = np.empty(len(theta))
            for k in range(len(theta)):
                moved = theta.astype(complex)
                moved[k] += 1j * step
                truth[k] = complex_criterion(problem, moved, reml).imag / step
            error = np.abs(exact - truth).max() / max(1.0, np.abs(truth).max())
            assert error < 1e-10, f"{recipe} at {point}: relative error {error:.2g}"


@pytest.mark.parametrize("reml", [False, True], ids=["ml", "reml"])
def test_zero_columns_are_stationary(reml: bool) -> None:
    """The criterion is even in every column of a template: along a zero one its slope is zero."""
    for recipe in seeded_recipes(40):
        model = build(recipe).model
        theta = theta_at(model, "zero column", recipe.seed)
        gradient = model._model.templates.lam(model._by(reml=reml).gradient(theta))
        for slopes, lam in zip(gradient, model._model.templates.lam(theta), strict=True):
            assert np.abs(slopes[:, ~lam.any(axis=0)]).max(initial=0.0) < 1e-10
        assert not model._by(reml=reml).gradient(np.zeros(len(theta))).any()


def test_the_order_of_evaluations_does_not_matter() -> None:
    """What a workspace computed before has no influence on what it computes now."""
    recipe = next(seeded_recipes(1))
    data = build(recipe)
    a = theta_at(data.model, "interior", 1)
    b = theta_at(data.model, "interior", 2)
    fresh = {
        reml: (data.model._by(reml=reml).objective(a), data.model._by(reml=reml).gradient(a))
        for reml in (False, True)
    }
    used = data.model
    for reml in (True, False, True):
        used._by(reml=not reml).gradient(b)
        used.conditional_covariance(b)
        value, gradient = fresh[reml]
        assert used._by(reml=reml).objective(a) == value
        assert np.array_equal(used._by(reml=reml).gradient(a), gradient)
        assert np.array_equal(used._by(reml=reml).gradient(a), gradient)
