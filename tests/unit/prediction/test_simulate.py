"""Simulated responses: index, moments, seeds, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kinds_of_fits import CASES, fit_case

from mixedmodels import MixedModelsError


@pytest.mark.parametrize("modes", ["new", "kept"])
@pytest.mark.parametrize("name", CASES)
def test_rows_and_seed(name: str, modes: Any) -> None:
    fit = fit_case(name)
    drawn = fit.simulate(3, seed=1, modes=modes)
    assert drawn.shape == (fit.nobs, 3)
    assert drawn.index.equals(fit.model.design.index)
    np.testing.assert_array_equal(drawn[0], fit.simulate(1, seed=1, modes=modes)[0])
    assert (drawn[0] != drawn[1]).all()


@pytest.mark.parametrize("name", ["slopes", "crossed", "weights, offset", "zero correlation"])
def test_moments_are_those_of_the_model(name: str) -> None:
    fit = fit_case(name)
    design, count = fit.model.design, 4000
    drawn = fit.simulate(count, seed=5).to_numpy()
    offset = 0.0 if design.offset is None else design.offset
    Z = fit.model.Zt.toarray().T @ fit.model.Lambda(fit.theta).toarray()
    noise = np.ones(design.n) if design.w is None else 1 / design.w
    cov = fit.sigma**2 * (Z @ Z.T + np.diag(noise))
    error = np.sqrt(np.diag(cov))
    # Means and covariances of 4000 draws over hundreds of rows: five standard errors.
    assert (abs(drawn.mean(axis=1) - offset - design.X @ fit.beta) < 5 * error / 63.2).all()
    spread = np.sqrt((np.outer(error**2, error**2) + cov**2) / count)
    assert (abs(np.cov(drawn) - cov) < 6 * spread).all()
    kept = fit.simulate(count, seed=5, modes="kept").to_numpy()
    sd = fit.sigma * np.sqrt(noise)
    assert (abs(kept.mean(axis=1) - fit.fitted) < 5 * sd / 63.2).all()
    np.testing.assert_allclose(kept.std(axis=1), sd, rtol=0.06)


def test_refused() -> None:
    fit = fit_case("slopes")
    with pytest.raises(MixedModelsError, match="modes is 'all'"):
        fit.simulate(modes="all")  # type: ignore[arg-type]
    with pytest.raises(MixedModelsError, match="nsim is True"):
        fit.simulate(True)
    with pytest.raises(MixedModelsError, match="seed is -1"):
        fit.simulate(seed=-1)
