"""The results as a picture: one line per case, log time, one mark per package."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from benchmarks.cases import GROUPS
from benchmarks.peers import OURS
from benchmarks.results import Results

_MARKS = "osD^vP*Xhd<>p"


def draw(results: Results, path: Path) -> None:
    """Write the picture; hollow marks are wrong answers, arrows calls that were ended."""
    cases = [case for group in GROUPS for case in results.cases(group)]
    packages = results.packages(cases)
    figure = Figure(figsize=(9, 1.6 + 0.3 * len(cases)), layout="constrained")
    axes = figure.add_subplot()
    colours: list[ColorType] = [*mpl.color_sequences["tab10"], "black"]
    others = [name for name in packages if name != OURS]
    looks = {name: (colours[1 + i % 10], _MARKS[1 + i % 12]) for i, name in enumerate(others)}
    looks[OURS] = (colours[0], _MARKS[0])
    for i, package in enumerate(packages):
        _marks(axes, results, cases, package, *looks[package], 0.5 * (i / len(packages) - 0.5))
    axes.set_xscale("log")
    axes.set_yticks(range(len(cases)), cases)
    axes.invert_yaxis()
    axes.set_xlabel("seconds (hollow: not the optimum; arrow: ended after so long)")
    axes.grid(visible=True, which="major", alpha=0.3)
    group_of = {case: group for group in GROUPS for case in results.cases(group)}
    for i, (above, below) in enumerate(pairwise(cases)):
        if group_of[above] != group_of[below]:
            axes.axhline(i + 0.5, color="0.6", linewidth=0.8)
    figure.legend(loc="outside upper center", ncols=5, frameon=False)
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def _marks(
    axes: Axes,
    results: Results,
    cases: list[str],
    package: str,
    colour: ColorType,
    mark: str,
    shift: float,
) -> None:
    """One package's marks; arrows are shifted, for many stand at the same limit."""
    first = True
    size = 9 if package == OURS else 6
    for i, case in enumerate(cases):
        result = results.rows[case].get(package)
        if result is None:
            continue
        over = result.reason == "over"
        x = result.limit if over else result.time
        if not math.isfinite(x):
            continue
        axes.plot(
            [x],
            [i + shift if over else i],
            linestyle="none",
            marker="$→$" if over else mark,
            markersize=size + 3 if over else size,
            color=colour,
            fillstyle="none" if results.wrong(result) else "full",
            zorder=3 if package == OURS else 2,
        )
        if first:
            axes.plot([], [], linestyle="none", marker=mark, color=colour, label=package)
            first = False
