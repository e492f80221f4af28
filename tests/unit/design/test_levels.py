"""Identity of levels: digits, types and what they print as, in training and on new data."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedmodels import load_dataset
from mixedmodels.design import build_design
from mixedmodels.design.codes import categorize, match_levels
from mixedmodels.design.columns import level_label, level_labels
from mixedmodels.design.frame import as_table
from mixedmodels.design.levels import kind_of_times, level_positions
from mixedmodels.design.rebuild import new_rows, rebuild_group
from mixedmodels.errors import DataError
from mixedmodels.formula import parse_formula


def levels_of(values: Any) -> list[str]:
    return level_labels(categorize(as_table({"v": values}).column("v")).levels)


def matched(values: Any, training: Any) -> list[int]:
    """Codes of new values among the levels of others."""
    levels = categorize(as_table({"v": training}).column("v")).levels
    return match_levels(categorize(as_table({"v": values}).column("v")), levels).tolist()


LONG = [1_700_000_000_000_000_000 + 7 * k for k in range(3)]
WIDE = [10**30 + k for k in range(3)]


@pytest.mark.parametrize("numbers", [LONG, [2**63 + k for k in range(3)], WIDE, [-(10**25), 0, 1]])
@pytest.mark.parametrize("gap", [None, np.nan, pd.NA], ids=["None", "NaN", "NA"])
def test_whole_numbers_keep_their_digits(numbers: list[int], gap: Any) -> None:
    labels = [str(number) for number in numbers]
    assert levels_of(numbers) == labels
    for values in (
        [*numbers, gap],
        np.array([*numbers, gap], dtype=object),
        pd.Series([*numbers, gap], dtype=object),
        [*map(decimal.Decimal, numbers), gap],
        [*numbers[:2], decimal.Decimal(numbers[2]), gap],
    ):
        assert levels_of(values) == labels
        assert matched(values, numbers) == [0, 1, 2, -1]
        assert matched(numbers, values) == [0, 1, 2]


INTEGER_TYPES: dict[str, Callable[[list[Any]], Any]] = {
    "int64": np.array,
    "Int64": lambda v: pd.array(v, dtype="Int64"),
    "arrow": lambda v: pa.chunked_array([pa.array(v, pa.int64())]),
    "pandas arrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.int64())),
    "polars": lambda v: pl.Series(v, dtype=pl.Int64),
    "polars 128": lambda v: pl.Series(v, dtype=pl.Int128),
    "uint64": lambda v: np.array(v, dtype=np.uint64),
    "objects": lambda v: np.array(v, dtype=object),
    "decimals": lambda v: [decimal.Decimal(x) for x in v],
    "texts": lambda v: [str(x) for x in v],
    "categories": pd.Categorical,
}


@pytest.mark.parametrize("new", INTEGER_TYPES)
@pytest.mark.parametrize("old", INTEGER_TYPES)
def test_identifiers_match_between_types(old: str, new: str) -> None:
    training, values = INTEGER_TYPES[old](LONG), INTEGER_TYPES[new]([LONG[2], LONG[0], LONG[0] + 1])
    assert matched(values, training) == [2, 0, -1]


def test_integers_beside_floats_match_by_value() -> None:
    exact = [2**60, 2**60 + 256, 5]
    assert matched(np.array(exact, dtype=float), exact) == [1, 2, 0]
    assert matched([2**60 + 1, 5], np.array(exact, dtype=float)) == [-1, 0]
    assert levels_of(np.array([2.0**53, 2.0**53 + 2])) == [str(2**53), str(2**53 + 2)]
    assert levels_of([1e300, -1e300]) == ["-1e+300", "1e+300"]


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble, ">f8", object, "Float64"])
def test_floats_that_print_alike_are_one_level(dtype: Any) -> None:
    values = [0.1 * 3, 0.3, 0.1 * 7, 0.7, -0.0, 0.0, 1.5]
    column = pd.array(values, dtype=dtype) if dtype == "Float64" else np.array(values, dtype=dtype)
    assert levels_of(column) == ["0", "0.3", "0.7", "1.5"]
    assert matched([0.3, 0.7], column) == [1, 2]
    assert matched(column, [0.3, 0.0, 1.5, 0.7]) == [1, 1, 2, 2, 0, 0, 3]


def test_categories_that_print_alike_are_one_level() -> None:
    column = as_table({"v": pd.Categorical([0.1 * 3, 0.3, 2.5], [0.3, 0.1 * 3, 2.5])}).column("v")
    assert level_labels(categorize(column).levels) == ["0.3", "2.5"]
    assert categorize(column).codes.tolist() == [0, 0, 1]
    with pytest.raises(DataError, match="several categories that print as '1'"):
        as_table({"v": pd.Categorical([1, "1"], [1, "1"])}).column("v")


@pytest.mark.parametrize("narrow", [np.float32, np.float16])
def test_single_precision_matches_double(narrow: Any) -> None:
    double = np.array([0.1, 0.2, 0.7, 4.0])
    assert levels_of(double.astype(narrow)) == ["0.1", "0.2", "0.7", "4"]
    assert matched(double.astype(narrow), double) == [0, 1, 2, 3]
    assert matched(double, double.astype(narrow)) == [0, 1, 2, 3]
    assert matched([4, 5], double.astype(narrow)) == [3, -1]


def test_single_precision_of_many_digits_matches_double() -> None:
    double = np.array([0.123456789, 3.14159265358979, 12345.678])
    assert matched(double.astype(np.float32), double) == [0, 1, 2]
    assert matched(double, double.astype(np.float32)) == [0, 1, 2]
    near = pd.Index([0.1234567891, 0.1234567892])
    assert level_positions(pd.Index(near.astype(np.float32)[:1]), near).tolist() == [-1]


@pytest.mark.parametrize(
    ("level", "label"),
    [
        (decimal.Decimal("1.50"), "1.5"),
        (decimal.Decimal("2E+3"), "2000"),
        (decimal.Decimal("12345678901234567890.50"), "12345678901234567890.5"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (pd.Timestamp("2024-01-02"), "2024-01-02"),
        (np.datetime64("2024-01-02"), "2024-01-02"),
        (pd.Timestamp("2024-01-02 03:00").to_pydatetime(), "2024-01-02 03:00:00"),
        (dt.timedelta(days=1), "1 days 00:00:00"),
        (np.float32(0.1), "0.1"),
        (-0.0, "0"),
        (1e15, "1000000000000000"),
        (float("inf"), "inf"),
    ],
)
def test_labels(level: Any, label: str) -> None:
    assert level_label(level) == label


@pytest.mark.parametrize(
    ("levels", "kind"),
    [
        (pd.to_datetime(["2024-01-01"]), "dates or times"),
        (pd.to_timedelta([1], unit="D"), "durations"),
        (pd.PeriodIndex(["2024"], freq="Y"), "dates or times"),
        (pd.Index([dt.date(2024, 1, 1)], dtype=object), "dates or times"),
        (pd.Index([dt.time(3)], dtype=object), "dates or times"),
        (pd.Index([dt.timedelta(1)], dtype=object), "durations"),
        (pd.Index(["a"]), None),
        (pd.interval_range(0, 2), None),
    ],
)
def test_kinds_of_times(levels: pd.Index, kind: str | None) -> None:
    assert kind_of_times(levels) == kind


def test_combinations_of_many_levels_are_found() -> None:
    """The number of possible combinations is beyond 64 bits."""
    rng = np.random.default_rng(0)
    n, parts = 400, 8
    data = {f"p{i}": rng.permutation(n) // 2 for i in range(parts)}
    data["y"] = rng.normal(size=n)
    formula = "y ~ 1 + (1 | " + ":".join(f"p{i}" for i in range(parts)) + ")"
    group = build_design(parse_formula(formula), data, residual=False).groups[0]
    assert group.n_levels == n
    again = new_rows({name: values[::-1] for name, values in data.items()})
    np.testing.assert_array_equal(rebuild_group(group, again)[0], group.codes[::-1])
    other = new_rows({**data, "p7": data["p7"][::-1]})
    same = data["p7"] == data["p7"][::-1]
    np.testing.assert_array_equal(rebuild_group(group, other)[0] >= 0, same)


def test_columns_found_by_what_their_names_print_as() -> None:
    sleep = load_dataset("sleepstudy")
    numbered = sleep.rename(columns={"Days": 2020, "Reaction": 1.5})
    made = build_design(parse_formula("`1.5` ~ `2020` + (`2020` | Subject)"), numbered)
    assert made.x_names == ("(Intercept)", "2020")
    np.testing.assert_array_equal(made.X[:, 1], sleep["Days"])
    several = sleep.copy()
    several.columns = pd.MultiIndex.from_tuples(
        [("Reaction", "mean"), ("Days", ""), ("Subject", "")]
    )
    made = build_design(parse_formula("Reaction_mean ~ Days + (1 | Subject)"), several)
    np.testing.assert_array_equal(made.y, sleep["Reaction"])
    mapping = {1.5: sleep["Reaction"], 2020: sleep["Days"], ("Sub", "ject"): sleep["Subject"]}
    made = build_design(parse_formula("`1.5` ~ `2020` + (1 | Sub_ject)"), mapping)
    assert made.groups[0].n_levels == 18
    both = sleep.assign(**{"2020": 1.0}).rename(columns={"Days": 2020})
    with pytest.raises(DataError, match="2 columns called '2020'"):
        build_design(parse_formula("Reaction ~ `2020` + (1 | Subject)"), both)


def test_threads_may_look_up_the_same_levels_first() -> None:
    levels = pd.Index(np.random.default_rng(1).permutation(100_000))
    wanted = pd.Index(np.arange(0, 100_000, 700))
    together = Barrier(4)

    def look_up(_: int) -> bool:
        together.wait()
        return bool((levels[level_positions(wanted, levels)] == wanted).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(look_up, range(4)))
