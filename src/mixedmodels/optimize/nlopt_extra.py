"""BOBYQA from NLopt, which is an optional extra; the one module that imports it."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from typing import Any

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.lazy import late_module
from mixedmodels.optimize.problem import Ended, Ending, Problem

nlopt = late_module("nlopt")


def has_nlopt() -> bool:
    """Whether NLopt is installed."""
    return find_spec("nlopt") is not None


def nlopt_bobyqa(problem: Problem, start: FloatArray, size: FloatArray) -> Ended:
    """Minimise by BOBYQA over the parameters / size.

    Raises:
        MixedModelsError: NLopt is not installed.
    """
    try:
        search = nlopt.opt(nlopt.LN_BOBYQA, problem.m)
    except ImportError as error:
        raise MixedModelsError(
            "optimizer 'BOBYQA' needs NLopt, which is not installed: "
            "pip install 'mixedmodels[nlopt]'; or use 'COBYQA', which needs nothing more."
        ) from error

    def value(x: FloatArray, _: Any) -> float:
        before = problem.best
        found = problem.value(x * size)
        if before is None or found < before[0]:
            problem.report(found, x * size)
        return found if np.isfinite(found) else 1e300

    search.set_min_objective(value)
    search.set_lower_bounds(problem.lower_bounds)
    search.set_initial_step(0.3)
    search.set_xtol_rel(problem.control.xtol)
    search.set_ftol_rel(problem.control.ftol)
    search.set_maxeval(problem.control.max_evaluations)
    # RoundoffLimited: as near as rounding allows; the best point is kept and judged like any other.
    with contextlib.suppress(nlopt.RoundoffLimited):
        search.optimize(start / size)
    if problem.best is None:
        raise MixedModelsError("The criterion could not be computed anywhere; give another start=.")
    code = search.last_optimize_result()
    ending: Ending = "max_evaluations" if code == nlopt.MAXEVAL_REACHED else "done"
    return Ended(problem.best[1], ending, f"NLopt result {code}", start)
