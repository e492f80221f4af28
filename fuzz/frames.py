"""Random tables: every library and dtype, in every role of a formula."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from random import Random
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import mixedmodels as mm

# What a conversion between libraries may raise; Polars' panic is not an Exception.
_UNCONVERTIBLE = (Exception, pl.exceptions.PanicException)

N = 48
_ARROW = (
    "int8",
    "uint64",
    "float16",
    "float32",
    "string",
    "large_string",
    "bool",
    "date32",
    "binary",
)
_MASKED = ("Int8", "Int64", "UInt64", "Float32", "boolean", "string", "string[pyarrow]", "category")
_NUMPY = (
    "i1",
    "i8",
    "u1",
    "u8",
    "f2",
    "f4",
    "f8",
    "g",
    "?",
    "O",
    "c16",
    "M8[s]",
    "m8[D]",
    "U3",
    "S3",
    ">f8",
    ">i4",
)
_FORMULAS = (
    *(
        "y ~ v + (1 | g)",
        "y ~ x + (1 | v)",
        "y ~ x + (v | g)",
        "y ~ factor(v) + (1 | g)",
        "v ~ x + (1 | g)",
    ),
    *(
        "y ~ x + (1 | factor(v))",
        "y ~ x + (1 | g:v)",
        "y ~ log(v) + (1 | g)",
        "y ~ x * v + (1 | g)",
    ),
    *(
        "y ~ I(v + v) + (1 | g)",
        "y ~ x + (v || g)",
        "y ~ x + offset(v) + (1 | g)",
        "y ~ scale(v) + (1 | g)",
    ),
    *(
        "y ~ C(v) + (0 + v | g)",
        "y ~ x + (1 | g/v)",
        "y ~ I(v > 0) + (1 | g)",
        "y ~ poly(v, 2) + (1 | g)",
    ),
)


def draw(random: Random) -> tuple[Any, str, dict[str, Any]]:
    """A table, a formula, and further arguments of `lmer`."""
    rng = np.random.default_rng(random.getrandbits(32))
    values = _values(random, rng)
    others = _others(rng)
    try:
        data = random.choice(_TABLES)(others, random.choice(_STORAGES)(random, values))
    except _UNCONVERTIBLE:
        data = {**others, "v": values}
    extra: dict[str, Any] = {}
    if random.random() < 0.2:
        extra[random.choice(("weights", "offset"))] = random.choice(("v", "1 + v", "`v`", "abs(v)"))
    if random.random() < 0.1:
        extra["na_action"] = "raise"
    if random.random() < 0.1:
        extra["contrasts"] = {"v": random.choice(("sum", "helmert", "poly", np.eye(2), "nosuch"))}
    return data, random.choice(_FORMULAS), extra


def run(example: tuple[Any, str, dict[str, Any]]) -> mm.LinearMixedFit:
    """Fit, print, and predict the same rows, which must give the fitted values."""
    data, formula, extra = example
    fit = mm.lmer(formula, data, threads=1, **extra)
    str(fit)
    again = fit.predict(data).to_numpy()
    again = again[np.isfinite(again)]
    design = fit.model.design
    # Parts of the prediction that cancel each other leave their rounding.
    size = (np.abs(design.X) @ np.abs(fit.fixef.fillna(0.0).to_numpy())).max()
    rounding = 1e-14 * (size + (0.0 if design.offset is None else np.abs(design.offset).max()))
    if len(again) == fit.nobs and not np.allclose(again, fit.fitted, 1e-6, 1e-6 + rounding):
        raise AssertionError(
            f"predict gives other values than fitted, by {np.abs(again - fit.fitted).max()}"
        )
    return fit


def show(example: tuple[Any, str, dict[str, Any]]) -> str:
    """The formula, the arguments, and of the varied column its types and first values."""
    data, formula, extra = example
    column = data["v"]
    kinds = (
        f"{type(data).__module__}.{type(data).__name__}, {getattr(column, 'dtype', type(column))}"
    )
    return f"{formula!r} {extra} {kinds}: {list(column)[:12]!r}"


def _others(rng: np.random.Generator) -> dict[str, Any]:
    g = np.tile(np.arange(8), N // 8)
    return {"y": rng.normal(size=N) + rng.normal(size=8)[g], "x": rng.normal(size=N), "g": g}


def _values(random: Random, rng: np.random.Generator) -> list[Any]:
    """N Python values of one kind, some missing, sometimes of several kinds."""
    pool = random.choice(_POOLS)(rng)
    if random.random() < 0.05:
        pool = [*pool, *random.choice(_POOLS)(rng)]
    missing = random.choice((0.0, 0.0, 0.0, 0.1, 1.0 if random.random() < 0.1 else 0.3))
    absent = random.choice((None, float("nan"), pd.NA, pd.NaT))
    return [
        absent if rng.random() < missing else pool[int(rng.integers(len(pool)))] for _ in range(N)
    ]


_POOLS: tuple[Callable[[np.random.Generator], list[Any]], ...] = (
    lambda rng: rng.normal(size=30).tolist(),
    lambda rng: rng.integers(-3, 4, 10).tolist(),
    lambda _: [0, 1],
    lambda _: [True, False],
    lambda _: [0.1 * 3, 0.3, 0.1, 0.2],
    lambda _: [10**17, 10**17 + 1, 10**17 + 2, 2**53 + 1],
    lambda _: [2**63 + 1, 2**63 + 2, 2**64 - 1],
    lambda _: [10**30, 10**30 + 1],
    lambda _: [1e300, -1e300, 1e-300, 5e-324],
    lambda _: [1e10 + 1, 1e10 + 2, 1e10 + 3],
    lambda _: [float("inf"), 1.0, 2.0],
    lambda _: list("abc"),
    lambda _: ["a", "é", "e\u0301", "", " ", "a:b", "NA", "nan"],
    lambda _: ["\ud800", "a"],
    lambda _: [b"a", b"b"],
    lambda _: [decimal.Decimal("1.5"), decimal.Decimal("2.25"), decimal.Decimal("NaN")],
    lambda _: [dt.date(2024, 1, d) for d in range(1, 9)],
    lambda _: [dt.datetime(2024, 1, d, 3) for d in range(1, 9)],  # noqa: DTZ001
    lambda _: [dt.timedelta(days=d) for d in range(5)],
    lambda _: [dt.time(h) for h in range(5)],
    lambda _: [[1, 2], [3]],
    lambda _: [{"a": 1}, {"a": 2}],
    lambda _: [(1, 2), (3, 4)],
    lambda _: [1 + 2j, 3 + 0j],
    lambda _: [pd.Interval(0, 1), pd.Interval(1, 2)],
    lambda _: [pd.Period("2024-01"), pd.Period("2024-02")],
    lambda _: [object(), object()],
    lambda _: ["x"],
)


def _cast(random: Random, values: list[Any], dtypes: tuple[str, ...]) -> Any:
    """A pandas Series of one of the dtypes."""
    return pd.Series(values, dtype=object).astype(random.choice(dtypes))


def _as_arrow(random: Random, values: list[Any]) -> Any:
    array = pa.array(_with_none(values))
    if random.random() < 0.3:
        array = array.cast(random.choice(_ARROW))
    return array.dictionary_encode() if random.random() < 0.2 else array


def _as_polars(random: Random, values: list[Any]) -> Any:
    series = pl.Series("v", _with_none(values), strict=False)
    kinds = (pl.Categorical, pl.String, pl.Int128, pl.Float32, pl.UInt8, pl.Decimal(20, 3))
    kind = random.choice((None, None, *kinds))
    return series if kind is None else series.cast(kind, strict=False)


def _with_none(values: list[Any]) -> list[Any]:
    """The values with None for every kind of missing value."""
    return [None if _is_missing(value) else value for value in values]


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float) and np.isnan(value)


_STORAGES: tuple[Callable[[Random, list[Any]], Any], ...] = (
    lambda _, values: values,
    lambda random, values: _cast(random, values, _NUMPY),
    lambda random, values: _cast(random, values, _MASKED),
    lambda _, values: pd.Series(values),
    lambda random, values: _cast(random, values, _NUMPY).to_numpy(),
    lambda _, values: pd.Series(values, dtype=object).astype("category"),
    _as_arrow,
    _as_polars,
    lambda random, values: np.ma.masked_array(_cast(random, values, _NUMPY).to_numpy()),
)


def _pandas(others: dict[str, Any], v: Any) -> Any:
    if isinstance(v, pa.Array):
        v = pd.arrays.ArrowExtensionArray(pa.chunked_array([v]))
    elif isinstance(v, pl.Series):
        v = v.to_list()
    return pd.DataFrame({**others, "v": pd.Series(v)})


def _arrow(others: dict[str, Any], v: Any) -> Any:
    return pa.table({**others, "v": v.to_arrow() if isinstance(v, pl.Series) else pa.array(v)})


def _polars(others: dict[str, Any], v: Any) -> Any:
    v = v.to_pylist() if isinstance(v, pa.Array) else v
    return pl.DataFrame({**others, "v": v if isinstance(v, pl.Series) else pl.Series("v", list(v))})


_TABLES: tuple[Callable[[dict[str, Any], Any], Any], ...] = (
    _pandas,
    _pandas,
    _polars,
    _arrow,
    lambda others, v: {**others, "v": v},
    lambda others, v: nw.from_native(_polars(others, v)),
)
