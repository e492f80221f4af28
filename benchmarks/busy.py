"""What others on the machine, and threads, do to a fit of the course evaluations.

    python -m benchmarks.busy [--repeats N] [--spinning N]

Time idle against time with processes that spin on every processor; the answer of one thread
against that of two; two fits in two Python threads against the same two one after the other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

import mixedmodels as mm
from benchmarks.cases import BY_NAME
from benchmarks.generated import load

CASE = BY_NAME["insteval-2"]


def fitted(data: pd.DataFrame, threads: int) -> Any:
    """One fit."""
    return mm.lmer(CASE.formula, data, reml=False, threads=threads)


def timed(data: pd.DataFrame, threads: int, repeats: int) -> float:
    """Median seconds of a fit."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fitted(data, threads)
        times.append(time.perf_counter() - start)
    return median(times)


def spin() -> None:
    """Use one processor until ended."""
    while True:
        pass


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """Processes that spin."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    time.sleep(1.0 * count)
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def relative(a: Any, b: Any) -> float:
    """Largest difference over the largest size."""
    a, b = np.atleast_1d(np.asarray(a)), np.atleast_1d(np.asarray(b))
    return float(np.abs(a - b).max() / np.abs(a).max())


def parallel(data: pd.DataFrame, repeats: int) -> tuple[float, float]:
    """Median seconds of two fits with one thread each: one after the other, and at once."""
    ratios = []
    for _ in range(repeats):
        start = time.perf_counter()
        fitted(data, 1)
        fitted(data, 1)
        middle = time.perf_counter()
        both = [threading.Thread(target=fitted, args=(data, 1)) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        ratios.append((middle - start, time.perf_counter() - middle))
    one_by_one, at_once = np.median(ratios, axis=0)
    return float(one_by_one), float(at_once)


def main() -> None:
    """Measure and print."""
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--spinning", type=int, default=cores)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    data = load(CASE.dataset)
    fitted(data, 1)
    print(f"{CASE.formula}; load average {os.getloadavg()[0]:.1f}, {cores} cores\n")
    for threads in (1, 2):
        idle = timed(data, threads, asked.repeats)
        with spinning(asked.spinning):
            busy = timed(data, threads, asked.repeats)
        print(
            f"threads={threads}: {idle:.3f} s idle, {busy:.3f} s beside {asked.spinning} "
            f"spinning processes, ratio {busy / idle:.2f}"
        )
    one, two = fitted(data, 1), fitted(data, 2)
    print(
        "threads=1 against 2, relative differences: "
        f"objective {relative(one.objective, two.objective):.1e}, "
        f"theta {relative(one.theta, two.theta):.1e}, beta {relative(one.beta, two.beta):.1e}"
    )
    one_by_one, at_once = parallel(data, asked.repeats)
    print(
        f"two fits: {one_by_one:.3f} s one after the other, {at_once:.3f} s in two Python "
        f"threads, ratio {at_once / one_by_one:.2f}"
    )


if __name__ == "__main__":
    main()
