"""Fits in marginaleffects itself, against what the fit says by its own means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedmodels as mm

pl = pytest.importorskip("polars")
if int(pl.__version__.split(".")[0]) >= 2:
    pytest.skip("marginaleffects 0.6 does not work with Polars 2", allow_module_level=True)
me = pytest.importorskip("marginaleffects")
pytestmark = pytest.mark.filterwarnings(
    # Of Polars, in which marginaleffects calls what is to go.
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::FutureWarning"
)  # fmt: skip

from mixedmodels.adapters.marginaleffects import as_model  # noqa: E402 (after the check)

# Slopes and standard errors are differences there.
NEAR = 1e-3
RNG = np.random.default_rng(11)
N = 240
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "k": RNG.integers(0, 6, N),
        "f": RNG.choice(["p", "q", "r"], N),
        "c": pd.Categorical(RNG.choice([10, 2, 30], N), [10, 2, 30]),
        "t": RNG.random(N) < 0.5,
        "off": RNG.normal(size=N),
        "g": RNG.choice([f"g{i}" for i in range(12)], N),
    }
)
B = RNG.normal(size=(12, 2))
CODES = DATA["g"].str[1:].astype(int).to_numpy()
DATA["y"] = np.exp(
    0.3 * (DATA["x"] + B[CODES, 0] + B[CODES, 1] * DATA["x"] + RNG.normal(size=N) + DATA["t"])
)
FORMULAS = [
    "y ~ x * f + (x | g)",
    "y ~ poly(x, 2) + c + t + k + (x || g)",
    "log(y) ~ bs(x, df=4) * t + (1 | g)",
    "y ~ scale(x) + factor(k) + (1 | g)",
    "y ~ C(f, 'sum') + I(x ** 2) + x + (1 | g)",
]


def tables() -> dict[str, Any]:
    return {
        "pandas": DATA,
        "polars": pl.from_pandas(DATA.assign(c=DATA["c"].astype(str))),
        "dict": {name: DATA[name].tolist() for name in DATA},
    }


def numbers(result: Any, *names: str) -> list[np.ndarray]:
    return [np.asarray(result[name].to_numpy(), dtype=float) for name in names]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("kind", ["pandas", "polars", "dict"])
def test_predictions(formula: str, kind: str) -> None:
    fit = mm.lmer(formula, tables()[kind])
    found = me.predictions(as_model(fit))
    X = fit.model_matrix().to_numpy()
    estimate, error = numbers(found, "estimate", "std_error")
    np.testing.assert_allclose(estimate, fit.predict(random="none"), rtol=1e-10)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", X, fit.vcov.to_numpy(), X))
    np.testing.assert_allclose(error, expected, rtol=NEAR)


@pytest.mark.parametrize("vcov", [True, "CR0", "cr1", "CR2", "Kenward_Roger", "matrix"])
def test_covariances(vcov: Any) -> None:
    fit = mm.lmer("y ~ x + f + (1 | g)", DATA)
    given = 2.0 * fit.vcov.to_numpy() if vcov == "matrix" else vcov
    matrix = {
        True: lambda: fit.vcov,
        "matrix": lambda: given,
        "Kenward_Roger": fit.vcov_adjusted,
    }.get(vcov, lambda: fit.vcov_robust(kind=vcov))()
    found = me.avg_slopes(as_model(fit), variables="x", vcov=given)
    (error,) = numbers(found, "std_error")
    np.testing.assert_allclose(error, np.sqrt(np.asarray(matrix)[1, 1]), rtol=NEAR)
    assert "std_error" not in me.avg_slopes(as_model(fit), variables="x", vcov=False).columns


def test_comparisons_slopes_and_hypotheses() -> None:
    fit = mm.lmer("y ~ x * f + t + (1 | g)", DATA)
    model = as_model(fit)
    means = fit.emmeans("f", at={"x": 0.5}, ddf="none")
    pairs = means.pairs(adjust="none", reverse=True)
    grid = me.datagrid(model=model, x=[0.5])
    found = me.comparisons(model, variables={"f": "pairwise"}, newdata=grid)
    for ours, theirs in (
        ("estimate", "estimate"),
        ("std_error", "std_error"),
        ("lower", "conf_low"),
    ):
        np.testing.assert_allclose(numbers(found, theirs)[0], pairs[ours], rtol=NEAR)
    trends = fit.emtrends("f", "x", ddf="none")
    slopes = me.avg_slopes(model, variables="x", by="f")
    np.testing.assert_allclose(numbers(slopes, "estimate")[0], trends["estimate"], rtol=NEAR)
    np.testing.assert_allclose(numbers(slopes, "std_error")[0], trends["std_error"], rtol=NEAR)
    test = fit.test("x = 0.3", ddf="none").table.iloc[0]
    found = me.hypotheses(model, "x = 0.3")
    for ours, theirs in (("std_error", "std_error"), ("p_value", "p_value")):
        np.testing.assert_allclose(numbers(found, theirs)[0], test[ours], rtol=NEAR, atol=1e-9)
    ratio = me.avg_comparisons(model, variables="t", comparison="ratio")
    high, low = (fit.predict(DATA.assign(t=t), random="none").mean() for t in (True, False))
    np.testing.assert_allclose(numbers(ratio, "estimate")[0], high / low, rtol=NEAR)


@pytest.mark.parametrize("df", [np.inf, 9, 17.5])
def test_degrees_of_freedom(df: float) -> None:
    fit = mm.lmer("y ~ x + (1 | g)", DATA)
    found = me.avg_slopes(as_model(fit, df=df), variables="x")
    matrix = fit.vcov.to_numpy()
    expected = fit.fixef["x"] - stats.t.ppf(0.975, df) * np.sqrt(matrix[1, 1])
    np.testing.assert_allclose(numbers(found, "conf_low")[0], expected, rtol=NEAR)


@pytest.mark.parametrize("random", ["none", "all", ["g"]])
def test_random_effects_and_offsets(random: Any) -> None:
    fit = mm.lmer("y ~ x + offset(off) + (x | g)", DATA)
    found = me.predictions(as_model(fit, random=random))
    np.testing.assert_allclose(numbers(found, "estimate")[0], fit.predict(random=random), rtol=1e-9)


def test_aliased_columns_and_rows_left_out() -> None:
    data = DATA.assign(twice=2.0 * DATA["x"])
    data.loc[data.index[:7], "x"] = np.nan
    fit = mm.lmer("y ~ x + twice + f + (1 | g)", data)
    assert fit.fixef.isna().sum() == 1
    found = me.predictions(as_model(fit))
    np.testing.assert_allclose(numbers(found, "estimate")[0], fit.predict(random="none"))


def test_columns_with_the_names_of_results() -> None:
    data = DATA.rename(columns={"g": "group"})
    fit = mm.lmer("y ~ x + (1 | group)", data)
    assert me.avg_predictions(as_model(fit)).height == 1


def test_pictures() -> None:
    pytest.importorskip("plotnine")
    model = as_model(mm.lmer("y ~ x * f + (x | g)", DATA))
    for plot in (
        me.plot_predictions(model, condition=["x", "f"]),
        me.plot_slopes(model, variables="x", condition="f"),
        me.plot_comparisons(model, variables="f", condition="x"),
    ):
        plot.draw()


def test_refused(tmp_path: Any) -> None:
    fit = mm.lmer("y ~ x + (1 | g)", DATA)
    for df in (0, -1, "satterthwaite", True, np.nan):
        with pytest.raises(mm.MixedModelsError, match="df is"):
            as_model(fit, df=df)
    with pytest.raises(mm.MixedModelsError, match="no fixed effects"):
        as_model(mm.lmer("y ~ 0 + (1 | g)", DATA))
    with pytest.raises(mm.MixedModelsError, match="random"):
        me.predictions(as_model(fit, random=["h"]))
    with pytest.raises(mm.MixedModelsError, match="kind"):
        me.avg_slopes(as_model(fit), variables="x", vcov="HC3")
    fit.save(tmp_path / "fit.mm")
    with pytest.raises(mm.UnknownNameError, match="no table"):
        as_model(mm.load(tmp_path / "fit.mm"))
