"""Spark gives the bits of threads; what it does is tried here with stand-ins, and with Spark."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamed import bits, in_parts

import mixedmodels as mm
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.partial import Partial
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source

FORMULA = "y ~ x + (1 | u)"


def folder(at: Path, parts: int = 5, n: int = 600) -> str:
    rng = np.random.default_rng(3)
    for part in range(parts):
        u, x = rng.integers(0, 20, n), rng.standard_normal(n)
        rows = pa.table({"y": x + rng.standard_normal(n), "x": x, "u": u})
        pq.write_table(rows, at / f"part{part}.parquet")
    return str(at)


class Broadcast:
    def __init__(self, value: Any) -> None:
        self.value, self.destroyed = value, False

    def destroy(self) -> None:
        self.destroyed = True


class Tasks:
    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items

    def map(self, function: Callable[[Any], Any]) -> Tasks:
        return Tasks([function(item) for item in self.items])

    def collect(self) -> list[Any]:
        return list(self.items)


class Context:
    """What the executor uses of a SparkContext, in this process."""

    master = "here"

    def __init__(self) -> None:
        self.shared: list[Broadcast] = []

    def broadcast(self, value: Any) -> Broadcast:
        self.shared.append(Broadcast(value))
        return self.shared[-1]

    def parallelize(self, items: Sequence[Any], slices: int) -> Tasks:
        assert slices == len(items)
        return Tasks(items)


class Session:
    def __init__(self) -> None:
        self.sparkContext = Context()


def test_the_merged_sums_are_those_of_threads(tmp_path: Path) -> None:
    files, session = folder(tmp_path), Session()
    executor = mm.SparkExecutor(session)
    plan = mm.plan(FORMULA, files, executor=executor)
    assert plan.id == mm.plan(FORMULA, files).id
    found = sum_source(plan, as_source(files), executor)
    assert bits(found.sums) == bits(sum_source(plan, as_source(files), Threads(2)).sums)
    assert all(value.destroyed for value in session.sparkContext.shared)
    assert repr(executor) == "SparkExecutor(here)"


def test_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    files = folder(tmp_path)
    bad = pa.table({"y": [1.0, np.inf], "x": [1.0, 2.0], "u": [1, 2]})
    plan = mm.plan(FORMULA, files)
    pq.write_table(bad, tmp_path / "part2.parquet")
    with pytest.raises(mm.DataError, match=r"part2\.parquet.*'y' is not finite"):
        sum_source(plan, as_source(files), mm.SparkExecutor(Session()))


def test_what_has_no_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(mm.MixedModelsError, match="session is 3"):
        mm.SparkExecutor(3)
    table = in_parts(pq.read_table(folder(tmp_path)), 2)
    functions = [lambda part=part: part() for part in table]
    with pytest.raises(mm.DataError, match="cannot be sent to workers of Spark"):
        mm.plan(FORMULA, functions, executor=mm.SparkExecutor(Session()))


class Py4JJavaError(Exception):
    """What Spark raises here for whatever happens there."""

    __module__ = "py4j.protocol"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("ModuleNotFoundError: No module named 'mixedmodels'", "PYSPARK_PYTHON"),
        ("OSError: [Errno 5] Input/output error", "spark.task.maxFailures"),
    ],
)
def test_what_ends_the_work_of_spark_is_said(tmp_path: Path, text: str, remedy: str) -> None:
    def fail(_: Tasks) -> list[Any]:
        raise Py4JJavaError(f"An error occurred.\n: Job aborted\n    {text}\n\tat java.base")

    files = folder(tmp_path)
    plan = mm.plan(FORMULA, files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tasks, "collect", fail)
        with pytest.raises(mm.MixedModelsError) as caught:
            sum_source(plan, as_source(files), mm.SparkExecutor(Session()))
    assert text in str(caught.value)
    assert remedy in str(caught.value)
    assert "java.base" not in str(caught.value)


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    files = folder(tmp_path)
    plan = mm.plan(FORMULA, files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tasks, "collect", lambda _: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            sum_source(plan, as_source(files), mm.SparkExecutor(Session()))


class Frame:
    """What a source uses of a Spark DataFrame of PySpark 4.0: no stream, names taken as fields."""

    __module__ = "pyspark.sql.classic.dataframe"

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @property
    def columns(self) -> list[str]:
        return list(self.table.column_names)

    def limit(self, rows: int) -> Frame:
        return Frame(self.table.slice(0, rows))

    def select(self, *names: str) -> Frame:
        assert all(name[0] == name[-1] == "`" for name in names)
        return Frame(self.table.select([name[1:-1].replace("``", "`") for name in names]))

    def toDF(self, *names: str) -> Frame:
        assert not any("." in name for name in names)
        return Frame(self.table.rename_columns(list(names)))

    def toArrow(self) -> pa.Table:
        return self.table


Frame.__name__ = "DataFrame"


def test_a_frame_without_a_stream(tmp_path: Path) -> None:
    table = pq.read_table(folder(tmp_path))
    dotted = table.rename_columns(["y", "x.1", "u"]).append_column("other", table["y"])
    fit = mm.lmer("y ~ `x.1` + (1 | u)", Frame(dotted))
    expected = mm.lmer(FORMULA, in_parts(table, 1))
    assert fit.objective == pytest.approx(expected.objective, rel=1e-13)
    assert fit.fixef.index.tolist() == ["(Intercept)", "x.1"]


def test_a_frame_of_an_older_spark_is_refused() -> None:
    with pytest.raises(mm.DataError, match="gives nothing of Arrow; write it to Parquet"):
        mm.lmer(FORMULA, type("DataFrame", (), {"__module__": "pyspark.sql.dataframe"})())


def fit_of_tasks(formula: str, frame: Any) -> float:
    """The criterion of a fit of which every task of a DataFrame sums its rows (see the page)."""
    context = pytest.importorskip("pyspark").TaskContext
    plan = mm.plan(formula, frame)

    def sum_task(batches: Iterator[Any]) -> Iterator[Any]:
        rows = list(batches)

        def given() -> list[Any]:
            return rows

        given.key = f"partition {context.get().partitionId():06d}"  # type: ignore[attr-defined]
        if rows:
            part = sum_source(plan, as_source([given]), Threads(1))
            yield pa.RecordBatch.from_pydict({"key": [part.keys[0]], "sums": [part.to_bytes()]})

    found = frame.mapInArrow(sum_task, "key string, sums binary").collect()
    parts = [Partial.from_bytes(row.sums) for row in sorted(found, key=lambda row: row.key)]
    assert len(parts) > 1
    return float(mm.CrossProducts(plan, functools.reduce(Partial.merge, parts)).fit().objective)


@pytest.mark.filterwarnings("ignore")  # of PySpark, in its own use of pandas
def test_a_local_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.getOrCreate()
    try:
        files = folder(tmp_path)
        executor = mm.SparkExecutor(session)
        fit = mm.lmer(FORMULA, files, executor=executor)
        assert fit.objective == mm.lmer(FORMULA, files).objective
        streamed = mm.lmer(FORMULA, session.read.parquet(files))
        assert streamed.objective == pytest.approx(fit.objective, rel=1e-12)
        dotted = session.read.parquet(files).withColumnRenamed("x", "x.1")
        named = mm.lmer("y ~ `x.1` + (1 | u)", dotted)
        assert named.objective == pytest.approx(fit.objective, rel=1e-12)
        assert fit_of_tasks(FORMULA, session.read.parquet(files)) == pytest.approx(
            fit.objective, rel=1e-12
        )
    finally:
        session.stop()
