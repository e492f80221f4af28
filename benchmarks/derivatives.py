"""What derivatives and variances cost after a fit, in evaluations of the criterion.

    python -m benchmarks.derivatives [CASE ...] [--threads N]

Prints a Markdown table: the time of one criterion at the optimum, and over it that of a criterion
with its gradient, of `model.hessian`, `ranef_cov()` and `vcov`, each the least of a few
calls. Thetas differ from call to call so that none is remembered.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable

import numpy as np

import mixedmodels as mm
from benchmarks.cases import BY_NAME, CASES
from benchmarks.generated import load
from benchmarks.tables import seconds
from mixedmodels.linear import LinearMixedFit

DEFAULT = (
    "sleepstudy",
    "penicillin",
    "classroom",
    "chem97",
    "insteval-2",
    "insteval-3",
    "insteval-slopes",
    "maximal-20",
    "maximal-72",
    "nested",
    "nested-slope",
    "partially-crossed",
    "vector-crossed",
    "ratings-1m",
    "wide",
)


def least(call: Callable[[float], object], repeats: int) -> float:
    """Seconds of the fastest call, each told a number of its own near one."""
    times = []
    for i in range(1, repeats + 1):
        start = time.perf_counter()
        call(1.0 + 1e-8 * i)
        times.append(time.perf_counter() - start)
    return min(times)


def costs(fit: LinearMixedFit) -> list[str]:
    """Cells of one case."""
    model, theta = fit.model, np.asarray(fit.theta, dtype=float)
    repeats = 7 if model.nobs < 10_000 else 3
    value = least(lambda near: model.objective(near * theta), 3 * repeats)
    gradient = least(lambda near: model.gradient(near * theta), repeats)
    hessian = least(lambda near: model.hessian(near * theta), repeats)
    modes = least(lambda _: fit.ranef_cov(), 1)
    vcov = least(lambda _: fit.vcov, 1)
    counts = [f"{part / value:.1f}" for part in (gradient, hessian, modes, vcov)]
    return [str(len(theta)), seconds(value), *counts]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.derivatives", description=__doc__)
    named = [case.name for case in CASES if case.kind == "fit"]
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(named))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    unknown = sorted(set(asked.cases) - set(named))
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(named)}")
    warnings.simplefilter("ignore")
    print("| | thetas | criterion | with gradient | Hessian | `ranef_cov()` | `vcov` |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in asked.cases or DEFAULT:
        case = BY_NAME[name]
        fit = mm.lmer(case.formula, load(case.dataset), reml=False, threads=asked.threads)
        print(f"| {' | '.join([name, *costs(fit)])} |", flush=True)


if __name__ == "__main__":
    main()
