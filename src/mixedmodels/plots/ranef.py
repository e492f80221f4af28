"""Random effects by level: caterpillars with conditional intervals, and normal quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.plots.labels import MOST_NAMED, Renaming, level_names
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.residuals import draw_qq
from mixedmodels.plots.style import (
    MOST_VECTORS,
    grid,
    new_figure,
    reference,
    shorten,
    styled,
)
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Sort: TypeAlias = Literal["auto", "first", "each", "none"]
SORTS: tuple[Sort, ...] = get_args(Sort)

# Intervals are drawn beside normal quantiles for up to this many levels.
MOST_INTERVALS = 200
_ROW = 0.17
_PANEL = 3.2
# Matplotlib refuses figures of more than 2^16 pixels in a direction.
_TALLEST = 150.0


class _Facet(NamedTuple):
    """One effect of one grouping factor."""

    group: str
    effect: str
    modes: FloatArray
    half: FloatArray
    levels: pd.Index


@styled
def plot_ranef(
    tables: Mapping[str, pd.DataFrame],
    condvar: Mapping[str, FloatArray],
    *,
    level: float = 0.95,
    sort: Sort = "auto",
    labels: Renaming | None = None,
    max_labels: int = MOST_NAMED,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Conditional modes with conditional intervals; see `plot_ranef` of a fit.

    Args:
        tables: Grouping factor to modes (levels by effects).
        condvar: Grouping factor to conditional covariances (levels, effects, effects).
        level: Coverage of the intervals.
        sort: Order of the levels.
        labels: What to call levels: a mapping or a function of their names.
        max_labels: Most levels that are named.
        figsize: Size in inches; from the number of levels and effects if None.

    Returns:
        A row of panels per grouping factor, or one row where each has one effect.

    Raises:
        MixedModelsError: Unknown `sort`.
    """
    sort = chosen_option("sort", sort, SORTS)
    rows = [_facets(name, table, condvar[name], level) for name, table in tables.items()]
    if all(len(row) == 1 for row in rows) and len(rows) <= 3:
        rows = [[row[0] for row in rows]]
    heights = [max(_height(len(facet.levels), max_labels) for facet in row) for row in rows]
    width = max(map(len, rows))
    size = figsize or (max(_PANEL * width + 0.6, 4.5), sum(heights) + 0.6 * len(rows))
    figure = new_figure(size)
    bands = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)
    for row, (band,) in zip(rows, bands, strict=True):
        panels = band.subplots(1, width, squeeze=False)[0]
        for position, axes in enumerate(panels):
            if position >= len(row):
                axes.set_visible(False)
                continue
            first = row[0] if row[0].group == row[position].group else row[position]
            named = len(first.levels) <= max_labels
            order = _order(row[position], first, sort, named=named)
            _caterpillar(axes, row[position], order, named=named)
            axes.set_xlabel("Conditional mode")
            if named and (row[position] is first or sort == "each"):
                names = level_names(row[position].levels, labels)
                axes.set_yticks(range(len(order)), [names[i] for i in order])
    return figure


@styled
def plot_qq_ranef(
    tables: Mapping[str, pd.DataFrame],
    condvar: Mapping[str, FloatArray],
    *,
    level: float = 0.95,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Conditional modes against normal quantiles, one panel per effect.

    Args:
        tables: Grouping factor to modes (levels by effects).
        condvar: Grouping factor to conditional covariances (levels, effects, effects).
        level: Coverage of the intervals and the band.
        figsize: Size in inches.
    """
    rows = [_facets(name, table, condvar[name], level) for name, table in tables.items()]
    facets = [facet for row in rows for facet in row]
    figure, panels = grid(len(facets), (3.4, 3.2), figsize)
    for axes, facet in zip(panels, facets, strict=True):
        few = len(facet.modes) <= MOST_INTERVALS
        draw_qq(axes, facet.modes, level=level, half_widths=facet.half if few else None)
        axes.set(xlabel="Normal quantiles", ylabel="Conditional mode", title=_title(facet))
    return figure


def _facets(name: str, table: pd.DataFrame, condvar: FloatArray, level: float) -> list[_Facet]:
    reach = scipy.special.ndtri(0.5 + level / 2.0)
    half = reach * np.sqrt(np.clip(np.einsum("lss->ls", condvar), 0.0, None))
    return [
        _Facet(name, str(effect), table.iloc[:, j].to_numpy(), half[:, j], table.index)
        for j, effect in enumerate(table.columns)
    ]


def _height(count: int, most: int) -> float:
    return min(max(1.6, _ROW * count), _TALLEST) if count <= most else 3.4


def _title(facet: _Facet) -> str:
    return shorten(f"{facet.group}: {facet.effect}", 38)


def _caterpillar(axes: Axes, facet: _Facet, order: AnyArray, *, named: bool) -> None:
    """Modes and intervals in an order; the places of levels are marked, but not named."""
    count = len(facet.levels)
    modes, half = facet.modes[order], facet.half[order]
    places = np.arange(count)
    away = np.abs(modes) > half
    many = count > MOST_VECTORS
    line = 1.6 if named else max(0.35, min(1.2, 160.0 / count))
    # Thin lines side by side make a surface, which is paler and without transparency.
    look = palette_of(axes)
    colors = (look.grey, look.blue) if named else (look.pale, look.sky)
    reference(axes, x=0.0)
    for chosen, color, depth in ((~away, colors[0], 2), (away, colors[1], 3)):
        axes.hlines(
            places[chosen],
            (modes - half)[chosen],
            (modes + half)[chosen],
            color=color,
            linewidth=line,
            zorder=depth,
            rasterized=many,
        )
    axes.scatter(
        modes,
        places,
        s=14.0 if named else 1.2,
        color=np.where(away, look.blue, look.ink) if named else look.strong,
        linewidths=0.0,
        zorder=4,
        rasterized=many,
    )
    axes.set(title=_title(facet), ylim=(-0.03 * count - 0.6, 1.03 * count - 0.4))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0.0)
    if named:
        axes.set_yticks(places, [""] * count)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{count:,} levels")


def _order(facet: _Facet, first: _Facet, sort: Sort, *, named: bool) -> AnyArray:
    if sort == "none":
        # The first level on top, as in a table.
        return np.arange(len(facet.levels))[::-1]
    if sort == "each" or (sort == "auto" and not named):
        return np.argsort(facet.modes, kind="stable")
    return np.argsort(first.modes, kind="stable")
