"""Degrees of freedom of intervals for rows with random effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from kinds_of_fits import CASES, fit_case

from mixedmodels import LinearMixedFit, lmer, load_dataset
from mixedmodels.inference.information import variance_information
from mixedmodels.prediction.intervals import Wanted, conditional_intervals
from mixedmodels.prediction.target import training_target


def quantiles(table: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = ((table["upper"] - table["prediction"]) / table["std_error"]).to_numpy()
    return np.asarray(found, dtype=np.float64)


def of_theta(fit: LinearMixedFit) -> np.ndarray[Any, np.dtype[np.float64]]:
    return fit._fitted.once(variance_information).vcov


@pytest.mark.parametrize("kind", ["confidence", "prediction"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "no fixed part"])
def test_without_random_effects_they_are_those_of_a_test(name: str, kind: Any) -> None:
    fit = fit_case(name)
    target = training_target(fit._design, fit._fitted.model.templates, {})
    found = conditional_intervals(
        fit._fitted, target, Wanted(kind), "satterthwaite", lambda: of_theta(fit)
    )
    pd.testing.assert_frame_equal(found, fit.predict_interval(kind=kind, random="none"), rtol=1e-7)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("kind", ["confidence", "prediction"])
def test_a_new_level_by_hand(kind: Any, reml: bool) -> None:
    """A balanced layout: tau^2 (1 + 1/6) + sigma^2 / 30, and sigma^2 more for an observation."""
    fit = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff"), reml=reml)
    theta = fit.theta[0]
    relative = theta**2 * 7 / 6 + 1 / 30 + (kind == "prediction")
    slopes = np.array([2 * theta * 7 / 6 / relative, 2.0])
    df = 2.0 / (slopes @ of_theta(fit) @ slopes)
    table = fit.predict_interval({"Batch": ["new"]}, kind, allow_new_levels=True)
    assert table["std_error"].iloc[0] == pytest.approx(fit.sigma * np.sqrt(relative))
    assert quantiles(table)[0] == pytest.approx(scipy.stats.t.ppf(0.975, df), rel=1e-6)
    assert df < 20


@pytest.mark.parametrize("name", CASES)
def test_between_few_and_the_normal(name: str) -> None:
    fit = fit_case(name)
    for kind in ("confidence", "prediction"):
        normal, residual, matched, other = (
            quantiles(fit.predict_interval(kind=kind, ddf=ddf))  # type: ignore[arg-type]
            for ddf in ("none", "residual", "satterthwaite", "kenward-roger")
        )
        np.testing.assert_allclose(normal, scipy.stats.norm.ppf(0.975))
        df = fit.nobs - fit.solution.p
        np.testing.assert_allclose(residual, scipy.stats.t.ppf(0.975, df))
        assert (matched > normal).all()
        assert (matched < 4.4).all()
        np.testing.assert_array_equal(matched, other)


def test_a_variance_at_zero_leaves_the_residual() -> None:
    fit = fit_case("singular")
    found = quantiles(fit.predict_interval())
    np.testing.assert_allclose(found, scipy.stats.t.ppf(0.975, fit.nobs - 1), rtol=1e-9)


def test_missing_values_are_missing() -> None:
    fit = fit_case("slopes")
    new = {"Days": [1.0, np.nan, 2.0], "Subject": ["308", "308", None]}
    found = fit.predict_interval(new)
    assert found.isna().all(axis=1).tolist() == [False, True, True]


def test_intervals_of_the_largest_responses_are_those_of_small_ones() -> None:
    rng = np.random.default_rng(3)
    group, x = np.repeat(np.arange(12), 20), rng.standard_normal(240)
    y = 10.0 * rng.standard_normal(12)[group] * x + rng.standard_normal(240)
    rows = pd.DataFrame({"group": [3, 77], "x": [1e9, -1e9]})
    small, large = (
        lmer("y ~ x + (0 + x | group)", pd.DataFrame({"y": unit * y, "x": x, "group": group}))
        for unit in (1.0, 1e149)
    )
    for kind in ("confidence", "prediction"):
        found, expected = (
            fit.predict_interval(rows, kind=kind, allow_new_levels=True) for fit in (large, small)
        )
        np.testing.assert_allclose(found / 1e149, expected, rtol=1e-5)
