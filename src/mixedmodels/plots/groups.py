"""Coefficients of each group with intervals, a panel for each coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.plots.labels import level_names
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import MOST_VECTORS, grid, reference, shorten, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Groups up to this many are named on the axis by default.
MOST_NAMED = 75
_ROW = 0.17


@styled
def plot_groups(
    intervals: pd.DataFrame,
    *,
    level: float,
    sort: str | None,
    max_labels: int = MOST_NAMED,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Estimates and intervals by group.

    Args:
        intervals: `estimate`, `lower`, `upper`, rows by group and coefficient.
        level: Coverage, for the axes.
        sort: The coefficient by which groups are ordered, or None for the order of the levels.
        max_labels: Groups up to this many are named.
        figsize: Size in inches.
    """
    names = list(dict.fromkeys(intervals.index.get_level_values(1)))
    groups = intervals.index.get_level_values(0).unique()
    estimates = intervals["estimate"].unstack(level=1).reindex(index=groups, columns=names)
    groups = groups[::-1] if sort is None else estimates.sort_values(sort, kind="stable").index
    places = np.arange(len(groups))
    named = len(groups) <= max_labels
    height = max(2.4, 0.9 + _ROW * len(groups)) if named else 4.5
    width = 3.2 + (0.8 if named else 0.0)
    figure, panels = grid(len(names), (width, height), figsize, columns=min(len(names), 3))
    for position, (name, axes) in enumerate(zip(names, panels, strict=True)):
        own = intervals.xs(name, level=1).reindex(groups)
        look = palette_of(axes)
        reference(axes, x=float(own["estimate"].mean()))
        axes.hlines(
            places,
            own["lower"],
            own["upper"],
            color=look.sky,
            linewidth=1.8 if named else 0.8,
            rasterized=len(groups) > MOST_VECTORS,
        )
        axes.plot(
            own["estimate"],
            places,
            linestyle="none",
            marker="o",
            markersize=3.5 if named else 1.5,
            color=look.blue,
        )
        axes.set(xlabel=f"Estimate and {100 * level:g} % interval", title=shorten(str(name), 40))
        axes.set_ylim(-0.8, len(groups) - 0.2)
        if named and position % 3 == 0:
            axes.set_yticks(places, level_names(groups))
        else:
            axes.set_yticks([])
        axes.grid(visible=False, axis="y")
    return figure
