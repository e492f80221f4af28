"""Generalized fits of every kind that the methods after a fit must work on, made once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import mixedmodels as mm
from mixedmodels.families.catalogue import family_of

HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
_RNG = np.random.default_rng(11)
ROWS = pd.DataFrame(
    {"x": _RNG.uniform(-1, 1, 240), "g": np.arange(240) % 12, "h": _RNG.integers(0, 7, 240)}
)
_SLOPES = 0.5 + 0.4 * _RNG.normal(size=12)[ROWS["g"]]
_ETA = 0.4 + _SLOPES * ROWS["x"] + 0.4 * _RNG.normal(size=12)[ROWS["g"]]
_ETA += 0.4 * _RNG.normal(size=7)[ROWS["h"]]
OWN = {"negative_binomial": 1.7, "nb1": 0.8, "gamma": 0.3, "beta": 6.0, "gaussian": 0.5}
OWN["inverse_gaussian"] = 0.2


def drawn(family: str, link: str | None = None) -> pd.DataFrame:
    """Rows with a response of a family."""
    of = family_of(family, link)
    mu = of.link.mean(_ETA.to_numpy())
    y = of.draw(np.random.default_rng(5), mu, np.ones(len(mu)), OWN.get(family))
    return ROWS.assign(y=y, t=1.0 + ROWS["h"] % 3)


def with_zeros() -> pd.DataFrame:
    """Counts a quarter of which are zero by a process of its own."""
    data = drawn("poisson")
    return data.assign(y=data["y"].mask(np.random.default_rng(8).random(len(data)) < 0.25, 0.0))


def ordered() -> pd.DataFrame:
    """Three ordered categories."""
    data = drawn("poisson")
    codes = np.minimum(data["y"], 2).astype(int)
    return data.assign(c=pd.Categorical.from_codes(codes, ["low", "mid", "high"], ordered=True))


def _of(family: str, formula: str = "y ~ x + (1 | g)", **options: Any) -> Callable[[], Any]:
    return lambda: mm.glmer(formula, drawn(family, options.get("link")), family, **options)


CASES: dict[str, Callable[[], Any]] = {
    "trials": lambda: mm.glmer(HERDS, mm.load_dataset("cbpp")),
    "shares, probit": lambda: mm.glmer(
        "incidence / size ~ period + (1 | herd)",
        mm.load_dataset("cbpp"),
        weights="size",
        link="probit",
    ),
    "quadrature": lambda: mm.glmer(HERDS, mm.load_dataset("cbpp"), n_agq=9),
    "binary, cloglog": _of("binomial", link="cloglog"),
    "crossed": _of("poisson", "y ~ x + (1 | g) + (1 | h)"),
    "slopes, exposure": _of("poisson", "y ~ x + offset(log(t)) + (x | g)"),
    "dependent": _of("poisson", "y ~ x + I(2 * x) + (1 | g)"),
    "no fixed part": _of("poisson", "y ~ 0 + (1 | g)"),
    "negative binomial": _of("negative_binomial"),
    "nb1": _of("nb1"),
    "gamma, weights": _of("gamma", weights="t"),
    "inverse Gaussian": _of("inverse_gaussian", link="log"),
    "beta": _of("beta"),
    "gaussian, log": _of("gaussian", link="log"),
    "truncated": _of("truncated_poisson"),
    "singular": lambda: mm.glmer(
        "y ~ x + (1 | g)", ROWS.assign(y=np.random.default_rng(3).poisson(2, 240)), "poisson"
    ),
}


# With further parameters of the distribution.
MORE: dict[str, Callable[[], Any]] = {
    "dispersion with a predictor": _of("gamma", dispersion="~ x"),
    "zeros of their own": lambda: mm.glmer(
        "y ~ x + (1 | g)", with_zeros(), "poisson", zero_inflation="~ 1"
    ),
    "ordered": lambda: mm.glmer("c ~ x + (1 | g)", ordered(), "ordinal"),
}


@cache
def fit_case(name: str) -> mm.GeneralizedLinearMixedFit:
    """The fit of a case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit: mm.GeneralizedLinearMixedFit = {**CASES, **MORE}[name]()
    return fit
