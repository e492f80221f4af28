"""Random generalized designs: every family, fitted, and calls of what works after a fit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import mixedmodels as mm
from fuzz.outcome import refused_in_words

LINKS = {
    "binomial": ("logit", "probit", "cloglog", "cauchit", "log"),
    "poisson": ("log", "sqrt", "identity"),
    "negative_binomial": ("log", "sqrt"),
    "nb1": ("log",),
    "truncated_poisson": ("log",),
    "truncated_negative_binomial": ("log",),
    "gamma": ("log", "inverse", "identity"),
    "inverse_gaussian": ("log", "inverse_squared"),
    "beta": ("logit", "probit"),
    "gaussian": ("log", "inverse", "sqrt"),
    "ordinal": ("logit", "probit", "cloglog", "loglog", "cauchit"),
}
_WITH_DISPERSION = ("negative_binomial", "nb1", "gamma", "inverse_gaussian", "beta", "gaussian")
_COUNTS = ("poisson", "negative_binomial", "nb1")
_FIXED = ("1", "0", "x", "x + z", "x * f", "x + I(2 * x)", "f", "ns(z, df = 3)", "a")
_RANDOM = (
    *("(1 | a)", "(1 | a)", "(x | a)", "(x || a)", "(0 + f | a)", "(1 | a) + (1 | b)"),
    *("(1 | a/c)", "(x | a) + (1 | b)", "(1 | a:c)", "(x + z | a)", "(1 | a) + (1 | d)", "(1 | o)"),
)
# Of the columns of the table: plain, of factors, and such as nothing can be made of.
_FURTHER = ("~ 1", "~ x", "~ f", "~ x + z", "~ 0 + x", "~ x + I(2 * x)", "~ log(z)", "~ nosuch")


class Drawn(NamedTuple):
    """A design in a few words, from which the table is made, and what is called after the fit."""

    formula: str
    family: str
    rows: int
    levels: tuple[int, int, int]
    spoilt: str
    options: tuple[tuple[str, Any], ...]
    calls: tuple[str, ...]
    seed: int


def draw(random: Random) -> Drawn:
    """A design, a fit and one or two calls after it."""
    family = random.choice(list(LINKS))
    options: list[tuple[str, Any]] = [("threads", random.choice((1, 2)))]
    if random.random() < 0.5:
        options.append(("link", random.choice(LINKS[family])))
    if random.random() < 0.25:
        options.append(("n_agq", random.choice((0, 2, 5))))
    if random.random() < 0.2:
        options.append(("information", "expected"))
    if random.random() < 0.1:
        options.append(("reml", True))
    if random.random() < (0.4 if family in _WITH_DISPERSION else 0.02):
        options.append(("dispersion", random.choice(_FURTHER)))
    if random.random() < (0.4 if family in _COUNTS else 0.02):
        options.append(("zero_inflation", random.choice(_FURTHER)))
    if random.random() < 0.2:
        options.append(("weights", random.choice(("w", "k"))))
    if random.random() < 0.2:
        options.append(("offset", "z"))
    return Drawn(
        f"y ~ {random.choice(_FIXED)} + {random.choice(_RANDOM)}",
        family,
        random.choice((20, 60, 60, 200)),
        (random.choice((2, 6, 20)), random.choice((2, 5, 12)), random.choice((2, 3))),
        random.choice((*_SPOILT, *[""] * 12)),
        tuple(options),
        tuple(random.sample(list(_CALLS), random.choice((1, 1, 2)))),
        random.randrange(2**32),
    )


def run(drawn: Drawn) -> mm.GeneralizedLinearMixedFit:
    """Fit the design and call; what the library refuses after the fit is not a problem."""
    data = _table(drawn)
    fit = mm.glmer(drawn.formula, data, drawn.family, **dict(drawn.options))
    str(fit)
    for name in drawn.calls:
        with refused_in_words(name):
            _CALLS[name](fit, data)
    return fit


def show(drawn: Drawn) -> str:
    """All of it."""
    return str(tuple(drawn))


def responses(family: str, eta: Any, rng: np.random.Generator) -> Any:
    """(n,) responses of a family at the predictors `eta`, on about the scale of its usual link."""
    mu, n = np.exp(eta), len(eta)
    share = mu / (1.0 + mu)
    drawn: dict[str, Callable[[], Any]] = {
        "binomial": lambda: (rng.random(n) < share).astype(float),
        "poisson": lambda: rng.poisson(mu).astype(float),
        "negative_binomial": lambda: rng.poisson(mu * rng.gamma(2.0, 0.5, n)).astype(float),
        "nb1": lambda: rng.poisson(mu * rng.gamma(2.0, 0.5, n)).astype(float),
        "truncated_poisson": lambda: 1.0 + rng.poisson(mu),
        "truncated_negative_binomial": lambda: 1.0 + rng.poisson(mu * rng.gamma(2.0, 0.5, n)),
        "gamma": lambda: mu * rng.gamma(3.0, 1.0 / 3.0, n) + 1e-12,
        "inverse_gaussian": lambda: rng.wald(mu, 3.0),
        "beta": lambda: np.clip(rng.beta(3.0 * share, 3.0 - 3.0 * share), 1e-6, 1.0 - 1e-6),
        "gaussian": lambda: mu + 0.1 * rng.normal(size=n),
        "ordinal": lambda: np.digitize(eta + rng.logistic(size=n), (-1.0, 0.0, 1.0)),
    }
    return drawn[family]()


def _table(drawn: Drawn) -> pd.DataFrame:
    rng = np.random.default_rng(drawn.seed)
    n, (a, b, c) = drawn.rows, drawn.levels
    table = {
        "x": rng.normal(size=n),
        "z": rng.uniform(0.1, 2.0, n),
        "w": rng.uniform(0.1, 4.0, n),
        "k": rng.integers(1, 5, n),
        "f": rng.choice(["u", "v", "w"], n),
        "a": rng.integers(a, size=n),
        "b": rng.integers(b, size=n),
        "c": rng.integers(c, size=n),
        "o": np.arange(n),
    }
    table["d"] = np.array([f"level {i}" for i in table["a"]])
    sd = rng.choice([0.0, 0.3, 1.0, 3.0], size=2)
    eta = 0.3 * table["x"] + sd[0] * rng.normal(size=a)[table["a"]]
    table["y"] = responses(drawn.family, eta + sd[1] * rng.normal(size=b)[table["b"]], rng)
    data = pd.DataFrame(table)
    if drawn.spoilt:
        _SPOILT[drawn.spoilt](data, rng)
    return data


def _some(data: pd.DataFrame, column: str, value: Any, rng: np.random.Generator) -> None:
    rows = rng.integers(len(data), size=3)
    data[column] = data[column].astype(object if isinstance(value, str) else float)
    data.loc[rows, column] = value


def _separated(data: pd.DataFrame, _: np.random.Generator) -> None:
    data["x"] = data["y"].to_numpy(dtype=float) + 0.0


def _constant(data: pd.DataFrame, _: np.random.Generator) -> None:
    data["y"] = data["y"].iloc[0]


_SPOILT: dict[str, Callable[[pd.DataFrame, np.random.Generator], None]] = {
    "missing responses": lambda data, rng: _some(data, "y", np.nan, rng),
    "infinite responses": lambda data, rng: _some(data, "y", np.inf, rng),
    "negative responses": lambda data, rng: _some(data, "y", -1.0, rng),
    "parts of responses": lambda data, rng: _some(data, "y", 0.5, rng),
    "large responses": lambda data, rng: _some(data, "y", 1e12, rng),
    "responses of text": lambda data, rng: _some(data, "y", "a", rng),
    "missing covariates": lambda data, rng: _some(data, "x", np.nan, rng),
    "negative weights": lambda data, rng: _some(data, "w", -1.0, rng),
    "no weights": lambda data, rng: _some(data, "w", 0.0, rng),
    "tiny weights": lambda data, rng: _some(data, "w", 5e-324, rng),
    "large offsets": lambda data, rng: _some(data, "z", 700.0, rng),
    "far covariates": lambda data, rng: _some(data, "x", 1e9, rng),
    "separated": _separated,
    "constant": _constant,
}


def _saved(fit: mm.GeneralizedLinearMixedFit, _: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fit.save(Path(folder) / "fit.mm")
        again = mm.load(Path(folder) / "fit.mm")
        assert again.objective == fit.objective
        np.testing.assert_array_equal(again.predict(), fit.predict())


def _new_rows(fit: mm.GeneralizedLinearMixedFit, data: pd.DataFrame) -> None:
    new = data.iloc[::3].copy()
    new.loc[new.index[:2], ["a", "b", "o"]] = 10**6
    new.loc[new.index[:2], "d"] = "new"
    fit.predict_interval(new, allow_new_levels=True, kind="prediction", uncertainty="full")
    fit.predict(new, random="none")
    fit.predict(new, random="average")


_CALLS: dict[str, Callable[[mm.GeneralizedLinearMixedFit, pd.DataFrame], Any]] = {
    "summary": lambda fit, _: str(fit.summary()),
    "anova": lambda fit, _: fit.anova(),
    "drop1": lambda fit, _: fit.drop1(),
    "ranova": lambda fit, _: fit.ranova(),
    "components": lambda fit, _: (fit.varcorr_table(), fit.component_table()),
    "singularity": lambda fit, _: str(fit.singularity()),
    "conditional covariances": lambda fit, _: fit.ranef_cov(),
    "profile": lambda fit, _: str(fit.profile("theta_", threads=2)),
    "limits": lambda fit, _: fit.confint(),
    "bootstrap": lambda fit, _: fit.bootstrap(4, seed=1, threads=2, progress=False),
    "simulate": lambda fit, _: (fit.simulate(3, seed=1), fit.simulate(1, 1, "kept")),
    "refit": lambda fit, _: fit.refit(fit.simulate(1, seed=2)[0]),
    "influence": lambda fit, _: fit.influence(next(iter(fit.ranef())), method="one-step"),
    "rows": lambda fit, _: (fit.leverage(), fit.std_residuals("quantile"), fit.augment()),
    "errors of predictions": lambda fit, _: fit.predict_interval(uncertainty="full"),
    "new rows": _new_rows,
    "means": lambda fit, _: (fit.emmeans("~ 1", type="response"), fit.joint_tests()),
    "means of cells": lambda fit, _: str(fit.emmeans("f", type="response").pairs()),
    "robust": lambda fit, _: fit.vcov_robust("a"),
    "shares": lambda fit, _: (fit.icc(), fit.r2()),
    "check": lambda fit, _: str(fit.check(nsim=10)),
    "tidy": lambda fit, _: (fit.tidy(), fit.glance()),
    "save": _saved,
}
