"""Separation: what data of generalized models do not determine, as the likelihood has no maximum.

A direction of the coefficients separates the rows if it moves predictors down only in rows with the
smallest response, and up only in rows with the largest one. The likelihood rises along it for ever.
Of ordered categories, the thresholds less the predictor move in this way. Random effects cannot
cause this, as they have a prior. The limit of the likelihood is that of the rows that no such
direction moves, and these determine the combinations of their own predictors. That does not depend
on the coding. References: Konis (2007), Computational algorithms for detecting separation in binary
logistic regression; Geyer (2009), Electron. J. Stat. 3, 259-289.
"""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy

from mixedmodels.arrays import BoolArray, FloatArray, LongArray
from mixedmodels.estimates.unknown import SHARE, flat_shares
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION, Family
from mixedmodels.families.links import LINKS

AnyModel: TypeAlias = Any
"""A generalized model: the members that `estimates.generalized.GeneralizedModel` has."""

# Means so near to the bounds, by the fixed part alone, that coefficients may have run away.
_NEAR = 1e-4
UNPROVED = 1e-7
"""The same where nothing can be proved: rare events of large data have means like 1e-5."""
# Dispersions from which on a family is the Poisson family, for all that data tell.
_MANY = 1e6
# Numbers of X up to which a linear programme is solved, and the most seconds that it may take.
_MOST = 5_000_000
_SECONDS = 20.0
# Rows that join a linear programme at a time: this many, and so many for each unknown.
_ROWS = 50
_ROWS_EACH = 10
# Numbers in a block of rows of which the triangle is made at once.
_BLOCK = 1 << 18
# Seconds after which one that waits for a linear programme looks for signals.
_LOOK = 0.05
# Entries of directions, relative to the largest, and changes of predictors that count as zero.
_ZERO = 1e-7
_SIGMOID = ("logit", "probit", "cloglog", "loglog", "cauchit")


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """What separates the responses.

    Attributes:
        names: Coefficients, or thresholds, without a finite estimate.
        flat: (c, k) directions of the coefficients kept, after the thresholds where there are some,
            which the rows that are not separated do not determine.
        rows: Positions, among the rows used, of rows whose predictor goes to infinity.
    """

    names: tuple[str, ...]
    flat: FloatArray
    rows: LongArray


class OutOfTime(Exception):
    """A linear programme has taken too long."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What the responses depend on: predictors, or thresholds less these.

    Attributes:
        rows: (r,) the rows that they are of.
        threshold: (r,) the threshold, or None where there are none.
        lower: (r,) terms that may fall without loss.
        upper: (r,) terms that may rise without loss.
    """

    rows: LongArray
    threshold: LongArray | None
    lower: BoolArray
    upper: BoolArray

    def values(self, predictor: FloatArray, thresholds: FloatArray) -> FloatArray:
        """(r,) of predictors (n,)."""
        if self.threshold is None:
            return predictor
        found: FloatArray = thresholds[self.threshold] - predictor[self.rows]
        return found

    def columns(self, X: FloatArray, thresholds: int) -> FloatArray:
        """(r, c) that they are functions of: thresholds, and the coefficients of X (n, p)."""
        if self.threshold is None:
            return X
        return np.hstack([np.eye(thresholds)[self.threshold], -X[self.rows]])


def terms_of(family: Family, y: FloatArray, m: FloatArray) -> Terms:
    """The terms of responses (n,) with prior weights or trials (n,)."""
    every = np.arange(len(y))
    if not family.ordered:
        return Terms(every, None, *_extremes(family, y, m))
    category = y.astype(np.int64)
    above, below = np.flatnonzero(category < category.max()), np.flatnonzero(category > 0)
    rising = np.arange(len(above) + len(below)) < len(above)
    threshold = np.concatenate([category[above], category[below] - 1])
    return Terms(np.concatenate([above, below]), threshold, ~rising, rising)


def _extremes(family: Family, y: FloatArray, m: FloatArray) -> tuple[BoolArray, BoolArray]:
    """(n,) rows whose predictor may fall, and rows whose predictor may rise, without loss."""
    none: BoolArray = np.zeros(len(y), dtype=np.bool_)
    link = family.link.name
    if family.of_trials:
        lower = y == 0.0 if link in (*_SIGMOID, "log") else none
        return lower, (y == m if link in _SIGMOID else none)
    if family.counts and link == "log":
        return y == (1.0 if family.name.startswith("truncated") else 0.0), none
    return none, none


def suspected(
    model: AnyModel, user: FloatArray, *, converged: bool = True, near: float = _NEAR
) -> bool:
    """Whether coefficients seem to have run away: means nearer than `near` to a bound.

    Args:
        model: The model.
        user: (m + p + k,) its parameters.
        converged: Whether they are those of an optimum.
        near: The distance.
    """
    family = model.family
    bounded = family.of_trials or family.ordered or family.counts
    if not bounded or family.link.name not in (*_SIGMOID, "log"):
        return False
    predictor, thresholds = _predictor(model, user)
    if converged and not family.ordered and not _may_be_near(family, predictor, near):
        return False
    terms = terms_of(family, model.design.y, model.weights)
    if not converged:
        return bool(terms.lower.any() or terms.upper.any())
    return bool(_at_bound(family, terms, terms.values(predictor, thresholds), near).any())


def _predictor(model: AnyModel, user: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(n,) predictors without random effects, and the thresholds."""
    m, kept = model.templates.m, model.products.kept
    design, beta = model.design, user[m : m + len(kept)]
    X = design.X if len(kept) == design.X.shape[1] else design.X[:, kept]
    eta: FloatArray = X @ beta
    psi = user[m + len(kept) :]
    ordered = model.components[0].estimates(psi)[0] if model.family.ordered else np.empty(0)
    return eta if design.offset is None else eta + design.offset, ordered


def _at_bound(family: Family, terms: Terms, values: FloatArray, near: float) -> BoolArray:
    """(r,) terms that may go on to a bound and are nearer to it than `near`."""
    low, high = _predictors(family.link.name, near)
    found: BoolArray = (terms.lower & (values < low)) | (terms.upper & (values > high))
    return found


def _may_be_near(family: Family, eta: FloatArray, near: float) -> bool:
    """Whether a mean is nearer than `near` to a bound."""
    low, high = _predictors(family.link.name, near)
    return bool(eta.min() < low or (not family.counts and eta.max() > high))


@functools.lru_cache(maxsize=16)
def _predictors(link: str, near: float) -> tuple[float, float]:
    """The predictors of the means `near` and 1 - `near`."""
    low, high = LINKS[link].predictor(np.array((near, 1.0 - near))).tolist()
    return low, high


def proof(model: AnyModel) -> tuple[Separation | None, bool]:
    """What separates the responses, and whether that is certain where nothing was found."""
    design, kept = model.design, model.products.kept
    count = len(model.components[0].names) if model.family.ordered else 0
    terms = terms_of(model.family, design.y, model.weights)
    if len(terms.rows) * (len(kept) + count) > _MOST:
        return None, False
    X = terms.columns(design.X[:, kept], count)
    try:
        direction = recession(X, terms.lower, terms.upper)
    except OutOfTime:
        return None, False
    if direction is None:
        return None, True
    change = np.abs(X @ direction)
    moved = change > _ZERO * change.max()
    flat, shares = not_determined(X, ~moved)
    names = (*(model.components[0].names if count else ()), *(design.x_names[j] for j in kept))
    listed = tuple(name for name, share in zip(names, shares, strict=True) if share > SHARE)
    return Separation(listed, flat, np.unique(terms.rows[moved])), True


def not_determined(X: FloatArray, left: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(c, k) directions that the rows of X (r, c) that are left do not see, and (c,) the shares.

    The shares are those of the coefficients in these directions, from 0 to 1.
    """
    inverse = np.asarray(np.linalg.inv(_triangle(X)), dtype=np.float64)
    basis = _null_space(X[left] @ inverse, X.shape[1])
    return inverse @ basis, flat_shares(inverse.T, basis)


def undetermined(model: AnyModel, user: FloatArray, *, converged: bool) -> FloatArray:
    """(k, m + p + own) directions of all parameters that separation leaves without an estimate.

    Those of the mean are proved where that is possible; elsewhere rows at a bound count as
    separated, as they do for other parameters with predictors.

    Args:
        model: The model.
        user: (m + p + own,) its parameters.
        converged: Whether they are those of an optimum.
    """
    found = [_of_mean(model, user, converged=converged)] if model.products.p else []
    first = model.templates.m + len(model.products.kept)
    for part in model.components:
        if part.part is None or part.products is None:
            continue
        bound = _part_at_bound(model.family, part.role, part.predictor(user[first:]))
        if bound.any():
            flat = not_determined(part.part.X[:, part.products.kept], ~bound)[0]
            place = slice(first + part.first, first + part.first + len(flat))
            found.append(_placed(flat, np.arange(place.start, place.stop), len(user)))
    return np.vstack([np.empty((0, len(user))), *found])


def _of_mean(model: AnyModel, user: FloatArray, *, converged: bool) -> FloatArray:
    none = np.empty((0, len(user)))
    if not suspected(model, user, converged=converged):
        return none
    separation, certain = model.separation
    m, kept, family = model.templates.m, model.products.kept, model.family
    own = np.arange(m, m + len(kept))
    count = len(model.components[0].names) if family.ordered else 0
    if separation is not None:
        flat = separation.flat
    elif certain:
        return none
    else:
        terms = terms_of(family, model.design.y, model.weights)
        bound = _at_bound(family, terms, terms.values(*_predictor(model, user)), UNPROVED)
        if not bound.any():
            return none
        flat = not_determined(terms.columns(model.design.X[:, kept], count), ~bound)[0]
    if count:
        slopes = model.components[0].estimates(user[m + len(kept) :])[1]
        flat = np.vstack([np.linalg.solve(slopes, flat[:count]), flat[count:]])
        own = np.concatenate([m + len(kept) + np.arange(count), own])
    return _placed(flat, own, len(user))


def _placed(flat: FloatArray, own: LongArray, size: int) -> FloatArray:
    """(k, size) directions (c, k) of some parameters, among all."""
    found = np.zeros((flat.shape[1], size))
    found[:, own] = flat.T
    return found


def _part_at_bound(family: Family, role: str, predictor: FloatArray) -> BoolArray:
    """(n,) rows where a parameter has gone to a bound of its own."""
    none: BoolArray = np.zeros(len(predictor), dtype=np.bool_)
    if role == ZERO_INFLATION:
        low, high = _predictors("logit", UNPROVED)
        return np.asarray((predictor < low) | (predictor > high))
    if role == DISPERSION and family.name == "nb1":
        return np.asarray(predictor < -np.log(_MANY))
    if role == DISPERSION and "negative_binomial" in family.name:
        return np.asarray(predictor > np.log(_MANY))
    return none


def recession(X: FloatArray, lower: BoolArray, upper: BoolArray) -> FloatArray | None:
    """A direction d with X d <= 0 in lower rows, >= 0 in upper ones, and zero in the others.

    Args:
        X: (n, p) of full column rank.
        lower: (n,) rows whose predictor may fall.
        upper: (n,) rows whose predictor may rise.

    Returns:
        (p,) a direction that moves as many rows as possible, or None where there is none.
    """
    inverse = np.asarray(np.linalg.inv(_triangle(X)), dtype=np.float64)
    Q = X @ inverse
    basis = _null_space(Q[~(lower | upper)], Q.shape[1])
    sign = np.where(upper, 1.0, -1.0)[lower | upper]
    A: FloatArray = sign[:, None] * (Q[lower | upper] @ basis)
    A /= max(np.abs(A).max(initial=0.0), 1e-300)
    end = time.monotonic() + _SECONDS
    total: FloatArray = np.zeros(basis.shape[1])
    while len(A) and A.shape[1]:
        farthest = _farthest(A, end)
        moved = A @ farthest > _ZERO
        if not moved.any():
            break
        # Later directions may be against rows that the earlier ones have moved, which go further.
        total = total / 1e-3 + farthest if total.any() else farthest
        A = A[~moved]
    if not total.any():
        return None
    direction: FloatArray = inverse @ (basis @ total)
    direction /= np.abs(direction).max()
    return direction


def _triangle(X: FloatArray) -> FloatArray:
    """(p, p) R of X = Q R, by blocks of rows, between which Python looks for signals."""
    n, p = X.shape
    step = max(2 * p, _BLOCK // max(p, 1))
    R: FloatArray = np.zeros((0, p))
    for first in range(0, n, step):
        R = np.linalg.qr(np.vstack([R, X[first : first + step]])).R
    return R


def _farthest(A: FloatArray, end: float) -> FloatArray:
    """(k,) x in [-1, 1] with A x >= 0 for which the sum of A x is largest.

    Few rows hold x back. The programme is solved with some rows, and those are added that its
    solution moves back, until there are none.

    Raises:
        OutOfTime: It takes longer than until `end`, a time of the monotonic clock.
    """
    aim = A.sum(axis=0)
    x: FloatArray = np.sign(aim)
    chosen = np.zeros(len(A), dtype=np.bool_)
    while True:
        gain = A @ x
        back = np.flatnonzero((gain < -_ZERO) & ~chosen)
        if not len(back):
            return x
        most = min(len(back), _ROWS + _ROWS_EACH * len(x))
        chosen[back[np.argpartition(gain[back], most - 1)[:most]]] = True
        x = _programme(aim, np.unique(A[chosen], axis=0), end)


def _programme(aim: FloatArray, A: FloatArray, end: float) -> FloatArray:
    """(k,) x in [-1, 1] with A x >= 0 for which aim'x is largest; it can be interrupted.

    Raises:
        OutOfTime: It takes longer than until `end`.
    """
    found: list[Any] = []

    def solve() -> None:
        found.append(
            scipy.optimize.linprog(
                -aim,
                A_ub=-A,
                b_ub=np.zeros(len(A)),
                bounds=(-1.0, 1.0),
                method="highs",
                options={"time_limit": max(end - time.monotonic(), 0.0)},
            )
        )

    # SciPy's call looks for no signals: another thread makes it, which ends by itself.
    worker = threading.Thread(target=solve, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(_LOOK)
    if not found or found[0].status != 0:
        raise OutOfTime
    x: FloatArray = found[0].x
    return x


def _null_space(A: FloatArray, p: int) -> FloatArray:
    """(p, k) orthonormal directions that A does not see."""
    if len(A) == 0:
        return np.eye(p)
    values, vectors = np.linalg.eigh(A.T @ A)
    kernel: FloatArray = vectors[:, values < 1e-12]
    return kernel
