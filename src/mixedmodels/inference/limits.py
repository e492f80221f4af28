"""Confidence limits by profile likelihood, each by a search of its own, and the threads for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mixedmodels.estimates.stages import Fitted
from mixedmodels.inference.curves import Curve
from mixedmodels.inference.parameters import Parameter, to_value
from mixedmodels.inference.traces import Trace
from mixedmodels.settings import check_level, thread_count

T = TypeVar("T")

# Work of an evaluation (flops, and numbers stored) below which threads cost more than they bring.
_SMALL = 1e5
_MEMORY = 10.0


def limits(
    fitted: Fitted,
    parameters: Sequence[Parameter],
    level: float,
    threads: int | None,
    traces: Mapping[str, Trace] | None = None,
) -> pd.DataFrame:
    """Confidence limits by a search for each, without the curves.

    Args:
        fitted: The fit by maximum likelihood; not changed.
        parameters: Some of `parameters_of(fitted)`.
        level: Coverage.
        threads: Parameters at a time; None leaves the choice to the library.
        traces: Curves to begin from.

    Returns:
        Rows by name; columns `lower`, `upper`. A variance that is not bounded away from zero has
        lower limit 0, a correlation that nothing bounds has -1 and 1.

    Raises:
        MixedModelsError: A level or number of threads that is none, or a profile that cannot be
            computed.
    """
    check_level(level)
    zeta = float(ndtri(0.5 + 0.5 * level))
    count, inner = shares(fitted, len(parameters), threads)

    def both(parameter: Parameter) -> tuple[float, float]:
        if np.isnan(parameter.estimate):
            return -1.0, 1.0
        curve = Curve(fitted, parameter, inner)
        trace = None if traces is None else traces[parameter.name]
        low, high = (
            float(to_value(parameter.kind, curve.limit(end, _guess(trace, end))))
            for end in (-zeta, zeta)
        )
        return low, high

    found = in_parallel(both, parameters, count)
    names = [parameter.name for parameter in parameters]
    return pd.DataFrame(found, index=names, columns=["lower", "upper"], dtype=np.float64)


def _guess(trace: Trace | None, zeta: float) -> float | None:
    """Where the curve has it; None without a curve, or beyond its end."""
    if trace is None or not trace.zeta[0] < zeta < trace.zeta[-1]:
        return None
    return float(np.interp(zeta, trace.zeta, trace.w))


def shares(fitted: Fitted, parameters: int, threads: int | None) -> tuple[int, int]:
    """Parameters at a time, and threads of an evaluation."""
    threads = thread_count(threads, fitted.stages.threads)
    analysis = fitted.stages.analysis
    if analysis.flops + _MEMORY * analysis.stored < _SMALL:
        return 1, 1
    count = max(min(threads, parameters), 1)
    return count, max(threads // count, 1)


def in_parallel(
    work: Callable[[Parameter], T], parameters: Sequence[Parameter], count: int
) -> list[T]:
    """The results of `work`, `count` at a time, in order."""
    if count == 1:
        return [work(parameter) for parameter in parameters]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, parameters))
