"""Methods of minimisation by name: the core's quasi-Newton search, SciPy's, and NLopt's BOBYQA.

Each takes a problem and a start and says where it stopped; whether that is an optimum is `judge`'s
to say. Derivative-free methods work on theta over its typical size, so that one radius fits all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from mixedmodels.errors import MixedModelsError
from mixedmodels.optimize.nlopt_extra import nlopt_bobyqa
from mixedmodels.optimize.problem import Ended, Ending, Problem
from mixedmodels.settings import OptimizerName
from mixedmodels.typing import FloatArray

# The quadratic model's promise below which the core's search stops, in units of the criterion.
DECREMENT = 1e-11
# Where a factorization has as many flops as this, a promise further below what data can tell.
_DEAR, _COARSE = 2e9, 1e-7
# Diagonal entries below this, in their natural units, are tried at zero.
ZERO = 1e-3


def quasi_newton(problem: Problem, start: FloatArray) -> Ended:
    """Scoring steps with the exact gradient, corrected by BFGS, without bounds."""
    evaluator = problem.objective.evaluator
    spent = evaluator.n_value
    dear = problem.objective.analysis.flops > _DEAR
    watch, done = problem.watch, len(problem.trace)

    def progress(iteration: int, value: float, theta: FloatArray) -> bool:
        if watch is not None:
            watch(done + iteration, value, problem.objective.from_axes(theta))
        return True

    found = evaluator.quasi_newton(
        start,
        problem.reml,
        spent + problem.control.max_evaluations,
        _COARSE if dear else DECREMENT,
        ZERO,
        progress if watch else None,
        watch.every if watch else 0.0,
    )
    values, thetas = found["trace"]
    problem.trace.extend(zip(values.tolist(), thetas, strict=True))
    endings: dict[str, Ending] = {"converged": "done", "max_evaluations": "max_evaluations"}
    if found["status"] == "not_finite":
        raise MixedModelsError(
            "The criterion cannot be computed at the start theta = "
            f"{problem.objective.from_axes(start)}. Give another start=; "
            "or fixed and random effects fit the response exactly, which leaves no residual."
        )
    value = found["value"]
    if problem.best is None or value <= problem.best[0]:
        problem.best = (value, found["theta"])
    messages = {
        "converged": f"predicted decrease {found['decrement']:.2g}",
        "stalled": f"no lower value along the step, predicted decrease {found['decrement']:.2g}",
        "max_evaluations": f"{problem.control.max_evaluations} evaluations spent",
    }
    status = found["status"]
    ending = endings.get(status, "stalled")
    return Ended(
        theta=found["theta"],
        ending=ending,
        message=messages.get(status, status),
        model=found["model"],
        confirmed=found["confirmed"],
        tidied=True,
    )


def lbfgsb(problem: Problem, start: FloatArray) -> Ended:
    """SciPy's L-BFGS-B with the exact gradient."""
    unit = problem.objective.evaluator.unit

    def both(x: FloatArray) -> tuple[float, FloatArray]:
        value = problem.value(x * unit)
        if not np.isfinite(value):
            return 1e300, np.zeros(problem.m)
        return value, problem.gradient() * unit

    found = scipy.optimize.minimize(
        both,
        start / unit,
        jac=True,
        method="L-BFGS-B",
        bounds=_bounds(problem),
        callback=_reporter(problem, unit),
        options={
            "maxfun": problem.control.max_evaluations,
            "maxiter": problem.control.max_evaluations,
            "ftol": problem.control.ftol,
            "gtol": 1e-8,
        },
    )
    return _ended(problem, found)


def _scaled(method: str, options: Callable[[Problem], dict[str, Any]]) -> Method:
    def run(problem: Problem, start: FloatArray) -> Ended:
        size = typical_size(problem, start)
        found = scipy.optimize.minimize(
            lambda x: _finite(problem.value(x * size)),
            start / size,
            method=method,
            bounds=_bounds(problem),
            callback=_reporter(problem, size),
            options=options(problem),
        )
        return _ended(problem, found)

    return run


def _cobyqa_options(problem: Problem) -> dict[str, Any]:
    return {
        "maxfev": problem.control.max_evaluations,
        "initial_tr_radius": 0.3,
        "final_tr_radius": problem.control.xtol,
    }


def _nelder_mead_options(problem: Problem) -> dict[str, Any]:
    return {
        "maxfev": problem.control.max_evaluations * max(problem.m, 1),
        "xatol": problem.control.xtol,
        "fatol": problem.control.ftol,
        "adaptive": problem.m > 3,
    }


def _powell_options(problem: Problem) -> dict[str, Any]:
    return {
        "maxfev": problem.control.max_evaluations * max(problem.m, 1),
        "xtol": problem.control.xtol,
        "ftol": problem.control.ftol,
    }


def brent(problem: Problem, start: FloatArray) -> Ended:
    """Golden section and parabolas for a single theta (Brent 1973), upper end found first.

    The criterion changes with the square of the distance from the optimum, so theta need not be
    closer than the root of the tolerance; the last steps are parabolas, and the verdict looks on.
    """
    if problem.m != 1:
        raise MixedModelsError(
            f"optimizer 'brent' is for one parameter; this model has {problem.m}. Use 'auto'."
        )
    low, high = 0.0, 2.0 * float(start[0])
    value = problem.value(start)
    while (beyond := problem.value(np.array([high]))) < value:
        low, value, high = high / 2.0, beyond, 2.0 * high
    found = scipy.optimize.minimize_scalar(
        lambda x: _finite(problem.value(np.array([x]))),
        bounds=(low, high),
        method="bounded",
        options={
            "xatol": np.sqrt(problem.control.xtol) * high,
            "maxiter": problem.control.max_evaluations,
        },
    )
    problem.report(float(found.fun), np.array([found.x]))
    return _ended(problem, found)


def bobyqa(problem: Problem, start: FloatArray) -> Ended:
    """NLopt's BOBYQA (Powell 2009), an optional extra."""
    size = typical_size(problem, start)
    return nlopt_bobyqa(problem, start, size)


def typical_size(problem: Problem, start: FloatArray) -> FloatArray:
    """(m,) for every theta the start of the diagonal entry in its row, at least a little."""
    templates = problem.objective.templates
    diagonal = {
        (term, row): value
        for (term, row, column), value in zip(templates.entries.tolist(), start, strict=True)
        if row == column
    }
    size = np.array([diagonal[term, row] for term, row, _ in templates.entries.tolist()])
    unit = problem.objective.evaluator.unit
    floor = 1e-3 * max(1e-3, float(np.abs(start / unit).max()))
    sizes: FloatArray = np.maximum(np.abs(size), floor * unit)
    return sizes


def _bounds(problem: Problem) -> scipy.optimize.Bounds:
    return scipy.optimize.Bounds(problem.lower_bounds, np.full(problem.m, np.inf))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 1e300


def _reporter(problem: Problem, size: FloatArray) -> Callable[..., None]:
    def report(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        problem.report(float(intermediate_result.fun), intermediate_result.x * size)

    return report


def _ended(problem: Problem, found: scipy.optimize.OptimizeResult) -> Ended:
    """SciPy's verdict, at the best point that was seen rather than the last."""
    if problem.best is None:
        raise MixedModelsError("The criterion could not be computed anywhere; give another start=.")
    message = str(found.get("message", ""))
    spent = problem.objective.evaluator.n_value
    full = not found.success and spent >= problem.control.max_evaluations
    ending: Ending = "done" if found.success else "max_evaluations" if full else "stalled"
    return Ended(problem.best[1], ending, message)


Method = Callable[[Problem, FloatArray], Ended]


def _from_start(method: Method) -> Method:
    """The method with the start as iteration 0 of its trace; its own callbacks begin after that."""

    def run(problem: Problem, start: FloatArray) -> Ended:
        problem.report(problem.value(start), start)
        return method(problem, start)

    return run


METHODS: dict[OptimizerName, Method] = {
    "quasi-newton": quasi_newton,  # its trace has the start already
    "L-BFGS-B": _from_start(lbfgsb),
    "COBYQA": _from_start(_scaled("COBYQA", _cobyqa_options)),
    "Nelder-Mead": _from_start(_scaled("Nelder-Mead", _nelder_mead_options)),
    "Powell": _from_start(_scaled("Powell", _powell_options)),
    "brent": _from_start(brent),
    "BOBYQA": _from_start(bobyqa),
}
