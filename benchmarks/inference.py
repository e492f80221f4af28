"""What degrees of freedom cost: `python -m benchmarks.inference`, beside lmerTest and pbkrtest.

Medians in milliseconds: the fit by REML, then each table of coefficients from a fit that remembers
nothing. R's are measured in the same run where Rscript is installed with lmerTest and pbkrtest.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import pandas as pd

from mixedmodels.datasets import load_dataset
from mixedmodels.linear import LinearMixedModel
from mixedmodels.settings import DfMethod

T = TypeVar("T")
METHODS: tuple[DfMethod, ...] = ("satterthwaite", "kenward-roger")
SCRIPT = Path(__file__).with_name("inference.R")


def crossed() -> pd.DataFrame:
    """10,000 rows, 500 and 100 levels."""
    rng = np.random.default_rng(1)
    n = 10_000
    data = pd.DataFrame({"a": rng.integers(500, size=n), "b": rng.integers(100, size=n)})
    data["x"] = rng.normal(size=n)
    effects = rng.normal(size=500)[data["a"]] + rng.normal(size=100)[data["b"]]
    return data.assign(y=data["x"] + effects + rng.normal(size=n))


@dataclass(frozen=True, slots=True)
class Case:
    """A model; `peer` are the methods that R can do in reasonable time and memory."""

    name: str
    data: Callable[[], pd.DataFrame]
    formula: str
    factors: tuple[str, ...]
    peer: tuple[DfMethod, ...]
    repeats: int


CASES = (
    Case(
        "sleepstudy",
        lambda: load_dataset("sleepstudy"),
        "Reaction ~ Days + (Days | Subject)",
        ("Subject",),
        METHODS,
        15,
    ),
    Case(
        "classroom",
        lambda: load_dataset("classroom"),
        "mathgain ~ mathkind + minority + ses + (1 | classid) + (1 | schoolid)",
        ("classid", "schoolid"),
        METHODS,
        5,
    ),
    Case("crossed 500 x 100", crossed, "y ~ x + (1 | a) + (1 | b)", ("a", "b"), METHODS[:1], 5),
    Case(
        "insteval",
        lambda: load_dataset("insteval"),
        "y ~ service + (1 | s) + (1 | d)",
        ("s", "d", "service"),
        METHODS[:1],
        3,
    ),
)


def ours(case: Case, data: pd.DataFrame) -> dict[str, float]:
    """Median seconds; a table's are those beyond the table without degrees of freedom."""
    times: dict[str, list[float]] = {name: [] for name in ("fit", "none", *METHODS)}
    for _ in range(case.repeats):
        fit, seconds = timed(lambda: LinearMixedModel(case.formula, data).fit())
        times["fit"].append(seconds)
        for method in ("none", *METHODS):
            times[method].append(timed(partial(fit.coef_table, method))[1])
    found = {name: median(values) for name, values in times.items()}
    plain = found.pop("none")
    return {name: value - (plain if name != "fit" else 0.0) for name, value in found.items()}


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """The result of a call and its seconds."""
    began = time.perf_counter()
    result = call()
    return result, time.perf_counter() - began


def theirs(case: Case, data: pd.DataFrame) -> dict[str, float]:
    """Median seconds in R; nothing without Rscript and its packages."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.to_csv(path, index=False)
        words = [case.formula, ",".join(case.factors), str(case.repeats), ",".join(case.peer)]
        command = ["Rscript", str(SCRIPT), str(path), *words]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.split() for line in run.stdout.splitlines()]
    return {name: float(value) for name, value in lines}


def main() -> None:
    """Print the table."""
    print(f"{'model':18} {'what':14} {'mixedmodels':>12} {'R':>12} {'ratio':>8}")
    for case in CASES:
        data = case.data()
        here, there = ours(case, data), theirs(case, data)
        for name, seconds in here.items():
            peer = f"{1e3 * there[name]:12.1f}" if name in there else f"{'-':>12}"
            ratio = f"{there[name] / seconds:8.0f}" if name in there else f"{'-':>8}"
            print(f"{case.name:18} {name:14} {1e3 * seconds:12.2f} {peer} {ratio}")


if __name__ == "__main__":
    main()
