"""Confidence limits by profile likelihood, each by a search of its own, and the threads for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import numpy as np
import pandas as pd
import scipy

from mixedmodels._core import StopFlag
from mixedmodels.arrays import FloatArray
from mixedmodels.errors import (
    ConvergenceWarning,
    MixedModelsError,
    NotIdentifiedWarning,
    warn,
)
from mixedmodels.estimates.linear import Fitted
from mixedmodels.inference.curves import Curve, LowerDevianceError, NoLimitError
from mixedmodels.inference.parameters import Parameter, to_value
from mixedmodels.inference.search import limit
from mixedmodels.inference.traces import Trace
from mixedmodels.memory import threads_that_fit
from mixedmodels.optimize import Request
from mixedmodels.settings import check_level, thread_count

T = TypeVar("T")

# Work of an evaluation (flops, and numbers stored) below which threads cost more than they bring.
_SMALL = 1e5
_MEMORY = 10.0
# How often a better optimum may turn up.
_MOST_REFITS = 3


def limits(
    fitted: Fitted,
    parameters: Sequence[Parameter],
    level: float,
    threads: int | None,
    traces: Mapping[str, Trace] | None = None,
    *,
    unbounded: bool = False,
) -> pd.DataFrame:
    """Confidence limits by a search for each, without the curves.

    Args:
        fitted: The fit by maximum likelihood; not changed.
        parameters: Some of `parameters_of(fitted)`.
        level: Coverage.
        threads: Parameters at a time; None leaves the choice to the library.
        traces: Curves to begin from.
        unbounded: Whether there is no limit beyond a deviance below that of the fit.

    Returns:
        Rows by name; columns `lower`, `upper`. A variance that is not bounded away from zero has
        lower limit 0, a correlation that nothing bounds has -1 and 1. A limit is infinite (0 for a
        parameter above zero) where the deviance becomes level on that side, and NaN where it cannot
        be computed; `attrs["notes"]` has the reason by parameter, also for parameters that are not
        identified.

    Raises:
        LowerDevianceError: A deviance below that of the fit was found.
        MixedModelsError: An invalid level or number of threads.
    """
    check_level(level)
    zeta = float(scipy.special.ndtri(0.5 + 0.5 * level))
    count, inner = shares(fitted, len(parameters), threads)

    notes = not_identified(fitted, parameters)

    def both(parameter: Parameter) -> tuple[float, float]:
        if np.isnan(parameter.estimate):
            return -1.0, 1.0
        try:
            curve = Curve(fitted, parameter, inner, unbounded=unbounded)
            curve.check()
        except NoLimitError as error:  # of a fit that is not at its minimum
            add_note(notes, parameter, str(error))
            return float("nan"), float("nan")
        trace = None if traces is None else traces[parameter.name]
        low, high = (_end(curve, end, _guess(trace, end), notes) for end in (-zeta, zeta))
        return low, high

    found = in_parallel(both, parameters, count)
    names = [parameter.name for parameter in parameters]
    table = pd.DataFrame(found, index=names, columns=["lower", "upper"], dtype=np.float64)
    table.attrs["notes"] = {name: notes[name] for name in names if name in notes}
    if table.attrs["notes"]:
        listed = "\n".join(f"{name}: {note}" for name, note in table.attrs["notes"].items())
        warn(listed, NotIdentifiedWarning)
    return table


def not_identified(fitted: Fitted, parameters: Sequence[Parameter]) -> dict[str, str]:
    """By name why a parameter is not identified; its profile is flat over a range of values."""
    identified = fitted.identification
    if identified.complete:
        return {}
    unknown = identified.unknown_names
    return {
        parameter.name: (
            "not identified: the deviance is the same over a range of values, of which the "
            "estimate is one; the limits are those of all values that fit. See fit.messages."
        )
        for parameter in parameters
        if parameter.position < len(unknown) and unknown[parameter.position]
    }


def add_note(notes: dict[str, str], parameter: Parameter, text: str) -> None:
    """Put a sentence after those that `notes` has for a parameter."""
    notes[parameter.name] = f"{notes.get(parameter.name, '')} {text}".strip()


def from_optimum(fitted: Fitted, work: Callable[[Fitted, bool], T]) -> T:
    """The result of `work` on a fit, fitted again where a profile finds a lower deviance.

    Where no search from there converges, the likelihood seems to be unbounded: then the result is
    of the fit as it was, and `work` is told that lower deviances end its curves.

    Raises:
        LowerDevianceError: The fit has not converged, and a search from the lower deviance would.
    """
    given = fitted
    for _ in range(_MOST_REFITS):
        try:
            return work(fitted, False)
        except LowerDevianceError as error:
            if given.optsum.status == "max_evaluations":
                raise
            better = _from_lower(fitted, error.start)
            if better is None:
                return work(given, True)
            if not given.optsum.converged:
                raise
        warn(
            f"A profile found a deviance {better.solution.objective:.6f} below that of the fit by "
            f"ML ({fitted.solution.objective:.6f}), which was a local optimum; the results are "
            "those of the better one.",
            ConvergenceWarning,
        )
        fitted = better
    return work(fitted, True)


def _from_lower(fitted: Fitted, start: FloatArray) -> Fitted | None:
    """The fit that is found from a lower deviance; None where no search from there converges."""
    request = Request(start=start, control=fitted.optsum.control)
    try:
        better = fitted.searched_again(request)
    except MixedModelsError:  # the criterion cannot be computed there again
        return None
    lower = better.solution.objective < fitted.solution.objective
    return better if better.optsum.converged and lower else None


def _end(curve: Curve, zeta: float, guess: float | None, notes: dict[str, str]) -> float:
    """One limit; NaN, with a note, where there is none."""
    parameter = curve.parameter
    curve.new_side()
    try:
        found = limit(curve, zeta, guess)
    except NoLimitError as error:
        add_note(notes, parameter, str(error))
        return float("nan")
    if found.note:
        add_note(notes, parameter, found.note)
    return float(to_value(parameter.kind, found.held))


def _guess(trace: Trace | None, zeta: float) -> float | None:
    """Where the curve has it; None without a curve, or beyond its end."""
    if trace is None or not trace.zeta[0] < zeta < trace.zeta[-1]:
        return None
    return float(np.interp(zeta, trace.zeta, trace.w))


def shares(fitted: Fitted, parameters: int, threads: int | None) -> tuple[int, int]:
    """Parameters at a time, and threads of an evaluation."""
    threads = thread_count(threads, fitted.model.threads)
    analysis = fitted.model.analysis
    if analysis.flops + _MEMORY * analysis.stored < _SMALL:
        return 1, 1
    count = threads_that_fit(max(min(threads, parameters), 1), analysis.workspace)
    return count, max(threads // count, 1)


def in_parallel(
    work: Callable[[Parameter], T], parameters: Sequence[Parameter], count: int
) -> list[T]:
    """The results of `work`, `count` at a time, in order."""
    if count == 1:
        return [work(parameter) for parameter in parameters]
    # Signals do not reach the pool's threads: they stop when this one is interrupted, or one fails.
    stop = StopFlag()
    with ThreadPoolExecutor(count, initializer=stop.watch) as pool:
        running = [pool.submit(work, parameter) for parameter in parameters]
        try:
            for ended in wait(running, return_when=FIRST_EXCEPTION).done:
                ended.result()
        except BaseException:
            stop.set()
            for waiting in running:
                waiting.cancel()
            raise
        return [ended.result() for ended in running]
