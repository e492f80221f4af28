"""Separation: coefficients of generalized models without a finite estimate, proved and named.

A direction of the coefficients separates the rows if it moves predictors down only in rows with the
smallest response, and up only in rows with the largest one. The likelihood rises along it for ever.
Random effects cannot cause this, as they have a prior. Reference: Konis (2007), Computational
algorithms for detecting separation in binary logistic regression.
"""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import scipy

from mixedmodels.arrays import BoolArray, FloatArray, LongArray
from mixedmodels.design import Design
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.families.base import Family
from mixedmodels.families.links import LINKS

# Means so near to the bounds, by the fixed part alone, that coefficients may have run away.
_NEAR = 1e-4
# The same where nothing can be proved: rare events of large data have means like 1e-5.
_UNPROVED = 1e-7
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
_SIGMOID = ("logit", "probit", "cloglog", "cauchit")


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """What separates the responses.

    Attributes:
        names: Coefficients without a finite estimate.
        direction: (p,) along which the likelihood rises for ever, for the columns kept.
        rows: Positions, among the rows used, of rows whose predictor goes to infinity along it.
    """

    names: tuple[str, ...]
    direction: FloatArray
    rows: LongArray


class OutOfTime(Exception):
    """A linear programme has taken too long."""


def extremes(family: Family, y: FloatArray, m: FloatArray) -> tuple[BoolArray, BoolArray]:
    """(n,) rows whose predictor may fall, and rows whose predictor may rise, without loss."""
    none: BoolArray = np.zeros(len(y), dtype=np.bool_)
    link = family.link.name
    if family.of_trials:
        lower = y == 0.0 if link in (*_SIGMOID, "log") else none
        return lower, (y == m if link in _SIGMOID else none)
    if family.ordered:  # the thresholds of the categories between hold the others
        return y == y.min(), y == y.max()
    if family.counts and link == "log":
        return y == (1.0 if family.name.startswith("truncated") else 0.0), none
    return none, none


def suspected(fitted: GeneralizedFitted, near: float = _NEAR) -> bool:
    """Whether coefficients seem to have run away: means nearer than `near` to a bound."""
    design, family, solution = fitted.model.design, fitted.model.family, fitted.solution
    converged, kept = fitted.optsum.converged, solution.kept
    eta = design.X[:, kept] @ solution.beta[kept]
    eta = eta if design.offset is None else eta + design.offset
    if converged and not _may_be_near(family, eta, near):
        return False
    lower, upper = extremes(family, design.y, fitted.model.weights)
    if not (lower.any() or upper.any()):
        return False
    if not converged:
        return True
    with np.errstate(over="ignore"):
        mean = family.link.mean(eta)
    return bool((lower & (mean < near)).any() or (upper & (mean > 1.0 - near)).any())


def _may_be_near(family: Family, eta: FloatArray, near: float) -> bool:
    """Whether a mean is nearer than `near` to a bound, of a family and link that have one."""
    bounded = family.of_trials or family.ordered or family.counts
    if not bounded or family.link.name not in (*_SIGMOID, "log"):
        return False
    low, high = _predictors(family.link.name, near)
    return bool(eta.min() < low or (not family.counts and eta.max() > high))


@functools.lru_cache(maxsize=16)
def _predictors(link: str, near: float) -> tuple[float, float]:
    """The predictors of the means `near` and 1 - `near`."""
    low, high = LINKS[link].predictor(np.array((near, 1.0 - near))).tolist()
    return low, high


def separation(fitted: GeneralizedFitted) -> Separation | None:
    """What separates the responses of a fit that is suspected of it; None where nothing does."""
    return fitted.once(_search)[0]


def _search(fitted: GeneralizedFitted) -> tuple[Separation | None, bool]:
    """What separates the responses, and whether that is certain where nothing was found."""
    if not suspected(fitted):
        return None, True
    design, kept = fitted.model.design, fitted.solution.kept
    if design.n * len(kept) > _MOST:
        return None, False
    lower, upper = extremes(fitted.model.family, design.y, fitted.model.weights)
    X = design.X[:, kept]
    try:
        direction = recession(X, lower, upper)
    except OutOfTime:
        return None, False
    if direction is None:
        return None, True
    reach = np.abs(direction) * np.abs(X).max(axis=0)
    moved = np.abs(X @ direction)
    infinite = np.flatnonzero(reach > _ZERO * reach.max())
    names = tuple(design.x_names[kept[j]] for j in infinite)
    rows = np.flatnonzero(moved > _ZERO * moved.max())
    return Separation(names, direction, rows), True


def suspicion(fitted: GeneralizedFitted) -> str | None:
    """What is said where separation is suspected and the data are too large for a proof."""
    certain = fitted.once(_search)[1]
    if certain or not fitted.optsum.converged or not suspected(fitted, _UNPROVED):
        return None
    return (
        "Separation is suspected: fitted probabilities or means of some rows are at a bound, and "
        "the data are too large to find out which coefficients have no finite estimate. Look for "
        "coefficients with very large standard errors, and for levels at which all responses are "
        "the same."
    )


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


def separation_message(fitted: GeneralizedFitted, found: Separation) -> str:
    """Which coefficients have no finite estimate, where, and what to do."""
    listed = ", ".join(f"'{name}'" for name in found.names)
    which = (
        f"the coefficient {listed} has no finite estimate"
        if len(found.names) == 1
        else f"the coefficients {listed} have no finite estimates (a combination of them)"
    )
    return (
        f"Separation: {which}. {_where(fitted, found)} Estimates and standard errors of these "
        "coefficients mean nothing; the others can be used. Merge the level with others, leave "
        "the term out, or make it a random effect."
    )


def _where(fitted: GeneralizedFitted, found: Separation) -> str:
    """The rows that are separated, as a cell of the design if they are one."""
    design, family = fitted.model.design, fitted.model.family
    y, m = design.y[found.rows], fitted.model.weights[found.rows]
    if family.of_trials:
        same = "a failure" if (y == 0.0).all() else "a success" if (y == m).all() else ""
    elif family.ordered:
        lowest, highest = (y == design.y.min()).all(), (y == design.y.max()).all()
        same = "the lowest category" if lowest else "the highest category" if highest else ""
    else:
        same = f"{y[0]:g}"
    kind = f"the response is always {same}" if same else "the predictors determine the response"
    cells = _cells(design, found.rows)
    if cells:
        return f"Where {', and where '.join(cells)}, {kind}."
    count = "all" if len(found.rows) == design.n else str(len(found.rows))
    return f"In {count} rows {kind}."


def _cells(design: Design, rows: LongArray) -> list[str]:
    """Levels of one factor, or of two, that together are just these rows; few of them."""
    inside: BoolArray = np.zeros(design.n, dtype=np.bool_)
    inside[rows] = True
    if inside.all():
        return []
    factors = {
        name: (np.asarray(variable.values), variable.levels)
        for name, variable in design.variables.items()
        if variable.levels is not None and variable.values is not None
    }
    for size in (1, 2):
        for names in combinations(factors, size):
            codes = np.column_stack([factors[name][0] for name in names])
            cells = np.unique(codes[inside], axis=0)
            members = [(codes == cell).all(axis=1) for cell in cells[:6]]
            covered = np.any(members, axis=0)
            if len(cells) > 5 or (covered & ~inside).any():
                continue
            return [
                " and ".join(
                    f"{name} is {factors[name][1][int(code)]!s}"
                    for name, code in zip(names, cell, strict=True)
                )
                for cell in cells
            ]
    return []
