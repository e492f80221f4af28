"""A criterion that shares nothing with the linear one: a Poisson model by Laplace, in NumPy.

Parameters are a standard deviation for each grouping factor and the coefficients. There is no
search of its own: it borrows L-BFGS-B, and checks the end by gradient and Hessian.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import gammaln

from mixedmodels.criterion.base import Found, SearchSettings
from mixedmodels.errors import MixedModelsError
from mixedmodels.optimize.methods import METHODS
from mixedmodels.optimize.problem import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """What the driver reads of the end of a search."""

    par: Floats
    start: Floats
    ended: str
    predicted: float
    decrement: float
    max_gradient: float
    saddle: bool
    values: Floats
    trace: Floats
    n_value: int
    n_gradient: int


@dataclass(frozen=True)
class DensePoint:
    par: Floats
    value: float
    slope: Floats
    modes: Floats

    def gradient(self) -> Floats:
        return self.slope


class DensePoisson:
    """-2 log-likelihood of y ~ Poisson(exp(X beta + sum of sd_j u_j[codes_j]))."""

    def __init__(self, y: Floats, X: Floats, codes: list[NDArray[np.int64]]) -> None:
        levels = [int(c.max()) + 1 for c in codes]
        self.y, self.X = y, X
        self.Z = np.hstack([np.eye(k)[c] for k, c in zip(levels, codes, strict=True)])
        self.factor = np.repeat(np.arange(len(codes)), levels)
        self.names = (
            *(f"sd{j}" for j in range(len(codes))),
            *(f"beta{k}" for k in range(X.shape[1])),
        )
        self.m_sd = len(codes)

    @property
    def lower_bounds(self) -> Floats:
        return np.where(np.arange(len(self.names)) < self.m_sd, 0.0, -np.inf)

    def at_bound(self, par: Floats) -> bool:
        return bool((par <= self.lower_bounds).any())

    @property
    def unit(self) -> Floats:
        return np.ones(len(self.names))

    def typical_size(self, start: Floats) -> Floats:
        return np.maximum(np.abs(start), 0.1)

    def to_user(self, par: Floats) -> Floats:
        return np.array(par)

    def from_user(self, values: Floats) -> Floats:
        return np.array(values)

    def start_from(self, given: npt.ArrayLike) -> Floats:
        start = np.array(given, dtype=np.float64)
        if start.shape != (len(self.names),):
            raise MixedModelsError(f"start is {given!r}; one number for each of {self.names}.")
        return np.maximum(start, self.lower_bounds)

    def starts(self) -> list[Floats]:
        beta = np.linalg.lstsq(self.X, np.log(self.y + 0.5), rcond=None)[0]
        return [np.concatenate([np.full(self.m_sd, 0.5), beta])]

    @contextmanager
    def at(self, par: Floats) -> Iterator[DensePoint]:
        yield self._point(np.array(par, dtype=np.float64))

    def value(self, par: Floats) -> float:
        with self.at(par) as point:
            return point.value

    def gradient(self, par: Floats) -> Floats:
        with self.at(par) as point:
            return point.gradient()

    def hessian(self, par: Floats, step: float = 1e-5) -> Floats:
        rows = [
            (self.gradient(par + step * e) - self.gradient(par - step * e)) / (2.0 * step)
            for e in np.eye(len(par))
        ]
        return 0.5 * (np.array(rows) + np.array(rows).T)

    def _point(self, par: Floats) -> DensePoint:
        sd, beta = par[: self.m_sd], par[self.m_sd :]
        A = self.Z * sd[self.factor]
        u = np.zeros(len(self.factor))
        for _ in range(200):
            mu = np.exp(self.X @ beta + A @ u)
            H = np.eye(len(u)) + A.T @ (mu[:, None] * A)
            step = np.linalg.solve(H, A.T @ (mu - self.y) + u)
            u = u - step / max(1.0, float(np.abs(step).max(initial=0.0)))
            if np.abs(step).max(initial=0.0) < 1e-13:
                break
        eta = self.X @ beta + A @ u
        mu = np.exp(eta)
        H = np.eye(len(u)) + A.T @ (mu[:, None] * A)
        loss = float(np.sum(mu - self.y * eta + gammaln(self.y + 1.0)) + 0.5 * u @ u)
        value = 2.0 * loss + float(np.linalg.slogdet(H)[1])
        return DensePoint(par, value, self._slope(par, A, u, mu, H), u)

    def _slope(self, par: Floats, A: Floats, u: Floats, mu: Floats, H: Floats) -> Floats:
        inverse, slope = np.linalg.inv(H), np.empty(len(par))
        for k in range(len(par)):
            dA = self.Z * (self.factor == k) if k < self.m_sd else np.zeros_like(self.Z)
            direct = dA @ u if k < self.m_sd else self.X[:, k - self.m_sd]
            du = -inverse @ (dA.T @ (mu - self.y) + A.T @ (mu * direct))
            mixed = dA.T @ (mu[:, None] * A)
            dH = mixed + mixed.T + A.T @ ((mu * (direct + A @ du))[:, None] * A)
            slope[k] = 2.0 * direct @ (mu - self.y) + np.sum(inverse * dH)
        return slope

    # -- the search --------------------------------------------------------------------------

    def search(self, start: Floats | None, settings: SearchSettings) -> Found:
        starts = [] if start is None else [start]
        if start is None or settings.own_starts:
            starts += self.starts()
        problem = Problem(self, settings.control, settings.watch)
        ends = [METHODS["L-BFGS-B"](problem, at) for at in starts]
        end = min(ends, key=lambda end: problem.value(end.par))
        spent = end.ending == "max_evaluations"
        par = end.par if spent else self._off_zero(problem, end.par)
        return self._found(problem, par, end.start, spent=spent)

    def settle(self, par: Floats, settings: SearchSettings, *, spent: bool) -> Found:
        problem = Problem(self, settings.control, settings.watch)
        found = self._found(problem, par, par, spent=spent)
        if spent:
            return found
        if found.decrement > settings.control.gtol:
            par = METHODS["L-BFGS-B"](problem, par).par
        return self._found(problem, self._off_zero(problem, par), par, spent=False)

    def _off_zero(self, problem: Problem, par: Floats) -> Floats:
        """Without the zeros that are saddles: the slope there is zero, whatever the curvature."""
        for k in np.flatnonzero((self.lower_bounds == 0.0) & (par < 1e-4)):
            lifted = np.where(np.arange(len(par)) == k, 0.1, par)
            if problem.value(lifted) < problem.value(par):
                par = METHODS["L-BFGS-B"](problem, lifted).par
        return par

    def _found(self, problem: Problem, par: Floats, start: Floats, *, spent: bool) -> Found:
        small = (self.lower_bounds == 0.0) & (par < 1e-4)
        at = np.where(small, 0.0, par)
        par = at if problem.value(at) <= problem.value(par) + 1e-8 else par
        slope = problem.gradient(par)
        free = (par > self.lower_bounds) | (slope < -1e-6)
        part = self.hessian(par + 1e-4 * free)[np.ix_(free, free)]
        curved = np.linalg.eigvalsh(part)
        decrement = 0.5 * slope[free] @ np.linalg.solve(part, slope[free])
        points = [*problem.trace, (problem.value(par), par)]
        return Judged(
            par=par,
            start=start,
            ended="max_evaluations" if spent else "converged",
            predicted=decrement,
            decrement=decrement,
            max_gradient=float(np.abs(slope[free]).max()),
            saddle=bool(curved.min() < 0.0),
            values=np.array([value for value, _ in points]),
            trace=np.array([at for _, at in points]),
            n_value=problem.n_value,
            n_gradient=problem.n_gradient,
        )
