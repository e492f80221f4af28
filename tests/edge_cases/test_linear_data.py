"""Must be exact: the rows about missing values and kinds of tables, linear models."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from edge_cases.shared import (
    INTERCEPTS,
    SLOPES,
    assert_same_fit,
    fit_once,
    quiet,
    sleepstudy,
)

from mixedmodels import DataError, LinearMixedModel, lmer, load_dataset

# -- missing values -------------------------------------------------------------------------


def test_missing_value_in_each_of_four_cells() -> None:
    fit = lmer(SLOPES, load_dataset("sleepstudy_na"), reml=False)
    assert fit.nobs == 176
    assert fit.model.design.n_dropped == 4
    assert fit.deviance == pytest.approx(1712.8095857100493, abs=1e-6)
    assert fit.messages == ("4 rows with missing values dropped (Reaction 2, Days 1, Subject 1).",)
    assert fit.fitted.shape == fit.residuals.shape == (176,)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
@pytest.mark.parametrize("column", ["Reaction", "Days", "Subject"])
def test_missing_value_of_any_kind(column: str, missing: Any) -> None:
    data = sleepstudy()
    data[column] = data[column].astype(object)
    data.loc[[4, 77], column] = missing
    fit = lmer(SLOPES, data)
    expected = lmer(SLOPES, sleepstudy().drop([4, 77]))
    assert fit.nobs == 178
    assert_same_fit(fit, expected, rtol=1e-12)


def test_missing_value_in_a_variable_not_used() -> None:
    fit = lmer(SLOPES, sleepstudy(other=np.nan, words=None))
    assert fit.nobs == 180
    assert fit.messages == ()


@pytest.mark.parametrize("used_by", ["weights", "offset", "fixed", "slope", "transform"])
def test_missing_value_in_every_role(used_by: str) -> None:
    values = np.linspace(1.0, 2.0, 180)
    values[3] = np.nan
    data = sleepstudy(v=values)
    formula = {
        "fixed": "Reaction ~ v + (1 | Subject)",
        "slope": "Reaction ~ Days + (1 | Subject) + (0 + v | Subject)",
        "transform": "Reaction ~ log(v) + (1 | Subject)",
    }.get(used_by, SLOPES)
    options = {used_by: "v"} if used_by in ("weights", "offset") else {}
    fit = quiet(formula, data, **options)
    assert fit.nobs == 179
    assert fit.messages[0] == "1 row with missing values dropped (v 1)."


def test_missing_value_refused() -> None:
    with pytest.raises(DataError, match=r"\(Reaction 2, Days 1, Subject 1\): row 2, row 46.*omit"):
        lmer(SLOPES, load_dataset("sleepstudy_na"), na_action="raise")


@pytest.mark.parametrize("column", ["Reaction", "Days"])
def test_whole_level_disappears(column: str) -> None:
    data = sleepstudy()
    data.loc[data["Subject"] == "310", column] = np.nan
    fit = lmer(SLOPES, data)
    assert fit.nobs == 170
    assert fit.model.Zt.shape == (34, 170)
    table = fit.ranef()["Subject"]
    assert list(table.index) == [
        level for level in fit_once().ranef()["Subject"].index if level != "310"
    ]
    assert any("10 rows with missing values" in message for message in fit.messages)
    assert_same_fit(fit, lmer(SLOPES, data.dropna()), rtol=1e-12)


def test_whole_level_of_a_fixed_factor_disappears() -> None:
    data = load_dataset("machines")
    data.loc[data["Machine"] == "A", "score"] = np.nan
    fit = lmer("score ~ Machine + (1 | Worker)", data)
    assert list(fit.fixef.index) == ["(Intercept)", "MachineC"]


# -- tables ---------------------------------------------------------------------------------

TABLES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "polars": pl.from_pandas,
    "polars text": lambda data: pl.from_pandas(data.astype({"Subject": str})),
    "pyarrow": pa.Table.from_pandas,
    "pyarrow chunks": lambda data: pa.concat_tables(
        [pa.Table.from_pandas(data[:70]), pa.Table.from_pandas(data[70:])]
    ),
    "dict of series": lambda data: {name: data[name] for name in data},
    "dict of lists": lambda data: {name: data[name].tolist() for name in data},
    "dict of arrays": lambda data: {name: data[name].to_numpy() for name in data},
    "dict of polars": lambda data: {name: pl.from_pandas(data[name]) for name in data},
    "pandas of arrow": lambda data: data.convert_dtypes(dtype_backend="pyarrow"),
    "pandas nullable": lambda data: data.convert_dtypes(),
    "pandas objects": lambda data: data.astype(object),
    "pandas index": lambda data: data.set_index(np.arange(180)[::-1] // 2),
    "pandas strided": lambda data: pd.concat([data, data]).sort_index().iloc[::2],
    "small integers": lambda data: data.astype({"Days": "int8"}),
    "integer groups": lambda data: data.astype({"Subject": int}),
    "whole float groups": lambda data: data.astype({"Subject": float}),
    "date groups": lambda data: data.assign(
        Subject=pd.Timestamp("2020-02-27") + pd.to_timedelta(data["Subject"].astype(int), unit="D")
    ),
    "large integer groups": lambda data: data.assign(
        Subject=data["Subject"].astype(np.int64) + 10**18
    ),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_tables_of_every_kind(make: Callable[[pd.DataFrame], Any]) -> None:
    fit = lmer(SLOPES, make(sleepstudy()))
    assert_same_fit(fit, fit_once(), rtol=1e-13)
    assert len(fit.ranef()["Subject"]) == 18


def polars_enum(data: pd.DataFrame) -> pl.DataFrame:
    """Polars keeps an order of levels in an Enum only; a Categorical is sorted as text."""
    levels = pl.Enum(data["half"].cat.categories.tolist())
    return pl.from_pandas(data).with_columns(pl.col("half").cast(pl.String).cast(levels))


@pytest.mark.parametrize("make", [polars_enum, TABLES["pyarrow"]], ids=["polars", "pyarrow"])
def test_tables_with_missing_values_and_categories(make: Callable[[pd.DataFrame], Any]) -> None:
    data = load_dataset("sleepstudy_na")
    data["half"] = pd.cut(data["Days"], [-1, 4, 9], labels=["z first", "a second"])
    formula = "Reaction ~ half + (1 | Subject)"
    fit, once = (
        lmer(formula, make(data), weights="1 + Days"),
        lmer(formula, data, weights="1 + Days"),
    )
    assert fit.nobs == once.nobs == 176
    assert list(fit.fixef.index) == list(once.fixef.index) == ["(Intercept)", "halfa second"]
    assert_same_fit(fit, once, rtol=1e-13)


def test_a_model_is_not_made_of_a_lazy_table() -> None:
    lazy = pl.from_pandas(sleepstudy()).lazy()
    with pytest.raises(DataError, match=r"LazyFrame.*not a table in memory; call \.collect\(\)"):
        LinearMixedModel("Reaction ~ Days + (1 | Subject)", lazy)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (sleepstudy().to_numpy(), "ndarray.*pass a data frame or a dict"),
        (None, "NoneType.*pass a data frame or a dict"),
        ({"Reaction": [1.0, 2.0], "Days": [1.0], "Subject": [1, 2]}, "different lengths.*'Days' 1"),
        ({"Reaction": "abc"}, "'Reaction' is 'abc'; a column is a sequence"),
        (pd.concat([sleepstudy(), sleepstudy()[["Days"]]], axis=1), "2 columns called 'Days'"),
        (sleepstudy(Subject=[1, "a"] * 90), "'Subject' mixes kinds of values.*1, 'a'"),
        (sleepstudy(Reaction="slow"), "'Reaction' is not numeric"),
        (sleepstudy(Reaction=1j), "'Reaction'.*complex"),
    ],
    ids=[
        "matrix", "none", "lengths", "text", "repeated", "mixed", "text response", "complex"
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        lmer(SLOPES, data)


@pytest.mark.parametrize(
    "make", [lambda data: data, TABLES["dict of arrays"]], ids=["frame", "dict"]
)
def test_input_is_never_modified(make: Callable[[pd.DataFrame], Any]) -> None:
    table = make(sleepstudy(w=1.0, o=0.5))
    before = copy.deepcopy(table)
    fit = lmer(SLOPES, table, weights="w", offset="o", contrasts={})
    fit.summary()
    fit.refit(fit.model.y + 1.0)
    for name in before:
        pd.testing.assert_series_equal(pd.Series(table[name]), pd.Series(before[name]))
    for array in (fit.model.X, fit.model.y):
        assert not any(
            np.shares_memory(array, np.asarray(table[name])) for name in ("Reaction", "w", "o")
        )


def test_input_may_change_after_the_model_is_made() -> None:
    data = sleepstudy().astype({"Subject": int})
    table: dict[str, Any] = {name: data[name].to_numpy().copy() for name in data}
    table["Days"] = table["Days"].astype(float)
    weights, offset = np.ones(180), np.zeros(180)
    model = LinearMixedModel(SLOPES, table, weights=weights, offset=offset)
    for values in (*table.values(), weights, offset):
        values[:] = np.arange(180) + 3
    assert_same_fit(model.fit(), fit_once(), rtol=1e-13)


def test_input_may_be_read_only() -> None:
    table = {name: column.to_numpy().copy() for name, column in sleepstudy().items()}
    for values in table.values():
        values.flags.writeable = False
    weights = np.ones(180)
    weights.flags.writeable = False
    assert_same_fit(lmer(SLOPES, table, weights=weights), fit_once(), rtol=1e-13)


def test_weights_as_a_series_of_other_rows_are_refused() -> None:
    weights = pd.Series(np.ones(180), index=np.arange(180)[::-1])
    with pytest.raises(DataError, match=r"weights is a Series whose index differs.*reindex"):
        lmer(INTERCEPTS, sleepstudy(), weights=weights)
