"""The plan of a source has the design of a table with the same rows; its sums are those of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamed import assert_same_model, close, in_parts, summed, sums_of

import mixedmodels as mm
from mixedmodels.design import build_design
from mixedmodels.formula import parse_formula
from mixedmodels.streaming import source as source_module
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.saving import identity

INDEX = Path(mm.__file__).parent / "datasets" / "files" / "index.json"
FORMULAS = {
    name: entry["formula"] for name, entry in json.loads(INDEX.read_text(encoding="utf-8")).items()
}
# Models that are not linear: the response as numbers, and no level for each row.
LINEAR = {
    **FORMULAS,
    **{
        name: "as.numeric(factor(" + FORMULAS[name].replace(" ~ ", ")) ~ ")
        for name in ("contraception", "guimmun", "verbagg")
    },
    "grouseticks": FORMULAS["grouseticks"].replace(" + (1 | INDEX)", ""),
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches in each partition."""
    monkeypatch.setattr(source_module, "BATCH_ROWS", 1000)


def rows() -> pd.DataFrame:
    """Columns of every kind, in rows of random order."""
    rng = np.random.default_rng(20)
    n = 1500
    data = pd.DataFrame(
        {
            "x": 3.0 * rng.standard_normal(n) + 100.0,
            "z": rng.exponential(1.0, n),
            "k": rng.integers(0, 40, n),
            "g": rng.integers(0, 37, n),
            "text": rng.choice(list("qwertyuiop"), n),
            "few": rng.choice(["lo", "mid", "hi"], n),
            "colon": rng.choice(["b1", "b2", "b:3"], n),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 20, n), unit="D"),
            "truth": rng.random(n) > 0.3,
            "w": rng.integers(0, 4, n).astype(np.float64),
            "tenth": rng.integers(0, 9, n) / 10,
            "long": rng.integers(2**60, 2**60 + 12, n),
        }
    )
    data["cat"] = pd.Categorical(data["few"], categories=["none", "mid", "lo", "hi"])
    data["ord"] = pd.Categorical(data["text"], ordered=True)
    data["y"] = rng.standard_normal(n) + 0.1 * data["x"] + data["g"] % 5
    return data


def rows_with_gaps() -> pd.DataFrame:
    """The same with missing values."""
    data = rows()
    rng = np.random.default_rng(21)
    for name in ("x", "z", "text", "few", "cat"):
        data.loc[rng.random(len(data)) < 0.05, name] = np.nan if name in "xz" else None
    data["g"] = data["g"].astype("Int64")
    data.loc[rng.random(len(data)) < 0.05, "g"] = pd.NA
    data.loc[rng.random(len(data)) < 0.05, "w"] = np.nan
    return data


@pytest.mark.parametrize("name", LINEAR)
def test_bundled_data_in_seven_parts(name: str) -> None:
    data = mm.load_dataset(name)
    assert_same_model(LINEAR[name], data, in_parts(data, 7))


@pytest.mark.parametrize("make", [rows, rows_with_gaps])
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ few * truth + (1 | g / text)",
        "y ~ cat + (1 | g:text)",
        "y ~ factor(k) + (1 | ord)",
        "y ~ relevel(few, 'mid') + (1 | day)",
        "y ~ dummy(few) + (1 | tenth)",
        "y ~ factor(few, labels = c('A', 'B', 'C')) + (1 | long)",
        "y ~ interaction(few, colon) + (x || few:colon)",
        "y ~ as.numeric(factor(few)) + (1 | g)",
        "y ~ I(x > 100) + ifelse(z > 1, 'u', 'v') + (1 | g)",
        "y ~ log(z - 0.1) + (1 | g) + (0 + few | text)",
        "y ~ x + offset(z) + (1 | cut(x, 5))",
        "scale(y) ~ x + (1 | g)",
    ],
)
@pytest.mark.filterwarnings("ignore::mixedmodels.errors.LostRowsWarning")
def test_levels_and_terms(formula: str, make: Any) -> None:
    data = make()
    assert_same_model(formula, data, in_parts(data, 7))


LEARNING = [
    "scale(x) + center(z)",
    "scale(x, center = FALSE) + scale(z, TRUE, 2)",
    "poly(x, 3) + poly(z, 2)",
    "poly(k, 7)",
    "poly(x, 2, raw = TRUE)",
    "poly(scale(x), 2)",
    "scale(poly(x, 2))",
    "ns(x, df = 4)",
    "bs(x, df = 6)",
    "bs(k, df = 5)",
    "bs(x, knots = c(95, 100))",
    "bs(x, knots = c(95, 100), Boundary.knots = c(0, 200))",
    "cr(x, df = 5)",
    "cr(x, df = 5, constraints = 'center')",
    "cr(x, knots = c(98, 101))",
    "cc(k, df = 4)",
    "cut(x, 4)",
    "cut(scale(x), 4)",
    "relevel(cut(scale(x), 3, labels = c('p', 'q', 'r')), 'q')",
    "scale(log(z + 1))",
]


@pytest.mark.parametrize("make", [rows, rows_with_gaps])
@pytest.mark.parametrize("term", LEARNING)
def test_functions_that_learn(term: str, make: Any) -> None:
    """In parts sorted by x, so that no part is like the others."""
    data = make().sort_values("x")
    formula = f"y ~ {term} + (1 | g)"
    plan = assert_same_model(formula, data, in_parts(data, 7))
    design = build_design(parse_formula(formula), data)
    np.testing.assert_allclose(plan.batch(data).X, design.X, rtol=1e-12, atol=1e-12)


def test_a_learning_slope_and_response() -> None:
    data = rows()
    assert_same_model("scale(y) ~ poly(x, 2) + (scale(z) | g)", data, in_parts(data, 5))


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "w"},
        {"weights": "1 / (1 + k)"},
        {"weights": "log(z)", "offset": "z / 2"},
        {"offset": "x"},
        {"contrasts": {"few": "sum", "cat": "helmert"}},
        {"contrasts": {"few": np.array([[1.0], [2.0], [0.5]])}},
    ],
    ids=str,
)
def test_arguments(options: dict[str, Any]) -> None:
    data = rows_with_gaps()
    if options.get("weights") == "log(z)":
        data["z"] = 1.0 + data["z"]
    assert_same_model("y ~ few + cat + x + (1 | g)", data, in_parts(data, 7), **options)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 1500), max_size=9), seed=st.integers(0, 5))
def test_any_split(cuts: list[int], seed: int) -> None:
    """Also empty parts, parts of one row, and parts whose rows are all incomplete."""
    data = rows_with_gaps().sort_values(["x", "g", "tenth", "k", "z"][seed % 5])
    data.loc[data.index[100:300], "x"] = np.nan
    assert_same_model("y ~ x + cat + (1 | g:few) + (1 | text)", data, in_parts(data, cuts))


def test_levels_do_not_depend_on_the_order_of_parts() -> None:
    data = rows()
    parts = in_parts(data, 6)
    for key, part in zip("fbdace", parts, strict=True):
        part.key = key
    plan = assert_same_model("y ~ few + x + (1 | text) + (1 | g:day)", data, parts)
    assert plan.levels["text"] == 10


@pytest.mark.parametrize("kind", ["int", "text", "date", "float", "truth"])
def test_kinds_of_group_levels(kind: str) -> None:
    n = 400
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 2 if kind == "truth" else 13, n)
    values: dict[str, Any] = {
        "int": codes * 5 - 20,
        "text": np.array([f"level {code}" for code in codes]),
        "date": pd.Timestamp("2021-03-28") + pd.to_timedelta(codes, unit="D"),
        "float": codes / 10,
        "truth": codes > 0,
    }
    data = pd.DataFrame({"g": values[kind], "y": rng.standard_normal(n) + codes})
    gaps = data.copy()
    gaps["g"] = gaps["g"].astype(object).where(rng.random(n) > 0.1, None)
    for table in (data, pa.Table.from_pandas(gaps, preserve_index=False).to_pandas()):
        assert_same_model("y ~ 1 + (1 | g)", table, in_parts(table, 7))


def test_dictionaries_that_differ_by_batch() -> None:
    """Their levels are those of the dictionaries put together, in the order of the parts."""
    words = [["b", "a"], ["c", "b"], ["a", "d", "c"]]
    rng = np.random.default_rng(0)
    chunks = [
        pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(0, len(known), 60), pa.int32()), pa.array(known)
        )
        for known in words
    ]
    tables = [pa.table({"f": chunk, "y": rng.standard_normal(60)}) for chunk in chunks]
    parts = [part for table in tables for part in in_parts(table, 1)]
    for number, part in enumerate(parts):
        part.key = f"{number}"
    whole = pa.concat_tables(tables)
    plan, partial = summed("y ~ f + (1 | f:f)".replace("f:f", "f"), parts)
    design = build_design(parse_formula("y ~ f + (1 | f)"), whole)
    assert plan.design.x_names == design.x_names == ("(Intercept)", "fa", "fc", "fd")
    assert plan.design.groups[0].levels.tolist() == ["b", "a", "c", "d"]
    close(partial.sums, sums_of(design, plan))


def test_the_pilot_frame_is_good() -> None:
    """Also of sorted rows, of x = 1e6 + noise, and where a level is rare."""
    rng = np.random.default_rng(1)
    n = 20_000
    data = pd.DataFrame(
        {
            "x": 1e6 + rng.standard_normal(n),
            "t": np.arange(n, dtype=np.float64),
            "rare": np.where(np.arange(n) == 11_111, "r", "s"),
            "g": rng.integers(0, 50, n),
            "y": 1e5 + rng.standard_normal(n),
        }
    )
    _, partial = summed("y ~ x + t + rare + (1 | g)", in_parts(data, 7))
    condition, lost = partial.sums.condition()
    assert condition < 10
    assert lost < 10


def test_what_a_plan_says() -> None:
    data = mm.load_dataset("sleepstudy_na")
    plan = mm.plan("Reaction ~ Days + (Days | Subject)", in_parts(data, 3))
    text = str(plan)
    assert "Plan of Reaction ~ Days + (Days | Subject)" in text
    assert "3 functions, 3 partitions" in text
    assert plan.messages[0] in text
    table = plan.to_frame()
    assert table.loc["Subject", "levels"] == 18
    assert table["missing"].sum() == sum(plan.counts.n_missing.values()) > 0
    assert plan.counts.n_read == len(data)
    assert plan.n == len(data.dropna())


def test_a_plan_is_saved(tmp_path: Path) -> None:
    data = rows()
    parts = in_parts(data, 4)
    formula = "scale(y) ~ poly(x, 2) + relevel(few, 'mid') + cat + (scale(z) | g:text) + (1 | day)"
    plan = mm.plan(formula, parts, weights="1 + k", contrasts={"cat": "sum"})
    file = tmp_path / "plan.mm"
    plan.save(file)
    loaded = Plan.load(file)
    assert loaded.id == plan.id
    assert str(loaded) == str(plan)
    np.testing.assert_array_equal(loaded.batch(data).X, plan.batch(data).X)
    mm.lmer("y ~ x + (1 | g)", data).save(file)
    with pytest.raises(mm.FileError, match="not a plan"):
        Plan.load(file)


def test_what_an_id_depends_on() -> None:
    data = rows()
    parts = in_parts(data, 4)
    base = mm.plan("y ~ scale(x) + few + (1 | g)", parts)
    assert mm.plan("y ~ scale(x) + few + (1 | g)", parts).id == base.id
    others = [
        mm.plan("y ~ scale(z) + few + (1 | g)", parts),
        mm.plan("y ~ scale(x) + few + (1 | text)", parts),
        mm.plan("y ~ scale(x) + few + (1 | g)", parts, weights="1 + k"),
        mm.plan("y ~ scale(x) + few + (1 | g)", parts, offset="z"),
        mm.plan("y ~ scale(x) + few + (1 | g)", parts, contrasts={"few": "sum"}),
        mm.plan("y ~ scale(x) + few + (1 | g)", parts, na_action="raise"),
        mm.plan("y ~ scale(x) + few + (1 | g)", in_parts(data[data["x"] < 101], 4)),
    ]
    assert len({base.id, *(plan.id for plan in others)}) == 1 + len(others)
    assert identity(base._parts()) == base.id


REFUSED = [
    ({"weights": np.ones(1500)}, mm.DataError, "weights is a ndarray; .* expression of columns"),
    ({"offset": [1.0]}, mm.DataError, "offset is a list"),
    ({"weights": "scale(x)"}, mm.DataError, "weights 'scale\\(x\\)' learns from all rows"),
    ({"na_action": "exclude"}, mm.DataError, 'Use "omit"'),
    ({"na_action": "raise"}, mm.DataError, "part 000.*function|missing values"),
    ({"contrasts": {"nowhere": "sum"}}, mm.DataError, "'nowhere', which is not a column"),
    ({"executor": 3}, mm.MixedModelsError, "executor is 3; give Threads"),
    ({"memory": "much"}, mm.MixedModelsError, "memory is 'much'"),
]


@pytest.mark.parametrize(("options", "error", "message"), REFUSED, ids=[str(r[0]) for r in REFUSED])
def test_arguments_that_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        mm.plan("y ~ x + few + (1 | g)", in_parts(rows_with_gaps(), 3), **options)


FAULTS = [
    ("y ~ nowhere + (1 | g)", None, mm.FormulaError, "'nowhere' is not a column"),
    ("y ~ x + (1 | few)", ("few", "lo"), mm.ModelError, "only one level in use"),
    ("y ~ few + (1 | g)", ("few", "lo"), mm.DataError, "only one level in use"),
    ("y ~ x + (1 | g)", ("y", 1.0), mm.DataError, "constant"),
    ("y ~ scale(x) + (1 | g)", ("x", 1.0), mm.DataError, "needs a column that varies"),
    ("y ~ poly(x, 3) + (1 | g)", ("x", 1.0), mm.DataError, "more than 3 distinct values"),
    ("y ~ x + (1 | g)", ("x", np.nan), mm.DataError, "No row is left: .*x 1500"),
    ("y ~ scale(x) + (1 | g)", ("x", np.nan), mm.DataError, "No row is left"),
    ("y ~ x + (1 | g)", ("x", np.inf), mm.DataError, "function \\d of the list: 'x' is not finite"),
    ("few ~ x + (1 | g)", None, mm.DataError, "is not numeric"),
    ("y ~ day + (1 | g)", None, mm.DataError, "has dates or times"),
    ("y ~ x + (1 | row)", None, mm.ModelError, "as many levels as there are rows"),
]


@pytest.mark.parametrize(("formula", "change", "error", "message"), FAULTS, ids=str)
def test_data_that_are_refused(
    formula: str, change: tuple[str, Any] | None, error: type[Exception], message: str
) -> None:
    data = rows()
    data["row"] = np.arange(len(data))
    if change is not None:
        data[change[0]] = change[1]
    with pytest.raises(error, match=message):
        mm.plan(formula, in_parts(data, 3))
    with pytest.raises(error):
        mm.lmer(formula, data)


def test_quantiles_of_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixedmodels.design.functions.learning.MOST_DISTINCT", 100)
    with pytest.raises(mm.DataError, match=r"more than 100 distinct values.*Give knots="):
        mm.plan("y ~ ns(x, df = 4) + (1 | g)", in_parts(rows(), 3))


def test_text_among_numbers_is_refused_as_in_memory() -> None:
    data = rows()
    data["x"] = data["x"].map("{:.2f}".format)
    data.loc[[700, 900], "x"] = "n/a"
    with pytest.raises(mm.DataError, match="2 of its 1500 values") as streamed:
        mm.plan("y ~ x + (1 | g)", in_parts(data, 3))
    assert "row 200 of function 1 of the list ('n/a')" in str(streamed.value)
    with pytest.raises(mm.DataError, match="2 of its 1500 values"):
        mm.lmer("y ~ x + (1 | g)", data)


def test_new_levels_are_refused_by_name() -> None:
    data = rows()
    plan = mm.plan("y ~ few + (1 | text)", in_parts(data, 3))
    for column, value in (("few", "top"), ("text", "new")):
        other = data.iloc[:50].copy()
        other.loc[7, column] = value
        with pytest.raises(mm.DataError, match=f"{value}.*row 7"):
            plan.batch(other)
