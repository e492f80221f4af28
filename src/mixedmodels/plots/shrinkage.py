"""From within-group least squares to conditional modes: what borrowing strength does."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import MOST_VECTORS, grid, reference, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Arrows up to this many levels; lines for more.
MOST_ARROWS = 150
_MOST_PAIRS = 6
# Interquartile ranges beyond the quartiles up to which estimates of single levels set the limits.
_FENCE = 2.0


@styled
def plot_shrinkage(
    within: pd.DataFrame,
    modes: pd.DataFrame,
    population: Mapping[str, float],
    *,
    group: str,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Arrows from each level's own least-squares estimates to its conditional modes.

    Args:
        within: (levels by effects) coefficients of each level by itself; NaN where the level has
            too few rows.
        modes: (levels by effects) coefficients of each level in the model.
        population: Coefficient of the population for each effect.
        group: Name of the grouping factor.
        figsize: Size in inches.

    Raises:
        MixedModelsError: matplotlib is not installed, or no level has estimates by itself.
    """
    usable = within.notna().all(axis=1).to_numpy()
    if not usable.any():
        raise MixedModelsError(
            f"No level of '{group}' has rows enough for least-squares estimates by itself, so "
            "there is nothing to shrink from."
        )
    start, end = within.to_numpy()[usable], modes.to_numpy()[usable]
    names = [str(name) for name in within.columns]
    centre = np.array([population[name] for name in names])
    low, high = _frame(start, end)
    note = _note(len(usable), int(usable.sum()), _outside(start, low, high))
    pairs = list(itertools.combinations(range(len(names)), 2))[:_MOST_PAIRS]
    panel = (4.8, 4.4) if pairs else (6.4, 2.9)
    figure, panels = grid(max(len(pairs), 1), panel, figsize)
    if pairs:
        for axes, (i, j) in zip(panels, pairs, strict=True):
            _arrows(axes, start[:, [i, j]], end[:, [i, j]], centre[[i, j]])
            axes.set(xlim=(low[i], high[i]), ylim=(low[j], high[j]))
            axes.set(xlabel=shorten(names[i], 40), ylabel=shorten(names[j], 40))
        _legend(panels[0], note)
    else:
        _lines(panels[0], start[:, 0], end[:, 0], centre[0])
        panels[0].set_xlim(low[0], high[0])
        panels[0].set_xlabel(shorten(names[0], 60))
        if note:
            figure.supxlabel(note, fontsize=8, color=palette_of(panels[0]).grey)
    panels[0].set_title(f"Shrinkage of {shorten(group, 40)}")
    return figure


def _arrows(axes: Axes, start: FloatArray, end: FloatArray, centre: FloatArray) -> None:
    few = len(start) <= MOST_ARROWS
    many = len(start) > MOST_VECTORS
    colors = palette_of(axes)
    reference(axes, x=centre[0], y=centre[1])
    if few:
        move = end - start
        axes.quiver(
            *start.T,
            *move.T,
            angles="xy",
            scale_units="xy",
            scale=1.0,
            width=0.0035,
            headwidth=4.5,
            headlength=5.0,
            headaxislength=4.5,
            color=colors.grey,
            alpha=0.8,
            zorder=2,
        )
    else:
        _segments(axes, start, end, rasterized=many)
    size = 20.0 if few else 4.0
    look: dict[str, Any] = {"linewidths": 0.0, "rasterized": many}
    alpha = 0.9 if few else 0.6
    axes.scatter(start[:, 0], start[:, 1], size, color=colors.orange, alpha=alpha, zorder=3, **look)
    axes.scatter(end[:, 0], end[:, 1], size, color=colors.blue, zorder=4, **look)
    axes.plot(*centre, marker="+", markersize=11, color=colors.ink, markeredgewidth=1.6, zorder=5)


def _frame(start: FloatArray, end: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(effects,) limits that show all modes, and all estimates of single levels but outliers."""
    first, third = np.quantile(start, [0.25, 0.75], axis=0)
    reach = _FENCE * (third - first)
    low = np.maximum(start.min(axis=0), np.minimum(first - reach, end.min(axis=0)))
    high = np.minimum(start.max(axis=0), np.maximum(third + reach, end.max(axis=0)))
    low, high = np.minimum(low, end.min(axis=0)), np.maximum(high, end.max(axis=0))
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _outside(start: FloatArray, low: FloatArray, high: FloatArray) -> int:
    """How many levels have an estimate by themselves outside the limits."""
    return int(((start < low) | (start > high)).any(axis=1).sum())


def _note(levels: int, usable: int, outside: int) -> str:
    """What the picture does not show."""
    notes = []
    if usable < levels:
        notes.append(f"{levels - usable:,} of {levels:,} levels have too few rows")
    if outside:
        notes.append(f"{_counted(outside)} outside the axes")
    return "; ".join(notes)


def _counted(outside: int) -> str:
    if outside == 1:
        return "1 level by itself lies"
    return f"{outside:,} levels by themselves lie"


def _lines(axes: Axes, start: FloatArray, end: FloatArray, centre: float) -> None:
    """One effect: the level's own estimate above, the model's below."""
    many = len(start) > MOST_VECTORS
    reference(axes, x=centre)
    above, below = (np.column_stack([x, np.full(len(x), y)]) for x, y in ((start, 1.0), (end, 0.0)))
    _segments(axes, above, below, rasterized=many)
    size = 20.0 if len(start) <= MOST_ARROWS else 5.0
    look: dict[str, Any] = {"linewidths": 0.0, "rasterized": many}
    colors = palette_of(axes)
    for points, color in ((above, colors.orange), (below, colors.blue)):
        axes.scatter(points[:, 0], points[:, 1], s=size, color=color, zorder=3, **look)
    axes.set_yticks([0.0, 1.0], ["conditional\nmodes", "each level\nby itself"])
    axes.set_ylim(-0.15, 1.15)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0.0)


def _segments(axes: Axes, start: FloatArray, end: FloatArray, *, rasterized: bool) -> None:
    """A thin line from each start to its end, all in one artist."""
    gap = np.full((len(start), 1), np.nan)
    x = np.column_stack([start[:, 0], end[:, 0], gap]).ravel()
    y = np.column_stack([start[:, 1], end[:, 1], gap]).ravel()
    alpha = float(np.clip(80.0 / len(start), 0.04, 0.7))
    color = palette_of(axes).grey
    axes.plot(x, y, color=color, linewidth=0.8, alpha=alpha, zorder=2, rasterized=rasterized)


def _legend(axes: Axes, note: str) -> None:
    colors = palette_of(axes)
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 5}
    axes.plot([], [], color=colors.orange, label="each level by itself", **look)
    axes.plot([], [], color=colors.blue, label="conditional modes", **look)
    look |= {"marker": "+", "markersize": 9}
    axes.plot([], [], color=colors.ink, label="population", **look)
    axes.figure.legend(loc="outside lower center", ncols=3, title=note or None, title_fontsize=8)
