"""What must not change a fit, or must change it by a known amount.

Designs are such that the optimum is inside and well determined, so that theta is compared to 1e-5:
the search stops where the criterion is flat to 1e-11, which is about 1e-6 in theta.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from properties.structures import Data, Recipe, build

from mixedmodels import LinearMixedFit

RECIPES = {
    "intercepts": Recipe((("crossed", 8),), ((0, 1),), n=90),
    "slopes": Recipe((("crossed", 12),), ((0, 2),), n=150, weights=True),
    "crossed": Recipe((("crossed", 10), ("crossed", 7)), ((0, 1), (1, 1)), n=150),
    "two terms on a factor": Recipe((("crossed", 12),), ((0, 1), (0, 1)), n=150, offset=True),
}
# Rows on this grid can be moved by 1e8 and 1e10 without rounding.
GRID = 2.0**-16


@lru_cache
def data_of(name: str) -> Data:
    data = build(RECIPES[name])
    return data.replace(y=np.round(data.y / GRID) * GRID)


@lru_cache
def fit_of(name: str, reml: bool) -> LinearMixedFit:
    fit = data_of(name).model._by(reml=reml).fit()
    diagonal = fit.theta[fit.model._model.templates.diagonal]
    assert diagonal.min() > 0.05, "the optimum should be inside"
    return fit


def compare(
    name: str,
    change: Callable[[Data], Data],
    *,
    theta: Callable[[np.ndarray], np.ndarray] = lambda theta: theta,
    scale: float = 1.0,
    shift: float = 0.0,
    tol: float = 1e-7,
) -> tuple[LinearMixedFit, LinearMixedFit]:
    """Fit before and after; theta goes through `theta`, standard errors and sigma by `scale`, the
    criterion moves by `shift` for every residual degree of freedom."""
    pair = None
    for reml in (True, False):
        before, after = fit_of(name, reml), change(data_of(name)).model._by(reml=reml).fit()
        df = data_of(name).n - (data_of(name).X.shape[1] if reml else 0)
        assert after.converged
        assert after.objective == pytest.approx(before.objective + df * shift, abs=tol * df)
        np.testing.assert_allclose(after.theta, theta(before.theta), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(after.sigma, scale * before.sigma, rtol=1e-5)
        pair = pair or (before, after)
    assert pair is not None
    return pair


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_scale_of_the_response(name: str, factor: float) -> None:
    def change(data: Data) -> Data:
        offset = None if data.offset is None else data.offset * factor
        return data.replace(y=data.y * factor, offset=offset)

    before, after = compare(name, change, scale=factor, shift=2.0 * np.log(factor))
    np.testing.assert_allclose(after.stderror, factor * before.stderror, rtol=1e-5)
    np.testing.assert_allclose(after.fixef, factor * before.fixef, rtol=1e-5, atol=1e-7 * factor)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("move", [1e8, 1e10])
def test_offset_of_the_response(name: str, move: float) -> None:
    """A residual near one is known to eps * move only: at 1e10 the criterion to 1e-6 a row."""
    before, after = compare(
        name, lambda data: data.replace(y=data.y + move), tol=1e-7 if move < 1e9 else 1e-6
    )
    np.testing.assert_allclose(after.stderror, before.stderror, rtol=1e-5)
    found, expected = np.array(after.fixef), np.array(before.fixef)
    assert found[0] - move == pytest.approx(expected[0], abs=1e-5)
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_weights_times_a_hundred(name: str) -> None:
    def change(data: Data) -> Data:
        return data.replace(w=100.0 * (np.ones(data.n) if data.w is None else data.w))

    before, after = compare(name, change, theta=lambda theta: theta / 10.0, scale=10.0)
    np.testing.assert_allclose(after.stderror, before.stderror, rtol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_order_of_rows_and_levels(name: str) -> None:
    rng = np.random.default_rng(1)
    data = data_of(name)
    names = [rng.permutation(levels) for levels in data.n_levels]

    def change(data: Data) -> Data:
        renamed = tuple(new[codes] for new, codes in zip(names, data.codes, strict=True))
        return data.replace(codes=renamed).rows(rng.permutation(data.n))

    before, after = compare(name, change)
    for group, new in zip(before.ranef(), names, strict=True):
        found, expected = np.array(after.ranef()[group]), np.array(before.ranef()[group])
        np.testing.assert_allclose(found[new], expected, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("name", ["crossed", "two terms on a factor"])
def test_order_of_terms(name: str) -> None:
    compare(
        name,
        lambda data: data.replace(terms=data.terms[::-1]),
        theta=lambda theta: theta[::-1],
    )


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scales_of_covariates(factor: float) -> None:
    """The slope's column, in X and in Z."""

    def change(data: Data) -> Data:
        (group, z), X = data.terms[0], data.X * np.array([1.0, factor])
        return data.replace(X=X, terms=((group, z * np.array([1.0, factor])),))

    data = data_of("slopes")
    before, after = fit_of("slopes", False), change(data).model._by(reml=False).fit()
    assert after.converged
    assert not after.is_singular
    assert after.optsum.n_objective <= 1.5 * before.optsum.n_objective
    assert after.objective == pytest.approx(before.objective, abs=1e-6)
    lam, expected = (
        after.model._model.templates.lam(after.theta)[0],
        before.model._model.templates.lam(before.theta)[0],
    )
    np.testing.assert_allclose(lam * np.array([[1.0], [factor]]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
@pytest.mark.parametrize("ratio", [1e4, 1e-4])
@pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])
def test_balanced_one_way_with_large_and_small_effects(ratio: float, reml: bool) -> None:
    """The optimum is known in closed form; small effects cannot be told from none."""
    groups, size = 20, 10
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(groups), size).astype(np.int32)
    y = 5.0 + ratio * rng.normal(size=groups)[codes] + rng.normal(size=groups * size)
    data = Data(y=y, X=np.ones((len(y), 1)), codes=(codes,), n_levels=(groups,),
                terms=((0, np.ones((len(y), 1))),))  # fmt: skip
    means = y.reshape(groups, size).mean(axis=1)
    within = ((y - means[codes]) ** 2).sum() / (len(y) - groups)
    between = size * ((means - y.mean()) ** 2).sum() / (groups - 1 if reml else groups)
    theta = np.sqrt(max(0.0, (between / within - 1.0) / size))
    fit = data.model._by(reml=reml).fit()
    assert fit.converged
    assert fit.theta[0] == pytest.approx(theta, rel=1e-5, abs=1e-5)
    assert fit.sigma == pytest.approx(np.sqrt(within), rel=1e-5) or theta == 0.0
