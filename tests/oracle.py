"""Dense NumPy oracle of the profiled criterion: DESIGN.md's formulas, written out.

The penalized least squares problem is solved by one QR of the augmented matrix
`[W^1/2 Z Lambda, W^1/2 X; I, 0]`, so nothing is shared with the library's sparse Cholesky
and no condition number is squared. Everything is dense: for small problems only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mixedmodels.covariance import Templates
from mixedmodels.estimates.solution import Solution

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A model as dense arrays: X (n, p) of full rank, Z (n, q) in public order."""

    y: Floats
    X: Floats
    Z: Floats
    templates: Templates
    w: Floats
    offset: Floats

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def p(self) -> int:
        return self.X.shape[1]

    def Lambda(self, theta: Floats) -> Floats:
        blocks = [
            np.kron(np.eye(self.templates.n_levels[g]), lam)
            for g, lam in zip(self.templates.groups, self.templates.lam(theta), strict=True)
        ]
        return linalg.block_diag(*blocks)


@dataclass(frozen=True)
class PLS:
    """The solved problem at one theta; R11 and R22 are upper triangular."""

    Lambda: Floats
    R11: Floats
    RZX: Floats
    R22: Floats
    u: Floats
    beta: Floats
    pwrss: float
    logdet_L2: float
    logdet_RX2: float
    residuals: Floats


def z_matrix(terms: Sequence[tuple[NDArray[Any], int, Floats]]) -> Floats:
    """Z in public order from (codes, n_levels, z (n, s)) per term."""
    blocks = []
    for codes, n_levels, z in terms:
        indicator = np.eye(n_levels)[codes]
        blocks.append((indicator[:, :, None] * z[:, None, :]).reshape(len(codes), -1))
    return np.hstack(blocks)


def problem(
    y: Floats,
    X: Floats,
    Z: Floats,
    templates: Templates,
    *,
    w: Floats | None = None,
    offset: Floats | None = None,
) -> Problem:
    """A problem with weights and offset filled in."""
    n = len(y)
    return Problem(
        y=np.asarray(y, dtype=np.float64),
        X=np.asarray(X, dtype=np.float64).reshape(n, -1),
        Z=Z,
        templates=templates,
        w=np.ones(n) if w is None else np.asarray(w, dtype=np.float64),
        offset=np.zeros(n) if offset is None else np.asarray(offset, dtype=np.float64),
    )


def independent_columns(X: Floats, tol: float = 1e-9) -> NDArray[np.int64]:
    """Columns kept when the first of every dependent set is kept."""
    kept: list[int] = []
    basis = np.empty((len(X), 0))
    for j in range(X.shape[1]):
        column = X[:, j]
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > tol * np.linalg.norm(column):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            kept.append(j)
    return np.array(kept, dtype=np.int64)


def from_design(design: Any) -> Problem:
    """The oracle's problem of a `Design`; aliased columns of X dropped."""
    terms = [
        (design.groups[t.group].codes, design.groups[t.group].n_levels, np.asarray(t.z))
        for t in design.terms
    ]
    return problem(
        design.y,
        design.X[:, independent_columns(design.X)],
        z_matrix(terms),
        templates_of(design),
        w=design.w,
        offset=design.offset,
    )


def templates_of(design: Any) -> Templates:
    """The templates of a `Design`."""
    return Templates.from_terms(
        [len(t.columns) for t in design.terms],
        [t.group for t in design.terms],
        [g.name for g in design.groups],
        [t.columns for t in design.terms],
        [g.n_levels for g in design.groups],
    )


def solve(problem: Problem, theta: Floats) -> PLS:
    """Minimise |W^1/2 (y - offset - X beta - Z Lambda u)|^2 + |u|^2 over u and beta."""
    Lambda = problem.Lambda(theta)
    q, p = len(Lambda), problem.p
    root_w = np.sqrt(problem.w)
    U = root_w[:, None] * (problem.Z @ Lambda)
    augmented = np.block([[U, root_w[:, None] * problem.X], [np.eye(q), np.zeros((q, p))]])
    target = np.concatenate([root_w * (problem.y - problem.offset), np.zeros(q)])
    Q, R = np.linalg.qr(augmented)
    solution = linalg.solve_triangular(R, Q.T @ target)
    left = target - augmented @ solution
    diagonal = np.log(np.abs(np.diag(R)))
    return PLS(
        Lambda=Lambda,
        R11=R[:q, :q],
        RZX=R[:q, q:],
        R22=R[q:, q:],
        u=solution[:q],
        beta=solution[q:],
        pwrss=float(left @ left),
        logdet_L2=2.0 * float(diagonal[:q].sum()),
        logdet_RX2=2.0 * float(diagonal[q:].sum()),
        residuals=left[: problem.n] / root_w,
    )


def criterion(problem: Problem, theta: Floats, reml: bool = False) -> float:
    """ML deviance or REML criterion."""
    pls = solve(problem, theta)
    df = problem.n - problem.p if reml else problem.n
    value = pls.logdet_L2 + df * (1.0 + np.log(2.0 * np.pi * pls.pwrss / df))
    value -= np.log(problem.w).sum()
    return float(value + pls.logdet_RX2 if reml else value)


def gradient(problem: Problem, theta: Floats, reml: bool = False) -> Floats:
    """Gradient of `criterion`, (m,), by the three formulas of DESIGN.md."""
    pls = solve(problem, theta)
    df = problem.n - problem.p if reml else problem.n
    WZ = problem.w[:, None] * problem.Z
    LtZtWZ = pls.Lambda.T @ (problem.Z.T @ WZ)
    M_inverse_times = np.linalg.inv(pls.R11) @ np.linalg.inv(pls.R11).T
    logdet_L2 = 2.0 * M_inverse_times @ LtZtWZ
    pwrss = -2.0 * np.outer(pls.u, WZ.T @ pls.residuals)
    total = logdet_L2 + df / pls.pwrss * pwrss
    if reml and problem.p:
        K = M_inverse_times @ pls.Lambda.T @ (WZ.T @ problem.X)
        left = (problem.X - problem.Z @ (pls.Lambda @ K)).T @ WZ
        total -= 2.0 * K @ np.linalg.solve(pls.R22.T @ pls.R22, left)
    return _sum_over_levels(problem.templates, total)


def _sum_over_levels(templates: Templates, G: Floats) -> Floats:
    """tr(G dLambda_k) for each theta_k: dLambda_k has a 1 at (row, col) of every level."""
    out = np.zeros(templates.m)
    for k, (term, row, col) in enumerate(templates.entries):
        first = templates.term_starts[term]
        starts = first + templates.sizes[term] * np.arange(
            templates.n_levels[templates.groups[term]]
        )
        out[k] = G[starts + col, starts + row].sum()
    return out


def conditional_covariance(problem: Problem, theta: Floats) -> tuple[Floats, ...]:
    """Per group the (levels, S, S) blocks of Lambda M^-1 Lambda', unscaled by sigma^2."""
    pls = solve(problem, theta)
    root = pls.Lambda @ np.linalg.inv(pls.R11)
    covariance = root @ root.T
    templates = problem.templates
    out = []
    for group, n_levels in enumerate(templates.n_levels):
        terms = [t for t, g in enumerate(templates.groups) if g == group]
        index = np.hstack(
            [
                np.arange(templates.term_starts[t], templates.term_starts[t + 1]).reshape(
                    n_levels, -1
                )
                for t in terms
            ]
        )
        out.append(covariance[index[:, :, None], index[:, None, :]])
    return tuple(out)


def solution(
    problem: Problem,
    theta: Floats,
    reml: bool,
    *,
    p_all: int | None = None,
    kept: NDArray[np.int64] | None = None,
) -> Solution:
    """The `Solution` at theta; `p_all` and `kept` place beta among aliased columns."""
    pls = solve(problem, theta)
    n, p = problem.n, problem.p
    sigma = float(np.sqrt(pls.pwrss / (n - p if reml else n)))
    kept = np.arange(p) if kept is None else kept
    beta = np.full(p if p_all is None else p_all, np.nan)
    beta[kept] = pls.beta
    root = np.linalg.inv(pls.R22)
    return Solution(
        theta=np.array(theta, dtype=np.float64),
        axes_theta=np.array(theta, dtype=np.float64),
        relative_theta=np.array(theta, dtype=np.float64),
        reml=reml,
        objective=criterion(problem, theta, reml),
        deviance=criterion(problem, theta),
        logdet_L2=pls.logdet_L2,
        logdet_RX2=pls.logdet_RX2,
        pwrss=pls.pwrss,
        sigma=sigma,
        beta=beta,
        kept=kept,
        vcov=sigma**2 * root @ root.T,
        u=pls.u,
        b=pls.Lambda @ pls.u,
        n=n,
        p=p,
    )


def dense_derivatives(problem: Problem, theta: Floats) -> tuple[Floats, Floats, list[Floats]]:
    """V^-1 (n, n), X'V^-1X (p, p) and the derivatives (n, n) of V, in units of W^-1/2.

    V is the covariance of W^1/2 y over sigma^2.
    """
    root_w = np.sqrt(problem.w)[:, None]
    Lambda = problem.Lambda(theta)
    WZ, WX = root_w * problem.Z, root_w * problem.X
    inverse = np.linalg.inv(np.eye(problem.n) + WZ @ Lambda @ Lambda.T @ WZ.T)
    slopes = []
    for unit in np.eye(len(theta)):
        half = WZ @ problem.Lambda(unit) @ Lambda.T @ WZ.T
        slopes.append(half + half.T)
    return inverse, WX.T @ inverse @ WX, slopes


def fixed_derivatives(problem: Problem, theta: Floats) -> Floats:
    """Derivatives (m, p, p) of X'V^-1X, V^-1 being that of the definition."""
    inverse, _, slopes = dense_derivatives(problem, theta)
    left = (np.sqrt(problem.w)[:, None] * problem.X).T @ inverse
    return np.stack([-left @ slope @ left.T for slope in slopes])


def pwrss_gradient(problem: Problem, theta: Floats) -> Floats:
    """Derivatives (m,) of the penalized residual sum of squares: -r'V^-1 dV V^-1 r."""
    inverse, _, slopes = dense_derivatives(problem, theta)
    beta = solve(problem, theta).beta
    r = inverse @ (np.sqrt(problem.w) * (problem.y - problem.offset - problem.X @ beta))
    return np.array([-r @ slope @ r for slope in slopes])


def hessian(problem: Problem, theta: Floats, reml: bool, step: float = 1e-5) -> Floats:
    """Second derivatives (m, m) of `criterion` by central differences of `gradient`."""
    columns = []
    for unit in step * np.eye(len(theta)):
        up, down = (gradient(problem, theta + s * unit, reml) for s in (1.0, -1.0))
        columns.append((up - down) / (2.0 * step))
    found = np.array(columns)
    return 0.5 * (found + found.T)


def covariance_derivatives(problem: Problem) -> list[Floats]:
    """Derivatives (n, n) of W^1/2 V W^1/2 with respect to each entry of the terms' covariances."""
    WZ = np.sqrt(problem.w)[:, None] * problem.Z
    out = []
    for unit, diagonal in zip(np.eye(problem.templates.m), problem.templates.diagonal, strict=True):
        half = WZ @ problem.Lambda(unit) @ WZ.T
        out.append(half if diagonal else half + half.T)
    return out
