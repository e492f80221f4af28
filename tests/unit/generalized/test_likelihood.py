"""Profiles, intervals by them, and the bootstrap of generalized fits."""

from __future__ import annotations

import signal
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generalized_fits import CASES, fit_case
from scipy import optimize, stats

import mixedmodels as mm

CHI2 = float(stats.chi2.ppf(0.95, 1))


@pytest.fixture(params=CASES)
def fit(request: pytest.FixtureRequest) -> Any:
    return fit_case(request.param)


def least(fit: Any, place: int, value: float) -> float:
    """The criterion minimised over all but one of (theta, beta, log of the family's own)."""
    m, p = len(fit.theta), fit.solution.p
    own = [] if fit.dispersion is None else [np.log(fit.dispersion)]
    start = np.concatenate([fit.theta, fit.beta[fit.solution.kept], own])
    free = np.arange(len(start)) != place

    def both(x: Any) -> tuple[float, Any]:
        at = start.copy()
        at[free], at[place] = x, value
        parts = (at[:m], at[m : m + p], *np.exp(at[m + p :]))
        return fit.model.objective(*parts), fit.model.gradient(*parts)[free]

    if not free.any():
        return float(fit.model.objective([value], []))
    options = {"gtol": 1e-5}
    # At a theta of zero the gradient vanishes, minimum or not.
    away = np.where((start == 0.0) & (np.arange(len(start)) < m), 0.2, start)
    found = [
        optimize.minimize(both, begin[free], jac=True, method="BFGS", options=options).fun
        for begin in (start, away)
    ]
    return float(min(found))


@pytest.mark.filterwarnings("ignore")
def test_limits_meet_the_deviance(fit: Any) -> None:
    """For parameters that are entries of theta or coefficients."""
    table = fit.confint()
    m = len(fit.theta)
    own = [] if fit.dispersion is None else [fit.family.parameter]
    single = [f"sd({name})" for name in fit.theta_names]  # independent effects
    places = {name: i for i, name in enumerate(single) if name in table.index}
    if any("cor(" in name for name in table.index):
        places = {}
    names = [fit.model.design.x_names[j] for j in fit.solution.kept]
    places |= {name: m + j for j, name in enumerate(names)}
    places |= {name: m + len(names) for name in own}
    for name, place in places.items():
        for limit in table.loc[name]:
            if limit == 0.0:
                assert least(fit, place, 0.0) <= fit.objective + CHI2 + 1e-6
                continue
            at = np.log(limit) if name in own else limit
            assert least(fit, place, at) == pytest.approx(fit.objective + CHI2, abs=2e-5), name


def test_limits_are_near_those_of_lme4() -> None:
    """Its curves are interpolated between few points."""
    expected = [[0.34609, 1.09988], [-1.90116, -0.94779], [-1.61668, -0.40784]]
    expected += [[-1.80092, -0.51161], [-2.50060, -0.80083]]
    np.testing.assert_allclose(fit_case("trials").confint(), expected, atol=2e-4)


@pytest.fixture(scope="module")
def slopes() -> Any:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(40), 12)
    x = rng.uniform(-1, 1, len(g))
    b = rng.normal(size=(40, 2)) @ np.array([[0.6, 0.3], [0.0, 0.4]])
    y = rng.poisson(np.exp(0.5 + b[g, 0] + (0.4 + b[g, 1]) * x))
    return mm.glmer("y ~ x + (x | g)", pd.DataFrame({"y": y, "x": x, "g": g}), "poisson")


def test_limits_of_a_correlation_and_of_both_standard_deviations(slopes: Any) -> None:
    """The criterion on a fine grid of the parameter, by a search over the others."""

    def value(at: Any, held: str, limit: float) -> float:
        sd0, sd1, angle = np.exp(at[0]), np.exp(at[1]), at[2]
        cor = np.sin(angle)
        if held == "sd(g.(Intercept))":
            sd0 = limit
        elif held == "sd(g.x)":
            sd1 = limit
        else:
            cor = limit
        theta = [sd0, sd1 * cor, sd1 * np.sqrt(1 - cor**2)]
        return slopes.model.objective(theta, at[3:])

    table = slopes.confint("theta_")
    sd, cor = slopes.varcorr.sd, slopes.varcorr.corr["g"].iloc[0, 1]
    start = np.array([*np.log(sd), np.arcsin(cor), *slopes.beta])
    for name in table.index:
        for limit in table.loc[name]:
            found = optimize.minimize(
                value, start, (name, limit), method="BFGS", options={"gtol": 1e-4}
            )
            assert found.fun == pytest.approx(slopes.objective + CHI2, abs=1e-4), name


def test_profiles_draw_and_print(slopes: Any) -> None:
    profile = slopes.profile()
    assert profile.parameters == (
        *("sd(g.(Intercept))", "cor(g.(Intercept).x)", "sd(g.x)", "(Intercept)", "x"),
    )
    for name in profile.parameters:
        estimate = profile.estimates[name]
        assert float(profile.zeta(name, estimate)) == pytest.approx(0.0, abs=1e-6)
    profile.plot()
    profile.plot_density()
    profile.plot_pairs(["sd(g.x)", "x"])
    pd.testing.assert_frame_equal(profile.confint(), slopes.confint(), check_exact=False, rtol=1e-5)
    own = fit_case("negative binomial").profile("k")
    assert list(own.to_frame().columns[:4]) == ["parameter", "zeta", "sd(g.(Intercept))", "k"]


def test_wald_limits_are_those_of_coefficients() -> None:
    fit = fit_case("trials")
    table = fit.confint("beta_", method="wald")
    quantile = stats.norm.ppf(0.975)
    np.testing.assert_allclose(table["lower"], fit.beta - quantile * fit.stderror)
    assert fit.confint(method="wald").iloc[0].isna().all()


# -- bootstrap ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_replicates_are_the_fits_to_the_responses_drawn(fit: Any) -> None:
    sample = fit.bootstrap(6, seed=3, threads=1)
    drawn = fit.simulate(6, seed=3)
    for i in range(6):
        again = fit.refit(drawn[i])
        objective = sample.objective[i]
        assert objective == pytest.approx(again.objective, abs=1e-6)
        assert (
            objective
            <= fit.model._model.with_response(again.model.design.y)
            .criterion()
            .value(again.solution.par)
            + 1e-6
        )
    pd.testing.assert_frame_equal(
        sample.replicates, fit.bootstrap(6, seed=3, threads=2).replicates, check_exact=True
    )
    names = list(sample.replicates.columns)
    assert names[: len(fit.theta)] == [n for n in names if n.startswith(("sd(", "cor("))]
    assert ([] if fit.dispersion is None else [fit.family.parameter]) == names[
        len(fit.theta) : len(names) - fit.solution.p
    ]


def test_failures_and_singular_fits_are_counted() -> None:
    sample = fit_case("trials").bootstrap(200, seed=1)
    assert sample.n_failed == 0
    assert 0 < sample.n_singular < 50
    assert sample.confint().shape == (5, 2)
    assert "parametric" in str(sample).lower()


def test_intervals_by_bootstrap() -> None:
    fit = fit_case("trials")
    table = fit.confint(method="bootstrap", nsim=100, seed=1)
    pd.testing.assert_frame_equal(table, fit.bootstrap(100, seed=1).confint())


def test_a_statistic_of_replicates() -> None:
    fit = fit_case("shares, probit")
    sample = fit.bootstrap(5, seed=2, statistic=lambda one: one.fixef)
    whole = fit.bootstrap(5, seed=2).replicates[list(fit.fixef.index)]
    np.testing.assert_allclose(sample.replicates, whole, atol=1e-4)
    kept = fit.bootstrap(50, seed=2, modes="kept").std_error
    assert (kept["(Intercept)"] < fit.bootstrap(50, seed=2).std_error["(Intercept)"]).all()


def test_residuals_are_not_resampled() -> None:
    with pytest.raises(mm.ModelError, match="kind='residual'"):
        fit_case("trials").bootstrap(3, kind="residual")


def test_an_interrupt_is_noticed_within_a_second() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": rng.integers(0, 300, 20_000), "x": rng.normal(size=20_000)})
    data["y"] = rng.poisson(np.exp(0.3 * data["x"]))
    fit = mm.glmer("y ~ x + (1 | g)", data, "poisson")

    def stop(*_: Any) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    began = time.perf_counter()
    try:
        with pytest.raises(InterruptedError):
            fit.bootstrap(20_000, seed=1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - began < 5.0  # of a busy machine


def test_names_that_there_are_not() -> None:
    with pytest.raises(mm.MixedModelsError, match="no parameter 'sigma'"):
        fit_case("trials").profile("sigma")


@pytest.mark.filterwarnings("ignore")
def test_a_profile_ends_where_the_likelihood_is_unbounded() -> None:
    """One row per level and a dispersion by level: rows can be fitted exactly."""
    n, rng = 40, np.random.default_rng(3)
    data = {"g": np.arange(n), "h": np.arange(n) % 8, "x": rng.normal(size=n)}
    y = np.clip(rng.beta(2, 2, n), 0.01, 0.99)
    fit = mm.glmer("y ~ x + (1 | g)", data | {"y": y}, "beta", dispersion="~ factor(h)")
    began, name = time.process_time(), "dispersion.factor(h)1"
    profile = fit.profile()
    low, high = profile.confint().loc[name]
    assert time.process_time() - began < 10.0  # seconds; a sixth of it on an idle machine
    assert "unbounded" in profile.notes[name]
    assert not low >= profile.estimates[name]
    assert not high <= profile.estimates[name]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", range(6))
def test_limits_that_there_are_not_are_noted(number: int) -> None:
    """Few rows for each dispersion, by rounding fitted exactly already where a curve begins."""
    rng = np.random.default_rng(number)
    g, h, x = np.arange(14), np.arange(14) % 4, rng.normal(size=14)
    y, family, link = (
        (np.clip(rng.beta(2, 2, 14), 0.01, 0.99), "beta", "logit"),
        (rng.gamma(2.0, 0.5, 14), "gamma", "log"),
        (rng.poisson(2.0, 14).astype(float), "negative_binomial", "log"),
    )[number % 3]
    data = {"y": y, "g": g, "h": h, "x": x}
    fit = mm.glmer("y ~ x + (1 | g)", data, family, link=link, dispersion="~ factor(h)")
    profile = fit.profile("beta_" if number == 5 else None)
    limits = fit.confint(list(profile.parameters))
    for table in (profile.confint(), limits):
        notes = table.attrs["notes"]
        assert list(table.index) == list(profile.parameters)
        for name, (low, high) in table.iterrows():
            if not np.isfinite([low, high]).all():
                assert str(name) in notes[name]
                assert np.isnan(low) or low <= profile.estimates[name]
                assert np.isnan(high) or high >= profile.estimates[name]


@pytest.mark.filterwarnings("ignore")
def test_a_search_of_steps_below_the_last_digits_ends() -> None:
    """Slopes that overflow, nearly: the longest step allowed moves no variable."""
    rng = np.random.default_rng(4)
    n = int(rng.choice([12, 16, 24]))
    g, h = np.arange(n) // int(rng.choice([1, 2])), np.arange(n) % int(rng.choice([3, 4]))
    data = {"g": g, "h": h, "x": rng.normal(size=n), "y": rng.wald(1.0, 2.0, n)}
    options = {"link": "log", "dispersion": "~ factor(h)"}
    fit = mm.glmer("y ~ x + (1 | g)", data, "inverse_gaussian", **options)
    began = time.process_time()
    assert fit.profile().notes
    assert time.process_time() - began < 10.0
