"""Rubin's rules against R's mice and against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit
from mixedmodels.several.rubin import pooled_df

FORMULA = "Reaction ~ Days + (Days | Subject)"
METHODS = ("satterthwaite", "kenward-roger", "residual", "none")


def imputed(count: int = 5, **options: Any) -> list[LinearMixedFit]:
    data, rng = mm.load_dataset("sleepstudy"), np.random.default_rng(2)
    gone = rng.choice(180, 40, replace=False)
    fits = []
    for _ in range(count):
        filled = data.copy()
        filled.loc[gone, "Reaction"] += rng.normal(0.0, 30.0, len(gone))
        fits.append(mm.lmer(FORMULA, filled, **options))
    return fits


# pool.scalar of mice 3.15: variances within 1.5725, between 0.313, five imputations.
@pytest.mark.parametrize(
    ("complete", "df", "fmi"),
    [(17.0, 11.078588182750, 0.307473372375), (np.inf, 107.604718782926, 0.207399307803)],
)
def test_degrees_of_freedom_are_those_of_mice(complete: float, df: float, fmi: float) -> None:
    riv = np.array([1.2 * 0.313 / 1.5725])
    found = pooled_df(riv, 5, np.array([complete]))
    np.testing.assert_allclose(found, df, rtol=1e-12)
    np.testing.assert_allclose((riv + 2.0 / (found + 3.0)) / (1.0 + riv), fmi, rtol=1e-11)


@pytest.mark.parametrize("ddf", METHODS)
@pytest.mark.parametrize("count", [2, 5])
def test_rules_of_rubin(ddf: Any, count: int) -> None:
    fits = imputed(count)
    pooled = mm.pool(fits, ddf=ddf, level=0.9)
    tables = [fit.coef_table(ddf) for fit in fits]
    for name in pooled.table.index:
        q = np.array([table.loc[name, "estimate"] for table in tables])
        u = np.array([table.loc[name, "std_error"] ** 2 for table in tables])
        b = np.var(q, ddof=1)
        total = u.mean() + (1.0 + 1.0 / count) * b
        row = pooled.table.loc[name]
        np.testing.assert_allclose(row["estimate"], q.mean(), rtol=1e-12)
        np.testing.assert_allclose(row["std_error"], np.sqrt(total), rtol=1e-10)
        np.testing.assert_allclose(row["riv"], (1.0 + 1.0 / count) * b / u.mean(), rtol=1e-8)
        assert row["lower"] < row["estimate"] < row["upper"]
        assert 0.0 < row["fmi"] < 1.0
        complete = np.mean([table.loc[name, "df"] for table in tables])
        assert row["df"] < complete
    np.testing.assert_allclose(np.sqrt(np.diag(pooled.vcov)), pooled.table["std_error"])


def test_equal_imputations_pool_to_the_fit() -> None:
    fit = imputed(1)[0]
    pooled = mm.pool([fit, fit, fit], ddf="none")
    np.testing.assert_allclose(pooled.table["std_error"], fit.stderror)
    assert (pooled.table["riv"] == 0.0).all()
    assert np.isinf(pooled.table["df"]).all()
    np.testing.assert_allclose(pooled.varcorr["sdcor"], fit.varcorr.to_frame()["sdcor"])
    assert np.isfinite(mm.pool([fit, fit]).table["df"]).all()


def test_variance_components_are_means() -> None:
    fits = imputed(4)
    pooled = mm.pool(fits)
    frames = [fit.varcorr.to_frame() for fit in fits]
    variances = np.array([frame["vcov"] for frame in frames])
    np.testing.assert_allclose(pooled.varcorr["vcov"], variances.mean(axis=0))
    sd = np.array([frame["sdcor"] for frame in frames])
    np.testing.assert_allclose(pooled.varcorr["most"], sd.max(axis=0))
    text = str(pooled)
    assert "4 imputations" in text
    assert "Residual" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "<table" in pooled._repr_html_()


def altered(kind: str) -> Any:
    fits: list[Any] = imputed(3)
    data = mm.load_dataset("sleepstudy")
    changes = {
        "formulas": lambda: mm.lmer("Reaction ~ Days + (1 | Subject)", data),
        "numbers of rows": lambda: mm.lmer(FORMULA, data.iloc[:170]),
        "criteria": lambda: mm.lmer(FORMULA, data, reml=False),
        "item 2": lambda: "a fit",
    }
    fits[1] = changes[kind]()
    return fits


@pytest.mark.parametrize("kind", ["formulas", "numbers of rows", "criteria", "item 2"])
def test_fits_of_different_models_are_refused(kind: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=kind):
        mm.pool(altered(kind))


def test_levels_that_are_missing_in_an_imputation_are_refused() -> None:
    data = mm.load_dataset("cake")
    one = mm.lmer("angle ~ recipe + (1 | replicate)", data)
    changed = data.assign(recipe=data["recipe"].astype(str).replace("C", "B"))
    two = mm.lmer("angle ~ recipe + (1 | replicate)", changed)
    with pytest.raises(mm.MixedModelsError, match="different coefficients"):
        mm.pool([one, two])


@pytest.mark.parametrize("fits", [[], None, "fit", 3, pd.DataFrame()])
def test_two_fits_are_needed(fits: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="two fits or more"):
        mm.pool(fits)
    with pytest.raises(mm.MixedModelsError, match="two fits or more"):
        mm.pool(imputed(1)[0])  # type: ignore[arg-type]


# -- what is made of pooled results --------------------------------------------------------------


def machines(count: int = 4) -> list[mm.LinearMixedFit]:
    data, rng = mm.load_dataset("machines"), np.random.default_rng(3)
    return [
        mm.lmer(
            "score ~ Machine + (1 | Worker)",
            data.assign(score=data["score"] + rng.normal(0.0, 2.0, len(data))),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "residual", "none"])
def test_marginal_means_are_those_of_rubins_rules(ddf: str) -> None:
    fits = machines()
    pooled = mm.pool(fits, ddf=ddf)
    means = pooled.emmeans("Machine").to_frame()
    own = [fit.emmeans("Machine", ddf=ddf).to_frame() for fit in fits]
    estimates = np.array([table["estimate"] for table in own])
    within = np.mean([table["std_error"] ** 2 for table in own], axis=0)
    between = estimates.var(axis=0, ddof=1)
    total = within + (1.0 + 1.0 / len(fits)) * between
    complete = np.mean([table["df"] for table in own], axis=0)
    riv = (1.0 + 1.0 / len(fits)) * between / within
    np.testing.assert_allclose(means["estimate"], estimates.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(means["std_error"], np.sqrt(total), rtol=1e-7)
    np.testing.assert_allclose(means["df"], pooled_df(riv, len(fits), complete), rtol=1e-6)


def test_a_contrast_of_means_is_a_coefficient() -> None:
    pooled = mm.pool(machines())
    contrasts = pooled.emmeans("Machine").contrast("treatment", adjust="none").to_frame()
    for row, name in enumerate(["MachineB", "MachineC"]):
        for column in ("estimate", "std_error", "df", "lower", "upper", "p_value"):
            found = contrasts[column].iloc[row]
            assert found == pytest.approx(pooled.table.loc[name, column], rel=1e-7), column
    assert "pooled over 4 imputations" in str(pooled.emmeans("Machine"))


def test_limits_at_any_level() -> None:
    pooled = mm.pool(machines(), level=0.9)
    limits = pooled.confint(0.9)
    np.testing.assert_allclose(limits, pooled.table[["lower", "upper"]])
    assert (pooled.confint()["upper"] > limits["upper"]).all()
    with pytest.raises(mm.MixedModelsError, match="level"):
        pooled.confint(95)  # type: ignore[arg-type]


def test_pooled_results_stand_beside_fits() -> None:
    fits = machines()
    pooled = mm.pool(fits)
    shown = mm.table([pooled, fits[0]], names=["pooled", "first"])
    frame = shown.to_frame()
    np.testing.assert_allclose(
        frame.loc["fixed"]["pooled"]["estimate"], pooled.table["estimate"], rtol=1e-12
    )
    sd = np.sqrt(np.mean([fit.varcorr.to_frame()["vcov"] for fit in fits], axis=0))
    np.testing.assert_allclose(frame.loc["random"]["pooled"]["estimate"], sd)
    assert frame.loc[("model", "AIC")]["pooled"].isna().all()
    text = str(shown)
    assert "nan" not in text.lower()
    assert "Pooled over 4 imputations." in text
    assert str(mm.table(pooled)).count("MachineB") == 1
