"""A search from start to optimum: the core's, or one of SciPy or NLopt that the core judges.

Wherever a search ends, the core tries small diagonal entries at zero, examines gradient and
Hessian, and goes on from a saddle; only that decides whether the search has converged.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mixedmodels._core import Found, SearchOptions, fit, settle
from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.objective import Objective
from mixedmodels.optimize.methods import METHODS
from mixedmodels.optimize.problem import Ended, Idle, Problem, Trace, Watch
from mixedmodels.optimize.summary import OptSummary, Status
from mixedmodels.settings import OPTIMIZERS, Control, OptimizerName, check_option

# The quadratic model's promise below which the core's search stops, in units of the criterion.
DECREMENT = 1e-11
# Where a factorization has as many flops as this, a promise further below what data can tell.
_DEAR, _COARSE = 2e9, 1e-7
# Diagonal entries below this, in their natural units, are tried at zero.
ZERO = 1e-3


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
        MixedModelsError: `reml` is not a truth value, or `control` not a Control.
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
            raise MixedModelsError(_not_control(self.control))


def _not_control(given: object) -> str:
    """What to write instead of a `control` that is not one."""
    hint = " A method is chosen by optimizer=." if isinstance(given, str) else ""
    return f"control is {given!r:.80}; make it with Control(...).{hint}"


def minimize(
    objective: Objective,
    request: Request,
    watch: Watch | None = None,
    idle: Idle | None = None,
) -> tuple[FloatArray, OptSummary]:
    """Find theta; the evaluator is left at it.

    The search works along the axes of the terms (see `objective`); the summary is of theta as users
    know it.

    Args:
        objective: The criterion.
        request: Criterion, method, start and limits.
        watch: Is told of iterations.
        idle: Entries of theta without influence on the criterion, or None.

    Returns:
        theta along the axes (m,) with nonnegative diagonal entries, and how it was found.

    Raises:
        MixedModelsError: Unknown or unavailable method, or a start that cannot be used.
    """
    check_option("optimizer", request.optimizer, OPTIMIZERS)
    began = time.perf_counter()
    with objective.lock:
        evaluator = objective.evaluator
        evaluator.reset_counts()
        start = None
        if request.start is not None:
            given = objective.to_axes(objective.theta(request.start))
            start = objective.templates.rectify(given)
        moments = start is None or request.moments
        ended: Ended | None = None
        before: Trace = ()
        if request.optimizer in METHODS:
            starts = [] if start is None else [start]
            starts += evaluator.starts() if moments else []
            found, ended, before = _by_method(objective, request, starts, watch, idle)
        else:
            found = fit(evaluator, _options(objective, request, watch, idle), start, moments)
        if found.ended == "not_finite":
            raise MixedModelsError(
                f"The criterion cannot be computed at the start theta = {found.start}. Give "
                "another start=; or fixed and random effects fit the response exactly, which "
                "leaves no residual."
            )
        at = found.axes_theta
        values, thetas = found.trace
        summary = OptSummary(
            optimizer="quasi-newton" if request.optimizer == "auto" else request.optimizer,
            control=request.control,
            n_objective=evaluator.n_value,
            n_gradient=evaluator.n_gradient,
            message=_message(found, request.control) if ended is None else ended.message,
            status=_status(objective, found, at, request.control),
            trace=(*before, *zip(values.tolist(), thetas, strict=True)),
            theta_start=found.start if ended is None else objective.from_axes(ended.start),
            max_gradient=found.max_gradient,
            decrement=found.decrement,
            hessian_ok=not found.saddle,
            seconds=time.perf_counter() - began,
        )
    return at, summary


def _options(
    objective: Objective, request: Request, watch: Watch | None, idle: Idle | None, done: int = 0
) -> SearchOptions:
    def report(iteration: int, value: float, theta: FloatArray) -> None:
        if watch is not None:
            watch(done + iteration, value, theta)

    return SearchOptions(
        reml=bool(request.reml),
        max_values=request.control.max_evaluations,
        decrement=_COARSE if objective.analysis.flops > _DEAR else DECREMENT,
        zero=ZERO,
        gtol=request.control.gtol,
        restart=request.optimizer == "auto",
        progress=None if watch is None else report if done else watch,
        every=0.0 if watch is None else watch.every,
        dead=None if idle is None else idle.dead,
        settled=None if idle is None else idle.settled,
    )


def _by_method(
    objective: Objective,
    request: Request,
    starts: list[FloatArray],
    watch: Watch | None,
    idle: Idle | None,
) -> tuple[Found, Ended, Trace]:
    """The lowest end of searches from every start, judged; the trace of that search comes last."""
    problem = Problem(objective, bool(request.reml), request.control, watch)
    ends: list[tuple[float, Ended, list[tuple[float, FloatArray]]]] = []
    for start in starts:
        problem.begin()
        ended = METHODS[request.optimizer](problem, _without_idle(objective, idle, start))
        ends.append((problem.value(ended.theta), ended, problem.trace))
    ends.sort(key=lambda end: -end[0])
    points = [point for *_, trace in ends for point in trace]
    thetas = objective.from_axes(np.array([theta for _, theta in points]))
    trace = tuple((value, theta) for (value, _), theta in zip(points, thetas, strict=True))
    _, ended, own = ends[-1]
    options = _options(objective, request, watch, idle, len(own))
    found = settle(objective.evaluator, options, ended.theta, ended.ending == "max_evaluations")
    return found, ended, trace


def _without_idle(objective: Objective, idle: Idle | None, at: FloatArray) -> FloatArray:
    """Theta along the axes with zero for what has no influence in theta as users know it."""
    if idle is None:
        return at
    return objective.to_axes(idle.settled(objective.from_axes(at)))


def _message(found: Found, control: Control) -> str:
    if found.ended == "converged":
        return f"predicted decrease {found.promised:.2g}"
    if found.ended == "stalled":
        return f"no lower value along the step, predicted decrease {found.promised:.2g}"
    return f"{control.max_evaluations} evaluations spent"


def _status(objective: Objective, found: Found, at: FloatArray, control: Control) -> Status:
    if found.decrement <= control.gtol and not found.saddle:
        held = not at.all() and (objective.templates.diagonal & (at == 0.0)).any()
        return "boundary" if held else "converged"
    return "max_evaluations" if found.ended == "max_evaluations" else "stalled"
