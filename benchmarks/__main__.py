"""Time this package and every other that is installed on the same models; write a page.

    python -m benchmarks [--peers PYTHON] [--groups NAME ...] [--cases NAME ...]
                         [--packages NAME ...] [--results FILE] [--write PAGE] [--plot PICTURE]

`--peers` is the interpreter of an environment with the other Python packages (pip install glmm
mixedlm lme-python gpboost interlace-lme mixedlm-rs statsmodels formulaic); without it they are
looked for in this one. lme4 is used when `Rscript` finds it. Every package and case has its own
process, one after the other. How often and how long each group of cases is run is in `cases.GROUPS`
and can be overridden. With `--results` what is in the file already is kept, and measured again only
with `--again`, so that a run can be made in parts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import BY_NAME, CASES, GROUPS
from benchmarks.data import read, thinned, write
from benchmarks.generated import load
from benchmarks.peers import OURS
from benchmarks.picture import draw
from benchmarks.processes import Bounds, installed, measure
from benchmarks.results import TOLERANCE, Result, Results, conditions
from benchmarks.tables import memory_text, page, reached_text, section, time_text


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--peers", default=sys.executable, help="interpreter with the other packages")
    add("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    add("--cases", nargs="+", choices=list(BY_NAME), help="instead of groups")
    add("--packages", nargs="+", help="only these, of those installed")
    add("--repeats", type=int, help="timed calls at most")
    add("--budget", type=float, help="seconds after which no further call is begun")
    add("--limit", type=float, help="seconds that one call may take")
    add("--memory", type=float, default=0, help="GB of address space for a process; 0: no bound")
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--lme4-threads", type=int, default=1, help="threads of lme4's BLAS")
    add("--thin", type=int, default=1, help="take every Nth row only, to try the benchmarks")
    add("--results", type=Path, help="JSON file with results, kept from run to run")
    add("--again", action="store_true", help="measure what the file of results has already")
    add("--write", type=Path, help="Markdown page to write")
    add("--plot", type=Path, help="picture to write, .svg or .png")
    return parser.parse_args()


def run(asked: argparse.Namespace, results: Results) -> None:
    """Measure what is not there yet."""
    packages = installed(asked.peers)
    if asked.packages:
        packages = [name for name in packages if name in asked.packages]
    names = asked.cases or [case.name for case in CASES if case.group in asked.groups]
    for name in names:
        case, group = BY_NAME[name], GROUPS[BY_NAME[name].group]
        there = {} if asked.again else results.rows.get(name, {})
        missing = [package for package in packages if package not in there]
        if not missing:
            continue
        bounds = Bounds(
            asked.repeats or group.repeats,
            group.budget if asked.budget is None else asked.budget,
            asked.limit or group.limit,
            asked.threads,
            asked.lme4_threads,
            asked.memory,
        )
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            write(thinned(load(case.dataset), asked.thin), folder)
            for package in missing:
                result = measure(package, case, folder, asked.peers, bounds)
                results.add(result.judged_exactly(case, read(folder)))
                show(results, results.rows[name][package])


def show(results: Results, result: Result) -> None:
    """A line on the way."""
    reached = result.reason or f"{result.objective:.6f} {reached_text(results, result)}"
    name, time = f"{result.case:<18} {result.package:<18}", time_text(results, result)
    print(f"{name}{time:>12}{memory_text(result):>15} GB  {reached} {result.note}", flush=True)
    ours = results.rows[result.case].get(OURS)
    if ours and results.wrong(ours):
        best = results.best(result.case)
        print(f"  {OURS} is {ours.objective - best:.6f} above {best:.6f} (allowed {TOLERANCE:g})")


def main() -> None:
    """Measure, print, and write the page and the picture when asked."""
    asked = options()
    results = Results(asked.results)
    if not results.conditions:
        results.conditions = conditions(asked.threads, asked.lme4_threads)
    print(f"load average {os.getloadavg()[0]:.1f}: times mean little on a busy machine")
    run(asked, results)
    print("\n\n".join(section(results, group) for group in GROUPS if results.cases(group)))
    if asked.plot:
        draw(results, asked.plot)
    if asked.write:
        picture = os.path.relpath(asked.plot, asked.write.parent) if asked.plot else ""
        asked.write.write_text(page(results, picture), encoding="utf-8")


if __name__ == "__main__":
    main()
