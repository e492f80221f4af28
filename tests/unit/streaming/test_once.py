"""Streams that are read once, declared levels, and columns that Arrow cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamed import in_parts

import mixedmodels as mm

FORMULA = "y ~ x + f + (x | g) + (1 | h)"
LEVELS = {"f": ["a", "b", "c"], "g": list(range(30)), "h": ["u", "v", "w", "z"]}


def rows(n: int = 3000) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    data = pd.DataFrame(
        {
            "x": 1e3 + rng.standard_normal(n),
            "f": rng.choice(list("abc"), n),
            "g": rng.integers(0, 30, n),
            "h": rng.choice(list("uvwz"), n),
        }
    )
    # The last levels come late.
    data = data.sort_values("g", kind="stable").reset_index(drop=True)
    effects, slopes = rng.standard_normal((2, 30))[:, data["g"]]
    others = data["h"].map({"u": 1.0, "v": -1.0, "w": 0.3, "z": -0.4})
    data["y"] = others + effects + slopes * (data["x"] - 1e3) + rng.standard_normal(n)
    data.loc[::50, "y"] = np.nan
    return data


def table() -> pa.Table:
    return pa.Table.from_pandas(rows(), preserve_index=False)


def batches() -> Iterator[Any]:
    yield from table().to_batches(300)


def duckdb_reader() -> Any:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("t", table())
    relation = connection.sql("select * from t")
    new = hasattr(relation, "fetch_record_batch")
    return relation.fetch_record_batch(500) if new else relation.fetch_arrow_reader(500)


STREAMS = {
    "a reader": lambda: table().to_reader(250),
    "a generator": batches,
    "an iterator of tables": lambda: iter([table().slice(0, 10), table().slice(10)]),
    "a reader of DuckDB": duckdb_reader,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", STREAMS)
def test_with_declared_levels_a_stream_is_read_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixedmodels.streaming.adapters.once._HELD", 900)
    fit = mm.lmer(FORMULA, STREAMS[kind](), levels=LEVELS)
    whole = mm.lmer(FORMULA, rows())
    assert fit.objective == pytest.approx(whole.objective, rel=1e-10)
    assert fit.nobs == whole.nobs
    assert fit.ngroups == whole.ngroups
    pd.testing.assert_series_equal(fit.fixef, whole.fixef, rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "levels", "message"),
    [
        (FORMULA, None, r"'f' has levels, .*levels=\{'column'"),
        (FORMULA, {"f": ["a", "b", "c"]}, r"'g' has levels"),
        (FORMULA, LEVELS | {"g": [*range(5)]}, r"'g' has the level '.*', which was not in the"),
        (FORMULA, LEVELS | {"k": [1]}, r"levels names 'k', which is not a column"),
        (FORMULA, LEVELS | {"g": ["one"]}, r"levels of 'g' are not of the column's type int64"),
        (FORMULA, LEVELS | {"g": [1, None]}, r"levels of 'g' have a missing value"),
        (FORMULA, LEVELS | {"g": "abc"}, r"levels of 'g' are 'abc'; give a list"),
        (FORMULA, ["f"], r"levels is \['f'\]; give a dict"),
        ("y ~ scale(x) + (1 | g)", {"g": [*range(30)]}, r"functions that learn .*scale"),
        ("y ~ x + (1 | g:h)", LEVELS, r"groups by several columns"),
    ],
)
def test_what_all_rows_must_tell_is_asked_for(
    formula: str, levels: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixedmodels.streaming.adapters.once._HELD", 900)
    if isinstance(levels, dict) and formula != FORMULA:
        levels = {name: own for name, own in levels.items() if name in formula.split("~")[1]}
    with pytest.raises(mm.MixedModelsError, match=message):
        mm.lmer(formula, table().to_reader(250), levels=levels)


def test_step_by_step_the_plan_is_made_of_some_rows() -> None:
    data = rows()
    plan = mm.plan(FORMULA, data[:900], levels=LEVELS)
    assert plan.n == data["y"][:900].notna().sum()
    assert plan.levels == {"g": 30, "h": 4}
    sums = mm.cross_products(plan, table().to_reader(700))
    whole = mm.lmer(FORMULA, data)
    assert sums.n == whole.nobs
    assert sums.fit().objective == pytest.approx(whole.objective, rel=1e-10)
    with pytest.raises(mm.DataError, match="used up by the plan"):
        mm.plan(FORMULA, table().to_reader(700))
    used = table().to_reader(700)
    mm.cross_products(plan, used)
    with pytest.raises(mm.DataError, match="gives no batches"):
        mm.cross_products(plan, used)
    with pytest.raises(mm.DataError, match=r"checkpoint"):
        mm.lmer(FORMULA, table().to_reader(700), levels=LEVELS, checkpoint="kept")


def test_rows_that_are_added_later_may_have_declared_levels() -> None:
    data = rows()
    plan = mm.plan("y ~ x + (1 | g)", in_parts(data[:2000], 3), levels={"g": range(30)})
    old = mm.cross_products(plan, in_parts(data[:2000], 3))
    both = old.merge(mm.cross_products(plan, data[2000:]))
    whole = mm.lmer("y ~ x + (1 | g)", data)
    assert both.fit().objective == pytest.approx(whole.objective, rel=1e-10)
    unused = old.fit()
    assert any("have no rows in the sums" in message for message in unused.messages)


@pytest.mark.parametrize(
    "column",
    [[object(), 1, "a"], [{1}, {2}, {3}], [1 + 2j, 0j, 1j], [[1], "a", 2.0], [1, "a", b"c"]],
    ids=["objects", "sets", "complex", "lists", "mixed"],
)
def test_columns_that_arrow_cannot_hold_matter_only_where_they_are_used(column: Any) -> None:
    data = rows().assign(odd=pd.Series((column * 1000)[:3000], dtype=object))
    plan = mm.plan("y ~ x + (1 | g)", data)
    fit = mm.cross_products(plan, data).fit()
    whole = mm.lmer("y ~ x + (1 | g)", data)
    assert fit.objective == pytest.approx(whole.objective, rel=1e-10)
    with pytest.raises(mm.MixedModelsError, match="odd"):
        mm.plan("y ~ x + odd + (1 | g)", data)


def test_sums_that_would_not_fit_are_refused_before_they_are_made() -> None:
    n = 20_000
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "y": rng.standard_normal(n),
            "g": rng.permutation(np.arange(n) // 2),
            "h": rng.permutation(np.arange(n) // 2),
        }
    )
    plan = mm.plan("y ~ 1 + (1 | g) + (1 | h)", data)
    read = []

    def given() -> Any:
        read.append(1)
        return pa.Table.from_pandas(data, preserve_index=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixedmodels.memory.SMALL", 1e3)
        with pytest.raises(mm.ResourceError, match=r"pairs of levels of 'g' and 'h' 6\d+ kB"):
            mm.cross_products(plan, [given], memory="500 kB")
    assert len(read) == 1  # for the types of its columns
