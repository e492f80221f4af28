"""Responses and residuals of generalized models."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.tables import random_part
from mixedmodels.prediction.simulate import Seed, fixed_mean, random_generator
from mixedmodels.settings import Modes

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


def drawn_responses(
    fitted: GeneralizedFitted, rng: np.random.Generator, modes: Modes
) -> FloatArray:
    """(n,) a response drawn: successes of trials."""
    model, solution = fitted.model, fitted.solution
    eta = solution.eta
    if modes == "new":
        templates, design = model.templates, model.design
        b = np.empty(templates.q)
        starts = templates.term_starts
        for t, lam in enumerate(templates.lam(solution.theta)):
            normal = rng.standard_normal((starts[t + 1] - starts[t]) // len(lam) * len(lam))
            b[starts[t] : starts[t + 1]] = (normal.reshape(-1, len(lam)) @ lam.T).ravel()
        eta = fixed_mean(design, solution.beta) + random_part(
            templates, design.groups, design.terms, b, design.n
        )
    mu = model.family.link.mean(eta)
    return model.family.draw(rng, mu, model.weights, solution.dispersion)
