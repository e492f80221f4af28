"""Predictions far from the data, and where a link has no mean: numbers, or said to be none."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.families.counts import poisson_counts

N = 200
FAR = [1e3, 1e100, 1e300, -1e100]
KINDS: dict[str, dict[str, Any]] = {
    "poisson": {"family": "poisson"},
    "negative binomial": {"family": "negative_binomial"},
    "nb1": {"family": "nb1"},
    "truncated": {"family": "truncated_poisson"},
    "truncated negative binomial": {"family": "truncated_negative_binomial"},
    "logit": {"family": "binomial"},
    "probit": {"family": "binomial", "link": "probit"},
    "cloglog": {"family": "binomial", "link": "cloglog"},
    "gamma": {"family": "gamma", "link": "log"},
    "gamma, inverse": {"family": "gamma", "link": "inverse"},
    "inverse gaussian": {"family": "inverse_gaussian"},
    "beta": {"family": "beta"},
    "gaussian": {"family": "gaussian", "link": "sqrt"},
    "zeros": {"family": "poisson", "zero_inflation": "~ 1"},
}


@cache
def fitted(kind: str, spread: float = 0.4) -> mm.GeneralizedLinearMixedFit:
    rng = np.random.default_rng(4)
    g, x = np.arange(N) % 10, rng.normal(size=N)
    eta = 0.3 + 0.4 * x + spread * rng.normal(size=10)[g]
    family, mu = KINDS[kind]["family"], np.exp(eta)
    if KINDS[kind].get("link", "") in ("inverse", "sqrt") or family == "inverse_gaussian":
        eta = 3.0 + 0.3 * x + spread * rng.normal(size=10)[g]
        mu = {"gamma": 1 / eta, "gaussian": eta**2}.get(family, eta**-0.5)
    draws = {
        "poisson": lambda: rng.poisson(mu),
        "negative_binomial": lambda: rng.negative_binomial(2.0, 2.0 / (2.0 + mu)),
        "nb1": lambda: rng.negative_binomial(2.0, 2.0 / (2.0 + mu)),
        "truncated_poisson": lambda: np.maximum(rng.poisson(mu), 1),
        "truncated_negative_binomial": lambda: np.maximum(rng.negative_binomial(2, 0.4, N), 1),
        "binomial": lambda: (rng.random(N) < 1.0 / (1.0 + np.exp(-eta))).astype(int),
        "gamma": lambda: rng.gamma(10.0, mu / 10.0),
        "inverse_gaussian": lambda: rng.wald(mu, 400.0),
        "beta": lambda: rng.beta(2.0, 3.0, N),
        "gaussian": lambda: mu + rng.normal(size=N),
    }
    y = draws[family]()
    if kind == "zeros":
        y = y * (rng.random(N) < 0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.glmer("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": g}), **KINDS[kind])


@pytest.mark.parametrize("random", ["all", "none", "average"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_number_is_missing_without_a_word(kind: str, random: Any) -> None:
    fit = fitted(kind)
    for x in FAR:
        new = pd.DataFrame({"x": [x, 0.0], "g": [0, 3]})
        for scale in ("link", "response"):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                table = fit.predict_interval(new, random=random, type=scale)
            assert not [w for w in said if issubclass(w.category, RuntimeWarning)]
            assert said or not table.isna().to_numpy().any()
            known = table.dropna()
            assert (known["lower"] <= known["prediction"]).all()
            assert (known["prediction"] <= known["upper"]).all()


@pytest.mark.filterwarnings("ignore:.*no interval in double precision:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_observations_far_from_the_data(kind: str) -> None:
    fit = fitted(kind)
    slope = fit.fixef["x"]
    new = {"x": [0.0, 0.5, *(size / slope for size in (60.0, 200.0, -60.0)), *FAR]}
    table = fit.predict_interval(new, random="none", kind="prediction")
    assert table.iloc[:2].notna().to_numpy().all()
    known = table.dropna()
    assert (known["lower"] <= known["upper"]).all()


def test_counts_of_any_size() -> None:
    mean = np.repeat([0.0, 3.0, 1e12, 1e17, 1e200, -1.0, np.inf], 2000).reshape(7, 2000)
    drawn = poisson_counts(np.random.default_rng(1), mean)
    size = mean[1:5, 0]
    np.testing.assert_allclose(drawn[1:5].mean(axis=1), size, atol=4 * np.sqrt(size / 2000).max())
    np.testing.assert_allclose(drawn[1:4].std(axis=1), np.sqrt(size[:3]), rtol=0.06)
    assert (drawn[0] == 0.0).all()
    assert np.isnan(drawn[5:]).all()


def test_a_mean_that_is_one_to_all_digits_has_no_interval() -> None:
    with pytest.warns(
        UserWarning, match="1 of 2 rows have no interval .* row 0, counted from 0: .* its mean 1[.]"
    ):
        table = fitted("logit").predict_interval({"x": [1e100, 0.0]}, random="average")
    assert table["prediction"].iloc[0] == 1.0
    assert table.iloc[0, 1:].isna().all()
    assert table.iloc[1].notna().all()


def test_means_over_random_effects_by_links_of_one_sign() -> None:
    """Random effects far out have no mean by 1/mu^2; where they are few they do not count."""
    fit = fitted("inverse gaussian")
    sd = float(fit.theta[0])
    assert sd > 0.1
    found = fit.predict({"x": [0.0]}, random="average").iloc[0]
    eta = fit.fixef["(Intercept)"] + sd * np.random.default_rng(1).normal(size=400_000)
    assert found == pytest.approx(np.mean(eta[eta > 0.0] ** -0.5), rel=1e-3)
    with pytest.warns(UserWarning, match="have no mean over the random effects: by the link"):
        assert np.isnan(fit.predict({"x": [-1e3]}, random="average").iloc[0])


def test_limits_end_where_a_mean_does() -> None:
    fit = fitted("gamma, inverse")
    x = -0.9 * fit.fixef["(Intercept)"] / fit.fixef["x"]
    link, response = (
        fit.predict_interval({"x": [x]}, random="none", type=scale).iloc[0]
        for scale in ("link", "response")
    )
    assert link["lower"] < 0.0 < link["prediction"]
    assert response["upper"] == np.inf
    assert response["lower"] == pytest.approx(1.0 / link["upper"])


def test_an_average_of_ordered_categories_is_refused() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.arange(N) % 10, "x": rng.normal(size=N)})
    codes = rng.integers(0, 3, N)
    data["y"] = pd.Categorical.from_codes(codes, ["a", "b", "c"], ordered=True)
    fit = mm.glmer("y ~ x + (1 | g)", data, "ordinal")
    for method in (fit.predict, fit.predict_interval):
        with pytest.raises(mm.MixedModelsError, match="random='average' of ordered responses"):
            method(random="average", type="link")
        with pytest.raises(mm.MixedModelsError, match="random='average' of ordered responses"):
            method(random="average")
