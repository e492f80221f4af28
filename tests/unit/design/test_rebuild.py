"""The design on new data: what was learnt in training is replayed."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixedmodels as mm
from mixedmodels.design import Design, GroupingFactor, build_design
from mixedmodels.design.rebuild import (
    new_rows,
    rebuild_fixed,
    rebuild_group,
    rebuild_offset,
    rebuild_term,
    unknown_levels,
)
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.formula import parse_formula

FORMULAS = (
    "y ~ x*f + b + s + (x|g)",
    "y ~ poly(x, 3) + (poly(z, 2)|g)",
    "y ~ bs(x, df=4) + (1|g)",
    "y ~ scale(x) + center(z) + (scale(z)|g)",
    "y ~ cr(x, df=3) + (1|g)",
    "y ~ factor(k)*x + (1|factor(k))",
    "y ~ C(f, contr.sum) + log(x) + I(z^2) + (f||g)",
    "y ~ 0 + f:s + (0+f|g)",
    "y ~ I(x > 1) + (1|g/s)",
    "y ~ 0 + (1|g)",
    "y ~ total.fruits + `my var` + (`my var`|g:h)",
)


def codes_of(group: GroupingFactor, rows: Any) -> Any:
    return rebuild_group(group, rows)[0]


def assert_same(made: Design, data: Any, rows: Any) -> None:
    again = new_rows(data)
    np.testing.assert_array_equal(rebuild_fixed(made, again), made.X[rows])
    for term in made.terms:
        np.testing.assert_array_equal(rebuild_term(term, again), term.z[rows])
    for group in made.groups:
        np.testing.assert_array_equal(codes_of(group, again), group.codes[rows])


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("rows", [slice(None), [0], [7, 3, 3, 40], slice(20, 26)])
def test_training_rows_again(
    formula: str, rows: Any, table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    made = design(formula, contrasts={"f": "helmert"}, residual=False)
    assert_same(made, table.iloc[rows], rows)


@pytest.mark.parametrize("formula", FORMULAS)
def test_training_rows_from_another_kind_of_table(
    formula: str, table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    made = design(formula, residual=False)
    few = table.iloc[[5, 1]]
    assert_same(made, pl.from_pandas(few), [5, 1])
    assert_same(made, few.to_dict("list"), [5, 1])
    plain = few.astype({"f": object, "g": object})
    assert_same(made, plain, [5, 1])


def test_response_and_groups_are_not_needed(design: Callable[..., Design]) -> None:
    made = design("log(y) ~ x + f + (z|g)")
    X = rebuild_fixed(made, new_rows({"x": [2.0], "f": ["r"]}))
    assert X.tolist() == [[1.0, 2.0, 0.0, 1.0]]


def test_missing_column_is_named(design: Callable[..., Design]) -> None:
    made = design("y ~ log(x) + (1|g)")
    rows = new_rows({"X": [2.0]})
    with pytest.raises(FormulaError, match=r"'x' is not a column of the data\. Did you mean 'X'"):
        rebuild_fixed(made, rows)
    with pytest.raises(FormulaError, match="'g' is not a column"):
        codes_of(made.groups[0], rows)


def test_new_levels_of_groups(design: Callable[..., Design]) -> None:
    made = design("y ~ x + (1|g) + (1|h:s)")
    by_name = {group.name: group for group in made.groups}
    rows = new_rows(
        {"g": ["B", "new", None, "A", "new"], "h": [1, 99, 1, 2, 1], "s": ["odd"] * 4 + ["?"]}
    )
    codes = codes_of(by_name["g"], rows)
    assert codes.tolist() == [1, -1, -1, 0, -1]
    assert unknown_levels(by_name["g"], rows, codes) == ["new", "NA"]
    both = by_name["h:s"]
    codes = codes_of(both, rows)
    known = list(both.levels)
    assert codes.tolist() == [known.index("1:odd"), -1, known.index("1:odd"), codes[3], -1]
    assert known[codes[3]] == "2:odd"
    assert unknown_levels(both, rows, codes) == ["99:odd", "1:?"]


def test_unobserved_combination_is_new() -> None:
    from_codes = pd.DataFrame({"a": list("aabb" * 3), "c": list("cdcc" * 3)})
    from_codes["y"] = np.arange(12.0) ** 2
    made = make(from_codes, "y ~ 1 + (1|a:c)")
    codes = codes_of(made.groups[0], new_rows({"a": ["b", "b"], "c": ["d", "c"]}))
    assert codes.tolist() == [-1, 2]


def make(data: pd.DataFrame, formula: str) -> Design:
    return build_design(parse_formula(formula), data)


def test_all_known_means_no_labels(design: Callable[..., Design], table: pd.DataFrame) -> None:
    made = design("y ~ x + (1|g)")
    rows = new_rows(table)
    assert unknown_levels(made.groups[0], rows, codes_of(made.groups[0], rows)) == []


def test_number_levels_match_whatever_their_type(design: Callable[..., Design]) -> None:
    made = design("y ~ x + (1|h)")
    for values in ([2, 0], [2.0, 0.0], np.array([2, 0], dtype=np.int8), ["2", "0"]):
        assert codes_of(made.groups[0], new_rows({"h": values})).tolist() == [2, 0]


def test_more_than_a_hundred_levels() -> None:
    data = pd.DataFrame({"y": np.arange(600) % 7, "g": np.arange(600) % 300})
    made = make(data, "y ~ 1 + (1|g)")
    rng = np.random.default_rng(3)
    wanted = rng.integers(0, 300, 1000)
    np.testing.assert_array_equal(codes_of(made.groups[0], new_rows({"g": wanted})), wanted)


def test_missing_values_give_nan_rows(design: Callable[..., Design]) -> None:
    made = design("y ~ x*f + (z|g)")
    rows = new_rows({"x": [1.0, None, 2.0], "f": ["q", "p", None], "z": [1.0, np.nan, 0.5]})
    assert np.isnan(rebuild_fixed(made, rows)).all(axis=1).tolist() == [False, True, True]
    assert np.isnan(rebuild_term(made.terms[0], rows)).all(axis=1).tolist() == [
        False,
        True,
        False,
    ]


def test_new_level_of_a_fixed_factor(design: Callable[..., Design]) -> None:
    made = design("y ~ f + (1|g)")
    with pytest.raises(
        DataError, match=r"'f' has levels.*: zz \(row 1, counted from 0\).*Known levels: q, p, r"
    ):
        rebuild_fixed(made, new_rows({"f": ["p", "zz"]}))


def test_unused_level_is_new_too(design: Callable[..., Design]) -> None:
    made = design("y ~ f + (1|g)")
    with pytest.raises(DataError, match="unused"):
        rebuild_fixed(made, new_rows({"f": ["unused"]}))


def test_numbers_must_stay_numbers(design: Callable[..., Design]) -> None:
    made = design("y ~ x + (1|g)")
    with pytest.raises(DataError, match="'x' was numeric when the model was fitted"):
        rebuild_fixed(made, new_rows({"x": ["a"]}))


def test_spline_beyond_its_range(design: Callable[..., Design]) -> None:
    made = design("y ~ bs(x, df=4) + (1|g)")
    with pytest.raises(DataError, match="extend beyond"):
        rebuild_fixed(made, new_rows({"x": [99.0]}))
    extended = design("y ~ bs(x, df=4, extrapolation='extend') + (1|g)")
    assert np.isfinite(rebuild_fixed(extended, new_rows({"x": [99.0]}))).all()


def test_offset_again(design: Callable[..., Design], table: pd.DataFrame) -> None:
    made = design("y ~ x + offset(center(z)) + (1|g)", offset="2 * scale(x)")
    few = new_rows(table.iloc[[4, 9]])
    assert made.offset is not None
    np.testing.assert_allclose(rebuild_offset(made, few), made.offset[[4, 9]], rtol=1e-14)
    assert rebuild_offset(design("y ~ x + (1|g)"), few) is None


def test_offset_given_as_an_array_is_unknown(
    design: Callable[..., Design], table: pd.DataFrame
) -> None:
    made = design("y ~ x + (1|g)", offset=table["z"])
    with pytest.raises(DataError, match="given as an array"):
        rebuild_offset(made, new_rows(table))


def test_a_design_survives_pickling(design: Callable[..., Design], table: pd.DataFrame) -> None:
    made = design("log(y) ~ poly(x, 2)*f + offset(z) + (b|g) + (1|g:h)", weights="x")
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.X, made.X)
    assert_same(again, table, slice(None))


def test_replaying_does_not_change_the_state(
    design: Callable[..., Design], table: pd.DataFrame
) -> None:
    made = design("y ~ poly(x, 2) + scale(z) + bs(x, df=4) + (1|g)")
    rebuild_fixed(made, new_rows(table.iloc[:3]))
    assert_same(made, table, slice(None))


@pytest.mark.parametrize(
    ("formula", "absent"),
    [
        ("y ~ I(x - 1) + log(z + 2) + (1 | g)", ["x", "z", "g"]),
        ("y ~ poly(x, 2) * center(z) + (1 | g)", ["x", "z", "g"]),
        ("y ~ I(x * pi) + (I(z / 2) | factor(g))", ["x", "g", "z"]),
        ("y ~ ifelse(x > z, 1, 0) + (1 | g)", ["x", "z", "g"]),
        ("y ~ sqrt(`w (mm)`) + x + (1 | g)", ["w (mm)", "x", "g"]),
    ],
)
@pytest.mark.parametrize("given", [[], ["x"], ["z"]])
def test_columns_inside_expressions_are_among_those_that_new_data_lack(
    formula: str, absent: list[str], given: list[str]
) -> None:
    rng = np.random.default_rng(5)
    table = pd.DataFrame({name: rng.uniform(1.0, 2.0, 60) for name in ["y", "x", "z", "w (mm)"]})
    table["g"] = (np.arange(60) % 6).astype(str)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        fit = mm.lmer(formula, table)
    left = [f"'{name}'" for name in absent if name not in given]
    words = f"{', '.join(left[:-1])} and {left[-1]}"
    with pytest.raises(DataError, match=re.escape(f"the columns {words}.")):
        fit.predict(table[["y", *given]])


@pytest.mark.parametrize(
    ("formula", "offset"),
    [
        ("y ~ x + (1 | g)", "log(`w (mm)`)"),
        ("y ~ x + (1 | g)", "w (mm)"),
        ("y ~ x + offset(log(`w (mm)`)) + (1 | g)", None),
    ],
)
def test_a_column_of_the_offset_is_named_among_those_that_lack(
    formula: str, offset: str | None
) -> None:
    rng = np.random.default_rng(5)
    table = pd.DataFrame({name: rng.uniform(1.0, 2.0, 60) for name in ["y", "x", "w (mm)"]})
    table["g"] = (np.arange(60) % 6).astype(str)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        fit = mm.lmer(formula, table, offset=offset)
    with pytest.raises(mm.FormulaError, match=r"'w \(mm\)' is not a column of the new data.*1 in"):
        fit.predict(table[["x", "g"]])
    with pytest.raises(DataError, match=r"the columns 'x' and 'w \(mm\)'\. The offset needs 'w"):
        fit.predict(table[["g"]])
    with pytest.raises(DataError, match=r"'g' and 'w \(mm\)'\..*random='none'\. The offset needs"):
        fit.predict(table[["x"]])
    assert fit.model_matrix(table[["x", "g"]]).shape == (60, 2)
