"""Separation: proved where it is, not claimed where it is not, and named."""

from __future__ import annotations

import signal
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from unit.generalized.hard_data import births, visits

import mixedmodels as mm
from mixedmodels.estimates.separation import recession


@pytest.mark.parametrize("seed", range(40))
def test_a_level_is_separated_where_all_its_responses_are_the_same(seed: int) -> None:
    """Of one factor it can be seen: indicators of its levels, beside a covariate or not."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(2, 6)
    code = rng.integers(0, levels, 40)
    y = rng.random(40) < rng.choice([0.05, 0.3, 0.9])
    X = np.eye(levels)[code]
    X = X[:, X.any(axis=0)]
    same = [one for one in np.unique(code) if len(set(y[code == one].tolist())) == 1]
    turned = X @ rng.normal(size=(X.shape[1], X.shape[1]))
    found = recession(turned, ~y, y)
    assert (found is not None) == bool(same)
    if found is not None:
        moved = turned @ found
        assert set(code[np.abs(moved) > 1e-6 * np.abs(moved).max()]) == set(same)
        assert (moved[y] > -1e-9 * np.abs(moved).max()).all()
        assert (moved[~y] < 1e-9 * np.abs(moved).max()).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_covariate_separates_where_ranges_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=30)
    y = x > 0.2 if seed % 2 else (x + rng.normal(size=30)) > 0.2
    apart = x[y].min(initial=np.inf) >= x[~y].max(initial=-np.inf)
    apart |= x[y].max(initial=-np.inf) <= x[~y].min(initial=np.inf)
    assert (recession(np.column_stack([np.ones(30), x]), ~y, y) is not None) == apart


def test_rows_that_must_not_move_hold_their_coefficients() -> None:
    """Positive counts cannot go anywhere: only cells of zeros are separated."""
    cell = np.repeat(np.arange(4), 5)
    X = np.eye(4)[cell]
    y = np.where(cell == 2, 0, 1 + np.arange(20) % 3)
    found = recession(X, y == 0, np.zeros(20, bool))
    assert found is not None
    np.testing.assert_allclose(found, [0, 0, -1, 0], atol=1e-9)
    assert recession(X, np.zeros(20, bool), np.zeros(20, bool)) is None


def cells(seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=400),
            "site": np.where(np.arange(400) % 10 == 0, "north", "south"),
            "kind": np.array(list("abc"))[rng.integers(0, 3, 400)],
            "g": np.repeat(np.arange(40), 10),
        }
    )
    level = rng.normal(size=40)[data["g"]]
    return data.assign(y=(rng.random(400) < 1 / (1 + np.exp(-level))).astype(int), level=level)


def told(formula: str, data: pd.DataFrame, family: str = "binomial", **more: Any) -> list[str]:
    """The messages on separation that a fit warns of and has."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = mm.glmer(formula, data, family, **more)
    assert np.isfinite(fit.objective)
    found = [message for message in fit.messages if message.startswith("Separation")]
    assert found == [str(w.message) for w in caught if str(w.message).startswith("Separation")]
    return found


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
@pytest.mark.parametrize("response", [0, 1])
def test_a_cell_of_equal_responses_is_named(link: str, response: int) -> None:
    data = cells()
    data.loc[data["site"] == "north", "y"] = response
    (message,) = told("y ~ x + site + (1 | g)", data, link=link)
    assert "'sitesouth'" in message
    assert "'x'" not in message
    assert "Where site is north" in message
    assert ("failure", "success")[response] in message


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "nb1", "truncated_poisson"])
def test_a_cell_of_the_least_count_is_named(family: str) -> None:
    data = cells()
    least = int(family == "truncated_poisson")
    counts = np.random.default_rng(1).poisson(np.exp(1 + 0.5 * data["level"]))
    data["y"] = np.where(data["site"] == "north", least, np.maximum(counts, least))
    (message,) = told("y ~ x + site + (1 | g)", data, family)
    assert "Where site is north" in message
    assert f"always {least}" in message


@pytest.mark.parametrize(("category", "says"), [("a", "lowest"), ("d", "highest")])
def test_a_cell_of_an_outer_category_is_named(category: str, says: str) -> None:
    data = cells()
    drawn = np.random.default_rng(6).logistic(size=400) + data["level"]
    data["o"] = pd.cut(drawn, [-99, -1, 0, 1, 99], labels=list("abcd"))
    assert told("o ~ site + (1 | g)", data, "ordinal") == []
    data.loc[data["site"] == "south", "o"] = category
    (message,) = told("o ~ site + (1 | g)", data, "ordinal")
    assert "Where site is south" in message
    assert f"the {says} category" in message


def test_shares_with_trials() -> None:
    data = cells().assign(size=4)
    data["y"] *= 2
    data.loc[data["kind"] == "c", "y"] = 4
    (message,) = told("cbind(y, size - y) ~ x + kind + (1 | g)", data)
    assert "'kindc'" in message
    assert "Where kind is c" in message


@pytest.mark.parametrize("family", ["binomial", "poisson", "negative_binomial"])
@pytest.mark.parametrize("random", ["(1 | g)", "(1 | g) + (1 | h)"])
def test_other_coefficients_are_those_without_the_separated_rows(family: str, random: str) -> None:
    """Standard errors, marginal means, tests and robust errors do not know of the cell."""
    data = cells().assign(h=np.arange(400) // 40)
    if family != "binomial":
        data["y"] = np.random.default_rng(1).poisson(np.exp(data["level"] + 0.3 * data["x"]))
    data.loc[data["kind"] == "c", "y"] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer(f"y ~ x + kind + {random}", data, family)
        rest = mm.glmer(f"y ~ x + kind + {random}", data[data["kind"] != "c"], family)
        robust = [one.vcov_robust("h", "CR0").to_frame() for one in (fit, rest)]
        means = [one.emmeans("kind", at={"x": 0}).to_frame() for one in (fit, rest)]
    others = ["(Intercept)", "x", "kindb"]
    assert np.isnan(fit.stderror["kindc"])
    np.testing.assert_allclose(fit.fixef[others], rest.fixef, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fit.stderror[others], rest.stderror, rtol=1e-4)
    np.testing.assert_allclose(robust[0].loc[others, others], robust[1], rtol=1e-3, atol=1e-6)
    assert robust[0]["kindc"].isna().all()
    numbers = ["estimate", "std_error", "lower", "upper"]
    np.testing.assert_allclose(means[0][numbers][:2], means[1][numbers], rtol=1e-4, atol=1e-5)
    assert np.isnan(means[0]["std_error"].iloc[2])
    pairs = fit.emmeans("kind").pairs(adjust="none").to_frame()
    assert pairs["p_value"].isna().tolist() == [False, True, True]
    tests = fit.anova()
    assert np.isfinite(tests.loc["x", "p_value"])
    assert np.isnan(tests.loc["kind", "p_value"])
    assert "no standard errors" in tests.attrs["notes"]["kind"]
    with pytest.warns(
        UserWarning, match="1 of 2 rows have no interval, as row 1.*: the data do not"
    ):
        found = fit.predict_interval({"x": [0, 0], "kind": ["b", "c"]}, random="none")
    assert found["std_error"].isna().tolist() == [False, True]
    assert not any("likelihood is flat" in message for message in fit.messages)


@pytest.mark.parametrize("way", ["fit", "file"])
@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_a_separated_reference_level_leaves_what_the_others_say(
    family: str, way: str, tmp_path: Any
) -> None:
    """All coefficients of the factor take part in it, and means of the others do not."""
    data = cells().assign(h=np.arange(400) // 40)
    if family == "poisson":
        data["y"] = np.random.default_rng(1).poisson(np.exp(data["level"] + 0.3 * data["x"]))
    data.loc[data["kind"] == "a", "y"] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ x + kind + (1 | g)", data, family)
        rest = mm.glmer("y ~ x + kind + (1 | g)", data[data["kind"] != "a"], family)
    if way == "file":
        fit.save(tmp_path / "fit.mm")
        fit = mm.load(tmp_path / "fit.mm")
    assert fit.stderror.isna().tolist() == [True, False, True, True]
    np.testing.assert_allclose(fit.stderror["x"], rest.stderror["x"], rtol=1e-4)
    numbers = ["estimate", "std_error", "lower", "upper"]
    means, others = (one.emmeans("kind", at={"x": 0}).to_frame() for one in (fit, rest))
    np.testing.assert_allclose(means[numbers][1:], others[numbers], rtol=1e-4, atol=1e-5)
    assert np.isnan(means["std_error"].iloc[0])
    pairs, pair = (one.emmeans("kind").pairs(adjust="none").to_frame() for one in (fit, rest))
    np.testing.assert_allclose(pairs[numbers].iloc[2], pair[numbers].iloc[0], rtol=1e-4)
    assert pairs["std_error"].isna().tolist() == [True, True, False]
    found = fit.test("kindb - kindc = 0").table
    np.testing.assert_allclose(found["std_error"], rest.stderror["kindc"], rtol=1e-4)
    new = {"x": [0, 0], "kind": ["a", "b"]}
    with pytest.warns(UserWarning, match="1 of 2 rows have no interval, as row 0"):
        error = fit.predict_interval(new, random="none", type="link")["std_error"]
    np.testing.assert_allclose(error[1], others["std_error"].iloc[0], rtol=1e-4)
    assert np.isfinite(fit.anova().loc["x", "p_value"])


@pytest.mark.parametrize("way", ["fit", "file"])
@pytest.mark.parametrize("kind", ["CR0", "CR1"])
def test_robust_errors_of_the_others_where_the_reference_level_is_separated(
    kind: Any, way: str, tmp_path: Any
) -> None:
    """By every way in which a robust covariance is read."""
    data = cells()
    data.loc[data["kind"] == "a", "y"] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ x + kind + (1 | g)", data)
        rest = mm.glmer("y ~ x + kind + (1 | g)", data[data["kind"] != "a"])
        if way == "file":
            fit.save(tmp_path / "fit.mm")
            fit = mm.load(tmp_path / "fit.mm")
    given = [one.vcov_robust("g", kind) for one in (fit, rest)]
    found = given[0].to_frame()
    assert np.isnan(np.diag(found)).tolist() == [True, False, True, True]
    errors = given[1].stderror
    np.testing.assert_allclose(given[0].stderror["x"], errors["x"], rtol=1e-4)
    tables = fit.coef_table(vcov=given[0]).to_frame(), rest.coef_table(vcov=given[1]).to_frame()
    np.testing.assert_allclose(tables[0].loc["x"], tables[1].loc["x"], rtol=1e-4)
    tidied = fit.tidy(vcov=given[0]).set_index("term")["std_error"]
    np.testing.assert_allclose(tidied["x"], errors["x"], rtol=1e-4)
    for ddf in ("satterthwaite", "none"):
        test = fit.test("kindb - kindc = 0", vcov=given[0], ddf=ddf).table
        np.testing.assert_allclose(test["std_error"], errors["kindc"], rtol=1e-4)
    numbers = ["estimate", "std_error", "lower", "upper"]
    means, others = (
        one.emmeans("kind", at={"x": 0}, vcov=by).to_frame()
        for one, by in zip((fit, rest), given, strict=True)
    )
    np.testing.assert_allclose(means[numbers][1:], others[numbers], rtol=1e-4, atol=1e-5)
    assert np.isnan(means["std_error"].iloc[0])
    (pairs, pair) = (
        one.emmeans("kind", vcov=by).pairs(adjust="none").to_frame()
        for one, by in zip((fit, rest), given, strict=True)
    )
    np.testing.assert_allclose(pairs[numbers].iloc[2], pair[numbers].iloc[0], rtol=1e-4)
    slope = fit.emtrends("kind", "x", vcov=given[0]).to_frame()["std_error"]
    np.testing.assert_allclose(slope, errors["x"], rtol=1e-4)
    new = {"x": [0, 0], "kind": ["a", "b"]}
    random: Any
    for random in ("none", "average"):
        with pytest.warns(UserWarning, match="1 of 2 rows have no interval, as row 0"):
            row = fit.predict_interval(new, random=random, vcov=given[0], type="link")
        other = rest.predict_interval(
            {"x": [0], "kind": ["b"]}, random=random, vcov=given[1], type="link"
        )
        np.testing.assert_allclose(row.iloc[1], other.iloc[0], rtol=1e-4)
        assert np.isnan(row["std_error"].iloc[0])


@pytest.mark.parametrize("random", ["all", "average"])
@pytest.mark.parametrize("uncertainty", ["conditional", "full"])
def test_intervals_with_random_effects_where_the_reference_level_is_separated(
    random: Any, uncertainty: Any
) -> None:
    data = cells()
    data.loc[data["kind"] == "a", "y"] = 0
    new = {"x": [0.5, 0, 1], "kind": ["b", "a", "c"], "g": [0, 0, 1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ x + kind + (1 | g)", data)
        rest = mm.glmer("y ~ x + kind + (1 | g)", data[data["kind"] != "a"])
    how: Any = {"random": random, "uncertainty": uncertainty, "type": "link"}
    with pytest.warns(UserWarning, match="1 of 3 rows have no interval, as row 1"):
        found = fit.predict_interval(new, **how)
    other = rest.predict_interval({name: [of[0], of[2]] for name, of in new.items()}, **how)
    np.testing.assert_allclose(found.iloc[[0, 2]], other, rtol=1e-3, atol=1e-4)
    assert np.isnan(found["std_error"].iloc[1])


ADDITIVE: dict[str, tuple[str, Any]] = {
    "treatment": ("y ~ x + kind + (1 | g)", None),
    "sum": ("y ~ x + kind + (1 | g)", {"kind": "sum"}),
    "helmert": ("y ~ x + kind + (1 | g)", {"kind": "helmert"}),
    "poly": ("y ~ x + kind + (1 | g)", {"kind": "poly"}),
    "cells": ("y ~ 0 + kind + x + (1 | g)", None),
    "cells after x": ("y ~ 0 + x + kind + (1 | g)", None),
    "cells after a large x": ("y ~ 0 + I(1e6 * x) + kind + (1 | g)", None),
}
CROSSED: dict[str, tuple[str, Any]] = {
    "treatment": ("y ~ kind * site + (1 | g)", None),
    "sum": ("y ~ kind * site + (1 | g)", {"kind": "sum", "site": "sum"}),
    "mixed": ("y ~ kind * site + (1 | g)", {"kind": "helmert"}),
    "cells": ("y ~ 0 + kind:site + (1 | g)", None),
    "cells of one": ("y ~ 0 + kind + kind:site + (1 | g)", {"site": "sum"}),
    "slopes": ("y ~ 0 + site + site:kind + (1 | g)", None),
}


def means_of(fit: Any, specs: Any, **more: Any) -> tuple[Any, Any]:
    """Means on the scale of the predictor and their differences."""
    means = fit.emmeans(specs, **more)
    numbers = ["estimate", "std_error"]
    return means.to_frame()[numbers], means.pairs(adjust="none").to_frame()[numbers]


def same_under_all(data: pd.DataFrame, family: str, codings: Any, specs: Any, **more: Any) -> Any:
    """The means of the first coding; those of the others are the same."""
    first: Any = None
    for formula, contrasts in codings.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = mm.glmer(formula, data, family, contrasts=contrasts)
            robust = means_of(fit, specs, vcov=fit.vcov_robust("g"), **more)
        (told,) = [message for message in fit.messages if message.startswith("Separation")]
        without = set(fit.stderror.index[fit.stderror.isna()])
        assert all(f"'{name}'" in told for name in without)
        assert without
        found = (*means_of(fit, specs, **more), *robust)
        if first is None:
            first = found
        for one, other in zip(found, first, strict=True):
            known = other["std_error"].notna()
            assert (one["std_error"].notna() == known).all()
            np.testing.assert_allclose(one[known], other[known], rtol=2e-4, atol=1e-5)
    return first


@pytest.mark.parametrize("level", ["a", "b", "c"])
@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_a_separated_level_is_the_same_under_any_coding(family: str, level: str) -> None:
    data = cells()
    if family == "poisson":
        data["y"] = np.random.default_rng(1).poisson(np.exp(data["level"] + 0.3 * data["x"]))
    data.loc[data["kind"] == level, "y"] = 0
    means, pairs, _, robust = same_under_all(data, family, ADDITIVE, "kind", at={"x": 0})
    assert (means["std_error"].isna() == np.array([level == one for one in "abc"])).all()
    assert pairs["std_error"].isna().sum() == robust["std_error"].isna().sum() == 2


@pytest.mark.parametrize(
    "cell", [("kind", "b"), ("kind", "a"), ("site", "north"), ("kind", "c", "site", "south")]
)
def test_separated_cells_are_the_same_under_any_coding(cell: tuple[str, ...]) -> None:
    data = cells()
    rows = data[cell[0]] == cell[1]
    if cell[2:]:
        rows &= data[cell[2]] == cell[3]
    data.loc[rows, "y"] = 1
    means = same_under_all(data, "binomial", CROSSED, ["kind", "site"])[0]
    of = [(kind, site) for site in ("north", "south") for kind in "abc"]
    expected = [
        dict(zip(cell[::2], cell[1::2], strict=True)).items() <= {"kind": k, "site": s}.items()
        for k, s in of
    ]
    assert means["std_error"].isna().tolist() == expected


@pytest.mark.parametrize("level", ["a", "c"])
def test_a_separated_level_of_ordered_responses_under_any_coding(level: str) -> None:
    """The thresholds are those of the reference level, or of the mean of all levels."""
    data = cells()
    drawn = np.random.default_rng(6).logistic(size=400) + data["level"]
    data["y"] = pd.cut(drawn, [-99, -1, 0, 1, 99], labels=list("pqrs"))
    data.loc[data["kind"] == level, "y"] = "p"
    every = []
    for contrasts in ("treatment", "sum", "helmert"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = mm.glmer("y ~ x + kind + (1 | g)", data, "ordinal", contrasts={"kind": contrasts})
        (message,) = [message for message in fit.messages if message.startswith("Separation")]
        assert f"Where kind is {level}, the response is always the lowest category" in message
        table = fit.component_table()
        assert table["std_error"].isna().all() == ("'p|q'" in message)
        every.append(means_of(fit, "kind")[1])
    for one in every:
        known = [level not in pair for pair in ("ab", "ac", "bc")]
        assert one["std_error"].notna().tolist() == known
        np.testing.assert_allclose(one[known], every[0][known], rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("zeros", ["~ kind", "~ 0 + kind"])
def test_a_level_without_further_zeros_under_any_coding(zeros: str) -> None:
    """The probability of zeros of their own is 0 there: its coefficient has no estimate."""
    rng = np.random.default_rng(6)
    data = cells()
    data["y"] = np.where(rng.random(400) < 0.3, 0, rng.poisson(np.exp(1 + 0.3 * data["level"])))
    data["y"] = np.where(data["kind"] == "c", np.maximum(data["y"], 1), data["y"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ x + (1 | g)", data, "poisson", zero_inflation=zeros)
    table = fit.component_table().loc["zero_inflation"]
    assert table["std_error"].isna().tolist() == [False, False, True]
    assert fit.stderror.notna().all()
    tidied = fit.tidy().set_index("term")["std_error"]
    assert np.isnan(tidied["kindc"])
    assert np.isfinite(tidied["kindb"])
    full = fit.predict_interval({"x": [0.0], "g": [1]}, uncertainty="full", type="link")
    assert np.isfinite(full.to_numpy()).all()


@pytest.mark.parametrize("family", ["negative_binomial", "nb1"])
def test_a_level_without_overdispersion_under_any_coding(family: str) -> None:
    rng = np.random.default_rng(3)
    data = cells()
    mean = np.exp(1 + 0.3 * data["level"])
    data["y"] = rng.negative_binomial(2, 2 / (2 + mean))
    data["y"] = np.where(data["kind"] == "c", rng.binomial(12, 0.3, 400), data["y"])
    errors = []
    for formula in ("~ kind", "~ 0 + kind"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = mm.glmer("y ~ x + kind + (1 | g)", data, family, dispersion=formula)
        table = fit.component_table()["std_error"]
        assert table.isna().tolist() == [False, False, True]
        assert any("do not identify dispersion.kindc" in message for message in fit.messages)
        errors.append([table.iloc[0], *fit.stderror])
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-4)


@pytest.mark.parametrize("options", [{"n_agq": 0}, {"n_agq": 5}, {"reml": True}])
def test_a_separated_level_by_every_approximation(options: dict[str, Any]) -> None:
    data = cells()
    data.loc[data["kind"] == "a", "y"] = 1
    found = []
    for formula in ("y ~ x + kind + (1 | g)", "y ~ 0 + kind + x + (1 | g)"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = mm.glmer(formula, data, **options)
        means = means_of(fit, "kind", at={"x": 0})[0]
        assert means["std_error"].isna().tolist() == [True, False, False]
        found.append(means[1:])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("formula", ["y ~ x + kind + (1 | g)", "y ~ 0 + kind + x + (1 | g)"])
def test_influence_of_determined_coefficients_beside_a_separated_level(formula: str) -> None:
    data = cells()
    data.loc[data["kind"] == "c", "y"] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer(formula, data)
        rest = mm.glmer(formula, data[data["kind"] != "c"])
        moved, other = (one.influence("g", method="one-step").beta for one in (fit, rest))
    assert moved.isna().all().tolist() == [name == "kindc" for name in moved]
    np.testing.assert_allclose(moved[other.columns], other, rtol=1e-4, atol=1e-5)


def test_data_too_large_for_a_proof_have_no_errors_at_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = cells()
    data.loc[data["kind"] == "b", "y"] = 0
    monkeypatch.setattr("mixedmodels.estimates.separation._MOST", 100)
    for formula in ("y ~ x + kind + (1 | g)", "y ~ 0 + kind + x + (1 | g)"):
        with pytest.warns(mm.errors.ConvergenceWarning, match="Separation is suspected"):
            fit = mm.glmer(formula, data)
        assert list(fit.stderror.index[fit.stderror.isna()]) == ["kindb"]


def test_a_cell_of_two_factors_is_named() -> None:
    data = cells()
    data.loc[(data["site"] == "north") & (data["kind"] == "b"), "y"] = 0
    (message,) = told("y ~ site * kind + (1 | g)", data)
    assert "site is north and kind is b" in message
    assert told("y ~ site + kind + (1 | g)", data) == []


def test_complete_separation_by_a_covariate() -> None:
    data = cells()
    data["y"] = (data["x"] > 0.3).astype(int)
    (message,) = told("y ~ x + kind + (1 | g)", data)
    assert "'x'" in message
    assert "In all rows" in message


def test_separated_levels_of_random_effects_do_not_matter() -> None:
    data = cells()
    data.loc[data["g"] < 8, "y"] = 1
    data.loc[data["g"] > 34, "y"] = 0
    assert told("y ~ x + kind + (1 | g)", data) == []


@pytest.mark.parametrize("seed", [0, 7])
def test_huge_variances_are_not_separation(seed: int) -> None:
    assert told("y ~ drug * t + (1 | g)", visits(seed)) == []
    data = births(seed)
    assert told("y ~ x0 + x3 + (1 | community) + (1 | mother)", data) == []


@pytest.mark.parametrize(
    ("family", "link"), [("gamma", "log"), ("beta", "logit"), ("gaussian", "log")]
)
def test_families_that_cannot_be_separated(family: str, link: str) -> None:
    data = cells()
    draws = np.random.default_rng(2).beta(2, 3, 400)
    data["y"] = np.where(data["site"] == "north", 1e-4 * draws, draws)
    assert told("y ~ x + site + (1 | g)", data, family, link=link) == []


def test_a_level_for_every_row_of_binary_data() -> None:
    data = cells().assign(row=np.arange(400))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ x + (1 | g) + (1 | row)", data)
        counts = mm.glmer("y ~ x + (1 | g) + (1 | row)", data, "poisson")
        gamma = mm.glmer("z ~ x + (1 | row)", data.assign(z=np.exp(data["level"])), "gamma")
    assert any("'row' has one row per level" in message for message in fit.messages)
    assert not any("one row per level" in message for message in counts.messages)
    assert any("'row' has one row per level" in message for message in gamma.messages)


@pytest.mark.parametrize(("family", "says"), [("negative_binomial", "k is"), ("nb1", "alpha is")])
def test_counts_without_overdispersion_point_to_poisson(family: str, says: str) -> None:
    rng = np.random.default_rng(3)
    data = cells()
    data["y"] = rng.binomial(12, 0.4 / (1 + np.exp(-data["level"])))
    with pytest.warns(mm.ConvergenceWarning, match=f"No overdispersion: {says}"):
        fit = mm.glmer("y ~ x + (1 | g)", data, family)
    assert any('family="poisson"' in message for message in fit.messages)


def test_flat_directions_are_named() -> None:
    """An effect for each row beside the spread of the family."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 5), "row": np.arange(100)})
    data["y"] = 3 + rng.normal(size=20)[data["g"]] + rng.normal(size=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ 1 + (1 | g) + (1 | row)", data, "gaussian")
    flat = [message for message in fit.messages if "likelihood is flat" in message]
    assert flat == [] or "row" in flat[0]
    assert any("'row' has one row per level" in message for message in fit.messages)


def test_advice_on_singular_fits_is_that_of_linear_ones() -> None:
    rng = np.random.default_rng(8)
    data = cells().assign(h=rng.integers(0, 12, 400))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [
            mm.glmer(f"y ~ 1 + {random}", data)
            for random in ("(1 | g)", "(1 | g) + (1 | h)", "(x | g)", "(x | g) + (x | h)")
        ]
        advice = [fit.singularity() for fit in fits]
    assert not advice[0].is_singular
    singular = [one for one, fit in zip(advice, fits, strict=True) if fit.is_singular]
    assert singular
    assert all(one.is_singular and one.formula is not None for one in singular)
    assert all(len(one.directions) > 0 for one in singular)


def test_data_too_large_for_a_proof_are_suspected(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.tile(np.arange(20), 30), "f": np.repeat(list("abc"), 200)})
    data["y"] = np.where(data["f"] == "c", 1, rng.integers(0, 2, 600))
    monkeypatch.setattr("mixedmodels.estimates.separation._MOST", 100)
    with pytest.warns(mm.errors.ConvergenceWarning, match="Separation is suspected"):
        mm.glmer("y ~ f + (1 | g)", data, family="binomial")


@pytest.mark.parametrize("seed", range(10))
def test_few_rows_decide_for_all(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that join the linear programme one by one give the answer of all at once."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(400), np.eye(3)[rng.integers(0, 3, 400)], rng.normal(size=400)])
    X = X[:, [0, 2, 3, 4]]
    y = rng.random(400) < 1.0 / (1.0 + np.exp(-3.0 * X[:, 3]))
    y[(X[:, 1] == 1.0) & (rng.random(400) < rng.choice([0.5, 1.0]))] = False
    expected = recession(X, ~y, y)
    monkeypatch.setattr("mixedmodels.estimates.separation._ROWS", 1)
    monkeypatch.setattr("mixedmodels.estimates.separation._ROWS_EACH", 0)
    found = recession(X, ~y, y)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        np.testing.assert_array_equal(np.abs(X @ found) > 1e-7, np.abs(X @ expected) > 1e-7)


def test_many_rows_take_little_time() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=500_000)
    X = np.column_stack([np.ones(len(x)), x, rng.normal(size=len(x))])
    y = rng.random(len(x)) < 1.0 / (1.0 + np.exp(-x))
    began = time.process_time()
    assert recession(X, ~y, y) is None
    y = x > 0.5
    assert recession(X, ~y, y) is not None
    assert time.process_time() - began < 10.0


def test_a_linear_programme_can_be_interrupted() -> None:
    """It takes half a minute: 400 columns, of which nothing is separated."""
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(9_000), rng.normal(size=(9_000, 400))])
    y = rng.random(len(X)) < 0.5

    class TimeIsUp(Exception):
        pass

    def handler(*_: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, handler)
    began = time.perf_counter()
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.5)
        with pytest.raises(TimeIsUp):
            recession(X, ~y, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - began < 1.5 + 15.0


def test_without_time_for_a_proof_it_is_suspected(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.tile(np.arange(20), 30), "f": np.repeat(list("abc"), 200)})
    data["y"] = np.where(data["f"] == "c", 1, rng.integers(0, 2, 600))
    monkeypatch.setattr("mixedmodels.estimates.separation._SECONDS", 0.0)
    with pytest.warns(mm.errors.ConvergenceWarning, match="Separation is suspected"):
        mm.glmer("y ~ f + (1 | g)", data, family="binomial")


@pytest.mark.filterwarnings("error")
def test_rare_events_are_not_suspected(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.tile(np.arange(30), 400), "x": rng.normal(size=12_000)})
    effect = 0.5 * rng.normal(size=30)
    data["y"] = rng.poisson(np.exp(-4.0 + 1.5 * data["x"] + effect[data["g"]]))
    monkeypatch.setattr("mixedmodels.estimates.separation._MOST", 100)
    mm.glmer("y ~ x + (1 | g)", data, family="poisson")
