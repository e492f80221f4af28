"""The rows of a source with values of a fit for each, streamed: one batch at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design.batch import BatchArrays
from mixedmodels.diagnostics.rows import RowShares, row_columns
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tables import fixed_mean, term_modes
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.memory import require
from mixedmodels.naming import distinct
from mixedmodels.prediction.intervals import Wanted, conditional_intervals
from mixedmodels.prediction.predict import predicted, residual_variance
from mixedmodels.prediction.simulate import add_effects
from mixedmodels.prediction.target import Target
from mixedmodels.settings import MODES, Modes
from mixedmodels.spelling import chosen_option
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.reading import naming_partition, tables_of
from mixedmodels.streaming.source import Source

ADDED = (
    ".fitted",
    ".resid",
    ".std_resid",
    ".hat",
    ".cooksd",
    ".fixed",
    ".offset",
    ".weights",
    ".wtres",
    ".std_error",
    ".lower",
    ".upper",
)


def augment_source(fitted: Fitted, plan: Plan, source: Source, level: float) -> Any:
    """The rows of a source that the model uses, with the values of a fit for each.

    Args:
        fitted: The fit.
        plan: The plan that its sums were made by.
        source: The rows, with the columns that the plan reads.
        level: Coverage of the prediction intervals, between 0 and 1.

    Returns:
        A `pyarrow.RecordBatchReader`; nothing is read before it is.

    Raises:
        DataError: A column of the plan is missing.
    """

    def values(arrays: BatchArrays, key: str) -> list[FloatArray]:
        del key
        return row_values(fitted, arrays, level)

    return _with_columns(plan, source, ADDED, values)


def _with_columns(
    plan: Plan,
    source: Source,
    added: Sequence[str],
    values: Callable[[BatchArrays, str], list[FloatArray]],
) -> Any:
    """The rows of a source that the model uses, and more columns of numbers.

    Args:
        plan: The plan that the sums of the fit were made by.
        source: The rows.
        added: Names of the columns; one that the source has is changed.
        values: Gives these, each (n,), of a batch and the key of its partition. It is called for
            the batches of a partition one after the other.

    Returns:
        A `pyarrow.RecordBatchReader`; nothing is read before it is.

    Raises:
        DataError: A column of the plan is missing.
    """
    source.check_usable(plan.columns)
    pa = pyarrow()
    own = [source.schema.field(name) for name in plan.columns]
    names = distinct(added, taken=plan.columns)
    schema = pa.schema([*own, *[pa.field(name, pa.float64()) for name in names]])

    def batches() -> Iterator[Any]:
        for partition in source.partitions:
            with naming_partition(partition):
                for table, _ in tables_of(partition, plan.columns, source.schema, _ignore):
                    arrays = plan.batch(table)
                    if not len(arrays.y):
                        continue
                    used = table.table if arrays.kept is None else table.table.take(arrays.kept)
                    new = [pa.array(v) for v in values(arrays, partition.key)]
                    columns = [*used.select(list(plan.columns)).columns, *new]
                    yield from pa.table(columns, schema=schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def row_values(fitted: Fitted, arrays: BatchArrays, level: float) -> list[FloatArray]:
    """By name of `ADDED`: (n,) the values of the fit at some rows.

    Variances of rows, and what is made from them, are NaN where the log-determinant is estimated.
    """
    n, solution = len(arrays.y), fitted.solution
    target = target_of(arrays)
    if solution.accuracy is None:
        table = conditional_intervals(fitted, target, Wanted(), "residual", _unknown)
        mean, error = table["prediction"].to_numpy(), table["std_error"].to_numpy()
    else:
        mean, error = predicted(fitted, target), np.full(n, np.nan)
    w = np.ones(n) if arrays.w is None else np.asarray(arrays.w)
    offset = np.zeros(n) if arrays.offset is None else np.asarray(arrays.offset)
    fixed = offset + arrays.X @ np.nan_to_num(solution.beta)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = RowShares(w * (error / solution.sigma) ** 2, np.sqrt(w) * (arrays.y - mean))
    whole = np.sqrt(error**2 + residual_variance(solution.sigma, target))
    df = np.array([float(solution.rows_less_rank)])
    found = row_columns(shares, solution, arrays.y, mean, fixed, offset, w)
    return [*found.values(), whole, *wald_limits(mean, whole, df, level)]


def target_of(arrays: BatchArrays) -> Target:
    """The rows of a batch as predictions take them."""
    return Target(
        index=None,
        X=arrays.X,
        offset=arrays.offset,
        weights=arrays.w,
        codes=tuple(arrays.codes),
        z=tuple(np.concatenate([np.asarray(z) for z in terms], axis=1) for terms in arrays.z),
        missing=None,
    )


def simulate_source(
    fitted: Fitted, plan: Plan, source: Source, nsim: int, rng: np.random.Generator, modes: Modes
) -> Any:
    """The rows of a source that the model uses, with drawn responses.

    A row's error depends on the generator, the key of its partition and its place in that, so that
    responses are the same however partitions are ordered or batches are cut.

    Args:
        fitted: The fit.
        plan: The plan that its sums were made by.
        source: The rows, with the columns that the plan reads.
        nsim: Number of responses.
        rng: What draws start from.
        modes: Whether random effects are drawn or stay at their modes.

    Returns:
        A `pyarrow.RecordBatchReader`; nothing is read before it is.

    Raises:
        MixedModelsError: A column of the plan is missing, or unknown `modes`.
        ResourceError: The random effects of all responses do not fit into memory.
    """
    modes = chosen_option("modes", modes, MODES)
    solution, templates = fitted.solution, fitted.model.templates
    require({f"{nsim} draws of {templates.q} random effects": 8.0 * nsim * templates.q}, "simulate")
    effects = _effects(fitted, nsim, rng, new=modes == "new")
    start = rng.integers(2**63, size=2).tolist()
    errors: dict[str, np.random.Generator] = {}

    def values(arrays: BatchArrays, key: str) -> list[FloatArray]:
        if key not in errors:
            errors.clear()
            errors[key] = np.random.default_rng(_of_partition(start, key))
        target, n = target_of(arrays), len(arrays.y)
        y = errors[key].standard_normal((n, nsim)).T * np.sqrt(
            np.broadcast_to(residual_variance(solution.sigma, target), n)
        )
        y += fixed_mean(target, solution.beta)
        for t, drawn in enumerate(effects):
            group = fitted.model.design.terms[t].group
            first = templates.term_offsets[t]
            z = target.z[group][:, first : first + drawn.shape[2]]
            add_effects(target.codes[group], z, drawn, y)
        return list(y)

    return _with_columns(plan, source, [f".sim{i}" for i in range(nsim)], values)


def _effects(fitted: Fitted, nsim: int, rng: np.random.Generator, *, new: bool) -> list[FloatArray]:
    """Per term (nsim, levels, s) random effects, drawn or kept."""
    solution, templates = fitted.solution, fitted.model.templates
    found = []
    for t, lam in enumerate(templates.lam(solution.theta)):
        kept = term_modes(templates, solution.b, t)
        if new:
            found.append(rng.standard_normal((nsim, *kept.shape)) @ (solution.sigma * lam).T)
        else:
            found.append(np.broadcast_to(kept, (nsim, *kept.shape)))
    return found


def _of_partition(start: list[int], key: str) -> np.random.SeedSequence:
    """The seed of the errors in a partition."""
    own = hashlib.blake2b(key.encode(), digest_size=16).digest()
    return np.random.SeedSequence([*start, int.from_bytes(own, "little")])


def _ignore(rows: int, partitions: int) -> None:
    del rows, partitions


def _unknown() -> Any:
    raise AssertionError("degrees of freedom of the residuals need no covariance of theta")
