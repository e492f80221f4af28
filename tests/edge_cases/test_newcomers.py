"""What people who are new to the package met: numbers as text, words for mistakes."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.errors import DataError, FileError, FormulaError, FormulaWarning, MixedModelsError
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
