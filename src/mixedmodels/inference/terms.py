"""The hypotheses of the terms of the fixed part: sequential, marginal and SAS's Type III.

Type I and II come from a triangle R of X (X'X = R'R, rows unweighted, as in SAS and lmerTest). Type
III is defined on the overparameterized model, with an indicator for every level, so that the coding
of factors does not matter: the estimable functions of a term and of those that contain it,
orthogonal to those of the latter alone (SAS/STAT User's Guide, "The Four Types of Estimable
Functions").

F depends on the space that the rows of a hypothesis span and on nothing else, Satterthwaite's
denominator also on the basis. That is lmerTest's: for I and II rows of a triangle with a unit
diagonal (for II the coefficients themselves where no other term contains this one), for III
orthonormal rows over the coefficients that treatment contrasts would have.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from mixedmodels.design import Design
from mixedmodels.design.coding import Coding
from mixedmodels.design.factors import Recipe
from mixedmodels.design.matrix import Choice, ColumnPlan
from mixedmodels.errors import ModelError
from mixedmodels.estimates.stages import Stages
from mixedmodels.formula import Term
from mixedmodels.inference.estimable import dependence
from mixedmodels.settings import AnovaType
from mixedmodels.typing import AnyArray, FloatArray

Atom: TypeAlias = frozenset[Choice]
"""A product of reduced columns of factors; the empty one is the intercept."""

# Singular values below this, relative to the largest, are zero.
_RANK = 1e-9


def term_hypotheses(stages: Stages, type_: AnovaType) -> dict[str, FloatArray]:
    """Hypothesis matrix L (k, p) over the kept columns, by name of term, the intercept left out.

    A term that adds no column to those before it, or of which nothing is estimable, has no rows.

    Raises:
        ModelError: Type III of a formula whose columns do not span those of its terms.
    """
    design = stages.design
    found = _type_three(design, dependence(stages)) if type_ == 3 else _by_triangle(stages, type_)
    return {design.formula.terms[t].name: L for t, L in found.items()}


# -- types I and II -------------------------------------------------------------------------


def _by_triangle(stages: Stages, type_: AnovaType) -> dict[int, FloatArray]:
    design = stages.design
    terms, categorical = design.formula.terms, _categorical(design)
    origin = np.array(design.fixed_spec.terms, dtype=np.int32)[stages.products.kept]
    R = _triangle(stages)
    found = {}
    for t, term in enumerate(terms):
        if not term.factors:
            continue
        before = [
            s
            for s, other in enumerate(terms)
            if (s < t if type_ == 1 else s != t and not _contains(other, term, categorical))
        ]
        own = np.flatnonzero(origin == t)
        alone = len(before) == len(terms) - 1
        found[t] = np.eye(len(R))[own] if type_ == 2 and alone else _after(R, origin, before, own)
    return found


def _triangle(stages: Stages) -> FloatArray:
    """R (p, p) of the kept columns of X, without weights."""
    if stages.design.w is None:
        R: FloatArray = stages.products.R
        return R
    triangle: FloatArray = np.asarray(
        np.linalg.qr(stages.design.X[:, stages.products.kept], mode="r"), dtype=np.float64
    )
    return triangle


def _after(R: FloatArray, origin: AnyArray, before: list[int], own: AnyArray) -> FloatArray:
    """Rows that are zero in the columns of `before` and take in all later ones."""
    first = np.flatnonzero(np.isin(origin, before))
    rest = np.setdiff1d(np.arange(len(origin)), np.concatenate([first, own]))
    order = np.concatenate([first, own, rest])
    L = np.zeros((len(own), len(origin)))
    triangle = np.asarray(np.linalg.qr(R[:, order], mode="r"))
    rows = triangle[len(first) : len(first) + len(own)]
    pivots = rows[np.arange(len(own)), len(first) + np.arange(len(own))]
    L[:, order] = rows / pivots[:, None]
    return L


# -- which term contains which --------------------------------------------------------------


def _categorical(design: Design) -> set[str]:
    recipes = design.fixed_spec.recipes
    return {key for key, recipe in recipes.items() if recipe.levels is not None}


def _contains(outer: Term, inner: Term, categorical: set[str]) -> bool:
    """The same covariates, and more factors, those of the inner term among them."""
    one, other = ({factor.key for factor in term.factors} for term in (inner, outer))
    return one - categorical == other - categorical and one < other


# -- type III -------------------------------------------------------------------------------


def _type_three(design: Design, D: FloatArray) -> dict[int, FloatArray]:
    terms = design.formula.terms
    categorical = _categorical(design)
    model = _Overparameterized(design)
    B = D @ model.coefficients()  # beta = B times the coefficients of the larger model
    owner = np.array(model.owner)
    # Treatment contrasts keep, term by term, the columns without a first level.
    treatment = _first_independent(B, np.lexsort((np.array(model.first_levels), owner)))
    found = {}
    for t, term in enumerate(terms):
        if not term.factors:
            continue
        containing = [s for s, other in enumerate(terms) if _contains(other, term, categorical)]
        above = np.isin(owner, containing)
        inside = _null_space(B[:, ~(above | (owner == t))].T)
        beyond = _null_space(B[:, ~above].T)
        L = (inside @ _null_space(beyond.T @ B @ B.T @ inside)).T
        # L = R'Q with Q orthonormal over the coefficients of `treatment`.
        _, R = np.linalg.qr((L @ treatment).T)
        found[t] = np.linalg.solve(R.T, L) if len(L) else L
    return found


def _first_independent(B: FloatArray, order: AnyArray) -> FloatArray:
    """(p, p) columns of B that those before them, in this order, do not make up."""
    basis = np.empty((len(B), 0))
    chosen = []
    for column in order:
        left = B[:, column]
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        size = np.linalg.norm(left)
        if size > _RANK * max(float(np.linalg.norm(B[:, column])), _RANK):
            basis = np.column_stack([basis, left / size])
            chosen.append(column)
            if len(chosen) == len(B):
                break
    return B[:, chosen]


def _null_space(matrix: FloatArray) -> FloatArray:
    """Orthonormal columns that the matrix takes to zero."""
    if not matrix.size:
        return np.eye(matrix.shape[1])
    _, sizes, rows = np.linalg.svd(matrix)
    rank = int(np.sum(sizes > _RANK * sizes[0]))
    kernel: FloatArray = rows[rank:].T
    return kernel


class _Overparameterized:
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
        found, *_ = np.linalg.lstsq(X, full, rcond=None)
        if np.abs(X @ found - full).max(initial=0.0) > _RANK:
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
    inverse[np.abs(inverse) < _RANK] = 0.0
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
