"""Tests and intervals by likelihood where a fit is out of the ordinary."""

from __future__ import annotations

import numpy as np
import pytest
from edge_cases.shared import SLOPES, quiet, sleepstudy

import mixedmodels as mm
from mixedmodels import MixedModelsError, load_dataset

LIMIT = 3.841458820694124


def test_variance_of_zero_has_lower_limit_zero() -> None:
    for reml in (True, False):
        fit = quiet("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2"), reml=reml)
        table = fit.confint()
        assert table.loc["sd(Batch.(Intercept))", "lower"] == 0.0
        assert (table["lower"] < table["upper"]).all()
        profile = fit.profile()
        assert profile.zeta("sd(Batch.(Intercept))", 0.0) == 0.0
        ranova = fit.ranova()
        assert ranova["statistic"].iloc[1] == pytest.approx(0.0, abs=1e-8)
        assert (ranova["p_value"].iloc[1], ranova["p_mixture"].iloc[1]) == (1.0, 1.0)


def test_correlation_of_one() -> None:
    """The estimate is on the bound, so the interval ends there."""
    fit = quiet("cog ~ I(age - 1) * trt + (I(age - 1) | id)", load_dataset("early"))
    lower, upper = fit.confint(parameters="cor(id.(Intercept).I(age - 1))").iloc[0]
    assert lower == -1.0
    assert -1.0 < upper < 0.0


def test_correlation_that_an_effect_of_no_variance_leaves_open() -> None:
    """Without its slopes the model is less than 3.84 worse, and then any correlation will do."""
    fit = quiet("distance ~ age * Sex + (age | Subject)", load_dataset("orthodont"), reml=False)
    name = "cor(Subject.(Intercept).age)"
    without = quiet("distance ~ age * Sex + (1 | Subject)", load_dataset("orthodont"), reml=False)
    ceiling = without.objective - fit.objective
    assert ceiling < LIMIT
    assert fit.confint(parameters=name).iloc[0].tolist() == [-1.0, 1.0]
    profile = fit.profile(name)
    assert profile.zeta(name, [-1.0])[0] ** 2 == pytest.approx(ceiling, abs=1e-6)
    narrow = profile.confint(0.5)
    assert -1.0 < narrow["lower"].iloc[0] < narrow["upper"].iloc[0] < 1.0


def test_correlation_without_an_estimate() -> None:
    """Every subject has the same line, so no effect has a variance, nor two a correlation."""
    response = np.tile(np.random.default_rng(3).standard_normal(10), 18)
    noise = np.tile([1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 1.0], 18)
    swing = np.repeat(np.tile([1.0, -1.0], 9), 10)
    fit = quiet(SLOPES, sleepstudy(Reaction=response + noise * swing), reml=False)
    name = "cor(Subject.(Intercept).Days)"
    assert np.isnan(fit.varcorr.corr["Subject"].iloc[0, 1])
    assert fit.confint(parameters=name).iloc[0].tolist() == [-1.0, 1.0]
    assert name not in fit.profile().parameters
    with pytest.raises(MixedModelsError, match="has no estimate"):
        fit.profile(name)


@pytest.mark.parametrize(
    ("formula", "options", "npar"),
    [
        (SLOPES, {"weights": "1/(1 + Days)", "offset": "10 * Days"}, {"Days": 1}),
        ("Reaction ~ 0 + (1 | Subject)", {}, {}),
        # Either of the two may go without a loss.
        (
            "Reaction ~ Days + I(2 * Days) + (1 | Subject)",
            {},
            {"Days": 0, "I(2 * Days)": 0},
        ),
        ("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", {}, {"Days": 1}),
    ],
)
@pytest.mark.parametrize("reml", [True, False])
def test_every_kind_of_fit(
    formula: str, options: dict[str, str], npar: dict[str, int], reml: bool
) -> None:
    data = sleepstudy()
    data.loc[[3, 50, 51], "Reaction"] = np.nan
    fit = quiet(formula, data, reml=reml, **options)
    profile = fit.profile()
    table = fit.confint()
    assert (table["lower"] < table["upper"]).sum() == len(profile.parameters)
    for name in profile.parameters:
        ends = profile.zeta(name, table.loc[name])
        np.testing.assert_allclose(ends**2, LIMIT, rtol=1e-4)
    assert fit.drop1()["df"].drop("<none>").to_dict() == npar
    assert (fit.ranova()["statistic"][1:] > 0.0).all()
    assert mm.anova(fit, quiet("Reaction ~ 1 + (1 | Subject)", data, **options)).shape == (2, 10)


def test_far_from_zero_and_at_any_scale() -> None:
    """Limits move with the response."""
    plain = quiet(SLOPES, sleepstudy(), reml=False).confint()
    shifted = quiet(
        SLOPES, sleepstudy(Reaction=sleepstudy()["Reaction"] + 1e8), reml=False
    ).confint()
    np.testing.assert_allclose(shifted.drop("(Intercept)"), plain.drop("(Intercept)"), rtol=1e-5)
    np.testing.assert_allclose(
        shifted.loc["(Intercept)"] - 1e8, plain.loc["(Intercept)"], atol=1e-4
    )
    small = quiet(
        SLOPES, sleepstudy(Reaction=sleepstudy()["Reaction"] * 1e-8), reml=False
    ).confint()
    correlation = "cor(Subject.(Intercept).Days)"
    np.testing.assert_allclose(small.loc[correlation], plain.loc[correlation], rtol=1e-6)
    np.testing.assert_allclose(small.drop(correlation) * 1e8, plain.drop(correlation), rtol=1e-6)
    days = sleepstudy()["Days"] * 1e6
    steep = quiet(SLOPES, sleepstudy(Days=days), reml=False).confint()
    scale = np.array([1.0, 1.0, 1e-6, 1.0, 1.0, 1e-6])[:, None]
    np.testing.assert_allclose(steep / scale, plain, rtol=1e-6)


def test_a_coefficient_at_its_limit_is_an_offset() -> None:
    fit = quiet(SLOPES, sleepstudy(), reml=False)
    for value in fit.confint(parameters="Days").iloc[0]:
        shift = value * sleepstudy()["Days"].to_numpy(dtype=np.float64)
        held = quiet("Reaction ~ 1 + (Days | Subject)", sleepstudy(), reml=False, offset=shift)
        assert held.objective - fit.objective == pytest.approx(LIMIT, abs=1e-6)


def test_large_model_in_reasonable_time() -> None:
    """73,421 rows and 4,100 random effects, against lme4's profile (which takes minutes)."""
    fit = mm.lmer("y ~ service + (1 | s) + (1 | d)", load_dataset("insteval"), reml=False)
    limits = fit.confint(parameters="sd(d.(Intercept))").iloc[0]
    np.testing.assert_allclose(limits, [0.49639566, 0.546781886], rtol=1e-6)
