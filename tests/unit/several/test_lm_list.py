"""Fits by group against lme4's lmList and against least squares group by group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy

import mixedmodels as mm

SLEEP = "Reaction ~ Days | Subject"


def test_values_of_lme4() -> None:
    found = mm.lm_list(SLEEP, mm.load_dataset("sleepstudy"))
    np.testing.assert_allclose(found.coef.loc["308"], [244.192669091, 21.76470242424], rtol=1e-10)
    np.testing.assert_allclose(found.sigma, 25.5918156267, rtol=1e-10)
    assert found.df_residual == 144
    # Intervals of lme4 take the standard deviation of each group.
    own = found.confint(pooled=False).loc["309"]
    np.testing.assert_allclose(own.loc["(Intercept)", ["lower", "upper"]],
                               [193.026448122, 217.083442787], rtol=1e-9)  # fmt: skip
    np.testing.assert_allclose(own.loc["Days", ["lower", "upper"]],
                               [0.00864146735433, 4.51492944174], rtol=1e-8)  # fmt: skip


def random_data(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.repeat([f"g{i}" for i in range(7)], rng.integers(1, 12, 7)))
    n = len(g)
    data = pd.DataFrame({
        "g": g, "x": rng.normal(size=n) + [0.0, 1e5][seed % 2], "w": rng.uniform(0.5, 2.0, n),
        "o": rng.normal(size=n), "f": rng.choice(["a", "b", "c"], n),
    })  # fmt: skip
    return data.assign(y=data["x"] + rng.normal(size=n))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fixed", ["x", "0 + x", "x + f", "poly(x, 2)"])
def test_each_group_is_its_own_regression(seed: int, fixed: str) -> None:
    data = random_data(seed)
    options: dict[str, Any] = {"weights": "w", "offset": "o"} if seed % 3 == 0 else {}
    found = mm.lm_list(f"y ~ {fixed} | g", data, **options)
    model = mm.LinearMixedModel(f"y ~ {fixed} + (1 | g)", data, **options)
    w = data["w"].to_numpy() if options else np.ones(len(data))
    y = model.y - (data["o"].to_numpy() if options else 0.0)
    total, df = 0.0, 0
    for level in found.coef.index:
        at = (data["g"] == level).to_numpy()
        X, root = model.X[at] * np.sqrt(w[at])[:, None], np.sqrt(w[at])
        center = X / np.linalg.norm(X, axis=0).clip(1e-300)
        if np.linalg.matrix_rank(center, tol=1e-8) < X.shape[1]:
            assert found.coef.loc[level].isna().all()
            assert "rows" in found.notes[level]
            continue
        beta, *_ = np.linalg.lstsq(X, y[at] * root, rcond=None)
        np.testing.assert_allclose(found.coef.loc[level], beta, rtol=1e-4, atol=1e-4)
        total += float(np.sum((y[at] * root - X @ beta) ** 2))
        df += int(at.sum()) - X.shape[1]
    assert found.df_residual == df
    if df:
        np.testing.assert_allclose(found.sigma, np.sqrt(total / df), rtol=1e-6)


def test_pooled_intervals() -> None:
    data = mm.load_dataset("sleepstudy")
    found = mm.lm_list(SLEEP, data)
    days = np.arange(10.0)
    error = found.sigma / np.sqrt(np.sum((days - days.mean()) ** 2))
    np.testing.assert_allclose(found.std_error["Days"], error)
    row = found.confint(0.9).loc[("308", "Days")]
    half = scipy.stats.t.ppf(0.95, 144) * error
    np.testing.assert_allclose(row["upper"] - row["estimate"], half)


def test_groups_that_cannot_be_fitted_say_why() -> None:
    data = mm.load_dataset("sleepstudy").drop(index=range(1, 10))
    data.loc[data["Subject"] == "309", "Days"] = 4
    found = mm.lm_list(SLEEP, data)
    assert found.coef.loc[["308", "309"]].isna().all(axis=None)
    assert found.notes == {"308": "1 rows for 2 coefficients",
                           "309": "not determined by its 10 rows: Days"}  # fmt: skip
    assert found.df_residual == 16 * 8
    assert "Without coefficients: 308, 309" in str(found)
    assert found.to_frame().loc["309", "note"].startswith("not determined")
    assert len(found.plot().axes[0].get_yticks()) == 16


@pytest.mark.parametrize("count", [5, 60, 300])
def test_the_picture_names_what_can_be_read(count: int) -> None:
    rng = np.random.default_rng(1)
    data = {
        "g": np.repeat(
            [f"a school {i} of a long name that is cut in its middle" for i in range(count)], 4
        )
    }
    data["x"] = rng.normal(size=4 * count)
    data["y"] = rng.normal(size=4 * count)
    found = mm.lm_list("y ~ x | g", data)
    axes = found.plot(sort="x").axes
    assert len(axes) == 2
    named = len(axes[0].get_yticks())
    assert named == (count if count <= 75 else 0)
    assert len({label.get_text() for label in axes[0].get_yticklabels()}) == named
    with pytest.raises(mm.MixedModelsError, match="sort is 'z'"):
        found.plot(sort="z")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x", "response ~ fixed | group"),
        ("y ~ x + (1 | g)", "stands without brackets"),
        ("y ~ x | g | f", "response ~ fixed | group"),
        ("y ~ | g", "response ~ fixed | group"),
        (3, "must be text"),
        ("y ~ x | nothing", "nothing"),
        ("y ~ x | x", "x"),
    ],
)
def test_refused_formulas(formula: Any, message: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=message):
        mm.lm_list(formula, random_data(0))


def test_bars_inside_names_and_calls_do_not_count() -> None:
    data = random_data(1).rename(columns={"x": "a|b"})
    plain = mm.lm_list("y ~ x | g", random_data(1))
    np.testing.assert_array_equal(mm.lm_list("y ~ `a|b` | g", data).coef, plain.coef)


def test_without_coefficients_there_is_no_picture() -> None:
    found = mm.lm_list("y ~ 0 | g", random_data(1))
    assert found.coef.shape[1] == 0
    with pytest.raises(mm.MixedModelsError, match="nothing to draw"):
        found.plot()
