"""The driver of searches takes any criterion: here a Poisson model by Laplace."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from dense_poisson import DensePoisson, Floats
from scipy.special import gammaln

from mixedmodels.criterion.base import Criterion
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.errors import MixedModelsError
from mixedmodels.optimize import Request, minimize
from mixedmodels.settings import OPTIMIZERS, Control, OptimizerName

METHOD_NAMES = [
    name for name in OPTIMIZERS if name != "BOBYQA" or importlib.util.find_spec("nlopt") is not None
]


def poisson(sds: list[float], seed: int) -> DensePoisson:
    rng = np.random.default_rng(seed)
    n = 150
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    codes = [np.arange(n) % (9 - 2 * j) for j in range(len(sds))]
    eta = X @ [0.8, 0.3]
    for sd, code in zip(sds, codes, strict=True):
        eta += sd * rng.normal(size=code.max() + 1)[code]
    return DensePoisson(rng.poisson(np.exp(eta)).astype(np.float64), X, codes)


def members(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [LinearCriterion, DensePoisson])
def test_criteria_have_what_the_protocol_asks_for(kind: type) -> None:
    made = poisson([0.5], 0)
    missing = {name for name in members(Criterion) if not hasattr(kind, name)}
    assert {name for name in missing if kind is LinearCriterion or not hasattr(made, name)} == set()


@pytest.mark.parametrize("par", [[0.7, 0.2, 0.5, 0.1], [0.3, 0.0, 1.0, -0.4]])
def test_the_gradient_of_the_toy(par: list[float]) -> None:
    criterion, at = poisson([0.6, 0.3], 1), np.array(par)
    numeric = [
        (criterion.value(at + 1e-6 * e) - criterion.value(at - 1e-6 * e)) / 2e-6 for e in np.eye(4)
    ]
    np.testing.assert_allclose(criterion.gradient(at), numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sds", [[0.7], [0.6, 0.4], [0.6, 0.0]], ids=str)
@pytest.mark.parametrize("name", METHOD_NAMES)
def test_every_method_finds_its_minimum(name: OptimizerName, sds: list[float]) -> None:
    criterion = poisson(sds, 2)
    par, summary = minimize(criterion, Request(name))
    best, _ = minimize(criterion, Request("L-BFGS-B"))
    assert summary.converged
    assert criterion.value(par) == pytest.approx(criterion.value(best), abs=1e-5)
    slope = criterion.gradient(par)
    free = par > criterion.lower_bounds
    assert np.abs(slope[free]).max() < 0.01
    assert (slope[~free] >= -1e-6).all()
    assert summary.status == ("converged" if free.all() else "boundary")
    np.testing.assert_array_equal(summary.trace[-1][1], par)
    assert summary.n_objective >= len(summary.trace) / 2


def test_without_random_effects_it_is_poisson_regression() -> None:
    within = np.arange(150) // 10  # the groups are equal
    y = np.random.default_rng(7).poisson(np.linspace(1.0, 5.0, 15))[within].astype(np.float64)
    X = np.column_stack([np.ones(150), within / 15.0])
    criterion = DensePoisson(y, X, [np.arange(150) % 10])
    par, summary = minimize(criterion, Request())
    assert summary.status == "boundary"
    assert par[0] == 0.0
    beta = par[1:]
    np.testing.assert_allclose(X.T @ (y - np.exp(X @ beta)), 0.0, atol=1e-3)
    loglik = np.sum(y * (X @ beta) - np.exp(X @ beta) - gammaln(y + 1.0))
    assert criterion.value(par) == pytest.approx(-2.0 * loglik, rel=1e-12)


@pytest.mark.parametrize("name", ["auto", "L-BFGS-B", "Nelder-Mead"])
def test_starts_limits_and_reports_are_as_for_any_model(name: OptimizerName) -> None:
    criterion, seen = poisson([0.7], 2), []

    class Watched:
        every = 0.0

        def __call__(self, iteration: int, objective: float, theta: Floats) -> None:
            seen.append((iteration, objective))

    given = [0.2, 0.0, 0.0]
    _, summary = minimize(criterion, Request(name, given), Watched())
    np.testing.assert_array_equal(summary.theta_start, given)
    assert seen[0] == (0, criterion.value(np.array(given)))
    assert [iteration for iteration, _ in seen] == list(range(len(seen)))
    _, short = minimize(criterion, Request(name, given, Control(max_evaluations=3)))
    assert not short.converged
    with pytest.raises(MixedModelsError, match="one number for each of"):
        minimize(criterion, Request(name, [1.0]))
