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

import numpy as np

from mixedmodels.design import Design
from mixedmodels.estimates.stages import Stages
from mixedmodels.formula import Term
from mixedmodels.inference.estimable import dependence
from mixedmodels.inference.overparameterized import Overparameterized
from mixedmodels.settings import AnovaType
from mixedmodels.typing import AnyArray, FloatArray

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
    model = Overparameterized(design)
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
        if size > _RANK * max(float(np.linalg.norm(B[:, column])), 1.0):
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
