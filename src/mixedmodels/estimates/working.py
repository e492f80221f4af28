"""The linear model whose weighted least squares are the scoring step at a generalized optimum.

Its response is eta + (y - mu) / mu', its weights are mu'^2 / Var(y), its residual standard
deviation is 1, and its theta is that of the fit. It gives generalized models what linear ones have
in closed form at one theta: hat values, changes without some rows. Weights are the expected ones,
which are positive; with canonical links they are the observed ones too. A criterion with expected
information has its own, and the response is eta + score / weight: of most families that is the
same. Errors of predictions go by the weights of the criterion, and come from there.

Thresholds of ordered categories are coefficients of it: the mean depends on threshold k as on the
predictor, times the share that the link's slope at k has of all of them. These shares have the sum
1, so that the origin of a covariate does not matter.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.linear import Fitted, Model
from mixedmodels.families.ordinal import OrderedDistribution

# Smallest weight, relative to the largest: rows with a mean on the edge tell nothing.
_LEAST = 1e-14


def _with_thresholds(fitted: GeneralizedFitted) -> Design:
    """The design with a column for every threshold after those of X; these relative to the origin.

    Columns that the ordered model has dropped are zero, so that they are dropped here too.
    """
    model, of = fitted.model, fitted.distribution
    if model.origin is None or not isinstance(of, OrderedDistribution):
        return model.design
    design, kept = model.design, fitted.solution.kept
    X = np.zeros((design.n, design.X.shape[1] + len(of.thresholds)), order="F")
    X[:, kept] = design.X[:, kept] - model.origin[kept]
    X[:, design.X.shape[1] :] = -of.shares(fitted.solution.eta)
    names = tuple(name for part in model.components for name in part.names)
    return dataclasses.replace(design, X=X, x_names=(*design.x_names, *names))


def _by_means(fitted: GeneralizedFitted) -> tuple[FloatArray, FloatArray]:
    """(n,) weights by slopes and variances of the means, and what is left of the responses."""
    of, eta = fitted.distribution, fitted.solution.eta
    mu, slope = of.mean(eta), of.slope(eta)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        w = slope**2 / of.variance(eta, fitted.model.weights)
        return w, (fitted.mean_response - mu) / slope


def _by_criterion(fitted: GeneralizedFitted) -> tuple[FloatArray, FloatArray]:
    """The same by the weights of the determinant, and the scores over these."""
    with fitted.criterion.at(fitted.solution.par) as point:
        w, scores = point.weights, point.scores
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return w, scores / w


def working_fit(fitted: GeneralizedFitted) -> Fitted:
    """The working linear model at the optimum of a fit.

    Raises:
        ModelError: The fixed part fits the working response exactly.
    """
    model, solution = fitted.model, fitted.solution
    eta = solution.eta
    w, left = _by_criterion(fitted) if model.expected else _by_means(fitted)
    w = np.maximum(
        np.nan_to_num(w, posinf=0.0), _LEAST * np.max(w, initial=1e-300, where=w < np.inf)
    )
    y = eta + np.nan_to_num(left, posinf=0.0, neginf=0.0)
    linear = Model(dataclasses.replace(_with_thresholds(fitted), y=y, w=w), model.threads)
    criterion = linear.criterion(reml=False)
    found = linear.solution(criterion, linear.axes.to_axes(np.array(solution.theta)))
    unit = dataclasses.replace(found, sigma=1.0, vcov=found.vcov / found.sigma**2)
    return Fitted(linear, unit, fitted.optsum)


def working_residuals(fitted: GeneralizedFitted) -> FloatArray:
    """(n,) (y - mu) over the slope of the mean by the predictor."""
    of, eta = fitted.distribution, fitted.solution.eta
    return _relative(fitted.mean_response - of.mean(eta), of.slope(eta))


def pearson_residuals(fitted: GeneralizedFitted) -> FloatArray:
    """(n,) (y - mu) over the standard deviation of y."""
    of, eta = fitted.distribution, fitted.solution.eta
    # Variances may underflow, or be those of means out of range in a fit that has not converged.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        size = np.sqrt(of.variance(eta, fitted.model.weights))
    return _relative(fitted.mean_response - of.mean(eta), size)


def _relative(left: FloatArray, size: FloatArray) -> FloatArray:
    """left / size; zero where nothing is left, also of a mean at its bound, where size is zero."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(left == 0.0, 0.0, left / size)
