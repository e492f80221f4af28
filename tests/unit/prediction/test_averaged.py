"""Uncertainty of theta: the draws against quadrature, the intervals against simple models."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import CASES, fit_case
from scipy import integrate, stats

from mixedmodels import lmer, load_dataset
from mixedmodels.prediction.averaged import _quantile, _t_below
from mixedmodels.prediction.prior import Coordinates, Prior
from mixedmodels.prediction.theta_draws import posterior_draws


@pytest.mark.parametrize("name", ["slopes", "zero correlation", "nested"])
def test_gradient_of_the_prior(name: str) -> None:
    fit = fit_case(name)
    model = fit._fitted.model
    coordinates = Coordinates(model.templates, model.axes.unit)
    prior = Prior(model.templates, model.products, coordinates)
    eta = np.random.default_rng(3).normal(size=model.templates.m)
    for j in range(len(eta)):
        h = 1e-5 * np.eye(len(eta))[j]
        difference = (prior.value(eta + h) - prior.value(eta - h)) / 2e-5
        # A central difference with step 1e-5 in double precision.
        assert prior.gradient(eta)[j] == pytest.approx(difference, abs=1e-8)
    np.testing.assert_allclose(coordinates.eta(coordinates.theta(eta)), eta, rtol=1e-12)


@pytest.mark.parametrize("size", [10.0, 25.0, 100.0, 600.0])
@pytest.mark.parametrize("name", ["slopes", "zero correlation", "nested"])
def test_the_prior_far_away(name: str, size: float) -> None:
    """Covariances that are much larger than V, or of very different sizes in two directions."""
    fit = fit_case(name)
    model = fit._fitted.model
    prior = Prior(model.templates, model.products, Coordinates(model.templates, model.axes.unit))
    rng = np.random.default_rng(3)
    for _ in range(20):
        eta = size * rng.uniform(-1.0, 1.0, model.templates.m)
        assert np.isfinite(prior.value(eta))
        assert np.isfinite(prior.gradient(eta)).all()


@pytest.mark.parametrize("name", ["one term", "singular"])
def test_draws_against_quadrature(name: str) -> None:
    fit = fit_case(name)
    model = fit._fitted.model
    draws = posterior_draws(fit._fitted, model.own_criterion(reml=True), rows=1)

    def density(theta: float) -> float:
        # Five rows in each batch: V is 1/5; the prior of the variance ratio 1 / (theta^2 + 1/5).
        likelihood = np.exp(-0.5 * (fit.model._by(reml=True).objective([theta]) - fit.objective))
        return float(likelihood * theta / (theta**2 + 0.2))

    total, first, small = (
        integrate.quad(lambda x, f=f: f(x) * density(x), 0, 40, points=[0.5, 2.0], limit=200)[0]
        for f in (lambda _: 1.0, lambda x: x, lambda x: float(x < 0.5))
    )
    # 400 evenly spread draws; the indicator is not smooth.
    assert draws.weight @ draws.theta[:, 0] == pytest.approx(first / total, rel=0.01)
    assert draws.weight[draws.theta[:, 0] < 0.5].sum() == pytest.approx(small / total, abs=0.01)


@pytest.mark.parametrize("name", CASES)
def test_draws_are_worth_something_and_repeat(name: str) -> None:
    fit = fit_case(name)
    model = fit._fitted.model
    one, two = (
        posterior_draws(fit._fitted, model.own_criterion(reml=True), rows=9) for _ in range(2)
    )
    assert one.effective > 100
    np.testing.assert_array_equal(one.theta, two.theta)
    np.testing.assert_array_equal(one.weight, two.weight)


@pytest.mark.parametrize("name", CASES)
def test_full_intervals_are_no_narrower_on_the_whole(name: str) -> None:
    fit = fit_case(name)
    # One of each kind is enough where the same code goes over rows of the same number.
    for interval in ("confidence", "prediction") if name == "crossed" else ("prediction",):
        given = fit.predict_interval(kind=interval)
        full = fit.predict_interval(kind=interval, uncertainty="full")
        np.testing.assert_array_equal(full["prediction"], given["prediction"])
        ratio = ((full["upper"] - full["lower"]) / (given["upper"] - given["lower"])).mean()
        assert 0.98 < ratio < 12
        assert (full["lower"] < full["upper"]).all()


def test_new_group_of_a_balanced_layout_has_the_t_interval() -> None:
    """Where the variance between is large, (mean of a new group - grand mean) / sqrt(MSB (1 + 1/J)
    / n) has a t distribution with J - 1 degrees of freedom."""
    rng = np.random.default_rng(2)
    batch = np.repeat(list("ABCDEF"), 5)
    y = np.repeat(rng.normal(scale=20.0, size=6), 5) + rng.normal(size=30)
    fit = lmer("y ~ 1 + (1 | Batch)", {"y": y, "Batch": batch})
    means = y.reshape(6, 5).mean(axis=1)
    table = fit.predict_interval(
        {"Batch": ["Z"]}, kind="confidence", uncertainty="full", allow_new_levels=True
    )
    half = stats.t.ppf(0.975, 5) * means.std(ddof=1) * np.sqrt(1 + 1 / 6)
    # The mean of a new batch has less spread than the mean of its five rows, by 1 in 500 here.
    assert table["upper"].iloc[0] - means.mean() == pytest.approx(half, rel=0.02)


def test_the_fit_is_untouched() -> None:
    fit = fit_case("slopes")
    before = fit.model.objective(fit.theta), fit.ranef_cov()["Subject"].copy()
    fit.predict_interval(kind="prediction", uncertainty="full")
    assert fit.model.objective(fit.theta) == before[0]
    np.testing.assert_array_equal(fit.ranef_cov()["Subject"], before[1])


def test_quantiles_of_a_mixture() -> None:
    means, scales = np.array([[0.0], [5.0]]), np.array([[1.0], [2.0]])
    weight = np.array([0.3, 0.7])
    for tail in (0.001, 0.025, 0.3, 0.975):
        at = _quantile(means, scales, weight, 7, tail)
        below = weight @ stats.t.cdf((at - means) / scales, 7)
        assert below[0] == pytest.approx(tail, rel=1e-6)


def test_t_distribution_of_many_degrees_of_freedom() -> None:
    t = np.linspace(-6, 6, 50)
    for df in (1000, 70_000):
        np.testing.assert_allclose(_t_below(df, t), stats.t.cdf(t, df), atol=1e-7)


@pytest.mark.parametrize("kind", ["confidence", "prediction"])
def test_limits_have_the_unit_of_the_response(kind: Literal["confidence", "prediction"]) -> None:
    data = load_dataset("dyestuff")
    plain = lmer("Yield ~ 1 + (1 | Batch)", data)
    large = lmer("Yield ~ 1 + (1 | Batch)", data.assign(Yield=1e151 * data["Yield"]))
    expected = plain.predict_interval(kind=kind, uncertainty="full")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = large.predict_interval(kind=kind, uncertainty="full")
    pd.testing.assert_frame_equal(found / 1e151, expected, rtol=1e-6)


@pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e300])
def test_observations_of_extreme_weights_have_limits(weight: float) -> None:
    data = load_dataset("sleepstudy").assign(w=1.0)
    fit = lmer("Reaction ~ Days + (1 | Subject)", data, weights="w")
    new = data.head(3).assign(w=[1.0, weight, 1.0])
    table = fit.predict_interval(new, kind="prediction")
    assert not table.isna().any().any()
    assert np.isfinite(table.iloc[[0, 2]]).all().all()
