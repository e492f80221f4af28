"""A sample of the rows of a source with residuals of a fit, for pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design.batch import BatchArrays, joined
from mixedmodels.errors import DataError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.prediction.predict import predicted
from mixedmodels.progress import Rows
from mixedmodels.streaming.augmenting import target_of
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.reading import naming_partition, tables_of
from mixedmodels.streaming.source import Source

MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class SampledRows:
    """Some of the rows of a source.

    Attributes:
        arrays: Their columns in the model.
        fitted: (n,) fitted values.
        residuals: (n,) response less these.
        scaled: (n,) residuals over their standard deviation sigma / sqrt(w).
        total: Rows that the sample is of.
    """

    arrays: BatchArrays
    fitted: FloatArray
    residuals: FloatArray
    scaled: FloatArray
    total: int

    @property
    def words(self) -> str:
        """What a picture says of the rows in it."""
        if len(self.fitted) == self.total:
            return f"all {self.total:,} rows"
        return f"a sample of {len(self.fitted):,} of {self.total:,} rows"


def sampled_rows(fitted: Fitted, plan: Plan, source: Source, count: int = MOST_ROWS) -> SampledRows:
    """A sample of the rows of a source that the model uses, the same in every reading.

    A row is in it by its own random number, which depends on the key of its partition and its place
    in that.

    Args:
        fitted: The fit.
        plan: The plan that its sums were made by.
        source: The rows.
        count: How many rows, at most.

    Raises:
        DataError: A column is missing, or no row is used.
    """
    source.check_usable(plan.columns)
    kept: list[BatchArrays] = []
    numbers = np.empty(0)
    total = 0
    with Rows("sampling", len(source.partitions)) as report:
        for partition in source.partitions:
            rng = np.random.default_rng(_seed(partition.key))
            with naming_partition(partition):
                for table, _ in tables_of(partition, plan.columns, source.schema, report):
                    batch = plan.batch(table)
                    own = rng.random(len(batch.y))
                    total += len(own)
                    limit = numbers[-1] if len(numbers) == count else 1.0
                    at = np.flatnonzero(own < limit)
                    if len(at):
                        kept.append(batch.of_rows(at))
                        every = np.concatenate([numbers, own[at]])
                        order = np.argsort(every, kind="stable")[:count]
                        kept, numbers = [joined(kept).of_rows(order)], every[order]
            report(0, 1)
    if not kept:
        raise DataError("The source has no rows that the model uses.")
    arrays = kept[0]
    mean = predicted(fitted, target_of(arrays))
    left = arrays.y - mean
    scaled = (left if arrays.w is None else left * np.sqrt(arrays.w)) / fitted.solution.sigma
    return SampledRows(arrays, mean, left, scaled, total)


def _seed(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=16).digest(), "little")
