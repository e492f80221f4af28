"""The roles of fits whose distribution has further parameters: dispersion, zeros, thresholds."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generalized_fits import HERDS, MORE, fit_case, with_zeros
from scipy import stats

import mixedmodels as mm
from mixedmodels.estimates.rows_left import part_of_rows


@pytest.fixture(params=MORE)
def fit(request: pytest.FixtureRequest) -> Any:
    return fit_case(request.param)


def test_parts_add_up_to_the_whole(fit: Any) -> None:
    group = fit.model.design.groups[0]
    rows = [np.flatnonzero(group.codes == level) for level in range(group.n_levels)]
    parts = [part_of_rows(fit._fitted, own) for own in rows]
    assert sum(part.value for part in parts) == pytest.approx(fit.objective, abs=1e-7)
    assert np.abs(sum(part.gradient for part in parts)).max() < 1e-3


def test_leverage_is_that_of_the_weighted_problem(fit: Any) -> None:
    design, of = fit.model.design, fit._fitted.distribution
    eta = fit.solution.eta
    w = of.slope(eta) ** 2 / of.variance(eta, np.ones(design.n))
    Z = np.eye(design.groups[0].n_levels)[design.groups[0].codes] * fit.theta[0]
    both = np.hstack([Z, design.X[:, fit.solution.kept]])
    if fit.family.ordered:
        both = np.hstack([both, -of.shares(eta)])
    penalty = np.diag(np.append(np.ones(Z.shape[1]), np.zeros(both.shape[1] - Z.shape[1])))
    hat = np.linalg.solve(both.T @ (w[:, None] * both) + penalty, both.T)
    np.testing.assert_allclose(
        fit.leverage(), w * np.einsum("ij,ji->i", both, hat), rtol=1e-5, atol=1e-9
    )
    assert fit.augment().shape[0] == fit.nobs


@pytest.mark.filterwarnings("ignore")
def test_replicates_are_fits(fit: Any) -> None:
    sample, drawn = fit.bootstrap(4, seed=2), fit.simulate(4, seed=2)
    for i in range(4):
        again = fit.refit(drawn[i])
        assert sample.objective[i] == pytest.approx(again.objective, abs=1e-5)
    names = list(sample.replicates.columns)
    np.testing.assert_array_equal(sample.estimates.index, names)


def test_limits_and_covariances(fit: Any, tmp_path: Path) -> None:
    table = fit.confint()
    assert table.notna().all().all()
    full = fit.vcov_full()
    own = [name for part in fit._fitted.model.components for name in part.parameters]
    assert len(full) == fit.npar
    assert len(own) == len(full) - len(fit.theta) - fit.solution.p
    p = fit.solution.p
    np.testing.assert_allclose(full.iloc[:p, :p], fit.vcov)
    wald = fit.confint("beta_", method="wald")
    assert np.abs(wald - table.loc[wald.index]).max().max() < 0.2
    fit.save(tmp_path / "fit.mm")
    pd.testing.assert_frame_equal(mm.load(tmp_path / "fit.mm").vcov_full(), full)


@pytest.mark.filterwarnings("ignore")
def test_deletions_and_robust_covariances(fit: Any) -> None:
    exact = fit.influence("g")
    step = fit.influence("g", "one-step")
    a, b = exact.dfbeta.to_numpy().ravel(), step.dfbeta.to_numpy().ravel()
    assert np.corrcoef(a, b)[0, 1] > 0.9
    ratio = fit.vcov_robust("g").stderror / fit.stderror
    assert ratio.between(0.3, 3).all()


def test_checks_reports_and_shares(fit: Any, tmp_path: Path) -> None:
    verdicts = fit.check(nsim=19, progress=False).to_frame()["verdict"]
    assert verdicts["Simulated residuals"] == "fine"
    fit.report(tmp_path / "page.html", checks=False)
    assert 0 < fit.r2()["marginal"] < fit.r2()["conditional"] < 1
    fit.plot_residuals()
    fit.plot_qq()
    table = fit.predict_interval(type="link", uncertainty="full")
    assert (table["std_error"] > 0).all()


def test_categories_have_no_mean_with_an_error() -> None:
    with pytest.raises(mm.MixedModelsError, match="type='link'"):
        fit_case("ordered").predict_interval()


def test_errors_of_means_with_zeros_are_by_the_delta_method() -> None:
    """Of the population by the covariance of all parameters, on the scale of the response."""
    data = with_zeros().assign(z=np.linspace(-1, 1, 240))
    fit = mm.glmer("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ z")
    names = ["(Intercept)", "x", "zero_inflation.(Intercept)", "zero_inflation.z"]
    covariance = fit.vcov_full().loc[names, names].to_numpy()
    new = pd.DataFrame({"x": [-1.0, 0.5, 3.0], "z": [0.9, 0.0, -0.7]})
    X = np.column_stack([np.ones(3), new["x"]])
    Z = np.column_stack([np.ones(3), new["z"]])
    mean = np.exp(X @ fit.beta)
    zero = 1.0 / (1.0 + np.exp(-(Z @ fit.solution.psi)))
    slopes = ((1.0 - zero) * mean)[:, None] * np.hstack([X, -zero[:, None] * Z])
    error = np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes))
    table = fit.predict_interval(new, random="none")
    np.testing.assert_allclose(table["prediction"], (1.0 - zero) * mean)
    np.testing.assert_allclose(table["prediction"], fit.predict(new, random="none"))
    np.testing.assert_allclose(table["std_error"], error, rtol=1e-8)
    factor = np.exp(stats.norm.ppf(0.975) * error / table["prediction"])
    np.testing.assert_allclose(table["upper"], table["prediction"] * factor)
    np.testing.assert_allclose(table["lower"], table["prediction"] / factor)
    # Averages over the random effects of a model with the log link are larger by one factor.
    average = fit.predict_interval(new, random="average")
    np.testing.assert_allclose(average["prediction"], fit.predict(new, random="average"))
    np.testing.assert_allclose(
        average["prediction"] / table["prediction"], np.exp(fit.theta[0] ** 2 / 2)
    )
    np.testing.assert_allclose(
        average["std_error"] / average["prediction"], error / table["prediction"], rtol=1e-6
    )
    wide = fit.predict_interval(new, random="average", uncertainty="full")["std_error"]
    np.testing.assert_allclose(wide, average["std_error"], rtol=0.1)
    link = fit.predict_interval(new, random="none", type="link")
    np.testing.assert_allclose(np.exp(link["prediction"]), mean)


def test_rows_of_the_fit_and_new_rows_have_the_same_errors() -> None:
    data = with_zeros().assign(z=np.linspace(-1, 1, 240))
    fit = mm.glmer("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ z")
    for options in ({}, {"uncertainty": "full"}, {"random": "none"}, {"kind": "prediction"}):
        own, again = fit.predict_interval(**options), fit.predict_interval(data, **options)
        pd.testing.assert_frame_equal(own, again, check_names=False)
        assert own.notna().all(axis=None)
        assert (own["lower"] <= own["upper"]).all()
    missing = data.iloc[:3].assign(z=[0.1, np.nan, 0.2])
    assert fit.predict_interval(missing).isna().all(axis=1).tolist() == [False, True, False]
    assert fit.predict_interval(missing, type="link").notna().all(axis=None)


def test_observations_vary_by_zeros_and_by_predictors_of_the_dispersion() -> None:
    for name in ("zeros of their own", "dispersion with a predictor"):
        fit = fit_case(name)
        table = fit.predict_interval(kind="prediction")
        drawn = fit.simulate(400, seed=1, modes="kept").to_numpy()
        inside = (drawn >= table[["lower"]].to_numpy()) & (drawn <= table[["upper"]].to_numpy())
        assert 0.94 < inside.mean() < 0.99
        ratio = table["std_error"].to_numpy() / drawn.std(axis=1)
        assert 0.95 < np.median(ratio) < 1.3


def test_a_covariance_of_the_fixed_effects_is_not_all_of_a_mean_with_zeros() -> None:
    fit = fit_case("zeros of their own")
    with pytest.raises(mm.MixedModelsError, match="zero inflation too"):
        fit.predict_interval(random="none", vcov=fit.vcov)
    table = fit.predict_interval(random="none", vcov=fit.vcov, type="link")
    assert (table["std_error"] > 0).all()


def test_zeros_that_there_are_not_leave_the_errors_as_they_are() -> None:
    """The coefficient of such zeros runs to a bound, and has no standard error."""
    data = pd.DataFrame(
        {"g": np.repeat(np.arange(12), 10), "x": np.tile(np.linspace(-1, 1, 10), 12)}
    )
    data["y"] = 1 + (data["g"] % 5) + np.round(data["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1")
        plain = mm.glmer("y ~ x + (1 | g)", data, "poisson")
        for options in ({}, {"random": "none"}, {"random": "average"}):
            found, there = fit.predict_interval(**options), plain.predict_interval(**options)
            np.testing.assert_allclose(found, there, rtol=1e-3)


@pytest.mark.parametrize("options", [{"reml": True}, {"n_agq": 0}])
def test_coefficients_that_are_not_searched(options: Any) -> None:
    fit = mm.glmer(HERDS, mm.load_dataset("cbpp"), **options)
    for call in (fit.vcov_robust, lambda: fit.influence("herd", "one-step")):
        with pytest.raises(mm.ModelError, match="maximum likelihood"):
            call()
    sample, drawn = fit.bootstrap(3, seed=1), fit.simulate(3, seed=1)
    assert sample.objective[0] == pytest.approx(fit.refit(drawn[0]).objective, abs=1e-5)
