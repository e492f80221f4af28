"""Responses and residuals of generalized models."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design.rebuild import new_rows, rebuild_part
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.components import Component, exponential, of_role, probability
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.tables import random_part
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION
from mixedmodels.prediction.simulate import Seed, fixed_mean, random_generator
from mixedmodels.settings import Modes

PredictionType: TypeAlias = Literal[
    "response", "link", "conditional", "zprob", "zlink", "disp", "zero"
]
ResidualType: TypeAlias = Literal["deviance", "pearson", "response", "working", "quantile"]
PREDICTIONS = ("response", "link", "conditional", "zprob", "zlink", "disp", "zero")
RESIDUALS = ("deviance", "pearson", "response", "working", "quantile")

# Draws of which a quantile residual is a share.
_DRAWS = 250


def mean_response(fitted: GeneralizedFitted) -> FloatArray:
    """(n,) responses on the scale of the means: shares where there are trials."""
    model = fitted.model
    return model.design.y / model.weights if model.family.of_trials else model.design.y


def shown_response(fitted: GeneralizedFitted, y: FloatArray) -> FloatArray:
    """(n,) as the formula has them: successes of `cbind`, shares else."""
    model = fitted.model
    successes = model.design.response_name.startswith("cbind(")
    return y / model.weights if model.family.of_trials and not successes else y


def predicted_values(
    fitted: GeneralizedFitted, kind: PredictionType, eta: FloatArray, data: Any
) -> FloatArray:
    """(n,) predictions of a kind.

    Args:
        fitted: The fit.
        kind: Another kind than "link".
        eta: (n,) linear predictor of the mean.
        data: The rows as given, or None for those of the fit.

    Raises:
        MixedModelsError: The model has no such parameter.
    """
    mu = fitted.model.family.link.mean(eta)
    if kind == "conditional":
        return mu
    zeros = of_role(fitted.model.components, ZERO_INFLATION)
    if kind == "response":
        if zeros is None:
            return mu
        mean: FloatArray = (1.0 - probability(_predictor(fitted, zeros, data))) * mu
        return mean
    role = DISPERSION if kind == "disp" else ZERO_INFLATION
    component = of_role(fitted.model.components, role)
    if component is None:
        raise MixedModelsError(f"type is {kind!r}; the model has no {role}.")
    predictor = _predictor(fitted, component, data)
    values = predictor
    if kind != "zlink":
        values = exponential(predictor) if kind == "disp" else probability(predictor)
    found: FloatArray = np.where(np.isnan(eta), np.nan, values)
    return found


def _predictor(fitted: GeneralizedFitted, component: Component, data: Any) -> float | FloatArray:
    psi = fitted.solution.psi
    if data is None or component.part is None:
        return component.predictor(psi)
    return component.predictor(psi, rebuild_part(component.part, new_rows(data)))


def residuals_of_type(
    fitted: GeneralizedFitted, kind: ResidualType, seed: Seed = None
) -> FloatArray:
    """(n,) residuals given the modes."""
    model, solution = fitted.model, fitted.solution
    family, m = model.family, model.weights
    y, eta, of = mean_response(fitted), solution.eta, fitted.distribution
    mu = family.link.mean(eta)
    if kind == "quantile":
        return _quantiles(fitted, mu, seed)
    left: FloatArray = y - of.mean(mu)
    if kind == "response":
        return left
    if kind == "working":
        working: FloatArray = left / of.mean(family.link.slope(eta))
        return working
    if kind == "deviance":
        unit = np.maximum(of.unit_deviance(y, mu), 0.0)
        deviance: FloatArray = np.sign(left) * np.sqrt(m * unit)
        return deviance
    pearson: FloatArray = left / np.sqrt(of.variance(mu, m))
    return pearson


def _quantiles(fitted: GeneralizedFitted, mu: FloatArray, seed: Seed) -> FloatArray:
    model = fitted.model
    rng, _ = random_generator(seed)
    below = np.zeros(len(mu))
    same = np.zeros(len(mu))
    for _ in range(_DRAWS):
        drawn = fitted.distribution.draw(rng, mu, model.weights)
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
    return fitted.distribution.draw(rng, mu, model.weights)
