"""Replicates of a bootstrap: the density of each parameter, one ridge above the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.smooth import density
from mixedmodels.plots.style import chosen, grid, possible, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Distance from a bound, relative to the estimate (to 1 for a correlation), within which replicates
# count as at the bound.
_AT_BOUND = 1e-4


@styled
def plot_bootstrap(
    replicates: pd.DataFrame,
    estimates: pd.Series[float],
    *,
    parameters: str | Sequence[str] | None = None,
    level: float = 0.95,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """The density of each parameter's replicates; see `Bootstrap.plot`.

    Args:
        replicates: (nsim, parameters); rows of NaN are left out.
        estimates: Estimates by parameter.
        parameters: A name, or names from top to bottom; all if None.
        level: Coverage of the intervals.
        figsize: Size in inches; from the number of parameters if None.

    Raises:
        MixedModelsError: matplotlib is not installed, an unknown parameter, or no replicates.
    """
    names = chosen(parameters, list(map(str, replicates.columns)), "bootstrap")
    size = figsize or (6.4, 0.35 + 0.95 * len(names))
    figure, rows = grid(len(names), size, size, columns=1)
    for axes, name in zip(rows, names, strict=True):
        values = replicates[name].to_numpy(dtype=np.float64)
        values = values[np.isfinite(values)]
        if values.size < 2:
            raise MixedModelsError(f"There are {values.size} replicates of '{name}' to draw.")
        _ridge(axes, name, values, float(estimates[name]), level)
    return figure


def _ridge(axes: Axes, name: str, values: FloatArray, estimate: float, level: float) -> None:
    look = palette_of(axes)
    low, high = possible(name)
    near = _AT_BOUND * (1.0 if name.startswith("cor(") else abs(estimate))
    at_bound = (values <= low + near) | (values >= high - near)
    inside = values[~at_bound]
    if inside.size > 1:
        places, heights = density(inside, low, high)
        heights = heights / heights.max()
        axes.fill_between(places, heights, color=look.blue, alpha=0.25, linewidth=0.0)
        axes.plot(places, heights, color=look.blue, linewidth=1.4)
    top = 1.12
    for bound in (low, high):
        share = float(np.mean(np.abs(values - bound) <= near)) if np.isfinite(bound) else 0.0
        if share > 0.0:
            top = 1.45
            _spike(axes, bound, share, left=bound == high)
    limits = np.quantile(values, 0.5 + np.array([-level, level]) / 2.0)
    axes.plot(limits, [-0.16, -0.16], color=look.ink, linewidth=2.2)
    axes.plot([estimate, estimate], [-0.16, 1.0], color=look.orange, linewidth=1.4)
    axes.set(yticks=[], ylim=(-0.3, top))
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=7)
    axes.set_ylabel(
        shorten(name, 30), rotation=0, ha="right", va="center", fontsize=9, fontweight="bold"
    )


def _spike(axes: Axes, bound: float, share: float, *, left: bool) -> None:
    look = palette_of(axes)
    axes.plot([bound, bound], [0.0, 1.0], color=look.blue, linewidth=3.0, solid_capstyle="butt")
    axes.annotate(
        f"{100 * share:.2g} % at {bound:g}",
        (bound, 1.0),
        xytext=(3 if left else -3, 1),
        textcoords="offset points",
        ha="right" if left else "left",
        va="bottom",
        fontsize=8,
        color=look.ink,
    )
