"""The rows that a model uses, and what its formula is on them: the steps before any matrix.

Incomplete rows and rows of weight zero are dropped, then response and offset are made on the rows
that are left. The same steps are taken for a whole table and for one batch of a larger one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.evaluated import Evaluated
from mixedmodels.design.factors import Recipe
from mixedmodels.design.finite import Columns, check_finite, sources
from mixedmodels.design.frame import Table
from mixedmodels.design.missing import (
    Argument,
    MissingRows,
    OffsetSpec,
    offset_values,
    read_weights,
)
from mixedmodels.design.response import (
    Categories,
    ResponseRule,
    linear_response,
    ordered_response,
    ruled_response,
)
from mixedmodels.errors import FormulaWarning, warn
from mixedmodels.formula import Factor, FormulaSpec
from mixedmodels.formula.parts import PartSpec
from mixedmodels.values import quick


@quick
@dataclass(frozen=True, slots=True, eq=False)
class UsedRows:
    """The rows in use, and the values beside X and Z.

    Attributes:
        values: The factors of the formula on these rows.
        missing: What was dropped.
        y: (n,) response; zero where it is not read.
        w: (n,) positive weights, or None.
        n_zero_weight: Rows dropped because their weight is zero.
        offset: (n,) offset, or None.
        offset_spec: How to make it on new data.
        categories: Of an ordered response; its numbers are those of these.
    """

    values: Evaluated
    missing: MissingRows
    y: FloatArray
    w: FloatArray | None
    n_zero_weight: int
    offset: FloatArray | None
    offset_spec: OffsetSpec
    categories: Categories | None = None


def use_rows(
    spec: FormulaSpec,
    missing: MissingRows,
    weights: Argument | None,
    offset: Argument | None,
    *,
    response: bool | ResponseRule = True,
    states: Mapping[str, dict[str, Any]] | None = None,
    parts: Sequence[PartSpec] = (),
) -> UsedRows:
    """Drop the rows that a model cannot use and compute its formula on the others.

    Args:
        spec: The parsed formula.
        missing: All rows of a table, and what to do with incomplete ones.
        weights: The argument `weights`.
        offset: The argument `offset`.
        response: Whether the response is read, or which responses there may be.
        states: By key of a factor: what stateful functions in it have learnt elsewhere.
        parts: Formulas of other parameters of the response's distribution.

    Raises:
        FormulaError: The formula names what the data does not have, or cannot be computed.
        DataError: A column, the weights or the offset cannot be used; or no row is left.
    """
    rows = missing.rows
    factors = (spec.response_factor, *spec.predictors) if response else spec.predictors
    needed = columns_needed(spec, rows.table, offset, weights, response=bool(response))
    known = {factor.key for factor in factors}
    others: dict[str, str] = {}
    for part in parts:
        for factor in part.predictors:
            needed.update(dict.fromkeys(columns_of(factor, part.text, rows.table)))
            if factor.key not in known:
                others.setdefault(factor.key, part.text)
                factors = (*factors, factor)
    missing.of_columns(needed, offset, weights)
    w, n_zero_weight = read_weights(weights, rows, missing)
    values = Evaluated(spec.text, rows, states, others)
    given, keep = _evaluate(values, factors, offset, missing, announced=states is None)
    if w is not None and keep is not None:
        w = w[keep]
    categories = None
    if isinstance(response, ResponseRule) and response.ordered:
        y, categories = ordered_response(spec, values)
    elif isinstance(response, ResponseRule):
        y, w = ruled_response(response, spec, values, w)
        if w is not None and not w.all():  # rows without a trial are as if absent
            some = w > 0.0
            values.restrict(some)
            given = None if given is None else given[some]
            y, w, n_zero_weight = y[some], w[some], n_zero_weight + int((~some).sum())
    else:
        y = linear_response(spec, values) if response else np.zeros(rows.n_rows)
    total, offset_spec = _offset(spec, offset, given, values, announced=states is None)
    return UsedRows(values, missing, y, w, n_zero_weight, total, offset_spec, categories)


def columns_needed(
    spec: FormulaSpec,
    table: Table,
    offset: Argument | None,
    weights: Argument | None,
    *,
    response: bool = True,
) -> dict[str, None]:
    """The columns without a value of which a row cannot be used, in the order of the formula.

    Those of formula and offset, and a column of weights; weights that are computed from columns
    may have a value without them.

    Raises:
        FormulaError: A name is not a column of the table.
    """
    factors = (spec.response_factor, *spec.predictors) if response else spec.predictors
    needed: dict[str, None] = {}
    for factor in factors:
        for name in columns_of(factor, spec.text, table):
            needed[name] = None
    if offset is not None:
        needed.update(dict.fromkeys(offset.columns))
    if weights is not None and not weights.is_computed:
        needed.update(dict.fromkeys(weights.columns))
    return needed


def _evaluate(
    values: Evaluated,
    factors: Iterable[Factor],
    offset: Argument | None,
    missing: MissingRows,
    *,
    announced: bool,
) -> tuple[FloatArray | None, BoolArray | None]:
    """Factors and the offset argument; rows where a missing value has arisen are dropped."""
    given = None if offset is None else offset.on(missing.rows)
    masks = values.missing(factors)
    lost = dict(masks)
    if offset is not None and given is not None and np.isnan(given).any():
        masks[offset.name] = np.isnan(given)
    keep = missing.kept(masks)
    if keep is not None:
        if announced:  # of a batch, the counts of the whole source tell
            values.announce(factors, lost)
            if offset is not None and offset.name in masks:
                offset.announce(masks[offset.name], missing.rows)
        values.restrict(keep)
        given = None if given is None else given[keep]
    return given, keep


def _warn_of_twice(parts: Sequence[tuple[str, FloatArray, Columns]]) -> None:
    """Warn of an exposure that is given in two ways, so that it counts as its square."""
    for (name, part, _), (other, same, _) in combinations(parts, 2):
        if part.any() and np.array_equal(part, same):
            first = "the argument offset=" if name == "offset" else f"'{name}'"
            warn(
                f"The offset is added twice: {first} and '{other}' have the same values. Leave one "
                "of them out, unless its coefficient is known to be 2.",
                FormulaWarning,
            )


def _offset(
    spec: FormulaSpec,
    argument: Argument | None,
    given: FloatArray | None,
    values: Evaluated,
    *,
    announced: bool,
) -> tuple[FloatArray | None, OffsetSpec]:
    """The argument plus every ``offset(...)`` of the formula."""
    rows = values.rows
    needed = argument.columns if argument is not None and argument.is_computed else ()
    parts: list[tuple[str, FloatArray, Columns]] = []
    if given is not None:
        parts.append(("offset", given, lambda: needed))
    recipes = []
    for factor in spec.offsets:
        recipe = Recipe(factor, spec.text, values.states(factor))
        recipes.append(recipe)
        part = offset_values(recipe, values.value(factor), rows)
        parts.append((factor.name, part, sources(factor, spec.text, rows)))
    for name, part, columns in parts:
        check_finite(name, part, rows, columns)
    if not parts:
        return None, OffsetSpec(argument, ())
    if announced and len(parts) > 1:
        _warn_of_twice(parts)
    with np.errstate(over="ignore"):
        total = np.sum([part for _, part, _ in parts], axis=0)
    check_finite(" + ".join(name for name, _, _ in parts), total, rows)
    return total, OffsetSpec(argument, tuple(recipes))
