"""Families: what responses they take, means, variances and draws, and the core's densities."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

import mixedmodels as mm
from mixedmodels import GeneralizedLinearMixedModel, MixedModelsError, families
from mixedmodels.families.catalogue import FAMILIES, family_of
from mixedmodels.families.links import LINKS

Floats = NDArray[np.float64]

# Of ordered categories there is more in test_ordinal.
EVERY = [
    (name, link) for name, family in FAMILIES.items() for link in family.links if not family.ordered
]
DISPERSION = {"negative_binomial": 1.7, "nb1": 0.8, "gamma": 0.3, "beta": 6.0, "gaussian": 0.5}
DISPERSION["inverse_gaussian"] = 0.2
DISPERSION["truncated_negative_binomial"] = 1.7
# Intercepts at which every row has a possible mean.
INSIDE = {"inverse": 0.8, "inverse_squared": 0.9, "identity": 2.0, "sqrt": 2.0}


def intercept(name: str, link: str) -> float:
    if name == "binomial":
        return {"identity": 0.5, "log": -1.2}.get(link, 0.2)
    return INSIDE.get(link, 0.4)


def data_of(name: str, link: str, seed: int = 3) -> pd.DataFrame:
    """Rows of a crossed design whose means are possible with the link."""
    rng = np.random.default_rng(seed)
    n = 240
    data = pd.DataFrame({"x": rng.uniform(-1, 1, n), "g": np.arange(n) % 12})
    data["h"] = rng.integers(0, 7, n)
    family = family_of(name, link)
    eta = intercept(name, link) + 0.05 * data["x"] + 0.03 * rng.normal(size=12)[data["g"]]
    mu = family.link.mean(eta.to_numpy())
    data["y"] = family.draw(rng, mu, np.ones(n), DISPERSION.get(name))
    return data


def density(name: str, y: Floats, mu: Floats, k: float) -> Floats:
    """Log densities by SciPy."""
    if name == "binomial":
        return np.asarray(stats.binom.logpmf(y, 1, mu))
    if name == "poisson":
        return np.asarray(stats.poisson.logpmf(y, mu))
    if name == "truncated_poisson":
        return np.asarray(stats.poisson.logpmf(y, mu) - np.log(-np.expm1(-mu)))
    if name == "truncated_negative_binomial":
        share = k / (k + mu)
        return np.asarray(stats.nbinom.logpmf(y, k, share) - np.log1p(-(share**k)))
    if name == "negative_binomial":
        return np.asarray(stats.nbinom.logpmf(y, k, k / (k + mu)))
    if name == "nb1":
        return np.asarray(stats.nbinom.logpmf(y, mu / k, 1 / (1 + k)))
    if name == "gamma":
        return np.asarray(stats.gamma.logpdf(y, 1 / k, scale=mu * k))
    if name == "inverse_gaussian":
        return np.asarray(stats.invgauss.logpdf(y, mu * k, scale=1 / k))
    if name == "beta":
        return np.asarray(stats.beta.logpdf(y, mu * k, (1 - mu) * k))
    return np.asarray(stats.norm.logpdf(y, mu, np.sqrt(k)))


@pytest.mark.parametrize(("name", "link"), EVERY)
def test_without_random_effects_the_criterion_is_the_likelihood(name: str, link: str) -> None:
    data = data_of(name, link)
    model = GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, name, link=link)
    beta = np.array([intercept(name, link), 0.04])
    mu = LINKS[link].mean(beta[0] + beta[1] * data["x"].to_numpy())
    expected = -2 * density(name, data["y"].to_numpy(), mu, DISPERSION.get(name, 1.0)).sum()
    found = model.objective([0.0], beta, DISPERSION.get(name))
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("link", LINKS)
def test_links_and_their_slopes(link: str) -> None:
    of = LINKS[link]
    eta = np.linspace(0.3, 1.4, 9)
    np.testing.assert_allclose(of.predictor(of.mean(eta)), eta, rtol=1e-10)
    h = 1e-6
    np.testing.assert_allclose(
        of.slope(eta), (of.mean(eta + h) - of.mean(eta - h)) / (2 * h), rtol=1e-7
    )


@pytest.mark.parametrize(("name", "link"), EVERY)
def test_draws_have_the_mean_and_the_variance(name: str, link: str) -> None:
    family, rng = family_of(name, link), np.random.default_rng(5)
    mu = np.full(200_000, 0.3)
    own = DISPERSION.get(name)
    drawn = family.draw(rng, mu, np.ones_like(mu), own)
    assert family.fault(drawn, np.ones_like(mu)) is None
    mean = 0.3 / -np.expm1(-0.3) if name == "truncated_poisson" else 0.3
    if name == "truncated_negative_binomial":
        mean = 0.3 / (1.0 - (1.7 / 2.0) ** 1.7)
    assert drawn.mean() == pytest.approx(mean, rel=0.03)
    variance = family.variance(mu[:1], np.ones(1), own)[0]
    assert drawn.var() == pytest.approx(variance, rel=0.05)


def test_families_by_name_class_and_object() -> None:
    probit = families.Binomial(link="probit")
    assert (
        family_of("binomial", "probit")
        == family_of(probit)
        == family_of(families.Binomial, "probit")
    )
    assert family_of("NB2").name == "negative_binomial"
    assert pickle.loads(pickle.dumps(probit)) == probit
    assert repr(probit) == "Binomial(link='probit')"


@pytest.mark.parametrize(
    ("family", "link", "says"),
    [
        ("binomail", None, "Did you mean 'binomial'"),
        (3, None, "must be one of"),
        ("poisson", "logit", "takes 'log', 'sqrt', 'identity'"),
        (families.Binomial("probit"), "logit", "name the link in one place"),
    ],
)
def test_unknown_families_and_links(family: object, link: str | None, says: str) -> None:
    with pytest.raises(MixedModelsError, match=says):
        family_of(family, link)


BAD = [
    ("binomial", [0, 1, 2, 1], "are not shares between 0 and 1"),
    ("binomial", [0, 0.5, 1, 1], "not whole numbers"),
    ("binomial", ["a", "b", "c", "a"], "has 3 categories"),
    ("binomial", ["a", "a", "a", "a"], "one category only"),
    ("poisson", [0, 1, -2, 1], "are below 0"),
    ("poisson", [0, 1, 2.5, 1], "are not whole numbers"),
    ("negative_binomial", [0, 1, 2.5, 1], "are not whole numbers"),
    ("truncated_poisson", [0, 1, 2, 1], "are below 1"),
    ("gamma", [0, 1, 2, 1], "are not above zero"),
    ("inverse_gaussian", [-1, 1, 2, 1], "are not above zero"),
    ("beta", [0.2, 1, 0.5, 0.1], "are not between 0 and 1"),
    ("poisson", ["a", "b", "a", "b"], "not numeric"),
]


@pytest.mark.parametrize(("family", "y", "says"), BAD)
def test_impossible_responses_are_refused(family: str, y: list[object], says: str) -> None:
    data = pd.DataFrame({"y": y * 5, "g": [0, 1, 2, 3] * 5, "x": range(20)})
    with pytest.raises(mm.DataError, match=says):
        mm.glmer("y ~ x + (1 | g)", data, family)


def test_the_row_of_an_impossible_response_is_named() -> None:
    data = pd.DataFrame({"y": [1, 2, 3, -4, 5, 6], "g": list("aabbcc")}, index=list("uvwxyz"))
    with pytest.raises(mm.DataError, match=r"row 3 \(x\).*-4|'x'|row x"):
        mm.glmer("y ~ 1 + (1 | g)", data, "poisson")
