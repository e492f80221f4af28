"""What a file holds of a generalized fit beside its design, and whether it can be that of a fit."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.crossprod import templates_of
from mixedmodels.design import Design
from mixedmodels.errors import FileError
from mixedmodels.estimates.components import components_of, exponential, of_role
from mixedmodels.estimates.generalized import GeneralizedFitted, GeneralizedModel
from mixedmodels.estimates.generalized_covariances import KnownCovariances
from mixedmodels.estimates.generalized_solution import GeneralizedSolution
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION, Family
from mixedmodels.families.catalogue import family_of
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.settings import thread_count
from mixedmodels.storage.checks import check_search, check_shapes, require
from mixedmodels.storage.fits import CLASSES, GENERALIZED, Form, fit_to_bytes, from_bytes, to_bytes
from mixedmodels.storage.pickles import kept_threads, usable_threads


@dataclass(frozen=True, slots=True)
class Responses:
    """The family of the responses, and how its likelihood is approximated.

    Attributes:
        family: Name of the family.
        link: Name of its link.
        nodes: Nodes of quadrature for each random effect; 1 for Laplace's approximation, 0 for that
            with the coefficients in the mode.
        expected: Whether the determinant has the expected information.
        reml: Whether the coefficients are integrated over.
    """

    family: str
    link: str
    nodes: int
    expected: bool = False
    reml: bool = False


class SavedGeneralized(NamedTuple):
    """What a file holds of a generalized fit: all that it cannot compute again."""

    design: Design
    solution: GeneralizedSolution
    optsum: OptSummary
    responses: Responses


class SavedModel(NamedTuple):
    """What is kept of a generalized model that is not fitted."""

    design: Design
    responses: Responses


def model_of(design: Design, responses: Responses, threads: int) -> GeneralizedModel:
    """The model again.

    Raises:
        MixedModelsError: There is no such family, link or quadrature.
    """
    how = (responses.nodes, responses.expected, responses.reml)
    return GeneralizedModel(design, family_of(responses.family, responses.link), threads, *how)


def generalized_from_bytes(content: bytes) -> SavedGeneralized:
    """The fit of `fit_to_bytes`; raises as `load_fit`."""
    saved: SavedGeneralized = from_bytes(content, FITTED)
    return saved


def _responses_of(model: GeneralizedModel) -> Responses:
    return Responses(model.family.name, model.family.link.name, *model.approximation)


def _check_model(saved: SavedModel | SavedGeneralized) -> None:
    """Refuse responses that a family cannot have."""
    design, responses = saved.design, saved.responses
    if not isinstance(responses, Responses):
        raise FileError("it has no family")
    require(responses.nodes >= 0, "its nodes of quadrature are not a number of nodes")
    family = family_of(responses.family, responses.link)
    m = np.ones(design.n) if design.w is None else design.w
    require(family.fault(design.y, m) is None, "its responses are not those of its family")
    _check_roles(design, family)


def _check_roles(design: Design, family: Family) -> None:
    """Refuse categories and parts that the family cannot have."""
    categories, roles = design.categories, [part.spec.role for part in design.parts]
    require((categories is not None) == family.ordered, "it has categories, or lacks them")
    if categories is not None:
        found = np.unique(design.y)
        require(
            len(categories) > 1 and bool(np.isin(found, np.arange(len(categories))).all()),
            "its responses are not numbers of its categories",
        )
    require(
        len(set(roles)) == len(roles)
        and set(roles) <= {DISPERSION, ZERO_INFLATION}
        and (DISPERSION not in roles or bool(family.parameter))
        and (ZERO_INFLATION not in roles or family.with_zeros),
        "it has formulas of parameters that its family does not have",
    )


def _check_fit(saved: SavedGeneralized) -> None:
    """Refuse a solution of another model, too."""
    _check_model(saved)
    design, solution, optsum = saved.design, saved.solution, saved.optsum
    if not isinstance(solution, GeneralizedSolution) or not isinstance(optsum, OptSummary):
        raise FileError("its parts are not those of a fit")
    family = family_of(saved.responses.family, saved.responses.link)
    _check_shapes(design, family, solution)
    _check_numbers(design, family, solution)
    check_search(optsum, len(solution.par))


def _check_shapes(design: Design, family: Family, solution: GeneralizedSolution) -> None:
    p_all, kept, of = len(design.x_names), solution.kept, solution.covariance_of
    templates = templates_of(design)
    m, q = templates.m, templates.q
    k = sum(len(part.names) for part in components_of(design, family, 1))
    every = m + solution.p + k
    require(isinstance(of, KnownCovariances), "its parts are not those of a fit")
    shapes: list[tuple[Any, tuple[int, ...]]] = [
        *((theta, (m,)) for theta in _thetas(solution)),
        *((solution.par, (every,)), (solution.psi, (k,)), (solution.beta, (p_all,))),
        *((kept, (solution.p,)), (solution.u, (q,)), (solution.b, (q,))),
        (solution.eta, (design.n,)),
        *((of.hessian, (every, every)), (of.user, (every, every))),
        (of.conditional, (solution.p, solution.p)),
    ]
    check_shapes(solution, design, shapes)


def _check_numbers(design: Design, family: Family, solution: GeneralizedSolution) -> None:
    scalars = (solution.objective, solution.deviance, solution.logdet_L2, solution.penalized)
    numbers = [
        *_thetas(solution),
        *(solution.par, solution.beta[solution.kept], solution.u, solution.b, solution.eta),
        *(solution.psi, np.array(scalars)),
    ]
    require(
        all(bool(np.isfinite(array).all()) for array in numbers),
        "its solution has numbers that are not finite",
    )
    component = of_role(components_of(design, family, 1), DISPERSION)
    own = None if component is None else exponential(component.predictor(solution.psi))
    given = solution.dispersion
    same = own is given if own is None or given is None else np.shape(own) == np.shape(given)
    require(
        same and (own is None or given is None or bool(np.allclose(own, given, rtol=1e-9))),
        "its dispersion is not that of its family",
    )


def _thetas(solution: GeneralizedSolution) -> tuple[FloatArray, ...]:
    return solution.theta, solution.axes_theta, solution.relative_theta


_CLASSES = {
    **CLASSES,
    **{kind.__name__: kind for kind in (GeneralizedSolution, KnownCovariances, Responses)},
}
FITTED = Form(GENERALIZED, SavedGeneralized, _CLASSES, _check_fit)
"""What files of generalized fits hold."""
_MODEL = Form(f"{GENERALIZED} without a fit", SavedModel, _CLASSES, _check_model)


@fit_to_bytes.register
def _(fitted: GeneralizedFitted) -> bytes:
    model, solution = fitted.model, fitted.solution.settled()
    return to_bytes(
        FITTED, SavedGeneralized(model.design, solution, fitted.optsum, _responses_of(model))
    )


def _keep_model(model: GeneralizedModel) -> tuple[Any, ...]:
    content = to_bytes(_MODEL, SavedModel(model.design, _responses_of(model)))
    return _make_model, (content, kept_threads(model.threads))


def _make_model(content: bytes, threads: int | None) -> GeneralizedModel:
    saved: SavedModel = from_bytes(content, _MODEL)
    return model_of(saved.design, saved.responses, thread_count(usable_threads(threads)))


def _keep_fitted(fitted: GeneralizedFitted) -> tuple[Any, ...]:
    return _make_fitted, (fit_to_bytes(fitted), kept_threads(fitted.model.threads))


def _make_fitted(content: bytes, threads: int | None) -> GeneralizedFitted:
    saved = generalized_from_bytes(content)
    model = model_of(saved.design, saved.responses, thread_count(usable_threads(threads)))
    return GeneralizedFitted(model, saved.solution, saved.optsum)


copyreg.pickle(GeneralizedModel, _keep_model)
copyreg.pickle(GeneralizedFitted, _keep_fitted)
