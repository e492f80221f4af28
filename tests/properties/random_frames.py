"""Random columns: what they mean, and the same values in the types of every library.

`random_column` draws logical values (numbers, text, times, ...) with or without gaps, and an
encoding of them. `clean` is what a model should make of them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

Values = list[Any]


# Encodings that hold fewer digits: as numbers they are what is stored, as levels what that prints.
NARROW = {
    "float16": np.float16,
    "float32": np.float32,
    "Float32": np.float32,
    "polars Float32": np.float32,
    "arrow float": np.float32,
}


@dataclass(frozen=True)
class RandomColumn:
    """One column.

    Attributes:
        kind: What its values are.
        encoding: How they are stored.
        values: (n,) Python objects, None where missing.
        stored: The column of a dict, or of a table.
    """

    kind: str
    encoding: str
    values: Values
    stored: Any

    @property
    def absent(self) -> np.ndarray:
        """(n,) where missing."""
        return np.array([value is None for value in self.values])

    @property
    def numbers(self) -> np.ndarray | None:
        """(n,) the values as float64, NaN where missing; None where they are not numbers."""
        if self.kind in ("text", "category", "date", "datetime", "duration", "time", "period"):
            return None
        numbers = np.array([np.nan if value is None else float(value) for value in self.values])
        narrow = NARROW.get(self.encoding)
        return numbers if narrow is None else numbers.astype(narrow).astype(np.float64)

    @property
    def levels(self) -> list[str | None]:
        """(n,) the same level for values that print alike, None where missing."""
        keys = [None if value is None else self._key(value) for value in self.values]
        known = sorted({key for key in keys if key is not None}, key=self._order)
        name = {key: f"L{rank:03d}" for rank, key in enumerate(known)}
        return [None if key is None else name[key] for key in keys]

    def _key(self, value: Any) -> Any:
        if isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, (float, decimal.Decimal, fractions.Fraction)):
            exact = int(value)
            return exact if exact == value else f"{float(value):.15g}"
        return str(value)

    @staticmethod
    def _order(key: Any) -> Any:
        return (0, key) if isinstance(key, (bool, int)) else (1, str(key))


def _few(rng: np.random.Generator, n: int, choices: Values) -> Values:
    """Values of which each occurs, in random order."""
    at = np.r_[np.arange(len(choices)), rng.integers(0, len(choices), n - len(choices))]
    return [choices[i] for i in rng.permutation(at)]


DAY = dt.date(2024, 2, 27)
NOON = pd.Timestamp("2024-02-27 12:30").to_pydatetime()

DRAWS: dict[str, Callable[[np.random.Generator, int], Values]] = {
    "small": lambda rng, n: _few(rng, n, [0, 1, 2, 5, 7]),
    "negative": lambda rng, n: _few(rng, n, [-3, -2, 4, 100]),
    "long": lambda rng, n: _few(rng, n, [1_700_000_000_000_000_000 + 7 * k for k in range(5)]),
    "unsigned": lambda rng, n: _few(rng, n, [2**63 + 3 * k for k in range(4)]),
    "wide": lambda rng, n: _few(rng, n, [10**30 + k for k in range(4)]),
    "real": lambda rng, n: _few(rng, n, [0.5, -1.25, 3.0, 2.5, 0.1]),
    "alike": lambda rng, n: _few(rng, n, [0.1 * 3, 0.3, 0.7, 0.1 * 7, -0.0, 0.0, 1.5]),
    "tenths": lambda rng, n: _few(rng, n, [0.1, 0.2, 0.7, 1.3]),
    "truth": lambda rng, n: _few(rng, n, [True, False]),
    "decimal": lambda rng, n: _few(rng, n, [decimal.Decimal(t) for t in ("1.50", "2", "-0.1")]),
    "long decimal": lambda rng, n: _few(
        rng, n, [decimal.Decimal(t) for t in ("12345678901234567890", "12345678901234567891", "3")]
    ),
    "text": lambda rng, n: _few(rng, n, ["b", "a", "ä", "NA", ""]),
    "category": lambda rng, n: _few(rng, n, ["z", "m", "a"]),
    "date": lambda rng, n: _few(rng, n, [DAY + dt.timedelta(days=k) for k in range(4)]),
    "datetime": lambda rng, n: _few(rng, n, [NOON + dt.timedelta(hours=9 * k) for k in range(4)]),
    "duration": lambda rng, n: _few(rng, n, [dt.timedelta(hours=9 * k) for k in range(4)]),
    "time": lambda rng, n: _few(rng, n, [dt.time(k, 30) for k in range(4)]),
}


def _array(dtype: Any) -> Callable[[Values], Any]:
    return lambda values: np.array(values, dtype=dtype)


def _float_gaps(dtype: Any) -> Callable[[Values], Any]:
    return lambda values: np.array([np.nan if v is None else v for v in values], dtype=dtype)


def _objects(values: Values) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _masked(dtype: Any) -> Callable[[Values], Any]:
    def make(values: Values) -> Any:
        hidden = [value is None for value in values]
        fill = next(value for value in values if value is not None)
        return np.ma.MaskedArray(
            np.array([fill if v is None else v for v in values], dtype), hidden
        )

    return make


def _series(dtype: Any) -> Callable[[Values], Any]:
    return lambda values: pd.Series(pd.array(values, dtype=dtype))


def _polars(dtype: Any) -> Callable[[Values], Any]:
    return lambda values: pl.Series("v", values, dtype=dtype, strict=False)


def _arrow(dtype: Any) -> Callable[[Values], Any]:
    return lambda values: pa.chunked_array([pa.array(values, type=dtype)])


def _periods(values: Values) -> pd.Series:
    return pd.Series(pd.PeriodIndex(values, freq="D"))


def _arrow_periods(values: Values) -> Any:
    return pa.chunked_array([pa.Array.from_pandas(_periods(values))])


def _arrow_pandas(dtype: Any) -> Callable[[Values], Any]:
    return lambda values: pd.Series(values, dtype=pd.ArrowDtype(dtype))


ANY: dict[str, Callable[[Values], Any]] = {
    "list": list,
    "tuple": tuple,
    "objects": _objects,
    "object series": lambda values: pd.Series(_objects(values)),
    "categories": lambda values: pd.Series(pd.Categorical(_objects(values))),
}
INTEGERS = {
    "Int64": _series("Int64"),
    "polars Int64": _polars(pl.Int64),
    "arrow int64": _arrow(pa.int64()),
    "pandas arrow int64": _arrow_pandas(pa.int64()),
    "masked int64": _masked(np.int64),
    "polars Int128": _polars(pl.Int128),
    "arrow decimal": lambda values: _arrow(pa.decimal128(38, 0))(_decimals(values)),
    "dictionary": lambda values: _arrow(pa.int64())(values).dictionary_encode(),
}
SMALL = {
    **INTEGERS,
    "Int8": _series("Int8"),
    "polars Int8": _polars(pl.Int8),
    "polars Int16": _polars(pl.Int16),
    "arrow int16": _arrow(pa.int16()),
    "float64": _float_gaps(np.float64),
    "float32": _float_gaps(np.float32),
    "float16": _float_gaps(np.float16),
    "longdouble": _float_gaps(np.longdouble),
    "Float64": _series("Float64"),
    "big-endian": _float_gaps(">f8"),
    "strided": lambda values: np.repeat(_float_gaps(np.float64)(values), 3)[::3],
    "reversed": lambda values: _float_gaps(np.float64)(values[::-1])[::-1],
}
FLOATS = {
    "float64": _float_gaps(np.float64),
    "Float64": _series("Float64"),
    "longdouble": _float_gaps(np.longdouble),
    "polars Float64": _polars(pl.Float64),
    "arrow double": _arrow(pa.float64()),
    "pandas arrow double": _arrow_pandas(pa.float64()),
    "masked": _masked(np.float64),
    "big-endian": _float_gaps(">f8"),
    "strided": lambda values: np.repeat(_float_gaps(np.float64)(values), 2)[::2],
}


def _decimals(values: Values) -> Values:
    return [None if value is None else decimal.Decimal(value) for value in values]


UNSIGNED = {
    "UInt64": _series("UInt64"),
    "polars UInt64": _polars(pl.UInt64),
    "polars Int128": _polars(pl.Int128),
    "arrow uint64": _arrow(pa.uint64()),
    "pandas arrow uint64": _arrow_pandas(pa.uint64()),
    "masked uint64": _masked(np.uint64),
}
ENCODINGS: dict[str, dict[str, Callable[[Values], Any]]] = {
    "small": {**ANY, **SMALL, "UInt8": _series("UInt8"), "polars UInt32": _polars(pl.UInt32)},
    "negative": {**ANY, **SMALL},
    "long": {**ANY, **INTEGERS},
    "unsigned": {**ANY, **UNSIGNED},
    "wide": {**ANY, "polars Int128": _polars(pl.Int128)},
    "real": {**ANY, **FLOATS},
    "alike": {**ANY, **FLOATS},
    "tenths": {
        **ANY,
        **FLOATS,
        "float32": _float_gaps(np.float32),
        "float16": _float_gaps(np.float16),
        "Float32": _series("Float32"),
        "polars Float32": _polars(pl.Float32),
        "arrow float": _arrow(pa.float32()),
    },
    "truth": {
        **ANY,
        "boolean": _series("boolean"),
        "polars Boolean": _polars(pl.Boolean),
        "arrow bool": _arrow(pa.bool_()),
        "pandas arrow bool": _arrow_pandas(pa.bool_()),
        "masked bool": _masked(np.bool_),
    },
    "decimal": {
        **ANY,
        "polars Decimal": _polars(pl.Decimal(10, 3)),
        "arrow decimal": _arrow(pa.decimal128(10, 3)),
        "arrow decimal256": _arrow(pa.decimal256(40, 3)),
        "pandas arrow decimal": _arrow_pandas(pa.decimal128(10, 3)),
    },
    "long decimal": {
        **ANY,
        "polars Decimal": _polars(pl.Decimal(30, 0)),
        "arrow decimal": _arrow(pa.decimal128(30, 0)),
    },
    "text": {
        **ANY,
        "str": lambda values: pd.Series(values, dtype="str"),
        "string": _series("string"),
        "polars String": _polars(pl.String),
        "polars Categorical": _polars(pl.Categorical),
        "arrow string": _arrow(pa.string()),
        "arrow large_string": _arrow(pa.large_string()),
        "arrow dictionary": lambda values: _arrow(pa.string())(values).dictionary_encode(),
        "pandas arrow string": _arrow_pandas(pa.string()),
        "masked text": _masked("U3"),
    },
    "category": {
        "categories": lambda values: pd.Categorical(values, ["q", "z", "m", "a"]),
        "ordered": lambda values: pd.Series(pd.Categorical(values, ["z", "m", "a"], ordered=True)),
        "polars Enum": _polars(pl.Enum(["q", "z", "m", "a"])),
    },
    "date": {
        **ANY,
        "datetime64[s]": _array("M8[s]"),
        "datetime64[D]": _array("M8[D]"),
        "polars Date": _polars(pl.Date),
        "arrow date32": _arrow(pa.date32()),
        "arrow date64": _arrow(pa.date64()),
        "pandas arrow date": _arrow_pandas(pa.date32()),
        "period": _periods,
        "arrow period": _arrow_periods,
        "pandas arrow period": lambda values: pd.Series(
            pd.arrays.ArrowExtensionArray(_arrow_periods(values))
        ),
    },
    "datetime": {
        **ANY,
        "datetime64[ns]": _array("M8[ns]"),
        "polars Datetime": _polars(pl.Datetime),
        "polars zone": _polars(pl.Datetime("us", "UTC")),
        "arrow timestamp": _arrow(pa.timestamp("us")),
        "arrow zone": _arrow(pa.timestamp("us", "UTC")),
        "pandas zone": lambda values: pd.Series(pd.DatetimeIndex(values).tz_localize("UTC")),
        "pandas arrow timestamp": _arrow_pandas(pa.timestamp("us")),
    },
    "duration": {
        **ANY,
        "timedelta64": _array("m8[ns]"),
        "polars Duration": _polars(pl.Duration),
        "arrow duration": _arrow(pa.duration("us")),
        "pandas arrow duration": _arrow_pandas(pa.duration("us")),
    },
    "time": {
        **ANY,
        "polars Time": _polars(pl.Time),
        "arrow time64": _arrow(pa.time64("us")),
        "pandas arrow time": _arrow_pandas(pa.time64("us")),
    },
}


def random_column(rng: np.random.Generator, n: int) -> RandomColumn:
    """A column of any kind and encoding; in half of them up to three values are missing."""
    kind = str(rng.choice(list(DRAWS)))
    values = DRAWS[kind](rng, n)
    if rng.random() < 0.5:
        for row in rng.choice(n, rng.integers(1, 4), replace=False):
            values[row] = None
    encoding = str(rng.choice(list(ENCODINGS[kind])))
    return RandomColumn(kind, encoding, values, ENCODINGS[kind][encoding](values))


REFUSED: dict[str, Callable[[int], Any]] = {
    "bytes": lambda n: [b"a", b"b"] * (n // 2),
    "numpy bytes": lambda n: np.array([b"a", b"b"] * (n // 2)),
    "polars Binary": lambda n: pl.Series([b"a", b"b"] * (n // 2)),
    "arrow binary": lambda n: pa.chunked_array([pa.array([b"a", b"b"] * (n // 2))]),
    "lists": lambda n: [[1], [2]] * (n // 2),
    "arrays": lambda n: [np.ones(2), np.zeros(2)] * (n // 2),
    "sets": lambda n: [{1}, {2}] * (n // 2),
    "dicts": lambda n: [{"a": 1}, {"a": 2}] * (n // 2),
    "polars List": lambda n: pl.Series([[1], [2]] * (n // 2)),
    "polars Array": lambda n: pl.Series([[1], [2]] * (n // 2), dtype=pl.Array(pl.Int64, 1)),
    "polars Struct": lambda n: pl.Series([{"a": 1}, {"a": 2}] * (n // 2)),
    "arrow list": lambda n: pa.chunked_array([pa.array([[1], [2]] * (n // 2))]),
    "arrow struct": lambda n: pa.chunked_array([pa.array([{"a": 1}, {"a": 2}] * (n // 2))]),
    "arrow map": lambda n: pa.chunked_array(
        [pa.array([[("a", 1)], [("a", 2)]] * (n // 2), type=pa.map_(pa.string(), pa.int64()))]
    ),
    "pandas arrow list": lambda n: pd.Series(
        [[1], [2]] * (n // 2), dtype=pd.ArrowDtype(pa.list_(pa.int64()))
    ),
    "complex": lambda n: np.arange(n) * 1j,
    "complex objects": lambda n: [1j, 2j] * (n // 2),
    "structured": lambda n: np.zeros(n, dtype=[("a", "i4"), ("b", "f8")]),
    "void": lambda n: np.zeros(n, dtype="V4"),
    "surrogates": lambda n: ["\ud800", "a"] * (n // 2),
    "mixed": lambda n: [1, "a"] * (n // 2),
    "mixed truth": lambda n: [True, "a"] * (n // 2),
    "times of two zones": lambda n: [NOON, NOON.replace(tzinfo=dt.timezone.utc)] * (n // 2),
    "nothing": lambda n: [None] * n,
    "polars Null": lambda n: pl.Series([None] * n),
    "arrow null": lambda n: pa.chunked_array([pa.nulls(n)]),
    "NaN": lambda n: np.full(n, np.nan),
    "matrix": lambda n: np.ones((n, 2)),
}
"""Columns that no role can use."""
