"""Spark as an executor: every task sums a segment of files that the workers can read."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.streaming.executor import Report, Segment, merged_in_order

# What the modules of the exceptions of Spark begin with.
_ROOTS = {"py4j", "pyspark"}

T = TypeVar("T")


class SparkExecutor:
    """Workers of a cluster of Spark, which need this package and must see the files.

    The sums of the segments are merged here, in the same tree as everywhere, so that the result is
    that of threads to the last bit. Progress is shown by Spark.

    Args:
        session: A `pyspark.sql.SparkSession` that is not one of Spark Connect.
    """

    def __init__(self, session: Any) -> None:
        self._context: Any = getattr(session, "sparkContext", None)
        if not hasattr(self._context, "parallelize"):
            raise MixedModelsError(
                f"session is {session!r:.80}; give a pyspark.sql.SparkSession with a sparkContext "
                "(a session of Spark Connect has none)."
            )

    def __repr__(self) -> str:
        """The call that makes it."""
        return f"SparkExecutor({self._context.master})"

    def map_reduce(
        self,
        segments: Sequence[Segment],
        accumulate: Callable[[Segment, Report], T],
        merge: Callable[[T, T], T],
        report: Report,
    ) -> T:
        """The merged value of all segments; see `Executor`."""
        try:
            pickle.dumps(segments[0])
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise DataError(
                f"{segments[0].partitions[0].name} cannot be sent to workers of Spark ({error}). "
                "Give files that they can read, or sum in the tasks of a DataFrame (see the page "
                "on large data)."
            ) from None
        shared = self._context.broadcast(accumulate)
        try:
            tasks = self._context.parallelize(list(segments), len(segments))
            found: list[T | MixedModelsError] = tasks.map(
                lambda segment: _leaf(shared.value, segment)
            ).collect()
        except Exception as error:
            if _ROOTS.isdisjoint(type(error).__module__.split(".")):
                raise
            raise MixedModelsError(_failed(error)) from None
        finally:
            shared.destroy()
        values: list[T] = []
        for value in found:
            if isinstance(value, MixedModelsError):
                raise value
            values.append(value)
        report(0, sum(len(segment.partitions) for segment in segments))
        return merged_in_order(values, merge)


def _failed(error: Exception) -> str:
    """What ended the work, from the last lines of Python in Spark's long text, and a remedy."""
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Killed)\b.*: ", line)]
    cause = causes[0] if causes else next(filter(None, lines), type(error).__name__)
    if "No module named" in cause or "PYTHON_VERSION_MISMATCH" in str(error):
        remedy = (
            "The workers need a Python with this package: name it by the environment variable "
            "PYSPARK_PYTHON or the option spark.pyspark.python before the session is made."
        )
    else:
        remedy = "Spark tried the task as often as spark.task.maxFailures says; see its log."
    return f"Spark could not sum the rows: {cause[:500]}. {remedy}"


def _leaf(accumulate: Callable[[Segment, Report], T], segment: Segment) -> T | MixedModelsError:
    """The value of a segment, on a worker; an error that lies in its rows, which is not retried."""
    try:
        return accumulate(segment, _silent)
    except MixedModelsError as error:
        return error


def _silent(rows: int, partitions: int) -> None:
    """Spark shows the progress."""
