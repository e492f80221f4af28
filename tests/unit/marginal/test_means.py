"""Marginal means of all kinds of columns and formulas, against averages of predictions."""

from __future__ import annotations

import itertools
import pickle
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from unit.marginal.tables import table

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit
from mixedmodels.marginal.means import Wanted, marginal_means
from mixedmodels.marginal.source import source_of


@cache
def fit_of(formula: str) -> LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return mm.lmer(formula, table())


FORMULAS = {
    "y ~ a * b + x + (1 | s)": ("a", "b", ["a", "b"]),
    "y ~ declared * k + (1 | s)": ("declared", "k"),
    "y ~ ordered * b + (1 | s)": ("ordered", ["ordered", "b"]),
    "y ~ flag * a + (1 | s)": ("flag", "a"),
    "y ~ truth + a + (1 | s)": ("truth",),
    "y ~ factor(day) + b + (1 | s)": ("day", "b"),
    "y ~ factor(m) * b + (1 | s)": ("m", "b", "factor(m)"),
    "y ~ C(small) + x + (1 | s)": ("small",),
    "y ~ single * a + (1 | s)": ("a",),
    "y ~ nullable * a + (1 | s)": ("a",),
    "y ~ factor(nullable) * a + (1 | s)": (["nullable", "a"],),
    "y ~ text + x + (1 | s)": ("text",),
    "y ~ factor(tenths) + x + (1 | s)": ("tenths",),
    "`RT (ms)` ~ `my f` * `odd:name` + (1 | s)": ("my f", "`my f`", ["my f", "odd:name"]),
    "y ~ poly(x, 3) * a + ns(m, df = 2) + (1 | s)": ("a",),
    "y ~ bs(x, df = 5) + a + (1 | s)": ("a",),
    "y ~ scale(x) * a + center(x) + (1 | s)": ("a",),
    "y ~ cut(x, c(0, 2, 4, 6)) + a + (1 | s)": ("a",),
    "y ~ I(x > 3) * a + (1 | s)": ("a",),
    "y ~ log(x) + I(x^2) + a + (1 | s)": ("a",),
    "y ~ interaction(a, b) + (1 | s)": ("a", ["a", "b"]),
    "y ~ relevel(a, ref = 'q') + (1 | s)": ("a",),
    "y ~ 0 + a:b + (1 | s)": ("a", "b"),
    "y ~ a + a:x + (1 | s)": ("a",),
    "y ~ x:k + a + (1 | s)": ("k", "a"),
    "y ~ 0 + x + (1 | s)": ([],),
    "y ~ k * m * a + (1 | s)": ("k", ["a", "k"]),
    "y ~ a + x + offset(m) + (1 | s)": ("a",),
}
CASES = [(formula, specs) for formula, asked in FORMULAS.items() for specs in asked]
LEVELS = {
    **{name: ["p", "q", "r"] for name in ("a", "ordered", "text", "my f")},
    **{name: ["u", "v"] for name in ("b", "odd:name")},
    **{name: [False, True] for name in ("flag", "truth")},
    "declared": ["r", "q", "p"],
    "k": [0, 1],
}
AS_FACTORS = {"day", "small", "tenths"}


def by_prediction(fit: LinearMixedFit, specs: Any) -> list[float]:
    """Averages of predictions over all combinations of levels, covariates at their means."""
    data = table()
    used = list(fit.model.design.variables)
    values = {}
    for name in used:
        if name in LEVELS:
            values[name] = LEVELS[name]
        elif name in AS_FACTORS or f"factor({name})" in fit.model.formula:
            values[name] = sorted(data[name].unique())
        else:
            values[name] = [float(data[name].astype(np.float64).mean())]
    grid = pd.DataFrame(list(itertools.product(*values.values())), columns=used)
    if "offset" in fit.model.formula:
        grid["m"] = float(data["m"].mean())
    names = [specs] if isinstance(specs, str) else list(specs)
    names = [name.strip("`").removeprefix("factor(").removesuffix(")") for name in names]
    for name in ("text", "nullable", "truth", "single"):
        if name in grid and name not in ("single",) and len(values[name]) > 1:
            grid[name] = grid[name].astype(data[name].dtype)
    grid["p"] = fit.predict(grid, random="none").to_numpy()
    if not names:
        return [float(grid["p"].mean())]
    found = []
    for cell in itertools.product(*(values[name] for name in reversed(names))):
        chosen = np.ones(len(grid), dtype=np.bool_)
        for name, level in zip(reversed(names), cell, strict=True):
            chosen &= (grid[name] == level).to_numpy(dtype=np.bool_)
        found.append(float(grid["p"][chosen].mean()))
    return found


@pytest.mark.parametrize(("formula", "specs"), CASES)
def test_means_are_averages_of_predictions(formula: str, specs: Any) -> None:
    fit = fit_of(formula)
    found = fit.emmeans(specs if specs else "~ 1")
    np.testing.assert_allclose(found["estimate"], by_prediction(fit, specs), rtol=1e-9)
    assert (found["std_error"] > 0.0).all()
    assert (found["lower"] < found["upper"]).all()


@pytest.mark.parametrize("formula", list(FORMULAS))
def test_saved_fits_and_other_tables_give_the_same(formula: str) -> None:
    fit, specs = fit_of(formula), FORMULAS[formula][0] or "~ 1"
    expected = fit.emmeans(specs).to_frame()
    again = pickle.loads(pickle.dumps(fit)).emmeans(specs)
    pd.testing.assert_frame_equal(again.to_frame(), expected)
    if not {"declared", "ordered", "day"} & set(fit.model.design.variables):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            other = mm.lmer(formula, pl.from_pandas(table().drop(columns=["declared", "ordered"])))
        np.testing.assert_allclose(other.emmeans(specs)["estimate"], expected["estimate"])


@pytest.mark.parametrize("formula", list(FORMULAS))
def test_everything_of_a_result_prints(formula: str) -> None:
    fit, specs = fit_of(formula), FORMULAS[formula][0] or "~ 1"
    means = fit.emmeans(specs)
    results = [means, means.letters(), fit.joint_tests()]
    if len(means) > 1:
        results += [means.pairs(), means.contrast("effect"), means.contrast("polynomial")]
    for result in results:
        assert max(map(len, str(result).splitlines())) <= 80
        for text in (result.to_markdown(), result.to_latex(), result._repr_html_()):
            assert "estim" in text.lower() or "statistic" in text.lower()


def test_weights() -> None:
    formula = "y ~ a + b * x + k + (1 | s)"
    fit, data = fit_of(formula), table()
    shown = [dict(zip(("b", "k"), pair, strict=True)) for pair in itertools.product("uv", (0, 1))]
    rows = [
        pd.DataFrame([{"a": a, "x": data["x"].mean(), **cell} for cell in shown]) for a in "pqr"
    ]
    values = np.array([fit.predict(part, random="none") for part in rows])
    together = data.groupby(["b", "k"]).size().to_numpy() / len(data)
    margins = np.outer(data.groupby("b").size(), data.groupby("k").size()).ravel() / len(data) ** 2
    cells = data.groupby(["a", "b", "k"]).size().to_numpy().reshape(3, 4)
    expected = {
        "equal": values.mean(axis=1),
        "proportional": values @ together,
        "outer": values @ margins,
        "cells": (values * cells).sum(axis=1) / cells.sum(axis=1),
        "flat": values.mean(axis=1),
        "counterfactual": [
            float(fit.predict(data.assign(a=a), random="none").mean()) for a in "pqr"
        ],
    }
    for weights, wanted in expected.items():
        found = fit.emmeans("a", weights=weights)  # type: ignore[arg-type]
        np.testing.assert_allclose(found["estimate"], wanted, rtol=1e-9, err_msg=weights)


def test_nested_levels_are_averaged_within_their_nests() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"site": np.repeat(["N", "S"], (40, 60)), "g": np.tile(range(10), 10)})
    data["plot"] = [f"{s}{i % (2 if s == 'N' else 3)}" for i, s in enumerate(data["site"])]
    data["y"] = rng.normal(size=100) + data["plot"].map(ord_sum)
    for formula in ("y ~ site + plot + (1 | g)", "y ~ site / plot + (1 | g)", "y ~ plot + (1 | g)"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            fit = mm.lmer(formula, data)
        plots = fit.emmeans("plot")
        assert len(plots) == 5
        if "site" in formula:
            assert plots["site"].tolist() == ["N", "N", "S", "S", "S"]
            sites = fit.emmeans("site")["estimate"]
            estimate = plots["estimate"].to_numpy()
            np.testing.assert_allclose(sites, [estimate[:2].mean(), estimate[2:].mean()])
            assert "plot is nested in site." in plots.footnotes
            one = fit.emmeans("plot", at={"site": "S"})
            np.testing.assert_allclose(one["estimate"], estimate[2:])


def ord_sum(text: str) -> float:
    return sum(map(ord, text)) / 50.0


def test_a_mean_without_data_is_nan_with_a_reason() -> None:
    data = table()[~((table()["a"] == "r") & (table()["b"] == "v"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = mm.lmer("y ~ a * b + x + (1 | s)", data)
    means = fit.emmeans("a", by="b")
    assert means["estimate"].isna().tolist() == [False] * 5 + [True]
    assert means.notes == {"r, b = v": "not estimable: the data have no rows with a = r, b = v."}
    assert "no rows with a = r, b = v" in str(means)
    pairs = means.pairs()
    assert pairs["p_value"].isna().tolist() == [False] * 4 + [True] * 2
    assert set(pairs.notes) == {"p - r, b = v", "q - r, b = v"}
    assert fit.emmeans("a", at={"b": "u"})["estimate"].notna().all()
    # A difference may be estimable where its means are not: here nothing is without b.
    tests = fit.joint_tests()
    assert tests.loc["b", "num_df"] == 0
    assert "without data" in tests.notes["b"]
    assert means.letters()["letters"].tolist()[-1] == ""


def test_aliased_columns_leave_what_is_estimable() -> None:
    fit = fit_of("y ~ a + x + I(2 * x) + (1 | s)")
    np.testing.assert_allclose(
        fit.emmeans("a")["estimate"], fit_of("y ~ a + x + (1 | s)").emmeans("a")["estimate"]
    )
    held = fit.emmeans("a", at={"x": [1.0, 2.0]}, by="x")
    assert held["estimate"].notna().all()


BAD: list[tuple[dict[str, Any], str]] = [
    ({"specs": "z"}, "'z', which is not a variable of the fixed part; there are: a, b, x"),
    ({"specs": "A"}, "Did you mean 'a'"),
    ({"specs": "s"}, "not a variable of the fixed part"),
    ({"specs": 3}, "it must be a name, a list of names"),
    ({"specs": ["a", 1]}, "it must be a name, a list of names"),
    ({"specs": "~ a - b"}, "is not understood"),
    ({"specs": "a | b"}, 'write specs="~ a | b"'),
    ({"specs": "pairwise a"}, 'write specs="pairwise ~ a"'),
    ({"specs": "trt.vs.ctrl a + b | x"}, 'write specs="trt.vs.ctrl ~ a * b | x"'),
    ({"specs": "a, b"}, 'write specs="~ a * b"'),
    ({"specs": "zz | b"}, "specs names 'zz | b'"),
    ({"specs": "nonsense a"}, "specs names 'nonsense a'"),
    ({"specs": "pairwise"}, "specs names 'pairwise'"),
    ({"specs": "nonsense ~ a"}, "The contrast is 'nonsense'"),
    ({"specs": "a", "by": "zz"}, "by names 'zz'"),
    ({"specs": "a", "at": {"zz": 1}}, "at names 'zz'"),
    ({"specs": "a", "at": {"a": "t"}}, "at names the level 't' of 'a'"),
    ({"specs": "a", "at": {"x": "high"}}, "must be finite numbers"),
    ({"specs": "a", "at": {"x": np.nan}}, "must be finite numbers"),
    ({"specs": "a", "at": {"x": []}}, "gives 'x' no values"),
    ({"specs": "a", "at": [1]}, "it must be a dict"),
    ({"specs": "a", "weights": "prop"}, "Write 'proportional'"),
    ({"specs": "a", "adjust": "tukeys"}, "adjust is 'tukeys'"),
    ({"specs": "a", "adjust": "fdr_bh"}, "Write 'fdr'"),
    ({"specs": "a", "type": "mu"}, "Write 'response'"),
    ({"specs": "a", "type": ["link"]}, "it must be one of"),
    ({"specs": "a", "level": 95}, "level is 95"),
    ({"specs": "a", "bias_adjust": "yes"}, "must be True or False"),
    ({"specs": "a", "sigma": -1.0}, "sigma is -1.0"),
    ({"specs": "a", "ddf": "kenward"}, "kenward-roger"),
]


@pytest.mark.parametrize(("options", "words"), BAD)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(mm.MixedModelsError) as caught:
        fit_of("y ~ a * b + x + (1 | s)").emmeans(**options)
    assert words in str(caught.value)


def test_trends_are_refused_for_factors() -> None:
    fit = fit_of("y ~ a * b + x + (1 | s)")
    for name in ("a", "zz", 3):
        with pytest.raises(mm.MixedModelsError, match="var"):
            fit.emtrends("b", name)  # type: ignore[arg-type]


def test_no_fixed_effects() -> None:
    with pytest.raises(mm.MixedModelsError, match="no fixed effects"):
        mm.lmer("y ~ 0 + (1 | s)", table()).emmeans("~ 1")


def test_a_grid_that_does_not_fit_into_memory() -> None:
    fit = fit_of("y ~ a + poly(x, 2) + m + (1 | s)")
    many = np.linspace(1.0, 5.0, 40_000)
    with pytest.raises(mm.MixedModelsError, match="combinations"):
        fit.emmeans("a", at={"x": many, "m": many})


TRENDS = {
    "y ~ a * x + (1 | s)": np.ones_like,
    "y ~ a * log(x) + (1 | s)": lambda x: 1.0 / x,
    "y ~ a * sqrt(x) + (1 | s)": lambda x: 0.5 / np.sqrt(x),
    "y ~ a * I(x^3) + (1 | s)": lambda x: 3.0 * x**2,
}


@pytest.mark.parametrize("formula", list(TRENDS))
def test_slopes_are_derivatives(formula: str) -> None:
    fit = fit_of(formula)
    for at in (None, {"x": 2.0}):
        x = np.array(table()["x"].mean() if at is None else 2.0)
        beta = fit.fixef.to_numpy()
        expected = TRENDS[formula](x) * (beta[3] + np.array([0.0, beta[4], beta[5]]))
        found = fit.emtrends("a", "x", at=at)
        np.testing.assert_allclose(found["estimate"], expected, rtol=1e-5)
    assert len(fit.emtrends("pairwise ~ a", "x").contrasts or ()) == 3


def test_slopes_over_a_function_of_the_covariate() -> None:
    data = mm.load_dataset("sleepstudy")
    data["part"], data["x"] = list("abc") * 60, data["Days"] ** 2 + 1
    fit = mm.lmer("Reaction ~ part * log(x) + (1 | Subject)", data)
    # emmeans 1.8.4: emtrends(m, ~ part, "log(x)", at = list(x = 4)), Kenward and Roger's df
    for text in ("log(x)", " log( x ) "):
        found = fit.emtrends("part", text, at={"x": 4.0}, ddf="KR")
        np.testing.assert_allclose(
            found["estimate"], [21.7721835, 18.2901058, 20.3611813], rtol=1e-7
        )
        np.testing.assert_allclose(found["std_error"], 2.96468033, rtol=1e-7)
        np.testing.assert_allclose(found["df"], 157.18, atol=0.01)
    assert str(found).startswith("Slopes of log( x )")
    beta = fit.fixef.to_numpy()
    half = fit.emtrends("part", "I(2 * log(x) + 1)")["estimate"]
    np.testing.assert_allclose(2.0 * half, beta[3] + np.array([0.0, beta[4], beta[5]]))
    scaled = mm.lmer("Reaction ~ part * scale(Days) + (1 | Subject)", data)
    slopes = scaled.emtrends("part", "scale( Days )")["estimate"]
    beta = scaled.fixef.to_numpy()
    np.testing.assert_allclose(slopes, beta[3] + np.array([0.0, beta[4], beta[5]]))


@pytest.mark.parametrize(
    ("var", "words"),
    [
        ("scale(x)", "learns from the data and is not in the model"),
        ("poly(x, 2)", "learns from the data and is not in the model"),
        ("factor(x)", "slopes over 'x' itself are by its name"),
        ("I(x > 3)", "not one column of numbers"),
        ("x + m", "of 'x' and 'm'; slopes are over a covariate or a function of one"),
        ("log(0 * x)", "over which there is no slope at x = "),
        ("log(a)", "'a', which is a factor"),
        ("nofunction(x)", "not a function"),
        ("log(zz)", "not a variable of the fixed part"),
        ("3", "of no variable"),
    ],
)
def test_functions_without_a_slope(var: str, words: str) -> None:
    with pytest.raises(mm.MixedModelsError) as caught:
        fit_of("y ~ a + x + m + (1 | s)").emtrends("a", var)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["log(x)", "scale(x)", "cut(x, 3)"])
def test_values_of_a_function_are_not_those_of_its_variable(name: str) -> None:
    fit = fit_of("y ~ a + log(x) + (1 | s)")
    for call in (fit.emmeans, fit.plot_effect):
        with pytest.raises(mm.MixedModelsError, match="takes values of 'x' itself"):
            call("a", at={name: 2.0})
    levels = fit_of("y ~ a + factor(m) + (1 | s)")
    found = [levels.emmeans("a", at={name: [1, 2]})["estimate"] for name in ("factor(m)", "m")]
    np.testing.assert_array_equal(*found)


def test_a_number_with_two_values_has_a_slope_too() -> None:
    fit = fit_of("y ~ a * k + (1 | s)")
    difference = fit.emmeans("k", by="a").pairs(reverse=True)["estimate"]
    np.testing.assert_allclose(fit.emtrends("a", "k")["estimate"], difference)


# -- comparisons of means -------------------------------------------------------------------


def test_contrasts_are_differences_with_the_errors_of_test() -> None:
    fit = fit_of("y ~ a * b + x + (1 | s)")
    means = fit.emmeans("a", by="b", ddf="KR")
    pairs = means.pairs(adjust="none")
    assert pairs["b"].tolist() == ["u"] * 3 + ["v"] * 3
    for row, weights in enumerate([{"aq": -1}, {"ar": -1}, {"aq": 1, "ar": -1}]):
        expected = fit.test(weights, ddf="KR").table.iloc[0]  # type: ignore[arg-type]
        for name in ("estimate", "std_error", "df", "statistic", "p_value", "lower", "upper"):
            assert pairs[name][row] == pytest.approx(expected[name], rel=1e-9)


def test_limits_hold_together_with_the_adjusted_tests() -> None:
    means = fit_of("y ~ a * k + (1 | s)").emmeans(["a", "k"])
    for adjust in ("tukey", "sidak", "bonferroni", "scheffe", "mvt", "none"):
        pairs = means.pairs(adjust=adjust)  # type: ignore[arg-type]
        # Quantiles of the range and of the multivariate t take long: three show as much as all.
        values = [p for p in pairs["p_value"].unique() if 1e-6 < p < 0.999]
        for p in values[::5] if adjust in ("tukey", "mvt") else values:
            row = int(np.argmin(np.abs(pairs["p_value"] - p)))
            edge = means.pairs(adjust=adjust, level=float(1.0 - p)).loc[row]  # type: ignore[arg-type]
            near = min(abs(edge["lower"]), abs(edge["upper"])) / edge["std_error"]
            assert near < (2e-3 if adjust == "mvt" else 1e-5)


def test_contrasts_of_contrasts() -> None:
    fit = fit_of("y ~ b * k + (1 | s)")
    pairs = fit.emmeans("b", by="k").pairs()
    twice = pairs.pairs(by=[])
    assert twice["contrast"].tolist() == ["(u - v) 0 - (u - v) 1"]
    row = fit.coef_table().loc["bv:k"]
    for name in ("estimate", "std_error", "df", "p_value"):
        assert twice.loc[0, name] == pytest.approx(row[name])


def test_one_contrast_needs_no_adjustment() -> None:
    fit = fit_of("y ~ b * k + (1 | s)")
    for adjust in ("tukey", "holm", "mvt", "sidak"):
        found = fit.emmeans("b", adjust=adjust).pairs()  # type: ignore[arg-type]
        assert found["p_value"][0] == fit.emmeans("b").pairs(adjust="none")["p_value"][0]
        assert "adjusted" not in str(found)


def test_tukeys_method_is_for_pairs() -> None:
    means = fit_of("y ~ a * b + x + (1 | s)").emmeans("a")
    found = means.contrast("consecutive", adjust="tukey")
    expected = means.contrast("consecutive", adjust="sidak")
    np.testing.assert_array_equal(found["p_value"], expected["p_value"])
    assert "Šidák's is used" in str(found)


def test_formulas_compare_at_once() -> None:
    fit = fit_of("y ~ a * b + x + (1 | s)")
    means = fit.emmeans("consec ~ a | b", adjust="holm")
    assert means.contrasts is not None
    expected = fit.emmeans("a", by="b").contrast("consecutive", adjust="holm")
    pd.testing.assert_frame_equal(means.contrasts.to_frame(), expected.to_frame())
    assert str(means).endswith(str(expected).split("\n", 1)[1])
    assert fit.emmeans("a").contrasts is None


def test_by_of_a_comparison() -> None:
    means = fit_of("y ~ a * b + x + (1 | s)").emmeans(["a", "b"])
    assert len(means.pairs()) == 15
    assert len(means.pairs(by="b")) == 6
    assert len(means.contrast("effect", by=["a"])) == 6
    with pytest.raises(mm.MixedModelsError, match="by names 'x'; the rows are told apart by: a, b"):
        means.pairs(by="x")


def test_letters() -> None:
    means = fit_of("y ~ a * b + x + (1 | s)").emmeans("a")
    found = means.letters()
    assert found["letters"].tolist() == ["a", "b", "a"]
    assert means.letters(level=1.0 - 1e-12)["letters"].nunique() == 1


# -- back to the response -------------------------------------------------------------------


def test_a_logarithm_gives_ratios() -> None:
    fit = fit_of("log(y) ~ a + x + (1 | s)")
    link, back = fit.emmeans("a"), fit.emmeans("a", type="response")
    for name in ("estimate", "lower", "upper"):
        np.testing.assert_allclose(back[name], np.exp(link[name]))
    np.testing.assert_allclose(back["std_error"], back["estimate"] * link["std_error"])
    pairs, ratios = link.pairs(), back.pairs()
    assert ratios["contrast"].tolist() == ["p / q", "p / r", "q / r"]
    np.testing.assert_allclose(ratios["estimate"], np.exp(pairs["estimate"]))
    np.testing.assert_array_equal(ratios["p_value"], pairs["p_value"])
    assert "ratios of y" in str(ratios)
    # Ratios of ratios are ratios.
    twice = fit.emmeans("a", type="response").pairs().pairs(by=[])
    np.testing.assert_allclose(twice["estimate"], np.exp(link.pairs().pairs(by=[])["estimate"]))


def test_a_falling_transform_turns_limits() -> None:
    fit = fit_of("I(1 / y) ~ a + x + (1 | s)")
    back = fit.emmeans("a", type="response")
    assert (back["lower"] < back["estimate"]).all()
    assert (back["estimate"] < back["upper"]).all()
    pairs = back.pairs()
    np.testing.assert_allclose(pairs["estimate"], fit.emmeans("a").pairs()["estimate"])
    assert "Contrasts are on the scale of I(1 / y)." in pairs.footnotes


def test_odds_ratios() -> None:
    data = table().assign(share=1.0 / (1.0 + np.exp(-table()["y"] / 4.0)))
    back = mm.lmer("qlogis(share) ~ a + (1 | s)", data).emmeans("a", type="response")
    assert back["estimate"].between(0.0, 1.0).all()
    assert "odds ratios" in str(back.pairs())


def test_bias_of_a_logarithm() -> None:
    fit = fit_of("log(y) ~ a + x + (1 | s)")
    plain = fit.emmeans("a", type="response")
    for sigma in (None, 0.5):
        spread = fit.sigma if sigma is None else sigma
        found = fit.emmeans("a", type="response", bias_adjust=True, sigma=sigma)
        for name in ("estimate", "std_error", "lower", "upper"):
            expected = plain[name] * (1.0 + 0.5 * spread**2)
            np.testing.assert_allclose(found[name], expected, rtol=1e-6)


# -- another covariance ---------------------------------------------------------------------


class Doubled:
    """Tests with a covariance of their own and four degrees of freedom for all."""

    method, note, source = "robust", "", "doubled"

    def __init__(self, fit: LinearMixedFit) -> None:
        self.beta, self.sigma = fit.fixef.to_numpy(), fit.sigma
        self.covariance = 4.0 * fit.vcov.to_numpy()

    def of_rows(self, L: Any) -> Any:
        return np.full(len(L), 4.0)

    def variances(self, L: Any) -> Any:
        return np.einsum("ki,ij,kj->k", L, self.covariance, L)

    def joint(self, L: Any, difference: Any) -> Any:
        raise NotImplementedError


def test_means_of_another_covariance() -> None:
    fit = fit_of("y ~ a * b + x + (1 | s)")
    source = source_of(fit._fitted, Doubled(fit))
    found = marginal_means(fit.model.design, source, None, "a", None, None, Wanted())
    expected = fit.emmeans("a")
    np.testing.assert_allclose(found["estimate"], expected["estimate"])
    np.testing.assert_allclose(found["std_error"], 2.0 * expected["std_error"])
    assert (found.pairs()["df"] == 4.0).all()
    assert "Degrees of freedom: robust. Covariance: doubled." in found.footnotes


# -- pictures -------------------------------------------------------------------------------


def test_pictures() -> None:
    means = fit_of("y ~ a * b + x + (1 | s)").emmeans("a", by="b")
    for result, rows in ((means, 6), (means.pairs(), 6), (means.letters(), 6)):
        axes = result.plot().axes[0]
        labels = [tick.get_text() for tick in axes.get_yticklabels()]
        assert len(labels) == rows + 2
        assert labels[-2:] == ["b = u", "b = v"]
        assert "95 % limits" in axes.get_xlabel()


def test_groups_with_a_single_mean() -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.tile(range(8), 15), "site": np.repeat(["N", "S", "S"], 40)})
    data["plot"] = np.repeat(["p1", "p2", "p3"], 40)
    data["y"] = rng.normal(size=120)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = mm.lmer("y ~ site + plot + (1 | g)", data)
    means = fit.emmeans("plot", by="site")
    assert means["site"].tolist() == ["N", "S", "S"]
    for method in ("pairwise", "consecutive", "treatment", "effect", "polynomial"):
        found = means.contrast(method)
        assert set(found["site"]) == {"S"}
        assert found["p_value"].notna().all()
    assert means.letters()["letters"].tolist()[0] == "a"
    with pytest.raises(mm.MixedModelsError, match="fewer than two"):
        fit.emmeans("~ 1").pairs()


@pytest.mark.parametrize("options", [{}, {"ddf": "KR"}, {"ddf": "none"}, {"type": "response"}])
def test_results_are_pickled_without_the_workspace_of_the_fit(options: dict[str, Any]) -> None:
    fit = fit_of("log(y) ~ a + x + (1 | s)")
    means = fit.emmeans("pairwise ~ a", **options)
    for result in (means, means.pairs(), means.letters(), fit.joint_tests()):
        again = pickle.loads(pickle.dumps(result))
        assert str(again) == str(result)
    pairs = pickle.loads(pickle.dumps(means)).pairs()
    pd.testing.assert_frame_equal(pairs.to_frame(), means.pairs().to_frame())


def test_values_of_a_covariate_are_printed_with_six_digits() -> None:
    """All digits where values would print alike; the table has the numbers themselves."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.uniform(0, 3, 60), "g": np.arange(60) % 6})
    data["y"] = data["x"] + data["g"] + rng.normal(size=60)
    fit = mm.lmer("y ~ x + (1 | g)", data)
    means = fit.emmeans("x")
    assert means.to_frame()["x"].iloc[0] == pytest.approx(data["x"].mean(), rel=1e-14)
    assert str(means).splitlines()[3].split()[0] == f"{data['x'].mean():.6g}"
    close = fit.emmeans("x", at={"x": [1.0, 1.00000001, 1e7 + 1]})
    lines = [line.split()[0] for line in str(close).splitlines()[3:6]]
    assert lines == ["1", "1.00000001", "10000001"]
    assert "x = 0.333333:" in str(fit.emmeans("1", by="x", at={"x": [1 / 3, 2 / 3]}))


def test_slopes_say_nothing_of_the_offset() -> None:
    data = mm.load_dataset("grouseticks").assign(t=lambda frame: 1.0 + frame["HEIGHT"] % 5)
    formula = "TICKS ~ YEAR * cHEIGHT + (1 | LOCATION)"
    fit = mm.glmer(formula, data, "poisson", offset="log(t)")
    assert "offset" not in str(fit.emtrends("~ YEAR", "cHEIGHT"))
    assert "The offset is at its mean" in str(fit.emmeans("YEAR"))


def test_others_and_changes() -> None:
    fit = mm.lmer("yield ~ factor(nitro) + Variety + (1 | Block/Variety)", mm.load_dataset("oats"))
    means = fit.emmeans("nitro")
    # emmeans 1.8.4: contrast(e, "del.eff") and "mean_chg" without adjustment
    expected = {
        "others": (
            [-32.77777778, -6.77777778, 13.66666667, 25.88888889],
            [3.47007117] * 4,
            [8.68336889e-13, 5.62917384e-02, 2.49795464e-04, 1.02080293e-09],
        ),
        "change": (
            [32.7777778, 29.6666667, 25.8888889],
            [3.47007117, 3.00516979, 3.47007117],
            [8.68336889e-13, 1.99838961e-13, 1.02080293e-09],
        ),
    }
    for (method, numbers), spelling in zip(expected.items(), ("del.eff", "mean_chg"), strict=True):
        found = means.contrast(method, adjust="none")
        for name, values in zip(("estimate", "std_error", "p_value"), numbers, strict=True):
            np.testing.assert_allclose(found[name], values, rtol=1e-6)
        same = means.contrast(spelling, adjust="none")
        np.testing.assert_array_equal(same["estimate"], found["estimate"])
        assert found["contrast"].tolist() == same["contrast"].tolist()
    assert means.contrast("others")["contrast"][0].endswith(" - others")
    assert means.contrast("change")["contrast"].iloc[-1].endswith(" and later - earlier")
    # One mean has no others.
    with pytest.raises(mm.MixedModelsError, match="fewer than two"):
        fit.emmeans("~ 1").contrast("others")


def test_weights_that_do_not_add_up_to_zero_are_no_ratios() -> None:
    fit = mm.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", mm.load_dataset("cbpp")
    )
    means = fit.emmeans("period", type="response")
    both = means.contrast({"first": [1, -1, 0, 0], "sum": [1, 1, 1, 1]})
    assert str(both).startswith("Contrasts of")
    told = "products of powers of odds, no ratios where the weights do not add up to 0"
    assert told in " ".join(str(both).split())
    ratios = means.contrast({"first": [1, -1, 0, 0]})
    assert str(ratios).startswith("Ratios of")
    assert "Estimates are odds ratios; tests are of differences of" in str(ratios)


def test_a_covariate_that_is_held_and_interacts_is_told() -> None:
    data = mm.load_dataset("sleepstudy")
    data["late"] = data["Subject"].astype(str) > "335"
    fit = mm.lmer("Reaction ~ late * Days + (1 | Subject)", data)
    told = "late interacts with Days, so comparisons hold where it is held."
    assert told in str(fit.emmeans("late"))
    assert told in str(fit.emmeans("late").pairs())
    assert told not in str(fit.emmeans("~ late | Days"))
