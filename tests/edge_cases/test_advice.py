"""What a newcomer is told: rows that a computation loses, powers of one term, few groups."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm

RNG = np.random.default_rng(7)
DATA = pd.DataFrame(
    {
        "x": np.r_[-1.5, -0.5, np.linspace(0.5, 3.0, 58)],
        "z": np.r_[np.linspace(1.0, 4.0, 58), -2.0, -3.0],
        "g": np.repeat(list("abcdef"), 10),
        "h": np.tile(["u", "v"], 30),
        "y": RNG.normal(10.0, 1.0, 60),
    }
)


def told(call: Any) -> tuple[Any, list[str]]:
    """What a call gives, and the warnings of the kinds tested here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    kinds = (mm.LostRowsWarning, mm.FormulaWarning)
    return found, [str(one.message) for one in caught if issubclass(one.category, kinds)]


# The expression, and of how many rows it has no number.
LOST = {
    "log(x)": 2,
    "sqrt(x)": 2,
    "log10(x)": 2,
    "np.log(x)": 2,
    "I(x^0.5)": 2,
    "log1p(x)": 1,
    "asin(z / 10 + 0.7)": 19,
    "poly(sqrt(x), 2)": 2,
    "scale(log(x))": 2,
}


def with_role(role: str, expression: str) -> mm.LinearMixedFit:
    formulas = {
        "response": f"{expression} ~ z + (1 | g)",
        "covariate": f"y ~ {expression} + (1 | g)",
        "interaction": f"y ~ z * {expression} + (1 | g)",
        "slope": f"y ~ z + ({expression} || g)",
        "offset in the formula": f"y ~ z + offset({expression}) + (1 | g)",
    }
    options = {role: expression} if role in ("offset", "weights") else {}
    return mm.lmer(formulas.get(role, "y ~ z + (1 | g)"), DATA, **options)


@pytest.mark.parametrize(
    "role",
    ["response", "covariate", "interaction", "slope", "offset in the formula", "offset", "weights"],
)
@pytest.mark.parametrize("expression", LOST)
def test_lost_rows_are_reported_in_every_role(role: str, expression: str) -> None:
    if "poly" in expression and role != "covariate":
        pytest.skip("more than one column")
    if role == "weights" and expression in ("scale(log(x))", "log(x)", "log10(x)", "np.log(x)"):
        pytest.skip("negative")
    if role == "weights" and expression in ("log1p(x)", "asin(z / 10 + 0.7)"):
        pytest.skip("negative")
    fit, messages = told(lambda: with_role(role, expression))
    assert len(messages) == 1
    wanted = f"offset({expression})" if role == "offset in the formula" else expression
    assert f"'{wanted}' is not a number in row " in messages[0]
    assert f"{LOST[expression]} of 60 rows" in messages[0]
    assert "without these rows" in messages[0]
    assert fit.nobs == 60 - LOST[expression]
    assert f"{LOST[expression]})" in fit.messages[0]


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ ifelse(x > 0, x, NA) + (1 | g)",
        "y ~ cut(x, c(0, 1, 3)) + (1 | g)",
        "y ~ factor(h, levels = 'u') + z + (1 | g)",
        "y ~ x + (1 | g)",
    ],
)
def test_missing_on_purpose_is_not(formula: str) -> None:
    data = DATA.assign(x=DATA["x"].where(DATA.index != 5))
    try:
        _, messages = told(lambda: mm.lmer(formula, data))
    except mm.MixedModelsError:
        return  # a factor of one level
    assert messages == []


def test_rows_that_were_incomplete_before_are_not_counted() -> None:
    data = DATA.assign(x=DATA["x"].where(DATA.index != 0))
    fit, messages = told(lambda: mm.lmer("y ~ log(x) + (1 | g)", data))
    assert "1 of 59 rows" in messages[0]
    assert "In the first of them x is -0.5" in messages[0]
    assert fit.nobs == 58


def test_na_action() -> None:
    kept, messages = told(lambda: mm.lmer("y ~ log(x) + (1 | g)", DATA, na_action="exclude"))
    assert len(messages) == 1
    assert len(kept.fitted) == 60
    with pytest.raises(mm.DataError, match=r"log\(x\) 2"):
        mm.lmer("y ~ log(x) + (1 | g)", DATA, na_action="raise")


def test_new_rows() -> None:
    fit = mm.lmer("y ~ sqrt(z + 4) + (1 | g)", DATA)
    new = pd.DataFrame({"z": [1.0, -9.0, np.nan], "g": ["a", "b", "c"]})
    found, messages = told(lambda: fit.predict(new))
    assert np.isnan(found).tolist() == [False, True, True]
    assert len(messages) == 1
    assert "1 of 3 rows" in messages[0]
    assert "NaN in these rows" in messages[0]
    assert told(lambda: fit.predict(DATA))[1] == []


# The formula, and its powers that say nothing.
POWERS = {
    "y ~ x^2 + (1 | g)": ["x^2"],
    "y ~ x ** 2 + (1 | g)": ["x ** 2"],
    "y ~ z + (x)^3 + (1 | g)": ["(x)^3"],
    "y ~ z + exp(x)^2 + (1 | g)": ["exp(x)^2"],
    "y ~ (x:z)^2 + (1 | g)": ["(x:z)^2"],
    "y ~ z + (x^2 | g)": ["x^2"],
    "y ~ x * z^2 + (1 | g)": ["z^2"],
    "y ~ x^2 + x^2:z + (1 | g)": ["x^2"],
    "y ~ h^2 + (1 | g)": ["h^2"],
    "y ~ x^2 + z**3 + (1 | g)": ["x^2", "z**3"],
    "y ~ (x + z)^2 + (1 | g)": [],
    "y ~ (x + z + h)**3 + (1 | g)": [],
    "y ~ I(x^2) + poly(z, 2) + (1 | g)": [],
    "y ~ {x^2} + (1 | g)": [],
    "I(y^2) ~ x + (1 | g)": [],
    "y^2 ~ x + (1 | g)": [],
    "y ~ x^1 + (1 | g)": [],
}


@pytest.mark.parametrize("formula", POWERS)
def test_powers_of_one_term(formula: str) -> None:
    fit, messages = told(lambda: mm.lmer(formula, DATA))
    assert sorted(one.split("'")[1] for one in messages) == sorted(POWERS[formula])
    for power, message in zip(sorted(POWERS[formula]), sorted(messages), strict=True):
        assert f"write I({power})" in message
    assert fit.converged


def test_the_advice_on_powers_works() -> None:
    squared, messages = told(lambda: mm.lmer("y ~ x + I(x^2) + (1 | g)", DATA))
    assert messages == []
    np.testing.assert_allclose(squared.model.X[:, 2], DATA["x"] ** 2)


def grouped(*levels: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    columns: dict[str, Any] = {"x": rng.normal(size=120)}
    y = columns["x"] + rng.normal(size=120)
    for number, count in enumerate(levels):
        codes = (np.arange(120) // (1 if number else 10)) % count
        y = y + 3.0 * rng.normal(size=count)[codes]
        columns[f"g{number}"] = [f"l{code}" for code in codes]
    return pd.DataFrame({"y": y, **columns})


@pytest.mark.parametrize(("levels", "few"), [((2,), 1), ((4,), 1), ((5,), 0), ((12, 3), 1)])
def test_few_groups_are_mentioned_once(levels: tuple[int, ...], few: int) -> None:
    data = grouped(*levels)
    terms = " + ".join(f"(1 | g{number})" for number in range(len(levels)))
    fit = mm.lmer(f"y ~ x + {terms}", data)
    said = [message for message in fit.messages if message.startswith("Few groups")]
    assert len(said) == few
    for message in said:
        assert f"({min(levels)} levels)" in message
        assert 'ddf="kenward-roger"' in message
        assert str(fit).count("Few groups") == str(fit.summary()).count("Few groups") == 1


def test_few_groups_of_a_generalized_model_are_answered_by_what_it_has() -> None:
    fit = mm.glmer("I(y > 0) ~ x + (1 | g0)", grouped(4))
    (message,) = (one for one in fit.messages if one.startswith("Few groups"))
    assert "kenward-roger" not in message
    assert "anova(small, large, nsim=1000), and look at confint()" in message
    null = fit.update(". ~ . - x")
    assert "p_bootstrap" in mm.anova(null, fit, nsim=3, seed=1).table


def test_two_factors_with_few_levels_share_a_sentence() -> None:
    fit = mm.lmer("y ~ x + (1 | g0) + (1 | g1)", grouped(3, 4))
    (message,) = (one for one in fit.messages if one.startswith("Few groups"))
    assert "'g1' (4 levels)" in message
    assert "'g0' (3 levels)" in message


def test_rows_are_chosen_by_label_where_some_are_left_out() -> None:
    data = mm.load_dataset("sleepstudy_na")
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", data, na_action="exclude")
    kept = data[fit.std_residuals().abs() < 2.5]
    used = fit.model.design.rows
    within = np.abs(fit.std_residuals().to_numpy()[used]) < 2.5
    assert len(kept) == int(within.sum())
    by_label = data.loc[fit.fitted.dropna().index]
    assert len(by_label) == fit.nobs
