"""Responses and residuals of generalized models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_refits import GeneralizedRefitter
from mixedmodels.estimates.parameters import to_sd_cor
from mixedmodels.estimates.tables import random_part
from mixedmodels.prediction.bootstrap import Plan, Replicates, replicates_of
from mixedmodels.prediction.simulate import Seed, fixed_mean, random_generator, simulator
from mixedmodels.settings import (
    BOOTSTRAPS,
    MODES,
    BootstrapKind,
    Modes,
    check_option,
    thread_count,
)

PredictionType: TypeAlias = Literal["response", "link"]
ResidualType: TypeAlias = Literal["deviance", "pearson", "response", "working", "quantile"]
PREDICTIONS = ("response", "link")
RESIDUALS = ("deviance", "pearson", "response", "working", "quantile")

# Draws of which a quantile residual is a share.
_DRAWS = 250


def residuals_of_type(
    fitted: GeneralizedFitted, kind: ResidualType, seed: Seed = None
) -> FloatArray:
    """(n,) residuals given the modes."""
    model, solution = fitted.model, fitted.solution
    family, m = model.family, model.weights
    y, eta = fitted.mean_response, solution.eta
    mu = family.link.mean(eta)
    if kind == "quantile":
        return _quantiles(fitted, mu, seed)
    left: FloatArray = y - mu
    if kind == "response":
        return left
    if kind == "working":
        working: FloatArray = left / family.link.slope(eta)
        return working
    if kind == "deviance":
        unit = np.maximum(family.unit_deviance(y, mu, solution.dispersion), 0.0)
        deviance: FloatArray = np.sign(left) * np.sqrt(m * unit)
        return deviance
    pearson: FloatArray = left / np.sqrt(family.variance(mu, m, solution.dispersion))
    return pearson


def _quantiles(fitted: GeneralizedFitted, mu: FloatArray, seed: Seed) -> FloatArray:
    model = fitted.model
    rng, _ = random_generator(seed)
    below = np.zeros(len(mu))
    same = np.zeros(len(mu))
    for _ in range(_DRAWS):
        drawn = model.family.draw(rng, mu, model.weights, fitted.solution.dispersion)
        below += drawn < model.design.y
        same += drawn == model.design.y
    found: FloatArray = (below + rng.random(len(mu)) * (same + 1.0)) / (_DRAWS + 1.0)
    return found


class Draws:
    """Draws responses of a generalized fit; of trials, successes.

    Args:
        fitted: The fit.
        modes: Whether random effects are drawn anew or kept.
    """

    def __init__(self, fitted: GeneralizedFitted, modes: Modes) -> None:
        model, solution = fitted.model, fitted.solution
        self._model, self._dispersion = model, solution.dispersion
        self._eta, self._lam = solution.eta, None
        if modes == "new":
            self._eta = fixed_mean(model.design, solution.beta)
            self._lam = model.templates.lam(solution.theta)

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(count, n) responses."""
        return np.array([self._one(rng) for _ in range(count)])

    def _one(self, rng: np.random.Generator) -> FloatArray:
        model, eta = self._model, self._eta
        if self._lam is not None:
            design, templates = model.design, model.templates
            normal, starts = rng.standard_normal(templates.q), templates.term_starts
            for t, lam in enumerate(self._lam):
                part = normal[starts[t] : starts[t + 1]]
                normal[starts[t] : starts[t + 1]] = (part.reshape(-1, len(lam)) @ lam.T).ravel()
            eta = eta + random_part(templates, design.groups, design.terms, normal, design.n)
        mu = model.family.link.mean(eta)
        return model.family.draw(rng, mu, model.weights, self._dispersion)


@simulator.register
def _(fitted: GeneralizedFitted, modes: Modes, kind: BootstrapKind = "parametric") -> Draws:
    check_option("modes", modes, MODES)
    check_option("kind", kind, BOOTSTRAPS)
    if kind == "residual":
        raise ModelError(
            "kind='residual' resamples residuals of rows, which a generalized model does not have; "
            "kind='parametric' draws from the family."
        )
    return Draws(fitted, modes)


@replicates_of.register
def _(fitted: GeneralizedFitted, plan: Plan) -> Callable[[FloatArray], Replicates]:
    model, control = fitted.model, fitted.optsum.control
    threads = model.affordable_threads(thread_count(plan.threads, model.threads))
    refitter = GeneralizedRefitter(model, fitted.solution.par, control, threads)
    m, p = model.templates.m, fitted.solution.p

    def replicates(responses: FloatArray) -> Replicates:
        user, objective = refitter(responses)
        theta, beta = user[:, :m], user[:, m : m + p]
        random = to_sd_cor(model.templates, theta, np.ones(len(user)))
        scale = np.exp(user[:, m + p :])
        return Replicates(np.column_stack([random, scale, beta]), theta, objective)

    return replicates
