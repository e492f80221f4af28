"""Time whole fits with this package and with every other that is installed; write a table.

    python -m benchmarks [--peers PYTHON] [--cases NAME ...] [--write PAGE]

`--peers` is the interpreter of an environment that has the other Python packages (pip install glmm
mixedlm statsmodels); without it they are looked for in this one. lme4 is used when `Rscript` finds
it. Every package and case has its own process, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cases import BY_NAME, CASES, Case
from benchmarks.peers import PEERS

TOP = Path(__file__).parents[1]
LIMIT = 600


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds of the timed calls, deviance and peak memory (GB), or why there are none."""

    version: str = ""
    seconds: tuple[float, ...] = ()
    deviance: float = float("nan")
    reason: str = ""
    note: str = ""
    peak: float = float("nan")


def environment(threads: int) -> dict[str, str]:
    """Variables of a worker: the same number of threads for everyone who asks."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def run(command: list[str], variables: dict[str, str]) -> Result:
    """Start a worker and read its answer."""
    try:
        done = subprocess.run(
            command,
            env=variables,
            cwd=TOP,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result(reason=f"more than {LIMIT} s")
    if done.returncode:
        last = (done.stderr.strip() or "failed").splitlines()[-1]
        return Result(reason=last.rpartition(": ")[2][:60])
    answer = json.loads(done.stdout.splitlines()[-1])
    note = answer.get("note", "")
    peak = answer.get("peak", float("nan"))
    return Result(answer["version"], tuple(answer["seconds"]), answer["deviance"], "", note, peak)


def run_python(peer: str, case: Case, python: str, repeats: int, threads: int) -> Result:
    """A worker with a Python package; another environment borrows the data from the checkout."""
    variables = environment(threads)
    if python != sys.executable:
        variables["PYTHONPATH"] = str(TOP / "src")
    arguments = [peer, case.name, str(repeats), str(threads)]
    return run([python, "-m", "benchmarks.worker", *arguments], variables)


def run_lme4(case: Case, repeats: int, threads: int) -> Result:
    """A worker with R; with one BLAS thread or all of them, whichever is faster."""
    data = case.data()
    factors = [name for name in data.columns if data[name].dtype == "category"]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data.csv"
        data.to_csv(path, index=False)
        script = str(TOP / "benchmarks" / "lme4.R")
        command = ["Rscript", script, str(path), case.formula, ",".join(factors), str(repeats)]
        tried = [run(command, environment(count)) for count in sorted({1, threads})]
    return min(tried, key=lambda result: median(result.seconds or (float("inf"),)))


def installed(python: str) -> list[str]:
    """Which packages there are to compare with."""
    found = ["mixedmodels"]
    for peer in PEERS:
        probe = [
            python,
            "-c",
            f"import importlib.util as u; raise SystemExit(not u.find_spec('{peer}'))",
        ]
        if peer not in found and not subprocess.run(probe, check=False).returncode:
            found.append(peer)
    if shutil.which("Rscript"):
        probe = ["Rscript", "-e", "quit(status = !requireNamespace('lme4', quietly = TRUE))"]
        if not subprocess.run(probe, capture_output=True, check=False).returncode:
            found.append("lme4")
    return found


def seconds_text(result: Result) -> str:
    """Median time in a unit that suits it."""
    if result.reason:
        return "–"
    time = median(result.seconds)
    return f"{1000 * time:.2f} ms" if time < 0.1 else f"{time:.2f} s"


def table(results: dict[str, dict[str, Result]], peers: list[str]) -> str:
    """Markdown: times, then deviances, one row per case and one column per package."""
    names = {
        peer: next((r[peer].version for r in results.values() if r[peer].version), "")
        for peer in peers
    }
    head = "| case | " + " | ".join(f"{peer} {names[peer]}" for peer in peers) + " |"
    rule = "|---|" + "---:|" * len(peers)
    times, deviances = [head, rule], [head, rule]
    for case, row in results.items():
        times.append(f"| {case} | " + " | ".join(seconds_text(row[peer]) for peer in peers) + " |")
        reached = (r.reason or f"{r.deviance:.4f}" for r in (row[peer] for peer in peers))
        deviances.append(f"| {case} | " + " | ".join(reached) + " |")
    return "\n".join(
        [*times, "", "Deviance reached (−2 log-likelihood; lower is better):", "", *deviances]
    )


def page(text: str, blas: str, options: argparse.Namespace) -> str:
    """The table with what was measured and how."""
    models = "\n".join(
        f"| {name} | `{BY_NAME[name].formula[:90].replace('|', chr(92) + '|')}` |"
        for name in options.cases
    )
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return f"""# How fast

Whole calls of the fitting function from a DataFrame in memory, maximum likelihood, each package
with its own defaults otherwise. Median of {options.repeats} calls after one untimed call; each
package and model in a process of its own.

- Machine: {machine}; load average before the first case {options.load:.1f}.
- Threads: {options.threads} for every package that takes a number of threads; lme4 with one BLAS
  thread where that is faster (its BLAS: {blas}).

Made by `python -m benchmarks --write docs/benchmarks.md`.

{text}

| case | model |
|---|---|
{models}
"""


def main() -> None:
    """Measure, print, and write the page when asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--peers", default=sys.executable, help="interpreter with the other packages"
    )
    small = [case.name for case in CASES if not case.large]
    parser.add_argument("--cases", nargs="+", choices=list(BY_NAME), default=small)
    parser.add_argument("--packages", nargs="+", help="only these, of those installed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", type=Path, help="Markdown page to write")
    options = parser.parse_args()
    options.load = os.getloadavg()[0]
    print(f"load average {options.load:.1f}: times mean little on a busy machine")

    peers = installed(options.peers)
    if options.packages:
        peers = [peer for peer in peers if peer in options.packages]
    results: dict[str, dict[str, Result]] = {}
    for name in options.cases:
        results[name] = {}
        repeats = min(options.repeats, 2) if BY_NAME[name].large else options.repeats
        for peer in peers:
            if peer == "lme4":
                result = run_lme4(BY_NAME[name], repeats, options.threads)
            else:
                python = sys.executable if peer == "mixedmodels" else options.peers
                result = run_python(peer, BY_NAME[name], python, repeats, options.threads)
            results[name][peer] = result
            reached = result.reason or f"deviance {result.deviance:.6f}"
            print(
                f"{name:<18}{peer:<14}{seconds_text(result):>11}{result.peak:>8.2f} GB  {reached}",
                flush=True,
            )
    text = table(results, peers)
    print("\n" + text)
    if options.write:
        notes = [r.note for row in results.values() for r in row.values() if r.note]
        blas = notes[0] if notes else "not installed"
        options.write.write_text(page(text, blas, options), encoding="utf-8")


if __name__ == "__main__":
    main()
