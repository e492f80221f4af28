"""Pairs of parameters of a profile: traces and regions, as lme4's splom draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.plots.contours import Trace, contour
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.profiles import LEVELS, Curve, ProfileLike, curves_of
from mixedmodels.plots.style import grid, styled, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# How far the curves go in zeta: beyond the 99 % region of a pair.
FAR = 3.3
_MOST_PAIRED = 8


@styled
def plot_profile_pairs(
    profile: ProfileLike,
    *,
    parameters: str | Sequence[str] | None = None,
    levels: Sequence[float] = LEVELS,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Traces and regions of every pair of parameters; see `Profile.plot_pairs`.

    Raises:
        MixedModelsError: matplotlib is not installed, an unknown parameter, fewer than two, or more
            than eight.
    """
    curves = curves_of(profile, parameters, FAR)
    count = len(curves)
    if not 2 <= count <= _MOST_PAIRED:
        raise MixedModelsError(
            f"Pairs are drawn of 2 to {_MOST_PAIRED} parameters, not of {count}; choose some with "
            f"parameters=, such as {list(profile.parameters)[:3]}."
        )
    frame = profile.to_frame()
    traces = {
        (i, j): _trace(frame, profile, curves[i], curves[j])
        for i in range(count)
        for j in range(count)
        if i != j
    }
    panel = 1.9 if count <= 4 else 1.45
    figure, panels = grid(
        count * count,
        (panel, panel),
        figsize,
        columns=count,
        gridspec_kw={"wspace": 0, "hspace": 0},
    )
    radii = np.sqrt(-2.0 * np.log1p(-np.asarray(sorted(levels))))
    for row in range(count):
        for column in range(count):
            axes = panels[row * count + column]
            if row == column:
                _name(axes, curves[row])
            else:
                pair = (traces[column, row], traces[row, column])
                natural = (curves[column], curves[row]) if row > column else None
                _pair(axes, pair, radii, natural)
                _outer_labels(axes, row, column, count)
    return figure


def _trace(frame: pd.DataFrame, profile: ProfileLike, along: Curve, other: Curve) -> Trace:
    """Zeta of another parameter along the profile of one."""
    found = frame.loc[frame["parameter"] == along.name].dropna(subset=["zeta", other.name])
    found = found.sort_values("zeta")
    values = found[other.name].to_numpy()
    zeta = np.asarray(profile.zeta(other.name, values), dtype=np.float64)
    # Beyond the ends of its own profile (a bound, say) the other's zeta is that of the end.
    zeta = np.where(np.isfinite(zeta), zeta, np.interp(values, other.values, other.zeta))
    return Trace(found["zeta"].to_numpy(), zeta)


def _pair(
    axes: Axes,
    traces: tuple[Trace, Trace],
    radii: FloatArray,
    natural: tuple[Curve, Curve] | None,
) -> None:
    """Regions and traces of one pair; on the scale of zeta unless there are curves."""
    across, up = traces
    look = palette_of(axes)

    def drawn(x: FloatArray, y: FloatArray, **options: Any) -> None:
        if natural is not None:
            x, y = natural[0].inside(x), natural[1].inside(y)
        axes.plot(x, y, **options)

    for depth, radius in enumerate(radii):
        shade = 0.95 - 0.55 * depth / max(len(radii) - 1, 1)
        region = contour(across, up, radius)
        drawn(*region, color=look.blue, linewidth=1.1, alpha=shade, zorder=3)
    steps = np.linspace(-FAR, FAR, 67)
    for trace, swap in ((across, False), (up, True)):
        along = steps[(steps >= trace.along[0]) & (steps <= trace.along[-1])]
        x, y = along, trace.at(along)
        inside = np.abs(y) <= FAR
        x, y = x[inside], y[inside]
        drawn(*((y, x) if swap else (x, y)), color=look.orange, linewidth=1.0, zorder=2)
    if natural is None:
        edge = float(radii[-1]) * 1.08
        axes.set(xlim=(-edge, edge), ylim=(-edge, edge))
    axes.locator_params(nbins=4)


def _name(axes: Axes, curve: Curve) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.text(
        0.5,
        0.5,
        wrap(curve.name, 18),
        ha="center",
        va="center",
        transform=axes.transAxes,
        fontsize=8,
        fontweight="bold",
        color=palette_of(axes).ink,
    )


def _outer_labels(axes: Axes, row: int, column: int, count: int) -> None:
    """Numbers at the left and below for the parameters, at the right and above for zeta."""
    axes.spines[["top", "right"]].set_visible(True)
    lower = row > column
    show_x = row == count - 1 if lower else row == 0
    show_y = column == 0 if lower else column == count - 1
    axes.xaxis.set_tick_params(
        labelbottom=lower and show_x, bottom=lower, labeltop=not lower and show_x, top=not lower
    )
    axes.yaxis.set_tick_params(
        labelleft=lower and show_y, left=lower, labelright=not lower and show_y, right=not lower
    )
    if lower and show_x:
        axes.tick_params(axis="x", rotation=45)
