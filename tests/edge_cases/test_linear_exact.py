"""Must be exact: rows of the second table of edge cases about numbers, linear models."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from edge_cases.shared import (
    INTERCEPTS,
    SLOPES,
    assert_same_fit,
    fit_once,
    quiet,
    sleepstudy,
)
from oracle import criterion, from_design, gradient

from mixedmodels import LinearMixedModel, SingularFitWarning, lmer, load_dataset


@pytest.mark.parametrize("formula", [SLOPES, INTERCEPTS])
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("shift", [1e6, 1e8, 1e10])
def test_response_shifted(shift: float, reml: bool, formula: str) -> None:
    """y + 1e10 has lost digits itself (its spacing is 2e-6), and no more than those are missing."""
    data = sleepstudy()
    shifted = data.assign(Reaction=data["Reaction"] + shift)
    fit, once = lmer(formula, shifted, reml=reml), fit_once(formula, reml)
    lost = 1e-16 * shift
    assert fit.objective == pytest.approx(once.objective, abs=1e-8 + 1e2 * lost)
    np.testing.assert_allclose(fit.theta, once.theta, rtol=1e-9 + 1e-1 * lost)
    np.testing.assert_allclose(fit.sigma, once.sigma, rtol=1e-9 + 1e-1 * lost)
    np.testing.assert_allclose(fit.stderror, once.stderror, rtol=1e-9 + 1e-1 * lost)
    assert fit.fixef["(Intercept)"] - shift == pytest.approx(
        once.fixef["(Intercept)"], abs=1e-9 + 10 * lost
    )
    assert fit.fixef["Days"] == pytest.approx(once.fixef["Days"], abs=1e-9 + lost)
    np.testing.assert_allclose(
        fit.ranef()["Subject"], once.ranef()["Subject"], atol=1e-8 + 10 * lost
    )


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e2, 1e4])
@pytest.mark.parametrize("reml", [False, True])
def test_random_effects_far_from_the_residual(size: float, reml: bool) -> None:
    """The criterion at fixed theta against one QR of the dense problem, which squares nothing."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(8), 6)
    x = rng.standard_normal(48)
    b = size * rng.standard_normal((8, 2))
    y = 1.0 + 2.0 * x + b[g, 0] + b[g, 1] * x + rng.standard_normal(48)
    model = LinearMixedModel("y ~ x + (x | g)", {"y": y, "x": x, "g": g})
    oracle = from_design(model.design)
    for theta in ([size, 0.3 * size, size], [0.1 * size, 0.0, size], [size, size, 0.0]):
        expected = criterion(oracle, np.array(theta), reml)
        assert model._by(reml=reml).objective(theta) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [1e-4, 1e4])
@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (x || g)", "y ~ x + (1 | g)"])
@pytest.mark.parametrize("reml", [False, True])
def test_random_effects_far_from_the_residual_are_fitted(
    reml: bool, formula: str, size: float, seed: int
) -> None:
    """The search ends well, at a point whose gradient is zero for the oracle too."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(8), 6)
    x = rng.standard_normal(48)
    b = size * rng.standard_normal((8, 2)) * (1.0, float("x |" in formula))
    y = 1.0 + 2.0 * x + b[g, 0] + b[g, 1] * x + rng.standard_normal(48)
    fit = quiet(formula, {"y": y, "x": x, "g": g}, reml=reml)
    assert fit.converged
    assert fit.optsum.n_objective < 200
    oracle = from_design(fit.model.design)
    assert fit.objective == pytest.approx(criterion(oracle, fit.theta, reml), rel=1e-8)
    largest = max(1.0, float(np.abs(fit.theta).max()))
    free = fit.theta != 0.0
    assert np.abs(largest * gradient(oracle, fit.theta, reml)[free]).max(initial=0.0) < 1e-3
    if "x |" in formula or "||" not in formula:
        assert fit.sigma == pytest.approx(1.0, abs=0.4)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("k", [1e-100, 1e-8, 1e8, 1e100])
def test_response_scaled(k: float, reml: bool) -> None:
    data = sleepstudy()
    fit = lmer(SLOPES, data.assign(Reaction=k * data["Reaction"]), reml=reml)
    once = fit_once(reml=reml)
    df = 178 if reml else 180
    assert fit.objective - once.objective == pytest.approx(2.0 * df * np.log(k), rel=1e-11)
    np.testing.assert_allclose(fit.theta, once.theta, rtol=1e-10)
    np.testing.assert_allclose(fit.sigma, k * once.sigma, rtol=1e-11)
    np.testing.assert_allclose(fit.stderror, k * once.stderror, rtol=1e-10)
    np.testing.assert_allclose(fit.fixef, k * once.fixef, rtol=1e-10)


@pytest.mark.parametrize("reml", [True, False])
def test_optimum_at_zero(reml: bool) -> None:
    with pytest.warns(SingularFitWarning, match=r"variance of zero for Batch .*may be dropped"):
        fit = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2"), reml=reml)
    assert fit.converged
    assert fit.is_singular
    assert fit.theta.tolist() == [0.0]
    assert fit.optsum.status == "boundary"
    assert "may be dropped" in fit.messages[0]
    assert fit.varcorr.sd["Batch", "(Intercept)"] == 0.0
    np.testing.assert_array_equal(fit.ranef()["Batch"], 0.0)
    assert "Singular" in str(fit)


def test_no_warning_on_large_good_fits() -> None:
    """Nothing is said of 40,000 rows in which gradients are large in absolute terms."""
    rng = np.random.default_rng(3)
    n, levels = 40_000, 500
    g, h = rng.integers(0, levels, n), rng.integers(0, 40, n)
    x = 1e3 * rng.standard_normal(n)
    b = rng.standard_normal((levels, 2)) * [5.0, 1e-3]
    y = 1e6 + 0.01 * x + b[g, 0] + b[g, 1] * x + rng.standard_normal(40)[h] + rng.standard_normal(n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = lmer("y ~ x + (x | g) + (1 | h)", {"y": y, "x": x, "g": g, "h": h})
    assert fit.messages == ()
    assert fit.converged
    assert fit.sigma == pytest.approx(1.0, rel=0.02)


def test_sums_over_many_rows() -> None:
    """Rounding errors do not grow with the rows, by whose number n log(pwrss) multiplies them."""
    rng = np.random.default_rng(11)
    n = 400_000
    y, g = 3.0 + rng.standard_normal(n), rng.integers(0, 5, n)
    exact = math.fsum((y - math.fsum(y) / n) ** 2)
    model = LinearMixedModel("y ~ 1 + (1 | g)", {"y": y, "g": g})
    assert model.pls([0.0]).pwrss == pytest.approx(exact, rel=1e-14)
    assert model.pls([0.0]).logdet_RX2 == pytest.approx(np.log(n), rel=1e-14)


@pytest.mark.parametrize("right_side", ["0", "-1", "0 + 0"])
@pytest.mark.parametrize("reml", [False, True])
def test_no_fixed_effects(right_side: str, reml: bool) -> None:
    fit = lmer(f"Reaction ~ {right_side} + (1 | Subject)", sleepstudy(), reml=reml)
    assert fit.objective == pytest.approx(1985.679691, abs=5e-7)
    assert fit.deviance == pytest.approx(1985.679691, abs=5e-7)
    assert fit.npar == 2
    assert fit.beta.shape == (0,)
    assert fit.fixef.empty
    assert fit.vcov.shape == (0, 0)
    assert fit.coef_table().empty
    assert fit.coef()["Subject"].equals(fit.ranef()["Subject"])
    assert "No fixed effects" in str(fit)
    assert fit.summary()
    pls = fit.model.pls(fit.theta)
    assert pls.RX.shape == (0, 0)
    assert pls.RZX.shape == (18, 0)
    assert fit.model._by(reml=reml).gradient(fit.theta) == pytest.approx([0.0], abs=1e-4)


@pytest.mark.parametrize("scale", [100.0, 1e-6])
def test_weights_scaled(scale: float) -> None:
    """The deviance is unchanged: n log(k) of the residuals against sum(log k) of the weights."""
    data = sleepstudy()
    weights = 1.0 / (1.0 + data["Days"].to_numpy())
    for reml in (True, False):
        fit = lmer(SLOPES, data, weights=scale * weights, reml=reml)
        once = lmer(SLOPES, data, weights=weights, reml=reml)
        root = np.sqrt(scale)
        assert fit.objective == pytest.approx(once.objective, abs=1e-8)
        np.testing.assert_allclose(fit.theta * root, once.theta, rtol=1e-8)
        assert fit.sigma == pytest.approx(once.sigma * root, rel=1e-9)
        np.testing.assert_allclose(fit.fixef, once.fixef, rtol=1e-10)
        np.testing.assert_allclose(fit.stderror, once.stderror, rtol=1e-8)
        np.testing.assert_allclose(fit.varcorr.sd, once.varcorr.sd, rtol=1e-8)


def test_weights_count_as_repeated_rows() -> None:
    """Whole weights give the estimates of repeated rows: X'WX and Z'WZ are the same sums."""
    data = sleepstudy()
    counts = 1 + np.arange(180) % 3
    model = LinearMixedModel(SLOPES, data, weights=counts.astype(float))
    repeated = LinearMixedModel(SLOPES, data.loc[np.repeat(data.index, counts)])
    theta = [0.9, 0.1, 0.3]
    one, other = model.pls(theta), repeated.pls(theta)
    np.testing.assert_allclose(one.beta, other.beta, rtol=1e-12)
    np.testing.assert_allclose(one.u, other.u, rtol=1e-9, atol=1e-9)
    assert one.pwrss == pytest.approx(other.pwrss, rel=1e-12)
    assert one.logdet_L2 == pytest.approx(other.logdet_L2, rel=1e-12)


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("formula", [INTERCEPTS, SLOPES, "Reaction ~ Days + (Days || Subject)"])
@pytest.mark.parametrize("reml", [True, False])
def test_two_or_three_levels(levels: int, formula: str, reml: bool) -> None:
    """The first twenty rows of sleepstudy are two subjects."""
    data = sleepstudy().iloc[: 10 * levels]
    fit = quiet(formula, data, reml=reml)
    assert fit.converged
    assert fit.nobs == 10 * levels
    assert np.isfinite([fit.objective, fit.sigma, *fit.theta, *fit.fixef, *fit.stderror]).all()
    assert fit.ranef()["Subject"].shape[0] == levels
    assert str(fit.summary())
    condvar = fit.ranef_cov()
    assert np.linalg.eigvalsh(condvar["Subject"]).min() > -1e-9 * fit.sigma**2
    assert not any(
        quiet(formula, data, reml=reml, start=start).objective < fit.objective - 1e-6
        for start in (np.zeros_like(fit.theta), 10.0 * fit.model._model.templates.initial)
    )


@pytest.mark.parametrize(
    ("y", "g"),
    [
        ([1.0, 2.0, 4.0], ["a", "a", "b"]),
        ([1.0, 2.0, 4.0, 9.0], ["a", "a", "b", "b"]),
        ([1.0, 5.0, 2.0, 9.0], ["a", "b", "a", "b"]),
    ],
)
def test_three_or_four_rows(y: list[float], g: list[str]) -> None:
    fit = quiet("y ~ 1 + (1 | g)", {"y": y, "g": g})
    assert fit.converged
    assert fit.sigma > 0.0
    assert fit.stderror["(Intercept)"] > 0.0


def test_offset_that_is_large() -> None:
    data = sleepstudy(o=1e8 + np.arange(180.0) ** 2)
    data["Reaction"] += data["o"]
    fits = [
        lmer(SLOPES, data, offset="o"),
        lmer(SLOPES, data, offset=data["o"].to_numpy()),
        lmer("Reaction ~ Days + offset(o) + (Days | Subject)", data),
    ]
    for fit in fits:
        assert_same_fit(fit, fit_once(), rtol=1e-8)
        np.testing.assert_allclose(fit.fitted - data["o"], fit_once().fitted, atol=1e-6)
        np.testing.assert_allclose(fit.residuals, fit_once().residuals, atol=1e-6)


def test_offset_in_refit() -> None:
    data = sleepstudy(o=np.arange(180.0))
    fit = lmer(SLOPES, data, offset="o")
    again = fit.refit(fit.model.y + 5.0)
    assert again.objective == pytest.approx(fit.objective, abs=1e-8)
    assert again.fixef["(Intercept)"] == pytest.approx(fit.fixef["(Intercept)"] + 5.0)
    np.testing.assert_allclose(again.fitted, fit.fitted + 5.0)
    without = fit_once().refit(fit.model.y - data["o"].to_numpy())
    assert_same_fit(fit, without, rtol=1e-5)


def test_offset_is_the_same_as_subtracting_it() -> None:
    data = sleepstudy()
    assert_same_fit(
        lmer(SLOPES, data, offset="2 * Days**2"),
        lmer("Reaction - 2 * Days**2 ~ Days + (Days | Subject)", data),
        rtol=1e-10,
    )


def test_refit_does_not_change_the_fit() -> None:
    fit = lmer(SLOPES, sleepstudy())
    before = snapshot(fit)
    model, y = fit.model, fit.model.y.copy()
    other = fit.refit(y + np.arange(180) % 7)
    assert other.objective != fit.objective
    assert other.model is not fit.model
    np.testing.assert_array_equal(model.y, y)
    assert_equal_snapshots(snapshot(fit), before)
    model._by(reml=False).objective([3.0, 1.0, 2.0])
    model.gradient([0.0, 0.0, 0.0])
    model.pls([3.0, 1.0, 2.0])
    model._by(reml=False).fit(start=[5.0, 0.0, 5.0])
    assert_equal_snapshots(snapshot(fit), before)
    assert_same_fit(fit.refit(y), fit, rtol=1e-5)


def snapshot(fit: Any) -> dict[str, Any]:
    tables, condvar = fit.ranef(), fit.ranef_cov()
    return {
        "theta": fit.theta.copy(),
        "objective": fit.objective,
        "deviance": fit.deviance,
        "sigma": fit.sigma,
        "vcov": fit.vcov,
        "ranef": tables["Subject"],
        "condvar": condvar["Subject"].copy(),
        "fitted": fit.fitted.copy(),
        "text": str(fit.summary()),
    }


def assert_equal_snapshots(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in one.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[name], check_exact=True)
        else:
            np.testing.assert_array_equal(value, other[name])


def test_transforms_span_the_same_columns() -> None:
    data = sleepstudy()
    plain = lmer("Reaction ~ Days + I(Days**2) + (1 | Subject)", data, reml=False)
    for right_side in ("poly(Days, 2)", "scale(Days) + I(Days**2)", "center(Days) + I(Days**2)"):
        fit = lmer(f"Reaction ~ {right_side} + (1 | Subject)", data, reml=False)
        assert fit.objective == pytest.approx(plain.objective, abs=1e-9)
        np.testing.assert_allclose(fit.fitted, plain.fitted)


@pytest.mark.parametrize("scale", [1e-5, 1e4, 1e6])
def test_scale_of_a_covariate_makes_no_fit_singular(scale: float) -> None:
    sleep = load_dataset("sleepstudy").assign(Days=lambda data: data["Days"] * scale)
    fit = lmer("Reaction ~ Days + (Days | Subject)", sleep)
    assert fit.converged
    assert not fit.is_singular
    assert fit.messages == ()
