"""Estimates with limits, row by row, in groups that have a heading each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import one_axes, reference, short_labels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.3
# Characters of a label.
_LONGEST = 44


@styled
def plot_estimates(
    table: pd.DataFrame,
    groups: Sequence[str] | None = None,
    *,
    title: str,
    level: float,
    zero: float | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Estimates with limits in the order of the table, from top to bottom.

    Args:
        table: Columns `estimate`, `lower`, `upper`; one row per estimate, labelled.
        groups: For each row the heading that it stands under, or ""; None for no headings.
        title: Title of the picture.
        level: Coverage of the limits, for the axis.
        zero: What estimates are compared with, or None.
        ax: Axes to draw in; a new figure if None.
        figsize: Size of a new figure, in inches; from the number of rows if None.
    """
    groups = [""] * len(table) if groups is None else groups
    headings = [name for name in dict.fromkeys(groups) if name]
    count = len(table) + len(headings)
    figure, axes = one_axes(ax, figsize or (7.0, 1.0 + _ROW * max(count, 2)))
    look = palette_of(axes)
    places, marks = _places(groups)
    estimate, lower, upper = (table[name].to_numpy() for name in ("estimate", "lower", "upper"))
    away = np.ones(len(table), dtype=np.bool_)
    if zero is not None:
        reference(axes, x=zero)
        away = (lower > zero) | (upper < zero)
    for chosen, color in ((~away, look.grey), (away, look.blue)):
        axes.hlines(
            places[chosen], lower[chosen], upper[chosen], color=color, linewidth=2.2, zorder=2
        )
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
    axes.set(xlabel=f"Estimate and {100 * level:g} % limits", ylim=(-0.7, count - 0.3), title=title)
    for place, *numbers in zip(places, estimate, lower, upper, strict=True):
        if np.isfinite(numbers[0]):
            shown, low, high = (f"{number:.3g}" for number in numbers)
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
    return figure


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
