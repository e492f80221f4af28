"""Segments, the tree of merges, interrupts and errors of work in threads."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamed import Rows, bits, in_parts, summed

import mixedmodels as mm
from mixedmodels.streaming.executor import SEGMENTS, Segment, Threads, cut
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source

FORMULA = "y ~ x + (x | g) + (1 | h)"


def data(n: int = 6000) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "x": 10.0 + rng.standard_normal(n),
            "g": rng.integers(0, 60, n),
            "h": rng.integers(0, 25, n),
            "y": rng.standard_normal(n),
        }
    )


@dataclass(frozen=True)
class Named:
    key: str


@given(rows=st.lists(st.one_of(st.integers(0, 10**6), st.none()), min_size=1, max_size=300))
def test_segments_have_every_partition_once_in_order(rows: list[int | None]) -> None:
    partitions: list[Any] = [Named(f"{number:04d}") for number in range(len(rows))]
    segments = cut(partitions, rows)
    assert [segment.number for segment in segments] == list(range(len(segments)))
    assert len(segments) <= SEGMENTS
    joined = [part for segment in segments for part in segment.partitions]
    assert joined == partitions


def test_segments_have_about_as_many_rows_each() -> None:
    rows = [1000] * 640
    partitions: list[Any] = [Named(f"{number:04d}") for number in range(len(rows))]
    assert {len(segment.partitions) for segment in cut(partitions, rows)} == {10}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_the_tree_depends_on_numbers_alone(count: int) -> None:
    """Whatever takes long, the brackets of the merges are the same."""
    segments = [Segment(number, ()) for number in range(count)]
    found = set()
    for seed, threads in itertools.product(range(3), (1, 2, 4)):
        pauses = np.random.default_rng(seed).random(count) / 100

        def accumulate(segment: Segment, _report: Any, pauses: Any = pauses) -> str:
            time.sleep(pauses[segment.number])
            return str(segment.number)

        found.add(
            Threads(threads).map_reduce(
                segments, accumulate, lambda a, b: f"({a} {b})", lambda _r, _p: None
            )
        )
    assert len(found) == 1
    numbers = found.pop().replace("(", "").replace(")", "").split()
    assert numbers == [str(number) for number in range(count)]


def test_sums_are_the_same_bits_for_any_number_of_threads() -> None:
    parts = in_parts(data(), 11)
    plan, partial = summed(FORMULA, parts, threads=1)
    for threads, order in ((2, 1), (4, -1)):
        again = sum_source(plan, as_source(parts[::order]), Threads(threads))
        assert bits(again.sums) == bits(partial.sums)
        assert again.keys == partial.keys
        assert again.counts == partial.counts


class Faulty(Rows):
    """Rows of which one reading in three fails."""

    calls = 0

    def __call__(self) -> Any:
        Faulty.calls += 1
        if Faulty.calls % 3 == 1:
            raise ConnectionResetError("the server hung up")
        return super().__call__()


def test_a_reading_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixedmodels.streaming.reading._PAUSE", 0.001)
    parts = in_parts(data(), 4)
    plan, partial = summed(FORMULA, parts)
    faulty = [Faulty(part.table, part.key) for part in parts]
    again = sum_source(plan, as_source([*parts[:1], *faulty[1:]]), Threads(1))
    assert Faulty.calls > 3
    assert bits(again.sums) == bits(partial.sums)


def test_a_reading_that_always_fails_names_the_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixedmodels.streaming.reading._PAUSE", 0.001)

    def broken() -> Any:
        raise TimeoutError("no answer")

    broken.key = "part 099"  # type: ignore[attr-defined]
    parts = in_parts(data(), 3)
    plan, _ = summed(FORMULA, parts)
    message = r"function 3 of the list cannot be read: no answer \(tried 3 times\)"
    with pytest.raises(mm.DataError, match=message):
        sum_source(plan, as_source([*parts, broken]), Threads(2))


def test_other_errors_of_a_reading_name_the_partition() -> None:
    def broken() -> Any:
        yield parts[0].table
        raise KeyError("lost")

    parts = in_parts(data(), 3)
    plan, _ = summed(FORMULA, parts)
    message = r"function 1 of the list cannot be read \(KeyError: 'lost'\)"
    with pytest.raises(mm.DataError, match=message):
        sum_source(plan, as_source([parts[0], broken]), Threads(2))


def test_a_poisoned_partition_is_named_with_its_rows() -> None:
    parts = in_parts(data(), 4)
    plan, _ = summed(FORMULA, parts)
    table = parts[2].table.to_pandas()
    table.loc[[3, 40], "y"] = np.inf
    bad = in_parts(table, 1)[0]
    bad.key = "part 002"
    parts[2] = bad
    message = r"function 2 of the list: 'y' is not finite in row 3 \(inf\), row 40 \(inf\)"
    with pytest.raises(mm.DataError, match=message):
        sum_source(plan, as_source(parts), Threads(2))


class Slow(Rows):
    """Rows that come in small batches with pauses."""

    read = 0

    def __call__(self) -> Any:
        for batch in self.table.to_batches(100):
            Slow.read += 1
            time.sleep(0.02)
            yield batch


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_the_work_within_a_second(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixedmodels.streaming.source.BATCH_ROWS", 100)
    parts = in_parts(data(), 4)
    plan, _ = summed(FORMULA, parts)
    slow = as_source([Slow(part.table, part.key) for part in parts])
    times = []

    def interrupt() -> None:
        times.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sum_source(plan, slow, Threads(threads))
    assert time.perf_counter() - times[0] < 1.0
    before = Slow.read
    time.sleep(0.1)
    assert Slow.read == before  # no thread goes on
    again = sum_source(plan, as_source(parts), Threads(2))
    assert again.counts.n == 6000


def test_what_is_not_an_executor() -> None:
    with pytest.raises(mm.MixedModelsError, match="client is 3; give a dask"):
        mm.DaskExecutor(3)
    with pytest.raises(mm.MixedModelsError, match="threads is 0"):
        mm.Threads(0)
    assert repr(mm.Threads(2)) == "Threads(2)"
