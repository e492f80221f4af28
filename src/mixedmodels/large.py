"""Data larger than memory, as users call it: a plan, sums by it, and a fit of both in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixedmodels.calls import guided
from mixedmodels.errors import MixedModelsError
from mixedmodels.memory import guarded, limited
from mixedmodels.settings import NaAction
from mixedmodels.streaming.executor import Executor, Threads
from mixedmodels.streaming.plan import Plan, asked_for, make_plan
from mixedmodels.streaming.sources import as_source


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
        executor: Who reads: `Threads(n)`, `DaskExecutor(client)`; all processors here if None.
        progress: Show it (True), never (False), or when it takes long (None).

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
    asked = asked_for(
        formula, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
    )
    with limited(memory), guarded("The plan"):
        return make_plan(asked, as_source(source), executor_of(executor), progress)


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
