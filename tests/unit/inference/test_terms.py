"""The hypotheses of terms: what does not depend on coding, on order, on scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import ModelError
from mixedmodels.api import glmer, lmer
from mixedmodels.datasets import load_dataset
from mixedmodels.inference.terms import term_hypotheses
from mixedmodels.linear import LinearMixedFit

RNG = np.random.default_rng(20251001)
N = 150
DATA = pd.DataFrame(
    {
        "g": RNG.integers(12, size=N).astype(str),
        "a": RNG.choice(list("uvw"), p=[0.5, 0.3, 0.2], size=N),
        "b": RNG.choice(list("pq"), p=[0.7, 0.3], size=N),
        "x": RNG.normal(2.0, 1.0, size=N),
    }
)
DATA["y"] = DATA["x"] + (DATA["a"] == "v") + RNG.normal(size=N) + DATA["g"].astype(int) % 4
CODINGS: tuple[dict[str, Any], ...] = (
    {"a": "sum", "b": "helmert"},
    {"a": "poly", "b": "sum"},
    {"a": np.array([[1.0, 2.0], [0.0, 5.0], [3.0, -1.0]])},
)


def fit_of(fixed: str, contrasts: dict[str, Any] | None = None) -> LinearMixedFit:
    used = {name: c for name, c in (contrasts or {}).items() if name in fixed}
    return lmer(f"y ~ {fixed} + (1 | g)", DATA, contrasts=used)


@pytest.mark.parametrize("fixed", ["a*b", "a*b*x", "a/b", "a:b", "0 + a*b", "a:x + b", "x + a:b"])
@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_type_three_does_not_depend_on_coding(fixed: str, df: Any) -> None:
    expected = fit_of(fixed).anova(3, ddf=df).to_frame()
    for coding in CODINGS:
        found = fit_of(fixed, coding).anova(3, ddf=df).to_frame()
        pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_types_agree_without_interactions() -> None:
    fit = fit_of("a + b + x")
    second, third = fit.anova(2), fit.anova(3)
    pd.testing.assert_frame_equal(second.to_frame(), third.to_frame(), rtol=1e-8)
    assert fit.anova(1).loc["x"].equals(third.loc["x"]) or np.allclose(
        fit.anova(1).loc["x"], third.loc["x"], rtol=1e-8
    )


def test_the_only_term_has_the_same_denominator_in_all_types() -> None:
    data = load_dataset("sleepstudy")
    data["part"] = pd.cut(data["Days"], [-1, 1, 4, 9], labels=list("abc")).astype(str)
    data["z"] = data["Days"] * (data["Subject"].astype("category").cat.codes + 1) / 9
    data = data.iloc[7:]
    # lmerTest 3.1-3, anova(fit, type = 1 to 3): DenDF of one factor, and of a polynomial
    for fixed, den_df in (("part", 108.409901), ("poly(z, 3)", 30.923)):
        fit = lmer(f"Reaction ~ {fixed} + (Days | Subject)", data)
        for type_ in (1, 2, 3):
            np.testing.assert_allclose(fit.anova(type=type_)["den_df"], den_df, rtol=1e-4)
    # Without an intercept the only term is all there is; beside another factor its levels differ.
    for fixed, num_df in (("0 + part", [3]), ("0 + part + odd", [2, 1])):
        odd = data.assign(odd=np.where(data["Days"] % 2, "o", "e"))
        bare = lmer(f"Reaction ~ {fixed} + (Days | Subject)", odd)
        assert bare.anova(type=3)["num_df"].tolist() == num_df


def test_sequential_tests_depend_on_the_order() -> None:
    assert not np.isclose(
        fit_of("a + b").anova(1).loc["b", "statistic"],
        fit_of("b + a").anova(1).loc["b", "statistic"],
    )


def test_marginal_means_are_what_type_three_compares() -> None:
    """With a cell for every pair of levels, equal means over the levels of the other factor."""
    fit = fit_of("0 + a:b")
    cells = {name: j for j, name in enumerate(fit.model.design.x_names)}
    rows = [
        {
            f"a{level}:b{other}": sign
            for level, sign in (("u", 1.0), (against, -1.0))
            for other in "pq"
        }
        for against in "vw"
    ]
    assert set(rows[0]) <= set(cells)
    full = fit_of("a*b").anova(3).loc["a"]
    assert fit.test(rows).joint.statistic == pytest.approx(full["statistic"], rel=1e-8)


def test_covariate_is_tested_at_the_mean_of_the_slopes() -> None:
    fit = fit_of("a*x")
    slopes = {"x": 1.0, "av:x": 1.0 / 3.0, "aw:x": 1.0 / 3.0}
    assert fit.test(slopes).joint.statistic == pytest.approx(fit.anova(3).loc["x", "statistic"])
    # A factor does not lie in its product with a covariate: its test is at x = 0.
    assert fit.anova(3).loc["a", "statistic"] == pytest.approx(
        fit.test(["av", "aw"]).joint.statistic
    )


def test_shape_of_hypotheses() -> None:
    model = fit_of("a*b + x").model._model
    for type_ in (1, 2, 3):
        found = term_hypotheses(model, type_)  # type: ignore[arg-type]
        assert list(found) == [1, 2, 3, 4]
        assert [L.shape for L in found.values()] == [(2, 7), (1, 7), (1, 7), (2, 7)]


def test_contrasts_that_leave_levels_out() -> None:
    one = {"a": np.array([[1.0], [0.0], [-1.0]])}
    fit = fit_of("a + b", one)
    assert fit.anova(3).loc["a", "num_df"] == 1
    with pytest.raises(ModelError, match=r"Type III tests need .* Use type=1"):
        fit_of("0 + a + b", one).anova(3)


def test_splines_keep_their_columns() -> None:
    table = fit_of("a*bs(x, df=4)").anova(3)
    assert table["num_df"].tolist() == [2, 4, 8]


def test_terms_of_generalized_models_go_by_their_information() -> None:
    cows = load_dataset("cbpp")
    cows["big"] = (cows["size"] > 12).astype(str)
    ticks = load_dataset("grouseticks")
    ticks["h"] = pd.cut(ticks["HEIGHT"], [0, 440, 480, 600], labels=list("abc")).astype(str)
    # car 3.1-1, Anova(type = 2) of fits by glmmTMB 1.1.5
    cases = [
        ("cbind(incidence, size - incidence) ~ period * big + (1 | herd)", cows, "binomial",
         [22.55949, 1.18150, 6.29185]),
        ("TICKS ~ YEAR * h + (1 | BROOD)", ticks, "poisson", [75.63184, 54.97071, 11.41658]),
    ]  # fmt: skip
    for formula, data, family, expected in cases:
        fit = glmer(formula, data, family)
        found = fit.anova(type=2)["sum_sq"]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        # Type I adds up to the test of all coefficients.
        names = [name for name in fit.fixef.index if name != "(Intercept)"]
        whole = fit.test(names).joint
        total = fit.anova(type=1)["sum_sq"].sum()
        np.testing.assert_allclose(total, whole.statistic * whole.num_df, rtol=1e-8)
