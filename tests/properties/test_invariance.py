"""What must not change the criterion, or must change it by a known amount, at any theta."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from properties.structures import POINTS, Data, Floats, Point, Recipe, build, recipes, theta_at

any_recipe = recipes()
any_point = st.sampled_from(POINTS)


def same(
    before: Data, theta: Floats, after: Data, moved: Floats, *, tol: float = 1e-12, **shift: float
) -> None:
    """Both criteria agree, but for `shift` (ml, reml), to `tol` in units of n or of themselves."""
    for reml in (False, True):
        expected = before.model._by(reml=reml).objective(theta)
        expected += shift.get("reml" if reml else "ml", 0.0)
        found = after.model._by(reml=reml).objective(moved)
        assert abs(found - expected) <= tol * max(abs(expected), before.n)


def term_slices(data: Data) -> list[slice]:
    return list(data.model._model.templates.theta_slices)


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_order_of_rows(recipe: Recipe, point: Point, seed: int) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    shuffled = data.rows(np.random.default_rng(seed).permutation(data.n))
    same(data, theta, shuffled, theta)


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_order_of_terms(recipe: Recipe, point: Point, seed: int) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    order = np.random.default_rng(seed).permutation(len(data.terms))
    moved = np.concatenate([theta[term_slices(data)[t]] for t in order])
    after = data.replace(terms=tuple(data.terms[t] for t in order))
    same(data, theta, after, moved)
    found = dict(zip(order, _modes_by_term(after, moved), strict=True))
    for t, expected in enumerate(_modes_by_term(data, theta)):
        np.testing.assert_allclose(found[t], expected, rtol=0.0, atol=1e-10)


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_order_of_grouping_factors(recipe: Recipe, point: Point, seed: int) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    order = np.random.default_rng(seed).permutation(len(data.codes))
    place = np.argsort(order)
    after = data.replace(
        codes=tuple(data.codes[g] for g in order),
        n_levels=tuple(data.n_levels[g] for g in order),
        terms=tuple((int(place[g]), z) for g, z in data.terms),
    )
    same(data, theta, after, theta)


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_order_of_levels(recipe: Recipe, point: Point, seed: int) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    rng = np.random.default_rng(seed)
    names = [rng.permutation(levels) for levels in data.n_levels]
    after = data.replace(
        codes=tuple(name[codes] for name, codes in zip(names, data.codes, strict=True))
    )
    same(data, theta, after, theta)
    before = _modes_by_term(data, theta)
    for t, found in enumerate(_modes_by_term(after, theta)):
        np.testing.assert_allclose(found[names[data.terms[t][0]]], before[t], rtol=0.0, atol=1e-10)


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_order_of_columns_of_a_term(recipe: Recipe, point: Point, seed: int) -> None:
    """Lambda turns with the columns: R' from the QR of its permuted transpose."""
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    rng = np.random.default_rng(seed)
    templates, terms, lams = data.model._model.templates, [], []
    for (group, z), lam in zip(data.terms, templates.lam(theta), strict=True):
        order = rng.permutation(z.shape[1])
        terms.append((group, z[:, order]))
        lams.append(np.linalg.qr(lam[order].T, mode="r").T)
    same(data, theta, data.replace(terms=tuple(terms)), templates.theta_of(lams))


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_scales_of_columns_of_a_term(recipe: Recipe, point: Point, seed: int) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    rng = np.random.default_rng(seed)
    templates, terms, lams = data.model._model.templates, [], []
    for (group, z), lam in zip(data.terms, templates.lam(theta), strict=True):
        scale = 10.0 ** rng.integers(-6, 7, size=z.shape[1])
        terms.append((group, z * scale))
        lams.append(lam / scale[:, None])
    same(data, theta, data.replace(terms=tuple(terms)), templates.theta_of(lams), tol=1e-11)


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_signs_of_template_columns(recipe: Recipe, point: Point, seed: int) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    templates = data.model._model.templates
    flipped = templates.theta_of(
        [
            lam * np.random.default_rng(seed).choice([-1.0, 1.0], size=len(lam))
            for lam in templates.lam(theta)
        ]
    )
    same(data, theta, data, flipped, tol=1e-14)
    same(data, theta, data, templates.rectify(flipped), tol=1e-14)
    assert (templates.rectify(flipped)[templates.diagonal] >= 0.0).all()


@given(recipe=any_recipe, point=any_point, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_fixed_effects_in_another_basis(recipe: Recipe, point: Point, seed: int) -> None:
    """X C with C triangular: ML stays, REML moves by log |C|^2, beta turns by C^-1."""
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    p, rng = data.X.shape[1], np.random.default_rng(seed)
    C = np.triu(rng.normal(size=(p, p)), 1) + np.diag(rng.uniform(0.5, 2.0, size=p))
    C *= 10.0 ** rng.integers(-6, 7, size=p)
    after = data.replace(X=data.X @ C)
    same(data, theta, after, theta, tol=1e-11, reml=2.0 * float(np.log(np.diag(C)).sum()))
    beta = data.model.pls(theta).beta
    np.testing.assert_allclose(C @ after.model.pls(theta).beta, beta, rtol=0.0, atol=1e-8)


@given(recipe=any_recipe, point=any_point, scale=st.sampled_from([1e-8, 1e-3, 7.0, 1e8]))
@settings(max_examples=40)
def test_scale_of_the_response(recipe: Recipe, point: Point, scale: float) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    offset = None if data.offset is None else data.offset * scale
    after = data.replace(y=data.y * scale, offset=offset)
    shift = 2.0 * np.log(scale)
    same(data, theta, after, theta, ml=data.n * shift, reml=(data.n - data.X.shape[1]) * shift)
    np.testing.assert_allclose(
        after.model.pls(theta).b / scale, data.model.pls(theta).b, rtol=0.0, atol=1e-10
    )


@given(recipe=recipes(offset=True), point=any_point)
@settings(max_examples=40)
def test_an_offset_is_taken_from_the_response(recipe: Recipe, point: Point) -> None:
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    assert data.offset is not None
    same(data, theta, data.replace(y=data.y - data.offset, offset=None), theta, tol=1e-14)


@given(recipe=any_recipe, point=any_point, factor=st.sampled_from([100.0, 0.01, 3.0]))
@settings(max_examples=40)
def test_scale_of_the_weights(recipe: Recipe, point: Point, factor: float) -> None:
    """Weights times c with theta over sqrt(c): the residual variance takes the factor up."""
    data = build(recipe)
    theta = theta_at(data.model, point, recipe.seed)
    w = np.ones(data.n) if data.w is None else data.w
    after = data.replace(w=factor * w)
    same(data.replace(w=w), theta, after, theta / np.sqrt(factor))
    same(data, theta, data.replace(w=w), theta)


# A response on this grid can be moved by the offsets below without rounding.
GRID = 2.0**-16


@given(recipe=any_recipe.filter(lambda r: r.p > 0), point=any_point)
@pytest.mark.parametrize(("move", "tol"), [(1e5, 1e-12), (1e8, 1e-9), (-1e8, 1e-9), (1e10, 1e-7)])
@settings(max_examples=20)
def test_offset_of_the_response(recipe: Recipe, point: Point, move: float, tol: float) -> None:
    """eps * move is what a residual near one cannot know: 1e-8 of it at 1e8."""
    data = build(recipe)
    offset = None if data.offset is None else np.round(data.offset / GRID) * GRID
    data = data.replace(y=np.round(data.y / GRID) * GRID, offset=offset)
    theta = theta_at(data.model, point, recipe.seed)
    after = data.replace(y=data.y + move)
    same(data, theta, after, theta, tol=tol)
    beta = after.model.pls(theta).beta
    beta[0] -= move
    np.testing.assert_allclose(beta, data.model.pls(theta).beta, rtol=0.0, atol=1e-14 * abs(move))


@given(recipe=recipes(p=3), point=any_point, move=st.sampled_from([1e3, 1e6, 1e9]))
@settings(max_examples=40)
def test_offset_of_a_covariate(recipe: Recipe, point: Point, move: float) -> None:
    data = build(recipe)
    X = np.round(data.X / GRID) * GRID
    data = data.replace(X=X)
    theta = theta_at(data.model, point, recipe.seed)
    after = data.replace(X=X + np.array([0.0, move, -move]))
    assert after.model.pls(theta).kept.tolist() == [0, 1, 2]
    same(data, theta, after, theta, tol=1e-12 + 1e-16 * move)


def _modes_by_term(data: Data, theta: Floats) -> list[NDArray[np.float64]]:
    """Conditional modes per term, (levels, s)."""
    b, templates = data.model.pls(theta).b, data.model._model.templates
    starts = templates.term_starts
    return [
        b[start:end].reshape(-1, size)
        for start, end, size in zip(starts, starts[1:], templates.sizes, strict=False)
    ]
