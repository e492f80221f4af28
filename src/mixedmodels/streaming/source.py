"""What a source of rows is: a schema and partitions, each of which gives batches of Arrow.

A partition holds a path or a query, not rows, so that it can be sent to another process. Its key
identifies its contents as far as that is known without reading them: of a file the path, size and
time of the last change. All knowledge of a library that has the data is in `adapters`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mixedmodels.errors import DataError
from mixedmodels.streaming.packages import pyarrow

BATCH_ROWS = 1 << 18
"""Rows that are summed at once."""


class Partition(Protocol):
    """A part of a source that one worker reads in order.

    Attributes:
        key: Identifies its contents; unique in its source.
        name: What it is called in messages.
        rows: Number of rows, or None where it is known only after reading.
    """

    @property
    def key(self) -> str:
        """Identity of the contents."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def rows(self) -> int | None:
        """Number of rows, where known."""

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Record batches or tables of Arrow with these columns, always in the same order."""

    def row_name(self, row: int) -> str:
        """What a row is called in messages, given its number in the partition from 0."""


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that are read as often as they are needed.

    Attributes:
        kind: What it is, for messages: ``"12 files of Parquet"``.
        schema: Names and types of Arrow.
        partitions: By key, ascending.
        unusable: By name of a column that Arrow has no type for: why.
    """

    kind: str
    schema: Any
    partitions: tuple[Partition, ...]
    unusable: Mapping[str, str] = field(default_factory=dict)

    def check_usable(self, columns: Iterable[str]) -> None:
        """Refuse columns that are not there, or whose values are lost.

        Raises:
            DataError: Naming the first.
        """
        for name in columns:
            if name not in self.schema.names:
                raise DataError(
                    f"The source ({self.kind}) has no column '{name}', which the plan reads."
                )
            if name in self.unusable:
                raise DataError(
                    f"The column '{name}' cannot be made one of Arrow: {self.unusable[name]}"
                )

    def empty(self) -> Any:
        """A table of its schema without rows."""
        return self.schema.empty_table()


def make_source(kind: str, schema: Any, partitions: Sequence[Partition]) -> Source:
    """A source, its partitions in the order of their keys.

    Raises:
        DataError: There is no partition, two have one key, two columns have one name, or a name is
            not text.
    """
    try:
        names = schema.names
    except UnicodeDecodeError as error:
        raise DataError(
            f"The source ({kind}) has names of columns that are not UTF-8: {error}."
        ) from None
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"The source ({kind}) has several columns called '{twice[0]}'; rename one.")
    if not partitions:
        raise DataError(f"The source ({kind}) has no rows to read.")
    ordered = sorted(partitions, key=lambda partition: partition.key)
    for first, second in itertools.pairwise(ordered):
        if first.key == second.key:
            raise DataError(f"The source has {first.name} twice; its rows would count twice.")
    return Source(kind, _plain(schema), tuple(ordered))


def _plain(schema: Any) -> Any:
    """The schema with text of one kind: pyarrow has few functions for views."""
    pa = pyarrow()
    view = getattr(pa.types, "is_string_view", lambda _kind: False)
    fields = [pa.field(f.name, pa.large_string()) if view(f.type) else f for f in schema]
    return pa.schema(fields)


def batches_of(partition: Partition, columns: Sequence[str], schema: Any) -> Iterator[Any]:
    """Tables of `BATCH_ROWS` rows, whatever the sizes that the partition gives; the last is less.

    Args:
        partition: What to read.
        columns: Names.
        schema: The types that they are to have.

    Raises:
        DataError: A column has another type than the schema says.
    """
    pa = pyarrow()
    wanted = pa.schema([schema.field(name) for name in columns])
    held: list[Any] = []
    size = 0
    for batch in partition.batches(columns):
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        table = _as_wanted(table, columns, wanted)
        while table.num_rows:
            part = table.slice(0, BATCH_ROWS - size)
            held.append(part)
            size += part.num_rows
            table = table.slice(part.num_rows)
            if size == BATCH_ROWS:
                yield pa.concat_tables(held)
                held, size = [], 0
    if size:
        yield pa.concat_tables(held)


def _as_wanted(table: Any, columns: Sequence[str], wanted: Any) -> Any:
    """The columns in order, with the types of the source; dictionaries may differ by batch."""
    absent = [name for name in columns if name not in table.column_names]
    if absent:
        raise DataError(f"Here the column '{absent[0]}' is missing.")
    table = table.select(list(columns))
    if table.schema.equals(wanted):
        return table
    pa = pyarrow()
    try:
        return table.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        found = next(
            name for name in columns if table.schema.field(name).type != wanted.field(name).type
        )
        kinds = (table.schema.field(found).type, wanted.field(found).type)
        raise DataError(
            f"Here the column '{found}' has type {kinds[0]}, which does not fit the {kinds[1]} of "
            f"the source: {error}"
        ) from None
