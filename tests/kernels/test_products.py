"""Cross-products and what follows from them alone: dense values, strides, repeated rows, counts."""

from __future__ import annotations

import gc

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from properties.structures import Data, Recipe, build, recipes, seeded_recipes, theta_at

from mixedmodels._core import Analysis, Evaluator, Products
from mixedmodels.crossprod import cross_products
from mixedmodels.linear import from_design


def core_Z(data: Data) -> np.ndarray:
    """Z (n, q) in core order: factor by factor, level by level, all terms' columns adjacent."""
    problem = oracle.from_design(data.design)
    Z = np.empty_like(problem.Z)
    Z[:, data.model._model.templates.public_to_core] = problem.Z
    return Z


@given(recipe=recipes())
@settings(max_examples=60)
def test_blocks_are_the_dense_products(recipe: Recipe) -> None:
    data = build(recipe)
    products = cross_products(data.design)
    Z = core_Z(data.along_axes(data.model))
    w = np.ones(data.n) if data.w is None else data.w
    dense = Z.T @ (w[:, None] * Z)
    widths = data.model._model.templates.group_sizes
    starts = np.concatenate([[0], np.cumsum(np.array(widths) * data.n_levels)])
    seen = np.zeros_like(dense)
    for f, s in enumerate(widths):
        for level, block in enumerate(products.diagonal(f)):
            at = slice(starts[f] + level * s, starts[f] + (level + 1) * s)
            seen[at, at] = block
    for pair in products.pairs():
        a, b, start, level_b = pair.a, pair.b, pair.start, pair.level_b
        level_a = np.repeat(np.arange(len(start) - 1), np.diff(start))
        for i, j, block in zip(level_a, level_b, pair.values, strict=True):
            rows = slice(starts[b] + j * widths[b], starts[b] + (j + 1) * widths[b])
            columns = slice(starts[a] + i * widths[a], starts[a] + (i + 1) * widths[a])
            seen[rows, columns] = block.T
            seen[columns, rows] = block
    np.testing.assert_allclose(seen, dense, rtol=0.0, atol=1e-12 * np.abs(dense).max())
    root = np.sqrt(w)[:, None]
    Q = np.linalg.solve(products.R.T, (root * data.X).T).T
    r = root[:, 0] * (data.y - (0.0 if data.offset is None else data.offset))
    r = r - Q @ (Q.T @ r)
    Qr = np.column_stack([Q, r])
    scale = max(1.0, float(np.abs(Z).max())) * max(1.0, float(np.linalg.norm(r)))
    unit = np.append(np.ones(data.X.shape[1]), products.unit)
    ZtX, XtX = products.ZtX * unit, products.XtX * np.outer(unit, unit)
    np.testing.assert_allclose(ZtX, (root * Z).T @ Qr, rtol=0.0, atol=1e-11 * scale)
    np.testing.assert_allclose(XtX, Qr.T @ Qr, rtol=0.0, atol=1e-11 * scale**2)
    assert (products.n, products.q, products.p) == (data.n, Z.shape[1], data.X.shape[1])


def _strided(array: np.ndarray) -> np.ndarray:
    """The same values, every second of a larger array, backwards."""
    room = np.full(tuple(2 * k for k in array.shape), np.nan)
    every_second = tuple(slice(None, None, 2) for _ in array.shape)
    room[every_second] = array[::-1]
    return room[every_second][::-1]


@pytest.mark.parametrize("change", [np.asfortranarray, np.ascontiguousarray, _strided])
def test_any_strides(change: object) -> None:
    assert callable(change)
    for recipe in seeded_recipes(8):
        data = build(recipe)
        laid_out = data.replace(
            X=change(data.X),
            y=change(data.y),
            terms=tuple((group, change(z)) for group, z in data.terms),
            w=None if data.w is None else change(data.w),
            offset=None if data.offset is None else change(data.offset),
        )
        theta = theta_at(data.model, "interior", 1)
        assert laid_out.model.objective(theta) == data.model.objective(theta)


def test_a_constant_column_may_have_no_stride() -> None:
    data = build(Recipe((("crossed", 6),), ((0, 1),), n=30))
    broadcast = data.replace(terms=((0, np.broadcast_to(1.0, (data.n, 1))),))
    theta = np.array([0.8])
    assert broadcast.model.objective(theta) == data.model.objective(theta)


@given(recipe=recipes())
@settings(max_examples=40)
def test_repeated_rows_with_divided_weights_change_nothing(recipe: Recipe) -> None:
    """Every row ten times with a tenth of its weight: the same problem, with another n."""
    data, times = build(recipe), 10
    w = np.ones(data.n) if data.w is None else data.w
    data = data.replace(w=w)
    repeated = data.rows(np.tile(np.arange(data.n), times))
    repeated = repeated.replace(w=np.tile(w / times, times))
    one, many = data.model, repeated.model
    for count in ("order", "nnz", "flops", "supernodes", "stored", "largest"):
        assert getattr(one._model.analysis, count) == getattr(many._model.analysis, count)
    np.testing.assert_array_equal(one._model.analysis.permutation, many._model.analysis.permutation)
    theta = theta_at(one, "interior", recipe.seed)
    a, b = one.pls(theta), many.pls(theta)
    for name in ("beta", "u", "b", "RX", "pwrss", "logdet_L2", "logdet_RX2"):
        np.testing.assert_allclose(getattr(b, name), getattr(a, name), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(b.L.toarray(), a.L.toarray(), rtol=0.0, atol=1e-11)
    for reml in (False, True):
        df = repeated.n - (a.RX.shape[0] if reml else 0)
        expected = a.logdet_L2 + df * (1.0 + np.log(2.0 * np.pi * a.pwrss / df))
        expected += (a.logdet_RX2 if reml else 0.0) - np.log(w / times).sum() * times
        assert many._by(reml=reml).objective(theta) == pytest.approx(expected, rel=1e-11)


def test_counts_depend_on_levels_that_meet_and_not_on_rows() -> None:
    recipe = Recipe((("crossed", 30), ("crossed", 20)), ((0, 2), (1, 1)), n=400)
    data, rng = build(recipe), np.random.default_rng(1)
    more = data.rows(rng.integers(data.n, size=10 * data.n))
    more = more.replace(
        codes=tuple(
            np.concatenate([codes, extra])
            for codes, extra in zip(data.codes, more.codes, strict=True)
        ),
        terms=tuple(
            (group, np.concatenate([z, rng.normal(size=extra.shape)]))
            for (group, z), (_, extra) in zip(data.terms, more.terms, strict=True)
        ),
        X=np.concatenate([data.X, more.X]),
        y=np.concatenate([data.y, rng.normal(size=more.n)]),
    )
    one, many = data.model._model.analysis, more.model._model.analysis
    assert (one.flops, one.nnz, one.stored) == (many.flops, many.nnz, many.stored)


def test_fill_of_an_order_is_that_of_its_analysis() -> None:
    for recipe in seeded_recipes(20):
        products = cross_products(build(recipe).design)
        for order in ("minimum degree", list(range(len(recipe.factors)))[::-1]):
            analysis = Analysis(products, order)
            fill = products.fill(order)
            assert (fill.nnz, fill.flops) == (analysis.nnz, analysis.flops)
        assert Analysis(products).flops <= min(
            products.fill(order).flops
            for order in ("minimum degree", [*range(len(recipe.factors))])
        ) * (1.0 + 1e-12)


def test_lengths_that_differ_are_refused() -> None:
    codes, z, X, y = np.zeros(4, np.int32), np.ones((4, 1)), np.ones((4, 1)), np.arange(4.0)
    for arguments, what in [
        (([codes[:3]], [1], [[z]], X, y), "the codes of a grouping factor"),
        (([codes], [1], [[z[:3]]], X, y), "a random-effects model matrix"),
        (([codes], [1], [[z]], X[:3], y), "the fixed-effects model matrix"),
        (([codes], [1], [[z]], X, y, np.ones(3)), "the weights"),
        (([codes], [1], [[z]], X, y, None, np.ones(5)), "the offset"),
    ]:
        with pytest.raises(ValueError, match=f"{what} and the response differ in length"):
            Products(*arguments)


def test_the_core_keeps_what_it_points_to() -> None:
    data = build(Recipe((("crossed", 8), ("crossed", 5)), ((0, 2), (1, 1)), n=60, weights=True))
    by_ml = from_design(data.design, reml=False)
    expected = by_ml.objective([0.7, 0.1, 0.4, 0.9])
    templates = data.model._model.templates

    def evaluator() -> Evaluator:
        fresh = data.replace(X=data.X.copy(), y=data.y.copy(), w=np.copy(data.w))
        analysis = Analysis(cross_products(fresh.design))
        return Evaluator(analysis, templates.core_entries)

    alone = evaluator()
    gc.collect()
    waste = [np.full(60, np.nan) for _ in range(50)]
    at = alone.to_axes(np.array([[0.7, 0.1, 0.4, 0.9]]))[0]
    assert alone.value(at, False) == expected
    # Large effects make the evaluator read the rows again.
    assert np.isfinite(alone.value(np.array([1e5, 0.0, 1e5, 1e5]), False))
    assert len(waste) == 50
