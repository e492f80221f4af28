"""Markdown from results: times, objectives and memory of each group of cases."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import TypeAlias

from benchmarks.cases import BY_NAME, GROUPS
from benchmarks.results import TOLERANCE, Result, Results
from benchmarks.worker import LONG

Cell: TypeAlias = Callable[[str, str], str]
WRONG = "✗"
LOWEST = "lowest"
BAR = "\\|"  # within a cell


def seconds(time: float) -> str:
    """A time in a unit that suits it, three figures."""
    if abs(time) < 0.1:
        return f"{1000 * time:#.3g} ms".replace(". ", " ")
    return f"{time:#.3g} s".replace(". ", " ") if time < 1000 else f"{time:.0f} s"


def time_text(results: Results, result: Result) -> str:
    """Median time, marked when the answer is wrong, or why there is none."""
    if result.reason == "over":
        return f"over {result.limit:.0f} s"
    if not result.seconds:
        return "–"
    mark = f" {WRONG}" if results.wrong(result) else ""
    return seconds(result.time) + mark


def reached_text(results: Results, result: Result) -> str:
    """How far above the lowest objective; for refits the mean of sigma."""
    if not result.seconds:
        return "–"
    if BY_NAME[result.case].kind == "refit":
        return f"{result.objective:.4g}" if math.isfinite(result.objective) else "?"
    excess = results.excess(result)
    if not math.isfinite(excess):
        return f"none {WRONG}"
    return f"+{excess:.5f}" + (f" {WRONG}" if results.wrong(result) else "")


def memory_text(result: Result) -> str:
    """Peak memory in GB."""
    if not math.isfinite(result.peak):
        return "–"
    return f"{result.peak:.2f}" + (" at least" if result.reason == "over" else "")


def table(label: str, cases: list[str], columns: list[str], cell: Cell) -> str:
    """A table with a row for each case."""
    head = [f"| {label} | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    rows = (f"| {case} | {' | '.join(cell(case, name) for name in columns)} |" for case in cases)
    return "\n".join([*head, *rows])


def section(results: Results, group: str) -> str:
    """The tables of one group."""
    cases = results.cases(group)
    packages = results.packages(cases)

    def time(case: str, package: str) -> str:
        return time_text(results, results.get(case, package))

    def reached(case: str, package: str) -> str:
        if package == LOWEST:
            return f"{results.best(case):.4f}"
        return reached_text(results, results.get(case, package))

    def memory(case: str, package: str) -> str:
        return memory_text(results.get(case, package))

    refit = group == "refit"
    label = "mean of σ" if refit else "−2 log L above the lowest"
    parts = (
        f"## {GROUPS[group].title}",
        table("time", cases, packages, time),
        table(label, cases, packages if refit else [LOWEST, *packages], reached),
        table("peak memory, GB", cases, packages, memory),
        reasons(results, cases),
    )
    return "\n\n".join(part for part in parts if part)


def reasons(results: Results, cases: list[str]) -> str:
    """Why there is no time, and other notes, one line per package."""
    told: dict[str, dict[str, list[str]]] = {}
    for case in cases:
        for name, result in results.rows[case].items():
            text = "" if result.reason == "over" else result.reason
            if result.seconds and len(result.seconds) == 1:
                text = "one call"
            for remark in (text, result.note):
                if remark:
                    told.setdefault(name, {}).setdefault(remark, []).append(case)
    lines = []
    for name, remarks in told.items():
        whole = [
            remark if len(found) == len(cases) else f"{remark} ({', '.join(found)})"
            for remark, found in remarks.items()
        ]
        lines.append(f"- {name}: {'; '.join(whole)}.")
    return "\n".join(lines)


def page(results: Results, picture: str) -> str:
    """The whole page."""
    facts = results.conditions
    groups = [group for group in GROUPS if results.cases(group)]
    rows = [result for row in results.rows.values() for result in row.values()]
    versions = {result.package: result.version for result in rows if result.version}
    blas = next((result.blas for result in rows if result.blas), "")
    lme4 = f"; {facts['lme4_threads']} for the BLAS of lme4, {blas}" if blas else ""
    named = textwrap.fill(
        "- Packages: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        width=100,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    models = "\n".join(
        f"| {name} | `{BY_NAME[name].shown.replace('|', BAR)}` |"
        for group in groups
        if group not in ("core", "refit")
        for name in results.cases(group)
    )
    image = f"![Time of every case and package]({picture})\n" if picture else ""
    sections = "\n\n".join(section(results, group) for group in groups)
    return f"""# How fast

Each package fits each model by maximum likelihood with its own defaults otherwise, from a table in
memory, in a process of its own; medians of several calls after one that is not counted (one call
alone where it takes more than {LONG:g} seconds). A time is marked {WRONG}, and drawn hollow, when
the objective reached is more than {TOLERANCE:g} above the lowest that any package reached: a fast
wrong answer.

- Machine: {facts["cores"]} cores, {facts["processor"]} ({facts["machine"]}),
  Python {facts["python"]}, {facts["date"]}; load average before the first case {facts["load"]}.
- Threads: {facts["threads"]} for every package and its BLAS{lme4}.
{named}
- lme4-noderivs is lme4 without its check of derivatives (`calc.derivs = FALSE`). gpboost-iterative
  is GPBoost's default, whose likelihood is approximate: its exact one is computed from the
  variances it found.
- Memory is the peak resident memory of the process from the first call on, data and libraries
  included.
- "over N s" is a call that was ended after N seconds; "–" is a case that a package cannot fit.

Made by `python -m benchmarks --write docs/benchmarks.md --plot docs/benchmarks.svg`.

{image}
{sections}

## The models

| case | model |
|---|---|
{models}
"""
