"""The parts of a design from its factors on the rows in use: each factor is evaluated once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mixedmodels.arrays import FloatArray
from mixedmodels.design.codes import drop_unused
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.design import PartDesign, TermDesign
from mixedmodels.design.evaluated import Evaluated
from mixedmodels.design.factors import Block, Recipe, train_factor
from mixedmodels.design.finite import check_finite_levels, sources
from mixedmodels.design.groups import GroupingFactor, build_group, code_column, code_value
from mixedmodels.design.matrices import matrix_of_part, matrix_of_term
from mixedmodels.design.matrix import PartPlan, plan_part
from mixedmodels.errors import FormulaError
from mixedmodels.formula import Factor, FormulaSpec, RandomTerm, Term
from mixedmodels.formula.parts import PartSpec


class Builder:
    """Makes the parts of one design.

    Args:
        spec: The formula.
        values: Its factors on the rows in use.
        contrasts: Column or factor to contrast.
    """

    def __init__(self, spec: FormulaSpec, values: Evaluated, contrasts: Mapping[str, Any]) -> None:
        self.spec = spec
        self.text = spec.text
        self.values = values
        self.rows = values.rows
        self.contrasts = contrasts
        self.blocks: dict[str, Block] = {}
        self.recipes: dict[str, Recipe] = {}
        self.codes: dict[str, CategoricalColumn] = {}
        self.unused: dict[str, int] = {}

    def plan(self, terms: tuple[Term, ...]) -> PartPlan:
        """The columns of some terms; raises as `train_factor` and `plan_part`."""
        for factor in (factor for term in terms for factor in term.factors):
            if factor.key not in self.blocks:
                values = self.values
                values.check_finite(factor)
                block, recipe = train_factor(
                    factor,
                    self.text,
                    values.value(factor),
                    values.states(factor),
                    self.rows,
                    self.contrasts,
                )
                self.blocks[factor.key], self.recipes[factor.key] = block, recipe
                self.unused[factor.name] = block.n_unused
        return plan_part(terms, self.blocks, self.recipes)

    def fixed(self, *, intercept: bool = True) -> tuple[PartPlan, FloatArray]:
        """The columns of the fixed part, and (n, p_all) X.

        Args:
            intercept: Whether the intercept has a column. Where others stand for it, factors are
                coded as beside one all the same.

        Raises:
            FormulaError: It is not in the formula, which has no meaning where others stand for it.
        """
        plan = self.plan(self.spec.terms)
        if not intercept:
            if all(term.factors for term in self.spec.terms):
                raise FormulaError(
                    "The thresholds of an ordered response stand for the intercept; leave 0 and -1 "
                    "out.",
                    self.spec.text,
                    0,
                    len(self.spec.text),
                )
            plan = plan.without_intercept()
        return plan, matrix_of_part(plan, self.blocks, self.rows)

    def part(self, spec: PartSpec) -> PartDesign:
        """The columns of a formula of another parameter, of factors evaluated with the others."""
        own = Builder(self.spec, self.values, self.contrasts)
        own.text = spec.text
        plan = own.plan(spec.terms)
        self.unused.update(own.unused)
        return PartDesign(spec, matrix_of_part(plan, own.blocks, self.rows), plan.names, plan)

    def random(
        self, fixed: PartPlan, X: FloatArray
    ) -> tuple[tuple[GroupingFactor, ...], tuple[TermDesign, ...]]:
        """Grouping factors and random-effects terms, given the fixed part and X."""
        found = {keys: self.group(name, grouping) for name, keys, grouping in self.spec.groupings}
        ordered = sorted(self.spec.random, key=lambda term: -found[term.keys].n_levels)
        places = list(dict.fromkeys([term.keys for term in ordered]))
        designs = []
        for term in ordered:
            for plan in _split(self.plan(term.terms), term):
                z = matrix_of_term(plan, fixed, X, self.blocks, self.rows)
                designs.append(TermDesign(places.index(term.keys), plan.names, z, plan, term))
        return tuple(found[keys] for keys in places), tuple(designs)

    def group(self, name: str, grouping: tuple[Factor, ...]) -> GroupingFactor:
        """The grouping factor called `name`, of one factor or of several."""
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
            same = used.levels is column.levels
            self.unused[factor.name] = 0 if same else len(column.levels) - len(used.levels)
        return self.codes[factor.key]

    def level_messages(self) -> Iterator[str]:
        """What the user should know about levels that do not occur."""
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
