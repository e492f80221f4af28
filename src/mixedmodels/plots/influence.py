"""Cook's distances: a stem for each deletion, the largest named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import MOST_VECTORS, one_axes, reference, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (6.4, 3.8)
# Deletions that are named if they stand out, and the share of the largest from which on they do.
_NAMED = 5
_STANDS_OUT = 0.35
# Labels are nearer to each other, as shares of width and height, only where one is left out.
_APART = (0.12, 0.07)
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


def draw_influence(axes: Axes, *, cooks: pd.Series[float], of: str, labels: int = _NAMED) -> None:
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
    what = {"row": "Rows", "labels": "Groups"}.get(of, f"Levels of {of}")
    axes.set(xlabel=f"{what}, in order", ylabel="Cook's distance", title="Influence")
    if of != "row" and len(values) <= _FEW:
        named = [shorten(str(label), 24) for label in cooks.index]
        axes.set_xticks(places, named, rotation=90 if max(map(len, named)) > 2 else 0)
        axes.set(xlabel=what)
    else:
        _name_largest(axes, values, cooks.index, min(labels, int(known.sum())))
    axes.set_ylim(0.0, 1.12 * top if top > 0.0 else 1.0)
    axes.margins(x=0.04)


def _name_largest(axes: Axes, values: FloatArray, names: pd.Index, most: int) -> None:
    """Names beside the largest that stand out, those left out that would cover another."""
    top = np.nanmax(values, initial=0.0)
    taken: list[tuple[float, float]] = []
    for place in np.argsort(-np.nan_to_num(values), kind="stable")[:most].tolist():
        x, y = place / len(values), values[place] / top if top > 0.0 else 0.0
        if y < _STANDS_OUT or any(abs(x - a) < _APART[0] and abs(y - b) < _APART[1]
                                  for a, b in taken):  # fmt: skip
            continue
        taken.append((x, y))
        axes.annotate(
            shorten(str(names[place]), 24),
            (place, values[place]),
            xytext=(0.0, 4.0),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=palette_of(axes).ink,
        )
