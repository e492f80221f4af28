"""How the time of a large case divides, and how far it is from what the machine could do.

    python -m benchmarks.phases CASE ... [--threads N] [--repeats N]

Prints a Markdown table. Data, cross-products, analysis and start are timed as the fit makes them;
factorizations and gradients are the time of one at the optimum times how many the fit made; the
rest of the whole call is the optimiser, the verdict and everything else. The floor counts flops: of
the factors as the analysis counts them, twice as many for the inverse on their pattern that a
gradient needs, of the triangular solves for X and y, and of the cross-products; over the rate of
dgemm as measured here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd

import mixedmodels as mm
from benchmarks.cases import BY_NAME, CASES, Case
from benchmarks.data import thinned
from benchmarks.generated import load
from benchmarks.tables import seconds
from mixedmodels._core import Analysis, Evaluator
from mixedmodels.arrays import FloatArray
from mixedmodels.crossprod import cross_products, templates_of
from mixedmodels.design import build_design
from mixedmodels.formula import parse_formula

_DGEMM = """
import time, numpy
a = numpy.ones((2000, 2000)); b = a.copy(); a @ b; times = []
for _ in range(5):
    start = time.perf_counter(); a @ b; times.append(time.perf_counter() - start)
print(2 * 2000**3 / min(times))
"""


def dgemm(threads: int) -> float:
    """Flops per second of NumPy's dgemm."""
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", _DGEMM]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return float(done.stdout)


@dataclass(slots=True)
class Clock:
    """Medians of repeated calls."""

    repeats: int

    def __call__(self, call: Callable[[], object]) -> float:
        """Seconds."""
        times = []
        for _ in range(self.repeats):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return median(times)


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of the phases of one case, counts, and flops that cannot be avoided."""

    whole: float
    data: float
    products: float
    analysis: float
    start: float
    value: float
    gradient: float
    n_value: int
    n_gradient: int
    flops: float
    cross_flops: float

    @property
    def known(self) -> float:
        """Seconds that are accounted for."""
        evaluations = self.n_value * self.value + self.n_gradient * self.gradient
        return self.data + self.products + self.analysis + self.start + evaluations

    def floor(self, rate: float) -> float:
        """Seconds at a rate of flops per second."""
        return (self.flops + self.cross_flops) / rate


def evaluations(evaluator: Evaluator, optimum: FloatArray, clock: Clock) -> tuple[float, float]:
    """Seconds of a criterion and of a gradient; thetas alternate so that none is remembered."""
    thetas = [optimum, optimum * (1 + 1e-6) + 1e-9]
    times = []
    for i in range(2 * clock.repeats + 1):
        start = time.perf_counter()
        evaluator.value(thetas[i % 2], False)
        middle = time.perf_counter()
        evaluator.gradient(False)
        times.append((middle - start, time.perf_counter() - middle))
    values, gradients = np.median(times[1:], axis=0)
    return float(values), float(gradients)


def phases(case: Case, data: pd.DataFrame, threads: int, repeats: int) -> Phases:
    """Measure one case."""
    clock = Clock(repeats)
    fit = mm.lmer(case.formula, data, reml=False, threads=threads)
    whole = clock(lambda: mm.lmer(case.formula, data, reml=False, threads=threads))
    design = build_design(parse_formula(case.formula), data)
    built = clock(lambda: build_design(parse_formula(case.formula), data))
    products = cross_products(design, threads)
    crossed = clock(lambda: cross_products(design, threads))
    analysis = Analysis(products)
    analysed = clock(lambda: Analysis(products))
    templates = templates_of(design)
    evaluator = Evaluator(analysis, templates.core_entries, threads)
    started = clock(evaluator.starts)
    optimum = np.asarray(fit.theta, dtype=float)
    value, gradient = evaluations(evaluator, optimum, clock)
    n_value, n_gradient = fit.optsum.n_objective, fit.optsum.n_gradient
    columns = products.p + 1
    solves = 2.0 * analysis.nnz * columns + products.q * float(columns) ** 2
    width = sum(len(term.columns) for term in design.terms)
    return Phases(
        whole,
        built,
        crossed,
        analysed,
        started,
        value,
        gradient,
        n_value,
        n_gradient,
        n_value * (analysis.flops + solves) + n_gradient * (2 * analysis.flops + solves),
        design.n * (float(columns) ** 2 + 2.0 * width * (columns + width)),
    )


def rows(found: dict[str, Phases], rates: dict[int, float], threads: int) -> list[list[str]]:
    """The table without its head, a row per phase."""

    def row(label: str, text: Callable[[Phases], str]) -> list[str]:
        return [label, *(text(each) for each in found.values())]

    def share(call: Callable[[Phases], float]) -> Callable[[Phases], str]:
        return lambda each: f"{seconds(call(each))} ({100 * call(each) / each.whole:.0f}%)"

    def floor(rate: float) -> Callable[[Phases], str]:
        return lambda each: seconds(each.floor(rate))

    return [
        row("whole call", lambda each: seconds(each.whole)),
        row("formula and model matrices", share(lambda each: each.data)),
        row("cross-products", share(lambda each: each.products)),
        row("analysis", share(lambda each: each.analysis)),
        row("start by moments", share(lambda each: each.start)),
        row("factorizations and solves", share(lambda each: each.n_value * each.value)),
        row("gradients", share(lambda each: each.n_gradient * each.gradient)),
        row("optimiser and the rest", share(lambda each: each.whole - each.known)),
        row(
            "number and time of one: criterion",
            lambda each: f"{each.n_value} of {seconds(each.value)}",
        ),
        row("gradient after it", lambda each: f"{each.n_gradient} of {seconds(each.gradient)}"),
        row("flops", lambda each: f"{each.flops + each.cross_flops:.2g}"),
        *(row(f"floor, threads={count}", floor(rate)) for count, rate in rates.items()),
        row("whole call over floor", lambda each: f"{each.whole / each.floor(rates[threads]):.1f}"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phases", description=__doc__)
    named = [case.name for case in CASES if case.kind == "fit"]
    parser.add_argument("cases", nargs="+", choices=named)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--thin", type=int, default=1, help="take every Nth row only")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rates = {count: dgemm(count) for count in sorted({1, asked.threads})}
    found = {}
    for name in asked.cases:
        data = thinned(load(BY_NAME[name].dataset), asked.thin)
        found[name] = phases(BY_NAME[name], data, asked.threads, asked.repeats)
    told = ", ".join(f"{rate / 1e9:.0f} with {count}" for count, rate in rates.items())
    print(f"{asked.threads} threads; dgemm reaches {told} (threads), in 10^9 flops per second.\n")
    print(f"| | {' | '.join(found)} |\n|---|" + "---:|" * len(found))
    for cells in rows(found, rates, asked.threads):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
