"""Fits of every family by every design of random effects end at the lowest optimum there is.

The end of the search is compared with the ends of searches from other variances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mixedmodels as mm

N = 160
RANDOM = {
    "crossed": ("(1 | a) + (1 | b)", [0.7], [0.4]),
    "slopes": ("(1 + z | a)", [0.7, 0.4], []),
    "slopes and crossed": ("(1 + z | a) + (1 | b)", [0.7, 0.4], [0.5]),
}
# Arguments of `glmer`, and the draw of a response from its linear predictor.
KINDS: dict[str, tuple[dict[str, Any], Any]] = {}


def kind(name: str, **call: Any) -> Any:
    """Enter a family in the table."""

    def entered(draw: Any) -> Any:
        KINDS[name] = (call, draw)
        return draw

    return entered


@kind("logit", family="binomial")
@kind("probit", family="binomial", link="probit")
@kind("cloglog", family="binomial", link="cloglog")
def binary(rng: Any, eta: Any) -> Any:
    return rng.binomial(1, 1.0 / (1.0 + np.exp(-1.5 * eta)))


@kind("poisson", family="poisson")
def poisson(rng: Any, eta: Any) -> Any:
    return rng.poisson(np.exp(eta))


@kind("negative binomial", family="negative_binomial")
@kind("nb1", family="nb1")
def overdispersed(rng: Any, eta: Any) -> Any:
    return rng.negative_binomial(1.5, 1.5 / (1.5 + np.exp(eta)))


@kind("truncated poisson", family="truncated_poisson")
@kind("truncated negative binomial", family="truncated_negative_binomial")
def without_zeros(rng: Any, eta: Any) -> Any:
    return np.maximum(overdispersed(rng, eta + 1.0), 1)


@kind("zeros of poisson", family="poisson", zero_inflation="~ 1")
def with_zeros(rng: Any, eta: Any) -> Any:
    return poisson(rng, eta + 0.7) * (rng.random(N) > 0.3)


@kind("zeros of negative binomial", family="negative_binomial", zero_inflation="~ 1")
def more_with_zeros(rng: Any, eta: Any) -> Any:
    return rng.negative_binomial(3.0, 3.0 / (3.0 + np.exp(eta + 1.5))) * (rng.random(N) > 0.3)


@kind("dispersion", family="negative_binomial", dispersion="~ x")
def by_predictor(rng: Any, eta: Any) -> Any:
    k = np.exp(0.3 + 0.5 * np.sin(np.arange(N)))
    return rng.negative_binomial(k, k / (k + np.exp(eta + 0.5)))


@kind("gamma", family="gamma", link="log")
def gamma(rng: Any, eta: Any) -> Any:
    return rng.gamma(3.0, np.exp(eta) / 3.0)


@kind("inverse gaussian", family="inverse_gaussian", link="log")
def wald(rng: Any, eta: Any) -> Any:
    return rng.wald(np.exp(eta), 4.0 * np.exp(eta))


@kind("beta", family="beta")
def share(rng: Any, eta: Any) -> Any:
    p = 1.0 / (1.0 + np.exp(-eta))
    return np.clip(rng.beta(6.0 * p, 6.0 * (1.0 - p)), 1e-3, 1.0 - 1e-3)


@kind("ordinal", family="ordinal")
@kind("ordinal probit", family="ordinal", link="probit")
@kind("ordinal cauchit", family="ordinal", link="cauchit")
def ordered(rng: Any, eta: Any) -> Any:
    return np.digitize(eta + rng.logistic(size=N), [-1.0, 0.2, 1.5])


def model_of(name: str, design: str) -> Any:
    call, draw = KINDS[name]
    rng = np.random.default_rng([list(KINDS).index(name), list(RANDOM).index(design)])
    x, z = rng.normal(size=(2, N))
    a, b = rng.integers(0, 14, N), rng.integers(0, 7, N)
    formula, first, second = RANDOM[design]
    columns = np.column_stack([np.ones(N), z])[:, : len(first)]
    eta = 0.3 - 0.4 * x + (columns * (rng.normal(size=(14, len(first))) * first)[a]).sum(axis=1)
    if second:
        eta = eta + second[0] * rng.normal(size=7)[b]
    table = {"y": draw(rng, eta), "x": x, "z": z, "a": a, "b": b}
    return mm.GeneralizedLinearMixedModel(f"y ~ x + {formula}", table, **call)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("design", RANDOM)
@pytest.mark.parametrize("name", KINDS)
def test_searches_end_at_the_lowest_optimum(name: str, design: str) -> None:
    model = model_of(name, design)
    fit = model.fit()
    assert fit.converged, fit.optsum
    assert fit.optsum.n_objective <= 40
    for size in (0.1, 1.5):
        start = np.where(model.lower_bounds == 0.0, size, 0.0)
        other = model.fit(start=start)
        assert fit.objective <= other.objective + 1e-6
