"""Searches where the coefficients' pull is not foreseen: very large variances of binary data."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzz.generalized import Drawn, _table
from unit.generalized.hard_data import births, visits

import mixedmodels as mm
from mixedmodels.estimates.generalized_refits import GeneralizedRefitter
from mixedmodels.estimates.rows_left import fit_of_rows

BIRTHS = "y ~ x0 + x1 + x2 + x3 + x4 + x5 + (1 | community) + (1 | mother)"
VISITS = "y ~ drug * t + (1 | g)"


def fitted(formula: str, data: pd.DataFrame, **more: Any) -> mm.GeneralizedLinearMixedFit:
    """Without warnings: separation is suspected and communities may have no variance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.glmer(formula, data, **more)


def check(fit: mm.GeneralizedLinearMixedFit, start: Any, most: int) -> None:
    """A judged minimum, the same from beyond it, in few evaluations."""
    assert fit.converged
    assert fit.optsum.decrement < 1e-8
    assert fit.optsum.n_objective <= most
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = fit.model.fit(start=start)
    assert other.objective == pytest.approx(fit.objective, abs=1e-7)
    np.testing.assert_allclose(other.theta, fit.theta, rtol=1e-4, atol=1e-3)
    assert np.isfinite(fit.stderror).all()


@pytest.mark.parametrize(("seed", "largest"), [(0, 8.23), (1, 4.61), (2, 8.43), (3, 4.87)])
def test_one_factor(seed: int, largest: float) -> None:
    fit = fitted(VISITS, visits(seed))
    assert fit.theta[0] == pytest.approx(largest, abs=0.01)
    check(fit, [1.3 * fit.theta[0]], 25)


@pytest.mark.parametrize(
    ("seed", "largest"), [(0, 5.38), (3, 7.55), (4, 10.76), (5, 6.03), (6, 7.15), (7, 23.09)]
)
def test_nested_factors(seed: int, largest: float) -> None:
    fit = fitted(BIRTHS, births(seed))
    assert fit.theta[0] == pytest.approx(largest, abs=0.01)
    check(fit, np.append(1.2 * fit.theta[0], 2.0), 35)


def test_a_search_ends_where_a_decrease_would_be_in_the_last_digits() -> None:
    """Counts of 1e12 among small ones: the log-likelihood is a sum of numbers of 15 digits."""
    options = {"link": "log", "n_agq": 5, "zero_inflation": "~ log(z)"}
    drawn = Drawn(
        *("y ~ 1 + (x | a)", "negative_binomial", 200, (20, 2, 2), "large responses"),
        *(tuple(options.items()), (), 3697575768),
    )
    fit = fitted(drawn.formula, _table(drawn), family=drawn.family, **options)
    # Terms of the order of 1e15 are added, so that it is a multiple of 1/8 and off by several.
    assert fit.objective == pytest.approx(1085.6, abs=1.0)
    assert fit.optsum.n_objective < 1500


def test_a_second_search_leaves_a_local_optimum() -> None:
    """Where an effect of few rows has lost its variance the first search may end too low."""
    data = births(0, 4.0)
    formula = BIRTHS.replace("(1 | mother)", "(x4 | mother)")
    fit = fitted(formula, data)
    assert fit.converged
    largest = np.where(fit.model.lower_bounds == 0.0, 8.0, 0.0)
    for start in (largest, largest / 8.0):
        assert fit.objective < fitted(formula, data, start=start).objective + 1e-6
    first = fitted(formula, data, start=largest / 8.0)
    assert first.converged
    assert fit.objective < first.objective - 4.0


def two_optima() -> tuple[Any, Any, Any]:
    """Data of births, the best fit, and the fit that a search from equal variances ends in."""
    data = births(0, 4.0)
    formula = BIRTHS.replace("(1 | mother)", "(x4 | mother)")
    best = fitted(formula, data)
    local = fitted(formula, data, start=equal_variances(best))._generalized
    assert local.solution.objective > best.objective + 4.0
    return data, best, local


def equal_variances(fit: Any) -> Any:
    """(m,) theta of standard deviations of 1."""
    return np.where(fit.model.lower_bounds == 0.0, 1.0, 0.0)


def test_compiled_refits_make_the_second_search_too() -> None:
    data, best, local = two_optima()
    refits = GeneralizedRefitter(local.model, local.solution.par, local.optsum.control, 1)
    y = np.asarray(data["y"], dtype=np.float64)
    _, objective = refits(y[None, :])
    assert objective[0] == pytest.approx(best.objective, abs=1e-5)


def test_warm_searches_make_the_second_search_too() -> None:
    """Refits, and fits without rows, from parameters whose own search ends in the local optimum."""
    data, best, local = two_optima()
    model, criterion = local.model, local.model.criterion()
    theta = equal_variances(best)
    start = np.concatenate([theta, local.parameters[len(theta) :]])
    at = model.solution(criterion, criterion.from_user(start))
    before = dataclasses.replace(local, solution=at)
    every = np.arange(model.design.n)
    without_none = fit_of_rows(before, every, local.optsum.control)
    assert without_none is not None
    assert without_none.solution.objective == pytest.approx(best.objective, abs=1e-5)
    refit = type(best)(best.model, before).refit(data["y"])
    assert refit.objective == pytest.approx(best.objective, abs=1e-5)


def test_with_slopes_and_quadrature() -> None:
    data = visits(2)
    slopes = fitted("y ~ drug * t + (t | g)", data)
    assert slopes.converged
    gradient = slopes.model.gradient(slopes.theta, slopes.beta)
    assert np.abs(gradient).max() < 1e-2
    many = fitted(VISITS, data, n_agq=15)
    assert many.converged
    assert many.optsum.n_objective <= 60


@pytest.mark.parametrize("levels", [30, 400])
def test_crossed_factors_by_differences_and_updates(levels: int) -> None:
    rng = np.random.default_rng(levels)
    n = 6 * levels
    data = pd.DataFrame({"a": np.repeat(np.arange(2 * levels), 3), "x": rng.normal(size=n)})
    data["b"] = rng.integers(0, levels // 3, n)
    eta = data["x"] + 9 * rng.normal(size=2 * levels)[data["a"]]
    eta += 2 * rng.normal(size=levels)[data["b"]]
    data["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    fit = fitted("y ~ x + (1 | a) + (1 | b)", data)
    assert fit.converged
    assert np.abs(fit.model.gradient(fit.theta, fit.beta)).max() < 1e-3


def test_a_parameter_of_the_family_that_runs_away_ends_soon() -> None:
    """Counts without overdispersion beside a slope without variance: the criterion hardly falls."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 6), "x": rng.normal(size=120)})
    level = 0.6 * rng.normal(size=20)[data["g"]]
    data["y"] = rng.poisson(np.exp(0.5 + 0.4 * data["x"] + level))
    for options in ({}, {"n_agq": 0}, {"reml": True}, {"information": "expected"}):
        fit = fitted("y ~ x + (x | g)", data, family="negative_binomial", **options)
        assert fit.converged
        assert fit.optsum.n_objective <= 300
        if not options:
            poisson = fitted("y ~ x + (x | g)", data, family="poisson")
            assert fit.objective == pytest.approx(poisson.objective, abs=1e-5)


def test_a_search_that_ends_after_a_step_is_judged() -> None:
    """Laplace's approximation falls without bound where a mode of counts with zeros dissolves."""
    counts = "04400200008A0G000020000000NO0400000056043005053000"
    data = pd.DataFrame({"g": np.repeat(np.arange(25), 2), "x": np.tile([0, 1], 25)})
    data["y"] = [int(count, 36) for count in counts]
    with pytest.warns(mm.ConvergenceWarning, match="Not converged"):
        mm.glmer("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1")
