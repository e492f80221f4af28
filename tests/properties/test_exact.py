"""The criterion where digits are easily lost, against one that has digits to lose."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import oracle
import pytest
from properties import exact
from properties.structures import POINTS, Data, Recipe, build, theta_at

ROWS = 30
RECIPES = {
    "one factor": Recipe((("crossed", 5),), ((0, 1),), n=ROWS),
    "slopes": Recipe((("crossed", 5),), ((0, 2),), n=ROWS),
    "crossed": Recipe((("crossed", 5), ("crossed", 4)), ((0, 1), (1, 1)), n=ROWS),
    "nested": Recipe((("crossed", 8), ("nested", 3)), ((0, 1), (1, 1)), n=ROWS, weights=True),
    "crossed slopes": Recipe((("crossed", 4), ("crossed", 3)), ((0, 2), (1, 2)), n=ROWS, p=3),
    "no fixed effects": Recipe((("crossed", 5), ("crossed", 3)), ((0, 1), (1, 1)), n=ROWS, p=0),
    "two terms on a factor": Recipe((("crossed", 5),), ((0, 1), (0, 1)), n=ROWS, offset=True),
}


def with_effects(recipe: Recipe, ratio: float) -> Data:
    """A response whose random effects have `ratio` times the sd of its residuals, which is one."""
    data, rng = build(recipe), np.random.default_rng(recipe.seed + 99)
    y = data.X @ rng.normal(size=data.X.shape[1]) + rng.normal(size=data.n)
    for group, z in data.terms:
        b = rng.normal(scale=ratio, size=(data.n_levels[group], z.shape[1]))
        y += np.einsum("ij,ij->i", z, b[data.codes[group]])
    return data.replace(y=y)


def near(data: Data, ratio: float) -> Iterator[np.ndarray]:
    """Thetas about the true one, smaller and larger, and singular."""
    diagonal = data.model._model.templates.diagonal
    for scale in (0.1, 1.0, 1.5):
        yield np.where(diagonal, scale * ratio, 0.3 * scale * ratio)
    yield ratio * theta_at(data.model, "zero column", 1)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("ratio", [1e4, 1e-4, 1e2])
def test_large_and_small_effects(name: str, ratio: float) -> None:
    data = with_effects(RECIPES[name], ratio)
    model, problem = data.model, oracle.from_design(data.design)
    for theta in near(data, ratio):
        for reml in (False, True):
            expected = exact.criterion(problem, theta, reml)
            assert model._by(reml=reml).objective(theta) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("ratio", [1e4, 1e-4])
def test_slopes_of_the_criterion_there(ratio: float) -> None:
    """Differences of the exact criterion, relative to what theta must change by to matter."""
    data = with_effects(RECIPES["crossed"], ratio)
    model, problem = data.model, oracle.from_design(data.design)
    theta = np.full(2, ratio)
    for reml in (False, True):
        for k, slope in enumerate(model._by(reml=reml).gradient(theta)):
            step = np.zeros(2)
            step[k] = 1e-4 * ratio
            up, down = (exact.criterion(problem, theta + s * step, reml) for s in (1.0, -1.0))
            expected = (up - down) / 2e-4  # per unit of log theta
            assert slope * ratio == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_ordinary_effects(name: str) -> None:
    """The oracle of the other tests, too, is held to the exact one here."""
    data = build(RECIPES[name])
    model, problem = data.model, oracle.from_design(data.design)
    for point in POINTS:
        theta = theta_at(model, point, 3)
        for reml in (False, True):
            expected = exact.criterion(problem, theta, reml)
            assert model._by(reml=reml).objective(theta) == pytest.approx(expected, rel=1e-12)
            assert oracle.criterion(problem, theta, reml) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["slopes", "crossed slopes"])
@pytest.mark.parametrize("move", [0.0, 1e8])
def test_scales_and_offsets_of_columns(name: str, move: float) -> None:
    """Covariates on scales of 1e-6 and 1e6, and far from zero; a response far from zero."""
    data = build(RECIPES[name])
    X = np.column_stack([data.X, 1e-6 * data.X[:, 1], 1e6 * data.X[:, 1] ** 2, data.X[:, 1] ** 3])
    X[:, 2] = np.sin(np.arange(data.n)) * 1e-6
    X[:, -1] += move
    data = data.replace(X=X, y=data.y + move)
    model, problem = data.model, oracle.from_design(data.design)
    theta = theta_at(model, "interior", 5)
    for reml in (False, True):
        expected = exact.criterion(problem, theta, reml)
        assert model._by(reml=reml).objective(theta) == pytest.approx(expected, rel=1e-8)
