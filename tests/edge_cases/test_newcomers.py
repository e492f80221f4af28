"""What people who are new to the package met: numbers as text, words for mistakes."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.errors import (
    DataError,
    FileError,
    FormulaError,
    FormulaWarning,
    MixedModelsError,
    ModelError,
)
from mixedmodels.report.numbers import format_number

SLEEP = mm.load_dataset("sleepstudy")


@pytest.mark.parametrize("error", [0.180003, 0.1800031, 0.2000004, 0.3000001, 0.12000049])
def test_a_round_standard_error_costs_the_others_no_decimals(error: float) -> None:
    data = SLEEP.assign(z=np.sin(np.arange(180)) * 90)
    first = mm.lmer("Reaction ~ Days + z + (Days | Subject)", data)
    data["y"] = data["Reaction"] * error / first.stderror["Days"]
    text = str(mm.lmer("y ~ Days + z + (Days | Subject)", data).summary())
    row = next(line for line in text.splitlines() if line.startswith("Days "))
    assert f"{error:.4f}" in row.split()[2], row


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (61.9968, "62.00"),
        (0.180003, "0.1800"),
        (12.0, "12"),
        (0.05, "0.05"),
        (-3.0, "-3"),
        (0.1 + 0.2, "0.3000"),
        (np.nan, "nan"),
    ],
)
def test_a_number_keeps_the_zeros_that_are_digits(value: float, text: str) -> None:
    assert format_number(value, 4, 5) == text


@pytest.mark.parametrize("seed", range(3))
def test_skewed_residuals_are_called_skewed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(np.arange(30), 20), "x": rng.normal(size=600)})
    noise = rng.gamma(2.0, 60.0, 600)
    for sign, word in ((1.0, "skewed to the right"), (-1.0, "skewed to the left")):
        data["y"] = 600 + 20 * data["x"] + rng.normal(0, 50, 30)[data["g"]] + sign * noise
        text = " ".join(str(mm.lmer("y ~ x + (1 | g)", data).check(nsim=39, seed=1)).split())
        assert word in text


def _schools(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    school = np.repeat([f"s{i}" for i in range(n)], 24)
    year = np.tile(np.arange(4), 6 * n)
    return pd.DataFrame({"school": school, "year": year, "y": rng.normal(size=24 * n) + year})


@pytest.mark.parametrize("term", ["(school | year)", "(0 + school | year)"])
def test_a_term_written_the_wrong_way_round_is_recognised(term: str) -> None:
    with pytest.warns(FormulaWarning, match=r"Did you mean \(year \| school\)\?"):
        mm.LinearMixedModel(f"y ~ year + {term}", _schools(9))


@pytest.mark.filterwarnings("error")
def test_a_wide_term_with_enough_levels_is_not_warned_of() -> None:
    mm.LinearMixedModel("y ~ year + (1 | school)", _schools(9))
    mm.LinearMixedModel("y ~ 1 + (factor(year) | school)", _schools(9))


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_a_file_read_with_another_separator_is_recognised(sign: str) -> None:
    data = pd.read_csv(io.StringIO(sign.join("yxg") + "\n" + sign.join("123") + "\n"))
    with pytest.raises(FormulaError, match=r"read the file with sep="):
        mm.lmer("biomass ~ x + (1 | g)", data)


def test_columns_are_listed_where_none_is_near() -> None:
    with pytest.raises(FormulaError, match=r"has the columns 'Reaction', 'Days', 'Subject'"):
        mm.lmer("biomass ~ Days + (1 | Subject)", SLEEP)
    with pytest.raises(DataError, match=r"Did you mean 'Subject'"):
        mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, contrasts={"Sbject": "sum"})


def test_a_missing_file_is_missing() -> None:
    with pytest.raises(FileError, match=r"none\.csv is neither a file nor a folder"):
        mm.lmer("y ~ x + (1 | g)", "none.csv")


@pytest.mark.parametrize("sign", [">", ">=", "<", "!="])
def test_one_sided_hypotheses_are_answered(sign: str) -> None:
    fit = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    with pytest.raises(MixedModelsError, match="two-sided"):
        fit.test(f"Days {sign} 0")


def test_tables_for_programs_show_every_column_and_are_plain_otherwise() -> None:
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    for table in (fit.tidy(), fit.glance(), fit.varcorr_table(), fit.augment()):
        with pd.option_context("display.width", 60, "display.max_columns", 4):
            text = repr(table)
        assert all(str(column) in text for column in table.columns)
        assert type(table.round(2)) is pd.DataFrame
        assert type(pickle.loads(pickle.dumps(table))) is pd.DataFrame
        pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(table)), pd.DataFrame(table))


def test_slopes_without_an_interaction_are_one_number() -> None:
    fit = mm.lmer("distance ~ age + Sex + (1 | Subject)", mm.load_dataset("orthodont"))
    assert "no interaction of age with Sex" in " ".join(str(fit.emtrends("Sex", "age")).split())
    fit = mm.lmer("distance ~ age * Sex + (1 | Subject)", mm.load_dataset("orthodont"))
    assert "no interaction" not in str(fit.emtrends("Sex", "age"))


def trials() -> pd.DataFrame:
    """Three weeks of 12 people, and a day that no two rows share."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"id": np.repeat([f"p{i}" for i in range(12)], 3)})
    data["week"] = np.tile(np.arange(3), 12)
    data["y"] = rng.normal(size=36) + np.repeat(rng.normal(size=12), 3)
    data["day"] = [str(day)[:10] for day in pd.date_range("2024-01-01", periods=36)]
    return data


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("us", r"write (week | id)."),
        ("diag", r"two bars here: (week || id)."),
        ("zerocorr", r"two bars here: (week || id)."),
        ("ar1", "structure 'ar1' is not here. (x | id) has"),
        ("cs", "is (1 | id) + (1 | id:f)."),
        ("exp", "structure 'exp' is not here."),
    ],
)
@pytest.mark.parametrize("beside", ["", " + (1 | id)"])
def test_structures_of_covariances_are_answered(name: str, says: str, beside: str) -> None:
    with pytest.raises(FormulaError) as caught:
        mm.lmer(f"y ~ week{beside} + {name}(week | id)", trials())
    assert says in str(caught.value)
    assert f"{name}(week | id)" in str(caught.value).splitlines()[2]


def test_a_bar_inside_of_other_calls_is_logical() -> None:
    data = trials().assign(a=np.arange(36) % 3 == 0, b=np.arange(36) % 4 == 0)
    assert "I(a | b)TRUE" in mm.lmer("y ~ I(a | b) + (1 | id)", data).fixef.index
    assert mm.lmer("y ~ exp(week) + (1 | id)", data).converged


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (str, "'week' has numbers that are stored as text ('0'); make the column numeric"),
        (lambda week: f"{week},5", "'week' has numbers with decimal commas"),
        (lambda week: f"2024-01-0{week + 1}", "'week' has dates that are stored as text"),
        (lambda week: "abc"[week], "Leave columns out of the term."),
    ],
)
def test_slopes_over_text_say_what_the_text_is(change: Any, says: str) -> None:
    data = trials()
    data["week"] = data["week"].map(change)
    with pytest.raises(ModelError, match="36 random effects") as caught:
        mm.lmer("y ~ week + (week | id)", data)
    assert says in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_few_columns_of_a_wide_term_are_named() -> None:
    with pytest.raises(ModelError, match=r"x 36 columns: .*, \.\.\.\)") as caught:
        mm.lmer("y ~ 1 + (day | id)", trials())
    assert len(str(caught.value)) < 600


def test_wide_terms_over_text_say_what_the_text_is() -> None:
    data = pd.concat([_schools(3), _schools(3)]).assign(hour=lambda t: np.arange(len(t)) % 9)
    with pytest.warns(FormulaWarning, match="'hour' has numbers that are stored as text"):
        mm.LinearMixedModel("y ~ 1 + (hour | year)", data.assign(hour=data["hour"].astype(str)))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda day: day, "'day' has dates that are stored as text ('2024-01-01')"),
        (lambda day: day[-2:] + day[5:7], "'day' has numbers that are stored as text"),
        (lambda day: f"d{day}", "If it tells units apart, write (1 | day)"),
    ],
)
def test_factors_with_a_level_for_every_row_are_named(change: Any, says: str) -> None:
    data = trials()
    data["day"] = data["day"].map(change)
    with pytest.raises(ModelError, match="'day' is a factor with 36 levels in 36 rows") as caught:
        mm.lmer("y ~ day + (1 | id)", data)
    assert says in str(caught.value)
    with pytest.raises(ModelError, match=r"'factor\(day\)' is a factor with 36 levels") as caught:
        mm.lmer("y ~ factor(day) + (1 | id)", data)
    assert "stored as text" not in str(caught.value)


def test_columns_in_the_index_are_found_there() -> None:
    data = trials()
    for index, formula in ((["id"], "y ~ week + (1 | id)"), (["week", "id"], "y ~ 1 + (1|id)")):
        with pytest.raises(FormulaError, match=r"called 'id': give data\.reset_index\(\)"):
            mm.lmer(formula, data.set_index(index))
    fit = mm.lmer("y ~ week + (1 | id)", data)
    with pytest.raises(FormulaError, match=r"called 'week': give data\.reset_index\(\)"):
        fit.predict(data.set_index("week"))
    with pytest.raises(FormulaError, match=r"'day' is not a column of the data\. The data has"):
        mm.lmer("y ~ day + (1 | id)", data[["y", "id"]])
