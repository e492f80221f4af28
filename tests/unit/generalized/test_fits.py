"""Generalized fits: forms of responses, what a fit gives, and what it refuses."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from scipy.optimize import minimize

import mixedmodels as mm

CBPP = mm.load_dataset("cbpp")
FORMULA = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def fit() -> mm.GeneralizedLinearMixedFit:
    return mm.glmer(FORMULA, CBPP)


def long_form() -> pd.DataFrame:
    """One row for each animal."""
    rows = [
        (row.herd, row.period, int(i < row.incidence))
        for row in CBPP.itertuples()
        for i in range(int(row.size))
    ]
    data = pd.DataFrame(rows, columns=["herd", "period", "ill"])
    data["period"] = data["period"].astype(CBPP["period"].dtype)
    return data.assign(truth=data["ill"] == 1, word=data["ill"].map({0: "no", 1: "yes"}))


def test_forms_of_a_binomial_response(fit: mm.GeneralizedLinearMixedFit) -> None:
    share = mm.glmer("incidence / size ~ period + (1 | herd)", CBPP, weights="size")
    assert share.objective == pytest.approx(fit.objective, abs=1e-9)
    animals = long_form()
    found = [mm.glmer(f"{y} ~ period + (1 | herd)", animals) for y in ("ill", "truth", "word")]
    for one in found:
        np.testing.assert_allclose(one.theta, fit.theta, rtol=1e-5)
        np.testing.assert_allclose(one.beta, fit.beta, rtol=1e-5)
        np.testing.assert_allclose(one.stderror, fit.stderror, rtol=1e-5)


def test_optimum_is_that_of_a_search_without_derivatives(
    fit: mm.GeneralizedLinearMixedFit,
) -> None:
    model = fit.model
    found = minimize(
        lambda par: model.objective(par[:1], par[1:]),
        np.append(fit.theta, fit.beta) + 0.05,
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-10, "maxfev": 5000},
    )
    assert fit.objective <= found.fun + 1e-8
    np.testing.assert_allclose(np.append(fit.theta, fit.beta), found.x, atol=2e-5)


def test_numbers_of_the_fit(fit: mm.GeneralizedLinearMixedFit) -> None:
    assert fit.npar == 5
    assert fit.aic == pytest.approx(194.0526, abs=1e-4)
    assert fit.bic == pytest.approx(204.1793, abs=1e-4)
    assert fit.dispersion is None
    assert fit.sigma == 1.0
    table = fit.coef_table()
    assert table["statistic"].iloc[0] == pytest.approx(-6.016, abs=1e-3)
    assert len(fit.varcorr.to_frame()) == 1
    gradient = fit.model.gradient(fit.theta, fit.beta)
    assert np.abs(gradient).max() < 1e-4
    conditional = np.sqrt(np.diag(fit.vcov_conditional))
    np.testing.assert_allclose(conditional, [0.227891, 0.305386, 0.326049, 0.428795], rtol=1e-5)


def test_prints(fit: mm.GeneralizedLinearMixedFit) -> None:
    text = str(fit.summary())
    assert "Family: binomial (logit)" in text
    assert "z value" in text
    assert "Residual" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "binomial (logit)" in repr(fit)


def test_means_and_residuals(fit: mm.GeneralizedLinearMixedFit) -> None:
    eta, mu = fit.predict(type="link"), fit.fitted
    np.testing.assert_allclose(mu, 1 / (1 + np.exp(-eta)))
    np.testing.assert_allclose(fit.predict(), mu)
    y = CBPP["incidence"] / CBPP["size"]
    response = fit.std_residuals("response")
    np.testing.assert_allclose(response, y - mu)
    pearson = fit.std_residuals("pearson")
    np.testing.assert_allclose(pearson, (y - mu) / np.sqrt(mu * (1 - mu) / CBPP["size"]))
    np.testing.assert_allclose(fit.std_residuals("working"), (y - mu) / (mu * (1 - mu)))
    assert (np.sign(fit.residuals) == np.sign(response)).all()
    uniform = fit.std_residuals("quantile", seed=1)
    assert uniform.between(0, 1).all()
    new = {"period": ["1", "4"], "herd": ["1", "999"]}
    with pytest.raises(mm.DataError, match="999"):
        fit.predict(new)
    population = fit.predict(new, random="none", type="link")
    np.testing.assert_allclose(population, [fit.beta[0], fit.beta[0] + fit.beta[3]])


def test_draws_and_refits(fit: mm.GeneralizedLinearMixedFit) -> None:
    drawn = fit.simulate(3, seed=2)
    assert (drawn.to_numpy() <= CBPP["size"].to_numpy()[:, None]).all()
    pd.testing.assert_frame_equal(drawn, fit.simulate(3, seed=2))
    again = fit.refit(drawn[0])
    other = CBPP.assign(incidence=drawn[0])
    assert again.objective == pytest.approx(mm.glmer(FORMULA, other).objective, abs=1e-8)
    with pytest.raises(mm.DataError, match="are not shares"):
        fit.refit(CBPP["size"] + 1)


def test_tables_of_terms_give_walds_chi_square(fit: mm.GeneralizedLinearMixedFit) -> None:
    table, beta = fit.anova(), fit.beta[1:]
    chi_square = beta @ np.linalg.solve(fit.vcov.to_numpy()[1:, 1:], beta)
    assert table.loc["period", "sum_sq"] == pytest.approx(chi_square, rel=1e-10)
    p_value = scipy.stats.chi2.sf(chi_square, 3)
    assert table.loc["period", "p_value"] == pytest.approx(p_value, rel=1e-8)
    assert "chi-square with num_df degrees of freedom" in str(table)
    sleep = mm.lmer("Reaction ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy"))
    assert "chi-square" not in str(sleep.anova(ddf="none"))


def test_comparisons(fit: mm.GeneralizedLinearMixedFit) -> None:
    small = fit.update(". ~ . - period")
    ratio = mm.anova(small, fit)["statistic"].iloc[1]
    assert ratio == pytest.approx(small.objective - fit.objective, abs=1e-9)
    assert fit.drop1()["statistic"]["period"] == pytest.approx(ratio, abs=1e-6)
    regression = fit.ranova()["statistic"].iloc[1]
    assert regression == pytest.approx(14.006, abs=1e-3)
    sleep = mm.load_dataset("sleepstudy")
    linear = mm.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    rounded = sleep.assign(Reaction=sleep["Reaction"].round())
    counts = mm.glmer("Reaction ~ Days + (1 | Subject)", rounded, "poisson")
    whole = mm.lmer("Reaction ~ Days + (1 | Subject)", rounded)
    with pytest.raises(mm.MixedModelsError, match="different responses"):
        mm.anova(linear, counts)
    with pytest.raises(mm.MixedModelsError, match="do not compare"):
        mm.anova(whole, counts)


def test_marginal_means_on_both_scales(fit: mm.GeneralizedLinearMixedFit) -> None:
    link = fit.emmeans("period").to_frame()["estimate"]
    response = fit.emmeans("period", type="response").to_frame()["estimate"]
    np.testing.assert_allclose(response, 1 / (1 + np.exp(-link)))


def test_pickles(fit: mm.GeneralizedLinearMixedFit) -> None:
    again = pickle.loads(pickle.dumps(fit))
    assert str(again) == str(fit)
    assert again.objective == pytest.approx(fit.objective, abs=1e-9)


def poisson_data(seed: int, spread: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 10), "x": rng.normal(size=200)})
    mean = np.exp(0.5 + 0.4 * data["x"] + spread * rng.normal(size=20)[data["g"]])
    return data.assign(y=rng.poisson(mean), t=rng.uniform(1, 3, 200))


def test_offsets_in_both_places() -> None:
    data = poisson_data(1, 0.5)
    inside = mm.glmer("y ~ x + offset(log(t)) + (1 | g)", data, "poisson")
    beside = mm.glmer("y ~ x + (1 | g)", data, "poisson", offset="log(t)")
    assert inside.objective == pytest.approx(beside.objective, abs=1e-9)
    eta = inside.predict(data, type="link")
    np.testing.assert_allclose(eta, inside.predict(type="link"), rtol=1e-10)


def test_exposures_in_the_place_of_their_logarithms() -> None:
    data = poisson_data(1, 0.5).assign(e=np.arange(200.0) + 50.0)
    for formula, options in (
        ("y ~ x + (1 | g)", {"offset": "e"}),
        ("y ~ x + offset(e) + (1 | g)", {}),
    ):
        with pytest.raises(mm.DataError, match=r"offset\(log\(exposure\)\)"):
            mm.glmer(formula, data, "poisson", **options)


def test_a_variance_of_zero_ends_at_zero() -> None:
    data = poisson_data(4, 0.0).assign(g=np.tile(np.arange(20), 10))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fits = [
            mm.glmer(
                "y ~ x + (1 | g)",
                data.assign(y=np.random.default_rng(s).poisson(2, 200)),
                "poisson",
            )
            for s in range(6)
        ]
    at_zero = [fit for fit in fits if fit.theta[0] == 0.0]
    assert at_zero
    assert all(fit.converged for fit in fits)
    assert any(issubclass(w.category, mm.SingularFitWarning) for w in caught)
    for fit in at_zero:
        near = fit.model.objective([1e-2], fit.beta)
        assert fit.objective <= near


def test_counts_without_overdispersion() -> None:
    data = poisson_data(2, 0.5)
    poisson = mm.glmer("y ~ x + (1 | g)", data, "poisson")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        negative = mm.glmer("y ~ x + (1 | g)", data, "negative_binomial")
    assert negative.objective <= poisson.objective + 1e-6
    assert negative.npar == poisson.npar + 1


def test_separation_is_named() -> None:
    data = poisson_data(3, 0.5)
    data = data.assign(y=(data["y"] > 1).astype(int), cell=(data["g"] < 4).map(str))
    data.loc[data["g"] < 4, "y"] = 1
    with pytest.warns(mm.ConvergenceWarning, match="Separation: .*Where cell is True"):
        found = mm.glmer("y ~ cell + (1 | g)", data)
    assert np.isfinite(found.objective)


def test_large_counts_keep_their_digits() -> None:
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(12), 8)
    y = rng.poisson(np.exp(13.8 + 0.3 * rng.normal(size=12)[g]))
    found = mm.glmer("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": g}), "poisson")
    assert found.converged
    assert found.optsum.n_objective <= 20
    assert np.abs(found.fitted / y - 1).max() < 0.02


def test_an_effect_for_each_row() -> None:
    found = mm.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd) + (1 | herd:period)", CBPP
    )
    assert found.objective == pytest.approx(174.638311, abs=1e-5)


@pytest.mark.parametrize("n_agq", [-1, 2.5, True, "9", 101])
def test_numbers_of_nodes(n_agq: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="n_agq"):
        mm.glmer(FORMULA, CBPP, n_agq=n_agq)


def test_quadrature_is_for_one_factor_and_few_effects() -> None:
    with pytest.raises(mm.ModelError, match="one grouping factor"):
        mm.glmer("incidence ~ 1 + (1 | herd) + (1 | period)", CBPP, "poisson", n_agq=5)
    data = poisson_data(1, 0.5).assign(z=1.0, w=2.0)
    data["z"], data["w"] = np.random.default_rng(1).normal(size=(2, 200))
    with pytest.raises(mm.ModelError, match="at most 3 random effects"):
        mm.glmer("y ~ x + (1 + x + z + w | g)", data, "poisson", n_agq=3)


@pytest.mark.parametrize("n_agq", [3, 5, 9])
def test_gradient_of_quadrature_with_slopes(n_agq: int) -> None:
    data = poisson_data(5, 0.5)
    slope = 0.5 * np.random.default_rng(8).normal(size=20)[data["g"]]
    data["y"] = np.random.default_rng(9).poisson(np.exp(0.4 + (0.4 + slope) * data["x"] + slope))
    data["y"] += (data["g"] % 3) * np.random.default_rng(7).poisson(1.0, len(data))
    model = mm.GeneralizedLinearMixedModel("y ~ x + (x | g)", data, "poisson", n_agq=n_agq)
    at = np.array([0.5, 0.1, 0.3, 0.4, 0.35])
    gradient, h = model.gradient(at[:3], at[3:]), 1e-4
    for j, e in enumerate(h * np.eye(5)):
        up, down = (model.objective((at + s * e)[:3], (at + s * e)[3:]) for s in (1, -1))
        more, less = (model.objective((at + s * e)[:3], (at + s * e)[3:]) for s in (2, -2))
        difference = (8 * (up - down) - (more - less)) / (12 * h)
        assert gradient[j] == pytest.approx(difference, rel=1e-7, abs=1e-6)
    found = model.fit()
    assert found.converged
    assert found.optsum.n_objective <= 15


@pytest.mark.parametrize(
    ("theta", "beta", "dispersion", "says"),
    [
        ([0.5, 1.0], [0.1] * 4, None, "parameters"),
        ([0.5], [0.1] * 3, None, "parameters"),
        ([np.nan], [0.1] * 4, None, "finite"),
        ([0.5], [0.1] * 4, 2.0, "has none"),
    ],
)
def test_parameters_that_cannot_be(
    fit: mm.GeneralizedLinearMixedFit, theta: Any, beta: Any, dispersion: Any, says: str
) -> None:
    with pytest.raises(mm.MixedModelsError, match=says):
        fit.model.objective(theta, beta, dispersion)
