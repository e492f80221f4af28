"""The hypotheses of the terms of the fixed part: sequential, marginal and SAS's Type III.

Type I and II come from a root R of X'X (X'X = R'R, rows unweighted, as in SAS and lmerTest), of
generalized models from one of the information on the coefficients: the test of a term after others
is then Wald's in the model of these, as in R's car and in the sums of squares of lme4. Type III is
defined on the overparameterized model, with an indicator for every level, so that the coding of
factors does not matter: the estimable functions of a term and of those that contain it, orthogonal
to those of the latter alone (SAS/STAT User's Guide, "The Four Types of Estimable Functions").

F depends on the space that the rows of a hypothesis span and on nothing else, Satterthwaite's
denominator also on the basis. That is lmerTest's: for I and II rows of a triangle with a unit
diagonal (for II the coefficients themselves where no other term contains this one), for III
orthonormal rows over the coefficients that treatment contrasts would have, and for the only term of
a model those of I.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design import Design
from mixedmodels.design.absent import rows_needed
from mixedmodels.errors import MixedModelsError, ModelError
from mixedmodels.estimates.dependence import dependence
from mixedmodels.estimates.linear import Model
from mixedmodels.formula import Term
from mixedmodels.inference.estimable import balanced
from mixedmodels.inference.overparameterized import Overparameterized
from mixedmodels.inference.relatives import loses_columns
from mixedmodels.settings import AnovaType

# Singular values below this, relative to the largest, are zero.
_RANK = 1e-9
# Largest share of a dropped column in kept ones that counts as zero, rows and columns scaled.
_SHARE = 1e-7
# Largest difference from a combination of other rows that counts as zero, relative to the largest.
_SPAN = 1e-8
# Number of the term of columns that no term of the formula has.
_ADDED = -1


def term_hypotheses(
    model: Model, type_: AnovaType, vcov: FloatArray | None = None
) -> dict[int, FloatArray]:
    """Hypothesis matrix L (k, p) over the kept columns, by number of term, the intercept left out.

    A term that adds no column to those before it, or of which nothing is estimable, has no rows.

    Args:
        model: The model.
        type_: Type of the hypotheses.
        vcov: (p, p) covariance of the coefficients of a generalized model, or None.

    Raises:
        ModelError: Type III of a formula whose columns do not span those of its terms.
    """
    root = _root_of_information(vcov)
    if type_ == 3:
        return _type_three(model, dependence(model), root)
    found = _by_triangle(model, type_, root)
    if type_ == 2 and len(found) == 1:
        return _same_tests(found, _by_triangle(model, 1, root))
    return found


def _same_tests(
    found: dict[int, FloatArray], others: dict[int, FloatArray]
) -> dict[int, FloatArray]:
    """The other rows of each term where they span the same space."""
    return {t: others[t] if _spans(others[t], rows) else rows for t, rows in found.items()}


def _spans(rows: FloatArray, others: FloatArray) -> bool:
    """Whether rows span the same space as others, both independent."""
    if rows.shape != others.shape:
        return False
    shares = np.linalg.lstsq(rows.T, others.T, rcond=None)[0]
    most = float(np.abs(others).max(initial=0.0))
    return bool((np.abs(rows.T @ shares - others.T) <= _SPAN * most).all())


# -- types I and II -------------------------------------------------------------------------


def _by_triangle(model: Model, type_: AnovaType, root: FloatArray | None) -> dict[int, FloatArray]:
    terms, categorical = model.design.formula.terms, _categorical(model.design)
    columns = _Columns.of(model, root)
    found = {}
    for t, term in enumerate(terms):
        if not term.factors:
            continue
        before = [
            s
            for s, other in enumerate(terms)
            if (s < t if type_ == 1 else s != t and not _contains(other, term, categorical))
        ]
        alone = type_ == 2 and len(before) == len(terms) - 1
        found[t] = columns.rows_of(t, before, alone=alone)
    return found


def dropped_hypotheses(model: Model, numbers: Sequence[int]) -> dict[int, FloatArray]:
    """Hypotheses on the coefficients for leaving out single terms, by number of term.

    The rows are those that are zero for all columns of the model without the term. Its other terms
    may stand for more there than they do in X: in `0 + f + g` the levels of f carry the constant,
    without f those of g do.
    """
    design, columns = model.design, _Columns.of(model)
    terms = design.formula.terms
    found = {}
    for t in numbers:
        others = [s for s in range(len(terms)) if s != t]
        own = columns
        if loses_columns(design.fixed_spec, terms, t):
            own = columns.and_others(_without(design, columns.D, t))
        found[t] = own.rows_of(t, [*others, _ADDED], alone=True)
    return found


def _without(design: Design, D: FloatArray, t: int) -> FloatArray:
    """(p, columns) what terms but one stand for by themselves; their columns in X if unknown."""
    model = Overparameterized(design)
    try:
        weights = model.coefficients()
    except ModelError:
        return np.empty((len(D), 0))
    others = np.array(model.owner) != t
    return _without_rounding(D, weights[:, others])


def _without_rounding(D: FloatArray, weights: FloatArray) -> FloatArray:
    """D times weights; what is zero but for rounding, as that of an empty cell is, is zero."""
    most = np.abs(weights).max(axis=0, initial=0.0)
    weights = np.where(np.abs(weights) <= _RANK * most, 0.0, weights)
    found, parts = D @ weights, np.abs(D) @ np.abs(weights)
    return np.where(np.abs(found) <= _RANK * parts, 0.0, found)


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The columns of X as functions of those kept, and the terms that they come from.

    Attributes:
        R: (p, p) root of X'X of the kept columns, or of their information.
        D: (p, p_all) with X = X_kept D.
        origin: (p_all,) numbers of terms.
        kept: (p,) columns kept.
    """

    R: FloatArray
    D: FloatArray
    origin: AnyArray
    kept: AnyArray

    @classmethod
    def of(cls, model: Model, root: FloatArray | None = None) -> _Columns:
        design, kept = model.design, model.products.kept
        origin = np.array(design.fixed_spec.terms, dtype=np.int32)
        R = _triangle(model) if root is None else root
        return cls(R, dependence(model), origin, kept)

    def and_others(self, others: FloatArray) -> _Columns:
        """These columns with further combinations (p, k) of the kept columns."""
        return dataclasses.replace(
            self,
            D=np.column_stack([self.D, others]),
            origin=np.append(self.origin, np.full(others.shape[1], _ADDED)),
        )

    def rows_of(self, t: int, before: list[int], *, alone: bool) -> FloatArray:
        """The hypothesis of a term after others, whose columns count also where X drops them.

        Args:
            t: The term.
            before: Terms that it comes after.
            alone: Whether these are all others: the coefficients of the term are then meant.
        """
        # Which columns of X are kept depends on their order; here those of `before` come first.
        rank = np.where(np.isin(self.origin, before), 0, np.where(self.origin == t, 1, 2))
        dropped = np.ones(len(self.origin), dtype=np.bool_)
        dropped[self.kept] = False
        chosen = self.kept
        if (dropped & (rank == 0)).any():
            order = np.lexsort((dropped, rank))
            shares, _ = balanced(self.D, range(len(order)))
            chosen = np.sort(_first_independent(shares, order, _SHARE))
        origin = self.origin[chosen]
        own = np.flatnonzero(origin == t)
        if np.array_equal(chosen, self.kept):
            return np.eye(len(self.R))[own] if alone else _after(self.R, origin, before, own)
        basis = self.D[:, chosen]
        rows = np.eye(len(origin))[own] if alone else _after(self.R @ basis, origin, before, own)
        L: FloatArray = np.linalg.solve(basis.T, rows.T).T
        return L


def _root_of_information(vcov: FloatArray | None) -> FloatArray | None:
    """R (p, p) with R'R the inverse of the covariance; None without one that can be inverted."""
    if vcov is None or not np.isfinite(vcov).all():
        return None
    sd = np.sqrt(np.diag(vcov))
    try:
        root = np.linalg.cholesky(vcov / np.outer(sd, sd))
    except np.linalg.LinAlgError:
        return None
    R: FloatArray = np.linalg.inv(root) / sd
    return R


def _triangle(model: Model) -> FloatArray:
    """R (p, p) of the kept columns of X, without weights."""
    if not model.design.is_weighted:
        R: FloatArray = model.products.R
        return R
    if not model.design.has_rows:
        return _triangle_of_moments(model)
    triangle: FloatArray = np.asarray(
        np.linalg.qr(model.design.X[:, model.products.kept], mode="r"), dtype=np.float64
    )
    return triangle


def _triangle_of_moments(model: Model) -> FloatArray:
    """The same from moments without weights.

    Raises:
        MixedModelsError: There are none.
    """
    summary = model.design.summary
    if summary is None or summary.moments is None:
        raise rows_needed()
    moments = summary.moments
    gram = moments.square + moments.n * np.outer(moments.mean, moments.mean)
    sizes, vectors = np.linalg.eigh(gram)
    root = np.sqrt(np.maximum(sizes, 0.0))[:, None] * vectors.T
    columns = root @ moments.frame[:, model.products.kept]
    return np.asarray(np.linalg.qr(columns, mode="r"), dtype=np.float64)


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


def _covariates(term: Term, categorical: set[str]) -> set[str]:
    return {factor.key for factor in term.factors} - categorical


def _contains(outer: Term, inner: Term, categorical: set[str]) -> bool:
    """The same covariates, and more factors, those of the inner term among them."""
    one, other = ({factor.key for factor in term.factors} for term in (inner, outer))
    return one - categorical == other - categorical and one < other


# -- type III -------------------------------------------------------------------------------


def _type_three(fitted: Model, D: FloatArray, root: FloatArray | None) -> dict[int, FloatArray]:
    design = fitted.design
    terms = design.formula.terms
    categorical = _categorical(design)
    model = Overparameterized(design)
    # beta = B times the coefficients of the larger model. Which rows of L are orthogonal does not
    # change when all columns with the same covariates are scaled by one factor.
    plain = _without_rounding(D, model.coefficients())
    owner = np.array(model.owner)
    covariates = [_covariates(term, categorical) for term in terms]
    numbers = [covariates.index(covariates[t]) for t in model.owner]
    B, unit = balanced(plain, numbers)
    # Treatment contrasts keep, term by term, the columns without a first level.
    chosen = _first_independent(B, np.lexsort((np.array(model.first_levels), owner)))
    treatment = plain[:, chosen]
    found = {}
    for t, term in enumerate(terms):
        if not term.factors:
            continue
        containing = [s for s, other in enumerate(terms) if _contains(other, term, categorical)]
        above = np.isin(owner, containing)
        inside = _null_space(B[:, ~(above | (owner == t))].T)
        beyond = _null_space(B[:, ~above].T)
        L = (inside @ _null_space(beyond.T @ B @ B.T @ inside)).T * unit
        # L = R'Q with Q orthonormal over the coefficients of `treatment`.
        _, R = np.linalg.qr((L @ treatment).T)
        found[t] = np.linalg.solve(R.T, L) if len(L) else L
    if len(found) != 1:
        return found
    (t,) = found
    try:
        root = _triangle(fitted) if root is None else root
    except MixedModelsError:  # sums over rows without the moments of weighted ones
        return found
    own = np.flatnonzero(owner[chosen] == t)
    before = [s for s in range(len(terms)) if s != t]
    rows = _after(root @ treatment, owner[chosen], before, own)
    return _same_tests(found, {t: np.linalg.solve(treatment.T, rows.T).T})


def _first_independent(B: FloatArray, order: AnyArray, tolerance: float = _RANK) -> list[int]:
    """(p,) columns of B that those before them, in this order, do not make up."""
    basis = np.empty((len(B), 0))
    chosen = []
    for column in order:
        left = B[:, column]
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        size = np.linalg.norm(left)
        if size > tolerance * max(float(np.linalg.norm(B[:, column])), 1.0):
            basis = np.column_stack([basis, left / size])
            chosen.append(int(column))
            if len(chosen) == len(B):
                break
    return chosen


def _null_space(matrix: FloatArray) -> FloatArray:
    """Orthonormal columns that the matrix takes to zero."""
    if not matrix.size:
        return np.eye(matrix.shape[1])
    _, sizes, rows = np.linalg.svd(matrix)
    rank = int(np.sum(sizes > _RANK * sizes[0]))
    kernel: FloatArray = rows[rank:].T
    return kernel
