"""Dask's `distributed` as an executor: workers on this machine or on others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.streaming.executor import Report, Segment, parent
from mixedmodels.streaming.packages import optional

# Seconds between two looks at what is done, and at whether an interrupt has come.
_LOOK = 0.1

T = TypeVar("T")


class DaskExecutor:
    """Workers of a cluster of Dask.

    A worker that is lost in the middle changes nothing: its segments are read again by others.

    Args:
        client: A `dask.distributed.Client`.
        retries: How often a segment is tried again after an error that is not one of its rows.
    """

    def __init__(self, client: Any, *, retries: int = 3) -> None:
        if not hasattr(client, "submit"):
            raise MixedModelsError(
                f"client is {client!r:.80}; give a dask.distributed.Client (pip install "
                "'mixedmodels[dask]')."
            )
        self._client = client
        self._retries = retries

    def __repr__(self) -> str:
        """The call that makes it."""
        return f"DaskExecutor({self._client})"

    def map_reduce(
        self,
        segments: Sequence[Segment],
        accumulate: Callable[[Segment, Report], T],
        merge: Callable[[T, T], T],
        report: Report,
    ) -> T:
        """The merged value of all segments; see `Executor`."""
        options = {"pure": False, "retries": self._retries}
        # What all segments need travels once, as a task, which is done anew where it is lost.
        shared = self._client.submit(_itself, accumulate, **options)
        leaves = [
            self._client.submit(_leaf, shared, *self._with_rows(segment, accumulate), **options)
            for segment in segments
        ]
        futures, level = list(leaves), 0
        values = leaves
        while len(values) > 1:
            values = self._above(values, level, merge, options)
            futures += values
            level += 1
        try:
            self._wait(leaves, values[0], segments, report)
            found: T | _Failed = values[0].result()
            if isinstance(found, _Failed):
                raise found.error
            return found
        except BaseException:
            with contextlib.suppress(Exception):
                self._client.cancel([shared, *futures], force=True)
            raise

    def _with_rows(self, segment: Segment, accumulate: Any) -> tuple[Any, ...]:
        """The segment, and futures of the rows of partitions that the cluster has itself."""
        columns = getattr(accumulate, "__self__", accumulate).columns
        remote = [part for part in segment.partitions if hasattr(part, "delayed")]
        if not remote:
            return segment, None
        bare = tuple(replace(part, frame=None) for part in remote)  # type: ignore[type-var]
        rows = self._client.compute([part.delayed(columns) for part in remote])
        return (Segment(segment.number, bare), rows)

    def _above(
        self, values: list[Any], level: int, merge: Callable[[T, T], T], options: dict[str, Any]
    ) -> list[Any]:
        """The next level of the tree."""
        found = []
        for number in range(0, len(values), 2):
            _, beside = parent(level, number, len(values))
            if beside is None:
                found.append(values[number])
            else:
                pair = (values[number], values[beside])
                found.append(self._client.submit(_merged, merge, *pair, **options))
        return found

    def _wait(
        self, leaves: list[Any], root: Any, segments: Sequence[Segment], report: Report
    ) -> None:
        """Report what is done until all is, or something has failed.

        Raises:
            DataError: A segment was lost together with its worker several times.
        """
        left = dict(enumerate(leaves))
        while True:
            for number, future in list(left.items()):
                if future.status == "finished":
                    if future.type is _Failed:
                        raise future.result().error
                    del left[number]
                    report(0, len(segments[number].partitions))
                elif future.status in ("error", "lost", "cancelled"):
                    self._raise(future, segments[number])
            if root.status in ("finished", "error", "lost", "cancelled"):
                return
            time.sleep(_LOOK)

    def _raise(self, future: Any, segment: Segment) -> None:
        distributed = optional("dask.distributed", "dask")
        try:
            future.result()
        except distributed.KilledWorker as error:
            names = ", ".join(part.name for part in segment.partitions[:3])
            raise DataError(
                f"Workers were lost each time while they read {names}: {error}. They may need more "
                "memory."
            ) from None


def _itself(value: T) -> T:
    return value


@dataclass(frozen=True, slots=True)
class _Failed:
    """In place of a value: the contents of a partition cannot be used, however often it is read."""

    error: MixedModelsError


def _leaf(accumulate: Callable[[Segment, Report], T], segment: Segment, rows: Any) -> T | _Failed:
    """The value of a segment, on a worker."""
    if rows is not None:
        loaded: Any = segment.partitions
        parts = [part.given(own) for part, own in zip(loaded, rows, strict=True)]
        segment = Segment(segment.number, tuple(parts))
    try:
        return accumulate(segment, _silent)
    except MixedModelsError as error:
        return _Failed(error)


def _merged(merge: Callable[[T, T], T], first: T | _Failed, second: T | _Failed) -> T | _Failed:
    """The value of two neighbours, on a worker."""
    if isinstance(first, _Failed):
        return first
    return second if isinstance(second, _Failed) else merge(first, second)


def _silent(rows: int, partitions: int) -> None:
    """Progress is reported by the process that waits."""
