"""Sums of a source by a plan: what every worker does, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixedmodels._core import Sums
from mixedmodels.design.asked import Counts
from mixedmodels.errors import MixedModelsError
from mixedmodels.progress import Rows
from mixedmodels.streaming.executor import Executor, Report, Segment, cut
from mixedmodels.streaming.journal import Journal
from mixedmodels.streaming.noting import Noted
from mixedmodels.streaming.partial import Partial
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.reading import naming_partition, tables_of, tried_again
from mixedmodels.streaming.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class SumRows:
    """The pass over sums, as work for an executor.

    Attributes:
        plan: What is known of the rows.
        schema: Of the source.
        journal: Where sums of segments are kept; None where they are not.
    """

    plan: Plan
    schema: Any
    journal: Journal | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return self.plan.columns

    def accumulate(self, segment: Segment, report: Report) -> Partial:
        """The sums of a segment, from the journal where they are there."""
        found = None if self.journal is None else self.journal.read(segment)
        if found is not None:
            report(0, len(segment.partitions))
            return found
        made: Partial = tried_again(lambda: self._once(segment, report))
        if self.journal is not None:
            self.journal.write(segment, made)
        return made

    def _once(self, segment: Segment, report: Report) -> Partial:
        plan = self.plan
        sums = Sums([group.n_levels for group in plan.design.groups], plan.frame)
        counts = Counts()
        noted = Noted(plan)
        for partition in segment.partitions:
            with naming_partition(partition):
                for table, _ in tables_of(partition, plan.columns, self.schema, report):
                    batch = plan.batch(table)
                    sums.add(batch.codes, batch.z, batch.X, batch.y, batch.w, batch.offset)
                    counts = counts.merge(batch.counts)
                    noted.add(batch)
        keys = tuple(part.key for part in segment.partitions)
        return Partial(plan.id, sums, keys, counts, noted.summary)

    def merge(self, first: Partial, second: Partial) -> Partial:
        """The sums of both."""
        return first.merge(second)


def sum_source(
    plan: Plan,
    source: Source,
    executor: Executor,
    checkpoint: Any = None,
    progress: bool | None = None,
) -> Partial:
    """The sums of all rows of a source.

    Args:
        plan: What is known of the rows.
        source: The rows: those that the plan was made of, or others with its levels.
        executor: Who reads.
        checkpoint: A folder where sums of segments are kept, so that work that was stopped goes on
            where it was; None to keep none.
        progress: Show it (True), never (False), or when it takes long (None).

    Raises:
        DataError: A column is missing or cannot be used, or has levels that the plan does not have;
            naming partition and rows.
        FileError: The folder is of another plan or source, or cannot be used.
    """
    if not isinstance(plan, Plan):
        raise MixedModelsError(f"plan is {plan!r:.80}; give what plan() returns.")
    source.check_usable(plan.columns)
    rows = [plan.rows.get(part.key, part.rows) for part in source.partitions]
    segments = cut(source.partitions, rows)
    journal = (
        None if checkpoint is None else Journal.at(checkpoint, plan.id, plan.formula, segments)
    )
    work = SumRows(plan, source.schema, journal)
    with Rows("summing", len(source.partitions), shown=progress) as report:
        found: Partial = executor.map_reduce(segments, work.accumulate, work.merge, report)
    return found
