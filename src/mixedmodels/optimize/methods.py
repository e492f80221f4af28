"""Methods of minimisation by name: SciPy's, and NLopt's BOBYQA, beside a criterion's own search.

Each takes a problem and a start and says where it stopped; the criterion's own check decides
whether that is an optimum. Derivative-free methods work on the parameters over their typical sizes,
so that one radius fits all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.optimize.nlopt_extra import nlopt_bobyqa
from mixedmodels.optimize.problem import Ended, Ending, Problem
from mixedmodels.settings import OptimizerName


def lbfgsb(problem: Problem, start: FloatArray) -> Ended:
    """SciPy's L-BFGS-B with the exact gradient."""
    unit = problem.criterion.unit

    def both(x: FloatArray) -> tuple[float, FloatArray]:
        value = problem.value(x * unit)
        if not np.isfinite(value):
            return 1e300, np.zeros(problem.m)
        return value, problem.gradient(x * unit) * unit

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
    return _ended(problem, found, start)


def _scaled(method: str, options: Callable[[Problem], dict[str, Any]]) -> Method:
    def run(problem: Problem, start: FloatArray) -> Ended:
        size = problem.criterion.typical_size(start)
        found = scipy.optimize.minimize(
            lambda x: _finite(problem.value(x * size)),
            start / size,
            method=method,
            bounds=_bounds(problem),
            callback=_reporter(problem, size),
            options=options(problem),
        )
        return _ended(problem, found, start)

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


def bobyqa(problem: Problem, start: FloatArray) -> Ended:
    """NLopt's BOBYQA (Powell 2009), an optional extra."""
    size = problem.criterion.typical_size(start)
    return nlopt_bobyqa(problem, start, size)


def _bounds(problem: Problem) -> scipy.optimize.Bounds:
    return scipy.optimize.Bounds(problem.lower_bounds, np.full(problem.m, np.inf))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 1e300


def _reporter(problem: Problem, size: FloatArray) -> Callable[..., None]:
    def report(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        problem.report(float(intermediate_result.fun), intermediate_result.x * size)

    return report


def _ended(problem: Problem, found: scipy.optimize.OptimizeResult, start: FloatArray) -> Ended:
    """What SciPy says, at the best point that was seen rather than the last."""
    if problem.best is None:
        raise MixedModelsError("The criterion could not be computed anywhere; give another start=.")
    message = str(found.get("message", ""))
    full = not found.success and problem.n_value >= problem.control.max_evaluations
    ending: Ending = "done" if found.success else "max_evaluations" if full else "stalled"
    return Ended(problem.best[1], ending, message, start)


Method = Callable[[Problem, FloatArray], Ended]


def _from_start(method: Method) -> Method:
    """The method with the start as iteration 0 of its trace; its own callbacks begin after that."""

    def run(problem: Problem, start: FloatArray) -> Ended:
        problem.report(problem.value(start), start)
        # The large values that stand for none overflow in some of SciPy's interpolations.
        with np.errstate(all="ignore"):
            return method(problem, start)

    return run


METHODS: dict[OptimizerName, Method] = {
    "L-BFGS-B": _from_start(lbfgsb),
    "COBYQA": _from_start(_scaled("COBYQA", _cobyqa_options)),
    "Nelder-Mead": _from_start(_scaled("Nelder-Mead", _nelder_mead_options)),
    "Powell": _from_start(_scaled("Powell", _powell_options)),
    "BOBYQA": _from_start(bobyqa),
}
