"""Responses and residuals of generalized models."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design
from mixedmodels.design.rebuild import new_rows, rebuild_part
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.components import Component, exponential, of_role, probability
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.tables import random_part
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION
from mixedmodels.families.ordinal import OrderedDistribution
from mixedmodels.prediction.simulate import Seed, fixed_mean, random_generator
from mixedmodels.settings import Modes

PredictionType: TypeAlias = Literal[
    "response", "link", "conditional", "zprob", "zlink", "disp", "zero", "prob", "class"
]
ResidualType: TypeAlias = Literal["deviance", "pearson", "response", "working", "quantile"]
PREDICTIONS = (
    "response",
    "link",
    "conditional",
    "zprob",
    "zlink",
    "disp",
    "zero",
    "prob",
    "class",
)
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
    if kind in ("prob", "class"):
        raise MixedModelsError(f"type is {kind!r}, which is for ordered responses.")
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


def category_probabilities(fitted: GeneralizedFitted, eta: pd.Series[float]) -> pd.DataFrame:
    """(n, J) probabilities of the categories, in columns called as these; by row label."""
    of = fitted.distribution
    assert isinstance(of, OrderedDistribution)
    columns = pd.Index(fitted.model.design.categories, name=fitted.model.design.response_name)
    return pd.DataFrame(of.probabilities(eta.to_numpy()), eta.index, columns)


def as_categories(design: Design, y: FloatArray) -> pd.Categorical:
    """Categories by their numbers; missing where these are NaN."""
    codes = np.where(np.isnan(y), -1, y).astype(np.int64)
    return pd.Categorical.from_codes(codes, design.categories, ordered=True)


def most_likely(fitted: GeneralizedFitted, eta: pd.Series[float]) -> pd.Series[Any]:
    """The category with the largest probability, by row label."""
    p = category_probabilities(fitted, eta).to_numpy()
    found = np.where(np.isnan(p).any(axis=1), np.nan, np.nan_to_num(p).argmax(axis=1))
    return pd.Series(as_categories(fitted.model.design, found), eta.index, name="prediction")


def fitted_means(fitted: GeneralizedFitted) -> FloatArray:
    """(n,) means; of ordered responses the probability of the category observed."""
    eta, of = fitted.solution.eta, fitted.distribution
    if isinstance(of, OrderedDistribution):
        y = fitted.model.design.y.astype(np.int64)
        found: FloatArray = of.probabilities(eta)[np.arange(len(y)), y]
        return found
    return of.mean(eta)


def residuals_of_type(
    fitted: GeneralizedFitted, kind: ResidualType, seed: Seed = None
) -> FloatArray:
    """(n,) residuals given the modes."""
    m = fitted.model.weights
    y, eta, of = mean_response(fitted), fitted.solution.eta, fitted.distribution
    if kind == "quantile":
        return _quantiles(fitted, seed)
    left: FloatArray = y - of.mean(eta)
    if kind == "response":
        return left
    if kind == "working":
        working: FloatArray = left / of.slope(eta)
        return working
    if kind == "deviance":
        unit = np.maximum(of.unit_deviance(y, eta), 0.0)
        deviance: FloatArray = np.sign(left) * np.sqrt(m * unit)
        return deviance
    pearson: FloatArray = left / np.sqrt(of.variance(eta, m))
    return pearson


def _quantiles(fitted: GeneralizedFitted, seed: Seed) -> FloatArray:
    model, eta = fitted.model, fitted.solution.eta
    rng, _ = random_generator(seed)
    below = np.zeros(len(eta))
    same = np.zeros(len(eta))
    for _ in range(_DRAWS):
        drawn = fitted.distribution.draw(rng, eta, model.weights)
        below += drawn < model.design.y
        same += drawn == model.design.y
    found: FloatArray = (below + rng.random(len(eta)) * (same + 1.0)) / (_DRAWS + 1.0)
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
    return fitted.distribution.draw(rng, eta, model.weights)
