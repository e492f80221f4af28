"""What expressions compute: R's values of operators and literals, for every type of column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.design.codes import TRUTH_LEVELS
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.evaluate import bind, evaluate
from mixedmodels.design.frame import as_table
from mixedmodels.design.rows import Rows
from mixedmodels.errors import FormulaError

NA = math.nan
T, F = True, False
DATA: dict[str, Any] = {
    "x": np.array([-2.0, 0.5, 3.0, 7.0]),
    "k": np.array([1, 2, 3, 4], dtype=np.int8),
    "a": np.array([True, True, False, False]),
    "b": np.array([True, False, True, False]),
    "m": np.array([1.0, np.nan, 3.0, np.nan]),
    "f": pd.Categorical(["u", "v", "u", "w"]),
    "h": pd.Categorical(["v", "v", "u", "w"], categories=["w", "v", "u"]),
    "o": pd.Categorical(["lo", "hi", "mid", "hi"], categories=["lo", "mid", "hi"], ordered=True),
    "n": pd.Categorical([10, 20, 10, 30]),
    "T": np.array([4.0, 3.0, 2.0, 1.0]),
}


def value_of(text: str, data: dict[str, Any] | None = None) -> Any:
    """The value of an expression; truth values of which some are missing as 1, 0 and NaN."""
    rows = Rows(as_table(DATA if data is None else data))
    value = evaluate(bind(text, rows.table), rows, {})
    if isinstance(value, CategoricalColumn) and value.levels is TRUTH_LEVELS:
        return np.where(value.codes < 0, NA, value.codes)
    return value


NUMBERS = [
    ("-x^2", [-4.0, -0.25, -9.0, -49.0]),
    ("(-x)^2", [4.0, 0.25, 9.0, 49.0]),
    ("2^k^2 - 2^(k^2)", [0.0] * 4),
    ("2^-k", [0.5, 0.25, 0.125, 0.0625]),
    ("k^-1 * 12", [12.0, 6.0, 4.0, 3.0]),
    ("x %% 3", [1.0, 0.5, 0.0, 1.0]),
    ("x %% -3", [-2.0, -2.5, 0.0, -2.0]),
    ("-x %% 3", [2.0, 2.5, 0.0, 2.0]),
    ("-(x %% 3)", [-1.0, -0.5, 0.0, -1.0]),
    ("x %/% 2", [-1.0, 0.0, 1.0, 3.0]),
    ("x // 2", [-1.0, 0.0, 1.0, 3.0]),
    ("2 * k %% 3", [2.0, 4.0, 0.0, 2.0]),
    ("2 * k % 3", [2.0, 1.0, 0.0, 2.0]),
    ("k %% 2 * 10", [10.0, 0.0, 10.0, 0.0]),
    ("1 + k %/% 2", [1.0, 2.0, 2.0, 3.0]),
    ("k - 2L", [-1.0, 0.0, 1.0, 2.0]),
    ("k * 1e3L", [1000.0, 2000.0, 3000.0, 4000.0]),
    ("k + 0x10", [17.0, 18.0, 19.0, 20.0]),
    ("k / 2", [0.5, 1.0, 1.5, 2.0]),
    ("k + TRUE", [2.0, 3.0, 4.0, 5.0]),
    ("k * FALSE", [0.0] * 4),
    ("T + F", [4.0, 3.0, 2.0, 1.0]),
    ("k * pi / pi", [1.0, 2.0, 3.0, 4.0]),
    ("1 / (k - 1)", [math.inf, 1.0, 0.5, 1 / 3]),
    ("k - Inf", [-math.inf] * 4),
    ("k * NA", [NA] * 4),
    ("(-8 + 0 * x)^(1/3)", [NA] * 4),
    ("m + 1", [2.0, NA, 4.0, NA]),
    ("m^0", [1.0] * 4),
    ("a + b", [2.0, 1.0, 1.0, 0.0]),
    ("a - b", [0.0, 1.0, -1.0, 0.0]),
    ("a * b", [1.0, 0.0, 0.0, 0.0]),
    ("a / b", [1.0, math.inf, 0.0, NA]),
    ("a^b", [1.0, 1.0, 0.0, 1.0]),
    ("-a", [-1.0, -1.0, 0.0, 0.0]),
    ("+a", [1.0, 1.0, 0.0, 0.0]),
    ("a %% 2", [1.0, 1.0, 0.0, 0.0]),
    ("exp(a) - exp(1) * a - (1 - a)", [0.0] * 4),
    ("sqrt(a)", [1.0, 1.0, 0.0, 0.0]),
    ("(x > 0) + (x > 1)", [0.0, 1.0, 2.0, 2.0]),
    ("!a + b", [0.0, 0.0, 0.0, 1.0]),
    ("(!a) + b", [1.0, 0.0, 2.0, 1.0]),
    ("k * k * k * k * k", [1.0, 32.0, 243.0, 1024.0]),
    ("100 * k", [100.0, 200.0, 300.0, 400.0]),
    ("(f == 'u') + (f != 'w')", [2.0, 1.0, 2.0, 0.0]),
    ("{x + k}", [-1.0, 2.5, 6.0, 11.0]),
]

TRUTHS: list[tuple[str, list[Any]]] = [
    ("x > 0 & a", [F, T, F, F]),
    ("a & x > 0", [F, T, F, F]),
    ("x > 0 | a", [T, T, T, T]),
    ("!a & b", [F, F, T, F]),
    ("!(a & b)", [F, T, T, T]),
    ("!a | !b", [F, T, T, T]),
    ("a | b & !b", [T, T, F, F]),
    ("!x > 0", [T, F, F, F]),
    ("!!a", [T, T, F, F]),
    ("a == b", [T, F, F, T]),
    ("a != !b", [T, F, F, T]),
    ("(a == b) == TRUE", [T, F, F, T]),
    ("x + 1 > k * 2", [F, F, F, F]),
    ("k %% 2 == 0", [F, T, F, T]),
    ("x %in% c(3, 7)", [F, F, T, T]),
    ("x %in% [3, 7]", [F, F, T, T]),
    ("!k %in% 1:3", [F, F, F, T]),
    ("k %in% 3:2 | a", [T, T, T, F]),
    ("k + 1 %in% 2", [1.0, 2.0, 3.0, 4.0]),
    ("(k + 1) %in% 2", [T, F, F, F]),
    ("f %in% ['u', 'w']", [T, F, T, T]),
    ("n %in% [10, 30]", [T, F, T, T]),
    ("m %in% [1, 3]", [T, F, T, F]),
    ("a & NA", [NA, NA, F, F]),
    ("a | NA", [T, T, NA, NA]),
    ("!(a & NA)", [NA, NA, T, T]),
    ("m > 2", [F, NA, T, NA]),
    ("m > 2 & a", [F, NA, F, F]),
    ("m > 2 | b", [T, NA, T, NA]),
    ("m > 2 | a", [T, T, T, NA]),
    ("!(m > 2)", [T, NA, F, NA]),
    ("m == m", [T, NA, T, NA]),
    ("m != 1", [F, NA, T, NA]),
    ("x == NA", [NA, NA, NA, NA]),
    ("(m > 2) + 1", [1.0, NA, 2.0, NA]),
    ("(m > 2) == TRUE", [F, NA, T, NA]),
    ("k & 2", [T, T, T, T]),
    ("k - 1 | FALSE", [F, T, T, T]),
    ("f == 'u'", [T, F, T, F]),
    ("'u' == f", [T, F, T, F]),
    ("f != 'nowhere'", [T, T, T, T]),
    ("f == NA", [NA, NA, NA, NA]),
    ("o < NA", [NA, NA, NA, NA]),
    ("f == h", [F, T, T, T]),
    ("n == 10", [T, F, T, F]),
    ("o > 'lo'", [F, T, T, T]),
    ("'mid' >= o", [T, F, T, F]),
    ("o == 'hi' & x < 1", [F, T, F, F]),
    ("`a` & `x` > 0", [F, T, F, F]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values"), [*NUMBERS, *TRUTHS])
def test_values_of_r(text: str, values: list[Any]) -> None:
    found = value_of(text)
    assert np.ndim(found) == 1
    assert found.dtype in (np.dtype(float), np.dtype(bool))
    if all(isinstance(value, bool) for value in values):
        assert found.dtype == np.dtype(bool)
    np.testing.assert_allclose(found, np.array(values, dtype=np.float64), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 1", 2),
        ("7 %/% 2", 3),
        ("-7 %% 3", 2),
        ("2^10", 1024),
        ("1 / 4", 0.25),
        ("9**9**9", math.inf),
        ("2^0.5", math.sqrt(2)),
        ("(-8)^(1/3)", math.nan),
        ("-2^2", -4),
        ("1 < 2", True),
        ("!TRUE", False),
        ("3 %in% 1:5", True),
        ("'a' == 'a'", True),
    ],
)
def test_constants(text: str, value: Any) -> None:
    found = value_of(text)
    assert type(found) is type(value)
    assert found == value or (math.isnan(found) and math.isnan(value))


@pytest.mark.parametrize(
    "dtype",
    [
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "float32", "float64", "longdouble", "boolean", "Int8", "UInt8", "Float32"),
        *("int8[pyarrow]", "uint8[pyarrow]", "bool[pyarrow]", "float[pyarrow]"),
    ],
)
def test_every_type_of_numbers_is_computed_in_double_precision(dtype: str) -> None:
    """Nothing wraps round, and neither half nor single precision is used."""
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    small = "bool" in dtype
    values = np.array([0, 1, 1, 0] if small else [0, 1, 100, 127])
    table = pd.DataFrame({"v": values.astype(np.float64)}).astype(dtype)
    twice = pd.concat([table, table.rename(columns={"v": "w"})], axis=1)
    exact = values.astype(np.float64)
    for text, wanted in (
        ("v + w", exact + exact),
        ("v - 2 * w", -exact),
        ("0 - v", -exact),
        ("-v", -exact),
        ("v * w * 1000", exact * exact * 1000),
        ("v^3", exact**3),
        ("v^-1", np.divide(1.0, exact, where=exact > 0, out=np.full(4, np.inf))),
        ("v / 3", exact / 3),
        ("v %/% 2 + v %% 2", exact // 2 + exact % 2),
        ("exp(v / 100)", np.exp(exact / 100)),
        ("sqrt(v)", np.sqrt(exact)),
        ("log(v + 0.1)", np.log(exact + 0.1)),
        ("(v > 0) * 2", (exact > 0) * 2.0),
    ):
        rows = Rows(as_table(twice))
        found = evaluate(bind(text, rows.table), rows, {})
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, wanted, rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f + 1", "column 'f' is categorical, not numeric"),
        ("-f", "column 'f' is categorical"),
        ("f & a", "column 'f' is categorical"),
        ("x * f", "column 'f' is categorical"),
        ("(f + 1) * 2", "column 'f' is categorical"),
        ("x + 'a'", "''a'' is not numeric"),
        ("x == 'a'", "one side is text"),
        ("f < 'v'", "without an order"),
        ("o < 'x'", "has no level 'x'"),
        ("f == x", "compared with numbers"),
        ("x + [1, 2]", "is not numeric"),
        ("x + NULL", "is not numeric"),
        ("x %in% k", "list of constants"),
        ("x %in% ['a']", "looked for among texts"),
        ("a:b", "interaction"),
        ("x : 3", "does not stand between two numbers"),
        ("1:NA", "does not stand between two numbers"),
        ("1:1e9", "1,000,000,000 numbers; the limit is 10,000"),
    ],
)
def test_refused_operands(text: str, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        value_of(text)
    assert message in caught.value.message


def test_a_matrix_and_a_column_go_together_by_rows() -> None:
    data = {"x": np.arange(5.0) ** 1.5, "z": np.arange(5.0) + 1}
    basis = np.asarray(value_of("poly(x, 2)", data))
    np.testing.assert_array_equal(value_of("poly(x, 2) * z", data), basis * data["z"][:, None])
    np.testing.assert_array_equal(value_of("2 - poly(x, 2)", data), 2 - basis)
