"""Residuals: against fitted values, their spread, and against normal quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.plots.labels import MOST_LEVELS, level_names
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.smooth import local_line
from mixedmodels.plots.style import MOST_VECTORS, one_axes, ramp, reference, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (5.6, 4.0)
SQUARE = (4.6, 4.4)
# More points than this are counted in hexagons instead of drawn.
MOST_POINTS = 5000
# Points of a quantile plot that are drawn; the tails are all among them.
_MOST_QUANTILES = 2000


@styled
def plot_residuals(
    fitted: FloatArray,
    residuals: FloatArray,
    *,
    kind: str = "Residuals",
    against: str = "Fitted values",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Residuals (n,) against fitted or other values (n,), with a smooth line.

    `kind` is the name of the residuals, `against` that of the values.
    """
    figure, axes = one_axes(ax, figsize or SIZE)
    _against_fitted(axes, fitted, residuals, level=0.0)
    other = "fitted values" if against == "Fitted values" else against
    axes.set(xlabel=against, ylabel=kind, title=f"{kind} against {other}")
    return figure


@styled
def plot_residuals_by(
    codes: IntArray,
    levels: Sequence[str],
    residuals: FloatArray,
    *,
    kind: str = "Residuals",
    of: str,
    max_labels: int = MOST_LEVELS,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Residuals by level: points, and bars from quartile to quartile with the median.

    Args:
        codes: (n,) level of each row.
        levels: Names of the levels.
        residuals: (n,).
        kind: Name of the residuals.
        of: Name of what has the levels.
        max_labels: Levels up to this many are named; more stand in the order of their medians.
        ax: Axes to draw in; a new figure if None.
        figsize: Size of a new figure.
    """
    count = len(levels)
    few = count <= max_labels
    size = (SIZE[0], max(SIZE[1], 0.9 + 0.2 * count)) if few else SIZE
    figure, axes = one_axes(ax, figsize or size)
    look = palette_of(axes)
    reference(axes, x=0.0)
    quartiles = _quartiles(codes, count, residuals)
    place = np.empty(count)
    order = np.arange(count) if few else np.argsort(-quartiles[:, 1], kind="stable")
    place[order] = count - 1.0 - np.arange(count)
    many = len(residuals) > MOST_VECTORS
    axes.plot(residuals, place[codes], linestyle="none", marker="o", color=look.blue,
              rasterized=many, markersize=2.0 if many else 3.2, alpha=0.35 if many else 0.6,
              markeredgewidth=0.0, zorder=3)  # fmt: skip
    low, middle, high = quartiles.T
    width = 5.0 if few else max(120.0 / count, 0.3)
    axes.hlines(place, low, high, color=look.sky, linewidth=width, alpha=0.6, zorder=2)
    mark: dict[str, Any] = (
        {"marker": "|", "markersize": 9.0} if few else {"marker": ".", "markersize": 3.0}
    )
    axes.plot(middle, place, linestyle="none", color=look.orange, zorder=4, **mark)
    if few:
        axes.set_yticks(range(count)[::-1], level_names(levels))
    else:
        axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    name = of if few else f"{of}: {count:,} levels by their medians"
    axes.set(xlabel=kind, ylabel=name, title=f"{kind} by {of}", ylim=(-0.8, count - 0.2))
    return figure


def _quartiles(codes: IntArray, count: int, values: FloatArray) -> FloatArray:
    """(count, 3) quartiles of the values of each level; each has some."""
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=count))[:-1]
    parts = np.split(values[order], ends)
    found: FloatArray = np.array([np.quantile(part, [0.25, 0.5, 0.75]) for part in parts])
    return found


@styled
def plot_scale_location(
    fitted: FloatArray,
    standardized: FloatArray,
    *,
    kind: str = "Standardised residuals",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Square roots of absolute standardised residuals (n,) against fitted values (n,).

    The line to compare with is the mean for normal residuals of unit variance, 0.822.
    """
    figure, axes = one_axes(ax, figsize or SIZE)
    _against_fitted(axes, fitted, np.sqrt(np.abs(standardized)), level=0.8221789)
    axes.set_ylim(bottom=0.0)
    axes.set(
        xlabel="Fitted values",
        ylabel=f"√|{kind[:1].lower()}{kind[1:].removesuffix('s')}|",
        title="Spread against fitted values",
    )
    return figure


@styled
def plot_qq(
    values: FloatArray,
    *,
    kind: str = "Standardised residuals",
    level: float = 0.95,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Values (n,) against normal quantiles, with a line through the quartiles and a band."""
    figure, axes = one_axes(ax, figsize or SQUARE)
    draw_qq(axes, values, level=level)
    axes.set(xlabel="Normal quantiles", ylabel=kind, title=f"{kind}: normal QQ")
    return figure


def draw_qq(
    axes: Axes, values: FloatArray, *, level: float, half_widths: FloatArray | None = None
) -> None:
    """Points, line through the quartiles and band; intervals of given half widths, if any."""
    look = palette_of(axes)
    order = np.argsort(values)
    ranks = _ranks(len(values))
    position = (ranks - 0.5) / len(values)
    x, y = scipy.special.ndtri(position), values[order][ranks - 1]
    slope = np.subtract(*np.quantile(values, [0.75, 0.25])) / (
        scipy.special.ndtri(0.75) - scipy.special.ndtri(0.25)
    )
    middle = float(np.mean(np.quantile(values, [0.25, 0.75])))
    tail = (1.0 - level) / 2.0
    low, high = (
        middle
        + slope * scipy.special.ndtri(scipy.special.betaincinv(ranks, len(values) + 1.0 - ranks, p))
        for p in (tail, 1.0 - tail)
    )
    axes.fill_between(x, low, high, color=look.pale, alpha=0.45, linewidth=0.0, zorder=1)
    axes.plot(x, middle + slope * x, color=look.orange, linewidth=1.3, zorder=2)
    many = len(x) > MOST_VECTORS
    if half_widths is not None and not many:
        half = half_widths[order][ranks - 1]
        axes.vlines(x, y - half, y + half, color=look.blue, alpha=0.35, linewidth=0.9, zorder=2)
    axes.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=2.2 if many else 3.4,
        color=look.blue,
        alpha=0.9,
        markeredgewidth=0.0,
        zorder=3,
        rasterized=many,
    )


def _ranks(count: int) -> LongArray:
    """The ranks 1 ... count, thinned in the middle where there are many."""
    if count <= _MOST_QUANTILES:
        return np.arange(1, count + 1)
    tail = _MOST_QUANTILES // 8
    last = scipy.special.ndtri(1.0 - tail / count)
    middle = np.rint(scipy.special.ndtr(np.linspace(-last, last, _MOST_QUANTILES)) * count)
    ends = np.arange(1, tail + 1)
    ranks: LongArray = np.unique(np.concatenate([ends, middle, count + 1 - ends]).astype(np.int64))
    return ranks


def _against_fitted(axes: Axes, fitted: FloatArray, values: FloatArray, *, level: float) -> None:
    reference(axes, y=level)
    _cloud(axes, fitted, values)
    _trend(axes, fitted, values)


def _cloud(axes: Axes, x: FloatArray, y: FloatArray) -> None:
    """Points, the fainter the more there are; hexagons of counts where they would hide others."""
    colors = palette_of(axes)
    if len(x) > MOST_POINTS:
        look: dict[str, Any] = {"gridsize": (90, 54), "mincnt": 1, "linewidths": 0.0}
        cells = axes.hexbin(x, y, bins="log", cmap=ramp(axes), rasterized=True, **look)
        bar = axes.figure.colorbar(cells, ax=axes, pad=0.02, aspect=30, shrink=0.7)
        bar.set_label("rows", color=colors.ink)
        bar.outline.set_visible(False)
        return
    alpha = float(np.clip(60.0 / np.sqrt(len(x) + 1.0) / 4.0, 0.25, 0.8))
    many = len(x) > MOST_VECTORS
    size = 16.0 if len(x) <= 500 else 9.0
    look = {"alpha": alpha, "linewidths": 0.0, "rasterized": many, "zorder": 2}
    axes.scatter(x, y, s=size, color=colors.blue, **look)


def _trend(axes: Axes, x: FloatArray, y: FloatArray) -> None:
    line = local_line(x, y)
    if line is not None:
        axes.plot(*line, color=palette_of(axes).orange, linewidth=1.8, zorder=4)
