"""Coefficients of a dispersion, of zero inflation and thresholds stand where fixed effects do."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import mixedmodels as mm

CHI2 = float(stats.chi2.ppf(0.95, 1))
# By kind of model: what is added to the call, and the components that tidy tables have.
KINDS = {
    "one dispersion": ("negative_binomial", {}, []),
    "dispersion": ("negative_binomial", {"dispersion": "~ x"}, ["dispersion"] * 2),
    "zeros": ("poisson", {"zero_inflation": "~ x"}, ["zero_inflation"] * 2),
    "both": (
        "negative_binomial",
        {"dispersion": "~ x", "zero_inflation": "~ 1"},
        ["dispersion"] * 2 + ["zero_inflation"],
    ),
    "thresholds": ("ordinal", {}, ["thresholds"] * 3),
}


@cache
def fit_of(kind: str) -> Any:
    family, more, _ = KINDS[kind]
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(30), 12)
    x = rng.normal(size=len(g)) + 1.0
    eta = 1.0 + 0.4 * x + 0.6 * rng.normal(size=30)[g]
    if family == "ordinal":
        y = np.digitize(eta + rng.logistic(size=len(g)), [0.3, 1.2, 2.5])
    else:
        mu = np.exp(eta)
        y = rng.negative_binomial(2.0, 2.0 / (2.0 + mu)) if "disp" in kind else rng.poisson(mu)
        y = rng.negative_binomial(2.0, 2.0 / (2.0 + mu)) if kind == "both" else y
        y = y * (rng.random(len(g)) > 0.25 * ("zero_inflation" in more))
    return mm.glmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family, **more)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def own_names(fit: Any) -> list[str]:
    """As they stand in tables of all parameters."""
    table = fit.component_table()
    if isinstance(fit.dispersion, float):
        return [fit.family.parameter]
    return [
        term if component == "thresholds" else f"{component}.{term}"
        for component, term in table.index
    ]


def test_tidy_has_their_rows(kind: str) -> None:
    fit = fit_of(kind)
    table = fit.tidy("fixed", conf_int=True, conf_method="wald")
    if not KINDS[kind][2]:
        return  # one number is in the heading
    rows = table[table["component"] != "mean"]
    assert rows["component"].tolist() == KINDS[kind][2]
    own = fit.component_table()
    columns = ["estimate", "std_error", "statistic", "p_value"]
    np.testing.assert_array_equal(rows[columns], own[columns])
    assert rows["term"].tolist() == own.index.get_level_values("term").tolist()
    wide = stats.norm.ppf(0.975) * own["std_error"].to_numpy()
    np.testing.assert_allclose(rows["conf_high"] - rows["estimate"], wide)


def test_wald_limits_are_theirs(kind: str) -> None:
    fit = fit_of(kind)
    limits = fit.confint(method="wald").loc[own_names(fit)]
    table = fit.component_table()
    wide = stats.norm.ppf(0.975) * table["std_error"].to_numpy()
    expected = np.column_stack([table["estimate"] - wide, table["estimate"] + wide])
    if isinstance(fit.dispersion, float):
        expected = np.exp(expected)
    np.testing.assert_allclose(limits, expected)


def least(fit: Any, place: int, value: float) -> float:
    """The criterion minimised with one coefficient beside those of the mean held."""
    m, p, table = len(fit.theta), fit.solution.p, fit.component_table()
    roles = table.index.get_level_values("component")
    start = np.concatenate([fit.theta, fit.beta[fit.solution.kept], table["estimate"]])
    at = m + p + place
    free = np.arange(len(start)) != at

    def value_at(x: Any) -> float:
        full = start.copy()
        full[free], full[at] = x, value
        own = {r: full[m + p :][roles == r] for r in dict.fromkeys(roles)}
        if isinstance(fit.dispersion, float):
            own = {"dispersion": np.exp(own["dispersion"])}
        if not (np.diff(own.get("thresholds", [])) > 0.0).all():
            return 1e9
        return float(fit.model.objective(full[:m], full[m : m + p], **own))

    options = {"xatol": 1e-5, "fatol": 1e-8, "maxfev": 6000, "adaptive": True}
    first = optimize.minimize(value_at, start[free], method="Powell", options={"ftol": 1e-12})
    found = optimize.minimize(value_at, first.x, method="Nelder-Mead", options=options)
    return float(found.fun)


@pytest.mark.parametrize(("kind", "place"), [("dispersion", 1), ("zeros", 0), ("thresholds", 1)])
def test_profile_limits_meet_the_deviance(kind: str, place: int) -> None:
    fit = fit_of(kind)
    name = own_names(fit)[place]
    for limit in fit.confint(name).loc[name]:
        assert least(fit, place, limit) == pytest.approx(fit.objective + CHI2, abs=1e-4)


def test_profiles_and_tidy_agree(kind: str) -> None:
    fit = fit_of(kind)
    names = own_names(fit)
    profile = fit.profile(names)
    assert list(profile.parameters) == names
    limits = profile.confint()
    frame = profile.to_frame()
    for name in names:
        rows = frame[frame["parameter"] == name]
        nearest = rows.iloc[np.abs(rows["zeta"]).argmin()]
        estimates = profile.estimates
        found = nearest[estimates.index].astype(float)
        np.testing.assert_allclose(found, estimates, rtol=1e-3, atol=1e-4)
    table = fit.tidy("fixed", conf_int=True, conf_method="profile")
    if KINDS[kind][2]:
        rows = table[table["component"] != "mean"]
        np.testing.assert_allclose(rows["conf_high"], limits["upper"], rtol=1e-5)
    assert table["conf_low"].notna().all()


def test_bootstraps_have_them(kind: str) -> None:
    fit = fit_of(kind)
    sample = fit.bootstrap(3, seed=4)
    names = own_names(fit)
    drawn = fit.simulate(3, seed=4)
    again = fit.refit(drawn[0])
    own = again.component_table()["estimate"].to_numpy()
    own = np.exp(own) if isinstance(fit.dispersion, float) else own
    np.testing.assert_allclose(sample.replicates.iloc[0][names], own, rtol=2e-3, atol=2e-3)


def test_the_heading_has_the_error_of_one_number() -> None:
    fit = fit_of("one dispersion")
    assert f"(SE of log: {fit.component_table()['std_error'].iloc[0]:.3g})" in str(fit)


def test_a_group_of_coefficients_has_them_all() -> None:
    fit = fit_of("both")
    limits = fit.confint("beta_", method="wald")
    assert limits.index.tolist() == ["(Intercept)", "x", *own_names(fit)]
    pd.testing.assert_frame_equal(
        fit.confint(["disp.x", "zi.(Intercept)"], method="wald"),
        limits.loc[["dispersion.x", "zero_inflation.(Intercept)"]],
    )


def test_linear_fits_have_no_component() -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
    assert "component" not in fit.tidy()
