"""What was measured, kept in a file, and which answers are wrong. Pictures of it are elsewhere."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import BY_NAME, Case
from mixedmodels.linear import LinearMixedModel

TOLERANCE = 1e-3
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Result:
    """One package on one case.

    Attributes:
        case: Name of the case.
        package: Name of the package.
        version: Of the package.
        seconds: Of the timed calls, scaled to the number of refits asked for.
        objective: -2 log-likelihood reached; for refits the mean of sigma over the replicates.
        ratios: As in `answer.Answer`, when the objective is the package's approximation.
        peak: Peak resident memory in GB from the first call on, data and libraries included.
        reason: Why there are no seconds; "over" for more than `limit` seconds.
        limit: See `reason`.
        note: For the reader of the table.
        scale: Of the seconds.
        threads: Given to it.
        blas: The library that lme4 ran with.
    """

    case: str
    package: str
    version: str = ""
    seconds: tuple[float, ...] = ()
    objective: float = NAN
    ratios: dict[str, float] = field(default_factory=dict)
    peak: float = NAN
    reason: str = ""
    limit: float = NAN
    note: str = ""
    scale: float = 1.0
    threads: int = 0
    blas: str = ""

    @property
    def time(self) -> float:
        """Median seconds, NaN when there are none."""
        return median(self.seconds) if self.seconds else NAN

    @property
    def told(self) -> bool:
        """Whether there is a time, or a limit that was not kept."""
        return bool(self.seconds) or self.reason == "over"

    def judged_exactly(self, case: Case, data: pd.DataFrame) -> Result:
        """The same with the exact objective at its ratios, if its own is an approximation."""
        if not self.ratios:
            return self
        model = LinearMixedModel(case.formula, data, reml=False)
        names = [name.split(".")[0] for name in model.theta_names]
        theta = np.array([self.ratios[name] for name in names])
        return dataclasses.replace(self, objective=model.objective(theta))


class Results:
    """All results of a run, in the order measured; a file keeps them from run to run."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.conditions: dict[str, Any] = {}
        self.rows: dict[str, dict[str, Result]] = {}
        if path and path.exists():
            kept = json.loads(path.read_text())
            self.conditions = kept["conditions"]
            for row in kept["results"]:
                self.rows.setdefault(row["case"], {})[row["package"]] = Result(
                    **{**row, "seconds": tuple(row["seconds"])}
                )

    def add(self, result: Result) -> None:
        """Keep one more."""
        self.rows.setdefault(result.case, {})[result.package] = result
        if self.path:
            rows = [dataclasses.asdict(r) for row in self.rows.values() for r in row.values()]
            text = json.dumps({"conditions": self.conditions, "results": rows}, indent=1)
            self.path.write_text(text + "\n")

    def cases(self, group: str) -> list[str]:
        """Cases of a group that were measured."""
        return [
            case.name for case in BY_NAME.values() if case.group == group and case.name in self.rows
        ]

    def get(self, case: str, package: str) -> Result:
        """One result; empty when it was not measured."""
        return self.rows[case].get(package, Result(case, package))

    def packages(self, cases: list[str]) -> list[str]:
        """Packages with anything to tell on some of these cases, in the order measured."""
        order = dict.fromkeys(name for row in self.rows.values() for name in row)
        return [name for name in order if any(self.get(case, name).told for case in cases)]

    def best(self, case: str) -> float:
        """Lowest objective reached on a case."""
        reached = [r.objective for r in self.rows[case].values() if math.isfinite(r.objective)]
        return min(reached, default=NAN)

    def excess(self, result: Result) -> float:
        """How far above the lowest objective; NaN where objectives cannot be compared."""
        if BY_NAME[result.case].kind == "refit":
            return NAN
        return result.objective - self.best(result.case)

    def wrong(self, result: Result) -> bool:
        """Whether the answer is not the optimum."""
        if BY_NAME[result.case].kind == "refit" or not result.seconds:
            return False
        return not self.excess(result) <= TOLERANCE


def conditions(threads: int, lme4_threads: int) -> dict[str, Any]:
    """What the reader of a table must know about the machine."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "threads": threads,
        "lme4_threads": lme4_threads,
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
