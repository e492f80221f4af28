"""Fits to responses in another unit: the same but for the unit, whatever family, link and unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.arrays import FloatArray

N, LEVELS = 240, 20
UNITS = [1e-6, 1e-4, 0.1, 3.0, 1e3, 1e6]
# Of a link its mean, and the power of the response that its predictor is.
LINKS: dict[str, tuple[Callable[[FloatArray], FloatArray], float]] = {
    "log": (np.exp, 0.0),
    "identity": (lambda eta: eta, 1.0),
    "inverse": (lambda eta: 1.0 / eta, -1.0),
    "inverse_squared": (lambda eta: eta**-0.5, -2.0),
    "sqrt": (lambda eta: eta**2, 0.5),
}
# Of a family its links, and the power of the response that its dispersion is.
FAMILIES = {
    "gamma": (("log", "inverse", "identity"), 0.0),
    "inverse_gaussian": (("inverse_squared", "log", "inverse", "identity"), -1.0),
    "gaussian": (("identity", "log", "inverse", "sqrt"), 2.0),
}
KINDS = [(family, link) for family, (links, _) in FAMILIES.items() for link in links]


@cache
def rows(family: str, link: str) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, x = np.arange(N) % LEVELS, rng.uniform(-1, 1, N)
    eta = 1.0 + 0.2 * x + 0.15 * rng.normal(size=LEVELS)[g]
    eta += 0.05 * rng.normal(size=LEVELS)[g] * x
    mu = LINKS[link][0](eta)
    draws = {
        "gamma": lambda: rng.gamma(20.0, mu / 20.0),
        "inverse_gaussian": lambda: rng.wald(mu, 20.0 * mu),
        "gaussian": lambda: mu + 0.15 * mu.mean() * rng.normal(size=N),
    }
    return pd.DataFrame({"y": draws[family](), "x": x, "g": g})


def fit_in(unit: float, family: str, link: str, formula: str, **options: Any) -> Any:
    data = rows(family, link)
    return mm.glmer(formula, data.assign(y=unit * data["y"]), family, link=link, **options)


def in_usual_unit(fit: Any, unit: float, family: str, link: str) -> FloatArray:
    """Coefficients, theta, standard errors, dispersion and log-likelihood of responses times 1."""
    power = LINKS[link][1]
    size = unit**power
    beta = fit.fixef.to_numpy() / size
    beta[0] -= np.log(unit) if link == "log" else 0.0
    integral = fit.reml * len(beta) * power * np.log(unit)
    parts = [beta, fit.theta / size, fit.stderror / size]
    likelihood = fit.loglik + N * np.log(unit) - integral
    if np.ndim(fit.dispersion) == 0:
        parts.append([fit.dispersion / unit ** FAMILIES[family][1]])
    return np.concatenate([*parts, [likelihood]])


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x | g)"])
@pytest.mark.parametrize(("family", "link"), KINDS)
@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
def test_only_the_unit_differs(family: str, link: str, formula: str) -> None:
    usual = in_usual_unit(fit_in(1.0, family, link, formula), 1.0, family, link)
    for unit in UNITS:
        fit = fit_in(unit, family, link, formula)
        assert fit.converged, unit
        found = in_usual_unit(fit, unit, family, link)
        # searches end within 1e-11 of the least criterion, so within about 1e-5 of an error
        np.testing.assert_allclose(found, usual, rtol=1e-5, atol=1e-6, err_msg=str(unit))


@pytest.mark.parametrize(
    "options",
    [
        {"n_agq": 5},
        {"n_agq": 0},
        {"information": "expected"},
        {"reml": True},
        {"dispersion": "~ x"},
        {"optimizer": "L-BFGS-B"},
    ],
    ids=str,
)
@pytest.mark.parametrize("unit", [1e-5, 1e5])
@pytest.mark.parametrize(
    ("family", "link"),
    [("inverse_gaussian", "inverse_squared"), ("gaussian", "identity"), ("gamma", "log")],
)
def test_of_every_criterion(family: str, link: str, unit: float, options: dict[str, Any]) -> None:
    one, other = (fit_in(u, family, link, "y ~ x + (1 | g)", **options) for u in (1.0, unit))
    np.testing.assert_allclose(
        in_usual_unit(other, unit, family, link),
        in_usual_unit(one, 1.0, family, link),
        rtol=2e-5,
        atol=1e-6,
    )


def _offset(unit: float, weights: Any) -> Any:
    data = rows("gamma", "inverse")
    data = data.assign(y=unit * data["y"], o=0.05 * data["x"] / unit, w=weights)
    formula = "y ~ x + offset(o) + (1 | g)"
    return mm.glmer(formula, data, "gamma", link="inverse", weights="w")


def test_offsets_and_weights() -> None:
    weights = 1.0 + np.arange(N) % 3
    one, other = _offset(1.0, weights), _offset(1e4, weights)
    np.testing.assert_allclose(other.fixef * 1e4, one.fixef, rtol=1e-5)
    np.testing.assert_allclose(other.fitted / 1e4, one.fitted, rtol=1e-5)
    links = [fit.predict(type="link") for fit in (other, one)]
    np.testing.assert_allclose(links[0] * 1e4, links[1], rtol=1e-5)


AFTER: dict[str, tuple[Callable[[Any], Any], float]] = {
    "profile": (lambda fit: fit.confint(method="profile").iloc[[0, -1], -2:], 1.0),
    "influence": (lambda fit: fit.influence("g", method="exact").beta, 1.0),
    "one step": (lambda fit: fit.influence("g", method="one-step").beta, 1.0),
    "cooks": (lambda fit: fit.cooks_distance(), 0.0),
    "leverage": (lambda fit: fit.leverage(), 0.0),
    "robust": (lambda fit: fit.vcov_robust("g"), 2.0),
    "modes": (lambda fit: fit.ranef()["g"], 1.0),
    "replicates": (lambda fit: fit.bootstrap(10, seed=1).replicates["x"], 1.0),
    "refit": (lambda fit: fit.refit(fit.model_frame()["y"].to_numpy()[::-1]).fixef, 1.0),
}


@pytest.mark.parametrize(
    ("family", "link"), [("inverse_gaussian", "inverse_squared"), ("gaussian", "sqrt")]
)
def test_methods_after_a_fit(family: str, link: str) -> None:
    fits = [fit_in(unit, family, link, "y ~ x + (1 | g)") for unit in (1.0, 1e-5)]
    size = 1e-5 ** LINKS[link][1]
    for name, (method, power) in AFTER.items():
        one, other = (np.asarray(method(fit), dtype=np.float64) for fit in fits)
        np.testing.assert_allclose(other / size**power, one, rtol=1e-4, atol=1e-5, err_msg=name)


def test_saved_fits_of_another_unit(tmp_path: Any) -> None:
    fit = fit_in(1e4, "inverse_gaussian", "inverse_squared", "y ~ x + (1 | g)")
    fit.save(tmp_path / "fit.mm")
    again = mm.load(tmp_path / "fit.mm")
    assert str(again.summary()) == str(fit.summary())


def test_power_in_another_unit() -> None:
    design = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "x": np.tile([-1.0, 0.0, 1.0], 16)})
    found = [
        mm.power(
            "y ~ x + (1 | g)",
            design,
            beta=[size, 0.15 * size],
            sd={"g.(Intercept)": 0.1 * size},
            family="inverse_gaussian",
            dispersion=0.05 * size**0.5,
            nsim=40,
            seed=1,
        )
        for size in (1.0, 2.0**20)
    ]
    assert 0.0 < found[0].power < 1.0
    assert found[1].power == found[0].power
