"""The design on new data: X, z, codes and offset made as they were in training.

Stateful transforms replay what they learnt, contrasts keep the training levels, and levels of a
grouping factor that were not there get code -1. What to do with those is for the caller. Only the
columns that the asked part needs have to be in the new data. No row is dropped: a missing value
makes its row NaN (or -1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mixedmodels.arrays import AnyArray, BoolArray, FloatArray, IntArray
from mixedmodels.design.columns import all_finite
from mixedmodels.design.design import Design, PartDesign, TermDesign
from mixedmodels.design.evaluate import absent_columns, columns_hint, columns_of
from mixedmodels.design.factors import CategoricalBlock, factor_values, replay_factor
from mixedmodels.design.finite import (
    NAN_THERE,
    Columns,
    infinite_in_new_rows,
    sources,
    warn_of_lost_rows,
)
from mixedmodels.design.frame import as_table
from mixedmodels.design.groups import GroupingFactor, group_labels, match_group
from mixedmodels.design.matrix import PartPlan, build_matrix
from mixedmodels.design.missing import offset_values, read_argument
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.formula import Factor

_WITHOUT = " For predictions without random effects write random='none'."
_EXPOSURE = "where it is an exposure, 1 in every row gives rates for one unit."


def new_rows(data: Any) -> Rows:
    """New data to be given to the functions below; each column is read once.

    Raises:
        DataError: not an eager table.
    """
    return Rows(as_table(data))


def check_columns(design: Design, terms: Sequence[int], rows: Rows) -> None:
    """Refuse new data that lack several columns, naming all of them; one is named where it is read.

    Args:
        design: The design.
        terms: Positions of the random-effects terms that take part.
        rows: The new data.

    Raises:
        DataError: Two columns or more are missing.
        FormulaError: One that only the random effects or the offset need is missing.
    """
    fixed = _absent(_factors(design.fixed_spec), rows)
    random: list[str] = []
    for t in terms:
        term = design.terms[t]
        random += _absent(design.groups[term.group].spec.factors, rows)
        random += _absent(_factors(term.spec), rows)
    shift = list(dict.fromkeys(_absent_of_offset(design, rows)))
    absent = list(dict.fromkeys([*fixed, *random, *shift]))
    hint = "" if fixed or not random else _WITHOUT
    if shift:
        hint += f" The offset needs {' and '.join(map(repr, shift))}; {_EXPOSURE}"
    if absent == shift and shift:
        raise FormulaError(
            f"'{shift[0]}' is not a column of the new data.{columns_hint(shift[0], rows.table)}"
            f"{hint}"
        )
    if len(absent) == 1 and random and not fixed:
        raise FormulaError(
            f"'{absent[0]}' is not a column of the new data.{columns_hint(absent[0], rows.table)}"
            f"{hint}"
        )
    if len(absent) < 2:
        return
    *most, last = (f"'{name}'" for name in absent)
    raise DataError(f"The new data do not have the columns {', '.join(most)} and {last}.{hint}")


def _absent_of_offset(design: Design, rows: Rows) -> Iterator[str]:
    """Columns of the offset that the new data lack."""
    spec = design.offset_spec
    if spec.argument is not None:
        yield from (name for name in spec.argument.columns if name not in rows.table)
    yield from _absent([recipe.factor for recipe in spec.recipes], rows)


def _factors(plan: PartPlan) -> list[Factor]:
    return [recipe.factor for recipe in plan.recipes.values()]


def _absent(factors: Iterable[Factor], rows: Rows) -> list[str]:
    """Columns that the new data lack, those inside expressions too."""
    return [name for factor in factors for name in absent_columns(factor, rows.table)]


def rebuild_fixed(design: Design, rows: Rows) -> FloatArray:
    """(n_new, p_all) X, all columns, in the order of `design.x_names`.

    Raises:
        FormulaError: a column is missing.
        DataError: a column is of another kind, or a categorical one has a level not seen before.
    """
    return _rebuild(design.fixed_spec, rows)


def rebuild_term(term: TermDesign, rows: Rows) -> FloatArray:
    """(n_new, s) z of one random-effects term; raises as `rebuild_fixed`."""
    return _rebuild(term.spec, rows)


def rebuild_part(part: PartDesign, rows: Rows) -> FloatArray:
    """(n_new, k_all) predictors of another parameter; raises as `rebuild_fixed`."""
    return _rebuild(part.plan, rows)


def rebuild_group(group: GroupingFactor, rows: Rows) -> tuple[IntArray, BoolArray | None]:
    """The level of each new row in the training order; -1 where missing or not seen before.

    Returns:
        (n_new,) levels, and (n_new,) whether a value of the factor is missing; None where none is.

    Raises:
        FormulaError: a column of the grouping factor is missing.
    """
    return match_group(group.spec, rows)


def unknown_levels(group: GroupingFactor, rows: Rows, codes: IntArray) -> list[str]:
    """Labels of the levels behind the codes -1, each once, in order of appearance; "NA" if missing.

    Args:
        group: The grouping factor.
        rows: The new data.
        codes: The levels that `rebuild_group` gave for it.
    """
    if (codes >= 0).all():
        return []
    labels = group_labels(group.spec, rows)
    return list(dict.fromkeys(labels[row] for row in np.flatnonzero(codes < 0)))


def new_weights(given: Any, rows: Rows) -> FloatArray | None:
    """(n_new,) weights for new rows: a column, an expression of columns, or values; None for None.

    Raises:
        FormulaError: an expression that cannot be understood or names no column.
        DataError: not one positive number for each row.
    """
    argument = read_argument("weights", given, rows)
    if argument is None:
        return None
    weights = argument.on(rows)
    bad = ~np.isnan(weights) & ~(np.isfinite(weights) & (weights > 0.0))
    if bad.any():
        raise DataError(
            f"weights must be finite and positive where an observation is to be predicted: "
            f"{rows.describe(bad, weights)}."
        )
    return weights


def rebuild_offset(design: Design, rows: Rows) -> FloatArray | None:
    """(n_new,) the offset, from the formula and from the expression given as `offset`.

    Raises:
        FormulaError: a column is missing.
        DataError: the offset was given as an array, so it is unknown for other rows.
    """
    argument = design.offset_spec.argument
    if argument is not None and argument.text is None:
        raise DataError(
            "The model was fitted with an offset given as an array, which says nothing about new "
            "data; give the offset as a column or an expression of columns."
        )
    parts: list[FloatArray] = []
    if argument is not None:
        needed = argument.columns if argument.is_computed else ()
        parts.append(_finite("offset", argument.on(rows), rows, lambda: needed))
    for recipe in design.offset_spec.recipes:
        value = factor_values(recipe.factor, recipe.formula, rows, recipe.states)
        values = offset_values(recipe, value, rows)
        found = sources(recipe.factor, recipe.formula, rows)
        _announce_lost(recipe.factor, [values], rows, found)
        parts.append(_finite(recipe.factor.name, values, rows, found))
    return np.sum(parts, axis=0) if parts else None


def _finite(name: str, values: AnyArray, rows: Rows, columns: Columns) -> AnyArray:
    """The values, NaN where they are infinite, which is said."""
    bad = infinite_in_new_rows(name, values, rows, columns)
    return values if bad is None else np.where(bad, np.nan, values)


def _announce_lost(
    factor: Factor, values: Sequence[AnyArray], rows: Rows, columns: Columns
) -> None:
    """Warn of new rows in which an expression has no value though its columns have theirs."""
    if factor.is_column:
        return
    absent = np.zeros(rows.n_rows, dtype=bool)
    for numbers in values:
        if numbers.dtype.kind == "f" and not all_finite(numbers):
            absent |= np.isnan(numbers)
    if absent.any():
        warn_of_lost_rows(factor.name, absent, rows, columns, NAN_THERE)


def _rebuild(plan: PartPlan, rows: Rows) -> FloatArray:
    """The columns of a part; a row is NaN where one of its factors is missing or infinite."""
    blocks = {key: replay_factor(recipe, rows) for key, recipe in plan.recipes.items()}
    matrix = build_matrix(plan, blocks, rows.n_rows)
    for key, block in blocks.items():
        if isinstance(block, CategoricalBlock):
            matrix[block.codes < 0] = np.nan
            continue
        factor = plan.recipes[key].factor
        needed = sources(factor, plan.recipes[key].formula, rows)
        _announce_lost(factor, block.values, rows, needed)
        for name, values in zip(block.names, block.values, strict=True):
            matrix[~np.isfinite(_finite(name, values, rows, needed))] = np.nan
    for j in plan.products():
        column = _finite(plan.names[j], matrix[:, j], rows, plan.sources(j, rows))
        matrix[np.isnan(column)] = np.nan
    for name in dict.fromkeys(_columns(plan, rows)):
        absent = rows.column(name).missing()
        if absent is not None:
            matrix[absent] = np.nan
    return matrix


def _columns(plan: PartPlan, rows: Rows) -> Iterable[str]:
    for recipe in plan.recipes.values():
        yield from columns_of(recipe.factor, recipe.formula, rows.table)
