"""Every adapter gives the rows of one table, and says what it cannot read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from streamed import bits, close, in_parts

import mixedmodels as mm
from mixedmodels.streaming import packages
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.kinds import is_source
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source

FORMULA = "y ~ x + f + (1 | u) + (1 | i:f)"


def table(n: int = 5000) -> pa.Table:
    rng = np.random.default_rng(1)
    x = 1e6 + rng.standard_normal(n)
    columns = {
        "x": pa.array(x, mask=np.arange(n) % 17 == 0),
        "u": rng.integers(0, 300, n).astype(np.int32),
        "i": rng.integers(0, 20, n),
        "f": rng.choice(list("qwerty"), n),
        "other": rng.choice(["not", "read"], n),
        "y": rng.standard_normal(n),
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    rows = table()
    (folder / "parts").mkdir()
    for number in range(3):
        part = rows.slice(number * 1700, 1700)
        pq.write_table(part, folder / "parts" / f"part{number}.parquet", row_group_size=500)
    (folder / "parts" / "_SUCCESS").write_text("")
    (folder / "parts" / ".part9.parquet.tmp").write_text("being written")
    pq.write_table(rows, folder / "one.parquet")
    pa.feather.write_feather(rows, folder / "one.feather")
    pa.csv.write_csv(rows, folder / "one.csv")
    tabs = pa.csv.WriteOptions(delimiter="\t")
    pa.csv.write_csv(rows, folder / "one.tsv", write_options=tabs)
    rows.to_pandas().to_csv(folder / "one.csv.gz", index=False)
    return folder


class AnyStream:
    """Another library's table, of which only the Arrow stream is known."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._rows.to_reader(700).__arrow_c_stream__(requested_schema)


SOURCES: dict[str, Callable[[Path], Any]] = {
    "file": lambda folder: folder / "one.parquet",
    "folder": lambda folder: str(folder / "parts"),
    "glob": lambda folder: str(folder / "parts" / "*.parquet"),
    "list of files": lambda folder: sorted((folder / "parts").glob("*.parquet")),
    "dataset": lambda folder: pyarrow.dataset.dataset(folder / "parts", exclude_invalid_files=True),
    "dataset in memory": lambda _folder: pyarrow.dataset.dataset(table()),
    "feather": lambda folder: folder / "one.feather",
    "csv": lambda folder: folder / "one.csv",
    "tsv": lambda folder: folder / "one.tsv",
    "csv.gz": lambda folder: folder / "one.csv.gz",
    "duckdb": lambda folder: duckdb.sql(f"SELECT * FROM '{folder}/parts/*.parquet'"),
    "polars lazy": lambda folder: pl.scan_parquet(folder / "parts" / "*.parquet"),
    "polars": lambda _folder: pl.from_arrow(table()),
    "categories of polars": lambda _folder: (
        pl.from_arrow(table()).lazy().with_columns(pl.col("f").cast(pl.Categorical))
    ),
    "pandas": lambda _folder: table().to_pandas(),
    "arrow": lambda _folder: table(),
    "stream": lambda _folder: AnyStream(table()),
    "functions": lambda _folder: [
        lambda: table().to_batches(300),
        lambda: iter(()),
    ],
    "a function that gives a reader": lambda _folder: [lambda: table().to_reader(1000)],
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_sums(name: str, files: Path) -> None:
    """By one plan: bitwise where the rows come in one piece, to rounding where in several."""
    plan = mm.plan(FORMULA, table())
    expected = sum_source(plan, as_source(table()), Threads(1))
    source = as_source(SOURCES[name](files))
    found = sum_source(plan, source, Threads(2))
    assert found.counts == expected.counts
    close(found.sums, expected.sums, 1e-13)
    if len(source.partitions) == 1:
        assert bits(found.sums) == bits(expected.sums)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_plan(name: str, files: Path) -> None:
    expected = mm.plan(FORMULA, table())
    found = mm.plan(FORMULA, SOURCES[name](files))
    assert found.design.x_names == expected.design.x_names
    assert found.messages == expected.messages
    for ours, theirs in zip(found.design.groups, expected.design.groups, strict=True):
        assert ours.levels.tolist() == theirs.levels.tolist()


@pytest.mark.parametrize("name", SOURCES)
def test_keys_are_the_same_again_and_differ(name: str, files: Path) -> None:
    first, second = (as_source(SOURCES[name](files)) for _ in range(2))
    keys = [part.key for part in first.partitions]
    assert keys == [part.key for part in second.partitions] == sorted(set(keys))


def test_which_data_are_sources(files: Path) -> None:
    in_memory = ("polars", "pandas", "arrow", "stream", "categories of polars")
    for name, make in SOURCES.items():
        assert is_source(make(files)) == (name not in in_memory or "categories" in name), name
    assert not is_source({"x": [1, 2]})
    assert not is_source(3)


def test_row_groups_become_partitions(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixedmodels.streaming.adapters.files._PARTITION_ROWS", 900)
    source = as_source(files / "parts")
    assert len(source.partitions) == 6
    assert [part.rows for part in source.partitions] == [1000, 700, 1000, 700, 1000, 600]
    assert source.partitions[0].name.endswith("part0.parquet, row groups 0 to 1")
    assert source.partitions[0].row_name(723) == "row 223 of row group 1"
    plan = mm.plan(FORMULA, source)
    found = sum_source(plan, source, Threads(2))
    close(found.sums, sum_source(plan, as_source(table()), Threads(1)).sums, 1e-13)


def test_a_poisoned_row_group_is_named(tmp_path: Path) -> None:
    rows = table().to_pandas()
    rows.loc[[1213, 1301], "y"] = -np.inf
    file = tmp_path / "bad.parquet"
    pq.write_table(pa.Table.from_pandas(rows), file, row_group_size=500)
    message = (
        r"bad\.parquet, row groups 0 to 9: 'y' is not finite in row 213 of row group 2 \(-inf\), "
        r"row 301 of row group 2"
    )
    with pytest.raises(mm.DataError, match=message):
        mm.plan(FORMULA, file)


def test_columns_from_the_names_of_folders(tmp_path: Path) -> None:
    rows = table()
    for year in (2020, 2021):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        pq.write_table(rows.slice(year - 2020, 2000), folder / "rows.parquet")
    plan = mm.plan("y ~ factor(year) + (1 | u)", tmp_path)
    assert plan.design.x_names == ("(Intercept)", "factor(year)2021")


def test_enumerations_of_databases_keep_their_order() -> None:
    connection = duckdb.connect()
    connection.sql("CREATE TYPE size AS ENUM ('small', 'middle', 'large')")
    relation = connection.sql(
        "SELECT (CASE i % 3 WHEN 0 THEN 'large' WHEN 1 THEN 'small' ELSE 'middle' END)::size AS s, "
        "i % 7 AS g, random() AS y FROM range(100) t(i)"
    )
    assert mm.plan("y ~ s + (1 | g)", relation).design.x_names[1:] == ("smiddle", "slarge")
    enum = pl.DataFrame({"s": ["b", "a"] * 9, "g": list("abc") * 6, "y": np.arange(18.0) % 5})
    enum = enum.with_columns(pl.col("s").cast(pl.Enum(["b", "a"])))
    assert mm.plan("y ~ s + (1 | g)", enum.lazy()).design.x_names[1:] == ("sa",)


def test_names_that_need_quoting_in_databases() -> None:
    rows = pa.table({'a "b"': np.arange(20.0), "g h": list("abcd") * 5, "y": np.arange(20.0) % 7})
    connection = duckdb.connect()
    connection.register("rows", rows)
    plan = mm.plan('y ~ `a "b"` + (1 | `g h`)', connection.sql("SELECT * FROM rows"))
    assert plan.n == 20


def test_text_files_with_other_signs_between_fields(tmp_path: Path) -> None:
    rows = table(300).to_pandas()
    for sign in ";|\t":
        rows.to_csv(tmp_path / "rows.csv", sep=sign, index=False)
        assert mm.plan(FORMULA, tmp_path / "rows.csv").counts.n_read == 300


def test_kinds_of_text_of_arrow() -> None:
    rows = table(300)
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        text = rows.set_column(3, "f", rows["f"].cast(kind))
        plan = mm.plan("y ~ x + (1 | f)", [lambda text=text: text])  # type: ignore[misc]
        assert sorted(plan.design.groups[0].levels) == sorted("qwerty")


def test_a_dict_of_columns_is_read_too() -> None:
    assert mm.plan(FORMULA, table(200).to_pydict()).counts.n_read == 200


def test_what_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    rows = table(100)
    refused: list[tuple[Any, str]] = [
        (tmp_path / "none.parquet", "neither a file nor a folder"),
        ("nowhere/*.parquet", "no file fits it as a pattern"),
        (folder, "a folder without files"),
        (3, "The source is 3; give a path"),
        ([1, 2], "list whose item 0 is 1"),
        ([lambda: 3], r"returns 3, not batches of Arrow"),
        ([list], "give no batches"),
        ([lambda: pa.table([[1], [2]], names=["y", "y"])], "several columns called 'y'"),
        (rows.to_reader(), r"can be read once.*\[make_reader\]"),
        (rows.slice(0, 0), "The data has no rows"),
        (pyarrow.dataset.dataset(pa.table([[1], [2]], names=["y", "y"])), "Multiple matches"),
    ]
    (tmp_path / "noise.csv").write_bytes(b"y,\xff\xfe\xc8,u\n1,2,3\n")
    refused.append((tmp_path / "noise.csv", "names of columns that are not UTF-8"))
    pq.write_table(rows, tmp_path / "rows.parquet")
    on_disk = pyarrow.dataset.dataset(tmp_path / "rows.parquet")
    both = pyarrow.dataset.dataset([on_disk, pyarrow.dataset.dataset(rows)])
    refused.append((both, "tables in memory beside files"))
    (tmp_path / "notes.docx").write_text("text")
    refused.append((tmp_path / "notes.docx", r"notes\.docx is not of a kind that is read"))
    (tmp_path / "text.parquet").write_text("text")
    refused.append((tmp_path / "text.parquet", "cannot be read as Parquet"))
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    pq.write_table(rows, mixed / "a.parquet")
    pa.csv.write_csv(rows, mixed / "b.csv")
    refused.append((mixed, "several kinds, CSV and Parquet"))
    for source, message in refused:
        with pytest.raises(mm.MixedModelsError, match=message):
            mm.plan(FORMULA, source)


def test_files_that_do_not_fit_together(tmp_path: Path) -> None:
    rows = table(1000)
    pq.write_table(rows, tmp_path / "a.parquet")
    pq.write_table(rows.drop_columns(["x"]), tmp_path / "b.parquet")
    plan = mm.plan(FORMULA, tmp_path / "a.parquet")
    with pytest.raises(mm.DataError, match=r"has no column 'x', which the plan reads"):
        sum_source(plan, as_source(tmp_path / "b.parquet"), Threads(1))
    text = rows.set_column(0, "x", rows["x"].cast(pa.string()))
    pq.write_table(text.set_column(0, "x", pa.array(["?"] * 1000)), tmp_path / "b.parquet")
    with pytest.raises(mm.DataError, match=r"b\.parquet"):
        mm.plan(FORMULA, tmp_path)


def test_a_text_in_a_column_of_numbers_of_csv(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    # Types are found in the first megabyte.
    lines = [f"{k % 7},{k}.5,{k % 11}" for k in range(150_000)]
    lines[140_000] = "3,oops,4"
    file.write_text("g,x,y\n" + "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(mm.DataError, match=r"bad\.csv cannot be read.*oops"):
        mm.plan("y ~ x + (1 | g)", file)


def test_a_package_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("g,y\na,1\nb,2\n")
    monkeypatch.setattr(packages, "find_spec", lambda _name: None)
    with pytest.raises(mm.MixedModelsError, match=r"pip install 'mixedmodels\[arrow\]'"):
        mm.plan(FORMULA, tmp_path)
    with pytest.raises(mm.MixedModelsError, match=r"call \.collect\(\) of a lazy table"):
        mm.lmer(FORMULA, pl.LazyFrame({"g": ["a", "b"], "y": [1, 2]}))
    assert "pyarrow" in sys.modules


def test_frames_with_columns_that_are_not_read() -> None:
    """Objects that Arrow has no type for are refused by name, in columns that are read."""
    rows = pd.DataFrame({"g": list("abc") * 10, "y": np.arange(30.0) % 7, "o": [object()] * 30})
    assert mm.plan("y ~ (1 | g)", rows).n == 30
    with pytest.raises(mm.MixedModelsError, match="'o'"):
        mm.plan("y ~ o + (1 | g)", rows)


@pytest.mark.filterwarnings("ignore")  # of Dask, in its own use of pandas
@pytest.mark.parametrize("kind", ["decimals", "times"])
def test_columns_that_dask_has_no_example_of_are_refused_by_name(kind: str) -> None:
    """Rows of the other columns are read; the column is refused where the formula has it."""
    frames = pytest.importorskip("dask.dataframe")
    stored = {"decimals": pa.decimal128(20, 0), "times": pa.time64("us")}[kind]
    column = pa.array([1, 2, 3] * 10).cast(stored).dictionary_encode()
    table = pa.table({"g": list("abc") * 10, "y": np.arange(30.0) % 7, "o": column})
    rows = frames.from_pandas(table.to_pandas(types_mapper=pd.ArrowDtype), npartitions=2)
    assert mm.plan("y ~ (1 | g)", rows).n == 30
    with pytest.raises(mm.DataError, match="'o' cannot be made one of Arrow"):
        mm.plan("y ~ o + (1 | g)", rows)


def test_columns_that_are_not_asked_for_may_be_of_any_type() -> None:
    lists = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1] * 15, pa.int8()), pa.array(values))
        for values in ([[1, 2], [3, 4]], [[3, 4], [1, 2]])
    ]
    y = np.random.default_rng(1).standard_normal(30)
    table = pa.concat_tables(
        [pa.table({"y": y, "g": np.arange(30) % 6, "v": column}) for column in lists]
    )
    source = pyarrow.dataset.dataset(table)
    assert mm.lmer("y ~ 1 + (1 | g)", source).nobs == 60
    with pytest.raises(mm.DataError, match="Column 'v' cannot be read"):
        mm.lmer("y ~ C(v) + (1 | g)", source)


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_scaled_columns_of_any_size_are_those_in_memory(unit: float) -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.arange(60) % 6, "v": unit * rng.uniform(-1, 1, 60)})
    data["y"] = data["v"] / unit + rng.standard_normal(6)[data["g"]] + rng.standard_normal(60)
    found, expected = (
        mm.lmer("y ~ scale(v) + (1 | g)", given).fixef for given in (in_parts(data, 3), data)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)
