"""A generalized model without some of its rows: its gradient at other parameters, and its fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import AnyArray, FloatArray, LongArray
from mixedmodels.design.parts import design_of_rows
from mixedmodels.estimates.generalized import GeneralizedFitted, GeneralizedModel
from mixedmodels.estimates.refits import attempt
from mixedmodels.optimize import Request
from mixedmodels.settings import Control


def model_of_rows(model: GeneralizedModel, rows: LongArray) -> GeneralizedModel:
    """The model of some rows; columns of X may depend on others there."""
    return model.with_design(design_of_rows(model.design, rows))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The criterion of some rows at the parameters of the whole.

    Attributes:
        value: -2 log-likelihood.
        gradient: (m + p + k,) by theta, the coefficients of the whole and the family's own.
    """

    value: float
    gradient: FloatArray


def part_of_rows(fitted: GeneralizedFitted, rows: LongArray) -> Part:
    """The criterion of some rows at the optimum of a fit.

    Coefficients matter through X beta alone: columns that depend on others here give theirs to
    these.

    Raises:
        MixedModelsError: The rows make no model.
    """
    solution, model = fitted.solution, model_of_rows(fitted.model, rows)
    m, p = len(solution.theta), solution.p
    D = _dependence(model, solution.kept)
    criterion = model.criterion()
    user = np.concatenate([solution.theta, D @ solution.beta[solution.kept], solution.psi])
    with criterion.at(criterion.from_user(user)) as point:
        value, by_search = point.value, point.gradient()
    slope = np.linalg.solve(criterion.to_user(np.eye(len(user))), by_search)
    k = len(D)
    gradient: FloatArray = np.concatenate([slope[:m], slope[m : m + k] @ D, slope[m + k :]])
    assert len(gradient) == m + p + len(solution.psi)
    return Part(value, gradient)


def _dependence(model: GeneralizedModel, kept: AnyArray) -> FloatArray:
    """(k, p) the columns of the whole by those that are kept here."""
    X, own = model.design.X, model.products.kept
    if np.array_equal(own, kept):
        return np.eye(len(kept))
    solved = np.linalg.lstsq(X[:, own], X[:, kept], rcond=None)[0]
    return np.asarray(solved, dtype=np.float64)


def fit_of_rows(
    fitted: GeneralizedFitted, rows: LongArray, control: Control
) -> GeneralizedFitted | None:
    """The fit of some rows; None where there is none."""

    def search(_: FloatArray) -> GeneralizedFitted:
        model = model_of_rows(fitted.model, rows)
        start = None
        if np.array_equal(model.products.kept, fitted.solution.kept):
            start = fitted.criterion.to_user(fitted.solution.par)
            if (fitted.solution.theta[model.templates.diagonal] == 0.0).any():
                start = None
        return model.solve(model.criterion(), Request(start=start, control=control))

    found: GeneralizedFitted | None = attempt(search, fitted.model.design.y)
    return found
