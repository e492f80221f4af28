"""Components of random effects, shares of variance, inflation: against R's numbers and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixedmodels import MixedModelsError, lmer, load_dataset


def test_components_as_lme4s() -> None:
    """`rePCA` of the same fits in R with lme4 1.1-31, rhoend 1e-10."""
    oxboys = load_dataset("oxboys")
    fit = lmer("height ~ age + I(age**2) + (age + I(age**2) | Subject)", oxboys, reml=False)
    part = fit.repca()["Subject"]
    # R's theta is good to about 1e-6.
    np.testing.assert_allclose(
        part.table["relative_sd"], [16.5975073871, 2.9779189459, 1.0740268873], rtol=1e-5
    )
    np.testing.assert_allclose(part.table["sd"], fit.sigma * part.table["relative_sd"])
    rotation = [
        [0.9908996276349, 0.129457949836, 0.0368587462795],
        [0.1325055126254, -0.890023355279, -0.4362347030912],
        [0.0236689052744, -0.437148791925, 0.8990777033392],
    ]
    np.testing.assert_allclose(np.abs(part.loadings), np.abs(rotation), atol=1e-5)
    # Terms on one factor are taken together.
    fit = lmer("height ~ age + (1 | Subject) + (0 + age | Subject)", oxboys)
    part = fit.repca()["Subject"]
    np.testing.assert_allclose(
        part.table["relative_sd"], [12.24775501652, 2.54733285904], rtol=1e-5
    )
    np.testing.assert_allclose(part.loadings, np.eye(2))
    assert fit.repca().to_frame().index.names == ["group", "component"]


def test_components_by_hand() -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    values = np.linalg.eigvalsh(fit.varcorr.cov["Subject"])[::-1]
    table = fit.repca()["Subject"].table
    np.testing.assert_allclose(table["sd"] ** 2, values)
    np.testing.assert_allclose(table["proportion"], values / values.sum())
    np.testing.assert_allclose(table["cumulative"], np.cumsum(values) / values.sum())
    r = fit.varcorr.corr["Subject"].iloc[0, 1]
    scaled = fit.repca("correlation")["Subject"].table
    np.testing.assert_allclose(scaled["sd"] ** 2, [1 + r, 1 - r])
    assert "Loadings" in repr(fit.repca())
    with pytest.raises(MixedModelsError, match="scale is 'corr'"):
        fit.repca("corr")  # type: ignore[arg-type]


def test_shares_by_hand() -> None:
    data = load_dataset("sleepstudy")
    fit = lmer("Reaction ~ Days + (Days | Subject)", data, weights="1 + Days", offset="10 * Days")
    days = data["Days"].to_numpy()
    X = np.column_stack([np.ones(180), days])
    random = np.trace(X @ fit.varcorr.cov["Subject"].to_numpy() @ X.T) / 180
    residual = fit.sigma**2 * np.mean(1 / (1 + days))
    fixed = fit.beta[1] ** 2 * days.var(ddof=1)
    shares = fit.icc()
    assert list(shares.index) == ["Subject", "all"]
    np.testing.assert_allclose(shares["variance"], random)
    np.testing.assert_allclose(shares["adjusted"], random / (random + residual))
    np.testing.assert_allclose(shares["conditional"], random / (random + residual + fixed))
    total = random + residual + fixed
    np.testing.assert_allclose(fit.r2(), [fixed / total, (fixed + random) / total])


def test_shares_of_two_groups() -> None:
    fit = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))
    variances = fit.varcorr.sd.to_numpy() ** 2
    total = variances.sum() + fit.sigma**2
    np.testing.assert_allclose(
        fit.icc()["adjusted"], np.append(variances, variances.sum()) / total, rtol=1e-12
    )
    assert fit.r2()["marginal"] == 0.0


@pytest.mark.parametrize(
    ("formula", "name", "df", "gvif"),
    [
        (
            "mathgain ~ mathkind + sex + minority + ses + (1 | classid) + (1 | schoolid)",
            "classroom",
            [1, 1, 1, 1],
            [1.07113022235, 1.00144290145, 1.06870388721, 1.07059333400],
        ),
        (
            "yield ~ factor(nitro) * Variety + (1 | Block/Variety)",
            "oats",
            [3, 2, 6],
            [27.0, 3.54741241525, 65.82894798420],
        ),
        ("yield ~ nitro + Variety + (1 | Block/Variety)", "oats", [1, 2], [1.0, 1.0]),
    ],
)
def test_inflation_as_cars(formula: str, name: str, df: list[int], gvif: list[float]) -> None:
    """`car::vif` of the same fits in R."""
    fit = lmer(formula, load_dataset(name))
    table = fit.vif()
    assert table["df"].tolist() == df
    # They follow theta, which R's optimizer gives to about 1e-6.
    np.testing.assert_allclose(table["gvif"], gvif, rtol=1e-5)
    np.testing.assert_allclose(table["scaled"], table["gvif"] ** (0.5 / np.array(df)))


def test_inflation_of_aliased_terms() -> None:
    data: pd.DataFrame = load_dataset("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    table = lmer("Reaction ~ Days + twice + (1 | Subject)", data).vif()
    assert table.loc["twice"].tolist()[0] == 0
    assert np.isnan(table.loc["twice", "gvif"])
    assert table.loc["Days", "gvif"] == 1.0
    with pytest.raises(MixedModelsError, match="no term besides the intercept"):
        lmer("Reaction ~ 1 + (1 | Subject)", data).vif()
