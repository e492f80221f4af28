"""Fitted values, residuals and intervals of all rows of a source, streamed: one batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mixedmodels.design.batch import BatchArrays
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.model import Fitted
from mixedmodels.naming import distinct
from mixedmodels.prediction.intervals import Wanted, conditional_intervals
from mixedmodels.prediction.target import Target
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.reading import naming_partition, tables_of
from mixedmodels.streaming.source import Source

ADDED = (".fitted", ".resid", ".fixed", ".std_error", ".lower", ".upper")


def augment_source(fitted: Fitted, plan: Plan, source: Source, level: float) -> Any:
    """The rows of a source that the model uses, with the values of a fit for each.

    Args:
        fitted: The fit.
        plan: The plan that its sums were made by.
        source: The rows, with the columns that the plan reads.
        level: Coverage of the prediction intervals.

    Returns:
        A `pyarrow.RecordBatchReader`; nothing is read before it is.

    Raises:
        MixedModelsError: The level is not between 0 and 1, or a column of the plan is missing.
    """
    wanted = Wanted("prediction", level)
    absent = [name for name in plan.columns if name not in source.schema.names]
    if absent:
        raise MixedModelsError(
            f"The source ({source.kind}) has no column '{absent[0]}', which the model needs."
        )
    source.check_usable(plan.columns)
    pa = pyarrow()
    own = [source.schema.field(name) for name in plan.columns]
    names = distinct(ADDED, taken=plan.columns)
    schema = pa.schema([*own, *[pa.field(name, pa.float64()) for name in names]])

    def batches() -> Iterator[Any]:
        for partition in source.partitions:
            with naming_partition(partition):
                for table, _ in tables_of(partition, plan.columns, source.schema, _ignore):
                    arrays = plan.batch(table)
                    if not len(arrays.y):
                        continue
                    used = table.table if arrays.kept is None else table.table.take(arrays.kept)
                    added = [pa.array(v) for v in row_values(fitted, arrays, wanted)]
                    columns = [*used.select(list(plan.columns)).columns, *added]
                    yield from pa.table(columns, schema=schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def row_values(fitted: Fitted, arrays: BatchArrays, wanted: Wanted) -> list[Any]:
    """By name of `ADDED`: (n,) the values of the fit at some rows."""
    n = len(arrays.y)
    target = Target(
        index=None,
        X=arrays.X,
        offset=arrays.offset,
        weights=arrays.w,
        codes=tuple(arrays.codes),
        z=tuple(np.concatenate([np.asarray(z) for z in terms], axis=1) for terms in arrays.z),
        missing=None,
    )
    table = conditional_intervals(fitted, target, wanted, "residual", _unknown)
    fixed = np.zeros(n) if arrays.offset is None else np.array(arrays.offset)
    if arrays.X.shape[1]:
        fixed += arrays.X @ np.nan_to_num(fitted.solution.beta)
    mean, error, lower, upper = (table[name].to_numpy() for name in table)
    return [mean, arrays.y - mean, fixed, error, lower, upper]


def _ignore(rows: int, partitions: int) -> None:
    del rows, partitions


def _unknown() -> Any:
    raise AssertionError("degrees of freedom of the residuals need no covariance of theta")
