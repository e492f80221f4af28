"""Tidy tables: columns, and numbers that stand elsewhere in the fit."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from mixedmodels import DataError, MixedModelsError, SingularFitWarning, lmer, load_dataset
from mixedmodels.linear import LinearMixedFit

SLOPES = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def fit() -> LinearMixedFit:
    return lmer(SLOPES, load_dataset("sleepstudy"))


def test_tidy(fit: LinearMixedFit) -> None:
    table = fit.tidy()
    assert list(table.columns) == [
        "effect",
        "group",
        "term",
        "estimate",
        "std_error",
        "df",
        "statistic",
        "p_value",
    ]
    assert table["term"].tolist() == [
        "(Intercept)",
        "Days",
        "sd__(Intercept)",
        "sd__Days",
        "cor__(Intercept).Days",
        "sd__Observation",
    ]
    assert table["group"].isna().tolist() == [True, True, False, False, False, False]
    assert table["group"].tolist()[2:] == ["Subject", "Subject", "Subject", "Residual"]
    fixed = table[table["effect"] == "fixed"]
    expected = fit.coef_table()
    for name in expected:
        np.testing.assert_array_equal(fixed[name], expected[name])
    np.testing.assert_allclose(table["estimate"][2:], fit.varcorr.to_frame()["sdcor"], rtol=1e-15)


def test_limits(fit: LinearMixedFit) -> None:
    table = fit.tidy("fixed", conf_int=True, level=0.9, ddf="none")
    quantile = stats.norm.ppf(0.95)
    np.testing.assert_allclose(table["conf_low"], fit.fixef - quantile * fit.stderror)
    np.testing.assert_allclose(table["conf_high"], fit.fixef + quantile * fit.stderror)
    table = fit.tidy("ran_pars", conf_int=True, conf_method="wald")
    assert table.columns.tolist() == ["effect", "group", "term", "estimate"]


def test_limits_of_components(fit: LinearMixedFit) -> None:
    table = fit.tidy("ran_pars", conf_int=True, level=0.9)
    errors = fit.varcorr_table()["sdcor_std_error"].to_numpy()
    quantile = stats.norm.ppf(0.95)
    for row, error in zip(table.itertuples(), errors, strict=True):
        limits = np.array([row.conf_low, row.conf_high])
        if str(row.term).startswith("sd__"):
            found, slope = np.log(limits), 1.0 / row.estimate
            middle = np.log(row.estimate)
        else:
            found, slope = np.arctanh(limits), 1.0 / (1.0 - row.estimate**2)
            middle = np.arctanh(row.estimate)
        half = quantile * error * slope
        np.testing.assert_allclose(found, [middle - half, middle + half], rtol=1e-10)


def test_limits_of_components_on_a_bound() -> None:
    with pytest.warns(SingularFitWarning):
        fit = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2"))
    with pytest.warns(SingularFitWarning, match="on the bound"):
        table = fit.tidy("ran_pars", conf_int=True)
    assert table["conf_low"].isna().tolist() == [True, False]


def test_limits_by_profile(fit: LinearMixedFit) -> None:
    limits = fit.confint(level=0.9)
    table = fit.tidy(conf_int=True, conf_method="profile", level=0.9)
    assert not table[["conf_low", "conf_high"]].isna().any(axis=None)
    for row in table.itertuples():
        values = limits.loc[row.term] if row.effect == "fixed" else None
        if row.effect == "ran_pars":
            inside = row.term.partition("__")[2]
            name = f"{row.term[: row.term.index('__')]}({row.group}.{inside})"
            values = limits.loc["sigma" if row.group == "Residual" else name]
        np.testing.assert_allclose([row.conf_low, row.conf_high], values, rtol=1e-12)
    with pytest.raises(MixedModelsError, match="conf_method is 'boot'"):
        fit.tidy(conf_int=True, conf_method="boot")  # type: ignore[arg-type]
    with pytest.raises(MixedModelsError, match="vcov= is for Wald limits"):
        fit.tidy(conf_int=True, conf_method="profile", vcov="CR2")


def test_by_level(fit: LinearMixedFit) -> None:
    modes, variances = fit.ranef(), fit.ranef_cov()
    table = fit.tidy("ran_vals", conf_int=True)
    row = table[(table["level"] == "309") & (table["term"] == "Days")].iloc[0]
    assert row["estimate"] == modes["Subject"].loc["309", "Days"]
    assert row["std_error"] == np.sqrt(variances["Subject"][1, 1, 1])
    assert row["conf_high"] == pytest.approx(row["estimate"] + 1.959964 * row["std_error"])
    coefficients = fit.tidy("ran_coefs")
    assert len(coefficients) == 36
    assert coefficients["estimate"][3] == fit.coef()["Subject"].loc["309", "Days"]
    both = fit.tidy(["fixed", "ran_vals"])
    assert both["level"].isna().sum() == 2


def test_glance(fit: LinearMixedFit) -> None:
    row = fit.glance().iloc[0]
    assert row.to_dict() == {
        "nobs": 180,
        "sigma": fit.sigma,
        "logLik": fit.loglik,
        "AIC": fit.aic,
        "BIC": fit.bic,
        "REMLcrit": fit.objective,
        "df_residual": 174,
    }
    other = lmer(SLOPES, load_dataset("sleepstudy"), reml=False)
    assert other.glance()["deviance"].item() == other.deviance


def test_augment(fit: LinearMixedFit) -> None:
    data = load_dataset("sleepstudy")
    table = fit.augment(data)
    assert list(table.columns[:3]) == list(data.columns)
    np.testing.assert_array_equal(table[".fitted"], fit.fitted)
    np.testing.assert_array_equal(table[".resid"], fit.residuals)
    np.testing.assert_array_equal(table[".hat"], fit.leverage())
    np.testing.assert_array_equal(table[".cooksd"], fit.cooks_distance())
    np.testing.assert_array_equal(table[".std_resid"], fit.std_residuals())
    np.testing.assert_allclose(table[".fixed"], fit.beta[0] + fit.beta[1] * data["Days"])
    bare = fit.augment()
    pd.testing.assert_frame_equal(bare.iloc[:, :3], fit.model_frame())
    pd.testing.assert_frame_equal(bare.iloc[:, 3:], table.iloc[:, 3:])
    assert fit.augment({name: data[name].tolist() for name in data}).shape == table.shape
    assert fit.augment(pl.DataFrame({"Reaction": data["Reaction"].to_numpy()})).shape == (180, 10)


def test_augment_of_a_fit_without_its_table(fit: LinearMixedFit) -> None:
    bare = pickle.loads(pickle.dumps(fit)).augment()
    assert list(bare.columns[:2]) == ["Reaction", "Subject"]
    pd.testing.assert_frame_equal(bare.iloc[:, 2:], fit.augment().iloc[:, 3:])
    data = load_dataset("sleepstudy")
    changed = lmer(SLOPES, data)
    data["Reaction"] += 1.0
    assert list(changed.augment().columns[:2]) == ["Reaction", "Subject"]


def test_augment_on_the_rows_used() -> None:
    data = load_dataset("sleepstudy").set_axis([f"r{i}" for i in range(180)])
    data.loc[["r3", "r50"], "Days"] = np.nan
    fit = lmer(SLOPES, data, weights="1 + Days", offset="2 * Days")
    table = fit.augment(data)
    assert len(table) == 178
    assert "r3" not in table.index
    np.testing.assert_array_equal(table[".weights"], 1 + table["Days"])
    np.testing.assert_array_equal(table[".offset"], 2 * table["Days"])
    np.testing.assert_allclose(table[".wtres"], np.sqrt(table[".weights"]) * table[".resid"])
    np.testing.assert_allclose(
        table[".fixed"], fit.beta[0] + (fit.beta[1] + 2) * table["Days"], rtol=1e-12
    )


def test_refused(fit: LinearMixedFit) -> None:
    data = load_dataset("sleepstudy")
    with pytest.raises(DataError, match="data has 10 rows; the model was fitted to a table"):
        fit.augment(data.head(10))
    with pytest.raises(DataError, match="'Reaction' in data is not the response"):
        fit.augment(data.iloc[::-1])
    with pytest.raises(DataError, match="not a table in memory"):
        fit.augment(7)
    with pytest.raises(MixedModelsError, match="effects is 'random'"):
        fit.tidy("random")  # type: ignore[arg-type]
    with pytest.raises(MixedModelsError, match="effects is empty"):
        fit.tidy([])
    with pytest.raises(MixedModelsError, match="level is 95"):
        fit.tidy(conf_int=True, level=95)
