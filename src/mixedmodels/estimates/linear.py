"""One model from design to estimates: each stage made once, when it is first needed.

The stages (cross-products, analysis, criterion, search) are kept together, for the model that users
see and for whatever has to fit a relative of it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixedmodels._core import Analysis, Products, Sums
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.base import Watch
from mixedmodels.criterion.iterative import IterativeCriterion, IterativeWorkspace, needs_factor
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.criterion.workspace import Workspace
from mixedmodels.crossprod import checked_products, cross_products, templates_of
from mixedmodels.design import Design
from mixedmodels.errors import ConvergenceWarning, ModelError, warn
from mixedmodels.estimates.base import BaseFitted, BaseModel
from mixedmodels.estimates.identified import Identification, identify
from mixedmodels.estimates.messages import convergence_message
from mixedmodels.estimates.narrowed import narrowed
from mixedmodels.estimates.routing import MOST_ERROR, Route, Ways, route_of, too_inaccurate
from mixedmodels.estimates.solution import Solution
from mixedmodels.lazy import cached_property
from mixedmodels.memory import limited, threads_that_fit
from mixedmodels.optimize import Request, minimize
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.values import quick

SIGMA = "sigma"
"""Name of the residual standard deviation among the parameters."""

_USUAL = Ways()
# Difference of two values of the criterion that is rounding of the searches.
_ROUNDING = 1e-6
# Error of the criterion that rounding may make of a fit without rows.
_MOST_LOST = 0.01


class Model(BaseModel[Workspace]):
    """A linear mixed model: all stages from its design to the criterion.

    Args:
        design: Model matrices and response.
        threads: Threads that a fit may use.
        ways: Which evaluator the user asked for, and the memory that it may take.

    Raises:
        ModelError: The fixed part fits the response exactly.

    Attributes:
        design: Model matrices and response.
        threads: Threads that a fit may use.
        ways: Which evaluator the user asked for, and the memory that it may take.
        templates: Names, bounds and meaning of theta.
        products: Cross-products.
    """

    # What the products were made from where there are no rows.
    sums: Sums | None = None

    def __init__(self, design: Design, threads: int, ways: Ways = _USUAL) -> None:
        self.design = design
        self.threads = threads
        self.ways = ways
        self.templates: Templates = templates_of(design)
        self._identified: dict[bool, Identification] = {}
        with limited(ways.memory):
            self.products: Products = cross_products(design, threads)

    @cached_property
    def route(self) -> Route:
        """Whether the log-determinant is estimated, and what is to be said of that.

        Raises:
            ResourceError: The model fits neither way.
        """
        return route_of(self.products, self.templates, self.ways, self.threads)

    @property
    def iterative(self) -> bool:
        """Whether the log-determinant is estimated; raises as `route`."""
        return self.route.iterative

    @property
    def several_basins(self) -> bool:
        """Whether rows are few beside the random effects."""
        return self.products.few_rows

    @property
    def distribution_in_words(self) -> str:
        """Nothing: responses are normal."""
        return ""

    @property
    def note(self) -> str:
        """What the user should know of the way that was taken, or ""; raises as `route`."""
        return self.route.note

    @classmethod
    def of_sums(cls, design: Design, sums: Sums, threads: int, ways: Ways = _USUAL) -> Model:
        """A model whose products are made from sums over rows, its design without rows.

        Raises:
            ModelError: As for a new model.
        """
        made = cls.__new__(cls)
        made.design, made.threads, made.templates = design, threads, templates_of(design)
        made.ways, made.sums = ways, sums
        made._identified = {}  # noqa: SLF001 (of this class)
        with limited(ways.memory):
            made.products = checked_products(design, sums.finish())
        return made

    @cached_property
    def analysis(self) -> Analysis:
        """Order of elimination and pattern of the factor.

        Raises:
            MixedModelsError: The log-determinant is estimated.
        """
        if self.iterative:
            raise needs_factor()
        with limited(self.ways.memory):
            return Analysis(self.products)

    def _new_workspace(self) -> Workspace:
        with limited(self.ways.memory):
            if self.iterative:
                return IterativeWorkspace(self.products, self.templates, self.threads)
            return Workspace(self.analysis, self.templates, self.threads)

    def criterion(self, *, reml: bool) -> LinearCriterion:
        """The REML criterion or the ML deviance, in the shared workspace."""
        return self._criterion_in(self.workspace, reml=reml)

    def own_criterion(self, *, reml: bool) -> LinearCriterion:
        """The same in a workspace of its own, for work in parallel."""
        return self._criterion_in(self._new_workspace(), reml=reml)

    def _criterion_in(self, workspace: Workspace, *, reml: bool) -> LinearCriterion:
        if not isinstance(workspace, IterativeWorkspace):
            return LinearCriterion(workspace, reml=reml)
        if self.ways.method == "iterative":
            return IterativeCriterion(workspace, reml=reml)
        return IterativeCriterion(
            workspace,
            reml=reml,
            most_error=MOST_ERROR,
            refusal=lambda: too_inaccurate(self.products, self.ways, self.threads),
        )

    def identification(self, criterion: LinearCriterion) -> Identification:
        """Which parameters a criterion of the model cannot tell apart."""
        found = self._identified.get(criterion.reml)
        if found is None:
            found = self._identified[criterion.reml] = identify(
                self.design, criterion, self.products
            )
        return found

    def identification_by(self, *, reml: bool) -> Identification:
        """The same for the REML criterion or the deviance."""
        found = self._identified.get(reml)
        return self.identification(self.criterion(reml=reml)) if found is None else found

    def affordable_threads(self, threads: int | None = None) -> int:
        """As many of the threads as have room when each takes a workspace of its own."""
        if self.iterative:
            raise needs_factor("fits by several threads")
        size = self.analysis.workspace + self.products.nbytes
        return threads_that_fit(threads or self.threads, size)

    def with_response(self, y: FloatArray) -> Model:
        """The same model for another response (n,); of a model without rows its sums."""
        if self.design.has_rows:
            return Model(dataclasses.replace(self.design, y=y), self.threads, self.ways)
        made = self.twin()
        made.sums = None  # those are of the response that was read
        made._identified = {}  # noqa: SLF001 (of this class)
        made.products = checked_products(self.design, self.products.with_response(y))
        if "analysis" in made.__dict__:
            made.__dict__["analysis"] = self.analysis.of_products(made.products)
        return made

    def with_design(self, design: Design) -> Model:
        """A model of the same kind."""
        ways = self.ways
        if len(design.groups) < 2:  # its factor is small
            ways = dataclasses.replace(ways, method="auto")
        if self.sums is not None:
            part = narrowed(self.sums, self.design, design)
            return Model.of_sums(design, part, self.threads, ways)
        return Model(design, self.threads, ways)

    def solve(
        self, criterion: LinearCriterion, request: Request, watch: Watch | None = None
    ) -> Fitted:
        """Search the optimum of a criterion of the model and solve there.

        Raises:
            ModelError: A model of sums over rows, which have lost too many digits for it.
            MixedModelsError: An unknown method, or a start that cannot be used.
        """
        identified = self.identification(criterion)
        at, optsum = minimize(criterion, request, watch, identified.idle)
        if not self.products.has_rows and not self.iterative:
            _check_digits(criterion, at, self.design.n)
        solution = self.solution(criterion, at)
        if solution.accuracy is not None:
            optsum = dataclasses.replace(optsum, accuracy=solution.accuracy)
        return Fitted(self, solution, optsum)

    def solution(self, criterion: LinearCriterion, at: FloatArray) -> Solution:
        """The penalized least squares problem solved at theta along the axes."""
        with criterion.at(at) as point:
            found = point.estimates()
        axes, kept = criterion.workspace.axes, self.products.kept
        beta = found.pop("beta")
        if len(beta) < len(self.design.x_names):
            every = np.full(len(self.design.x_names), np.nan)
            every[kept] = beta
            beta = every
        return Solution(
            theta=axes.from_axes(at),
            axes_theta=at,
            relative_theta=at / axes.unit,
            reml=criterion.reml,
            beta=beta,
            kept=kept,
            u=self._public(found.pop("u")),
            b=self._public(found.pop("b")),
            n=self.design.n,
            p=self.products.p,
            **found,
        )


def _check_digits(criterion: LinearCriterion, at: FloatArray, n: int) -> None:
    """Refuse an optimum whose residuals are differences of numbers that are too large.

    With rows at hand the core goes over them once more, which sums over rows cannot.

    Raises:
        ModelError: The criterion may be off by more than is of no consequence.
    """
    with criterion.at(at) as point:
        lost = n * abs(point.cancellation) * sys.float_info.epsilon
    if lost > _MOST_LOST:
        raise ModelError(
            "The random effects are so large beside the residuals that sums over rows leave "
            f"-2 log L uncertain by {lost:.2g}. Subtract from the response what is known of it, "
            "such as a baseline as offset=, or fit the rows in memory by lmer(formula, table)."
        )


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Fitted(BaseFitted):
    """A model at its optimum: what tables, inference, prediction and diagnostics start from.

    Attributes:
        model: What was fitted.
        solution: The numbers at the optimum.
        optsum: How it was found.
    """

    model: Model
    solution: Solution
    optsum: OptSummary
    _kept: dict[Callable[[Fitted], Any], Any] = field(init=False, repr=False, default_factory=dict)

    @property
    def criterion(self) -> LinearCriterion:
        """The criterion that the fit minimises, in the workspace of its model."""
        return self.model.criterion(reml=self.solution.reml)

    @property
    def response(self) -> FloatArray:
        """(n,) the response as the formula has it."""
        return self.model.design.y

    @property
    def mean_response(self) -> FloatArray:
        """(n,) responses on the scale of the means: the response itself."""
        return self.response

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Names of the parameters of the scale of rows."""
        return (SIGMA,)

    @property
    def scale_values(self) -> FloatArray:
        """Values of these parameters."""
        return np.array([self.solution.sigma])

    def by(self, *, reml: bool) -> Fitted:
        """The fit by one criterion: itself, or a search from its theta and from moments."""
        if self.solution.reml == reml:
            return self
        twin, control = self.model.twin(), self.optsum.control
        request = Request(start=self.solution.theta, control=control, own_starts=True)
        return judged(twin.solve(twin.criterion(reml=reml), request), "REML" if reml else "ML")

    @property
    def identification(self) -> Identification:
        """Which parameters the criterion of the fit cannot tell apart."""
        return self.model.identification_by(reml=self.solution.reml)


def by_ml(fitted: Fitted) -> Fitted:
    """The fit by maximum likelihood: itself, or a refit that is made once."""
    return fitted.once(_refitted_by_ml) if fitted.solution.reml else fitted


def _refitted_by_ml(fitted: Fitted) -> Fitted:
    return fitted.by(reml=False)


def conditional_covariances(fitted: Fitted) -> dict[str, FloatArray]:
    """(levels, s, s) by grouping factor: covariances of the random effects given y; read-only."""
    model, solution = fitted.model, fitted.solution
    with fitted.criterion.at(solution.point) as point:
        blocks = point.conditional_covariance()
    found = {}
    for group, block in zip(model.design.groups, blocks, strict=True):
        found[group.name] = solution.sigma**2 * block
        found[group.name].flags.writeable = False
    return found


def judged(found: Fitted, by: str, of: str = "the model") -> Fitted:
    """A refit that has converged: from identity templates if need be, else with a warning."""
    if found.optsum.converged:
        return found
    model, solution = found.model, found.solution
    start = model.templates.initial * model.axes.unit[: model.templates.m]
    request = Request(start=start, control=found.optsum.control)
    again = model.solve(found.criterion, request)
    better = again.solution.objective < solution.objective + _ROUNDING
    found = again if again.optsum.converged and better else found
    if not found.optsum.converged:
        warn(
            f"The refit of {of} by {by} is not to be relied on. "
            f"{convergence_message(found.optsum)}",
            ConvergenceWarning,
        )
    return found
