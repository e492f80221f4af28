"""Terms to columns: products of blocks, named as R names them, and the plan to make them again.

A column is a tuple of choices (factor key, reduced, column of its block); the empty tuple is the
intercept. The plan of a part lists its columns, so that new data go through the same choices.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.factors import Block, Recipe
from mixedmodels.design.finite import Columns
from mixedmodels.design.names import INTERCEPT, Choice, column_names
from mixedmodels.design.rank import TooManyParts, scope_terms
from mixedmodels.design.rows import Rows
from mixedmodels.errors import ModelError
from mixedmodels.formula import Factor, Term
from mixedmodels.formula.tokens import shorten
from mixedmodels.memory import require
from mixedmodels.values import quick

ColumnPlan: TypeAlias = tuple[Choice, ...]


# Bytes that the name and the plan of a column take, about.
_PLANNED = 400.0
# Columns of all factors of a part up to which its names are kept for the next fit.
_KEPT = 100
_REMEDY = (
    "A factor with so many levels belongs into a random-effects term, (1 | factor); "
    "or use fewer columns."
)

_ONE = np.ones(1)
_ONE.flags.writeable = False


@quick
@dataclass(frozen=True, slots=True, eq=False)
class PartPlan:
    """The columns of the fixed part or of one random-effects term.

    Attributes:
        names: Column names, R's; no two are equal.
        columns: For each, the factors it multiplies.
        recipes: Factor key to how its block is made.
        terms: For each column, the number of its term (within the part, from 0).
    """

    names: tuple[str, ...]
    columns: tuple[ColumnPlan, ...]
    recipes: Mapping[str, Recipe]
    terms: tuple[int, ...]

    @property
    def factors(self) -> list[tuple[Factor, pd.Index]]:
        """The factors of its columns that have levels, with these."""
        found = self.recipes.values()
        return [(recipe.factor, recipe.levels) for recipe in found if recipe.levels is not None]

    def without_intercept(self) -> PartPlan:
        """The same columns but the one of ones."""
        kept = [j for j, column in enumerate(self.columns) if column]
        return PartPlan(
            tuple(self.names[j] for j in kept),
            tuple(self.columns[j] for j in kept),
            self.recipes,
            tuple(self.terms[j] for j in kept),
        )

    def products(self) -> Iterator[int]:
        """Numbers of the columns that are products of numbers, so that they may overflow."""
        for j, column in enumerate(self.columns):
            if sum(self.recipes[key].levels is None for key, _, _ in column) > 1:
                yield j

    def sources(self, j: int, rows: Rows) -> Columns:
        """The columns of the data that column `j` is computed from, when they are asked for."""
        own = [self.recipes[key] for key, _, _ in self.columns[j]]
        return lambda: list(
            dict.fromkeys(
                name
                for recipe in own
                for name in columns_of(recipe.factor, recipe.formula, rows.table)
            )
        )


def plan_part(
    terms: Sequence[Term], blocks: Mapping[str, Block], recipes: Mapping[str, Recipe]
) -> PartPlan:
    """Decide the columns of a part: which levels each factor contributes in which term.

    Raises:
        ModelError: a term is an interaction of too many categorical factors.
    """
    if len(terms) == 1 and not terms[0].factors:
        return ONLY_INTERCEPT
    keys = tuple([tuple([factor.key for factor in term.factors]) for term in terms])
    used = tuple(dict.fromkeys([key for term in keys for key in term]))
    spans = tuple([blocks[key].spans for key in used])
    labels = tuple([(blocks[key].columns(False), blocks[key].columns(True)) for key in used])
    # Of a factor with many levels the names are not worth keeping.
    few = not any(spans) or sum([len(full) for full, _ in labels]) <= _KEPT
    plan = _planned if few else _planned.__wrapped__
    try:
        names, columns, origins = plan(keys, used, spans, labels)
    except TooManyParts as error:
        name = terms[error.term].name
        raise ModelError(
            f"'{shorten(name)}' is an interaction of {error.factors} "
            "categorical factors, which is more than can be handled (8, or 10 with all lower "
            "terms in the formula). Make one factor of several."
        ) from None
    own = {key: recipes[key] for key in used}
    return PartPlan(column_names(names, columns, own), columns, own, origins)


ONLY_INTERCEPT = PartPlan((INTERCEPT,), ((),), {}, (0,))
"""The columns of `1`."""


@functools.lru_cache(maxsize=256)
def _planned(
    terms: tuple[tuple[str, ...], ...],
    used: tuple[str, ...],
    spans: tuple[bool, ...],
    labels: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...],
) -> tuple[tuple[str, ...], tuple[ColumnPlan, ...], tuple[int, ...]]:
    """Names, columns and term numbers of a part."""
    number = {key: position for position, key in enumerate(used)}
    scoped_terms = scope_terms(tuple(tuple(number[key] for key in term) for term in terms), spans)
    names: list[str] = []
    columns: list[ColumnPlan] = []
    origins: list[int] = []
    for origin, scoped in enumerate(scoped_terms):
        for product in scoped:
            choices = [
                [
                    (label, (used[factor], reduced, which))
                    for which, label in enumerate(labels[factor][reduced])
                ]
                for factor, reduced in product
            ]
            size = _PLANNED * math.prod(len(one) for one in choices)
            require({"names of columns": size}, "The model matrix", remedy=_REMEDY)
            # The first factor varies fastest, as in R.
            for reversed_column in itertools.product(*reversed(choices)):
                column = reversed_column[::-1]
                names.append(":".join(name for name, _ in column) or INTERCEPT)
                columns.append(tuple(choice for _, choice in column))
                origins.append(origin)
    return tuple(names), tuple(columns), tuple(origins)


def ones(n_rows: int) -> FloatArray:
    """(n, 1) ones that take no memory, read-only."""
    out: FloatArray = np.ndarray((n_rows, 1), np.float64, _ONE, strides=(0, 0))
    return out


def build_matrix(plan: PartPlan, blocks: Mapping[str, Block], n_rows: int) -> FloatArray:
    """(n, p) columns of a plan, in Fortran order."""
    p = len(plan.columns)
    require({f"{n_rows} rows of {p} columns": 8.0 * n_rows * p}, "The model matrix", remedy=_REMEDY)
    matrix = np.empty((n_rows, p), order="F")
    for position, column in enumerate(plan.columns):
        _fill(matrix[:, position], column, blocks)
    return matrix


def _fill(out: FloatArray, column: ColumnPlan, blocks: Mapping[str, Block]) -> None:
    if not column:
        out[...] = 1.0
        return
    (key, reduced, which), *others = column
    blocks[key].write(which, reduced, out)
    for key, reduced, which in others:
        factor = np.empty_like(out)
        blocks[key].write(which, reduced, factor)
        with np.errstate(over="ignore", invalid="ignore"):
            out *= factor
