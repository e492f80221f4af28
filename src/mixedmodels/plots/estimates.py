"""Estimates with limits, row by row, in groups that have a heading each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.backend import drawing
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import grid, one_axes, reference, short_labels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.3
# With more panels all estimates stand below each other.
MOST_PANELS = 12
# Decades of a logarithmic axis: below the first its ticks are at equal distances, from the second
# on at powers of ten only.
_SHORT, _LONG = 0.8, 2.7
# Characters of a label.
_LONGEST = 44


@styled
def plot_estimates(
    table: pd.DataFrame,
    groups: Sequence[str] | None = None,
    *,
    title: str,
    level: float,
    measured: str = "estimate",
    zero: float | None = None,
    logarithmic: bool = False,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Estimates with limits in the order of the table, from top to bottom.

    Args:
        table: Columns `estimate`, `lower`, `upper`; one row per estimate, labelled.
        groups: For each row the heading that it stands under, or ""; None for no headings.
        title: Title of the picture.
        level: Coverage of the limits, for the axis.
        measured: What an estimate is a number of, for the axis.
        zero: What estimates are compared with; limits that leave it out are blue, others grey. If
            None, every group has a colour.
        logarithmic: Whether equal distances are equal ratios.
        ax: Axes to draw in; a new figure if None.
        figsize: Size of a new figure, in inches; from the number of rows if None.
    """
    groups = [""] * len(table) if groups is None else groups
    count = _height(groups)
    figure, axes = one_axes(ax, figsize or (7.0, 1.0 + _ROW * max(count, 2)))
    _draw(axes, table, groups, zero)
    axes.set(title=title, xlabel=_axis(measured, level))
    if logarithmic:
        _ratio_axis(axes)
    return figure


def _ratio_axis(axes: Axes) -> None:
    """A logarithmic axis with few round numbers, which do not run into each other."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    decades = math.log10(high / low)
    if decades < _SHORT:
        axes.xaxis.set_major_locator(drawing().MaxNLocator(nbins=6))
    else:
        subs = (1.0, 2.0, 5.0) if decades < _LONG else (1.0,)
        axes.xaxis.set_major_locator(drawing().LogLocator(subs=subs, numticks=8))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(drawing().NullFormatter())


@styled
def plot_estimate_panels(
    table: pd.DataFrame,
    panels: Sequence[str],
    groups: Sequence[str],
    *,
    title: str,
    level: float,
    measured: str,
    zero: float | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """The same in a panel for each of several levels, with one scale for all.

    Args:
        table: As for `plot_estimates`.
        panels: For each row the heading of its panel.
        groups: As for `plot_estimates`.
        title: Title of the picture.
        level: Coverage of the limits, for the axis.
        measured: What an estimate is a number of, for the axis.
        zero: As for `plot_estimates`.
        figsize: Size of the figure, in inches.
    """
    names = list(dict.fromkeys(panels))
    parts = [[i for i, panel in enumerate(panels) if panel == name] for name in names]
    rows = max(_height([groups[i] for i in part]) for part in parts)
    figure, every = grid(
        len(names), (5.6, 0.9 + _ROW * max(rows, 2)), figsize, columns=2, sharex=True
    )
    for name, part, axes in zip(names, parts, every, strict=True):
        _draw(axes, table.iloc[part], [groups[i] for i in part], zero)
        axes.set_title(name)
        axes.tick_params(labelbottom=True)
    figure.supxlabel(_axis(measured, level), fontsize=9)
    figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
    return figure


def _height(groups: Sequence[str]) -> int:
    """Rows of a picture, those of headings among them."""
    return len(groups) + len({name for name in groups if name})


def _axis(measured: str, level: float) -> str:
    return f"{measured[:1].upper()}{measured[1:]} with {100 * level:g} % limits"


def _ends(
    estimate: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(k,) each: where lines end, of a limit that is infinite beyond all numbers."""
    numbers = np.concatenate([estimate, lower, upper])
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return lower, upper
    beyond = 0.15 * (float(np.ptp(numbers)) or 1.0)
    return (
        np.where(np.isneginf(lower), numbers.min() - beyond, lower),
        np.where(np.isposinf(upper), numbers.max() + beyond, upper),
    )


def _draw(axes: Axes, table: pd.DataFrame, groups: Sequence[str], zero: float | None) -> None:
    """Estimates with limits below each other, with their numbers beside the axes."""
    look = palette_of(axes)
    count = _height(groups)
    places, marks = _places(groups)
    estimate, lower, upper = (table[name].to_numpy() for name in ("estimate", "lower", "upper"))
    if zero is not None:
        reference(axes, x=zero)
        away = (lower > zero) | (upper < zero)
        drawn = [(~away, look.grey), (away, look.blue)]
    else:
        distinct = list(dict.fromkeys(groups))
        colors = look.series if len(distinct) <= len(look.series) else (look.blue,)
        drawn = [
            (np.array([name == group for name in groups]), colors[j % len(colors)])
            for j, group in enumerate(distinct)
        ]
    ends = _ends(estimate, lower, upper)
    for chosen, color in drawn:
        axes.hlines(
            places[chosen], ends[0][chosen], ends[1][chosen], color=color, linewidth=2.2, zorder=2
        )
        for limit, end, marker in ((lower, ends[0], "<"), (upper, ends[1], ">")):
            open_end = chosen & np.isinf(limit)
            axes.plot(end[open_end], places[open_end], linestyle="none", marker=marker, color=color)
        axes.plot(
            estimate[chosen],
            places[chosen],
            linestyle="none",
            marker="o",
            markersize=5.0,
            color=color,
            markeredgecolor=look.background,
            markeredgewidth=0.8,
            zorder=3,
        )
    labels = [
        *short_labels(list(map(str, table.index)), _LONGEST),
        *short_labels(list(marks), _LONGEST),
    ]
    axes.set_yticks([*places, *marks.values()], labels)
    for tick in axes.get_yticklabels()[len(table) :]:
        tick.set_fontweight("bold")
    axes.tick_params(axis="y", length=0.0)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(-0.7, count - 0.3)
    for place, *numbers in zip(places, estimate, lower, upper, strict=True):
        if np.isfinite(numbers[0]):
            shown, low, high = interval_texts(numbers)
            text = f"{shown}  [{low}, {high}]".replace("-", "−")
        else:
            text = "not estimable"
        axes.annotate(
            text,
            (1.02, place),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color=look.ink,
        )


def interval_texts(values: Sequence[float]) -> list[str]:
    """An estimate and its limits with common decimals.

    The largest shows three significant digits at least, and so much that the limits differ in two.
    """
    finite = [float(v) for v in values if np.isfinite(v)]
    largest = max(map(abs, finite), default=0.0)
    if not 1e-4 <= largest < 1e6:
        return [f"{v:.3g}" for v in values]
    width = max(finite) - min(finite)
    places = [2 - math.floor(math.log10(largest))]
    if width > 0.0:
        places.append(1 - math.floor(math.log10(width)))
    decimals = min(max(0, *places), 9)
    return [f"{v + 0.0:.{decimals}f}" if np.isfinite(v) else str(v) for v in values]


def _places(
    groups: Sequence[str],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], dict[str, float]]:
    """Heights of the rows and of the headings, which stand above the first row of a group."""
    heights, marks, used = [], {}, 0
    for name in groups:
        if name and name not in marks:
            marks[name] = float(used)
            used += 1
        heights.append(float(used))
        used += 1
    last = used - 1
    return last - np.array(heights), {name: last - height for name, height in marks.items()}
