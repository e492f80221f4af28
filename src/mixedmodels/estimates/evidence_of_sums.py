"""Which (co)variances sums over rows cannot tell apart, and why, without rows.

Every V_j = Z_a Z_b' has its range in that of Z, so that its values at vectors [Z X] v determine it.
They follow from the cross-products. The identity of the residual has a part outside of [Z X] too;
its value is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.design.identify import (
    count_of_pairs,
    covariance_values,
    in_typed_columns,
    orthogonal_axes,
)

# Least eigenvalue of the correlations of columns that counts as zero.
_DEPENDENT = 1e-12
# Squares about the means of levels that are rounding, in parts of those about the mean of all rows
# and of all squares.
_CONSTANT = 1e-10
_ROUNDING = 1e-13


class SumProbes:
    """`design.identify.Probes` from cross-products.

    Args:
        products: Cross-products without rows, along the axes of the terms.
        templates: What theta means.
        n: Rows.
        rank: Gives the rank of [Z X]; asked for only where there are few rows.
    """

    def __init__(
        self, products: Products, templates: Templates, n: int, rank: Callable[[], int]
    ) -> None:
        self.entries = templates.entries
        self.n, self.p = n, products.p
        self._products, self._templates = products, templates
        outside = n - templates.q - products.p
        self._outside = outside if outside > 0 else max(n - rank(), 0)
        levels = [np.array(products.diagonal(g)) for g in range(len(templates.n_levels))]
        size = np.concatenate([D.diagonal(axis1=1, axis2=2).ravel() for D in levels])
        self._scale = np.where(size > 0.0, 1.0 / np.sqrt(np.where(size > 0.0, size, 1.0)), 0.0)
        self._terms = []
        for group, first, count in zip(
            templates.groups, templates.term_offsets, templates.sizes, strict=True
        ):
            T = _axes(products, group, levels[group].shape[1])
            own = slice(first, first + count)
            self._terms.append(_turned(levels[group].sum(axis=0), T, own))

    def values(self) -> tuple[FloatArray, FloatArray]:
        """(k, m + 1) x'V_j y of the columns along the axes, before and after X is projected out."""
        rng = np.random.default_rng(0)
        plain, projected = [], []
        ZtX = np.array(self._products.ZtX)[:, : self.p]
        for _ in range(count_of_pairs(len(self.entries))):
            v = rng.standard_normal((2, len(self._scale))) * self._scale
            w = rng.standard_normal((2, self.p))
            a = np.array([self._products.multiply(one) for one in v]) + w @ ZtX.T
            c = v @ ZtX + w
            inner = v[0] @ a[1] + w[0] @ c[1]
            inner += np.sqrt(self._outside) * rng.standard_normal()
            left = a - c @ ZtX.T
            plain.append(self._row(a, float(inner)))
            projected.append(self._row(left, float(inner - c[0] @ c[1])))
        return np.array(plain), np.array(projected)

    def _row(self, a: FloatArray, inner: float) -> list[float]:
        """The values from Z'x and Z'y (2, q) and x'y."""
        templates = self._templates
        out: list[float] = []
        public = a[:, templates.public_to_core]
        for t, size in enumerate(templates.sizes):
            own = public[:, templates.term_starts[t] : templates.term_starts[t + 1]]
            left, right = own.reshape(2, -1, size) @ self._terms[t].turn
            out.extend(covariance_values(left.T @ right))
        out.append(inner)
        return out

    def as_typed(self, null: FloatArray) -> FloatArray:
        """(m + 1, k) directions in (co)variances of the columns as typed, these of size 1."""
        axes, sizes = [t.axes for t in self._terms], [t.size for t in self._terms]
        return in_typed_columns(self.entries, axes, sizes, null)


@dataclass(frozen=True, slots=True, eq=False)
class SumEvidence:
    """`estimates.evidence.Evidence` from cross-products."""

    design: Design
    products: Products
    templates: Templates

    @property
    def rank(self) -> int:
        """Independent columns of X."""
        return int(self.products.p)

    def same_groups(self, a: int, b: int) -> bool:
        """Whether two grouping factors divide the rows into the same groups."""
        for pair in self.products.pairs():
            if {pair.a, pair.b} == {a, b}:
                used = int((np.diff(pair.start) > 0).sum())
                return bool(len(pair.level_b) == used == len(np.unique(pair.level_b)))
        return False

    def dependent(self, terms: tuple[int, ...]) -> bool:
        """Whether the columns of terms on one grouping factor are linearly dependent."""
        columns = np.concatenate([self._columns(t) for t in terms])
        _, levels = self._factor(self.templates.groups[terms[0]])
        total = levels.sum(axis=0)[np.ix_(columns, columns)]
        size = np.sqrt(np.diag(total))
        if (size == 0.0).any():
            return True
        return bool(np.linalg.eigvalsh(total / np.outer(size, size))[0] < _DEPENDENT)

    def constant_within(self, t: int, j: int) -> bool:
        """Whether a column of a term does not vary within the levels of its factor.

        The columns of the factor decide, if the constant is among them; else the column counts as
        one that varies.
        """
        group = self.templates.groups[t]
        T, levels = self._factor(group)
        one = self._constant(group, T, levels)
        if one is None:
            return False
        column = np.linalg.inv(T)[:, self._columns(t)[j]]
        weight = np.einsum("lij,i,j->l", levels, one, one)
        first = np.einsum("lij,i,j->l", levels, one, column)
        square = np.einsum("lij,i,j->l", levels, column, column)
        used = weight > 0.0
        within = float((square[used] - first[used] ** 2 / weight[used]).sum())
        about = float(square.sum() - first.sum() ** 2 / weight.sum())
        return within <= max(_CONSTANT * about, _ROUNDING * float(square.sum()))

    def _columns(self, t: int) -> LongArray:
        """Columns of a term among those of its factor."""
        return self.templates.term_offsets[t] + np.arange(self.templates.sizes[t])

    def _factor(self, group: int) -> tuple[FloatArray, FloatArray]:
        """T, and Z'WZ along the axes by level."""
        levels = np.array(self.products.diagonal(group))
        return _axes(self.products, group, levels.shape[1]), levels

    def _constant(self, group: int, T: FloatArray, levels: FloatArray) -> FloatArray | None:
        """The constant by the columns along the axes, where these and X have it."""
        terms = [t for t, own in enumerate(self.templates.groups) if own == group]
        names = [name for t in terms for name in self.templates.columns[t]]
        if "(Intercept)" in names:
            return np.asarray(np.linalg.inv(T)[:, names.index("(Intercept)")], dtype=np.float64)
        if "(Intercept)" not in self.design.x_names or not self.products.p:
            return None
        h = np.array(self.products.all_columns)[:, self.design.x_names.index("(Intercept)")]
        with_one = (np.array(self.products.ZtX)[:, :-1] @ h)[self.templates.public_to_core]
        starts = self.templates.term_starts
        along = np.concatenate(
            [
                with_one[starts[t] : starts[t + 1]].reshape(-1, self.templates.sizes[t]).sum(axis=0)
                for t in terms
            ]
        )
        solved = np.linalg.lstsq(levels.sum(axis=0), along, rcond=_DEPENDENT)[0]
        found = np.asarray(solved, dtype=np.float64)
        return found if float(h @ h - along @ found) <= _CONSTANT * float(h @ h) else None


def _axes(products: Products, group: int, size: int) -> FloatArray:
    """T of a factor: the products are of Z T."""
    T = products.axes(group)
    return np.eye(size) if T is None else np.array(T)


@dataclass(frozen=True, slots=True, eq=False)
class _Turned:
    """The columns of a term orthogonal in the order as typed, as `design.identify` has them.

    Attributes:
        axes: (s, s) of the columns as typed: A with the columns z A'.
        turn: (s, s) the same of the columns along the core's axes.
        size: (s,) root of the sum of squares of the columns as typed.
    """

    axes: FloatArray
    turn: FloatArray
    size: FloatArray


def _turned(total: FloatArray, T: FloatArray, own: slice) -> _Turned:
    """From the Gram matrix of a factor along the core's axes T, for the columns of one term."""
    inverse = np.linalg.inv(T[own, own])
    values, vectors = np.linalg.eigh(total[own, own])
    values[values < _DEPENDENT * values.max(initial=0.0)] = 0.0
    # Columns whose Gram matrix is that of the columns as typed.
    columns = np.sqrt(values)[:, None] * (vectors.T @ inverse)
    axes = orthogonal_axes(columns)
    return _Turned(axes, inverse @ axes.T, np.linalg.norm(columns, axis=0))
