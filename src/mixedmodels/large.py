"""Data larger than memory, as users call it: a plan, sums by it, and a fit of both in one call."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixedmodels.calls import guided
from mixedmodels.design.asked import Asked
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.linear import LinearMixedFit
from mixedmodels.memory import guarded, limited, require
from mixedmodels.scaleout import CrossProducts
from mixedmodels.settings import NaAction
from mixedmodels.storage.container import Unpacked
from mixedmodels.storage.files import path_text
from mixedmodels.streaming.adapters.once import OncePartition, from_stream_once, reads_once
from mixedmodels.streaming.checkpoint import planned
from mixedmodels.streaming.executor import Executor, Threads
from mixedmodels.streaming.fit_files import fit_of_sums_in
from mixedmodels.streaming.plan import Plan, make_plan, model_asked
from mixedmodels.streaming.source import Source
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source


@guided
def plan(
    formula: str,
    source: Any,
    *,
    weights: str | None = None,
    offset: str | None = None,
    contrasts: Mapping[str, Any] | None = None,
    na_action: NaAction = "omit",
    memory: Any = None,
    executor: Executor | None = None,
    progress: bool | None = None,
    levels: Mapping[str, Any] | None = None,
) -> Plan:
    """Read a source once and note what must be known of its rows before they are summed.

    These are the levels of grouping factors and categories, counts of missing values, a sample of
    rows, and what functions such as `scale` or `poly` learn, which takes one more reading.

    Args:
        formula: As for `lmer`.
        source: A path, glob or folder of Parquet, Arrow or CSV files, a `pyarrow.dataset.Dataset`,
            anything with `__arrow_c_stream__` (a DuckDB relation, an Ibis table), a Polars
            LazyFrame, a Dask or Spark DataFrame, or a list of functions that return batches of
            Arrow.
        weights: Prior weights: a column or an expression of columns.
        offset: A known addition to the linear predictor, given in the same ways.
        contrasts: Column to "treatment" (the default), "sum", "helmert", "poly" or a matrix.
        na_action: "omit" drops rows with a missing value in any variable used, "raise" refuses.
        memory: Most memory to take, such as "8GB"; a share of what is free if None.
        executor: Who reads: `Threads(n)`, `DaskExecutor(client)`, `SparkExecutor(session)`; all
            processors here if None.
        progress: Show it (True), never (False), or when it takes long (None).
        levels: Column to levels that rows may have beside those of the source: of rows that are
            added later, or of a stream that can be read once (a reader of Arrow, a generator), of
            which the plan needs some rows only.

    Returns:
        The plan; `str(plan)` says what was found, `plan.save(path)` keeps it.

    Raises:
        FormulaError: The formula cannot be understood, or names what the source does not have.
        DataError: A column cannot be used; naming the partition and the first rows.
        ModelError: The data cannot identify the model.
        FileError: Files that are not there, or cannot be read.

    Examples:
        >>> import mixedmodels as mm
        >>> found = mm.plan("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
        >>> found.n, found.levels
        (30, {'Batch': 6})
    """
    asked = model_asked(
        formula, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
    )
    with limited(memory), guarded("The plan"):
        if reads_once(source):
            raise DataError(
                "A stream that can be read once would be used up by the plan. Make the plan of "
                "some of its rows as a table, with levels=, or give the stream to lmer(); or give "
                "the query behind it, or functions that each return a new reader, [make_reader]."
            )
        return make_plan(asked, as_source(source), executor_of(executor), progress, levels)


def executor_of(given: Any, threads: int | None = None) -> Executor:
    """The executor that `executor=` asks for.

    Raises:
        MixedModelsError: Not an executor.
    """
    if given is None:
        return Threads(threads)
    if not hasattr(given, "map_reduce"):
        raise MixedModelsError(
            f"executor is {given!r:.80}; give Threads(n), DaskExecutor(client), or an object with "
            "a method map_reduce."
        )
    found: Executor = given
    return found


@guided
def cross_products(
    plan: Plan,
    source: Any,
    *,
    memory: Any = None,
    executor: Executor | None = None,
    checkpoint: Any = None,
    progress: bool | None = None,
) -> CrossProducts:
    """Sum the rows of a source by a plan: all that a fit needs of them.

    Which worker sums what, and how often it is tried, does not change a bit of the result. Sums of
    other rows by the same plan can be merged with it, so tomorrow's rows are added to yesterday's
    sums.

    Args:
        plan: What `plan` gives.
        source: The rows that the plan was made of, or others without new levels.
        memory: Most memory to take, such as "8GB"; a share of what is free if None.
        executor: Who reads: `Threads(n)`, `DaskExecutor(client)`, `SparkExecutor(session)`; all
            processors here if None.
        checkpoint: A folder where sums of parts are kept: work that was stopped, even killed, goes
            on where it was. All workers must see it.
        progress: Show it (True), never (False), or when it takes long (None).

    Returns:
        The sums, with `merge`, `save` and `fit`. Where the plan's sample of rows was unlike the
        rows, these are summed once more, and the plan of the sums is another one.

    Raises:
        DataError: A column cannot be used, or a level is not in the plan; naming the partition and
            the first rows.
        FileError: The folder of checkpoints is of another plan, or a file has changed since.

    Examples:
        >>> import mixedmodels as mm
        >>> data = mm.load_dataset("dyestuff")
        >>> found = mm.plan("Yield ~ 1 + (1 | Batch)", data)
        >>> sums = mm.cross_products(found, data)
        >>> round(sums.fit().objective, 4)
        319.6543
    """
    with limited(memory), guarded("The sums"):
        return _summed(plan, as_source(source), executor_of(executor), checkpoint, progress)


def fit_source(
    formula: str,
    data: Any,
    arguments: Mapping[str, Any],
    search: Mapping[str, Any],
    *,
    memory: Any,
    executor: Any,
    checkpoint: Any,
    threads: int | None,
    levels: Mapping[str, Any] | None = None,
) -> LinearMixedFit:
    """The fit of a source, in one call: plan, sums and search.

    Args:
        formula: The formula.
        data: The source.
        arguments: `weights`, `offset`, `contrasts` and `na_action`.
        search: What `CrossProducts.fit` takes.
        memory: As of `cross_products`.
        executor: As of `cross_products`.
        checkpoint: As of `cross_products`; the plan is kept there, too.
        threads: Threads of all steps.
        levels: As of `plan`.
    """
    sums = sum_rows(
        model_asked(formula, **arguments),
        data,
        memory=memory,
        executor=executor,
        checkpoint=checkpoint,
        threads=threads,
        levels=levels,
    )
    return sums.fit(threads=threads, memory=memory, **search)


def sum_rows(
    asked: Asked,
    data: Any,
    *,
    plan: Plan | None = None,
    memory: Any = None,
    executor: Any = None,
    checkpoint: Any = None,
    threads: int | None = None,
    levels: Mapping[str, Any] | None = None,
) -> CrossProducts:
    """Plan and sums of a source; the plan is kept with the checkpoints, and not made if given."""
    with limited(memory), guarded("The sums"):
        workers = executor_of(executor, threads)
        if reads_once(data):
            if checkpoint is not None:
                raise DataError(
                    "The rows can be read once only, so a checkpoint has nothing to go on from. "
                    "Leave checkpoint= out, or give the query or the files behind the stream."
                )
            first, source = from_stream_once(data)
            found = plan or make_plan(asked, first, workers, None, levels, part=True)
        else:
            source = as_source(data)
            found = plan or planned(asked, source, workers, checkpoint, None, levels)
        return _summed(found, source, workers, checkpoint, None)


def fit_of_file(file: Unpacked, threads: int) -> LinearMixedFit:
    """The fit of sums in a file that `fit.save` wrote.

    Raises:
        FileError: It is damaged.
        ModelError: The sums do not determine such a solution.
    """
    plan, partial, solution, optsum = fit_of_sums_in(file)
    return CrossProducts(plan, partial).restored(solution, optsum, threads)


def require_sums(plan: Plan, rows: int, threads: int) -> None:
    """Refuse sums that would not fit, before any is made.

    Levels are known. The pairs of levels that meet are at most as many as if all pairs were equally
    frequent; one sums of each thread and what two of them are merged into are held at a time.

    Raises:
        ResourceError: With the bytes of every part.
    """
    design = plan.design
    sizes = [group.n_levels for group in design.groups]
    widths = [
        sum(len(term.columns) for term in design.terms if term.group == g)
        for g in range(len(sizes))
    ]
    k, copies = len(design.x_names) + 1, 1.0 + threads
    parts = {}
    for g, (levels, s) in enumerate(zip(sizes, widths, strict=True)):
        name = f"sums of the {levels:,} levels of '{design.groups[g].name}'"
        parts[name] = copies * 8.0 * levels * s * (s + k)
    for a, b in itertools.combinations(range(len(sizes)), 2):
        all_pairs = float(sizes[a]) * sizes[b]
        pairs = -all_pairs * math.expm1(-rows / all_pairs)
        name = (
            f"about {pairs:,.0f} pairs of levels of '{design.groups[a].name}' and "
            f"'{design.groups[b].name}'"
        )
        # The sums that are merged hold fewer pairs each, about as many together as the result.
        parts[name] = 2.0 * pairs * (8.0 + 8.0 * widths[a] * widths[b])
    require(parts, "The sums over the rows", remedy=_REMEDY)


_REMEDY = (
    "Use fewer levels or terms, or sum parts of the rows that share few levels on machines with "
    "more memory."
)


def _summed(
    plan: Plan, source: Source, executor: Executor, checkpoint: Any, progress: bool | None
) -> CrossProducts:
    """The sums; once more in coordinates of all rows where those of the sample are not good."""
    if isinstance(plan, Plan):
        known = [plan.rows.get(part.key, part.rows) for part in source.partitions]
        rows = sum(plan.n if count is None else count for count in known)
        require_sums(plan, rows, getattr(executor, "count", 1))
    sums = CrossProducts(plan, sum_source(plan, source, executor, checkpoint, progress))
    again = all(not isinstance(part, OncePartition) for part in source.partitions)
    if sums.accurate or not sums.n or not again:
        return sums
    better = sums.better_plan()
    folder = None if checkpoint is None else Path(path_text(checkpoint)) / "again"
    return CrossProducts(better, sum_source(better, source, executor, folder, progress))
