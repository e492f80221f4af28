"""The evaluator: SciPy's kernels on large blocks, any order and any threads, limits and counts."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import oracle
import pytest
from properties.structures import Data, Floats, Recipe, build, seeded_recipes, theta_at

from mixedmodels import LinearMixedModel
from mixedmodels._core import Analysis, Evaluator
from mixedmodels.crossprod import cross_products

# Wide supernodes and large updates, which go by BLAS.
LARGE = {
    "crossed": Recipe((("crossed", 40), ("crossed", 30)), ((0, 2), (1, 2)), n=400),
    "three factors": Recipe(
        (("crossed", 40), ("crossed", 30), ("crossed", 20)), ((0, 1), (1, 2), (2, 1)), n=400
    ),
    "long vectors": Recipe((("crossed", 15), ("crossed", 12)), ((0, 5), (1, 4), (1, 1)), n=400),
    "over many levels": Recipe((("crossed", 8), ("crossed", 100)), ((0, 5), (1, 1)), n=500),
}


@lru_cache
def large(name: str) -> Data:
    return build(LARGE[name])


def evaluator(model: LinearMixedModel, order: str | list[int], threads: int = 1) -> Evaluator:
    analysis = Analysis(cross_products(model.design), order)
    return Evaluator(analysis, model._model.templates.core_entries, threads)


@pytest.mark.parametrize("name", LARGE)
def test_large_blocks_against_the_oracle(name: str) -> None:
    data = large(name)
    model, problem = data.model, oracle.from_design(data.design)
    assert model._model.analysis.largest > 12
    theta = theta_at(model, "zero column", 1)
    for reml in (False, True):
        expected = oracle.criterion(problem, theta, reml)
        by = model._by(reml=reml)
        assert by.objective(theta) == pytest.approx(expected, rel=1e-12)
        slope, scale = oracle.gradient(problem, theta, reml), 1e-11 * data.n
        np.testing.assert_allclose(by.gradient(theta), slope, rtol=0.0, atol=scale)
    for ours, theirs in zip(
        model.conditional_covariance(theta),
        oracle.conditional_covariance(problem, theta),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("name", LARGE)
def test_any_order_of_elimination_gives_the_same(name: str) -> None:
    data = large(name)
    model = data.model
    theta = theta_at(model, "interior", 2)
    groups = list(range(len(data.codes)))
    for order in ("minimum degree", groups, groups[::-1]):
        other = evaluator(model, order)
        for reml in (False, True):
            value = other.value(other.to_axes(theta[None])[0], reml)
            assert value == pytest.approx(model._by(reml=reml).objective(theta), rel=1e-12)
            gradient = model._by(reml=reml).gradient(theta)
            np.testing.assert_allclose(
                other.slope_from_axes(other.gradient(reml)[None])[0],
                gradient,
                rtol=0.0,
                atol=1e-11 * np.abs(gradient).max(),
            )


# Enough work for a second thread to be called.
HEAVY = {
    "crossed": Recipe((("crossed", 500), ("crossed", 300)), ((0, 1), (1, 1)), n=6000),
    "vectors": Recipe((("crossed", 300), ("crossed", 120)), ((0, 3), (1, 2)), n=6000),
    "nested": Recipe((("crossed", 2000), ("nested", 400), ("crossed", 200)),
                     ((0, 1), (1, 2), (2, 1)), n=8000),
}  # fmt: skip


@pytest.mark.parametrize("name", HEAVY)
def test_threads_change_nothing_but_time(name: str) -> None:
    """To rounding: how much of a block one call of BLAS sees may change its last digit."""
    data = build(HEAVY[name])
    theta = theta_at(data.model, "interior", 3)
    entries = data.model._model.templates.core_entries
    found = []
    for threads in (1, 2, 3):
        analysis = Analysis(cross_products(data.design, threads))
        at = Evaluator(analysis, entries, threads)
        assert analysis.flops > 2e6
        found.append((at.value(theta, True), at.gradient(True)))
        for _ in range(3):  # and again, on workers that are there already
            at.value(2.0 * theta, False)
            assert at.value(theta, True) == found[-1][0]
            np.testing.assert_array_equal(at.gradient(True), found[-1][1])
    for value, gradient in found[1:]:
        assert value == pytest.approx(found[0][0], rel=1e-13)
        np.testing.assert_allclose(gradient, found[0][1], rtol=0.0, atol=1e-11 * data.n)


def test_the_factor_has_the_nonzeros_that_were_counted() -> None:
    for recipe in seeded_recipes(30):
        model = build(recipe).model
        L = model.pls(theta_at(model, "interior", 1)).L
        assert L.nnz == model._model.analysis.nnz <= model._model.analysis.stored


def test_nan_where_nothing_can_be_computed() -> None:
    model = build(Recipe((("crossed", 6), ("crossed", 5)), ((0, 1), (1, 2)), n=60)).model
    good: Floats = np.array([0.5, 0.7, 0.1, 0.9])
    before = model.objective(good)
    for bad in ([1e200, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1e180]):
        for reml in (False, True):
            assert np.isnan(model._by(reml=reml).objective(bad))
            assert np.isnan(model._by(reml=reml).gradient(bad)).all()
    assert model.objective(good) == before


def test_a_theta_of_another_length_is_refused() -> None:
    at = evaluator(build(Recipe((("crossed", 6),), ((0, 2),))).model, "cheapest")
    with pytest.raises(ValueError, match="wrong length"):
        at.value(np.ones(2), False)


def test_evaluations_are_counted_once_per_theta() -> None:
    model = build(Recipe((("crossed", 6),), ((0, 2),))).model
    at, theta = evaluator(model, "cheapest"), theta_at(model, "interior", 1)
    for reml in (False, True):
        at.value(theta, reml)
        at.gradient(reml)
        at.gradient(reml)
    assert (at.n_value, at.n_gradient) == (1, 2)
    at.value(2.0 * theta, False)
    assert at.n_value == 2
    at.reset_counts()
    assert (at.n_value, at.n_gradient) == (0, 0)


def test_hessian_is_the_slope_of_the_gradient() -> None:
    for recipe in seeded_recipes(12):
        model = build(recipe).model
        theta = theta_at(model, "interior", 1)
        for reml in (False, True):
            hessian = model._by(reml=reml).hessian(theta)
            np.testing.assert_array_equal(hessian, hessian.T)
            for k in range(len(theta)):
                step = np.zeros(len(theta))
                step[k] = 1e-2
                near, far = (
                    model._by(reml=reml).gradient(theta + c * step)
                    - model._by(reml=reml).gradient(theta - c * step)
                    for c in (0.5, 1.0)
                )
                slope = (8.0 * near - far) / (6.0 * step[k])
                scale = max(1.0, float(np.abs(hessian).max()))
                np.testing.assert_allclose(hessian[:, k], slope, rtol=0.0, atol=1e-5 * scale)


def test_exact_hessian_is_taken_where_it_pays_and_keeps_its_digits() -> None:
    model = build(Recipe((("crossed", 30), ("crossed", 12)), ((0, 2), (1, 1)), n=300)).model
    workspace = model._model.workspace
    evaluator, theta = workspace.evaluator, theta_at(model, "interior", 1)
    assert workspace.hessian_cost.exact_pays()
    for reml in (False, True):
        evaluator.reset_counts()
        exact = model._by(reml=reml).hessian(theta)
        assert (evaluator.n_value, evaluator.n_gradient) == (1, 0)
        axes = workspace.axes
        at = axes.to_axes(theta)
        differences = axes.hessian_from_axes(evaluator.difference_hessian(at, reml, False))
        scale = np.abs(exact).max()
        np.testing.assert_allclose(exact, differences, rtol=0.0, atol=1e-5 * scale)
    huge = np.array([1e6, 1e3, 1e6, 1e6])
    evaluator.reset_counts()
    assert np.isfinite(model.hessian(huge)).all()
    assert evaluator.n_gradient == 2 * len(theta)


def test_hessian_of_one_wide_factor_is_exact() -> None:
    model = build(Recipe((("crossed", 12),), ((0, 5),), n=200)).model
    theta = theta_at(model, "interior", 3)
    evaluator = model._model.workspace.evaluator
    evaluator.reset_counts()
    model.hessian(theta)
    assert (evaluator.n_value, evaluator.n_gradient) == (1, 0)


def test_axes_have_unit_size() -> None:
    data = build(Recipe((("crossed", 6), ("crossed", 4)), ((0, 2), (1, 1)), n=50, weights=True))
    assert data.w is not None
    (g, z), (h, v) = data.terms
    scaled = data.replace(terms=((g, z * np.array([1.0, 1e6])), (h, 1e-3 * v)))
    at = evaluator(scaled.model, "cheapest")
    size = np.sqrt(np.mean(data.w * (1e-3 * v[:, 0]) ** 2))
    assert at.unit[:3] == pytest.approx(1.0, rel=1e-12)
    assert 0.5 < at.unit[3] <= 1.0
    assert at.from_axes(at.unit[None])[0, 3] == pytest.approx(1.0 / size, rel=1e-12)
