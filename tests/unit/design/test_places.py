"""Rows are named by label, by position from 0, or as they stand in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mixedmodels as mm
from mixedmodels.design.frame import FileTable, as_table
from mixedmodels.design.places import Named, by_label, first_rows, used_rows
from mixedmodels.errors import DataError, MixedModelsError

N = 30


def frame(index: Any = None) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"y": rng.normal(size=N), "x": rng.normal(size=N), "g": list("abcde") * 6})
    table["y"] += 3.0 * np.tile(np.arange(5), 6)
    table.index = pd.RangeIndex(N) if index is None else pd.Index(index)
    return table


TABLES: dict[str, tuple[Callable[[pd.DataFrame], Any], Any, str]] = {
    "pandas, no labels": (lambda data: data, None, "row 4, row 9, counted from 0"),
    "dict": (lambda data: {name: data[name].to_numpy() for name in data}, None,
             "row 4, row 9, counted from 0"),
    "polars": (pl.from_pandas, None, "row 4, row 9, counted from 0"),
    "pyarrow": (lambda data: pa.Table.from_pandas(data, preserve_index=False), None,
                "row 4, row 9, counted from 0"),
    "pandas, numbers": (lambda data: data, np.arange(N) + 100, "row 104, row 109, by label"),
    "pandas, from 1": (lambda data: data, np.arange(N) + 1, "row 5, row 10, by label"),
    "pandas, text": (lambda data: data, [f"r{i}" for i in range(N)], "row r4, row r9"),
    "a file": (lambda data: FileTable(data, lambda at: Named([f"line {i + 2}" for i in at], "")),
               None, "line 6, line 11"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("role", ["missing", "infinite", "weights"])
def test_each_kind_of_table_and_fault(kind: str, role: str) -> None:
    make, index, words = TABLES[kind]
    data = frame(index)
    data["w"] = 1.0
    column, value = {"missing": ("x", np.nan), "infinite": ("x", np.inf), "weights": ("w", -1.0)}[
        role
    ]
    data.iloc[[4, 9], data.columns.get_loc(column)] = value
    with pytest.raises(DataError) as caught:
        mm.lmer("y ~ x + (1 | g)", make(data), weights="w", na_action="raise")
    plain = str(caught.value).replace(" (inf)", "").replace(" (-1.0)", "").replace(" (nan)", "")
    assert words in plain


@pytest.mark.parametrize(
    ("index", "dropped", "words"),
    [
        (None, [], "row 5, row 7, counted from 0"),
        (None, [0, 6], "row 7, row 9, counted from 0"),
        (np.arange(N) + 50, [0, 6], "row 57, row 59, by label"),
        ([f"r{i}" for i in range(N)], [0], "row r6, row r8"),
    ],
)
def test_rows_of_a_model_are_named_by_those_of_the_data(
    index: Any, dropped: list[int], words: str
) -> None:
    data = frame(index)
    data.iloc[dropped, 1] = np.nan
    fit = mm.lmer("y ~ x + (1 | g)", data)
    y = np.array(fit.model.y)
    y[[5, 7]] = np.nan
    with pytest.raises(DataError, match=words):
        fit.refit(y)


def test_compared_fits_name_the_first_row_that_differs() -> None:
    data = frame(np.arange(N) + 10)
    other = data.copy()
    other.iloc[3, 0] += 1
    fits = [mm.lmer("y ~ x + (1 | g)", table) for table in (data, other)]
    with pytest.raises(MixedModelsError, match=r"1 of 30 rows, the first of them row 13, by label"):
        mm.anova(*fits)


def test_many_rows_are_counted() -> None:
    positions = np.arange(8)
    words = first_rows(positions, as_table(frame()).row_names, list("abcde"))
    assert words == (
        "row 0 (a), row 1 (b), row 2 (c), row 3 (d), row 4 (e) and 3 more, counted from 0"
    )
    assert used_rows(positions[:1], np.array([4]), None) == "row 4, counted from 0"
    assert by_label(positions[:1], pd.Index([1.5])) == Named(["row 1.5"], "")
