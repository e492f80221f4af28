"""Time likelihood-based inference beside lme4 and lmerTest: `python -m benchmarks.likelihood`.

Medians of repeated calls on a fit that exists; with `Rscript` and the two packages, theirs on the
same models follow, each from one R session. With `--large`, limits of InstEval too (minutes in R).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit


@dataclass(frozen=True, slots=True)
class Task:
    """One call, here and in R, where `m` is the fit."""

    name: str
    data: str
    formula: str
    call: Callable[[LinearMixedFit], object]
    r_data: str
    r_call: str
    large: bool = False


SLEEP = ("sleepstudy", "Reaction ~ Days + (Days | Subject)")
PENICILLIN = ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)")
INSTEVAL = ("insteval", "y ~ service + (1 | s) + (1 | d)")

TASKS = (
    Task("profile", *SLEEP, lambda m: m.profile(), "sleepstudy", "profile(m)"),
    Task("limits", *SLEEP, lambda m: m.confint(), "sleepstudy", "confint(m)"),
    Task("drop1", *SLEEP, lambda m: m.drop1(), "sleepstudy", "drop1(m, test = 'Chisq')"),
    Task("ranova", *SLEEP, lambda m: m.ranova(), "sleepstudy", "lmerTest::ranova(m)"),
    Task("profile", *PENICILLIN, lambda m: m.profile(), "Penicillin", "profile(m)"),
    Task("limits", *PENICILLIN, lambda m: m.confint(), "Penicillin", "confint(m)"),
    Task(
        "two limits",
        *INSTEVAL,
        lambda m: m.confint(parameters="sd(d.(Intercept))"),
        "InstEval",
        "confint(m, parm = 2)",
        large=True,
    ),
)

SCRIPT = """
suppressPackageStartupMessages(library(lme4))
m <- lmer({formula}, {data}, REML = FALSE)
call <- function() suppressWarnings(suppressMessages({call}))
invisible(call())
seconds <- replicate({repeats}, system.time(call())[["elapsed"]])
cat(median(seconds))
"""


def seconds_here(task: Task, repeats: int) -> tuple[float, float]:
    """Median wall time and median processor time."""
    fit = mm.lmer(task.formula, mm.load_dataset(task.data), reml=False)
    task.call(fit)
    wall, cpu = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        task.call(fit)
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return median(wall), median(cpu)


def seconds_in_r(task: Task, repeats: int) -> float:
    """Median wall time; NaN without R or the packages."""
    if shutil.which("Rscript") is None:
        return float("nan")
    script = SCRIPT.format(
        formula=task.formula, data=task.r_data, call=task.r_call, repeats=repeats
    )
    done = subprocess.run(
        ["Rscript", "-e", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return float(done.stdout) if done.returncode == 0 else float("nan")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--large", action="store_true", help="InstEval too")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}")
    print(f"{'model':<14}{'call':<12}{'here':>12}{'(processor)':>14}{'R':>12}{'ratio':>8}")
    for task in TASKS:
        if task.large and not options.large:
            continue
        here, cpu = seconds_here(task, 3 if task.large else options.repeats)
        there = seconds_in_r(task, 1 if task.large else 3)
        print(
            f"{task.data:<14}{task.name:<12}{1e3 * here:>9.2f} ms{1e3 * cpu:>11.2f} ms"
            f"{1e3 * there:>9.0f} ms{there / here:>8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
