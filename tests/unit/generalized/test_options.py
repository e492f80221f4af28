"""Coefficients in the mode (n_agq=0), integrated over (reml=True), and the expected information."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixedmodels as mm

Floats = NDArray[np.float64]
HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def simple(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 6), "x": rng.normal(size=120)})
    level = 0.6 * rng.normal(size=20)[data["g"]]
    spread = rng.gamma(3.0, 1 / 3.0, 120)
    data["y"] = rng.poisson(spread * np.exp(1.5 + 0.4 * data["x"] + level))
    return data.assign(z=2 + data["x"] + level + rng.normal(size=120))


@pytest.mark.parametrize("formula", ["z ~ x + (1 | g)", "z ~ 1 + (1 | g)", "z ~ x + (x | g)"])
def test_reml_of_normal_responses_is_that_of_linear_models(formula: str) -> None:
    """There the approximation is exact."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        linear = mm.lmer(formula, simple())
        fit = mm.glmer(formula, simple(), "gaussian", reml=True)
    assert fit.reml
    assert fit.objective == pytest.approx(linear.objective, abs=1e-7)
    np.testing.assert_allclose(fit.beta, linear.beta, rtol=1e-6)
    np.testing.assert_allclose(fit.theta, linear.theta * linear.sigma, rtol=1e-4, atol=1e-6)
    assert fit.dispersion == pytest.approx(linear.sigma**2, rel=1e-4)


def penalized(y: Floats, X: Floats, Z: Floats, theta: float) -> tuple[Floats, Floats, float, float]:
    """Joint mode of a Poisson model: coefficients, modes, 2 g and log |M|; dense."""
    B = np.hstack([theta * Z, X])
    D = np.diag(np.append(np.ones(Z.shape[1]), np.zeros(X.shape[1])))
    u = np.zeros(B.shape[1])
    u[Z.shape[1]] = np.log(y.mean())
    for _ in range(60):
        mu = np.exp(B @ u)
        u += np.linalg.solve((B.T * mu) @ B + D, B.T @ (y - mu) - D @ u)
    mu = np.exp(B @ u)
    factorials = np.array([np.log(np.arange(1, k + 1)).sum() for k in y.astype(int)])
    g = -2 * (y @ (B @ u) - mu.sum() - factorials.sum()) + u @ D @ u
    M = (B.T * mu) @ B + D
    q = Z.shape[1]
    return u[q:], M, float(g), float(np.linalg.slogdet(M[:q, :q])[1])


def test_both_treatments_of_the_coefficients_against_a_dense_computation() -> None:
    data = simple()
    X = np.column_stack([np.ones(120), data["x"]])
    Z = np.eye(20)[data["g"]]
    for theta in (0.2, 0.7, 1.5):
        beta, M, g, logdet = penalized(data["y"].to_numpy(float), X, Z, theta)
        for options, expected in (
            ({"n_agq": 0}, g + logdet),
            ({"reml": True}, g + np.linalg.slogdet(M)[1] - 2 * np.log(2 * np.pi)),
        ):
            model = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, "poisson", **options)
            assert model.objective([theta], [0.0, 0.0]) == pytest.approx(expected, abs=1e-8)
            assert model.objective([theta], beta) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("options", [{"n_agq": 0}, {"reml": True}, {"information": "expected"}])
@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("y ~ x + (1 | g)", "poisson"),
        ("y ~ x + (x | g)", "negative_binomial"),
        ("z ~ x + (1 | g)", "gaussian"),
    ],
)
def test_fits(options: dict[str, Any], formula: str, family: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer(formula, simple(), family, **options)
        plain = mm.glmer(formula, simple(), family)
    assert fit.converged
    assert fit.optsum.n_objective <= 30
    assert np.isfinite(fit.stderror).all()
    np.testing.assert_allclose(fit.stderror, plain.stderror, rtol=0.15)
    if "n_agq" in options:
        assert plain.objective <= fit.objective + 1e-8
    words = {"n_agq": "in the mode", "reml": "REML", "information": "expected information"}
    (option,) = options
    assert words[option] in str(fit.summary())
    again = pickle.loads(pickle.dumps(fit))
    assert again.objective == fit.objective
    assert again.model.objective(fit.theta, fit.beta, fit.dispersion) == pytest.approx(
        fit.objective, abs=1e-7
    )
    assert words[option] in str(fit.update(". ~ . - x").summary())


def test_reml_is_not_compared_with_maximum_likelihood() -> None:
    data = simple()
    fit = mm.glmer("y ~ x + (1 | g)", data, "poisson", reml=True)
    plain = mm.glmer("y ~ 1 + (1 | g)", data, "poisson")
    found = mm.anova(plain, fit)
    ratio = plain.objective - fit.update(reml=False).objective
    assert found["statistic"].iloc[1] == pytest.approx(ratio, abs=1e-6)
    assert fit.theta[0] > fit.update(reml=False).theta[0]


@pytest.mark.parametrize(
    "options",
    [
        {"n_agq": 5, "reml": True},
        {"n_agq": 0, "reml": True},
        {"n_agq": 5, "information": "expected"},
        {"reml": True, "information": "expected"},
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any]) -> None:
    with pytest.raises(mm.ModelError, match="do not go together"):
        mm.glmer(HERDS, mm.load_dataset("cbpp"), **options)


@pytest.mark.parametrize(
    "options", [{"information": "fisher"}, {"reml": "yes"}, {"reml": 2}, {"n_agq": -1}]
)
def test_options_that_there_are_not(options: dict[str, Any]) -> None:
    with pytest.raises(mm.MixedModelsError, match=next(iter(options))):
        mm.glmer(HERDS, mm.load_dataset("cbpp"), **options)


def test_expected_information_without_a_closed_form_is_refused() -> None:
    with pytest.raises(mm.ModelError, match="closed form"):
        mm.glmer("y ~ x + (1 | g)", simple(), "nb1", information="expected")


def test_expected_is_observed_for_canonical_links() -> None:
    one = mm.glmer(HERDS, mm.load_dataset("cbpp"))
    other = mm.glmer(HERDS, mm.load_dataset("cbpp"), information="expected")
    assert other.objective == pytest.approx(one.objective, abs=1e-8)


@pytest.mark.parametrize("option", [{"reml": True}, {"n_agq": 0}])
def test_the_error_of_theta_is_that_of_the_criterion(option: dict[str, Any]) -> None:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    fit = mm.glmer(formula, mm.load_dataset("cbpp"), **option)
    criterion, par, step = fit._generalized.criterion, fit._generalized.solution.par, 1e-3
    values = [
        criterion.value(par + step * side * (np.arange(len(par)) == 0)) for side in (-1, 0, 1)
    ]
    curvature = (values[0] - 2 * values[1] + values[2]) / step**2
    error = np.sqrt(2 / curvature) * fit.theta[0] / par[0]
    np.testing.assert_allclose(fit.stderror_full().iloc[-1], error, rtol=1e-4)


@pytest.mark.parametrize(
    ("formula", "offset", "says"),
    [
        ("y ~ x + (1 | g)", "`hours seen` * 2", "offset='log(`hours seen` * 2)'."),
        ("y ~ x + (1 | g)", "hours seen", "The offset `hours seen`, from"),
        ("y ~ x + (1 | g)", "hours seen", "offset='log(`hours seen`)'."),
        (
            "y ~ x + offset(`hours seen`) + (1 | g)",
            None,
            "offset(log(`hours seen`)) in the formula.",
        ),
        ("y ~ x + offset(`hours seen`) + (1 | g)", "x - x + 1", "offset(log(exposure)) in the"),
    ],
)
def test_an_exposure_without_its_logarithm_is_named(
    formula: str, offset: str | None, says: str
) -> None:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=200), "g": np.arange(200) % 10})
    data["hours seen"] = rng.uniform(1, 9, 200)
    data["y"] = rng.poisson(data["hours seen"] * np.exp(0.2 * data["x"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer(formula, data, "poisson", offset=offset)
    (told,) = [message for message in fit.messages if "An exposure enters" in message]
    assert says in told
    mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, "poisson", offset="log(`hours seen`)")
