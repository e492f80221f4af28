"""The linear model whose weighted least squares are the scoring step at a generalized optimum.

Its response is eta + (y - mu) / mu', its weights are mu'^2 / Var(y), its residual standard
deviation is 1, and its theta is that of the fit. It gives generalized models what linear ones have
in closed form at one theta: hat values, errors of predictions, changes without some rows. Weights
are the expected ones, which are positive; with canonical links they are the observed ones too.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.model import Fitted, Model

# Smallest weight, relative to the largest: rows with a mean on the edge tell nothing.
_LEAST = 1e-14


def working_fit(fitted: GeneralizedFitted) -> Fitted:
    """The working linear model at the optimum of a fit.

    Raises:
        ModelError: The fixed part fits the working response exactly.
    """
    model, solution = fitted.model, fitted.solution
    design, of = model.design, fitted.distribution
    eta, m = solution.eta, model.weights
    mu, slope = of.mean(eta), of.slope(eta)
    with np.errstate(divide="ignore", over="ignore"):
        w = slope**2 / of.variance(eta, m)
        left = (fitted.mean_response - mu) / slope
    w = np.maximum(
        np.nan_to_num(w, posinf=0.0), _LEAST * np.max(w, initial=1e-300, where=w < np.inf)
    )
    y = eta + np.nan_to_num(left, posinf=0.0, neginf=0.0)
    linear = Model(dataclasses.replace(design, y=y, w=w), model.threads)
    criterion = linear.criterion(reml=False)
    found = linear.solution(criterion, linear.axes.to_axes(np.array(solution.theta)))
    unit = dataclasses.replace(found, sigma=1.0, vcov=found.vcov / found.sigma**2)
    return Fitted(linear, unit, fitted.optsum)
