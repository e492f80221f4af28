"""Profiles: signed square roots (zeta), the densities they imply, and pairs of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from mixedmodels.errors import MixedModelsError
from mixedmodels.plots.contours import Trace, contour
from mixedmodels.plots.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    grid,
    possible,
    reference,
    styled,
    wrap,
)
from mixedmodels.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Bates' levels: of the intervals of one parameter and of the regions of a pair.
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
# Half the width of the pictures in units of zeta, a little beyond the 99 % limits.
_REACH = 2.75
# The same for pairs: beyond the 99 % region.
_FAR = 3.3
_POINTS = 201
_MOST_PAIRED = 8


class ProfileLike(Protocol):
    """What the pictures ask of a profile."""

    @property
    def parameters(self) -> Sequence[str]:
        """Names."""

    @property
    def estimates(self) -> pd.Series[float]:
        """Estimates by name."""

    def to_frame(self) -> pd.DataFrame:
        """Columns `parameter`, `zeta` and the value of every parameter there."""

    def zeta(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """Zeta at values of a parameter."""

    def value(self, parameter: str, zeta: npt.ArrayLike) -> FloatArray:
        """Values of a parameter at zeta."""

    def density(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """The density that the profile implies."""


class _Curve(NamedTuple):
    """One parameter: where its profile goes."""

    name: str
    estimate: float
    zeta: FloatArray
    values: FloatArray

    def at(self, zeta: FloatArray) -> FloatArray:
        """Values at zeta, continued in straight lines beyond the ends, up to what is possible."""
        return np.clip(Trace(self.zeta, self.values).at(zeta), *possible(self.name))


@styled
def plot_profile(
    profile: ProfileLike,
    *,
    parameters: Sequence[str] | None = None,
    levels: Sequence[float] = LEVELS,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Zeta of each parameter, with its intervals: straight where Wald intervals would do.

    Vertical lines go from the axis to the curve at the limits of each level; the dashed line is
    the tangent at the estimate, the zeta of a Wald interval.

    Args:
        profile: The profile.
        parameters: Which, in what order; all if None.
        levels: Of the intervals.
        figsize: In inches.

    Returns:
        The figure.

    Raises:
        MixedModelsError: matplotlib is not installed, or an unknown parameter.
    """
    curves = _curves(profile, parameters)
    figure, panels = grid(len(curves), (2.7, 2.5), figsize, sharey=True)
    for axes, curve in zip(panels, curves, strict=True):
        reference(axes, y=0.0)
        _tangent(axes, curve)
        for level in sorted(levels):
            for zeta in ndtri(0.5 + np.array([-level, level]) / 2.0):
                if curve.zeta[0] <= zeta <= curve.zeta[-1]:
                    shown = float(curve.at(np.array([zeta]))[0])
                    main = level == 0.95
                    axes.vlines(
                        shown,
                        0.0,
                        zeta,
                        color=ORANGE if main else GREY,
                        linewidth=1.3 if main else 0.7,
                        zorder=2,
                    )
        axes.plot(curve.values, curve.zeta, color=BLUE, linewidth=1.8, zorder=3)
        axes.plot(curve.estimate, 0.0, "o", color=BLUE, markersize=4.0, zorder=4)
        _finish(axes, curve)
        axes.set_ylim(-_REACH - 0.15, _REACH + 0.15)
    for axes in panels:
        if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axes.set_ylabel("ζ")
    return figure


@styled
def plot_profile_density(
    profile: ProfileLike,
    *,
    parameters: Sequence[str] | None = None,
    level: float = 0.95,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """The density of each parameter that its profile implies, its interval shaded.

    Args:
        profile: The profile.
        parameters: Which, in what order; all if None.
        level: Of the interval.
        figsize: In inches.

    Returns:
        The figure.

    Raises:
        MixedModelsError: matplotlib is not installed, or an unknown parameter.
    """
    curves = _curves(profile, parameters)
    figure, panels = grid(len(curves), (2.7, 2.2), figsize)
    limits = ndtri(0.5 + np.array([-level, level]) / 2.0)
    for axes, curve in zip(panels, curves, strict=True):
        values = np.linspace(curve.values[0], curve.values[-1], _POINTS)
        height = np.asarray(profile.density(curve.name, values), dtype=np.float64)
        low, high = curve.at(limits)
        inside = (values >= low) & (values <= high)
        axes.fill_between(values[inside], height[inside], color=BLUE, alpha=0.22, linewidth=0.0)
        axes.plot(values, height, color=BLUE, linewidth=1.6)
        reference(axes, x=curve.estimate)
        axes.set(ylim=(0.0, None), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        _finish(axes, curve)
    return figure


@styled
def plot_profile_pairs(
    profile: ProfileLike,
    *,
    parameters: Sequence[str] | None = None,
    levels: Sequence[float] = LEVELS,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Every pair of parameters: traces of the profiles and regions interpolated from them.

    Below the diagonal on the scale of the parameters, above it on that of zeta, where a quadratic
    criterion would give circles cut by straight traces. The regions are those of Bates and Watts
    (1988, appendix A6), each bounded by four points that the traces give exactly.

    Args:
        profile: The profile, of two parameters at least.
        parameters: Which, in what order; all if None.
        levels: Of the regions.
        figsize: In inches.

    Returns:
        The figure.

    Raises:
        MixedModelsError: matplotlib is not installed, an unknown parameter, fewer than two, or more
            than eight.
    """
    curves = _curves(profile, parameters, _FAR)
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


def _curves(
    profile: ProfileLike, parameters: Sequence[str] | None, reach: float = _REACH
) -> list[_Curve]:
    known = list(profile.parameters)
    chosen = known if parameters is None else list(parameters)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise MixedModelsError(
            f"parameters is {chosen!r}; it must be some of the profile's: {', '.join(known)}."
        )
    frame = profile.to_frame()
    return [_curve(frame, profile, name, reach) for name in chosen]


def _curve(frame: pd.DataFrame, profile: ProfileLike, name: str, reach: float) -> _Curve:
    """Zeta on a fine grid of values, no further than the profile goes."""
    found = frame.loc[frame["parameter"] == name, [name, "zeta"]].dropna()
    values, zeta = np.sort(found[name].to_numpy()), np.sort(found["zeta"].to_numpy())
    low, high = max(zeta[0], -reach), min(zeta[-1], reach)
    ends = np.interp([low, high], zeta, values)
    places = np.linspace(ends[0], ends[1], _POINTS)
    heights = np.asarray(profile.zeta(name, places), dtype=np.float64)
    known = np.isfinite(heights)
    # Where a spline would turn back by rounding, it is level.
    return _Curve(
        name,
        float(profile.estimates[name]),
        np.maximum.accumulate(heights[known]),
        places[known],
    )


def _trace(frame: pd.DataFrame, profile: ProfileLike, along: _Curve, other: _Curve) -> Trace:
    """Zeta of another parameter along the profile of one."""
    found = frame.loc[frame["parameter"] == along.name].dropna(subset=["zeta", other.name])
    found = found.sort_values("zeta")
    values = found[other.name].to_numpy()
    zeta = np.asarray(profile.zeta(other.name, values), dtype=np.float64)
    # Beyond the ends of its own profile (a bound, say) the other's zeta is that of the end.
    zeta = np.where(np.isfinite(zeta), zeta, np.interp(values, other.values, other.zeta))
    return Trace(found["zeta"].to_numpy(), zeta)


def _tangent(axes: Axes, curve: _Curve) -> None:
    centre = int(np.clip(np.searchsorted(curve.values, curve.estimate), 2, len(curve.values) - 3))
    run = curve.values[centre + 2] - curve.values[centre - 2]
    slope = (curve.zeta[centre + 2] - curve.zeta[centre - 2]) / run
    ends = curve.values[[0, -1]]
    axes.plot(
        ends,
        slope * (ends - curve.estimate),
        color=GREY,
        linewidth=0.9,
        linestyle=(0, (4, 3)),
        zorder=1,
    )


def _finish(axes: Axes, curve: _Curve) -> None:
    axes.set_title(wrap(curve.name, 30), fontsize=9)
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0.03)


def _pair(
    axes: Axes,
    traces: tuple[Trace, Trace],
    radii: FloatArray,
    natural: tuple[_Curve, _Curve] | None,
) -> None:
    """Regions and traces of one pair; on the scale of zeta unless there are curves."""
    across, up = traces

    def drawn(x: FloatArray, y: FloatArray, **look: Any) -> None:
        if natural is not None:
            x, y = natural[0].at(x), natural[1].at(y)
        axes.plot(x, y, **look)

    for depth, radius in enumerate(radii):
        shade = 0.95 - 0.55 * depth / max(len(radii) - 1, 1)
        drawn(*contour(across, up, radius), color=BLUE, linewidth=1.1, alpha=shade, zorder=3)
    steps = np.linspace(-_FAR, _FAR, 67)
    for trace, swap in ((across, False), (up, True)):
        along = steps[(steps >= trace.along[0]) & (steps <= trace.along[-1])]
        x, y = along, trace.at(along)
        inside = np.abs(y) <= _FAR
        x, y = x[inside], y[inside]
        drawn(*((y, x) if swap else (x, y)), color=ORANGE, linewidth=1.0, zorder=2)
    if natural is None:
        edge = float(radii[-1]) * 1.08
        axes.set(xlim=(-edge, edge), ylim=(-edge, edge))
    axes.locator_params(nbins=4)


def _name(axes: Axes, curve: _Curve) -> None:
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
        color=INK,
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
