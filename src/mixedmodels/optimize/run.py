"""A search from start to optimum: the criterion's own, or one of SciPy or NLopt that it judges.

Wherever a search ends, the criterion tries small parameters at their bounds, checks gradient and
Hessian, and goes on from a saddle; only that decides whether the search has converged.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.base import Criterion, Found, Idle, SearchSettings, Watch
from mixedmodels.errors import MixedModelsError
from mixedmodels.optimize.methods import METHODS
from mixedmodels.optimize.problem import Ended, Problem, Trace
from mixedmodels.optimize.summary import OptSummary, Status
from mixedmodels.settings import OPTIMIZERS, USUAL_CONTROL, Control, OptimizerName
from mixedmodels.spelling import chosen_option
from mixedmodels.values import quick


class NoValueError(MixedModelsError):
    """The criterion cannot be computed where a search starts."""


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a search.

    Attributes:
        optimizer: Name of a method, or "auto".
        start: (m,) parameters to start from, or None for the criterion's own starts.
        control: Limits and tolerances.
        own_starts: Whether to search from the criterion's own starts too when `start` is given.
        warm: Whether `start` is the optimum of similar data and not what a user asked for.

    Raises:
        MixedModelsError: An unknown optimizer, or `control` is not a Control.
    """

    optimizer: OptimizerName = "auto"
    start: npt.ArrayLike | None = None
    control: Control = USUAL_CONTROL
    own_starts: bool = False
    warm: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.control, Control):
            raise MixedModelsError(_not_control(self.control))
        chosen = chosen_option("optimizer", self.optimizer, OPTIMIZERS)
        object.__setattr__(self, "optimizer", chosen)


def _not_control(given: object) -> str:
    """What to write instead of a `control` that is not one."""
    hint = " A method is chosen by optimizer=." if isinstance(given, str) else ""
    return f"control is {given!r:.80}; make it with Control(...).{hint}"


def minimize(
    criterion: Criterion,
    request: Request,
    watch: Watch | None = None,
    idle: Idle | None = None,
) -> tuple[FloatArray, OptSummary]:
    """Find the minimum of a criterion.

    The search works in the coordinates of the criterion; the summary is of parameters as users know
    them.

    Args:
        criterion: What is minimised.
        request: Method, start and limits.
        watch: Is notified of iterations.
        idle: Parameters without influence on the criterion, or None.

    Returns:
        The parameters (m,), and how they were found.

    Raises:
        MixedModelsError: Unknown or unavailable method, or a start that cannot be used.
    """
    began = time.perf_counter()
    start = None if request.start is None else criterion.start_from(request.start)
    settings = SearchSettings(
        request.control, request.optimizer == "auto", request.own_starts, watch, idle
    )
    before: Trace = ()
    n_value = n_gradient = 0
    if request.optimizer in METHODS:
        problem = Problem(criterion, request.control, watch)
        found, ended, before = _by_method(problem, request.optimizer, start, settings)
        theta_start, message = criterion.to_user(ended.start), ended.message
        n_value, n_gradient = problem.n_value, problem.n_gradient
    else:
        found = criterion.search(start, settings)
        theta_start, message = found.start, _message(found, request.control)
    if found.ended == "not_finite":
        raise NoValueError(
            f"The criterion cannot be computed at the start theta = {found.start}. Give "
            "another start=; or fixed and random effects fit the response exactly, which "
            "leaves no residual."
        )
    summary = OptSummary(
        optimizer="quasi-newton" if request.optimizer == "auto" else request.optimizer,
        control=request.control,
        n_objective=n_value + found.n_value,
        n_gradient=n_gradient + found.n_gradient,
        message=message,
        status=_status(found, criterion, request.control),
        trace=(*before, *zip(found.values.tolist(), found.trace, strict=True)),
        theta_start=theta_start,
        max_gradient=found.max_gradient,
        decrement=found.decrement,
        hessian_ok=not found.saddle,
        seconds=time.perf_counter() - began,
    )
    return found.par, summary


def _by_method(
    problem: Problem, name: OptimizerName, start: FloatArray | None, settings: SearchSettings
) -> tuple[Found, Ended, Trace]:
    """The lowest end of searches from every start, judged; the trace of that search comes last."""
    criterion = problem.criterion
    starts = [] if start is None else [start]
    if start is None or settings.own_starts:
        starts += criterion.starts()
    ends: list[tuple[float, Ended, list[tuple[float, FloatArray]]]] = []
    for at in starts:
        problem.begin()
        ended = METHODS[name](problem, _without_idle(criterion, settings.idle, at))
        ends.append((problem.value(ended.par), ended, problem.trace))
    ends.sort(key=lambda end: -end[0])
    points = [point for *_, trace in ends for point in trace]
    thetas = criterion.to_user(np.array([par for _, par in points]))
    trace = tuple((value, theta) for (value, _), theta in zip(points, thetas, strict=True))
    _, ended, own = ends[-1]
    if settings.watch is not None:
        settings = replace(settings, watch=_Continued(settings.watch, len(own)))
    found = criterion.settle(ended.par, settings, spent=ended.ending == "max_evaluations")
    return found, ended, trace


@dataclass(frozen=True, slots=True)
class _Continued:
    """A watch whose iterations go on from those of the search before."""

    watch: Watch
    done: int

    @property
    def every(self) -> float:
        return self.watch.every

    def __call__(self, iteration: int, objective: float, theta: FloatArray) -> None:
        self.watch(self.done + iteration, objective, theta)


def _without_idle(criterion: Criterion, idle: Idle | None, par: FloatArray) -> FloatArray:
    """The parameters with zero for those that have no influence, as users know them."""
    if idle is None:
        return par
    return criterion.from_user(idle.settled(criterion.to_user(par)))


def _message(found: Found, control: Control) -> str:
    if found.ended == "converged":
        return f"predicted decrease {found.predicted:.2g}"
    if found.ended == "lost":
        return "no modes of the random effects are found where the search went on"
    if found.ended == "stalled":
        return f"no lower value along the step, predicted decrease {found.predicted:.2g}"
    return f"{control.max_evaluations} evaluations spent"


def _status(found: Found, criterion: Criterion, control: Control) -> Status:
    if found.ended == "lost":
        return "stalled"
    if found.decrement <= control.gtol and not found.saddle:
        return "boundary" if criterion.at_bound(found.par) else "converged"
    return "max_evaluations" if found.ended == "max_evaluations" else "stalled"
