"""The criterion to fifty digits, with Python's decimal numbers, from its definition.

By the marginal covariance of the weighted response, which the library never forms; for
a few dozen rows.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import numpy as np
import oracle
from numpy.typing import NDArray

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
DIGITS = 60


def criterion(problem: oracle.Problem, theta: NDArray[np.float64], reml: bool) -> float:
    """ML deviance or REML criterion at theta; every input is taken as the exact number it is."""
    with localcontext(Context(prec=DIGITS)):
        n, p = problem.n, problem.p
        roots = [Decimal(float(w)).sqrt() for w in problem.w]
        U = _weighted_effects(problem, theta, roots)
        V = [[_dot(U[i], U[j]) + (i == j) for j in range(i + 1)] for i in range(n)]
        L, logdet = _cholesky(V)
        response = [_number(y) - _number(o) for y, o in zip(problem.y, problem.offset, strict=True)]
        columns = [[_number(x) for x in column] for column in problem.X.T] + [response]
        white = [
            _solve(L, [root * x for root, x in zip(roots, column, strict=True)])
            for column in columns
        ]
        gram = [[_dot(white[i], white[j]) for j in range(i + 1)] for i in range(p + 1)]
        R, _ = _cholesky(gram)
        df = Decimal(n - p if reml else n)
        value = logdet + df * (1 + (2 * PI * R[p][p] ** 2 / df).ln())
        value -= 2 * sum(root.ln() for root in roots)
        if reml:
            value += 2 * sum((R[j][j].ln() for j in range(p)), Decimal(0))
        return float(value)


def _number(value: float) -> Decimal:
    return Decimal(float(value))


def _dot(a: list[Decimal], b: list[Decimal]) -> Decimal:
    return sum((x * y for x, y in zip(a, b, strict=True)), Decimal(0))


def _weighted_effects(
    problem: oracle.Problem, theta: NDArray[np.float64], roots: list[Decimal]
) -> list[list[Decimal]]:
    """W^1/2 Z Lambda, row by row."""
    Lambda = problem.Lambda(theta)
    below = [
        [(int(i), _number(Lambda[i, j])) for i in np.flatnonzero(Lambda[:, j])]
        for j in range(Lambda.shape[1])
    ]
    rows = []
    for root, z in zip(roots, problem.Z, strict=True):
        values = [_number(v) for v in z]
        rows.append([root * sum((values[i] * v for i, v in col), Decimal(0)) for col in below])
    return rows


def _cholesky(A: list[list[Decimal]]) -> tuple[list[list[Decimal]], Decimal]:
    """Lower triangle of A = L L', and log |A|."""
    L: list[list[Decimal]] = []
    logdet = Decimal(0)
    for i, row in enumerate(A):
        L.append([])
        for j in range(i):
            L[i].append((row[j] - _dot(L[i], L[j][:j])) / L[j][j])
        pivot = row[i] - _dot(L[i], L[i])
        logdet += pivot.ln()
        L[i].append(pivot.sqrt())
    return L, logdet


def _solve(L: list[list[Decimal]], b: list[Decimal]) -> list[Decimal]:
    x: list[Decimal] = []
    for row, value in zip(L, b, strict=True):
        x.append((value - _dot(row[:-1], x)) / row[-1])
    return x
