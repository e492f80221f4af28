"""A generalized linear mixed model from design to estimates; as `estimates.linear` for linear ones.

The linear predictor is eta = offset + X beta + Z Lambda u with u standard normal: theta is on the
scale of the predictor, and there is no residual standard deviation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixedmodels._core import Analysis, Products
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.base import Watch
from mixedmodels.criterion.generalized import (
    GeneralizedWorkspace,
    LaplaceCriterion,
    LaplacePoint,
    Responses,
)
from mixedmodels.crossprod import row_products, templates_of
from mixedmodels.design import Design
from mixedmodels.design.identify import examine_predictor
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.base import BaseFitted, BaseModel
from mixedmodels.estimates.breakdown import bound_message, dissolved_message, start_message
from mixedmodels.estimates.components import (
    Component,
    components_of,
    distribution_of,
    of_role,
)
from mixedmodels.estimates.evidence import RowEvidence
from mixedmodels.estimates.generalized_covariances import ModelCovariances
from mixedmodels.estimates.generalized_options import (
    MOST_EFFECTS,
    check_expected,
    check_options,
    check_quadrature,
)
from mixedmodels.estimates.generalized_own import coefficients_of
from mixedmodels.estimates.generalized_search import searched
from mixedmodels.estimates.generalized_solution import GeneralizedSolution
from mixedmodels.estimates.identified import Identification
from mixedmodels.estimates.own import OwnCoefficients, own_coefficients
from mixedmodels.estimates.separation import Separation, proof
from mixedmodels.families.base import ZERO_INFLATION, Family
from mixedmodels.families.distribution import Distribution
from mixedmodels.lazy import cached_property
from mixedmodels.memory import threads_that_fit
from mixedmodels.optimize import Request
from mixedmodels.optimize.run import NoValueError
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.values import quick

# Links whose predictor has the unit of the response, or of a power of it.
_WITH_UNIT = ("identity", "inverse", "inverse_squared", "sqrt")


class GeneralizedModel(BaseModel[GeneralizedWorkspace]):
    """All stages from a design to the criterion, each made once.

    Args:
        design: Model matrices and response; of trials, its response are successes and its weights
            trials.
        family: The family of the response.
        threads: Threads that a fit may use.
        nodes: Nodes of quadrature for each random effect; 1 for Laplace's approximation, 0 for that
            with the coefficients in the mode.
        expected: Whether the determinant has the expected information.
        reml: Whether the coefficients are integrated over.

    Raises:
        ModelError: Quadrature of a model with several grouping factors or too many effects, or
            with one of the other options.

    Attributes:
        design: The design.
        family: The family.
        threads: Threads that a fit may use.
        nodes: Nodes of quadrature.
        expected: Whether the determinant has the expected information.
        reml: Whether the coefficients are integrated over.
        components: Parameters of the distribution beside its mean.
        origin: (p_all,) what the core's columns of X are relative to, where thresholds stand for
            the intercept; else None.
        templates: Names, bounds and meaning of theta.
        products: Pattern and basis; weights of the fit are put in by the core.
    """

    # Of the way that was taken there is nothing to say: there is one.
    note = ""

    def __init__(
        self,
        design: Design,
        family: Family,
        threads: int,
        nodes: int = 1,
        expected: bool = False,
        reml: bool = False,
    ) -> None:
        check_options(nodes, expected=expected, reml=reml)
        check_quadrature(design, nodes)
        self.design = design
        self.family = family
        self.threads = threads
        self.nodes = nodes
        self.expected = expected
        self.reml = reml
        self.components: tuple[Component, ...] = components_of(design, family, threads)
        if expected:
            check_expected(family, self.components)
        self.templates: Templates = templates_of(design)
        self.origin: FloatArray | None = design.X.mean(axis=0) if family.ordered else None
        self.products: Products = row_products(design, threads, self.origin)

    @cached_property
    def weights(self) -> FloatArray:
        """(n,) prior weights."""
        w = self.design.w
        return np.ones(self.design.n) if w is None else w

    @cached_property
    def separation(self) -> tuple[Separation | None, bool]:
        """What separates the responses, and whether that is certain where nothing was found."""
        return proof(self)

    @property
    def approximation(self) -> tuple[int, bool, bool]:
        """Nodes, whether the information is the expected one, and whether it is REML-like."""
        return self.nodes, self.expected, self.reml

    @property
    def method(self) -> str:
        """How the likelihood is made, for the head of a summary."""
        if self.nodes > 1:
            return f"maximum likelihood (quadrature, {self.nodes} nodes)"
        more = ", coefficients in the mode" * (self.nodes == 0)
        more += ", expected information" * self.expected
        return f"{'REML' if self.reml else 'maximum likelihood'} (Laplace approximation{more})"

    @property
    def quadrature_possible(self) -> bool:
        """Whether there is one grouping factor with few enough effects per level."""
        width = sum(len(term.columns) for term in self.design.terms)
        return len(self.design.groups) == 1 and width <= MOST_EFFECTS

    @cached_property
    def analysis(self) -> Analysis:
        """Order of elimination and pattern of the factor."""
        return Analysis(self.products)

    def _new_workspace(self) -> GeneralizedWorkspace:
        design, family, kept = self.design, self.family, self.products.kept.tolist()
        responses = Responses(
            family=self._core_family,
            link=family.link.name,
            y=design.y,
            m=self.weights,
            offset=design.offset,
            coefficients=tuple([design.x_names[j] for j in kept]),
            parameters=tuple(name for part in self.components for name in part.parameters),
            designs=tuple(
                (k, part.products)
                for k, part in enumerate(self.components)
                if part.products is not None
            ),
            origin=() if self.origin is None else tuple(self.origin[kept]),
            nodes=self.nodes,
            expected=self.expected,
            reml=self.reml,
        )
        return GeneralizedWorkspace(self.analysis, self.templates, responses, self.threads)

    @property
    def _core_family(self) -> str:
        if self.design.categories is not None:
            return f"{self.family.name}:{len(self.design.categories)}"
        inflated = of_role(self.components, ZERO_INFLATION) is not None
        return f"zero_inflated_{self.family.name}" if inflated else self.family.name

    @property
    def distribution_in_words(self) -> str:
        """Family and link, and the formulas of other parameters than the mean."""
        parts = (f"{part.spec.role} {part.spec.text.strip()}" for part in self.design.parts)
        return ", ".join((f"{self.family.title} ({self.family.link.name})", *parts))

    def distribution(self, psi: FloatArray) -> Distribution:
        """That of the responses on the rows of the model.

        Args:
            psi: (k,) coefficients of the components.
        """
        return distribution_of(self.family, self.components, psi)

    def criterion(self, *, reml: bool = False) -> LaplaceCriterion:
        """-2 log-likelihood, in the shared workspace."""
        return LaplaceCriterion(self.workspace)

    def own_criterion(self, *, reml: bool = False) -> LaplaceCriterion:
        """The same in a workspace of its own."""
        return LaplaceCriterion(self._new_workspace())

    def affordable_threads(self, threads: int | None = None) -> int:
        """As many of the threads as have room when each takes a workspace of its own."""
        size = self.analysis.workspace + self.products.nbytes + 100 * self.design.n
        return threads_that_fit(threads or self.threads, size)

    def with_response(self, y: FloatArray) -> GeneralizedModel:
        """The same model for another response (n,)."""
        design = dataclasses.replace(self.design, y=y)
        return GeneralizedModel(design, self.family, self.threads, *self.approximation)

    def with_design(self, design: Design) -> GeneralizedModel:
        """A model of the same family."""
        return GeneralizedModel(design, self.family, self.threads, *self.approximation)

    def identification(self, criterion: LaplaceCriterion | None = None) -> Identification:
        """Which (co)variances of the linear predictor no response could tell apart."""
        return self._identification

    @cached_property
    def _identification(self) -> Identification:
        design, found = self.design, examine_predictor(self.design)
        evidence = None if found is None else RowEvidence(design)
        return _OfPredictor(design, self.templates, False, found, evidence)

    def solve(
        self, criterion: LaplaceCriterion, request: Request, watch: Watch | None = None
    ) -> GeneralizedFitted:
        """Search the optimum and solve there.

        Raises:
            MixedModelsError: An unknown method, or a start that cannot be used.
        """
        try:
            at, optsum = searched(criterion, self.templates, request, watch)
        except NoValueError as error:
            raise MixedModelsError(start_message(self.family) or str(error)) from None
        solution = self.solution(criterion, at, converged=optsum.converged)
        if not optsum.converged:
            optsum = self._explained(criterion, solution, optsum)
        return GeneralizedFitted(self, solution, optsum)

    def _explained(
        self, criterion: LaplaceCriterion, solution: GeneralizedSolution, optsum: OptSummary
    ) -> OptSummary:
        """A search that found no optimum, with the reason if there is none."""
        reason = bound_message(self.family, solution.eta)
        if reason is None:
            with criterion.at(solution.par) as point:
                given = point.conditional_covariance()
            quadrature = self.quadrature_possible and self.nodes == 1 and not self.reml
            theta = solution.theta
            reason = dissolved_message(self.design, self.templates, given, theta, quadrature)
        if reason is None:
            return optsum
        return dataclasses.replace(optsum, status="unbounded", message=reason)

    def solution(
        self, criterion: LaplaceCriterion, at: FloatArray, *, converged: bool = True
    ) -> GeneralizedSolution:
        """The modes and all that belongs to them at parameters of the search."""
        with criterion.at(at) as point:
            return self._read(criterion, point, converged)

    def _read(
        self, criterion: LaplaceCriterion, point: LaplacePoint, converged: bool
    ) -> GeneralizedSolution:
        m, kept = self.templates.m, self.products.kept
        user, axes = criterion.to_user(point.par), criterion.workspace.axes
        unit = criterion.predictor_unit
        beta = np.full(self.design.X.shape[1], np.nan)
        beta[kept] = user[m : m + len(kept)]
        psi = user[m + len(kept) :]
        eta = point.eta if self.origin is None else point.eta + self.origin[kept] @ beta[kept]
        return GeneralizedSolution(
            theta=user[:m],
            axes_theta=point.par[:m],
            relative_theta=self._resolution(eta, psi) * point.par[:m] / (axes.unit[:m] * unit),
            par=point.par,
            psi=psi,
            dispersion=self.distribution(psi).dispersion,
            objective=point.value,
            deviance=point.value,
            logdet_L2=point.logdet_L2,
            penalized=point.penalized,
            beta=beta,
            kept=kept,
            u=self._public(point.u),
            b=self._public(point.b),
            eta=eta,
            n=self.design.n,
            p=self.products.p,
            covariance_of=ModelCovariances(self, point.par, converged),
            reml=self.reml,
        )

    def _resolution(self, eta: FloatArray, psi: FloatArray) -> float:
        """Standard deviations of a response in a unit of the predictor, by root mean square.

        1 for links whose predictor does not depend on the unit of the response.
        """
        if self.family.link.name not in _WITH_UNIT:
            return 1.0
        of = self.distribution(psi)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            information = of.slope(eta) ** 2 / of.variance(eta, np.ones_like(eta))
        found = float(np.sqrt(information.mean()))
        return found if np.isfinite(found) else 1.0


class _OfPredictor(Identification):
    """Of models without a residual variance, with which others could be confounded."""

    @cached_property
    def messages(self) -> tuple[str, ...]:
        """Without what is said of residuals."""
        return self.problems


@quick
@dataclass(frozen=True, slots=True, eq=False)
class GeneralizedFitted(BaseFitted):
    """A generalized model at its optimum; as `estimates.linear.Fitted` for linear ones.

    Attributes:
        model: What was fitted.
        solution: The numbers at the optimum.
        optsum: How it was found.
    """

    model: GeneralizedModel
    solution: GeneralizedSolution
    optsum: OptSummary
    _kept: dict[Callable[[Any], Any], Any] = field(init=False, repr=False, default_factory=dict)

    @property
    def distribution(self) -> Distribution:
        """That of the responses on the rows of the model, given their means."""
        return self.once(_distribution)

    @property
    def criterion(self) -> LaplaceCriterion:
        """The criterion that the fit minimises, in the workspace of its model."""
        return self.model.criterion()

    @property
    def parameters(self) -> FloatArray:
        """(m + p + k,) all parameters as users know them."""
        of = self.solution
        found: FloatArray = np.concatenate([of.theta, of.beta[of.kept], of.psi])
        return found

    def by(self, *, reml: bool) -> GeneralizedFitted:
        """The same model with the coefficients integrated over, or not."""
        if self.model.reml == reml:
            return self
        was = self.model
        how = (was.nodes, was.expected, reml)
        model = GeneralizedModel(was.design, was.family, was.threads, *how)
        return model.solve(model.criterion(), Request(control=self.optsum.control))

    @property
    def scale_places(self) -> tuple[int, ...]:
        """Places in psi of parameters of the family that are one number for all rows."""
        return tuple(part.first for part in self.model.components if not part.shown)

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Name of the family's own parameter, where that is one number for all rows."""
        return (self.model.family.parameter,) * len(self.scale_places)

    @property
    def scale_values(self) -> FloatArray:
        """Value of the dispersion."""
        values: FloatArray = np.exp(self.solution.psi[list(self.scale_places)])
        return values

    @property
    def own_names(self) -> tuple[str, ...]:
        """(k,) names of all parameters beside theta and the coefficients."""
        return tuple(
            name
            for part in self.model.components
            for name in (part.parameters if part.shown else self.scale_names)
        )

    @property
    def mean_response(self) -> FloatArray:
        """(n,) responses on the scale of the means: shares where there are trials."""
        model = self.model
        return model.design.y / model.weights if model.family.of_trials else model.design.y

    def shown(self, y: FloatArray) -> FloatArray:
        """(n,) responses as the formula has them: successes of `cbind`, shares else."""
        return self.shown_of(y, self.model.weights)

    def shown_of(self, y: FloatArray, m: FloatArray) -> FloatArray:
        """The same of other rows, with prior weights `m`."""
        successes = self.model.design.response_name.startswith("cbind(")
        return y / m if self.model.family.of_trials and not successes else y

    @property
    def response(self) -> FloatArray:
        """(n,) the response as the formula has it."""
        return self.shown(self.model.design.y)

    @property
    def identification(self) -> Identification:
        """Nothing is looked for."""
        return self.model.identification()


def _distribution(fitted: GeneralizedFitted) -> Distribution:
    return fitted.model.distribution(fitted.solution.psi)


@own_coefficients.register
def _(fitted: GeneralizedFitted) -> OwnCoefficients:
    return coefficients_of(fitted.model.components, fitted.solution, fitted.scale_places)
