"""Which rows are used: missing values, weights, offset."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import load_dataset
from mixedmodels.design import Design
from mixedmodels.errors import DataError, FormulaError, FormulaWarning, MixedModelsError

FORMULA = "y ~ x + (z|g)"


def with_gaps(table: pd.DataFrame) -> pd.DataFrame:
    table = table.copy()
    table.loc[[3, 4], "y"] = np.nan
    table.loc[4, "x"] = np.nan
    table.loc[7, "g"] = None
    table.loc[9, "my var"] = np.nan
    return table


def test_nothing_missing_keeps_all(design: Callable[..., Design], table: pd.DataFrame) -> None:
    made = design(FORMULA)
    assert (made.n, made.n_dropped, made.rows, made.messages) == (48, 0, None, ())
    assert made.index is table.index


def test_incomplete_rows_are_dropped(design: Callable[..., Design], table: pd.DataFrame) -> None:
    table = with_gaps(table).set_index(pd.Index([f"r{i}" for i in range(48)]))
    made = design(FORMULA, table)
    kept = [i for i in range(48) if i not in (3, 4, 7)]
    assert (made.n, made.n_dropped) == (45, 3)
    assert made.rows is not None
    assert list(made.rows) == kept
    assert made.index is not None
    assert list(made.index) == [f"r{i}" for i in kept]
    assert made.messages == ("3 rows with missing values dropped (y 2, x 1, g 1).",)
    np.testing.assert_array_equal(made.y, table["y"].iloc[kept])


def test_a_variable_not_used_may_be_missing(
    design: Callable[..., Design], table: pd.DataFrame
) -> None:
    table["unused"] = np.nan
    assert design(FORMULA, table).n == 48


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ log(x) + (1|g)", {}),
        ("y ~ z + (x|g)", {}),
        ("y ~ z + (1|factor(x > 1))", {}),
        ("y ~ z + offset(x) + (1|g)", {}),
        ("x ~ z + (1|g)", {}),
        ("y ~ z + (1|g)", {"offset": "x"}),
        ("y ~ z + (1|g)", {"offset": "2 * x^2"}),
    ],
)
def test_missing_wherever_it_is_used(
    formula: str, options: dict[str, Any], design: Callable[..., Design], table: pd.DataFrame
) -> None:
    table.loc[5, "x"] = np.nan
    made = design(formula, table, **options)
    assert made.n == 47
    assert made.messages == ("1 row with missing values dropped (x 1).",)


def test_a_whole_level_disappears(design: Callable[..., Design], table: pd.DataFrame) -> None:
    table.loc[table["g"] == "C", "y"] = np.nan
    made = design(FORMULA, table)
    assert list(made.groups[0].levels) == list("ABDEFGH")
    assert made.groups[0].codes.max() == 6
    assert made.messages[1] == "1 unused level of 'g' dropped."


def test_unused_levels_of_fixed_factors(design: Callable[..., Design]) -> None:
    made = design("y ~ f + (1|f)", residual=False)
    assert made.messages == ("1 unused level of 'f' dropped.",)


def test_sleepstudy_with_gaps(design: Callable[..., Design]) -> None:
    made = design("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy_na"))
    assert (made.n, made.n_dropped) == (176, 4)


def test_raise_names_columns_and_counts(design: Callable[..., Design], table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"\(y 2, x 1, g 1\): row 3, row 4, row 7") as caught:
        design(FORMULA, with_gaps(table), na_action="raise")
    assert "omit" in str(caught.value)


def test_unknown_na_action(design: Callable[..., Design]) -> None:
    with pytest.raises(MixedModelsError, match="na_action is 'drop'"):
        design(FORMULA, na_action="drop")


def test_no_row_left(design: Callable[..., Design], table: pd.DataFrame) -> None:
    table["x"] = np.nan
    with pytest.raises(DataError, match=r"No row is left.*x 48"):
        design(FORMULA, table)


@pytest.mark.parametrize("name", ["y", "x", "z", "g_number"])
def test_infinity_is_not_missing(
    name: str, design: Callable[..., Design], table: pd.DataFrame
) -> None:
    table["g_number"] = table["x"]
    table.loc[5, name] = -np.inf
    with pytest.raises(DataError, match=rf"'{name}' is not finite in row 5 \(-inf\)"):
        design("y ~ x + g_number + (z|g)", table)


def test_transforms_learn_from_the_rows_used(
    design: Callable[..., Design], table: pd.DataFrame
) -> None:
    table.loc[:9, "y"] = np.nan
    centred = design("y ~ center(x) + (1|g)", table).X[:, 1]
    np.testing.assert_allclose(centred.mean(), 0.0, atol=1e-14)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("x", lambda t: t["x"]),
        ("1/(1 + x)", lambda t: 1 / (1 + t["x"])),
        ("2 * x^2", lambda t: 2 * t["x"] ** 2),
        ("`total.fruits`", lambda t: t["total.fruits"]),
        ("total.fruits", lambda t: t["total.fruits"]),
        ("k + 1", lambda t: t["k"] + 1.0),
        ("2", lambda _: np.full(48, 2.0)),
        (np.arange(1, 49), lambda _: np.arange(1.0, 49.0)),
        (list(range(1, 49)), lambda _: np.arange(1.0, 49.0)),
        (pd.Series(range(1, 49)), lambda _: np.arange(1.0, 49.0)),
    ],
)
def test_weights_and_offset(
    weights: Any,
    expected: Callable[[pd.DataFrame], Any],
    design: Callable[..., Design],
    table: pd.DataFrame,
) -> None:
    made = design(FORMULA, weights=weights, offset=weights)
    np.testing.assert_array_equal(made.w, expected(table))
    np.testing.assert_array_equal(made.offset, expected(table))


def test_column_with_a_space(design: Callable[..., Design], table: pd.DataFrame) -> None:
    np.testing.assert_array_equal(design(FORMULA, offset="my var").offset, table["my var"])


def test_arrays_are_aligned_before_rows_are_dropped(
    design: Callable[..., Design], table: pd.DataFrame
) -> None:
    values = np.arange(1.0, 49.0)
    made = design(FORMULA, with_gaps(table), weights=values, offset=-values)
    assert made.rows is not None
    np.testing.assert_array_equal(made.w, values[made.rows])
    np.testing.assert_array_equal(made.offset, -values[made.rows])


def test_weight_zero_is_absence(design: Callable[..., Design], table: pd.DataFrame) -> None:
    weights = np.ones(48)
    weights[6:12] = 0.0
    made = design(FORMULA, with_gaps(table), weights=weights)
    without = design(FORMULA, with_gaps(table).drop(index=range(6, 12)))
    assert made.n == without.n == 40
    assert made.n_dropped == 3
    assert "5 rows with weight zero dropped." in made.messages
    np.testing.assert_array_equal(made.y, without.y)
    np.testing.assert_array_equal(made.X, without.X)
    assert list(made.groups[0].levels) == list(without.groups[0].levels)
    assert made.w is not None
    assert (made.w == 1.0).all()


def test_a_weight_missing_in_a_dropped_row_does_not_matter(
    design: Callable[..., Design], table: pd.DataFrame
) -> None:
    table["w"] = 1.0
    table.loc[3, ["w", "y"]] = np.nan
    assert design(FORMULA, table, weights="w").n == 47


@pytest.mark.parametrize("text", ["log(w)", "log( w )", "lw", "array"])
def test_one_exposure_in_two_ways_is_told(
    text: str, design: Callable[..., Design], table: pd.DataFrame
) -> None:
    data = table.assign(w=np.linspace(1.0, 3.0, len(table)))
    data["lw"] = np.log(data["w"])
    given = data["lw"].to_numpy() if text == "array" else text
    formula = "y ~ x + offset(log(w)) + (1 | g)"
    with pytest.warns(FormulaWarning, match=r"argument offset= and 'offset\(log\(w\)\)'"):
        design(formula, data, offset=given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        design(formula, data, offset="x")
        design(formula, data, offset=np.zeros(len(data)))


def test_offsets_add_up(design: Callable[..., Design], table: pd.DataFrame) -> None:
    made = design("y ~ x + offset(log(x)) + offset(z) + (1|g)", offset="k")
    expected = table["k"] + np.log(table["x"]) + table["z"]
    np.testing.assert_allclose(made.offset, expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("z", r"weights must be finite and not negative: row \d+ \(-"),
        (np.r_[np.inf, np.ones(47)], r"row 0 \(inf\)"),
        (np.zeros(48), "All weights are zero"),
        (np.ones(5), r"shape \(5,\).*48 rows"),
        (np.ones((48, 2)), r"shape \(48, 2\)"),
        (3, "weights is 3, one value; .* each of the 48 rows .*, or be the name of a column"),
        (["a"] * 48, r"'a', 'a', 'a', \.\.\.; it must have one number for each of the 48 rows"),
        (pd.Series(np.ones(48), index=range(1, 49)), "index differs"),
        ("f", "'f' must be numbers"),
        ("s", "'s' must be numbers"),
    ],
)
def test_refused_weights(weights: Any, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(DataError, match=message):
        design(FORMULA, weights=weights)


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (np.r_[np.inf, np.ones(47)], r"'offset' is not finite in row 0 \(inf\)"),
        ("1 / (x - x)", r"'offset' is not finite in row 0 \(inf\)"),
        (np.ones(3), "offset has shape"),
        (2.5, "offset is 2.5, one value; .*, or be the name of a column"),
    ],
)
def test_refused_offset(offset: Any, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(DataError, match=message):
        design(FORMULA, offset=offset)


def test_missing_offset_values_drop_rows(design: Callable[..., Design]) -> None:
    made = design(FORMULA, offset=np.r_[np.nan, np.ones(47)])
    assert made.n == 47
    assert made.messages == ("1 row with missing values dropped (offset 1).",)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("weights", "w8", "weights: 'w8' is not a column"),
        ("weights", "1/(1 +", "weights: This bracket is never closed"),
        ("weights", "lg(x)", "weights: 'lg' is not a function"),
        ("offset", "f + 1", "offset: column 'f' is categorical"),
    ],
)
def test_refused_expressions(
    option: str, text: str, message: str, design: Callable[..., Design]
) -> None:
    with pytest.raises(FormulaError, match=message) as caught:
        design(FORMULA, **{option: text})
    assert caught.value.text == text
