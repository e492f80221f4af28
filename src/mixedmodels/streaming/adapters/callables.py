"""A list of functions, each of which returns batches of Arrow: the way to any other library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.errors import DataError
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.reading import naming_reader, tried_again
from mixedmodels.streaming.source import Source, make_source


@dataclass(frozen=True, slots=True)
class CallablePartition:
    """The rows that one function gives."""

    key: str
    name: str
    make: Callable[[], Any]
    rows: int | None = None

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """What a new call of the function gives."""
        return batches_from(self.make(), self.name)

    def row_name(self, row: int) -> str:
        """The number of the row."""
        return f"row {row}"


def from_callables(functions: Sequence[Any]) -> Source:
    """Functions without arguments that return a table, batches of Arrow, or a stream of them.

    A function with an attribute `key` is identified by it, any other by its name and place.

    Raises:
        DataError: One is not a function, or gives nothing to read the types of the columns from.
    """
    for place, function in enumerate(functions):
        if not callable(function):
            raise DataError(
                f"The source is a list whose item {place} is {function!r:.80}; a list gives "
                "functions that return batches of Arrow."
            )
    parts = [
        CallablePartition(_key(place, function), f"function {place} of the list", function)
        for place, function in enumerate(functions)
    ]
    for part in parts:
        first = tried_again(lambda: _first_batch(part))  # noqa: B023
        if first is not None:
            return make_source(f"{len(parts)} functions", first.schema, parts)
    raise DataError("The functions of the source give no batches, so it has no columns.")


def _first_batch(part: CallablePartition) -> Any:
    with naming_reader(part):
        return next(iter(part.batches(())), None)


def batches_from(given: Any, name: str) -> Iterator[Any]:
    """Batches of anything that has them.

    Raises:
        DataError: It is something else.
    """
    pa = pyarrow()
    if isinstance(given, (pa.Table, pa.RecordBatch)):
        yield given
    elif hasattr(given, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(given)
    else:
        try:
            items = iter(given)
        except TypeError:
            raise DataError(f"{name} returns {given!r:.80}, not batches of Arrow.") from None
        for item in items:
            yield from batches_from(item, name)


def _key(place: int, function: Any) -> str:
    own = getattr(function, "key", None)
    if own is not None:
        return str(own)
    inner = getattr(function, "func", function)
    title = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{place:06d} {getattr(inner, '__module__', '')}.{title} {getattr(function, 'args', '')}"
