"""The passes over a source that make a plan: driven here, with what rows mean in `design`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedmodels.arrays import LongArray
from mixedmodels.design.asked import Asked
from mixedmodels.design.frame import FileTable
from mixedmodels.design.learning_pass import LearningPass, States
from mixedmodels.design.levels_pass import LevelsPass
from mixedmodels.design.places import Named
from mixedmodels.streaming.executor import Report, Segment
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.reading import naming_partition, tables_of, tried_again

# Rows of a batch, of a segment and of the source that the pilot frame is made of, evenly spread.
_PILOT_BATCH = 1000
_PILOT_SEGMENT = 10_000
_PILOT = 50_000
# Columns beside those of the source: where a row that is kept comes from.
_PARTITION = "\0partition"
_ROW = "\0row"


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What some segments have shown in a pass of learning.

    Attributes:
        seen: What functions have noted.
        kept: A table of rows that they are to be trained on, or None.
    """

    seen: LearningPass
    kept: Any


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What some segments have shown in the pass over levels.

    Attributes:
        seen: Levels and counts.
        kept: A table of one row for each level, or None.
        pilot: A table of rows spread over all, or None.
        rows: Rows of each partition by its key.
    """

    seen: LevelsPass
    kept: Any
    pilot: Any
    rows: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Learn:
    """One pass of learning, as work for an executor.

    Attributes:
        asked: The model.
        states: What is known.
        columns: Names of the columns that are read.
        schema: Of the source.
    """

    asked: Asked
    states: States
    columns: tuple[str, ...]
    schema: Any

    def accumulate(self, segment: Segment, report: Report) -> Learnt:
        """What a segment shows."""
        return tried_again(lambda: self._once(segment, report))  # type: ignore[no-any-return]

    def _once(self, segment: Segment, report: Report) -> Learnt:
        seen = LearningPass(self.asked, copy.deepcopy(self.states))
        kept = []
        for partition in segment.partitions:
            with naming_partition(partition):
                for table, first in tables_of(partition, self.columns, self.schema, report):
                    kept.append(_taken(table.table, seen.add(table), partition.name, first))
        return Learnt(seen, _joined(kept))

    def merge(self, first: Learnt, second: Learnt) -> Learnt:
        """What both show."""
        seen = copy.deepcopy(first.seen)
        seen.merge(second.seen)
        return Learnt(seen, _joined([first.kept, second.kept]))


@dataclass(frozen=True, slots=True, eq=False)
class FindLevels:
    """The pass over levels, as work for an executor; attributes as of `Learn`."""

    asked: Asked
    states: States
    columns: tuple[str, ...]
    schema: Any

    def accumulate(self, segment: Segment, report: Report) -> Found:
        """What a segment shows."""
        return tried_again(lambda: self._once(segment, report))  # type: ignore[no-any-return]

    def _once(self, segment: Segment, report: Report) -> Found:
        seen = LevelsPass(self.asked, copy.deepcopy(self.states))
        kept, pilot, rows = [], [], {}
        for partition in segment.partitions:
            before = seen.counts.n_read
            with naming_partition(partition):
                for table, first in tables_of(partition, self.columns, self.schema, report):
                    used, new = seen.add(table)
                    kept.append(_taken(table.table, new, partition.name, first))
                    spread = _spread(used, _PILOT_BATCH)
                    pilot.append(_taken(table.table, spread, partition.name, first))
            rows[partition.key] = seen.counts.n_read - before
        return Found(seen, _joined(kept), _thinned(pilot, _PILOT_SEGMENT), rows)

    def merge(self, first: Found, second: Found) -> Found:
        """What both show."""
        seen = copy.deepcopy(first.seen)
        kept = [first.kept]
        if second.kept is not None:
            positions = seen.merge(second.seen, table_of(second.kept))
            kept.append(second.kept.take(positions))
        else:
            seen.counts = seen.counts.merge(second.seen.counts)
        pilot = _thinned([first.pilot, second.pilot], _PILOT)
        return Found(seen, _joined(kept), pilot, first.rows | second.rows)


def table_of(kept: Any) -> FileTable:
    """Rows that were kept, with names that say where they come from."""
    partitions, rows = kept.column(_PARTITION), kept.column(_ROW)

    def name(positions: LongArray) -> Named:
        places = positions.tolist()
        where = zip(rows.take(places).to_pylist(), partitions.take(places).to_pylist(), strict=True)
        return Named([f"row {row} of {part}" for row, part in where], "counted from 0")

    return FileTable(kept.drop_columns([_PARTITION, _ROW]), name)


def _taken(table: Any, positions: LongArray, partition: str, first: int) -> Any:
    """Some rows of a batch, with where they come from; None where there are none."""
    if not len(positions):
        return None
    pa = pyarrow()
    place = pa.array(np.zeros(len(positions), dtype=np.int32))
    names = pa.DictionaryArray.from_arrays(place, pa.array([partition]))
    taken = table.take(positions)
    return taken.append_column(_PARTITION, names).append_column(_ROW, pa.array(positions + first))


def _joined(tables: Sequence[Any]) -> Any:
    """Tables below each other, without holding more than their rows; None where there are none."""
    present = [table for table in tables if table is not None]
    if not present:
        return None
    return pyarrow().concat_tables(present).combine_chunks()


def _spread(positions: LongArray, count: int) -> LongArray:
    """At most `count` of the positions, evenly spread."""
    if len(positions) <= count:
        return positions
    return positions[np.linspace(0, len(positions) - 1, count).astype(np.int64)]


def _thinned(tables: Sequence[Any], count: int) -> Any:
    joined = _joined(tables)
    if joined is None or joined.num_rows <= count:
        return joined
    return joined.take(_spread(np.arange(joined.num_rows), count))
