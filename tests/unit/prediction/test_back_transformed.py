"""Predictions of transformed responses on the scale of the response."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedmodels as mm

RNG = np.random.default_rng(11)
GROUPS = np.repeat(np.arange(12), 8)
X = RNG.normal(size=96)
ETA = 1.5 + 0.2 * X + RNG.normal(0.0, 0.3, 12)[GROUPS] + RNG.normal(0.0, 0.2, 96)
NEW = {"x": [-1.0, 0.0, 2.5, np.nan], "g": ["3", "0", "new", "1"]}

# The left side, y by the linear predictor, and its derivative.
SCALES = {
    "log(y)": (np.exp, np.exp),
    "log10(y)": (lambda v: 10.0**v, lambda v: np.log(10.0) * 10.0**v),
    "log(y + 2)": (lambda v: np.exp(v) - 2.0, np.exp),
    "np.log1p(y)": (np.expm1, np.exp),
    "sqrt(y)": (np.square, lambda v: 2.0 * v),
    "I(y^2)": (np.sqrt, lambda v: 0.5 / np.sqrt(v)),
    "I(1/y)": (lambda v: 1.0 / v, lambda v: -1.0 / v**2),
    "qlogis(y)": (special.expit, lambda v: special.expit(v) * special.expit(-v)),
    "-y": (np.negative, lambda v: np.full_like(v, -1.0)),
}


def fitted(left: str) -> mm.LinearMixedFit:
    data = {"y": SCALES[left][0](ETA), "x": X, "g": GROUPS.astype(str)}
    return mm.lmer(f"{left} ~ x + (1 | g)", data)


@pytest.mark.parametrize("left", SCALES)
def test_limits_are_those_of_the_predictor_transformed(left: str) -> None:
    fit = fitted(left)
    back, slope = SCALES[left]
    for options in (
        {"random": "none"},
        {"random": "none", "kind": "prediction", "ddf": "kenward-roger"},
        {"allow_new_levels": True, "level": 0.8},
        {"allow_new_levels": True, "uncertainty": "full"},
    ):
        link = fit.predict_interval(NEW, **options)
        shown = fit.predict_interval(NEW, type="response", **options)
        ends = np.sort(back(link[["lower", "upper"]].to_numpy()), axis=1)
        np.testing.assert_allclose(shown[["lower", "upper"]], ends, rtol=1e-12)
        eta = link["prediction"].to_numpy()
        np.testing.assert_allclose(shown["prediction"], back(eta), rtol=1e-12)
        error = np.abs(slope(eta)) * link["std_error"].to_numpy()
        np.testing.assert_allclose(shown["std_error"], error, rtol=1e-10)
        assert shown.isna().any(axis=1).tolist() == [False, False, False, True]
    means = fit.predict(NEW, type="response", allow_new_levels=True)
    link_means = fit.predict(NEW, allow_new_levels=True).to_numpy()
    np.testing.assert_allclose(means, back(link_means), rtol=1e-12)
    np.testing.assert_allclose(fit.predict(type="response"), back(fit.fitted.to_numpy()))


@pytest.mark.parametrize("kind", ["confidence", "prediction"])
def test_rows_of_the_fit_and_columns(kind: str) -> None:
    fit = fitted("log(y)")
    table = fit.predict_interval(kind=kind, type="response", columns=True)  # type: ignore[arg-type]
    assert table.columns.tolist()[-4:] == ["prediction", "std_error", "lower", "upper"]
    assert (table["lower"] < table["prediction"]).all()


def test_coverage_stays() -> None:
    """Of new observations of new groups, whose limits are exact up to the error of theta."""
    fit = fitted("log(y)")
    new = {"x": [0.3], "g": ["new"]}
    limits = fit.predict_interval(new, "prediction", type="response", allow_new_levels=True,
                                  ddf="none")  # fmt: skip
    spread = np.hypot(fit.sigma, fit.varcorr.to_frame()["sdcor"][0])
    inside = stats.lognorm(s=spread, scale=np.exp(fit.predict(new, random="none"))).cdf
    share = inside(limits["upper"]) - inside(limits["lower"])
    assert 0.95 < share[0] < 0.97


def test_untransformed_responses_are_as_they_are() -> None:
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
    pd.testing.assert_frame_equal(
        fit.predict_interval(type="response"), fit.predict_interval(type="link")
    )
    pd.testing.assert_series_equal(fit.predict(type="response"), fit.fitted, check_names=False)


def test_limits_beyond_a_pole_or_an_end() -> None:
    """1/y has no value at 0; a square root is not negative, an arcsine at most pi/2."""
    near = {"y": [0.3, -0.2, 0.5, 0.1, 0.4, -0.1], "g": list("aabbcc")}
    sizes = 0.01 + np.abs(near["y"])
    with pytest.warns(mm.SingularFitWarning):
        fit = mm.lmer("I(1/y) ~ 1 + (1 | g)", {"y": 1.0 / np.array(near["y"]), "g": near["g"]})
    with pytest.warns(mm.SingularFitWarning):
        root = mm.lmer("sqrt(y) ~ 1 + (1 | g)", {"y": sizes**2, "g": near["g"]})
    with pytest.warns(mm.SingularFitWarning):
        angle = mm.lmer("asin(sqrt(y)) ~ 1 + (1 | g)",
                        {"y": [0.99, 1.0, 0.98, 1.0, 0.6, 1.0], "g": near["g"]})  # fmt: skip
    new = {"x": [1.0]}
    link = fit.predict_interval(new, random="none").iloc[0]
    shown = fit.predict_interval(new, random="none", type="response").iloc[0]
    assert link["lower"] < 0.0 < link["prediction"]
    np.testing.assert_allclose(shown["lower"], 1.0 / link["upper"])
    assert shown["upper"] == np.inf
    wide = root.predict_interval(new, "prediction", random="none", type="response").iloc[0]
    assert wide["lower"] == 0.0
    ends = angle.predict_interval(new, "prediction", random="none", type="response").iloc[0]
    assert ends["lower"] < ends["prediction"] < ends["upper"] == 1.0
    means = fit.emmeans("1", type="response")
    assert means["upper"][0] == np.inf
    assert means["lower"][0] > 0.0


@pytest.mark.parametrize("left", ["pmin(y, 3)", "abs(y)", "I(y + x)", "scale(y)"])
def test_no_way_back(left: str) -> None:
    fit = mm.lmer(f"{left} ~ 1 + (1 | g)", {"y": ETA, "x": X, "g": GROUPS.astype(str)})
    for call in (fit.predict, fit.predict_interval):
        with pytest.raises(mm.MixedModelsError, match="no way back"):
            call(type="response")
        with pytest.raises(mm.MixedModelsError, match="type is 'mean'"):
            call(type="mean")  # type: ignore[arg-type]
