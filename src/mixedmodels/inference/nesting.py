"""Whether one model is a special case of another: column spaces, and spaces of covariances.

The fixed part of the smaller model must lie in the column space of the larger one's X; every
covariance matrix that its random part can give, a sum of multiples of fixed n x n matrices, must be
such a sum of the larger one's. The second is decided without forming any of these matrices, by
their values at random pairs of vectors. Where a model has no rows, names of columns decide both.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mixedmodels.arrays import FloatArray, IntArray
from mixedmodels.crossprod import templates_of
from mixedmodels.design import Design, TermDesign
from mixedmodels.families.base import Family

# Relative size of what the larger model leaves of the smaller one; rounding leaves 1e-12 or less.
_LEFT = 1e-8
# Pairs of vectors beyond the number of matrices.
_SPARE = 4


def fixed_part_nested(small: Design, large: Design) -> bool:
    """Whether columns are in the span of the larger model's X."""
    if not (small.has_rows and large.has_rows):
        return set(small.x_names) <= set(large.x_names)
    return _in_span(small.X, large.X)


def offsets_nested(small: Design, large: Design) -> bool:
    """Whether the difference of offsets is in the span of the larger model's X."""
    if not (small.has_rows and large.has_rows):
        return small.is_shifted == large.is_shifted
    zero = np.zeros(small.n)
    difference = (zero if small.offset is None else small.offset) - (
        zero if large.offset is None else large.offset
    )
    return not difference.any() or _in_span(difference[:, None], large.X)


def distribution_nested(small: Design, of: Family | None, large: Design, by: Family | None) -> bool:
    """Whether the smaller model's distribution is one of the larger's: family, link, other parts.

    A part that a model does not have is one number, or no zeros of their own.
    """
    if of is None or by is None:
        return of is by
    if of.link.name != by.link.name or of.name not in (by.name, *by.limits):
        return False
    others = {part.spec.role: part.X for part in large.parts}
    mine = {part.spec.role: part.X for part in small.parts}
    if of.name == by.name and "dispersion" in others:
        mine.setdefault("dispersion", np.ones((small.n, 1)))
    absent = {"dispersion": np.ones((small.n, 1))}
    none = np.zeros((small.n, 0))
    return all(_in_span(X, others.get(role, absent.get(role, none))) for role, X in mine.items())


def random_part_nested(small: Design, large: Design, *, residual: bool = True) -> bool:
    """Whether every covariance of the smaller model is one of the larger's (but for signs).

    Args:
        small: The design with fewer parameters.
        large: The other one.
        residual: Whether rows have a residual, whose covariance counts to both.
    """
    if not (small.has_rows and large.has_rows):
        return all(any(_part_of(a, small, b, large) for b in large.terms) for a in small.terms)
    if not small.terms:
        return True
    count = _matrices(small) + _matrices(large) + _SPARE
    rng = np.random.default_rng(0)
    rows_small, rows_large = [], []
    for _ in range(count):
        x, y = rng.standard_normal((2, small.n))
        rows_small.append(list(_values(small, x, y, residual=residual)))
        rows_large.append(list(_values(large, x, y, residual=residual)))
    return _in_span(np.array(rows_small), np.array(rows_large))


def _part_of(term: TermDesign, small: Design, other: TermDesign, large: Design) -> bool:
    """Whether a term has columns of another with the same groups, by their names."""
    same = small.groups[term.group].name == large.groups[other.group].name
    return same and set(term.columns) <= set(other.columns)


def _matrices(design: Design) -> int:
    return 1 + templates_of(design).m


def _values(design: Design, x: FloatArray, y: FloatArray, *, residual: bool) -> Iterator[float]:
    """x'By for each matrix B whose multiples add up to a covariance: residual, then each term's."""
    if residual:
        yield float(x @ y) if design.w is None else float(x @ (y / design.w))
    for term in design.terms:
        codes = design.groups[term.group].codes
        left, right = _level_sums(codes, term.z, x), _level_sums(codes, term.z, y)
        products = left @ right.T
        for i in range(len(products)):
            yield float(products[i, i])
            yield from (float(products[i, j] + products[j, i]) for j in range(i))


def _level_sums(codes: IntArray, z: FloatArray, x: FloatArray) -> FloatArray:
    """(s, levels) sums of each column of z times x over the rows of each level."""
    return np.stack([np.bincount(codes, z[:, j] * x) for j in range(z.shape[1])])


def _in_span(wanted: FloatArray, basis: FloatArray) -> bool:
    """Whether the columns of `wanted` are combinations of those of `basis`."""
    if not wanted.shape[1]:
        return True
    sizes = np.linalg.norm(wanted, axis=0)
    left = wanted / np.where(sizes > 0.0, sizes, 1.0)
    if basis.shape[1]:
        norms = np.linalg.norm(basis, axis=0)
        u, s, _ = np.linalg.svd(basis / np.where(norms > 0.0, norms, 1.0), full_matrices=False)
        u = u[:, s > 1e-10 * s[0]]
        left = left - u @ (u.T @ left)
    return bool(np.max(np.linalg.norm(left, axis=0)) < _LEFT)
