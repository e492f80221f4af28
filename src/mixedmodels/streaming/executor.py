"""Work on segments of a source, and the fixed tree in which their results are merged.

An executor has one method, `map_reduce`. It calls two functions: `accumulate` makes a value of a
segment, `merge` makes a new value of two neighbours. Which worker does what, in which order and how
often, does not change the result: the tree depends on the numbers of the segments alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mixedmodels.errors import MixedModelsError
from mixedmodels.settings import thread_count
from mixedmodels.streaming.source import Partition

SEGMENTS = 64
"""Segments that a source is cut into."""

# Seconds between two looks at whether an interrupt has come.
_LOOK = 0.1

T = TypeVar("T")


class Stopped(MixedModelsError):
    """Work that was given up because another part has failed or was interrupted."""


class Report(Protocol):
    """What work tells of its progress; it raises `Stopped` where the work is to end."""

    def __call__(self, rows: int, partitions: int) -> None:
        """So many more rows and partitions are done."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring partitions that one worker sums in order.

    Attributes:
        number: From 0.
        partitions: In the order of their keys.
    """

    number: int
    partitions: tuple[Partition, ...]


class Executor(Protocol):
    """Where segments are worked on."""

    def map_reduce(
        self,
        segments: Sequence[Segment],
        accumulate: Callable[[Segment, Report], T],
        merge: Callable[[T, T], T],
        report: Report,
    ) -> T:
        """The merged value of all segments.

        Args:
            segments: At least one, by number from 0.
            accumulate: Makes the value of a segment; may be sent to another process.
            merge: Makes a new value of those of two neighbours, the earlier first.
            report: Is notified of the progress.
        """


def cut(partitions: Sequence[Partition], rows: Sequence[int | None]) -> list[Segment]:
    """At most `SEGMENTS` segments with about as many rows each.

    Args:
        partitions: In the order of their keys.
        rows: Rows of each; where one is not known, all count alike.
    """
    known = [count for count in rows if count is not None]
    sizes = [max(count, 1) for count in known] if len(known) == len(rows) else [1] * len(rows)
    total, before = sum(sizes), 0
    held: dict[int, list[Partition]] = {}
    for partition, size in zip(partitions, sizes, strict=True):
        held.setdefault((2 * before + size) * SEGMENTS // (2 * total), []).append(partition)
        before += size
    return [Segment(number, tuple(held[place])) for number, place in enumerate(sorted(held))]


def parent(level: int, number: int, count: int) -> tuple[tuple[int, int], int | None]:
    """Where a value of the tree goes.

    Args:
        level: Of the value; the segments are level 0.
        number: Of the value in its level.
        count: Values in its level.

    Returns:
        Level and number of the value that it becomes, and the number of its neighbour; None where
        it has none and goes up as it is.
    """
    beside = number ^ 1
    return (level + 1, number // 2), beside if beside < count else None


class Threads:
    """Threads of this process.

    Args:
        count: How many; None for as many as there are processors.

    Examples:
        >>> import mixedmodels as mm
        >>> mm.Threads(2)
        Threads(2)
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = thread_count(count)

    @property
    def count(self) -> int:
        """Number of threads."""
        return self._count

    def __repr__(self) -> str:
        """The call that makes it."""
        return f"Threads({self._count})"

    def map_reduce(
        self,
        segments: Sequence[Segment],
        accumulate: Callable[[Segment, Report], T],
        merge: Callable[[T, T], T],
        report: Report,
    ) -> T:
        """The merged value of all segments; see `Executor`."""
        stop = threading.Event()

        def told(rows: int, partitions: int) -> None:
            if stop.is_set():
                raise Stopped("The work was stopped.")
            report(rows, partitions)

        tree = _Tree(len(segments), merge)
        pool = ThreadPoolExecutor(self._count, thread_name_prefix="mixedmodels")
        try:
            work: Any = lambda segment: tree.put(segment, accumulate(segment, told))  # noqa: E731
            found: T = _worked(pool, self._count, segments, work)
            return found
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _worked(
    pool: ThreadPoolExecutor,
    count: int,
    segments: Sequence[Segment],
    work: Callable[[Segment], Any],
) -> Any:
    """What `work` gives for the last segment that is done."""
    waiting = list(reversed(segments))
    running: set[Future[Any]] = set()
    last = None
    while waiting or running:
        while waiting and len(running) < count:
            running.add(pool.submit(work, waiting.pop()))
        # The thread that waits sees interrupts; workers see that they are to stop.
        done, running = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED)
        for future in done:
            found = future.result()
            last = found if found is not None else last
    return last


def merged_in_order(values: Sequence[T], merge: Callable[[T, T], T]) -> T:
    """The value of all segments from those of each, in their order, by the tree."""
    tree = _Tree(len(values), merge)
    found = [tree.put(Segment(number, ()), value) for number, value in enumerate(values)]
    last: T = found[-1]
    return last


class _Tree:
    """Values that wait for their neighbours.

    Args:
        count: Segments.
        merge: Makes a value of two.
    """

    def __init__(self, count: int, merge: Callable[[Any, Any], Any]) -> None:
        self._counts = [count]
        while self._counts[-1] > 1:
            self._counts.append((self._counts[-1] + 1) // 2)
        self._merge = merge
        self._lock = threading.Lock()
        self._waiting: dict[tuple[int, int], Any] = {}

    def put(self, segment: Segment, value: Any) -> Any:
        """Merge a value as far up as neighbours are there; the value of all, or None."""
        level, number = 0, segment.number
        while self._counts[level] > 1:
            above, beside = parent(level, number, self._counts[level])
            if beside is not None:
                with self._lock:
                    if (level, beside) not in self._waiting:
                        self._waiting[level, number] = value
                        return None
                    other = self._waiting.pop((level, beside))
                value = self._merge(*((value, other) if number < beside else (other, value)))
            level, number = above
        return value
