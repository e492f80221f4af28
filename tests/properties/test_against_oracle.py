"""What the solution at a theta consists of, against the dense oracle, over random structures."""

from __future__ import annotations

import numpy as np
import oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.structures import POINTS, Floats, Point, Recipe, build, recipes, theta_at

# Rounding errors of a few dozen operations on numbers near one, times a condition number near 100.
TIGHT = 1e-10


def close(actual: Floats, expected: Floats, tol: float = TIGHT) -> None:
    """Equal to `tol` of the largest entry."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=tol * scale)


@given(recipe=recipes(), point=st.sampled_from(POINTS))
@settings(max_examples=150)
def test_criterion(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model, problem = data.model, oracle.from_design(data.design)
    theta = theta_at(model, point, recipe.seed)
    for reml in (False, True):
        expected = oracle.criterion(problem, theta, reml)
        found = model._by(reml=reml).objective(theta)
        # In units of n: the criterion itself may be near zero.
        assert abs(found - expected) <= 1e-12 * max(abs(expected), data.n)


@given(recipe=recipes(), point=st.sampled_from(POINTS))
@settings(max_examples=100)
def test_coefficients_modes_and_determinants(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model, problem = data.model, oracle.from_design(data.design)
    theta = theta_at(model, point, recipe.seed)
    found, expected = model.pls(theta), oracle.solve(problem, theta)
    close(found.beta, expected.beta)
    close(found.u, expected.u)
    close(found.b, expected.Lambda @ expected.u)
    np.testing.assert_allclose(found.pwrss, expected.pwrss, rtol=TIGHT)
    np.testing.assert_allclose(found.logdet_L2, expected.logdet_L2, rtol=TIGHT, atol=TIGHT)
    np.testing.assert_allclose(found.logdet_RX2, expected.logdet_RX2, rtol=TIGHT, atol=TIGHT)
    assert found.sum_log_weights == np.log(problem.w).sum() or np.isclose(
        found.sum_log_weights, np.log(problem.w).sum(), rtol=1e-12
    )


@given(recipe=recipes(), point=st.sampled_from(POINTS))
@settings(max_examples=60)
def test_the_extended_factor(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model, problem = data.model, oracle.from_design(data.design)
    theta = theta_at(model, point, recipe.seed)
    pls, P = model.pls(theta), model.pls(theta).perm
    U = np.sqrt(problem.w)[:, None] * (problem.Z @ problem.Lambda(theta))
    M = U.T @ U + np.eye(U.shape[1])
    L = pls.L.toarray()
    assert sorted(P) == list(range(len(P)))
    assert np.all(np.triu(L, 1) == 0.0)
    close(L @ L.T, M[np.ix_(P, P)], 1e-12)
    X = np.sqrt(problem.w)[:, None] * problem.X
    close(L @ pls.RZX, (U.T @ X)[P])
    close(pls.RX.T @ pls.RX, X.T @ X - pls.RZX.T @ pls.RZX)
    assert np.all(np.tril(pls.RX, -1) == 0.0)
    np.testing.assert_allclose(model.Zt.toarray().T, problem.Z)
    np.testing.assert_allclose(model.Lambda(theta).toarray(), problem.Lambda(theta))


@given(recipe=recipes(), point=st.sampled_from(POINTS))
@settings(max_examples=60)
def test_conditional_covariances(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    model, problem = data.model, oracle.from_design(data.design)
    theta = theta_at(model, point, recipe.seed)
    found = model.conditional_covariance(theta)
    expected = oracle.conditional_covariance(problem, theta)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        close(ours, theirs)
        np.testing.assert_allclose(ours, ours.transpose(0, 2, 1), rtol=0.0, atol=1e-12)


@given(recipe=recipes(p=3), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_aliased_columns_are_left_out(recipe: Recipe, seed: int) -> None:
    data = build(recipe)
    theta = theta_at(data.model, "interior", seed)
    scale = np.random.default_rng(seed).normal(size=2)
    again = np.column_stack([data.X[:, :2], data.X[:, :2] @ scale, data.X[:, 2]])
    aliased = data.replace(X=again)
    assert aliased.model.pls(theta).kept.tolist() == [0, 1, 3]
    for reml in (False, True):
        np.testing.assert_allclose(
            aliased.model._by(reml=reml).objective(theta),
            data.model._by(reml=reml).objective(theta),
            rtol=1e-12,
            atol=1e-10,
        )
