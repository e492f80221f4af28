"""Simulation from a formula, a design and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import fit_case

from mixedmodels import DataError, FormulaError, MixedModelsError, lmer, load_dataset, simulate

FORMULA = "Reaction ~ Days + (Days | Subject)"
BETA = {"Days": 10.0, "(Intercept)": 250.0}
SD = {"Subject.Days": 6.0, "Subject.(Intercept)": 25.0}
COR = {"Subject.(Intercept).Days": 0.5}


def draw(**changed: Any) -> pd.DataFrame:
    arguments: dict[str, Any] = {
        "formula": FORMULA,
        "data": load_dataset("sleepstudy").drop(columns="Reaction"),
        "beta": BETA,
        "sd": SD,
        "cor": COR,
        "sigma": 25.0,
        "seed": 1,
    }
    return simulate(**{**arguments, **changed})


def test_same_as_from_a_fit_with_these_parameters() -> None:
    fit = fit_case("slopes")
    expected = fit.simulate(3, seed=9)
    by_theta = draw(
        beta=fit.fixef, theta=fit.theta, sd=None, cor=None, sigma=fit.sigma, nsim=3, seed=9
    )
    pd.testing.assert_frame_equal(by_theta, expected)
    frame = fit.bootstrap(1, seed=1).estimates
    by_name = draw(
        beta=fit.beta,
        sd=frame.filter(like="sd("),
        cor=frame.filter(like="cor("),
        sigma=fit.sigma,
        nsim=3,
        seed=9,
    )
    # Theta goes through standard deviations and correlations and back.
    pd.testing.assert_frame_equal(by_name, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "changed",
    [
        {"formula": "~ Days + (Days | Subject)"},
        {"beta": [250.0, 10.0]},
        {"sd": [25.0, 6.0], "cor": 0.5},
        {"sd": {"sd(Subject.(Intercept))": 25.0, "sd(Subject.Days)": 6.0}},
        {"sd": None, "cor": None, "theta": [1.0, 0.12, 0.12 * np.sqrt(3)]},
        {
            "sd": None,
            "cor": None,
            "theta": {
                "Subject.(Intercept)": 1.0,
                "Subject.Days": 0.12 * np.sqrt(3),
                "Subject.Days.(Intercept)": 0.12,
            },
        },
    ],
)
def test_ways_to_say_the_same(changed: dict[str, Any]) -> None:
    np.testing.assert_allclose(draw(**changed), draw(), rtol=1e-12)


def test_correlations_default_to_zero_and_may_be_one() -> None:
    np.testing.assert_allclose(draw(cor=None), draw(cor={"Subject.(Intercept).Days": 0.0}))
    assert np.isfinite(draw(cor=1.0).to_numpy()).all()
    assert np.isfinite(draw(sd=[0.0, 6.0]).to_numpy()).all()


def test_fits_find_the_parameters() -> None:
    rng = np.random.default_rng(5)
    data = {"x": rng.normal(size=3000), "a": np.arange(3000) % 100, "b": rng.integers(0, 40, 3000)}
    y = simulate(
        "y ~ x + (1 | a) + (1 | b)",
        data,
        beta={"(Intercept)": 1.0, "x": 2.0},
        sd={"a.(Intercept)": 2.0, "b.(Intercept)": 1.0},
        sigma=0.5,
        weights=np.full(3000, 4.0),
        seed=3,
    )
    fit = lmer("y ~ x + (1 | a) + (1 | b)", {**data, "y": y[0]}, weights=np.full(3000, 4.0))
    # Standard errors: sd / sqrt(2 levels) for the random effects, 0.25 / sqrt(3000) for the slope.
    assert fit.fixef["x"] == pytest.approx(2.0, abs=0.02)
    assert fit.sigma == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(fit.varcorr.sd, [2.0, 1.0], rtol=0.35)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"beta": {"(Intercept)": 1.0}}, MixedModelsError, "beta has no value for: Days"),
        ({"beta": {**BETA, "days": 1}}, MixedModelsError, "'days', .* Did you mean 'Days'"),
        ({"beta": [1.0]}, MixedModelsError, r"beta has 1 value; .* 2: \(Intercept\), Days"),
        ({"beta": [1.0, np.nan]}, MixedModelsError, "beta: 'Days' is nan"),
        ({"beta": "ten"}, MixedModelsError, "beta is 'ten'"),
        ({"sd": {"Subject.Days": 1.0}}, MixedModelsError, r"no value for: sd\(Subject.\(Inter"),
        ({"sd": {**SD, "Item.Days": 1.0}}, MixedModelsError, "sd names 'Item.Days'"),
        ({"sd": [-1.0, 2.0]}, MixedModelsError, "negative"),
        ({"cor": 1.5}, MixedModelsError, "'Subject' belong to no covariance matrix"),
        ({"sigma": 0.0}, MixedModelsError, "sigma is 0.0"),
        ({"sigma": "1"}, MixedModelsError, "sigma is '1'"),
        ({"theta": [1, 0, 1]}, MixedModelsError, "either theta or sd"),
        ({"sd": None}, MixedModelsError, "either theta or sd"),
        ({"sd": None, "theta": [1, 0, 1]}, MixedModelsError, "cor with sd"),
        ({"nsim": 0}, MixedModelsError, "nsim is 0"),
        ({"formula": "~ Dayz + (1 | Subject)"}, FormulaError, "Dayz"),
        ({"data": {"Days": [1, np.nan], "Subject": ["a", "b"]}}, DataError, "missing values"),
    ],
)
def test_refused(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        draw(**changed)
