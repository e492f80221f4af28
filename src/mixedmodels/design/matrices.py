"""Blocks of factors to the matrices X and Z, on the rows in use."""

from __future__ import annotations

from collections.abc import Mapping

from mixedmodels.arrays import FloatArray
from mixedmodels.design.factors import Block
from mixedmodels.design.finite import check_finite
from mixedmodels.design.matrix import PartPlan, build_matrix, ones
from mixedmodels.design.rows import Rows


def matrix_of_part(plan: PartPlan, blocks: Mapping[str, Block], rows: Rows) -> FloatArray:
    """(n, p) columns of a part, in Fortran order.

    Raises:
        DataError: A product of numbers overflows.
    """
    matrix = build_matrix(plan, blocks, rows.n_rows)
    for j in plan.products():
        check_finite(plan.names[j], matrix[:, j], rows, plan.sources(j, rows))
    return matrix


def matrix_of_term(
    plan: PartPlan, fixed: PartPlan, X: FloatArray, blocks: Mapping[str, Block], rows: Rows
) -> FloatArray:
    """(n, s) columns of a random-effects term.

    They take no memory where they are 1, or stand in X side by side.

    Args:
        plan: The columns.
        fixed: Those of X.
        X: (n, p_all) the fixed part.
        blocks: Blocks of all factors, by key.
        rows: The rows in use.

    Raises:
        DataError: A product of numbers overflows.
    """
    if plan.columns == ((),):
        return ones(rows.n_rows)
    width = len(plan.columns)
    if plan.columns[0] in fixed.columns:
        first = fixed.columns.index(plan.columns[0])
        if fixed.columns[first : first + width] == plan.columns:
            return X[:, first : first + width]
    return matrix_of_part(plan, blocks, rows)
