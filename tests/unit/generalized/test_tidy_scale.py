"""A dispersion that is one number is found in tidy tables under its name, with limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(25), 12)
    x = rng.normal(size=300)
    mu = np.exp(0.8 + 0.3 * x + 0.5 * rng.normal(size=25)[g])
    share = 1.0 / (1.0 + np.exp(-np.log(mu)))
    return pd.DataFrame({
        "count": rng.poisson(mu * rng.gamma(2.0, 0.5, 300)), "size": rng.gamma(4.0, mu / 4.0),
        "time": rng.wald(mu, 8.0), "share": rng.beta(9.0 * share, 9.0 * (1.0 - share)),
        "gauss": np.exp(0.1 * x) + 0.1 * rng.normal(size=25)[g] + 0.3 * rng.normal(size=300),
        "x": x, "g": g,
    })  # fmt: skip


CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("count", "negative_binomial", {}, "k"),
    ("count", "nb1", {}, "alpha"),
    ("size", "gamma", {"link": "log"}, "phi"),
    ("time", "inverse_gaussian", {"link": "log"}, "phi"),
    ("share", "beta", {}, "precision"),
    ("gauss", "gaussian", {"link": "log"}, "phi"),
]


@pytest.mark.parametrize(("response", "family", "options", "name"), CASES)
def test_its_row(response: str, family: str, options: dict[str, Any], name: str) -> None:
    fit = mm.glmer(f"{response} ~ x + (1 | g)", data(), family, **options)
    table = fit.tidy(conf_int=True)
    row = table[table["component"] == "dispersion"].iloc[0]
    assert (row["effect"], row["term"]) == ("ran_pars", name)
    assert row["estimate"] == pytest.approx(fit.dispersion)
    limits = fit.confint(method="wald").loc[name]
    assert row[["conf_low", "conf_high"]].tolist() == pytest.approx(limits.tolist())
    assert row["std_error"] == pytest.approx(
        row["estimate"] * np.log(limits["upper"] / limits["lower"]) / (2.0 * 1.959964), rel=1e-5
    )
    assert (table.loc[table["effect"] == "fixed", "component"] == "mean").all()
    profiled = fit.tidy("ran_pars", conf_int=True, conf_method="profile")
    found = profiled.loc[profiled["term"] == name, ["conf_low", "conf_high"]].iloc[0].tolist()
    assert found == pytest.approx(fit.confint(name).loc[name].tolist())
    assert name in str(mm.table([fit]))


def test_models_without_one_have_no_such_row() -> None:
    poisson = mm.glmer("count ~ x + (1 | g)", data(), "poisson")
    assert "component" not in poisson.tidy()
    predicted = mm.glmer("count ~ x + (1 | g)", data(), "negative_binomial", dispersion="~ x")
    assert "k" not in predicted.tidy()["term"].tolist()
    linear = mm.lmer("gauss ~ x + (1 | g)", data())
    assert "component" not in linear.tidy()
