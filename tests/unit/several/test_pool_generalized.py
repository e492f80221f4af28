"""Rubin's rules for fits of generalized models: complete data have infinite degrees of freedom."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm

CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@cache
def herds(**options: Any) -> list[mm.GeneralizedLinearMixedFit]:
    data, rng = mm.load_dataset("cbpp"), np.random.default_rng(1)
    gone = rng.choice(len(data), 8, replace=False)
    fits = []
    for _ in range(4):
        filled = data.copy()
        drawn = np.minimum(rng.poisson(2.0, 8), data.loc[gone, "size"])
        filled.loc[gone, "incidence"] = drawn
        fits.append(mm.glmer(CBPP, filled, **options))
    return fits


@cache
def counts(**options: Any) -> list[mm.GeneralizedLinearMixedFit]:
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(20), 12), rng.normal(size=240)
    eta = 0.5 + 0.3 * x + 0.7 * rng.normal(size=20)[g]
    y = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta)))
    fits = []
    for _ in range(3):
        data = pd.DataFrame({"g": g, "y": y, "x": x + 0.2 * rng.normal(size=240)})
        codes = np.minimum(data["y"], 2)
        data["c"] = pd.Categorical.from_codes(codes, ["none", "one", "more"], ordered=True)
        formula = f"{options.get('y', 'y')} ~ x + (1 | g)"
        more = {name: value for name, value in options.items() if name != "y"}
        fits.append(mm.glmer(formula, data, **more))
    return fits


@pytest.mark.parametrize("ddf", ["satterthwaite", "none"])
def test_rules_of_rubin(ddf: Any) -> None:
    fits = herds()
    pooled = mm.pool(fits, ddf=ddf)
    for name, row in pooled.table.iterrows():
        q = np.array([fit.fixef[name] for fit in fits])
        within = np.mean([fit.stderror[name] ** 2 for fit in fits])
        extra = 1.25 * np.var(q, ddof=1)
        assert row["estimate"] == pytest.approx(q.mean(), rel=1e-12)
        assert row["std_error"] == pytest.approx(np.sqrt(within + extra), rel=1e-10)
        # Rubin (1987): nu = (m - 1) (1 + 1 / r)^2
        assert row["df"] == pytest.approx(3.0 * (1.0 + within / extra) ** 2, rel=1e-8)
    assert "ddf of complete data: none" in str(pooled)


def test_means_and_tables_of_a_pooled_fit() -> None:
    pooled = mm.pool(herds())
    link, response = (pooled.emmeans("period", type=t).to_frame() for t in ("link", "response"))
    np.testing.assert_allclose(response["estimate"], 1 / (1 + np.exp(-link["estimate"])))
    shown = str(mm.table([herds()[0], pooled], exponentiate=True))
    assert "Pooled over 4 imputations" in shown
    assert f"{np.exp(pooled.table.loc['period2', 'estimate']):.3f}"[:4] in shown


def test_coefficients_of_other_parameters() -> None:
    fits = counts(family="negative_binomial")
    logs = [np.log(fit.dispersion) for fit in fits]
    pooled = mm.pool(fits)
    assert pooled.others.index.tolist() == ["log(k)"]
    assert pooled.others.loc["log(k)", "estimate"] == pytest.approx(np.mean(logs))
    fits = counts(y="c", family="ordinal")
    pooled = mm.pool(fits)
    thresholds = [fit.component_table().loc["thresholds"] for fit in fits]
    assert pooled.others.index.tolist() == thresholds[0].index.tolist()
    np.testing.assert_allclose(
        pooled.others["estimate"], np.mean([table["estimate"] for table in thresholds], axis=0)
    )
    shown = mm.table([pooled, fits[0]]).to_frame()
    assert shown.loc["thresholds", "(1)"]["estimate"].notna().all()
    fits = counts(family="negative_binomial", dispersion="~ x")
    assert mm.pool(fits).others.index.tolist() == ["dispersion.(Intercept)", "dispersion.x"]
    assert "Coefficients of other parameters" in str(mm.pool(fits))
    linear = [mm.lmer("Reaction ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy"))] * 2
    assert mm.pool(linear).others.empty


def test_refused() -> None:
    with pytest.raises(mm.ModelError, match="ddf is 'KR'; a generalized model"):
        mm.pool(herds(), ddf="KR")
    first = herds()[0]
    data = mm.load_dataset("cbpp")
    others = {
        "distributions": mm.glmer(CBPP, data, link="probit"),
        "likelihoods": mm.glmer(CBPP, data, n_agq=5),
        "formulas": mm.lmer("Reaction ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy")),
    }
    for what, other in others.items():
        with pytest.raises(mm.MixedModelsError, match=f"different {what}"):
            mm.pool([first, other])
    with pytest.raises(mm.MixedModelsError, match="takes a list of two fits or more"):
        mm.pool(first)
    with pytest.raises(mm.MixedModelsError, match="average takes fits of linear models; item 1"):
        mm.average([first, first])


def test_a_separated_reference_level_leaves_what_the_others_say() -> None:
    """Imputations differ in the responses of the others."""
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"f": np.tile(list("abc"), 100), "g": np.repeat(np.arange(20), 15)})
    data["y"] = (rng.random(300) < 0.4) & (data["f"] != "a")
    numbers, fits, rest = ["estimate", "std_error", "df", "lower", "upper"], [], []
    for _ in range(3):
        filled = data.copy()
        filled.loc[rng.choice(np.flatnonzero(data["f"] != "a"), 20), "y"] = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits.append(mm.glmer("y ~ f + (1 | g)", filled))
            rest.append(mm.glmer("y ~ f + (1 | g)", filled[filled["f"] != "a"]))
    pooled, others = mm.pool(fits), mm.pool(rest)
    assert pooled.table["std_error"].isna().all()
    pairs = [one.emmeans("f").pairs(adjust="none").to_frame()[numbers] for one in (pooled, others)]
    np.testing.assert_allclose(pairs[0].iloc[2], pairs[1].iloc[0], rtol=1e-3)
    assert pairs[0]["std_error"].isna().tolist() == [True, True, False]
    means = [one.emmeans("f").to_frame()[numbers] for one in (pooled, others)]
    np.testing.assert_allclose(means[0].iloc[1:], means[1], rtol=1e-3, atol=1e-5)
