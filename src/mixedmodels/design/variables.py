"""The columns of the data behind the fixed part, at the rows in use.

Levels of factors, means of covariates and frequencies of cells are read off them later; nothing is
computed here. Numbers that are a column of X take no memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.absent import refuse_absent
from mixedmodels.design.columns import CategoricalColumn, Column
from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.matrix import PartPlan
from mixedmodels.design.rows import Rows
from mixedmodels.formula import Factor, FormulaSpec
from mixedmodels.values import quick


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A column of the data at the rows in use.

    Attributes:
        values: (n,) codes of a categorical column, or numbers; None where they are a column of X.
        levels: Levels of a categorical column in its order, unused ones included; None of numbers.
    """

    values: AnyArray | None
    levels: pd.Index | None = None

    if not TYPE_CHECKING:
        __getattr__ = refuse_absent


def variables_of(spec: FormulaSpec, rows: Rows, plan: PartPlan) -> dict[str, Variable]:
    """The columns that the fixed part of a formula uses, by name.

    Args:
        spec: The formula.
        rows: The rows in use.
        plan: The columns of X.
    """
    factors = {factor.key: factor for term in spec.terms for factor in term.factors}
    found: dict[str, Variable] = {}
    for factor in factors.values():
        names = (factor.name,) if factor.is_column else columns_of(factor, spec.text, rows.table)
        for name in names:
            if name not in found:
                found[name] = _variable(name, rows.column(name), plan)
    return found


def place_in_x(name: str, plan: PartPlan) -> int | None:
    """The column of X that holds the numbers of a column of the data; None where none does."""
    key = Factor(name, name, True, 0).key
    recipe = plan.recipes.get(key)
    if recipe is None or recipe.levels is not None or ((key, False, 0),) not in plan.columns:
        return None
    return plan.columns.index(((key, False, 0),))


def variable_column(
    name: str, variables: Mapping[str, Variable], plan: PartPlan, X: FloatArray
) -> AnyArray:
    """(n,) codes or numbers of a variable."""
    values = variables[name].values
    if values is not None:
        return values
    place = place_in_x(name, plan)
    if place is None:
        raise KeyError(name)
    column: FloatArray = X[:, place]
    return column


def _variable(name: str, column: Column, plan: PartPlan) -> Variable:
    if not isinstance(column, CategoricalColumn) and column.identity is not None:
        column = column.identity
    if isinstance(column, CategoricalColumn):
        return Variable(column.codes, column.levels)
    if place_in_x(name, plan) is not None:
        return Variable(None)
    # A copy: the column may be the user's own array.
    return Variable(np.array(column.values))
