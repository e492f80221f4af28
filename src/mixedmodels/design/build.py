"""FormulaSpec and table to Design: the order of the steps, each of which lives in its own module.

Variables are found, incomplete rows dropped, then response, fixed part, groups and random-effects
terms are made on the rows that are left, and what cannot be identified is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design.checks import check_identifiable, check_response
from mixedmodels.design.codes import TRUTH_LEVELS, drop_unused
from mixedmodels.design.coding import check_contrast_name
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.design import AllRows, Design, TermDesign
from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.evaluated import Evaluated
from mixedmodels.design.factors import (
    Block,
    NumericBlock,
    Recipe,
    train_factor,
)
from mixedmodels.design.finite import Columns, check_finite, check_finite_levels, sources
from mixedmodels.design.frame import Table, as_table
from mixedmodels.design.groups import GroupingFactor, build_group, code_column, code_value
from mixedmodels.design.levels import kind_of_times
from mixedmodels.design.matrix import ColumnPlan, PartPlan, build_matrix, ones, plan_part
from mixedmodels.design.missing import (
    Argument,
    MissingRows,
    OffsetSpec,
    offset_values,
    read_argument,
    read_weights,
)
from mixedmodels.design.names import group_names
from mixedmodels.design.rows import Rows
from mixedmodels.design.stray import strays
from mixedmodels.design.variables import variables_of
from mixedmodels.errors import DataError, FormulaWarning, warn
from mixedmodels.formula import Factor, FormulaSpec, RandomTerm, Term
from mixedmodels.formula.tokens import shorten
from mixedmodels.settings import NA_ACTIONS, NaAction, check_option


def build_design(
    spec: FormulaSpec,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    na_action: NaAction = "omit",
    residual: bool = True,
    response: bool = True,
) -> Design:
    """Make the design of a mixed model from a parsed formula and a table.

    Args:
        spec: The parsed formula.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified.
        weights: Prior weights: a column, an expression of columns, or one value per row of `data`.
        offset: The same for a known addition to the linear predictor.
        contrasts: Column (or factor as written) to "treatment", "sum", "helmert", "poly" or a
            matrix (levels x columns); treatment for all others.
        na_action: "omit" drops rows with a missing value in any variable used, "exclude" does so
            and keeps their places for results by row, "raise" refuses.
        residual: Whether the model has a residual variance of its own (linear models); without,
            one level per row is allowed.
        response: Whether the response is read; it is zero otherwise, and need not be in the data.

    Returns:
        The design on the rows used.

    Raises:
        FormulaError: the formula names what the data does not have, or cannot be computed.
        DataError: a column, the weights or the offset cannot be used.
        ModelError: a random-effects term cannot be identified.

    Example:
        >>> from mixedmodels import load_dataset
        >>> from mixedmodels.formula import parse_formula
        >>> spec = parse_formula("Reaction ~ Days + (Days | Subject)")
        >>> design = build_design(spec, load_dataset("sleepstudy"))
        >>> design.n, design.x_names, design.groups[0].n_levels
        (180, ('(Intercept)', 'Days'), 18)
    """
    check_option("na_action", na_action, NA_ACTIONS)
    for power in spec.powers:
        warn(
            f"'{shorten(power)}' adds nothing to the formula: as in R, a power of one term is the "
            f"term itself. For a power of its numbers write I({shorten(power)}).",
            FormulaWarning,
        )
    rows = Rows(as_table(data))
    if rows.n_rows == 0:
        raise DataError("The data has no rows.")
    contrasts = {} if contrasts is None else contrasts
    _check_contrasts(contrasts, rows.table)
    given_offset = read_argument("offset", offset, rows)
    given_weights = read_argument("weights", weights, rows)
    factors = (spec.response_factor, *spec.predictors) if response else spec.predictors
    missing = MissingRows(rows, na_action)
    needed = dict.fromkeys(_columns(factors, spec, rows.table))
    needed.update(dict.fromkeys(given_offset.columns if given_offset else ()))
    missing.of_columns(needed, given_offset)
    w, weights_message = read_weights(given_weights, rows, missing)
    values, given, keep = _evaluate(spec, factors, given_offset, rows, missing)
    if w is not None and keep is not None:
        w = w[keep]
    y = _response(spec, values) if response else np.zeros(rows.n_rows)

    total_offset, offset_spec = _offset(spec, given_offset, given, values)
    builder = _Builder(spec, values, contrasts)
    fixed_spec, X = builder.fixed()
    groups, terms = builder.random(fixed_spec, X)
    if response:
        check_response(spec.response, y)
    check_identifiable(terms, groups, rows.n_rows, residual=residual)
    messages = (missing.message, weights_message, *builder.level_messages())
    excluded = na_action == "exclude" and rows.kept is not None
    return Design(
        formula=spec,
        y=y,
        X=X,
        x_names=fixed_spec.names,
        w=w,
        offset=total_offset,
        groups=groups,
        terms=terms,
        n=rows.n_rows,
        n_dropped=missing.n_dropped,
        rows=rows.kept,
        index=rows.index(),
        response_name=spec.response,
        fixed_spec=fixed_spec,
        offset_spec=offset_spec,
        variables=variables_of(spec, rows, fixed_spec),
        messages=tuple(message for message in messages if message),
        all_rows=AllRows(rows.table.n_rows, rows.table.index) if excluded else None,
    ).freeze()


class _Builder:
    """Makes the parts of one design; every factor is evaluated once."""

    def __init__(self, spec: FormulaSpec, values: Evaluated, contrasts: Mapping[str, Any]) -> None:
        self.spec = spec
        self.values = values
        self.rows = values.rows
        self.contrasts = contrasts
        self.blocks: dict[str, Block] = {}
        self.recipes: dict[str, Recipe] = {}
        self.codes: dict[str, CategoricalColumn] = {}
        self.unused: dict[str, int] = {}

    def plan(self, terms: tuple[Term, ...]) -> PartPlan:
        for factor in (factor for term in terms for factor in term.factors):
            if factor.key not in self.blocks:
                values = self.values
                values.check_finite(factor)
                block, recipe = train_factor(
                    factor,
                    self.spec.text,
                    values.value(factor),
                    values.states(factor),
                    self.rows,
                    self.contrasts,
                )
                self.blocks[factor.key], self.recipes[factor.key] = block, recipe
                self.unused[factor.name] = block.n_unused
        return plan_part(terms, self.blocks, self.recipes)

    def fixed(self) -> tuple[PartPlan, FloatArray]:
        plan = self.plan(self.spec.terms)
        return plan, self.matrix(plan)

    def random(
        self, fixed: PartPlan, X: FloatArray
    ) -> tuple[tuple[GroupingFactor, ...], tuple[TermDesign, ...]]:
        groupings = {term.keys: term.grouping for term in self.spec.random}
        names = group_names(tuple(groupings.values()))
        found = {
            keys: self.group(name, grouping)
            for name, (keys, grouping) in zip(names, groupings.items(), strict=True)
        }
        ordered = sorted(self.spec.random, key=lambda term: -found[term.keys].n_levels)
        places = list(dict.fromkeys(term.keys for term in ordered))
        where = {column: position for position, column in enumerate(fixed.columns)}
        designs = [
            TermDesign(places.index(term.keys), plan.names, self.z(plan, where, X), plan, term)
            for term in ordered
            for plan in _split(self.plan(term.terms), term)
        ]
        return tuple(found[keys] for keys in places), tuple(designs)

    def group(self, name: str, grouping: tuple[Factor, ...]) -> GroupingFactor:
        used = [self.coded(factor) for factor in grouping]
        states = tuple(self.values.states(factor) for factor in grouping)
        return build_group(name, grouping, self.spec.text, used, states)

    def coded(self, factor: Factor) -> CategoricalColumn:
        """A grouping factor on the rows in use, without unused levels."""
        if factor.key not in self.codes:
            if factor.is_column:
                column = code_column(factor.name, self.rows)
            else:
                column = code_value(factor, self.spec.text, self.values.value(factor))
            self.codes[factor.key] = used = drop_unused(column)
            needed = sources(factor, self.spec.text, self.rows)
            check_finite_levels(factor.name, used, self.rows, needed)
            self.unused[factor.name] = len(column.levels) - len(used.levels)
        return self.codes[factor.key]

    def level_messages(self) -> Iterator[str]:
        for name, count in self.unused.items():
            if count:
                yield f"{count} unused level{'s' if count > 1 else ''} of '{name}' dropped."

    def z(self, plan: PartPlan, where: dict[ColumnPlan, int], X: FloatArray) -> FloatArray:
        """The columns of a term: without memory where they are 1, or stand in X side by side."""
        n_rows = self.rows.n_rows
        if plan.columns == ((),):
            return ones(n_rows)
        first = where.get(plan.columns[0], -1)
        width = len(plan.columns)
        if first >= 0 and all(
            where.get(column) == first + shift for shift, column in enumerate(plan.columns)
        ):
            return X[:, first : first + width]
        return self.matrix(plan)

    def matrix(self, plan: PartPlan) -> FloatArray:
        matrix = build_matrix(plan, self.blocks, self.rows.n_rows)
        for j in plan.products():
            check_finite(plan.names[j], matrix[:, j], self.rows, plan.sources(j, self.rows))
        return matrix


def _split(plan: PartPlan, term: RandomTerm) -> Iterator[PartPlan]:
    """The term itself, or each of its columns when they are to be independent."""
    if term.correlated or len(plan.columns) == 1:
        yield plan
        return
    for name, column, origin in zip(plan.names, plan.columns, plan.terms, strict=True):
        yield PartPlan((name,), (column,), plan.recipes, (origin,))


def _columns(factors: Iterable[Factor], spec: FormulaSpec, table: Table) -> Iterator[str]:
    """Columns that factors need, with repetitions.

    Raises:
        FormulaError: a name is not a column of the table.
    """
    for factor in factors:
        yield from columns_of(factor, spec.text, table)


def _evaluate(
    spec: FormulaSpec,
    factors: Iterable[Factor],
    offset: Argument | None,
    rows: Rows,
    missing: MissingRows,
) -> tuple[Evaluated, FloatArray | None, BoolArray | None]:
    """Factors and the offset argument; rows where a missing value has arisen are dropped."""
    values = Evaluated(spec.text, rows)
    given = None if offset is None else offset.on(rows)
    masks = values.missing(factors)
    lost = dict(masks)
    if offset is not None and given is not None and np.isnan(given).any():
        masks[offset.name] = np.isnan(given)
    keep = missing.kept(masks)
    if keep is not None:
        values.announce(factors, lost)
        if offset is not None and offset.name in masks:
            offset.announce(masks[offset.name], rows)
        values.restrict(keep)
        given = None if given is None else given[keep]
    return values, given, keep


def _response(spec: FormulaSpec, values: Evaluated) -> FloatArray:
    value = values.value(spec.response_factor)
    name = spec.response
    if isinstance(value, CategoricalColumn) and value.levels is TRUTH_LEVELS:
        value = NumericBlock((name,), (value.codes,))
    if not isinstance(value, NumericBlock):
        times = kind_of_times(value.levels) if isinstance(value, CategoricalColumn) else None
        if times is not None:
            raise DataError(
                f"The response '{name}' has {times}; make a number of it (say, days since the "
                "first)."
            )
        found = strays(name, value, values.rows.names_at)
        if found:
            raise DataError(f"The response is not numeric: {found}")
        raise DataError(
            f"The response '{name}' is not numeric; a linear model needs numbers. Two categories "
            "call for a generalized model (R's glmer), which is not here yet; coded as 0 and 1 "
            "they can be fitted as shares."
        )
    if len(value.values) != 1:
        raise DataError(f"The response '{name}' has {len(value.values)} columns; it must have one.")
    values.check_finite(spec.response_factor)
    return np.array(value.values[0], dtype=np.float64)


def _offset(
    spec: FormulaSpec, argument: Argument | None, given: FloatArray | None, values: Evaluated
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
    with np.errstate(over="ignore"):
        total = np.sum([part for _, part, _ in parts], axis=0)
    check_finite(" + ".join(name for name, _, _ in parts), total, rows)
    return total, OffsetSpec(argument, tuple(recipes))


def _check_contrasts(contrasts: Mapping[str, Any], table: Table) -> None:
    if not isinstance(contrasts, Mapping):
        raise DataError(f"contrasts must be a dict from column to contrast, not {contrasts!r:.80}.")
    for name in contrasts:
        if name not in table and "(" not in str(name):
            raise DataError(f"contrasts names '{name}', which is not a column of the data.")
        if isinstance(contrasts[name], str):
            check_contrast_name(contrasts[name], name)
