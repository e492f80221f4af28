"""Two workers of Dask give the bits of one process, also where one of them is lost."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamed import Rows, bits, in_parts

import mixedmodels as mm
from mixedmodels.streaming.adapters.dask import from_dask
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.kinds import is_source
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source

# Seconds that processes may take to start where other work keeps the machine busy.
PATIENCE = 240
FORMULA = "y ~ x + scale(x) + (1 | u) + (1 | i)"


def table(n: int = 8000) -> pa.Table:
    rng = np.random.default_rng(2)
    columns = {
        "x": 1e6 + rng.standard_normal(n),
        "u": rng.integers(0, 300, n),
        "i": rng.choice(list("abcdefgh"), n),
        "y": rng.standard_normal(n),
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("dask.distributed")
    dask = pytest.importorskip("dask")
    waits = ("connect", "tcp")
    patient = {f"distributed.comm.timeouts.{name}": f"{PATIENCE}s" for name in waits}
    with warnings.catch_warnings(), dask.config.set(patient):
        # Starting and ending processes makes warnings of libraries, which are not ours.
        warnings.simplefilter("ignore")
        cluster = distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            worker_dashboard_address=None,
        )
        client = distributed.Client(cluster, timeout=PATIENCE)
        client.wait_for_workers(2, timeout=PATIENCE)
        # What the tests define is sent to the workers, which do not have it.
        cloudpickle = pytest.importorskip("cloudpickle")
        cloudpickle.register_pickle_by_value(__import__(Rows.__module__))
        cloudpickle.register_pickle_by_value(__import__("sys").modules[__name__])
        yield client
        client.close()
        cluster.close(timeout=PATIENCE)


def test_workers_give_the_bits_of_threads(client: Any) -> None:
    parts = in_parts(table(), 9)
    here = mm.plan(FORMULA, parts)
    executor = mm.DaskExecutor(client)
    there = mm.plan(FORMULA, parts, executor=executor)
    assert there.id == here.id
    expected = sum_source(here, as_source(parts), Threads(1))
    found = sum_source(there, as_source(parts), executor)
    assert bits(found.sums) == bits(expected.sums)
    assert (found.keys, found.counts) == (expected.keys, expected.counts)


@pytest.mark.filterwarnings("ignore")  # of Dask, in its own use of pandas
def test_a_dataframe_of_dask(client: Any) -> None:
    frame = pytest.importorskip("dask.dataframe").from_pandas(table().to_pandas(), npartitions=5)
    assert is_source(frame)
    plan = mm.plan(FORMULA, frame, executor=mm.DaskExecutor(client))
    assert plan.id == mm.plan(FORMULA, frame).id
    source = from_dask(frame)
    found = sum_source(plan, source, mm.DaskExecutor(client))
    expected = sum_source(plan, source, Threads(2))
    assert bits(found.sums) == bits(expected.sums)
    assert found.counts.n_read == 8000
    in_workers = frame.persist()
    assert bits(sum_source(plan, from_dask(in_workers), mm.DaskExecutor(client)).sums)


class Slow(Rows):
    """Rows that take a while."""

    def __call__(self) -> pa.Table:
        time.sleep(0.15)
        return self.table


def test_a_worker_that_is_killed(client: Any) -> None:
    parts = in_parts(table(), 10)
    plan = mm.plan(FORMULA, parts)
    expected = sum_source(plan, as_source(parts), Threads(1))
    slow = [Slow(part.table, part.key) for part in parts]

    def kill() -> None:
        time.sleep(0.5)
        os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = sum_source(plan, as_source(slow), mm.DaskExecutor(client))
    killer.join()
    assert bits(found.sums) == bits(expected.sums)
    assert found.keys == expected.keys
    client.wait_for_workers(2, timeout=PATIENCE)


class Fails(Rows):
    """Rows whose first readings fail in a way that is not theirs; a file counts."""

    def __init__(self, table: pa.Table, key: str, counter: Path, times: int) -> None:
        super().__init__(table, key)
        self.counter, self.times = counter, times

    def __call__(self) -> pa.Table:
        with self.counter.open("a") as file:
            file.write("x")
        if len(self.counter.read_text()) <= self.times:
            raise ConnectionResetError("the server hung up")
        return self.table


def test_readings_that_fail_are_tried_again(client: Any, tmp_path: Path) -> None:
    parts = in_parts(table(), 4)
    plan = mm.plan(FORMULA, parts)
    expected = sum_source(plan, as_source(parts), Threads(1))
    parts[2] = Fails(parts[2].table, parts[2].key, tmp_path / "count", 2)
    found = sum_source(plan, as_source(parts), mm.DaskExecutor(client))
    assert bits(found.sums) == bits(expected.sums)
    parts[2] = Fails(parts[2].table, parts[2].key, tmp_path / "count", 999)
    with pytest.raises(mm.DataError, match=r"function 2 of the list.*hung up \(tried 3 times\)"):
        sum_source(plan, as_source(parts), mm.DaskExecutor(client))


def test_a_poisoned_partition_is_named(client: Any) -> None:
    parts = in_parts(table(), 6)
    plan = mm.plan(FORMULA, parts)
    rows = parts[4].table.to_pandas()
    rows.loc[[7, 9], "y"] = np.nan
    rows.loc[[11, 12], "x"] = np.inf
    bad = in_parts(pd.DataFrame(rows), 1)[0]
    bad.key = parts[4].key
    parts[4] = bad
    with pytest.raises(mm.DataError, match=r"function 4 of the list: 'x' is not finite in row 11"):
        sum_source(plan, as_source(parts), mm.DaskExecutor(client))


def test_checkpoints_of_workers(client: Any, tmp_path: Path) -> None:
    parts = in_parts(table(), 6)
    plan = mm.plan(FORMULA, parts)
    executor = mm.DaskExecutor(client)
    first = sum_source(plan, as_source(parts), executor, tmp_path / "folder")
    assert len(list((tmp_path / "folder").glob("*.sums"))) == 6
    # The types of the columns are read from the first.
    others = [Fails(p.table, p.key, tmp_path / "count", 999) for p in parts[1:]]
    again = sum_source(plan, as_source([parts[0], *others]), executor, tmp_path / "folder")
    assert bits(again.sums) == bits(first.sums)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_cancels_what_workers_do(client: Any) -> None:
    parts = in_parts(table(), 60)
    plan = mm.plan(FORMULA, parts)
    slow = [Slow(part.table, part.key) for part in parts]
    sent = []

    ended = threading.Event()

    def interrupt() -> None:
        # As a user does, again: Python loses an exception that is raised in a callback of a weak
        # reference, of which Dask has many.
        while not ended.wait(0.5):
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

    def work() -> None:
        try:
            sum_source(plan, as_source(slow), mm.DaskExecutor(client))
        finally:
            ended.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        work()
    thread.join()
    assert time.perf_counter() - sent[0] < 3.0  # all of it takes 4.5 seconds on an idle machine
