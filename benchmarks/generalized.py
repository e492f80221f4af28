"""Times of generalized models beside another package, process by process in one run.

`python -m benchmarks.generalized [--peers PYTHON] [--repeats 5] [CASE ...]`. Every case is fitted
by fresh processes that alternate between the packages; each process fits once to warm up and then
several times, and gives its lowest and median time. The table shows the lowest of the medians in
milliseconds, -2 log L and the ratio. `--peers` is the interpreter of an environment with the
package glmm. `million` is 1,000,000 binary rows with 50,000 x 500 crossed levels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import mixedmodels as mm

TOP = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Case:
    """A model; `peer` is its formula for the other package where that differs."""

    data: str
    formula: str
    family: str
    peer: str | None = None
    calls: int = 15


CASES = {
    "cbpp": Case(
        "cbpp",
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        "binomial",
        "p ~ period + (1 | herd)",
    ),
    "contraception": Case(
        "contraception",
        "use ~ age + I(age^2) + urban + livch + (1 | district)",
        "binomial",
    ),
    "grouseticks": Case(
        "grouseticks",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "poisson",
    ),
    "verbagg": Case(
        "verbagg",
        "r2 ~ 1 + Anger + Gender + btype + situ + mode + (1 | id) + (1 | item)",
        "binomial",
    ),
    "verbagg interactions": Case(
        "verbagg",
        "r2 ~ (Anger + Gender + btype + situ)^2 + (1 | id) + (1 | item)",
        "binomial",
        "r2 ~ Anger + Gender + btype + situ + Anger:Gender + Anger:btype + Anger:situ"
        " + Gender:btype + Gender:situ + btype:situ + (1 | id) + (1 | item)",
    ),
    "guimmun": Case(
        "guimmun",
        "immun ~ kid2p + mom25p + ord + ethn + momEd + husEd + momWork + rural + pcInd81"
        " + (1 | mom) + (1 | comm)",
        "binomial",
    ),
    "million": Case("million", "y ~ x + (1 | a) + (1 | b)", "binomial", calls=2),
}

WORKER = """
import json, sys, time, warnings
import pandas as pd
package, path, formula, family, calls = sys.argv[1:]
data = pd.read_parquet(path)
warnings.simplefilter("ignore")
if package == "mixedmodels":
    import mixedmodels as mm
    run = lambda: mm.glmer(formula, data, family=family)
    value = lambda fit: -2 * fit.loglik
else:
    import glmm
    more = {"weights": data["size"].to_numpy()} if "p" in data.columns else {}
    run = lambda: glmm.fit(data, formula, family, **more)
    value = lambda fit: -2 * fit.loglik
run()
times = []
for _ in range(int(calls)):
    began = time.perf_counter()
    fit = run()
    times.append(time.perf_counter() - began)
times.sort()
print(json.dumps({"lowest": times[0], "median": times[len(times) // 2], "value": value(fit)}))
"""


def crossed(n: int = 1_000_000, a: int = 50_000, b: int = 500) -> pd.DataFrame:
    """Binary rows of two crossed factors, codes as integers."""
    rng = np.random.default_rng(5)
    of_a, of_b = 0.8 * rng.standard_normal(a), 0.5 * rng.standard_normal(b)
    code_a, code_b, x = rng.integers(0, a, n), rng.integers(0, b, n), rng.standard_normal(n)
    eta = -0.5 + 0.3 * x + of_a[code_a] + of_b[code_b]
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.int64)
    return pd.DataFrame({"y": y, "x": x, "a": code_a, "b": code_b})


def data_of(name: str) -> pd.DataFrame:
    """The case's rows; factors of the response as 0 and 1, proportions added: glmm wants both."""
    if name == "million":
        return crossed()
    data = mm.load_dataset(name)
    for response in {"use", "r2", "immun"} & set(data.columns):
        data[response] = data[response].cat.codes.astype(np.int64)
    return data.assign(p=data["incidence"] / data["size"]) if name == "cbpp" else data


def measure(python: str, package: str, path: Path, case: Case) -> dict[str, float]:
    """One process: its lowest and median time in seconds and -2 log L."""
    formula = case.peer if package == "glmm" and case.peer else case.formula
    command = [python, "-c", WORKER, package, str(path), formula, case.family, str(case.calls)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise RuntimeError(f"{package}, {formula}: {' '.join(last)}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure the cases and print one line each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generalized")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    runs = {"mixedmodels": sys.executable} | ({"glmm": asked.peers} if asked.peers else {})
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.cases or CASES:
            case, path = CASES[name], Path(folder) / "data.parquet"
            data_of(case.data).to_parquet(path)
            found: dict[str, list[dict[str, float]]] = {package: [] for package in runs}
            for _ in range(asked.repeats if name != "million" else 1):
                for package, python in runs.items():
                    found[package].append(measure(python, package, path, case))
            best = {p: min(run["median"] for run in values) for p, values in found.items()}
            line = ", ".join(
                f"{p} {1e3 * best[p]:.2f} ms ({found[p][-1]['value']:.6f})" for p in runs
            )
            ratio = f", ratio {best['mixedmodels'] / best['glmm']:.2f}" if len(best) == 2 else ""
            print(f"{name}: {line}{ratio}", flush=True)


if __name__ == "__main__":
    main()
