"""Checks of a fit find what is wrong, and call for a look rarely where nothing is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy
from kinds_of_fits import CASES, fit_case

import mixedmodels as mm
from mixedmodels.arrays import FloatArray
from mixedmodels.checking.numbers import normal_scores, not_normal, not_uniform, ranks_among
from mixedmodels.linear import LinearMixedFit

pytestmark = pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
NAMES = [
    "Linearity", "Spread", "Spread between levels", "Normal residuals", "Normal random effects",
    "Simulated residuals", "Influence", "Collinearity", "Singularity",
]  # fmt: skip


def sample(seed: int, groups: int = 30, size: int = 8) -> dict[str, Any]:
    """Covariates within and between groups, and the parts of a response."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    return {
        "g": g,
        "x": rng.uniform(-2.0, 2.0, len(g)),
        "t": rng.uniform(-2.0, 2.0, groups)[g],
        "b": rng.normal(size=groups)[g],
        "e": rng.normal(size=len(g)),
    }


def fit_of(
    d: dict[str, Any], y: FloatArray, formula: str = "y ~ x + t + (1 | g)"
) -> LinearMixedFit:
    return mm.lmer(formula, {**d, "y": y})


def test_what_is_right_is_seldom_looked_at() -> None:
    looks: list[str] = []
    trials = 30
    for seed in range(trials):
        d = sample(seed, groups=15, size=5)
        table = fit_of(d, d["x"] + d["b"] + d["e"]).check(nsim=99, seed=seed).to_frame()
        looks += [name for name in NAMES[:6] if table.loc[name, "verdict"] == "look"]
    # Six checks at a level of 0.01 in each of 30 fits: 1.8 are expected, not independent.
    assert len(looks) <= 7, looks


WRONG: dict[str, tuple[Any, str]] = {
    "a bend within groups": (lambda d: d["x"] ** 2 + d["b"] + d["e"], "Linearity"),
    "a bend between groups": (lambda d: 2.0 * d["t"] ** 2 + d["b"] + d["e"], "Linearity"),
    "a spread that grows": (
        lambda d: 3.0 * d["x"] + 0.3 * d["b"] + d["e"] * np.exp(0.7 * d["x"]), "Spread"),
    "groups that spread more": (
        lambda d: d["x"] + d["b"] + d["e"] * np.where(d["g"] % 2, 3.0, 1.0),
        "Spread between levels"),
    "heavy tails": (
        lambda d: d["x"] + d["b"] + scipy.stats.t.ppf(scipy.stats.norm.cdf(d["e"]), 2),
        "Normal residuals"),
    "one outlying group": (
        lambda d: d["x"] + d["b"] + 12.0 * (d["g"] == 3) + 0.5 * d["e"], "Normal random effects"),
    "a skewed response": (
        lambda d: np.exp(1.2 * (d["b"] + d["e"])), "Simulated residuals"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_found(kind: str) -> None:
    make, name = WRONG[kind]
    d = sample(5, groups=40, size=10)
    checks = fit_of(d, make(d)).check(nsim=99)
    row = checks.to_frame().loc[name]
    assert row["verdict"] == "look", checks
    assert row["p_value"] <= 0.01
    assert not checks.ok


def test_influence_collinearity_and_singularity_go_by_their_numbers() -> None:
    d = sample(1, groups=6, size=5)
    d["near"] = d["x"] + 0.05 * d["e"][::-1]
    y = d["x"] + d["e"] + 30.0 * d["t"] * (d["g"] == np.argmax(np.abs(d["t"][::5])))
    table = fit_of(d, y, "y ~ x + near + t + (1 | g)").check(nsim=10).to_frame()
    assert table.loc["Collinearity", "verdict"] == "problem"
    assert table.loc["Influence", "verdict"] in ("look", "problem")
    singular = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff2"))
    found = singular.check(nsim=10).to_frame()
    assert found.loc["Singularity", "verdict"] == "look"
    assert found.loc["Normal random effects", "verdict"] == "not checked"


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_fit_has_its_page(name: str) -> None:
    checks = fit_case(name).check(nsim=20)
    assert list(checks.to_frame().index) == NAMES
    text = str(checks)
    assert all(f"- {check}" in text for check in NAMES)
    assert max(map(len, text.splitlines())) <= 80
    assert "<table" in checks._repr_html_()
    known = checks.to_frame()["verdict"] != "not checked"
    assert np.isfinite(checks.to_frame().loc[known, "value"]).all()
    assert len(checks.plot().axes) >= 5


def test_a_seed_fixes_the_page_whatever_the_threads() -> None:
    fit = fit_case("slopes")
    one, two = (fit.check(nsim=30, threads=n) for n in (1, 2))
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
    assert (
        fit.check(nsim=30, seed=2).to_frame()["p_value"].tolist()
        != one.to_frame()["p_value"].tolist()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [({"nsim": 0}, "nsim is 0"), ({"seed": "x"}, "seed is 'x'"), ({"threads": 0}, "threads is 0")],
)
def test_refused_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=message):
        fit_case("one term").check(**options)


# -- the numbers ----------------------------------------------------------------------------


def test_the_normal_plot_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).exponential(size=50)
    x = scipy.stats.norm.ppf((np.arange(1, 51) - 0.375) / 50.25)
    r = np.corrcoef(x, np.sort(values))[0, 1]
    np.testing.assert_allclose(not_normal(values, normal_scores(50)), 1.0 - r**2, rtol=1e-9)
    assert np.isnan(not_normal(np.zeros(5), normal_scores(5)))


def test_ranks_and_their_distance_from_uniform() -> None:
    draws = np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 0.0]])
    assert [list(ranks) for ranks in ranks_among(draws)] == [[2, 1], [0, 2], [1, 0]]
    assert not_uniform(np.arange(4), 4) == pytest.approx(0.0)
    assert not_uniform(np.zeros(9, dtype=np.int64), 4) == pytest.approx(0.75)


# -- quantile residuals ---------------------------------------------------------------------


@pytest.mark.parametrize("marginal", [False, True])
def test_quantile_residuals_are_the_normal_probabilities(marginal: bool) -> None:
    fit = fit_case("weights, offset")
    found = fit.std_residuals("quantile", marginal, nsim=4000, seed=1)
    scaled = fit.std_residuals("scaled", marginal)
    np.testing.assert_allclose(found, scipy.stats.norm.cdf(scaled), atol=0.035)
    assert found.index.equals(scaled.index)
    assert found.between(0.0, 1.0, inclusive="neither").all()


def test_quantile_residuals_repeat_with_their_seed() -> None:
    fit = fit_case("slopes")
    a, b, c = (fit.std_residuals("quantile", nsim=50, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_series_equal(a, b)
    assert not a.equals(c)
    with pytest.raises(mm.MixedModelsError, match="nsim is 0"):
        fit.std_residuals("quantile", nsim=0)


# -- pictures -------------------------------------------------------------------------------


def test_influence_by_group_names_all_levels_and_by_row_the_largest() -> None:
    fit = fit_case("slopes")
    by_group = fit.plot_influence("Subject").axes[0]
    assert len(by_group.get_xticklabels()) == 18
    named = [text.get_text() for text in fit.plot_influence().axes[0].texts]
    assert "59" in named
    assert fit.influence("Subject").plot(labels=2).axes[0].get_ylabel() == "Cook's distance"
    with pytest.raises(mm.MixedModelsError, match="no fixed effects"):
        fit_case("no fixed part").plot_influence()


@pytest.mark.parametrize(
    ("by", "x", "y"),
    [
        (None, "Fitted values", "Residuals"),
        ("Days", "Days", "Residuals"),
        ("Subject", "Residuals", "Subject"),
        (np.arange(180.0), "Given values", "Residuals"),
        (pd.Series(np.arange(180), name="day"), "day", "Residuals"),
        (["a", "b"] * 90, "Residuals", "labels"),
    ],
)
def test_residuals_by_anything(by: Any, x: str, y: str) -> None:
    axes = fit_case("slopes").plot_residuals(by).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (x, y)


@pytest.mark.parametrize(
    ("by", "label"),
    [("hour", "hour"), ("sex", "Residuals"), ("a", "Residuals"), ("number", "Residuals")],
)
def test_residuals_by_a_column_of_the_table(by: str, label: str) -> None:
    """Columns outside the formula too, on the rows used; numbers that make a group are labels."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"y": rng.normal(size=120), "number": np.arange(120) % 4})
    table["a"] = (np.arange(120) % 12).astype(str)
    table["hour"] = rng.uniform(size=120)
    table["sex"] = np.where(np.arange(120) % 2, "f", "m")
    table.loc[[3, 50], "y"] = np.nan
    axes = mm.lmer("y ~ 1 + (1 | a:number)", table).plot_residuals(by).axes[0]
    assert axes.get_xlabel() == label
    if label == by:
        drawn = np.asarray(axes.collections[0].get_offsets())[:, 0]
        np.testing.assert_array_equal(drawn, table["hour"].drop([3, 50]))
    else:
        labels = [text.get_text() for text in axes.get_yticklabels()]
        assert sorted(labels) == sorted(map(str, table[by].unique()))


def test_many_levels_stand_by_their_medians() -> None:
    rng = np.random.default_rng(2)
    g = rng.integers(0, 200, 1200)
    table = pd.DataFrame({"y": rng.normal(size=1200), "g": g})
    with pytest.warns(mm.SingularFitWarning):
        axes = mm.lmer("y ~ 1 + (1 | g)", table).plot_residuals("g").axes[0]
    points, medians = axes.lines[-2], axes.lines[-1]
    assert axes.get_ylabel() == f"g: {len(np.unique(g))} levels by their medians"
    order = np.argsort(medians.get_ydata())
    assert (np.diff(np.asarray(medians.get_xdata())[order]) >= 0).all()
    place = {level: {*np.asarray(points.get_ydata())[g == level]} for level in np.unique(g)}
    assert all(len(own) == 1 for own in place.values()), "a level is one row of points"


@pytest.mark.parametrize("scale", [0.005, 0.1, 1.0, 5.0, 60.0])
def test_ticks_of_ratios_do_not_run_into_each_other(scale: float) -> None:
    rng = np.random.default_rng(7)
    table = pd.DataFrame({"x": rng.normal(size=600), "g": rng.integers(0, 20, 600)})
    table["y"] = rng.poisson(np.exp(1 + 0.3 * rng.normal(size=20)[table["g"]] + 0.5 * table["x"]))
    table["x"] /= scale
    figure = mm.glmer("y ~ x + (1 | g)", table, "poisson").plot_coefficients(exponentiate=True)
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    shown = [text for text in axis.get_ticklabels(which="both") if text.get_text()]
    boxes = sorted((text.get_window_extent() for text in shown), key=lambda box: box.x0)
    low, high = figure.axes[0].get_xlim()
    assert sum(low <= text.get_position()[0] <= high for text in shown) >= 2
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("by", ["dose", [1, 2], [None] * 180])
def test_refused_by(by: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="plot_residuals: by"):
        fit_case("slopes").plot_residuals(by)


@pytest.mark.parametrize("count", [18, 65, 300])
def test_long_names_of_levels_stay_distinct(count: int) -> None:
    g = np.repeat(np.arange(count), 5)
    d = {"g": [f"the school of a very long name {i} in the middle of the county" for i in g]}
    rng = np.random.default_rng(1)
    d["y"] = rng.normal(size=count)[g] + rng.normal(size=len(g))
    axes = mm.lmer("y ~ 1 + (1 | g)", d).plot_residuals("g").axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(labels)) == len(labels) == (count if count <= 75 else 0)
