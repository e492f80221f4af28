"""Variables that are called as columns of results."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit
from mixedmodels.marginal.functions import apart
from mixedmodels.marginal.results import MarginalMeans

NUMBERS = ("estimate", "std_error", "df", "lower", "upper", "statistic", "p_value", "null")
OTHERS = ("letters", "contrast", "num_df", "den_df", "g_pairwise")


@cache
def fit_of(name: str) -> LinearMixedFit:
    """A fit with a factor of this name and one called g."""
    rng = np.random.default_rng(5)
    n = 120
    data = pd.DataFrame({"s": np.arange(n) // 6, "g": np.tile(["u", "v"], n // 2)})
    data[name] = rng.choice(list("abc"), n)
    data["y"] = rng.normal(size=n) + (data[name] == "b") + rng.normal(size=20)[data["s"]]
    return mm.lmer(f"y ~ {name} * g + (1 | s)", data)


@pytest.mark.parametrize("name", [*NUMBERS, *OTHERS])
def test_nothing_is_lost(name: str) -> None:
    fit, plain = fit_of(name), fit_of("f")

    def same(table: pd.DataFrame, expected: pd.DataFrame, levels: bool = True) -> None:
        assert table.columns.is_unique
        new = [column for column in table if column not in expected]
        assert (len(new) == 1) == levels, table.columns
        numbers = expected.select_dtypes("number").columns
        pd.testing.assert_frame_equal(table[numbers], expected[numbers])
        if levels:
            assert table[new[0]].tolist() == expected["f"].tolist()

    means, others = fit.emmeans([name], by="g"), plain.emmeans(["f"], by="g")
    same(means.to_frame(), others.to_frame())
    same(means.test(5.0).to_frame(), others.test(5.0).to_frame())
    same(means.letters().to_frame(), others.letters().to_frame())
    within, expected = fit.emmeans("g", by=name), plain.emmeans("g", by="f")
    same(within.to_frame(), expected.to_frame())
    pairs, expected_pairs = within.pairs(), expected.pairs()
    same(pairs.to_frame(), expected_pairs.to_frame())
    same(pairs.test(0.1).to_frame(), expected_pairs.test(0.1).to_frame())
    same(pairs.test().joint, expected_pairs.test().joint)
    same(within.effect_size(1.0, 9).to_frame(), expected.effect_size(1.0, 9).to_frame())
    same(
        within.contrast(interaction=True).to_frame(), expected.contrast(interaction=True).to_frame()
    )
    same(fit.joint_tests(by=name).to_frame(), plain.joint_tests(by="f").to_frame())
    for level in "abc":
        assert f"\n{name} = {level}:\n" in str(pairs)
        assert f"\n{name} = {level}:\n" in str(pairs.test(side=">"))
    both = pairs.pairs(by=[])
    np.testing.assert_array_equal(both["estimate"], expected_pairs.pairs(by=[])["estimate"])


def test_a_sentence_says_so() -> None:
    means = fit_of("df").emmeans("df", by="g")
    assert list(means.to_frame().columns[:2]) == ["df_", "g"]
    assert "The column df_ has the variable df: the name is that of another column." in str(means)
    assert "variable df" in str(fit_of("num_df").joint_tests(by="num_df")).replace("num_", "")
    assert "The column" not in str(fit_of("contrast").emmeans("contrast"))
    pairs = fit_of("contrast").emmeans("g", by="contrast").pairs()
    assert list(pairs.to_frame().columns[:2]) == ["contrast", "contrast_"]
    assert pairs["contrast_"].tolist() == list("abc")
    assert "The column contrast_ has the variable contrast" in str(pairs)


def test_columns_name_variables_too() -> None:
    means = fit_of("df").emmeans(["df", "g"])
    assert means.pairs(by="df_")["df_"].tolist() == list("abc")
    pd.testing.assert_frame_equal(means.pairs(by="df_").to_frame(), means.pairs(by="df").to_frame())


def test_contrasts_within_contrasts() -> None:
    means = fit_of("f").emmeans("f", by="g").contrast("consecutive")
    found = means.pairs(by="contrast")
    assert found["contrast"].tolist() == ["(b - a) u - (b - a) v", "(c - b) u - (c - b) v"]
    assert found["contrast_"].tolist() == ["b - a", "c - b"]


def test_names_are_free() -> None:
    assert apart(["df", "df_", "x"], ["df"]) == {"df": "df__", "df_": "df_", "x": "x"}


def test_categories_beside_a_predictor_called_category() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"s": np.arange(200) // 10, "category": np.tile(["a", "b"], 100)})
    data["r"] = np.digitize(rng.normal(size=200) + rng.normal(size=20)[data["s"]], [-0.5, 0.5])
    fit = mm.glmer("I(r + 1) ~ category + (1 | s)", data, "ordinal")
    found = fit.emmeans("category", type="prob").to_frame()
    assert set(zip(found["category"], found["category_"].astype(str), strict=True)) == {
        (level, str(r)) for level in "ab" for r in range(1, 4)
    }


def test_names_of_levels_stay_in_ratios() -> None:
    data = mm.load_dataset("cbpp")
    data["period"] = (
        data["period"].astype(str).map({"1": "lo - hi", "2": "plain", "3": "c", "4": "d"})
    )
    data["half"] = np.where(np.arange(len(data)) % 3, "a - b", "a")
    formula = "cbind(incidence, size - incidence) ~ period + half + (1 | herd)"
    fit = mm.glmer(formula, data, "binomial")
    at = {"period": ["lo - hi", "plain"]}
    means = fit.emmeans("period", at=at, type="response")
    plain = fit.emmeans("period", at=at)

    def names(method: Any, of: MarginalMeans = means, **options: Any) -> list[str]:
        return of.contrast(method, **options)["contrast"].tolist()

    for method in ("pairwise", "consecutive", "others", "change", [[1, -1]]):
        other, own = names(method, plain), names(method)
        assert all(" / " in name and ("lo - hi" in name or "plain" in name) for name in own)
        # The same names but for the sign of the comparison.
        shield = [name.replace("(lo - hi)", "L") for name in other]
        assert [name.replace("(lo - hi)", "L") for name in own] == [
            name.replace(" - ", " / ") for name in shield
        ]
    assert names("pairwise") == ["(lo - hi) / plain"]
    assert names("pairwise", reverse=True) == ["plain / (lo - hi)"]
    assert names("effect") == ["lo - hi effect", "plain effect"]
    assert names([[-1, 1], [1, 1]]) == ["plain / (lo - hi)", "(lo - hi) + plain"]
    assert names({"plain - 2": [1, -1]}) == ["plain - 2"]
    cells = fit.emmeans(["period", "half"], at=at, type="response")
    products = cells.contrast(interaction="pairwise")
    assert products.to_frame().iloc[0, :2].tolist() == ["(lo - hi) / plain", "a / (a - b)"]


@pytest.mark.parametrize("interaction", [False, True, "pairwise"])
def test_one_mean_has_no_contrasts(interaction: Any) -> None:
    for means in (
        fit_of("f").emmeans([]),
        fit_of("f").emmeans("~ 1"),
        fit_of("f").emmeans("g", by="g"),
    ):
        with pytest.raises(mm.MixedModelsError, match="the means compared are fewer than two"):
            means.contrast(interaction=interaction)
