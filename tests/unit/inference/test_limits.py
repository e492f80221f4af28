"""Limits of small models: standard deviations, the residual too, are often estimated at zero."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import mixedmodels as mm
from mixedmodels.inference.coordinates import Coordinate

pytestmark = [
    pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning"),
    # Some of these tables have several optima; a profile may find the better one.
    pytest.mark.filterwarnings("ignore:A profile found a deviance"),
]
FORMULA = "y ~ x + (x + z || g)"
CUTOFF = 3.841458820694124  # chi-square with one degree of freedom, 95 %


def table(seed: int) -> pd.DataFrame:
    """4 to 15 groups of 2 to 8 rows; standard deviations from 0 to 1.5."""
    rng = np.random.default_rng(seed)
    groups, rows = int(rng.integers(4, 16)), int(rng.integers(2, 9))
    g, n = np.repeat(np.arange(groups), rows), groups * rows
    data = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    sds = rng.choice([0.0, 0.0, 0.2, 0.5, 1.5], 3)
    effects = [sd * rng.normal(size=groups)[g] for sd in sds]
    y = data["x"] + effects[0] + effects[1] * data["x"] + effects[2] * data["z"]
    return data.assign(y=y + rng.choice([1.0, 1.0, 1.0, 0.1]) * rng.normal(size=n))


def deviance(data: pd.DataFrame, sds: np.ndarray, sigma: float) -> float:
    """ML deviance of standard deviations by dense algebra."""
    n = len(data)
    same = (data["g"].to_numpy()[:, None] == data["g"].to_numpy()) * 1.0
    z = [np.ones(n), data["x"].to_numpy(), data["z"].to_numpy()]
    V = sigma**2 * np.eye(n)
    V += same * sum(sd**2 * np.outer(c, c) for sd, c in zip(sds, z, strict=True))
    X, y = np.column_stack(z[:2]), data["y"].to_numpy()
    W = np.linalg.inv(V)
    r = y - X @ np.linalg.solve(X.T @ W @ X, X.T @ W @ y)
    return float(n * np.log(2.0 * np.pi) + np.linalg.slogdet(V)[1] + r @ W @ r)


# Of the first kind ordinary ones, then those where no residual fits as well, or nearly.
SEEDS = [*range(1, 9), 1019, 1089, 1324, 1447, 1651]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_parameter_has_limits(seed: int) -> None:
    data = table(seed)
    fit = mm.lmer(FORMULA, data, reml=False)
    found = fit.confint()
    assert np.isfinite(found.to_numpy()).all()
    assert (found["lower"] <= found["upper"]).all()
    assert not found.attrs["notes"]


@pytest.mark.parametrize("seed", [1324, 1651])
def test_an_upper_limit_where_the_residual_goes_to_zero(seed: int) -> None:
    """With the limit held, the best of the other parameters leave almost no residual."""
    data = table(seed)
    fit = mm.lmer(FORMULA, data, reml=False)
    upper = fit.confint(parameters="sd(g.z)")["upper"].iloc[0]
    starts = [np.log([a, b, c]) for a in (0.1, 1.0) for b in (0.1, 1.0) for c in (1e-3, 0.3)]
    options = {"fatol": 1e-9, "xatol": 1e-7, "maxiter": 4000}

    def held(p: np.ndarray) -> float:
        intercept, slope, sigma = np.exp(np.clip(p, -10.0, 5.0))
        return deviance(data, np.array([intercept, slope, upper]), max(sigma, 1e-4))

    best = min(minimize(held, at, method="Nelder-Mead", options=options).fun for at in starts)
    assert best - fit.objective == pytest.approx(CUTOFF, abs=1e-3)


@pytest.mark.parametrize("seed", [1010, 1089])
def test_sigma_has_the_lower_limit_zero_where_the_model_fits_without_residuals(seed: int) -> None:
    data = table(seed)
    fit = mm.lmer(FORMULA, data, reml=False)
    limits = fit.confint(parameters="sigma")
    assert limits["lower"].iloc[0] == 0.0
    assert limits["upper"].iloc[0] > fit.sigma
    starts = [np.log([a, b, c]) for a in (0.1, 1.0) for b in (0.1, 1.0) for c in (0.1, 1.0)]
    without = min(
        minimize(
            lambda p: deviance(data, np.exp(np.clip(p, -6.0, 5.0)), 1e-4), at, method="Nelder-Mead"
        ).fun
        for at in starts
    )
    assert without - fit.objective < CUTOFF
    profile = fit.profile(parameters="sigma")
    assert profile.confint().loc["sigma", "lower"] == 0.0
    assert "level" in profile.notes["sigma"]


def test_sigma_of_an_ordinary_model_has_a_lower_limit_above_zero() -> None:
    data = table(3)
    fit = mm.lmer("y ~ x + (1 | g)", data, reml=False)
    limits = fit.confint(parameters="sigma")
    assert 0.3 * fit.sigma < limits["lower"].iloc[0] < fit.sigma


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
def test_coordinates_far_out_are_infinite_without_a_warning(unit: float) -> None:
    place = Coordinate("sd", unit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for w in (0.5, 600.0, 900.0):
            assert place.held(w) > 0.0
            assert place.stretch(w) > 0.0
    assert place.held(0.5) == pytest.approx(unit * np.sinh(0.5), rel=1e-15)
