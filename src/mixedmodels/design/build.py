"""FormulaSpec and table to Design: the order of the steps, each of which lives in its own module.

Variables are found, incomplete rows dropped, then response, fixed part, groups and random-effects
terms are made on the rows that are left, and what cannot be identified is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mixedmodels.arrays import FloatArray
from mixedmodels.design.checks import check_identifiable, check_response
from mixedmodels.design.codes import drop_unused
from mixedmodels.design.coding import check_contrast_name
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.design import AllRows, Design, TermDesign
from mixedmodels.design.evaluated import Evaluated
from mixedmodels.design.factors import (
    Block,
    Recipe,
    train_factor,
)
from mixedmodels.design.finite import check_finite_levels, sources
from mixedmodels.design.frame import Table, as_table
from mixedmodels.design.groups import GroupingFactor, build_group, code_column, code_value
from mixedmodels.design.matrices import matrix_of_part, matrix_of_term
from mixedmodels.design.matrix import PartPlan, plan_part
from mixedmodels.design.missing import (
    MissingRows,
    read_argument,
    weights_message,
)
from mixedmodels.design.names import group_names
from mixedmodels.design.rows import Rows
from mixedmodels.design.used import use_rows
from mixedmodels.design.variables import variables_of
from mixedmodels.errors import DataError
from mixedmodels.formula import Factor, FormulaSpec, RandomTerm, Term
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
    rows = Rows(as_table(data))
    if rows.n_rows == 0:
        raise DataError("The data has no rows.")
    contrasts = {} if contrasts is None else contrasts
    _check_contrasts(contrasts, rows.table)
    given_offset = read_argument("offset", offset, rows)
    given_weights = read_argument("weights", weights, rows)
    missing = MissingRows(rows, na_action)
    used = use_rows(spec, missing, given_weights, given_offset, response=response)
    builder = _Builder(spec, used.values, contrasts)
    fixed_spec, X = builder.fixed()
    groups, terms = builder.random(fixed_spec, X)
    if response:
        check_response(spec.response, used.y)
    check_identifiable(terms, groups, rows.n_rows, residual=residual)
    messages = (missing.message, weights_message(used.n_zero_weight), *builder.level_messages())
    excluded = na_action == "exclude" and rows.kept is not None
    return Design(
        formula=spec,
        y=used.y,
        X=X,
        x_names=fixed_spec.names,
        w=used.w,
        offset=used.offset,
        groups=groups,
        terms=terms,
        n=rows.n_rows,
        n_dropped=missing.n_dropped,
        rows=rows.kept,
        index=rows.index(),
        response_name=spec.response,
        fixed_spec=fixed_spec,
        offset_spec=used.offset_spec,
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
        return plan, matrix_of_part(plan, self.blocks, self.rows)

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
        designs = []
        for term in ordered:
            for plan in _split(self.plan(term.terms), term):
                z = matrix_of_term(plan, fixed, X, self.blocks, self.rows)
                designs.append(TermDesign(places.index(term.keys), plan.names, z, plan, term))
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


def _split(plan: PartPlan, term: RandomTerm) -> Iterator[PartPlan]:
    """The term itself, or each of its columns when they are to be independent."""
    if term.correlated or len(plan.columns) == 1:
        yield plan
        return
    for name, column, origin in zip(plan.names, plan.columns, plan.terms, strict=True):
        yield PartPlan((name,), (column,), plan.recipes, (origin,))


def _check_contrasts(contrasts: Mapping[str, Any], table: Table) -> None:
    if not isinstance(contrasts, Mapping):
        raise DataError(f"contrasts must be a dict from column to contrast, not {contrasts!r:.80}.")
    for name in contrasts:
        if name not in table and "(" not in str(name):
            raise DataError(f"contrasts names '{name}', which is not a column of the data.")
        if isinstance(contrasts[name], str):
            check_contrast_name(contrasts[name], name)
