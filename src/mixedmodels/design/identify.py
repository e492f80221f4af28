"""Which covariance parameters the data cannot tell apart, decided from the rows.

The covariance of the response is linear in the variances and covariances phi of the random effects:
V = sum of phi_j V_j + phi_0 I, and for REML only Q V Q matters, Q = I - X X^+. Two values of phi
give the same likelihood exactly where the matrices V_j are linearly dependent. Their null space is
found from their values x'V_j y at random pairs of vectors, without forming any of them. The core
decides beforehand whether this work is needed (`identify.hpp`); no messages are made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray, IntArray
from mixedmodels.design.design import Design

# Pivots and shares (see the core's `Identifiability`) below which the rows are looked at. A larger
# value costs time, not correctness: information of 1e-6 is far more than rounding leaves.
SUSPICIOUS = 1e-6
# Norm of a column projected off the columns before it, relative to its own, that is rounding.
_SAME = 1e-14
# Singular value of the scaled values x'V_j y that counts as zero.
_NULL = 1e-7
# Relative size of x'Q V_j Q y that counts as zero.
_IDLE = 1e-10
# Weight of a parameter in the null space that is rounding.
_WEIGHT = 1e-7
# Pairs of random vectors beyond the number of parameters.
_SPARE = 6
# Number of rows that are looked at before all rows; they determine most models.
_FIRST_ROWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Confounded:
    """Parameters that can only be told in certain combinations.

    Attributes:
        entries: (m,) which (co)variances, in the order of theta.
        residual: Whether the residual variance is one of them.
        fixed: Whether the reason is the fixed part, which leaves too little for REML.
    """

    entries: BoolArray
    residual: bool
    fixed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """Parameters of one criterion that the rows do not determine.

    Attributes:
        unknown: (m,) (co)variances that are not identified, in the order of theta.
        residual: Whether the residual variance is not identified.
        idle: (m,) diagonal entries of effects whose columns the fixed part takes up.
        empty: (m,) diagonal entries of effects whose columns are zero in all rows.
        groups: Sets of parameters that are confounded with each other.
        too_few: Whether n - p residuals are too few for this number of parameters.
    """

    unknown: BoolArray
    residual: bool
    idle: BoolArray
    empty: BoolArray
    groups: tuple[Confounded, ...]
    too_few: bool


class Probes(Protocol):
    """The values of every V_j, whitened by the weights, at random pairs of vectors.

    Attributes:
        entries: (m, 3) term, row and column of each (co)variance, in the order of theta.
        n: Rows.
        p: Rank of X.
    """

    entries: IntArray
    n: int
    p: int

    def values(self) -> tuple[FloatArray, FloatArray]:
        """(k, m + 1) x'V_j y, before and after X is projected out."""

    def as_typed(self, null: FloatArray) -> FloatArray:
        """(m + 1, k) directions in (co)variances of the columns as typed, these of size 1."""


def examine_rows(design: Design, R: FloatArray, kept: IntArray, *, reml: bool) -> Findings:
    """The parameters that one criterion cannot tell apart, from the rows.

    Args:
        design: Model matrices.
        R: (p, p) triangle of the basis X R^-1 of the columns kept.
        kept: (p,) their positions.
        reml: Which criterion.
    """
    return examine(_RowProbes(design, R, kept), reml=reml)


def examine_predictor(design: Design) -> Findings | None:
    """What no response can tell apart in the covariance of the random part of a linear predictor.

    There is no residual variance here. (Co)variances that some of the rows determine are
    determined, so that the first rows are looked at before all of them.

    Returns:
        The findings; None where everything is determined.
    """
    if not (design.has_rows and _may_be_linked(design)):
        return None
    found = None
    for n in dict.fromkeys((min(_FIRST_ROWS, design.n), design.n)):
        probes = _RowProbes(design, np.zeros((0, 0)), np.zeros(0, dtype=np.int32), n)
        found = examine(probes, reml=False, residual=False)
        if not found.unknown.any():
            return None
    return found


def _may_be_linked(design: Design) -> bool:
    """Whether terms have the form that (co)variances which cannot be told apart have.

    Several columns, the same factor, or factors with as many levels as each other.
    """
    levels = [design.groups[term.group].n_levels for term in design.terms]
    columns = [len(term.columns) for term in design.terms]
    return max(columns, default=0) > 1 or len(set(levels)) < len(levels)


def examine(probes: Probes, *, reml: bool, residual: bool = True) -> Findings:
    """The same from the values of every V_j; `residual` says whether there are residuals."""
    plain, projected = probes.values()
    entries = probes.entries
    scale = _scales(plain, entries)
    diagonal = entries[:, 1] == entries[:, 2]
    norms = np.linalg.norm(plain, axis=0)[:-1]
    left = np.linalg.norm(projected, axis=0)[:-1]
    empty = diagonal & (norms == 0.0)
    idle = diagonal & ~empty & (left <= _IDLE * norms)
    gone = _of_effects(entries, (idle | empty) if reml else empty)
    live = np.append(~gone, residual)
    room = probes.n - probes.p
    too_few = bool(reml and 0.5 * room * (room + 1) < np.count_nonzero(live))
    linked = _groups(probes, projected if reml else plain, scale, live)
    fixed = _groups(probes, plain, scale, live) if reml else linked
    groups = [
        Confounded(e, r, fixed=not any(np.array_equal(e, o) and r == s for o, s in fixed))
        for e, r in linked
    ]
    unknown = gone.copy()
    for group in groups:
        unknown |= group.entries
    linked_residual = any(group.residual for group in groups)
    return Findings(unknown, linked_residual, idle, empty, tuple(groups), too_few)


def count_of_pairs(parameters: int) -> int:
    """Random pairs of vectors that tell so many (co)variances and the residual one apart."""
    return parameters + 1 + _SPARE


class _RowProbes:
    """`Probes` from the rows."""

    def __init__(self, design: Design, R: FloatArray, kept: IntArray, n: int | None = None) -> None:
        self.n, self.p = design.n if n is None else n, len(R)
        self._root = None if design.w is None else np.sqrt(design.w[: self.n])
        self._terms = [
            (design.groups[term.group].codes[: self.n], self._in_own_units(term.z[: self.n]))
            for term in design.terms
        ]
        self._axes = [orthogonal_axes(z) for _, z in self._terms]
        self._turned = [z @ T.T for (_, z), T in zip(self._terms, self._axes, strict=True)]
        self.entries = np.array(
            [
                (t, row, column)
                for t, (_, z) in enumerate(self._terms)
                for column in range(z.shape[1])
                for row in range(column, z.shape[1])
            ]
        )
        self._basis = np.linalg.solve(R.T, self._whitened(design.X[:, kept]).T) if self.p else None

    def _in_own_units(self, z: FloatArray) -> FloatArray:
        """Whitened columns of size 1 at most, whatever the size of columns and weights."""
        largest = np.abs(z).max(axis=0)
        scaled: FloatArray = z / np.where(largest > 0.0, largest, 1.0)
        return scaled if self._root is None else scaled * (self._root / self._root.max())[:, None]

    def _whitened(self, z: FloatArray) -> FloatArray:
        return np.array(z) if self._root is None else z * self._root[:, None]

    def values(self) -> tuple[FloatArray, FloatArray]:
        """(k, m + 1) x'V_j y of the turned columns, before and after X is projected out."""
        rng = np.random.default_rng(0)
        plain, projected = [], []
        for _ in range(count_of_pairs(len(self.entries))):
            x, y = rng.standard_normal((2, self.n))
            plain.append(self._row(x, y))
            projected.append(self._row(self._left(x), self._left(y)))
        return np.array(plain), np.array(projected)

    def _left(self, x: FloatArray) -> FloatArray:
        """What X leaves of x; projected twice against rounding."""
        if self._basis is None:
            return x
        once = x - self._basis.T @ (self._basis @ x)
        left: FloatArray = once - self._basis.T @ (self._basis @ once)
        return left

    def _row(self, x: FloatArray, y: FloatArray) -> list[float]:
        out: list[float] = []
        for (codes, _), z in zip(self._terms, self._turned, strict=True):
            left, right = (
                np.stack([np.bincount(codes, z[:, j] * v) for j in range(z.shape[1])])
                for v in (x, y)
            )
            out.extend(covariance_values(left @ right.T))
        out.append(float(x @ y))
        return out

    def as_typed(self, null: FloatArray) -> FloatArray:
        """(m + 1, k) directions in (co)variances of the columns as typed, these of size 1."""
        sizes = [np.sqrt(np.mean(z**2, axis=0)) for _, z in self._terms]
        return in_typed_columns(self.entries, self._axes, sizes, null)


def covariance_values(products: FloatArray) -> list[float]:
    """x'V_j y of every (co)variance of a term, from products (s, s) of Z'x and Z'y over levels."""
    both = products + products.T
    np.fill_diagonal(both, np.diag(products))
    column, row = np.triu_indices(len(both))
    found: list[float] = both[row, column].tolist()
    return found


def in_typed_columns(
    entries: IntArray, axes: Sequence[FloatArray], sizes: Sequence[FloatArray], null: FloatArray
) -> FloatArray:
    """(m + 1, k) directions in (co)variances of the columns as typed, these of size 1.

    Args:
        entries: (m, 3) term, row and column of each (co)variance.
        axes: Of every term T (s, s), for columns T z of the columns z as typed.
        sizes: Of every term the sizes (s,) of its columns as typed.
        null: (m + 1, k) directions in those of the columns T z.
    """
    out: FloatArray = null.copy()
    for t, (T, size) in enumerate(zip(axes, sizes, strict=True)):
        places = np.flatnonzero(entries[:, 0] == t)
        rows, columns = entries[places, 1], entries[places, 2]
        for k in range(null.shape[1]):
            phi = np.zeros((len(T), len(T)))
            phi[rows, columns] = phi[columns, rows] = null[places, k]
            phi = T.T @ phi @ T * np.outer(size, size)
            out[places, k] = phi[rows, columns]
    return out


def orthogonal_axes(z: FloatArray) -> FloatArray:
    """Lower triangle T: the columns T z are orthogonal over all rows, and of size 1.

    Dependent columns are left as they are but for their size; z: (n, s).
    """
    s = z.shape[1]
    T = np.eye(s)
    done: list[tuple[int, FloatArray]] = []
    for j in range(s):
        before = np.linalg.norm(z[:, j])
        if before == 0.0:
            continue
        left = np.array(z[:, j])
        for _ in range(2):
            for i, unit in done:
                along = unit @ left
                left -= along * unit
                T[j] -= along * T[i]
        size = np.linalg.norm(left)
        if size <= _SAME * before:
            T[j] = 0.0
            T[j, j] = 1.0 / before
            continue
        T[j] /= size
        done.append((j, left / size))
    axes: FloatArray = T * np.sqrt(len(z))
    return axes


def _scales(plain: FloatArray, entries: IntArray) -> FloatArray:
    """(m + 1,) norm of the values of each variance, and of a covariance from its two variances."""
    norms = np.linalg.norm(plain, axis=0)
    own = {(t, r): norms[j] for j, (t, r, c) in enumerate(entries.tolist()) if r == c}
    scale = [np.sqrt(own[t, r] * own[t, c]) for t, r, c in entries.tolist()]
    out = np.array([*scale, norms[-1]])
    return np.where(out > 0.0, out, 1.0)


def _of_effects(entries: IntArray, effects: BoolArray) -> BoolArray:
    """All (co)variances of these effects."""
    chosen = {(t, r) for t, r, _ in entries[effects].tolist()}
    return np.array([(t, r) in chosen or (t, c) in chosen for t, r, c in entries.tolist()])


def _groups(
    probes: Probes, values: FloatArray, scale: FloatArray, live: BoolArray
) -> list[tuple[BoolArray, bool]]:
    """Sets of parameters (entries of theta, residual) that null vectors connect."""
    _, sizes, vectors = np.linalg.svd((values / scale)[:, live], full_matrices=False)
    null = np.zeros((len(live), np.count_nonzero(sizes <= _NULL)))
    if not null.shape[1]:
        return []
    null[live] = vectors[sizes <= _NULL].T / scale[live, None]
    basis, _ = np.linalg.qr(probes.as_typed(null))
    linked = np.abs(basis @ basis.T) > _WEIGHT
    found = []
    waiting = np.diag(linked).copy()
    while waiting.any():
        members = np.zeros(len(live), dtype=np.bool_)
        members[np.argmax(waiting)] = True
        while (wider := linked[members].any(axis=0) | members).sum() > members.sum():
            members = wider
        waiting &= ~members
        found.append((members[:-1], bool(members[-1])))
    return found
