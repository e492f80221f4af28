"""Limits of models with as many random effects as rows, against dense algebra.

Their covariance V = Z S Z' + sigma^2 W^-1 is regular without a residual, and the deviance may be
least there. The reference minimises the deviance of V over all parameters but one, from many
starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import mixedmodels as mm

pytestmark = [
    pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning"),
    # Some of these tables have several optima; a profile may find the better one.
    pytest.mark.filterwarnings("ignore:A profile found a deviance"),
]
ROOT = np.sqrt(3.841458820694124)  # of chi-square with one degree of freedom, 95 %


@dataclass
class Term:
    """Random effects of one group, correlated."""

    group: str
    effects: tuple[str, ...]
    codes: np.ndarray
    z: np.ndarray

    @property
    def triangle(self) -> tuple[np.ndarray, np.ndarray]:
        return np.tril_indices(len(self.effects))


@dataclass
class Dense:
    y: np.ndarray
    x: np.ndarray
    terms: list[Term]
    weights: np.ndarray

    def deviance(
        self, factors: list[np.ndarray], sigma: float
    ) -> tuple[float, list[np.ndarray], float]:
        """The ML deviance, and its derivatives by the covariances' factors and by sigma."""
        V = np.diag(sigma**2 / self.weights)
        same = [term.codes[:, None] == term.codes for term in self.terms]
        for term, factor, one in zip(self.terms, factors, same, strict=True):
            V += one * (term.z @ factor @ factor.T @ term.z.T)
        sign, logdet = np.linalg.slogdet(V)
        nothing = [np.zeros_like(factor) for factor in factors]
        if sign <= 0 or logdet < -40.0 * len(self.y):
            return 1e10, nothing, 0.0
        W = np.linalg.inv(V)
        r = self.y - self.x @ np.linalg.solve(self.x.T @ W @ self.x, self.x.T @ W @ self.y)
        D = W - np.outer(W @ r, W @ r)
        value = len(r) * np.log(2.0 * np.pi) + logdet + r @ W @ r
        slopes = [
            2.0 * term.z.T @ (D * one) @ term.z @ factor
            for term, factor, one in zip(self.terms, factors, same, strict=True)
        ]
        return float(value), slopes, float(2.0 * sigma * (np.diag(D) / self.weights).sum())

    def least(self, name: str = "", value: float = 0.0, starts: int = 10) -> float:
        """The least deviance with a parameter held, of all searches from random starts."""
        if name in ("(Intercept)", "x"):
            held = ["(Intercept)", "x"].index(name)
            y = self.y - value * self.x[:, held]
            return Dense(y, np.delete(self.x, held, 1), self.terms, self.weights).least()
        problem, place = self._first(name)
        cuts = np.cumsum([len(term.triangle[0]) for term in problem.terms])

        def of(p: np.ndarray) -> tuple[float, np.ndarray]:
            factors = []
            for term, entries in zip(problem.terms, np.split(p, cuts)[:-1], strict=True):
                factors.append(np.zeros((len(term.effects),) * 2))
                factors[-1][term.triangle] = entries
            raw = [factor.copy() for factor in factors]
            if name.startswith("sd"):
                factors[place][0, 0] = value
            if name.startswith("cor"):  # squares keep signs, and with them that of the correlation
                a, b, cosine = raw[place][0, 0], raw[place][1, 1], np.sqrt(1.0 - value**2)
                factors[place][:2, :2] = [[a * a, 0.0], [b * b * value, b * b * cosine]]
            sigma = value if name == "sigma" else p[-1]
            found, slopes, by_sigma = problem.deviance(factors, sigma)
            if name.startswith("sd"):
                slopes[place][0, 0] = 0.0
            if name.startswith("cor"):
                g = slopes[place]
                by_b = 2.0 * b * (value * g[1, 0] + cosine * g[1, 1])
                g[:2, :2] = [[2.0 * a * g[0, 0], 0.0], [0.0, by_b]]
            gradient = [g[t.triangle] for g, t in zip(slopes, problem.terms, strict=True)]
            return found, np.append(np.concatenate(gradient), 0.0 if name == "sigma" else by_sigma)

        return problem._lowest(of, starts)

    def _lowest(self, of, starts: int) -> float:
        """The least of searches from random starts, by the entries of all factors and sigma."""
        rng = np.random.default_rng(1)
        size, best = float(np.std(self.y)), np.inf
        for _ in range(starts):
            start = []
            for term in self.terms:
                square = np.diag(size * np.exp(rng.uniform(-4.0, 0.5, len(term.effects))))
                start.append(square[term.triangle])
            sigma = size * np.exp(rng.uniform(-5.0, 0.3))
            at = minimize(
                of, np.append(np.concatenate(start), sigma), jac=True, method="L-BFGS-B",
                options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 1000},
            )  # fmt: skip
            if at.fun < best + 0.3:
                at = minimize(of, at.x, jac=True, method="BFGS", options={"gtol": 1e-7})
            best = min(best, at.fun)
        return float(best)

    def _first(self, name: str) -> tuple[Dense, int]:
        """The same with the effects of a name first in their term, and which term that is."""
        inside = name[name.find("(") + 1 : -1]
        for t, term in enumerate(self.terms):
            own = [e for e in term.effects if inside.startswith(f"{term.group}.")]
            named = inside.removeprefix(f"{term.group}.")
            both = [(a, b) for a in own for b in own if named in (f"{a}.{b}", f"{a},{b}")]
            chosen = both[0] if both else tuple(e for e in own if e == named)
            if chosen and name.startswith(("sd", "cor")):
                order = [*chosen, *(e for e in term.effects if e not in chosen)]
                z = term.z[:, [term.effects.index(e) for e in order]]
                terms = [*self.terms[:t], Term(term.group, tuple(order), term.codes, z)]
                return Dense(self.y, self.x, [*terms, *self.terms[t + 1 :]], self.weights), t
        return self, -1


def columns(data: pd.DataFrame, effects: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([np.ones(len(data)) if e[0] == "(" else data[e] for e in effects])


def model(data: pd.DataFrame, terms: list[tuple[str, tuple[str, ...]]]) -> Dense:
    made = [
        Term(group, effects, pd.factorize(data[group])[0], columns(data, effects))
        for group, effects in terms
    ]
    weights = data["w"].to_numpy() if "w" in data else np.ones(len(data))
    return Dense(data["y"].to_numpy(), columns(data, ("(Intercept)", "x")), made, weights)


ONE = ("(Intercept)",)


def independent(seed: int) -> tuple[pd.DataFrame, str, list[tuple[str, tuple[str, ...]]]]:
    """An intercept and two slopes of 4 to 15 groups of 2 or 3 rows; sds from 0 to 1.5."""
    rng = np.random.default_rng(seed)
    groups, rows = int(rng.integers(4, 16)), int(rng.integers(2, 9))
    assert rows <= 3
    g, n = np.repeat(np.arange(groups), rows), groups * rows
    data = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    sds = rng.choice([0.0, 0.0, 0.2, 0.5, 1.5], 3)
    effects = [sd * rng.normal(size=groups)[g] for sd in sds]
    y = data["x"] + effects[0] + effects[1] * data["x"] + effects[2] * data["z"]
    data["y"] = y + rng.choice([1.0, 1.0, 1.0, 0.1]) * rng.normal(size=n)
    return data, "y ~ x + (x + z || g)", [("g", ONE), ("g", ("x",)), ("g", ("z",))]


def correlated(seed: int) -> tuple[pd.DataFrame, str, list[tuple[str, tuple[str, ...]]]]:
    """Correlated intercepts and slopes of pairs of rows, crossed with another group."""
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(6, 9))
    g = np.append(np.repeat(np.arange(groups), 2), 0)
    n = len(g)
    data = pd.DataFrame({"g": g.astype(str), "h": np.arange(n) % 4, "x": rng.normal(size=n)})
    b = rng.normal(size=(groups, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    y = data["x"] + b[g, 0] + b[g, 1] * data["x"]
    data["y"] = y + rng.choice([1.0, 0.3, 0.1]) * rng.normal(size=n)
    return data, "y ~ x + (x | g) + (1 | h)", [("g", ("(Intercept)", "x")), ("h", ONE)]


def weighted(seed: int) -> tuple[pd.DataFrame, str, list[tuple[str, tuple[str, ...]]]]:
    """Pairs of rows nested in a coarser group, with weights."""
    rng = np.random.default_rng(seed)
    n = 20
    g = np.arange(n) // 2
    data = pd.DataFrame({"g": g.astype(str), "h": g // 3, "x": rng.normal(size=n)})
    data["w"] = rng.uniform(0.5, 2.0, n)
    slope = rng.choice([0.0, 0.6]) * rng.normal(size=n)[g]
    y = rng.normal(size=n)[g] + slope * data["x"] + rng.normal(size=n)[g // 3]
    data["y"] = y + rng.choice([1.0, 0.2]) * rng.normal(size=n) / np.sqrt(data["w"])
    return data, "y ~ x + (x || g) + (1 | h)", [("g", ONE), ("g", ("x",)), ("h", ONE)]


def cases() -> Iterator[object]:
    for make, seeds in (
        (independent, (1417, 1674)),
        (correlated, (6,)),
        (weighted, (0,)),
    ):
        for seed in seeds:
            yield pytest.param(make, seed, id=f"{make.__name__}-{seed}")


@pytest.mark.parametrize(("make", "seed"), list(cases()))
def test_limits_of_saturated_models_are_those_of_dense_algebra(make, seed: int) -> None:
    data, formula, terms = make(seed)
    weights = {"weights": data["w"]} if "w" in data else {}
    fit = mm.lmer(formula, data, reml=False, **weights)
    limits = fit.confint()
    assert "notes" not in limits.attrs or not limits.attrs["notes"]
    dense = model(data, terms)
    starts = 10 if make is correlated else 5  # correlations make more local minima
    lowest = min(dense.least(), fit.objective)
    met = []
    for name, row in limits.iterrows():
        for end, value in row.items():
            root = np.sqrt(max(dense.least(name, value, starts) - lowest, 0.0))
            zero = name.startswith(("sd", "sigma")) and end == "lower" and value == 0.0
            if zero or (name.startswith("cor") and abs(value) == 1.0):
                assert root <= 1.001 * ROOT, (name, end)
                continue
            # Nothing lower is found by the reference, which itself may miss narrow minima.
            assert root >= 0.999 * ROOT, (name, end)
            met.append(root == pytest.approx(ROOT, rel=1e-3))
    assert np.mean(met) >= 0.8
