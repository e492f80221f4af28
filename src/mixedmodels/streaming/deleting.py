"""Fits of sums without the rows of some levels, which are read from the source and taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import LongArray
from mixedmodels.criterion.linear import RowsElsewhere
from mixedmodels.design.batch import BatchArrays, joined
from mixedmodels.diagnostics.deletion import RowSets, influence_of_rows
from mixedmodels.diagnostics.influence import Influence
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.memory import require
from mixedmodels.naming import first_few
from mixedmodels.progress import Rows
from mixedmodels.settings import Control, InfluenceMethod
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.reading import naming_partition, tables_of
from mixedmodels.streaming.source import Source


def influence_of_source(
    fitted: Fitted,
    plan: Plan,
    counts: Sequence[LongArray],
    source: Source,
    by: Any,
    method: InfluenceMethod,
    *,
    only: Sequence[Any] | None = None,
    control: Control | None = None,
    threads: int | None = None,
) -> Influence:
    """Fits without the rows of each level; the source is read once.

    Args:
        fitted: The fit.
        plan: The plan that its sums were made by.
        counts: For each grouping factor: rows of each level in the sums.
        source: The rows that were summed.
        by: Name of a grouping factor of the model.
        method: As of `influence`.
        only: Levels to leave out; all if None.
        control: Limits of the searches.
        threads: Threads.

    Raises:
        MixedModelsError: No such grouping factor or level.
        DataError: A column is missing, or the source does not have the rows that were summed.
        ResourceError: The rows of the levels do not fit into memory.
    """
    names = [group.name for group in plan.design.groups]
    if not isinstance(by, str) or by not in names:
        raise MixedModelsError(
            f"influence: by={by!r:.60} is not a grouping factor of the model. A fit that was made "
            f"from sums leaves out levels of {' or '.join(map(repr, names))}; cooks_distance of "
            "single rows is the column .cooksd of augment(source)."
        )
    g = names.index(by)
    wanted = _wanted(by, plan.design.groups[g].levels, counts[g], only)
    source.check_usable(plan.columns)
    own, n = counts[g][wanted], int(counts[g][wanted].sum())
    require({f"{n:,} rows of the levels of '{by}'": _bytes_of_row(plan) * n}, "influence")
    number = np.full(len(counts[g]), -1, dtype=np.int64)  # of each level among those wanted
    number[wanted] = np.arange(len(wanted))
    kept = _rows_of(plan, source, g, number)
    if not kept:
        raise DataError("The source has no rows that the model uses; give the one summed.")
    rows = joined(kept)
    X, of_levels = np.asfortranarray(rows.X), np.concatenate([np.asarray(c) for c in counts])
    elsewhere = RowsElsewhere(rows.codes, rows.z, X, rows.y, rows.w, rows.offset, of_levels)
    place = number[rows.codes[g]]
    found = np.bincount(place, minlength=len(wanted))
    if (found != own).any():
        level = int(np.flatnonzero(found != own)[0])
        raise DataError(
            f"The source has {found[level]:,} rows of the level "
            f"'{plan.design.groups[g].levels[wanted[level]]}' of '{by}' and the sums "
            f"{own[level]:,}: give the source that was summed."
        )
    start = np.concatenate([[0], np.cumsum(found)]).astype(np.int64)
    labels = plan.design.groups[g].levels[wanted].rename(by)
    sets = RowSets(by, labels, start, np.argsort(place, kind="stable").astype(np.int64))
    return influence_of_rows(fitted, sets, elsewhere, method, control, threads)


def _wanted(by: str, levels: pd.Index, counts: LongArray, only: Sequence[Any] | None) -> LongArray:
    """Positions of the levels to leave out.

    Raises:
        MixedModelsError: A level that has no rows.
    """
    there = np.flatnonzero(np.asarray(counts) > 0)
    if only is None:
        return there
    chosen = [only] if isinstance(only, str) else list(only)
    at = levels.get_indexer_for(chosen)
    for label, position in zip(chosen, at, strict=False):
        if position < 0 or counts[position] == 0:
            some = first_few(list(map(repr, levels[there][:6].tolist())), 5)
            raise MixedModelsError(
                f"influence: only={label!r} is not among the {len(there):,} levels of {by!r}: "
                f"{some}."
            )
    return np.asarray(at, dtype=np.int64)


def _bytes_of_row(plan: Plan) -> float:
    design = plan.design
    columns = sum(len(term.columns) for term in design.terms) + len(design.x_names)
    return 2.0 * (8.0 * (columns + 4) + 4.0 * len(design.groups))


def _rows_of(plan: Plan, source: Source, g: int, number: LongArray) -> list[BatchArrays]:
    """The rows of levels whose number is not negative, batch by batch."""
    kept = []
    with Rows("leaving out", len(source.partitions)) as report:
        for partition in source.partitions:
            with naming_partition(partition):
                for table, _ in tables_of(partition, plan.columns, source.schema, report):
                    batch = plan.batch(table)
                    if len(batch.y):
                        kept.append(batch.of_rows(np.flatnonzero(number[batch.codes[g]] >= 0)))
            report(0, 1)
    return kept
