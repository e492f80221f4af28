"""Streams that can be read once: readers of Arrow, generators of batches.

Their first rows are held, so that a plan can be made of these; then all rows are summed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.errors import DataError
from mixedmodels.streaming.adapters.callables import batches_from
from mixedmodels.streaming.adapters.streams import from_table
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.source import Source, make_source

# Rows that a plan is made of.
_HELD = 100_000
_AGAIN = (
    "The stream has been read already, and it can be read once only. Give the query or the files "
    "behind it, or a list of functions that each return a new reader, [make_reader]."
)


def reads_once(data: Any) -> bool:
    """Whether data are a stream that is used up by reading."""
    if type(data).__module__.partition(".")[0] == "pyarrow":
        return type(data).__name__ == "RecordBatchReader"
    return isinstance(data, Iterator)


class Once:
    """The batches of a stream: the first ones held, the others still to come."""

    def __init__(self, data: Any) -> None:
        self._batches = batches_from(data, "the stream")
        self._held: list[Any] | None = []
        rows = 0
        while rows < _HELD:
            batch = next(self._batches, None)
            if batch is None:
                break
            self._held.append(batch)
            rows += batch.num_rows
        if not self._held:
            raise DataError("The stream gives no batches, so it has no columns.")

    def first(self) -> Any:
        """The rows held, as a table."""
        pa = pyarrow()
        held = self._held or []
        tables = [b if isinstance(b, pa.Table) else pa.Table.from_batches([b]) for b in held]
        return pa.concat_tables(tables, promote_options="none")

    def __iter__(self) -> Iterator[Any]:
        held, self._held = self._held, None
        if held is None:
            raise DataError(_AGAIN)
        yield from held
        yield from self._batches


@dataclass(frozen=True, slots=True)
class OncePartition:
    """All rows of a stream."""

    key: str
    name: str
    stream: Once
    rows: int | None = None

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """The batches; a second time is refused."""
        del columns
        return iter(self.stream)

    def row_name(self, row: int) -> str:
        """The number of the row."""
        return f"row {row}"


def from_stream_once(data: Any) -> tuple[Source, Source]:
    """A source of the first rows, and one of all, which can be read once.

    Raises:
        DataError: The stream has no batches.
    """
    stream = Once(data)
    table = stream.first()
    first = from_table(table.slice(0, _HELD), "the first rows of a stream")
    mark = first.partitions[0].key.partition(" rows ")[0]
    whole = OncePartition(f"stream that begins as {mark}", "the stream", stream)
    return first, make_source("a stream", table.schema, [whole])
