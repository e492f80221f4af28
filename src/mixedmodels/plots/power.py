"""Power against the size of a design, with limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import one_axes, reference, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vP"
_DASHES: tuple[object, ...] = ("-", (0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)))


@styled
def plot_power(
    table: pd.DataFrame,
    factors: Sequence[str],
    *,
    level: float,
    target: float | None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Power with its limits over the levels of the first factor, a line for each of the others.

    Args:
        table: Columns of the factors, `nobs`, `power`, `lower`, `upper`.
        factors: The factors extended.
        level: Coverage of the limits.
        target: Power at which a line is drawn.
        ax: Axes to draw in; a new figure if None.
        figsize: Size of a new figure.
    """
    figure, axes = one_axes(ax, figsize or (6.0, 4.0))
    look = palette_of(axes)
    across = factors[0] if factors else "nobs"
    others = list(factors[1:])
    parts = table.groupby(others, sort=False) if others else [("", table)]
    if target is not None:
        reference(axes, y=target)
    colors = (look.blue, look.orange, look.grey, look.ink)
    for i, (key, part) in enumerate(parts):
        shown = ", ".join(
            f"{name}: {value}" for name, value in zip(others, np.atleast_1d(key), strict=False)
        )
        x, y = part[across].to_numpy(float), part["power"].to_numpy(float)
        away = np.stack([y - part["lower"].to_numpy(float), part["upper"].to_numpy(float) - y])
        axes.errorbar(
            x,
            y,
            yerr=np.maximum(away, 0.0),
            color=colors[i % len(colors)],
            linestyle=_DASHES[i // len(colors) % len(_DASHES)],
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=5.0,
            linewidth=1.6,
            elinewidth=1.2,
            capsize=3.0,
            label=shown or None,
            zorder=3,
        )
    sizes = np.unique(table[across].to_numpy(float))
    if len(sizes) <= 10:
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.set(
        xlabel=f"Levels of {across}" if factors else "Rows",
        ylabel=f"Power, with {100 * level:g} % limits",
        ylim=(-0.02, 1.02),
        title="Power by simulation",
    )
    if others:
        axes.legend(loc="lower right")
    return figure
