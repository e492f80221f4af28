"""The fixed part with an indicator for every level, whatever the contrasts of the model.

Columns are sums of *atoms*, products of the columns that a constant and the contrasts have; so are
those of X, and one set follows from the other without a look at the rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design
from mixedmodels.design.coding import Coding
from mixedmodels.design.factors import Recipe
from mixedmodels.design.matrix import ColumnPlan
from mixedmodels.design.names import Choice
from mixedmodels.errors import ModelError

Atom: TypeAlias = frozenset[Choice]
"""A product of columns of factors; the empty one is the intercept."""

# Largest number that counts as zero; the weights of atoms are of size 1.
_TINY = 1e-9


class Overparameterized:
    """The model with an indicator for every level, its columns as sums of atoms.

    A factor whose coding leaves levels out of reach (a contrast matrix with few columns, a spline)
    keeps its own columns.

    Attributes:
        owner: For each column, the number of its term.
        first_levels: For each column, how many factors it has at their first level.
    """

    def __init__(self, design: Design) -> None:
        self._plan = design.fixed_spec
        self._terms = design.formula.terms
        # Thresholds of ordered categories stand for a constant, which has no column.
        self._up_to_constants = design.categories is not None
        self._levels = {
            key: matrix
            for key, recipe in self._plan.recipes.items()
            if (matrix := _indicators(recipe)) is not None
        }
        self._numbers: dict[Atom, int] = {}
        self.owner: list[int] = []
        self.first_levels: list[int] = []

    def coefficients(self) -> FloatArray:
        """(p_all, columns): what to give the columns of X to make those of the larger model.

        Raises:
            ModelError: There is no such way.
        """
        small = [self._column(column) for column in self._plan.columns]
        large = [column for t in range(len(self._terms)) for column in self._term(t, self._used(t))]
        shape = len(self._numbers)
        X, full = _dense(small, shape), _dense(large, shape)
        if self._up_to_constants:
            constant = self._numbers.get(frozenset())
            rest = [number for number in range(shape) if number != constant]
            X, full = X[rest], full[rest]
        found, *_ = np.linalg.lstsq(X, full, rcond=None)
        if np.abs(X @ found - full).max(initial=0.0) > _TINY:
            raise ModelError(
                "Type III tests need the columns of X to span those of its terms, and here the "
                "contrasts do not. Use type=1 or type=2, or contrasts with a column for every "
                "level but one."
            )
        return np.asarray(found)

    def _used(self, t: int) -> dict[str, list[Choice]]:
        """The columns of factors without indicators that a term uses."""
        used: dict[str, dict[Choice, None]] = {}
        for column, origin in zip(self._plan.columns, self._plan.terms, strict=True):
            if origin == t:
                for choice in column:
                    used.setdefault(choice[0], {})[choice] = None
        return {key: list(choices) for key, choices in used.items()}

    def _term(self, t: int, used: dict[str, list[Choice]]) -> Iterator[dict[int, float]]:
        """Columns of a term: products of indicators and covariates."""
        keys = [factor.key for factor in self._terms[t].factors]
        parts = [
            [self._level(key, level) for level in range(len(self._levels[key]))]
            if key in self._levels
            else [{choice: 1.0} for choice in used.get(key, [])]
            for key in keys
        ]
        coded = [key in self._levels for key in keys]
        for numbers in itertools.product(*(range(len(part)) for part in parts)):
            self.owner.append(t)
            self.first_levels.append(
                sum(factor and not number for factor, number in zip(coded, numbers, strict=True))
            )
            yield self._multiply([part[i] for part, i in zip(parts, numbers, strict=True)])

    def _column(self, column: ColumnPlan) -> dict[int, float]:
        return self._multiply(
            [
                self._level(choice[0], choice[2])
                if choice[0] in self._levels and not choice[1]
                else {choice: 1.0}
                for choice in column
            ]
        )

    def _level(self, key: str, level: int) -> dict[Choice | None, float]:
        """An indicator as a constant and the columns of the contrast."""
        constant, *weights = self._levels[key][:, level].tolist()
        columns: dict[Choice | None, float] = {None: constant} if constant else {}
        columns.update({(key, True, j): w for j, w in enumerate(weights) if w})
        return columns

    def _multiply(self, factors: Sequence[dict[Any, float]]) -> dict[int, float]:
        """The product of sums of columns as a sum of atoms."""
        out: dict[int, float] = {}
        for choices in itertools.product(*(factor.items() for factor in factors)):
            atom = frozenset(choice for choice, _ in choices if choice is not None)
            number = self._numbers.setdefault(atom, len(self._numbers))
            out[number] = out.get(number, 0.0) + math.prod(weight for _, weight in choices)
        return out


def _indicators(recipe: Recipe) -> FloatArray | None:
    """(l, l) weights of a constant and the contrast's columns that make each level's indicator.

    None for a numeric factor, and for a contrast that does not tell all levels apart.
    """
    if recipe.levels is None or recipe.contrast is None:
        return None
    n_levels = len(recipe.levels)
    basis = np.ones((n_levels, 1 + len(recipe.contrast.suffixes)))
    basis[:, 1:] = _by_level(recipe.contrast, n_levels)
    if basis.shape[1] != n_levels or np.linalg.matrix_rank(basis) < n_levels:
        return None
    inverse: FloatArray = np.linalg.inv(basis).astype(np.float64, copy=False)
    # Rounding would make atoms of what is zero.
    inverse[np.abs(inverse) < _TINY] = 0.0
    return inverse


def _by_level(coding: Coding, n_levels: int) -> FloatArray:
    if coding.matrix is not None:
        return coding.matrix
    return np.eye(n_levels)[:, list(coding.indicated)]


def _dense(columns: Sequence[dict[int, float]], rows: int) -> FloatArray:
    out = np.zeros((rows, len(columns)))
    for j, column in enumerate(columns):
        out[list(column), j] = list(column.values())
    return out
