"""Every kind of table gives the same design, and none is changed."""

from __future__ import annotations

import decimal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedmodels.design import Design
from mixedmodels.design.codes import categorize
from mixedmodels.design.columns import CategoricalColumn, NumericColumn, level_label
from mixedmodels.design.frame import as_table
from mixedmodels.errors import DataError

FORMULA = "y ~ x * f + k + b + s + (x | g) + (1 | h) + (1 | s:h)"


def enums(table: pd.DataFrame) -> pl.DataFrame:
    """Polars; categories as Enum, because its Categorical has no order of its own."""
    frame = pl.from_pandas(table)
    kinds = {
        name: pl.Enum(list(table[name].cat.categories))
        for name in table
        if isinstance(table[name].dtype, pd.CategoricalDtype)
    }
    return frame.cast(kinds)  # type: ignore[arg-type]


CONVERSIONS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "polars": enums,
    "pyarrow": pa.Table.from_pandas,
    "dict of lists": lambda table: {
        name: table[name].array if hasattr(table[name], "cat") else table[name].tolist()
        for name in table
    },
    "dict of arrays": lambda table: {
        name: table[name].array if hasattr(table[name], "cat") else table[name].to_numpy()
        for name in table
    },
    "dict of series": lambda table: {name: table[name] for name in table},
    "dict of polars series": lambda table: {column.name: column for column in enums(table)},
    "nullable": lambda table: table.convert_dtypes(),
    "pyarrow dtypes": lambda table: table.convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda table: table.astype(dict.fromkeys(["x", "k", "b", "s"], object)),
    "narrow": lambda table: table.astype({"k": "UInt8", "h": np.int16, "x": np.float64}),
}


@pytest.mark.parametrize("kind", CONVERSIONS)
@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "missing"])
def test_same_design(
    kind: str, gaps: bool, table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    used = table.drop(columns=["row", "constant", "one"])
    if gaps:
        used = used.astype({"k": "Int64", "b": "boolean"})
        for row, name in enumerate(["y", "x", "f", "k", "b", "s", "g"]):
            used.loc[2 * row, name] = None
    data = CONVERSIONS[kind](used)
    made, expected = design(FORMULA, data), design(FORMULA, used)
    assert made.n == expected.n == (41 if gaps else 48)
    assert made.x_names == expected.x_names
    assert made.messages == expected.messages
    np.testing.assert_array_equal(made.X, expected.X)
    np.testing.assert_array_equal(made.y, expected.y)
    for group, other in zip(made.groups, expected.groups, strict=True):
        np.testing.assert_array_equal(group.codes, other.codes)
        assert group.codes.dtype == np.int32
        assert [level_label(level) for level in group.levels] == [
            level_label(level) for level in other.levels
        ]


def test_input_is_not_changed_and_not_shared(
    table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    table["g"] = pd.Categorical.from_codes(table["g"].cat.codes.astype(np.int32), list("ABCDEFGH"))
    before = table.copy(deep=True)
    made = design("y ~ x + (0 + z|g)", table, weights="x", offset="z")
    pd.testing.assert_frame_equal(table, before)
    mine = (made.y, made.X, made.w, made.offset, made.terms[0].z, made.groups[0].codes)
    arrays = [table[name].to_numpy() for name in ("y", "x", "z")]
    arrays.append(table["g"].array.codes)
    for array in mine:
        assert array is not None
        assert not any(np.shares_memory(array, other) for other in arrays)


def test_polars_categorical_is_in_its_own_order(design: Callable[..., Design]) -> None:
    data = {"y": [1.0, 2, 4, 3, 5, 7], "g": [1, 1, 2, 2, 3, 3]}
    frame = pl.DataFrame({**data, "f": ["q", "p", "r"] * 2}).cast({"f": pl.Categorical})
    _, *levels = frame["f"].unique().sort().cast(pl.String)  # lexical or not, by its version
    names = tuple(f"f{level}" for level in levels)
    assert design("y ~ f + (1|g)", frame).x_names == ("(Intercept)", *names)


@pytest.mark.parametrize(
    ("values", "levels", "codes"),
    [
        (pd.Series(["b", "a", None, "b"]), ["a", "b"], [1, 0, -1, 1]),
        (pd.Series(["b", "a", "b"], dtype=object), ["a", "b"], [1, 0, 1]),
        (pd.Series([10, 2, 10]), [2, 10], [1, 0, 1]),
        (pd.Series([1.5, -2.0, 1.5]), [-2.0, 1.5], [1, 0, 1]),
        (pd.Series([3.0, np.nan, 1.0]), [1.0, 3.0], [1, -1, 0]),
        (pd.Series([2**63 + 5, 7], dtype=np.uint64), [7, 2**63 + 5], [1, 0]),
        (pd.Series([1e300, -1e300]), [-1e300, 1e300], [1, 0]),
        (pd.Series([True, False, True]), [False, True], [1, 0, 1]),
        (pd.Series([True, None, False], dtype="boolean"), [False, True], [1, -1, 0]),
        (pd.Series([5, None, 3], dtype="Int64"), [3, 5], [1, -1, 0]),
        (pd.Series(pd.Categorical(["z", "a"], categories=["z", "m", "a"])), "zma", [0, 2]),
        (
            pd.Series(pd.to_datetime(["2020-02-01", "2020-01-01"])),
            pd.to_datetime(["2020-01-01", "2020-02-01"]),
            [1, 0],
        ),
    ],
)
def test_levels_of_groups(values: pd.Series, levels: Any, codes: list[int]) -> None:
    column = categorize(as_table(pd.DataFrame({"v": values})).column("v"))
    assert list(column.levels) == list(levels)
    assert list(column.codes) == codes


def test_decimals_are_numbers() -> None:
    column = as_table({"v": [decimal.Decimal("1.5"), decimal.Decimal(2)]}).column("v")
    assert isinstance(column, NumericColumn)
    assert list(column.values) == [1.5, 2.0]


@pytest.mark.parametrize("kind", [pl.DataFrame, pa.table])
def test_decimals_of_other_tables(kind: Callable[[dict[str, Any]], Any]) -> None:
    column = as_table(kind({"v": [decimal.Decimal("1.5"), None]})).column("v")
    assert isinstance(column, NumericColumn)
    missing = column.missing()
    assert missing is not None
    assert list(missing) == [False, True]


def test_bool_objects_with_gaps() -> None:
    column = as_table({"v": [True, None, False]}).column("v")
    assert isinstance(column, NumericColumn)
    missing = column.missing()
    assert missing is not None
    assert list(missing) == [False, True, False]


def test_ordered_flag_is_kept(table: pd.DataFrame) -> None:
    column = as_table(table).column("u")
    assert isinstance(column, CategoricalColumn)
    assert column.ordered


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "list, which is not a table in memory; pass a data frame"),
        (pl.LazyFrame({"y": [1.0]}), "call .collect"),
        ({"y": [1.0, 2.0], "x": [1.0]}, "different lengths: 'y' 2, 'x' 1"),
        ({"y": "abc"}, "a column is a sequence"),
        ({"y": 3}, "a column is a sequence"),
        ({"y": [], "x": [], "g": []}, "no rows"),
        ({"y": np.ones((2, 2)), "x": [1, 2], "g": [1, 2]}, "has 2 dimensions"),
        ({"y": [1.0, 2.0], "x": [1, "a"], "g": [1, 2]}, "'x' mixes kinds of values"),
        ({"y": [1.0, 2.0], "x": [1j, 2j], "g": [1, 2]}, "complex numbers"),
    ],
)
def test_refused_tables(data: Any, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(ValueError, match=message):
        design("y ~ x + (1|g)", data)


def test_repeated_column_names(table: pd.DataFrame, design: Callable[..., Design]) -> None:
    doubled = pd.concat([table, table[["x"]]], axis=1)
    with pytest.raises(DataError, match="2 columns called 'x'"):
        design("y ~ x + (1|g)", doubled)
    assert design("y ~ z + (1|g)", doubled).n == 48


@pytest.mark.parametrize(
    ("level", "label"),
    [
        (True, "TRUE"),
        (np.bool_(False), "FALSE"),
        (0.2, "0.2"),
        (1.0, "1"),
        (np.float64(0.1) + 0.2, "0.3"),
        (7, "7"),
        ("a", "a"),
    ],
)
def test_labels(level: object, label: str) -> None:
    assert level_label(level) == label


@pytest.mark.parametrize("unordered", [set, frozenset, dict.fromkeys])
def test_a_column_is_a_sequence(unordered: Callable[..., Any]) -> None:
    table = {"y": [1.0, 2.0, 4.0], "x": unordered([3.0, 1.0, 2.0])}
    with pytest.raises(DataError, match="a column is a sequence of values"):
        as_table(table)


def test_two_of_many_categories_that_print_alike_are_found_soon() -> None:
    categories = pd.Index([*map(str, range(100_000)), 99_999], dtype=object)
    values = pd.Categorical.from_codes(np.arange(4), categories)
    began = time.perf_counter()
    with pytest.raises(DataError, match="several categories that print as '99999'"):
        as_table({"f": values}).column("f")
    assert time.perf_counter() - began < 5.0


@pytest.mark.parametrize("gap", [True, False], ids=["gaps", "complete"])
@pytest.mark.parametrize("values", [list("bca"), [2.5, 0.5, 1.5], [7, 5, 6], [2**60 + 1, 2**60]])
@pytest.mark.parametrize("index", ["int8", "int32", "uint16"])
def test_dictionaries_of_arrow_in_pandas(values: list[Any], index: str, gap: bool) -> None:
    """A dictionary column in a pandas frame means what it means in a table of Arrow."""
    pa = pytest.importorskip("pyarrow")
    codes = [None if gap and i % 4 == 0 else i % len(values) for i in range(12)]
    array = pa.DictionaryArray.from_arrays(pa.array(codes, getattr(pa, index)()), pa.array(values))
    series = pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([array])))
    found = as_table(pd.DataFrame({"v": series})).column("v")
    assert isinstance(found, CategoricalColumn)
    assert [None if code < 0 else found.levels[code] for code in found.codes] == [
        None if code is None else values[code] for code in codes
    ]
