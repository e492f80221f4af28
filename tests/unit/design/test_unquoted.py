"""Columns whose names need backticks and are written without: named with what to write."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.errors import did_you_mean

NAMES = [
    *("School type", "Correct?", "rate %", "hours-watched", "RT (ms)", "2nd", "a/b", "n°"),
    *("temp.°C", "x#", "x@home", "$ cost", "class: size", "x,y", "x [mm]", "x's", "a b c"),
    *("log RT", "x!", "item;no", "x~y", "x*2", "value {raw}", "per cent (%)"),
]
PLACES = ["y ~ {} + (1 | g)", "y ~ w + log({}) + (1 | g)", "y ~ w + ({} | g)", "y ~ w + (1 | {})"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({name: rng.uniform(1, 2, 40) for name in [*NAMES, "x|z", "w", "y"]})
    return data.assign(g=np.arange(40) % 8)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_without_backticks_is_named(name: str, place: str, table: pd.DataFrame) -> None:
    for fit in (mm.lmer, mm.LinearMixedModel):
        with pytest.raises(mm.FormulaError) as caught:
            fit(place.format(name), table)
        assert caught.value.message == (
            f"'{name}' is a column of the data; write it between backticks: `{name}`."
        )
        piece = caught.value.text[caught.value.start : caught.value.end]
        assert piece == name
    mm.LinearMixedModel(f"y ~ `{name}` + (1 | g)", table)


@pytest.mark.parametrize("name", ["School type", "hours-watched", "rate %"])
def test_everywhere_a_formula_is_read(name: str, table: pd.DataFrame) -> None:
    fit = mm.lmer("y ~ w + (1 | g)", table.assign(y=table["y"] + table["g"]))
    calls = [
        lambda: mm.lmer("y ~ w + (1 | g)", table, offset=f"log({name})"),
        lambda: mm.lmer("y ~ w + (1 | g)", table, weights=f"1 / ({name})"),
        lambda: mm.lm_list(f"y ~ {name} | g", table),
        lambda: mm.simulate(f"~ {name} + (1 | g)", table, beta=[1, 1], sd=[1], sigma=1),
        lambda: fit.update(f". ~ . + {name}"),
        lambda: mm.glmer(f"y ~ {name} + (1 | g)", table.assign(y=1), "poisson"),
    ]
    for call in calls:
        with pytest.raises(mm.FormulaError, match="between backticks"):
            call()


def test_other_mistakes_are_told_as_they_are(table: pd.DataFrame) -> None:
    for formula, says in [
        ("y ~ w + `School type` w + (1 | g)", "operator such as"),
        ("y ~ w + nothing + (1 | g)", "'nothing' is not a column"),
        ("y ~ w + `School type` + (1 | g", "never closed"),
        ("y ~ School types + (1 | g)", "operator such as"),
    ]:
        with pytest.raises(mm.FormulaError) as caught:
            mm.lmer(formula, table)
        assert "between backticks" not in caught.value.message
        assert says in caught.value.message
    with pytest.raises(mm.FormulaError, match="operator such as"):
        mm.lmer("y ~ School type + (1 | g)", "no table")


def test_names_that_have_the_word_are_offered(table: pd.DataFrame) -> None:
    with pytest.raises(mm.FormulaError, match=r"Did you mean `School type`\?"):
        mm.lmer("y ~ School_type + (1 | g)", table)
    assert did_you_mean("age", ["weight", "Age (years)"]) == " Did you mean 'Age (years)'?"
    assert did_you_mean("rt", ["heat", "log RT"]) == " Did you mean 'log RT'?"
    assert did_you_mean("x", ["weight", "x (cm)"]) == ""
    assert did_you_mean("a.b", ["a+b c"]) == ""
