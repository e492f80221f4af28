"""Contrasts: how the levels of a categorical factor become columns, with R's signs and names.

A coding is either the indicator of some levels (treatment, or all levels when the factor also
stands for the intercept) or a matrix with one row per level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.calls import value_hint
from mixedmodels.design.columns import level_labels
from mixedmodels.errors import DataError, did_you_mean
from mixedmodels.memory import require
from mixedmodels.naming import first_few
from mixedmodels.settings import CONTRASTS, ContrastName, real_numbers
from mixedmodels.spelling import spelled
from mixedmodels.values import quick

# Levels that a message lists.
_SHOWN = 10
_POLY_NAMES = (".L", ".Q", ".C")


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """Columns for the levels of one factor.

    Attributes:
        suffixes: What follows the factor's name in the name of each column.
        matrix: (l, k) values by level, or None for indicators.
        indicated: Level that each column indicates; empty when there is a matrix.
    """

    suffixes: tuple[str, ...]
    matrix: FloatArray | None
    indicated: tuple[int, ...] = ()


def full_coding(labels: Sequence[str]) -> Coding:
    """One indicator for every level."""
    return Coding(tuple(labels), None, tuple(range(len(labels))))


def make_coding(
    contrast: Any, levels: pd.Index, factor: str, labels: list[str] | None = None
) -> Coding:
    """The coding that a user asked for.

    Args:
        contrast: None or "treatment", "sum", "helmert", "poly"; a matrix (levels x columns) as
            array or DataFrame; a Coding maker with `coding(levels)` such as ``Treatment("b")``.
        levels: The levels in use, in order.
        factor: Name for messages.
        labels: `level_labels(levels)`, where they are at hand.

    Raises:
        DataError: an unknown name, or a matrix whose shape does not fit the levels.
    """
    if isinstance(contrast, Contrast):
        return contrast.coding(levels, factor)
    labels = level_labels(levels) if labels is None else labels
    if contrast is None:
        return _treatment(labels, 0)
    if isinstance(contrast, str):
        return _named(contrast, labels, factor)
    return _from_matrix(contrast, levels, factor)


@dataclass(frozen=True, slots=True)
class Contrast:
    """A contrast named inside a formula, as in ``C(f, Treatment("b"))`` or ``C(f, contr.sum)``.

    Attributes:
        name: One of the names that `contrasts` takes.
        base: Reference level of the treatment contrast; None for the first.
        position: The same by its number, counted from 1 as in R; 0 for the last.
        n_levels: Number of levels that it is meant for; None for any.
    """

    name: str
    base: Any = None
    position: int | None = None
    n_levels: int | None = None

    def coding(self, levels: pd.Index, factor: str) -> Coding:
        """The coding for `levels`.

        Raises:
            DataError: the reference level is not among them, or they are not `n_levels`.
        """
        labels = level_labels(levels)
        if self.n_levels not in (None, len(labels)):
            raise DataError(
                f"{factor} has {len(labels)} levels in use ({first_few(labels, _SHOWN)}), not the "
                f"{self.n_levels} that its contrast is written for."
            )
        if self.position is not None:
            if self.position > len(labels):
                raise DataError(
                    f"{factor} has {len(labels)} levels in use ({first_few(labels, _SHOWN)}), so "
                    f"number {self.position} cannot be the reference."
                )
            return _treatment(labels, self.position - 1 if self.position else len(labels) - 1)
        if self.base is None:
            return make_coding(self.name, levels, factor)
        wanted = level_labels(pd.Index([self.base]))[0]
        if wanted not in labels:
            raise DataError(
                f"{factor} has no level '{wanted}' to be the reference; it has "
                f"{first_few(labels, _SHOWN)}.{did_you_mean(wanted, labels)}"
            )
        return _treatment(labels, labels.index(wanted))


def contr_sum(n_levels: int) -> FloatArray:
    """R's contr.sum: deviations from the mean of the levels, the last one left out."""
    matrix = np.eye(n_levels, n_levels - 1)
    matrix[-1] = -1.0
    return matrix


def contr_helmert(n_levels: int) -> FloatArray:
    """R's contr.helmert: each level against the mean of those before it, unscaled."""
    matrix = np.zeros((n_levels, n_levels - 1))
    for column in range(n_levels - 1):
        matrix[: column + 1, column] = -1.0
        matrix[column + 1, column] = column + 1.0
    return matrix


def contr_poly(n_levels: int) -> FloatArray:
    """R's contr.poly: orthonormal polynomials on 1, 2, ..., leading coefficient positive.

    Each column is x times the one before, orthogonalised twice against all earlier ones.
    """
    scores = np.arange(n_levels) - (n_levels - 1) / 2.0
    basis = np.full((n_levels, n_levels), 1.0 / np.sqrt(n_levels))
    for degree in range(1, n_levels):
        column = scores * basis[:, degree - 1]
        for _ in range(2):
            earlier = basis[:, :degree]
            column = column - earlier @ (earlier.T @ column)
        basis[:, degree] = column / np.linalg.norm(column)
    return basis[:, 1:]


def _treatment(labels: Sequence[str], base: int) -> Coding:
    indicated = [level for level in range(len(labels)) if level != base]
    return Coding(tuple([labels[level] for level in indicated]), None, tuple(indicated))


def contrast_name(contrast: str, factor: str) -> ContrastName:
    """The contrast that a name stands for; also to refuse others where it would not be used.

    Raises:
        DataError: an unknown name.
    """
    found = spelled(contrast, CONTRASTS)
    if found is None:
        listed = ", ".join(repr(name) for name in CONTRASTS)
        raise DataError(
            f"The contrast of '{factor}' is {contrast!r}; it must be one of {listed}, or a matrix."
            f"{value_hint('contrast', contrast, CONTRASTS)}"
        )
    return found


def _named(contrast: str, labels: Sequence[str], factor: str) -> Coding:
    name = contrast_name(contrast, factor)
    if name == "treatment":
        return _treatment(labels, 0)
    n_levels = len(labels)
    require(
        {f"{n_levels} levels by {n_levels - 1} columns": 16.0 * n_levels * n_levels},
        f"The contrast of '{factor}'",
        remedy="Use the treatment contrast, or a random-effects term, (1 | factor).",
    )
    numbered = tuple(str(column + 1) for column in range(n_levels - 1))
    if name == "sum":
        return Coding(numbered, contr_sum(n_levels))
    if name == "helmert":
        return Coding(numbered, contr_helmert(n_levels))
    powers = (f"^{degree}" for degree in range(4, n_levels))
    return Coding((*_POLY_NAMES, *powers)[: n_levels - 1], contr_poly(n_levels))


def _in_order_of(levels: pd.Index, contrast: pd.DataFrame, factor: str) -> pd.DataFrame:
    """The rows of a matrix by the levels that label them, or as they are where they are numbered.

    Raises:
        DataError: a level in use has no row, or several.
    """
    labels, rows = level_labels(levels), level_labels(contrast.index)
    where = {label: position for position, label in enumerate(rows)}
    absent = [label for label in labels if label not in where]
    if not absent and len(where) == len(rows):
        return contrast.iloc[[where[label] for label in labels]]
    if isinstance(contrast.index, pd.RangeIndex):
        return contrast
    problem = f"no row for the level '{absent[0]}'" if absent else "several rows for one level"
    raise DataError(
        f"The contrast matrix of '{factor}' has {problem}; its rows are labelled "
        f"{first_few(rows, _SHOWN)}. Label each row with a level, or give an array in their order."
    )


def _from_matrix(contrast: Any, levels: pd.Index, factor: str) -> Coding:
    suffixes: tuple[str, ...] | None = None
    if isinstance(contrast, pd.DataFrame):
        contrast = _in_order_of(levels, contrast, factor)
        suffixes = tuple(str(name) for name in contrast.columns)
    try:
        matrix = real_numbers(contrast)
    except (TypeError, ValueError):
        raise DataError(
            f"The contrast of '{factor}' is {contrast!r:.80}, which is not a matrix of numbers. "
            "For another reference level write relevel(f, ref='b') in the formula, for a factor f; "
            f"other contrasts are {', '.join(map(repr, CONTRASTS))}."
        ) from None
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    n_levels = len(levels)
    if matrix.ndim != 2 or matrix.shape[0] != n_levels or not 0 < matrix.shape[1] < n_levels:
        raise DataError(
            f"The contrast matrix of '{factor}' has shape {matrix.shape}; the factor has "
            f"{n_levels} levels in use, so it must have {n_levels} rows and 1 to "
            f"{n_levels - 1} columns."
        )
    if not np.isfinite(matrix).all():
        raise DataError(f"The contrast matrix of '{factor}' has values that are not finite.")
    return Coding(suffixes or tuple(str(j + 1) for j in range(matrix.shape[1])), matrix)
