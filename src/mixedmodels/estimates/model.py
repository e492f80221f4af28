"""One model from design to estimates: each stage made once, when it is first needed.

The stages themselves are elsewhere (cross-products, analysis, objective, search); here they are
kept together, for the model that users see and for whatever has to fit a relative of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from mixedmodels._core import Analysis, Products
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.crossprod import cross_products, templates_of
from mixedmodels.design import Design
from mixedmodels.errors import ConvergenceWarning, warn
from mixedmodels.estimates.identified import Identification, identify
from mixedmodels.estimates.messages import convergence_message
from mixedmodels.estimates.solution import Solution
from mixedmodels.lazy import cached_property
from mixedmodels.memory import threads_that_fit
from mixedmodels.objective import Objective
from mixedmodels.optimize import Request, minimize
from mixedmodels.optimize.problem import Watch
from mixedmodels.optimize.summary import OptSummary

T = TypeVar("T")

# Difference of two values of the criterion that is rounding of the searches.
_ROUNDING = 1e-6


class Model:
    """A linear mixed model: all stages from its design to the criterion.

    Args:
        design: Model matrices and response.
        threads: Threads that a fit may use.

    Raises:
        ModelError: The fixed part fits the response exactly.

    Attributes:
        design: As given.
        threads: As given.
        templates: Names, bounds and meaning of theta.
        products: Cross-products.
    """

    def __init__(self, design: Design, threads: int) -> None:
        self.design = design
        self.threads = threads
        self.templates: Templates = templates_of(design)
        self.products: Products = cross_products(design, threads)

    @cached_property
    def analysis(self) -> Analysis:
        """Order of elimination and pattern of the factor."""
        return Analysis(self.products)

    @cached_property
    def objective(self) -> Objective:
        """The criterion, with a workspace that all users of the model share under its lock."""
        return self.own_objective()

    @cached_property
    def _identified(self) -> dict[bool, Identification]:
        return {}

    def identification(self, *, reml: bool) -> Identification:
        """Which parameters one criterion cannot tell apart."""
        if reml not in self._identified:
            self._identified[reml] = identify(self.design, self.objective, self.products, reml=reml)
        return self._identified[reml]

    def own_objective(self, threads: int | None = None) -> Objective:
        """The criterion with a workspace of its own, for work in parallel."""
        return Objective(self.analysis, self.templates, threads or self.threads)

    def affordable_threads(self, threads: int | None = None) -> int:
        """As many of the threads as have room when each takes a workspace of its own."""
        size = self.analysis.workspace + self.products.nbytes
        return threads_that_fit(threads or self.threads, size)

    def twin(self) -> Model:
        """The same model with a workspace of their own, for work beside that of a fit."""
        twin = Model.__new__(Model)
        twin.__dict__.update(self.__dict__)
        twin.__dict__.pop("objective", None)
        return twin

    def with_response(self, y: FloatArray) -> Model:
        """The same model for another response (n,)."""
        return Model(dataclasses.replace(self.design, y=y), self.threads)

    def solve(self, request: Request, watch: Watch | None = None) -> Fitted:
        """Search the optimum and solve there.

        Raises:
            MixedModelsError: An unknown method, or a start that cannot be used.
        """
        with self.objective.lock:
            identified = self.identification(reml=bool(request.reml))
            at, optsum = minimize(self.objective, request, watch, identified.idle)
            return Fitted(self, self.solution(at, reml=request.reml), optsum)

    def solution(self, at: FloatArray, *, reml: bool) -> Solution:
        """The penalized least squares problem solved at theta along the axes."""
        with self.objective.lock:
            return self._solution(at, reml)

    def _solution(self, at: FloatArray, reml: bool) -> Solution:
        evaluator, products = self.objective.evaluator, self.products
        objective = evaluator.value(at, reml)
        kept = products.kept
        beta = np.full(self.design.X.shape[1], np.nan)
        beta[kept] = evaluator.beta
        return Solution(
            theta=self.objective.from_axes(at),
            axes_theta=at,
            relative_theta=at / evaluator.unit,
            reml=reml,
            objective=objective,
            deviance=evaluator.value(at, False) if reml else objective,
            logdet_L2=evaluator.logdet_L2,
            logdet_RX2=evaluator.logdet_RX2,
            pwrss=evaluator.pwrss,
            sigma=evaluator.sigma(reml),
            beta=beta,
            kept=kept,
            vcov=evaluator.vcov(reml),
            u=self._public(evaluator.u),
            b=self._public(evaluator.b),
            n=self.design.n,
            p=products.p,
        )

    def _public(self, effects: FloatArray) -> FloatArray:
        """(q,) from the core's order."""
        templates = self.templates
        return effects if templates.one_order else effects[templates.public_to_core]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
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

    def once(self, make: Callable[[Fitted], T]) -> T:
        """What a function gives for this fit, computed when it is first asked for and then kept.

        As in `lazy`, two threads may both compute it, and the first result stays. A result must not
        refer to the fit, which would then outlive its last user.
        """
        if make in self._kept:
            found: T = self._kept[make]
        else:
            found = self._kept.setdefault(make, make(self))
        return found

    def by(self, *, reml: bool) -> Fitted:
        """The fit by one criterion: itself, or a search from its theta and from moments."""
        if self.solution.reml == reml:
            return self
        control = self.optsum.control
        request = Request(reml, start=self.solution.theta, control=control, moments=True)
        return judged(self.model.twin().solve(request), "REML" if reml else "ML")

    @property
    def identification(self) -> Identification:
        """Which parameters the criterion of the fit cannot tell apart."""
        return self.model.identification(reml=self.solution.reml)


def by_ml(fitted: Fitted) -> Fitted:
    """The fit by maximum likelihood: itself, or a refit that is made once."""
    return fitted.once(_refitted_by_ml) if fitted.solution.reml else fitted


def _refitted_by_ml(fitted: Fitted) -> Fitted:
    return fitted.by(reml=False)


def conditional_covariances(fitted: Fitted) -> dict[str, FloatArray]:
    """(levels, s, s) by grouping factor: covariances of the random effects given y; read-only."""
    model, solution = fitted.model, fitted.solution
    blocks = model.objective.conditional_covariance(solution.axes_theta)
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
    start = model.templates.initial * model.objective.evaluator.unit
    request = Request(solution.reml, start=start, control=found.optsum.control)
    again = model.solve(request)
    better = again.solution.objective < solution.objective + _ROUNDING
    found = again if again.optsum.converged and better else found
    if not found.optsum.converged:
        warn(
            f"The refit of {of} by {by} is not to be relied on. "
            f"{convergence_message(found.optsum)}",
            ConvergenceWarning,
        )
    return found
