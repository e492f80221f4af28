"""A generalized model without some of its rows: its gradient at other parameters, and its fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import AnyArray, FloatArray, LongArray
from mixedmodels.design.parts import design_of_rows
from mixedmodels.errors import ModelError
from mixedmodels.estimates.components import Component
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


def has_scores(fitted: GeneralizedFitted) -> bool:
    """Whether the coefficients are searched, so that parts of the rows have scores of them."""
    return not fitted.model.reml and fitted.model.nodes > 0


def part_of_rows(fitted: GeneralizedFitted, rows: LongArray) -> Part:
    """The criterion of some rows at the optimum of a fit.

    Coefficients matter through X beta alone: columns that depend on others here give theirs to
    these, and so do those of parameters of the family with predictors.

    Raises:
        MixedModelsError: The rows make no model.
    """
    if not has_scores(fitted):
        raise ModelError(
            "Scores of parts of the rows are of fits by maximum likelihood, whose coefficients are "
            "searched: fit without reml=True, and with n_agq of 1 or more."
        )
    solution, model = fitted.solution, model_of_rows(fitted.model, rows)
    m, p = len(solution.theta), solution.p
    X, beta = model.design.X, solution.beta[solution.kept]
    D = [
        _columns(
            X if model.origin is None else X - model.origin, model.products.kept, solution.kept
        )
    ]
    # Where thresholds stand for the intercept, they take up what columns are for all rows here.
    shift = np.zeros(p)
    if model.origin is not None:
        shift = (X[:, solution.kept] - X[:, model.products.kept] @ D[0]).mean(axis=0)
    for own, whole in zip(model.components, fitted.model.components, strict=True):
        D.append(_component_columns(own, whole))
    whole_user = [beta, *_pieces(solution.psi, D[1:])]
    criterion = model.criterion()
    user = np.concatenate(
        [solution.theta, *(E @ piece for E, piece in zip(D, whole_user, strict=True))]
    )
    first = m + len(D[0])
    if shift.any():
        user[first] -= shift @ beta
    with criterion.at(criterion.from_user(user)) as point:
        value, by_search = point.value, point.gradient()
    slope = np.linalg.solve(criterion.to_user(np.eye(len(user))), by_search)
    ends = m + np.cumsum([len(E) for E in D])[:-1]
    pieces = np.split(slope[m:], ends - m)
    gradient: FloatArray = np.concatenate(
        [slope[:m], *(piece @ E for E, piece in zip(D, pieces, strict=True))]
    )
    if shift.any():
        gradient[m : m + p] -= slope[first] * shift
    assert len(gradient) == m + p + len(solution.psi)
    return Part(value, gradient)


def _pieces(psi: FloatArray, D: list[FloatArray]) -> list[FloatArray]:
    """Psi of the whole by component."""
    return np.split(psi, np.cumsum([E.shape[1] for E in D])[:-1]) if D else []


def _component_columns(own: Component, whole: Component) -> FloatArray:
    """The columns of a component of the whole by those that are kept here."""
    if own.part is None or own.products is None or whole.products is None:
        return np.eye(len(whole.names))
    return _columns(own.part.X, own.products.kept, whole.products.kept)


def _columns(X: FloatArray, own: AnyArray, kept: AnyArray) -> FloatArray:
    """(k, p) the columns that the whole keeps by those that are kept here."""
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
        same = [len(part.names) for part in model.components] == [
            len(part.names) for part in fitted.model.components
        ]
        if same and np.array_equal(model.products.kept, fitted.solution.kept):
            start = fitted.parameters
            if (fitted.solution.theta[model.templates.diagonal] == 0.0).any():
                start = None
        return model.solve(model.criterion(), Request(start=start, control=control, warm=True))

    found: GeneralizedFitted | None = attempt(search, fitted.model.design.y)
    return found
