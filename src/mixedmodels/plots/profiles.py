"""Profiles of single parameters: signed square roots (zeta) and the densities they imply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.plots.contours import Trace
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import chosen, grid, possible, reference, styled, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Bates' levels: of the intervals of one parameter and of the regions of a pair.
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
# Half the width of the pictures in units of zeta, a little beyond the 99 % limits.
_REACH = 2.75
_POINTS = 201
# Part of the axis next to a bound where a density may have a pole, and how many times the rest of
# the density it must exceed to be cut.
_POLE = 0.03
_STEEP = 3.0


class ProfileLike(Protocol):
    """What the pictures need of a profile."""

    @property
    def parameters(self) -> Sequence[str]:
        """Names of the parameters."""

    @property
    def estimates(self) -> pd.Series[float]:
        """Estimates by name."""

    def to_frame(self) -> pd.DataFrame:
        """Columns `parameter`, `zeta` and the value of every parameter there."""

    def zeta(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """Zeta at values of a parameter."""

    def density(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """The density that the profile implies."""


class Curve(NamedTuple):
    """One parameter: where its profile goes."""

    name: str
    estimate: float
    zeta: FloatArray
    values: FloatArray

    def at(self, zeta: FloatArray) -> FloatArray:
        """Values at zeta, continued in straight lines beyond the ends, up to what is possible."""
        return np.clip(Trace(self.zeta, self.values).at(zeta), *possible(self.name))

    def inside(self, zeta: FloatArray) -> FloatArray:
        """The same, but NaN beyond what is possible: a region is open at a bound."""
        low, high = possible(self.name)
        values = Trace(self.zeta, self.values).at(zeta)
        return np.where((values < low) | (values > high), np.nan, values)


@styled
def plot_profile(
    profile: ProfileLike,
    *,
    parameters: str | Sequence[str] | None = None,
    levels: Sequence[float] = LEVELS,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Zeta of each parameter with its intervals; see `Profile.plot`.

    Raises:
        MixedModelsError: matplotlib is not installed, or an unknown parameter.
    """
    curves = curves_of(profile, parameters)
    figure, panels = grid(len(curves), (2.7, 2.5), figsize, sharey=True)
    for axes, curve in zip(panels, curves, strict=True):
        look = palette_of(axes)
        reference(axes, y=0.0)
        _tangent(axes, curve)
        for level in sorted(levels):
            for zeta in scipy.special.ndtri(0.5 + np.array([-level, level]) / 2.0):
                if curve.zeta[0] <= zeta <= curve.zeta[-1]:
                    shown = float(curve.at(np.array([zeta]))[0])
                    main = level == 0.95
                    axes.vlines(
                        shown,
                        0.0,
                        zeta,
                        color=look.orange if main else look.grey,
                        linewidth=1.3 if main else 0.7,
                        zorder=2,
                    )
        axes.plot(curve.values, curve.zeta, color=look.blue, linewidth=1.8, zorder=3)
        axes.plot(curve.estimate, 0.0, "o", color=look.blue, markersize=4.0, zorder=4)
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
    parameters: str | Sequence[str] | None = None,
    level: float = 0.95,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """The density of each parameter with its interval; see `Profile.plot_density`.

    Raises:
        MixedModelsError: matplotlib is not installed, or an unknown parameter.
    """
    curves = curves_of(profile, parameters)
    figure, panels = grid(len(curves), (2.7, 2.2), figsize)
    limits = scipy.special.ndtri(0.5 + np.array([-level, level]) / 2.0)
    for axes, curve in zip(panels, curves, strict=True):
        values = np.linspace(curve.values[0], curve.values[-1], _POINTS)
        height = np.asarray(profile.density(curve.name, values), dtype=np.float64)
        low, high = curve.at(limits)
        blue = palette_of(axes).blue
        inside = (values >= low) & (values <= high)
        axes.fill_between(values[inside], height[inside], color=blue, alpha=0.22, linewidth=0.0)
        axes.plot(values, height, color=blue, linewidth=1.6)
        reference(axes, x=curve.estimate)
        _limit_height(axes, curve, values, height)
        axes.set(yticks=[])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        _finish(axes, curve)
    return figure


def _limit_height(axes: Axes, curve: Curve, values: FloatArray, height: FloatArray) -> None:
    """The density from zero to its maximum; a pole at a bound of the parameter is cut, and said."""
    low, high = possible(curve.name)
    near = _POLE * (values[-1] - values[0])
    inner = (values > low + near) & (values < high - near)
    top, most = (float(np.nanmax(part, initial=0.0)) for part in (height[inner], height))
    cut = most > _STEEP * top > 0.0
    axes.set_ylim(0.0, 1.05 * (top if cut else most) or None)
    if cut:
        bound = values[int(np.nanargmax(height))]
        text = f"rises beyond the axis at {bound:.3g}"
        axes.text(0.5, 0.97, text, transform=axes.transAxes, ha="center", va="top", fontsize=7)


def curves_of(
    profile: ProfileLike, parameters: str | Sequence[str] | None, reach: float = _REACH
) -> list[Curve]:
    """The curves of the parameters asked for, no further than `reach` in zeta.

    Raises:
        MixedModelsError: An unknown parameter.
    """
    names = chosen(parameters, list(profile.parameters), "profile")
    frame = profile.to_frame()
    return [_curve(frame, profile, name, reach) for name in names]


def _curve(frame: pd.DataFrame, profile: ProfileLike, name: str, reach: float) -> Curve:
    """Zeta on a fine grid of values, no further than the profile goes."""
    found = frame.loc[frame["parameter"] == name, [name, "zeta"]].dropna()
    if len(found) < 3:
        raise MixedModelsError(
            f"The profile of '{name}' has {len(found)} points, too few to draw; choose others with "
            "parameters=."
        )
    values, zeta = np.sort(found[name].to_numpy()), np.sort(found["zeta"].to_numpy())
    low, high = max(zeta[0], -reach), min(zeta[-1], reach)
    ends = np.interp([low, high], zeta, values)
    places = np.linspace(ends[0], ends[1], _POINTS)
    heights = np.asarray(profile.zeta(name, places), dtype=np.float64)
    known = np.isfinite(heights)
    # Where a spline would turn back by rounding, it is level.
    return Curve(
        name,
        float(profile.estimates[name]),
        np.maximum.accumulate(heights[known]),
        places[known],
    )


def _tangent(axes: Axes, curve: Curve) -> None:
    centre = int(np.clip(np.searchsorted(curve.values, curve.estimate), 2, len(curve.values) - 3))
    run = curve.values[centre + 2] - curve.values[centre - 2]
    slope = (curve.zeta[centre + 2] - curve.zeta[centre - 2]) / run
    ends = curve.values[[0, -1]]
    axes.plot(
        ends,
        slope * (ends - curve.estimate),
        color=palette_of(axes).grey,
        linewidth=0.9,
        linestyle=(0, (4, 3)),
        zorder=1,
    )


def _finish(axes: Axes, curve: Curve) -> None:
    axes.set_title(wrap(curve.name, 30), fontsize=9)
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0.03)
