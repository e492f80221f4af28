"""Estimates with intervals, one row each, the numbers beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import one_axes, reference, short_labels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.3


@styled
def plot_coefficients(
    table: pd.DataFrame,
    *,
    level: float = 0.95,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Estimates with intervals, in the order of the table from top to bottom.

    Args:
        table: Columns `estimate`, `lower`, `upper`; one row per coefficient.
        level: Coverage of the intervals, for the axis.
        ax: Axes to draw in; a new figure if None.
        figsize: Size of a new figure, in inches; from the number of rows if None.
    """
    count = len(table)
    figure, axes = one_axes(ax, figsize or (7.0, 0.9 + _ROW * max(count, 2)))
    look = palette_of(axes)
    estimate, lower, upper = (table[name].to_numpy() for name in ("estimate", "lower", "upper"))
    places = np.arange(count)[::-1]
    away = (lower > 0.0) | (upper < 0.0)
    reference(axes, x=0.0)
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
    axes.set_yticks(places, short_labels(list(map(str, table.index)), 36))
    axes.tick_params(axis="y", length=0.0)
    axes.grid(visible=False, axis="y")
    axes.set(
        xlabel=f"Estimate and {100 * level:g} % interval",
        ylim=(-0.7, count - 0.3),
        title="Fixed effects",
    )
    for place, *numbers in zip(places, estimate, lower, upper, strict=True):
        shown, low, high = (f"{number:.3g}" for number in numbers)
        axes.annotate(
            f"{shown}  [{low}, {high}]".replace("-", "−"),
            (1.02, place),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color=look.ink,
        )
    return figure
