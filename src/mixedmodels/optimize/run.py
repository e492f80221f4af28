"""A search from start to verdict: choose, minimise, judge, and go on from a saddle.

The best point seen is kept whatever a method ends at, and only its gradient and Hessian decide
whether the search has converged.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mixedmodels._core import Products
from mixedmodels.errors import MixedModelsError
from mixedmodels.objective import Objective
from mixedmodels.optimize.choose import choose_optimizer
from mixedmodels.optimize.judge import Verdict, escape, judge
from mixedmodels.optimize.methods import METHODS, quasi_newton
from mixedmodels.optimize.problem import Ended, Idle, Problem, Watch
from mixedmodels.optimize.summary import OptSummary, Status
from mixedmodels.settings import OPTIMIZERS, Control, OptimizerName, check_option
from mixedmodels.typing import FloatArray

_MOST_RESTARTS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked of a search.

    Attributes:
        reml: Which criterion.
        optimizer: Name of a method, or "auto".
        start: (m,) theta to start from, or None for a start by moments.
        control: Limits and tolerances.
        moments: Whether to search from the starts by moments too when `start` is given.

    Raises:
        MixedModelsError: `reml` is no truth value, or `control` no Control.
    """

    reml: bool
    optimizer: OptimizerName = "auto"
    start: npt.ArrayLike | None = None
    control: Control = field(default_factory=Control)
    moments: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.reml, (bool, np.bool_)):
            raise MixedModelsError(f"reml is {self.reml!r}; it must be True (REML) or False (ML).")
        if not isinstance(self.control, Control):
            raise MixedModelsError(f"control is {self.control!r}; make it with Control(...).")


def minimize(
    objective: Objective,
    products: Products,
    request: Request,
    watch: Watch | None = None,
    idle: Idle | None = None,
) -> tuple[FloatArray, OptSummary]:
    """Find theta; the evaluator is left at it.

    The search and the verdict work along the axes of the terms (see `objective`); the summary is
    of theta as users know it.

    Args:
        objective: The criterion.
        products: Cross-products, for the choice of a method.
        request: Criterion, method, start and limits.
        watch: Is told of iterations.
        idle: Entries of theta without influence on the criterion, or None.

    Returns:
        theta along the axes (m,) with nonnegative diagonal entries, and how it was found.

    Raises:
        MixedModelsError: Unknown or unavailable method, or a start that cannot be used.
    """
    check_option("optimizer", request.optimizer, OPTIMIZERS)
    name, reason = request.optimizer, "asked for"
    if name == "auto":
        name, reason = choose_optimizer(
            objective.analysis, products, objective.templates.m, reml=request.reml
        )
    began = time.perf_counter()
    with objective.lock:
        evaluator = objective.evaluator
        evaluator.reset_counts()
        starts = []
        if request.start is not None:
            given = objective.to_axes(objective.theta(request.start))
            starts.append(objective.templates.rectify(given))
        if request.start is None or request.moments:
            starts += evaluator.starts()
        problem = Problem(objective, request.reml, request.control, watch, idle=idle)
        starts = [_without_idle(problem, start) for start in starts]
        start, ended = _search(problem, name, starts)
        ended, verdict = _settle(problem, ended, restart=request.optimizer == "auto")
        problem.value(verdict.theta)  # leaves the workspace at the optimum
        status = _status(problem, ended, verdict)
        summary = OptSummary(
            optimizer=name,
            reason=reason,
            control=request.control,
            n_objective=evaluator.n_value,
            n_gradient=evaluator.n_gradient,
            message=ended.message,
            status=status,
            trace=problem.told(),
            theta_start=objective.from_axes(start),
            max_gradient=verdict.max_gradient,
            decrement=verdict.decrement,
            hessian=objective.hessian_from_axes(verdict.hessian),
            axes_hessian=verdict.hessian,
            hessian_exact=verdict.exact,
            hessian_products=verdict.products,
            hessian_ok=verdict.downhill is None,
            seconds=time.perf_counter() - began,
        )
    return verdict.theta, summary


def _search(
    problem: Problem, name: OptimizerName, starts: list[FloatArray]
) -> tuple[FloatArray, Ended]:
    """The lowest end of searches from every start; its trace comes last."""
    found = []
    for start in starts:
        before = problem.trace
        problem.trace = []
        ended = _settled(problem, METHODS[name](problem, start))
        value = problem.value(ended.theta) if len(starts) > 1 else 0.0
        found.append((value, start, ended, problem.trace))
        problem.trace = before
    found.sort(key=lambda one: -one[0])
    for *_, trace in found:
        problem.trace.extend(trace)
    _, start, ended, _ = found[-1]
    return start, ended


def _settled(problem: Problem, ended: Ended) -> Ended:
    """The end with zero for what has no influence: the criterion is the same there."""
    if problem.idle is None:
        return ended
    theta = _without_idle(problem, ended.theta)
    return dataclasses.replace(ended, theta=theta, model=None, confirmed=False, tidied=False)


def _without_idle(problem: Problem, at: FloatArray) -> FloatArray:
    """Theta along the axes with zero for what has no influence in theta as users know it."""
    if problem.idle is None:
        return at
    return problem.objective.to_axes(problem.idle.settled(problem.objective.from_axes(at)))


def _settle(problem: Problem, ended: Ended, *, restart: bool) -> tuple[Ended, Verdict]:
    """Judge a point; leave saddles, and with `restart` also points that are no optimum yet."""
    verdict = judge(problem, ended)
    for _ in range(_MOST_RESTARTS):
        if ended.ending == "max_evaluations" and not _small(problem, verdict):
            break  # not an optimum and not a saddle: a point on the way
        lower = escape(problem, verdict)
        if verdict.downhill is not None and lower is None:
            # The curvature has been tried and is rounding.
            return ended, dataclasses.replace(verdict, downhill=None)
        if lower is None and (not restart or _small(problem, verdict)):
            break
        start = verdict.theta if lower is None else lower
        again = _settled(problem, quasi_newton(problem, start))
        found = judge(problem, again)
        if not found.value < verdict.value:
            break
        ended, verdict = again, found
    return ended, verdict


def _small(problem: Problem, verdict: Verdict) -> bool:
    return verdict.decrement <= problem.control.gtol


def _status(problem: Problem, ended: Ended, verdict: Verdict) -> Status:
    if _small(problem, verdict) and verdict.downhill is None:
        diagonal = problem.objective.templates.diagonal
        held = not verdict.theta.all() and (diagonal & (verdict.theta == 0.0)).any()
        return "boundary" if held else "converged"
    return "max_evaluations" if ended.ending == "max_evaluations" else "stalled"
