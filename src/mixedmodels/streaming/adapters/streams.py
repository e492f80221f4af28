"""Whatever gives an Arrow C stream: a relation of DuckDB, a table of Ibis, frames in memory.

Each reading starts a new stream, so the source can be read several times. A stream is one
partition; a table in memory is cut by rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.errors import DataError
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.source import Source, make_source

_PARTITION_ROWS = 1 << 20
# Rows that identify a table in memory.
_SAMPLED = 1000


@dataclass(frozen=True, slots=True)
class StreamPartition:
    """All rows of a stream."""

    key: str
    name: str
    given: Any
    rows: int | None = None

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Record batches of a new stream."""
        yield from pyarrow().RecordBatchReader.from_stream(_project(self.given, columns))

    def row_name(self, row: int) -> str:
        """The number of the row."""
        return f"row {row}"


@dataclass(frozen=True, slots=True)
class TablePartition:
    """Some rows of a table in memory."""

    key: str
    name: str
    rows: int
    table: Any
    first: int

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """The rows at once."""
        yield self.table.select(list(columns))

    def row_name(self, row: int) -> str:
        """The number of the row in the whole table."""
        return f"row {self.first + row}"


def from_stream(given: Any, *, kind: str = "", schema: Any = None) -> Source:
    """Anything with `__arrow_c_stream__`; `kind` and `schema` where the caller knows them.

    Raises:
        DataError: The stream can be read once only.
    """
    pa = pyarrow()
    kind = kind or f"{type(given).__module__.partition('.')[0]} {type(given).__name__}"
    if isinstance(given, pa.RecordBatchReader):
        raise DataError(
            "A RecordBatchReader can be read once, and a model reads its rows twice: once for "
            "levels and functions that learn, once to sum. Declare the levels of all factors by "
            "levels={'column': [...]}, or give the query or the files behind it, or a list of "
            "functions that each return a new reader, [make_reader]."
        )
    if schema is None:
        schema = pa.RecordBatchReader.from_stream(_project(given, None)).schema
    query = getattr(given, "sql_query", None)
    # What is the same in another process: the query, or the text without places in memory.
    text = query() if callable(query) else re.sub(r"0x[0-9a-fA-F]+", "", repr(given))
    key = f"{kind} {_digest(str(schema), text)}"
    return make_source(kind, schema, [StreamPartition(key, f"the {kind}", given)])


def from_table(table: Any, kind: str = "a table in memory") -> Source:
    """A `pyarrow.Table`, cut by rows."""
    places = range(0, table.num_rows, max(table.num_rows // _SAMPLED, 1))
    # `take` would unify the dictionaries of chunks, which not all types of values can be.
    rows = [table.slice(place, 1) for place in places]
    sample = pyarrow().concat_tables([table.slice(0, 0), *rows])
    mark = _digest(str(table.schema), str(table.num_rows), repr(sample.to_pydict()))
    parts = [
        TablePartition(
            f"table {mark} rows {first:012d}",
            f"rows {first} to {min(first + _PARTITION_ROWS, table.num_rows) - 1} of the table",
            min(_PARTITION_ROWS, table.num_rows - first),
            table.slice(first, _PARTITION_ROWS),
            first,
        )
        for first in range(0, max(table.num_rows, 1), _PARTITION_ROWS)
    ]
    return make_source(kind, table.schema, parts)


def _project(given: Any, columns: Sequence[str] | None) -> Any:
    """The columns alone, where the library can leave the others unread."""
    if columns is None:
        return given
    if hasattr(given, "project") and hasattr(given, "sql_query"):
        return given.project(", ".join('"' + name.replace('"', '""') + '"' for name in columns))
    select = getattr(given, "select", None)
    return select(list(columns)) if callable(select) else given


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
