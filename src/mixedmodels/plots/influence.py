"""Cook's distances: a stem for each deletion, the largest named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.labels import level_names
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import MOST_VECTORS, one_axes, reference, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (6.4, 3.8)
# Deletions that are named if they stand out, and the share of the largest from which on they do.
_NAMED = 5
_STANDS_OUT = 0.35
# Height of a name, as a share of the axis: of two that are nearer, and overlap, one is left out.
_HIGH = 0.07
# Points of a wide character, and the part of the axis at each end where names stand inwards.
_WIDE, _EDGE = 5.2, 0.15
# Levels up to this many are all named on the axis.
_FEW = 25
# A distance at which a deletion is worth a look.
_LOOK = 0.5


@styled
def plot_influence(
    cooks: pd.Series[float],
    *,
    of: str,
    labels: int = _NAMED,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Cook's distances in the order of the deletions.

    Args:
        cooks: By row or level.
        of: What was left out at a time: "row", a grouping factor or "labels".
        labels: Most deletions that are named.
        ax: Axes to draw in; a new figure if None.
        figsize: Size of a new figure.
    """
    figure, axes = one_axes(ax, figsize or SIZE)
    draw_influence(axes, cooks=cooks, of=of, labels=labels)
    return figure


def draw_influence(
    axes: Axes,
    *,
    cooks: pd.Series[float],
    of: str,
    labels: int = _NAMED,
    length: int = 24,
) -> None:
    """Stems, a line where they are worth a look if any is near, and names of the largest."""
    look = palette_of(axes)
    values = cooks.to_numpy(dtype=np.float64)
    places = np.arange(len(values))
    known = np.isfinite(values)
    many = len(values) > MOST_VECTORS
    axes.vlines(places[known], 0.0, values[known], color=look.sky, linewidth=0.6 if many else 1.2,
                rasterized=many)  # fmt: skip
    axes.plot(places[known], values[known], linestyle="none", marker="o", color=look.blue,
              markersize=1.5 if many else 3.4, rasterized=many)  # fmt: skip
    top = float(values[known].max(initial=0.0))
    if top > 0.6 * _LOOK:
        reference(axes, y=_LOOK)
    what = {"row": "Rows", "labels": "Groups"}.get(of, f"Levels of {shorten(of, length)}")
    axes.set(xlabel=f"{what}, in order", ylabel="Cook's distance", title="Influence")
    if of != "row" and len(values) <= _FEW:
        named = level_names(cooks.index, length=length)
        axes.set_xticks(places, named, rotation=90 if max(map(len, named)) > 2 else 0)
        axes.set(xlabel=what)
    else:
        largest = np.argsort(-np.nan_to_num(values), kind="stable")[: min(labels, known.sum())]
        names = level_names([cooks.index[place] for place in largest], length=length)
        _name_largest(axes, values, dict(zip(largest.tolist(), names, strict=True)))
    axes.set_ylim(0.0, 1.12 * top if top > 0.0 else 1.0)
    axes.margins(x=0.04)


def _name_largest(axes: Axes, values: FloatArray, names: Mapping[int, str]) -> None:
    """Names beside the largest that stand out, those left out that would cover another."""
    top = np.nanmax(values, initial=0.0)
    root: Any = axes.figure
    width = 72.0 * axes.get_position().width * root.get_size_inches()[0]
    taken: list[tuple[float, float, float]] = []
    for place, name in names.items():
        x, y = place / len(values), values[place] / top if top > 0.0 else 0.0
        side = "left" if x < _EDGE else "right" if x > 1.0 - _EDGE else "center"
        wide = _WIDE * (len(name) + 1) / width
        left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[side] * wide
        covers = (
            left < end and start < left + wide and abs(y - height) < _HIGH
            for start, end, height in taken
        )
        if y < _STANDS_OUT or any(covers):
            continue
        taken.append((left, left + wide, y))
        axes.annotate(
            name,
            (place, values[place]),
            xytext=(0.0, 4.0),
            textcoords="offset points",
            ha=side,
            fontsize=8,
            color=palette_of(axes).ink,
        )
