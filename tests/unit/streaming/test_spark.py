"""Spark gives the bits of threads; what it does is tried here with stand-ins, and with Spark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamed import bits, in_parts

import mixedmodels as mm
from mixedmodels.streaming.executor import Threads
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


@pytest.mark.filterwarnings("ignore")  # of PySpark, in its own use of pandas
def test_a_local_spark(tmp_path: Path) -> None:
    sql = pytest.importorskip("pyspark.sql")
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.getOrCreate()
    try:
        files = folder(tmp_path)
        executor = mm.SparkExecutor(session)
        fit = mm.lmer(FORMULA, files, executor=executor)
        assert fit.objective == mm.lmer(FORMULA, files).objective
        streamed = mm.lmer(FORMULA, session.read.parquet(files))
        assert streamed.objective == pytest.approx(fit.objective, rel=1e-12)
    finally:
        session.stop()
