"""Laplace's criterion of generalized models by dense NumPy, and its minimum by SciPy.

Nothing is shared with the library: log densities are written out for complex predictors, and
their derivatives are Taylor coefficients by the values on a circle around each predictor. The
gradient is exact in theta and the coefficients, and by differences in the family's own parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, special

Floats = npt.NDArray[np.float64]
# Arrays of complex numbers, of which the types of NumPy's functions are not known.
Complex: TypeAlias = Any

_POINTS, _RADIUS = 24, 0.3
# Part of the distance to a singularity that a circle may take.
_PART = 0.25
_STEPS, _DONE = 200, 1e-22
_DIFFERENCE = 1e-4
_FAR = 1e10

MEANS: dict[str, Callable[[Complex], Complex]] = {
    "logit": lambda eta: 1.0 / (1.0 + np.exp(-eta)),
    "probit": lambda eta: np.exp(special.log_ndtr(eta)),
    "cloglog": lambda eta: 1.0 - np.exp(-np.exp(eta)),
    "loglog": lambda eta: np.exp(-np.exp(-eta)),
    "cauchit": lambda eta: 0.5 + np.arctan(eta) / np.pi,
    "log": np.exp,
    "identity": lambda eta: eta,
    "inverse": lambda eta: 1.0 / eta,
    "inverse_squared": lambda eta: eta**-0.5,
    "sqrt": lambda eta: eta**2,
}
# Logarithms of the mean and of one minus it, where the difference would lose digits.
LOG_SHARES: dict[str, Callable[[Complex], tuple[Complex, Complex]]] = {
    "logit": lambda eta: (-np.log1p(np.exp(-eta)), -np.log1p(np.exp(eta))),
    "probit": lambda eta: (special.log_ndtr(eta), special.log_ndtr(-eta)),
    "cloglog": lambda eta: (np.log(1.0 - np.exp(-np.exp(eta))), -np.exp(eta)),
}
# Links with a singularity at predictors of zero; those of shares have one at a mean of one too.
SINGULAR = ("identity", "inverse", "inverse_squared", "sqrt")


@dataclass(frozen=True)
class Problem:
    """A model.

    Attributes:
        y: (n,) responses; successes and ranks of categories among them.
        trials: (n,) trials of shares.
        X: (n, p) columns of the coefficients.
        terms: Codes (n,), levels and columns (n, s) of each term.
        family: Name of the family.
        link: Name of its link.
        own: (n, k) columns of the logarithm of the family's own parameter, if it has one.
        zeros: Whether there are zeros of their own, with one probability.
    """

    y: Floats
    trials: Floats
    X: Floats
    terms: list[tuple[npt.NDArray[np.int64], int, Floats]]
    family: str
    link: str
    own: Floats
    zeros: bool

    @property
    def Z(self) -> Floats:
        """(n, q) columns of the random effects, term by term."""
        parts = []
        for codes, levels, columns in self.terms:
            of_levels = np.eye(levels)[codes][:, :, None] * columns[:, None, :]
            parts.append(of_levels.reshape(len(codes), -1))
        return np.hstack(parts)

    def templates(self, theta: Floats) -> list[Floats]:
        """Of each term the triangle, whose columns theta holds one after the other."""
        found, first = [], 0
        for *_, columns in self.terms:
            size = columns.shape[1]
            lam = np.zeros((size, size))
            rows = np.triu_indices(size)
            lam[rows[1], rows[0]] = theta[first : first + len(rows[0])]
            first += len(rows[0])
            found.append(lam)
        return found

    @property
    def n_theta(self) -> int:
        """Entries of theta."""
        sizes = [columns.shape[1] for *_, columns in self.terms]
        return sum(size * (size + 1) // 2 for size in sizes)

    def log_density(self, eta: Complex, psi: Floats) -> Complex:
        """(points, n) at complex predictors."""
        y = self.y
        if self.family == "ordinal":
            return self._of_categories(eta, psi)
        own: Floats = np.exp(self.own @ psi[: self.own.shape[1]]) if self.own.size else np.ones(1)
        if self.family in ("binomial", "beta") and self.link in LOG_SHARES:
            log_p, log_q = LOG_SHARES[self.link](eta)
        mu = MEANS[self.link](eta)
        if self.family == "binomial":
            if self.link not in LOG_SHARES:
                log_p, log_q = np.log(mu), np.log(1.0 - mu)
            return y * log_p + (self.trials - y) * log_q + _log_choose(self.trials, y)
        if self.family == "beta":
            a, b = mu * own, (1.0 - mu) * own
            start = special.loggamma(own + 0j) - special.loggamma(a) - special.loggamma(b)
            return start + (a - 1.0) * np.log(y) + (b - 1.0) * np.log1p(-y)
        if self.family == "gaussian":
            return -0.5 * ((y - mu) ** 2 / own + np.log(2.0 * np.pi * own))
        if self.family == "gamma":
            shape = 1.0 / own
            rest = (shape - 1.0) * np.log(y) - special.gammaln(shape)
            return shape * np.log(shape / mu) - shape * y / mu + rest
        if self.family == "inverse_gaussian":
            rest = -0.5 * np.log(2.0 * np.pi * own * y**3)
            return rest - (y - mu) ** 2 / (2.0 * own * mu**2 * y)
        count = self._of_counts(mu, own)
        if not self.zeros:
            return count
        extra = special.expit(psi[-1])
        at_zero = np.log(extra + (1.0 - extra) * np.exp(np.where(y == 0.0, count, 0.0)))
        return np.where(y == 0.0, at_zero, np.log1p(-extra) + count)

    def _of_counts(self, mu: Complex, own: Floats) -> Complex:
        y = self.y
        if self.family.endswith("poisson"):
            found = y * np.log(mu) - mu - special.gammaln(y + 1.0)
            none = -mu
        else:
            size = mu / own if self.family == "nb1" else own + 0j
            found = special.loggamma(y + size) - special.loggamma(size) - special.gammaln(y + 1.0)
            none = size * (np.log(size) - np.log(size + mu))
            found = found + none + y * (np.log(mu) - np.log(size + mu))
        if self.family.startswith("truncated"):
            found = found - np.log(1.0 - np.exp(none))
        return found

    def _of_categories(self, eta: Complex, psi: Floats) -> Complex:
        cuts = psi[0] + np.concatenate([[0.0], np.cumsum(np.exp(psi[1:]))])
        low, high = np.append(-np.inf, cuts), np.append(cuts, np.inf)
        rank = self.y.astype(int)
        mean = MEANS[self.link]
        top, bottom = high[rank], low[rank]
        upper = np.where(np.isinf(top), 1.0, mean(np.where(np.isinf(top), 0.0, top) - eta))
        lower = np.where(np.isinf(bottom), 0.0, mean(np.where(np.isinf(bottom), 0.0, bottom) - eta))
        return np.log(upper - lower)

    def derivatives(self, eta: Floats, psi: Floats) -> Floats:
        """(4, n) log densities and their first three derivatives; NaN outside of the domain."""
        radius = np.full(len(eta), _RADIUS)
        if self.link in SINGULAR and self.family != "gaussian":
            if self.link != "sqrt" and (eta <= 0.0).any():
                return np.full((4, len(eta)), np.nan)
            radius = np.minimum(radius, _PART * np.abs(eta))
        elif self.link == "inverse":
            radius = np.minimum(radius, _PART * np.abs(eta))
        if self.family == "binomial" and self.link in ("log", "identity"):
            end = 1.0 if self.link == "identity" else 0.0
            if (eta >= end).any():
                return np.full((4, len(eta)), np.nan)
            radius = np.minimum(radius, _PART * (end - eta))
        # On the lower half of a circle values are the conjugates of those on the upper one.
        circle = np.exp(2j * np.pi * np.arange(_POINTS // 2 + 1) / _POINTS)[:, None]
        with np.errstate(all="ignore"):
            values = self.log_density(eta + radius * circle, psi)
            orders = np.arange(4)[:, None]
            found = np.fft.hfft(values, _POINTS, axis=0)[:4] / _POINTS / radius**orders
        derivatives: Floats = found * np.array([1.0, 1.0, 2.0, 6.0])[:, None]
        return derivatives


def _log_choose(m: Floats, y: Floats) -> Floats:
    found: Floats = special.gammaln(m + 1) - special.gammaln(y + 1) - special.gammaln(m - y + 1)
    return found


def _root(ZL: Floats, w: Floats) -> tuple[Any, bool] | None:
    """Cholesky's factor of M with these weights, or None where there is none."""
    try:
        factor, lower = linalg.cho_factor(np.eye(ZL.shape[1]) + (ZL.T * w) @ ZL)
    except linalg.LinAlgError:
        return None
    return factor, lower


class Laplace:
    """The criterion, with modes that are followed from one evaluation to the next."""

    def __init__(self, problem: Problem, u: Floats | None = None) -> None:
        self.problem = problem
        self.Z = problem.Z
        self.u = np.zeros(self.Z.shape[1]) if u is None else u
        self.edges = np.cumsum([0, *(k * c.shape[1] for _, k, c in problem.terms)])

    def split(self, par: Floats) -> tuple[Floats, Floats, Floats]:
        """Theta, coefficients, the family's own."""
        m, p = self.problem.n_theta, self.problem.X.shape[1]
        return par[:m], par[m : m + p], par[m + p :]

    def _mode(self, par: Floats) -> tuple[Any, ...] | None:
        theta, beta, psi = self.split(par)
        blocks = [
            np.kron(np.eye(levels), lam)
            for (_, levels, _), lam in zip(
                self.problem.terms, self.problem.templates(theta), strict=True
            )
        ]
        ZL = self.Z @ linalg.block_diag(*blocks)
        fixed = self.problem.X @ beta
        for start in (self.u, np.zeros_like(self.u)):
            found = self._newton(ZL, fixed, start, psi)
            if found is not None:
                return (ZL, *found)
        return None

    def _newton(self, ZL: Floats, fixed: Floats, u: Floats, psi: Floats) -> tuple[Any, ...] | None:
        def height(u: Floats) -> tuple[Floats, float]:
            d = self.problem.derivatives(fixed + ZL @ u, psi)
            value = -d[0].sum() + 0.5 * u @ u
            return d, float(value) if np.isfinite(value) else np.inf

        d, value = height(u)
        if not np.isfinite(value):
            return None
        for _ in range(_STEPS):
            slope = u - ZL.T @ d[1]
            root = _root(ZL, -d[2])
            if root is None:
                root = _root(ZL, np.abs(d[2]))
            if root is None:  # where rounding is larger than one
                return None
            step = linalg.cho_solve(root, slope)
            decrement = slope @ step
            if decrement < _DONE * (1.0 + abs(value)):
                break
            t = 1.0
            while t > 1e-9:
                d_new, lower = height(u - t * step)
                if lower <= value - 1e-4 * t * decrement + 1e-14 * (1.0 + abs(value)):
                    break
                t *= 0.5
            else:
                break
            u, d, value = u - t * step, d_new, lower
        root = _root(ZL, -d[2])
        return None if root is None else (u, d, value, root)

    def value(self, par: Floats) -> float:
        """-2 log-likelihood; infinite where it cannot be computed."""
        return self._at(par, False)[0]

    def both(self, par: Floats) -> tuple[float, Floats]:
        """Value and gradient."""
        return self._at(par, True)

    def _at(self, par: Floats, slope: bool) -> tuple[float, Floats]:
        found = self._mode(par)
        if found is None:
            return _FAR, np.zeros(len(par))
        ZL, u, d, value, root = found
        f = 2.0 * value + 2.0 * np.log(np.diag(root[0])).sum()
        if not np.isfinite(f):
            return _FAR, np.zeros(len(par))
        if not slope:
            return float(f), np.zeros(0)
        before, self.u = self.u, u
        s, w, t = d[1], -d[2], -d[3]
        inverse = linalg.cho_solve(root, np.eye(len(u)))
        r = t * np.einsum("ij,ij->i", ZL @ inverse, ZL)
        v = inverse @ (ZL.T @ r)
        rho = r - w * (ZL @ v)
        c, e = self.Z.T @ s, self.Z.T @ rho
        theta, *_ = self.split(par)
        # Of each entry of Lambda: its trace, and what it moves through the predictor and the mode.
        by_entry = 2.0 * (inverse @ (ZL.T * w) @ self.Z).T
        by_entry += np.outer(c, v - 2.0 * u) + np.outer(e, u)
        by_theta = np.zeros(len(theta))
        place = 0
        for (_, levels, columns), first in zip(self.problem.terms, self.edges, strict=False):
            size = columns.shape[1]
            for j in range(size):
                for i in range(j, size):
                    at = first + size * np.arange(levels)
                    by_theta[place] = by_entry[at + i, at + j].sum()
                    place += 1
        by_beta = self.problem.X.T @ (rho - 2.0 * s)
        by_psi = []
        for k in range(place + len(by_beta), len(par)):
            e_k = _DIFFERENCE * np.eye(len(par))[k]
            by_psi.append((self.value(par + e_k) - self.value(par - e_k)) / (2.0 * _DIFFERENCE))
        if not np.isfinite(by_theta).all():
            self.u = before
        return float(f), np.concatenate([by_theta, by_beta, by_psi])

    def minimum(self, start: Floats) -> tuple[float, Floats]:
        """Value and parameters where BFGS ends, begun again where it stopped."""
        at = start
        for _ in range(3):
            found = optimize.minimize(
                self.both, at, jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 300}
            )
            at = found.x
        return float(found.fun), at
