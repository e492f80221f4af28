"""The panel of checks: residuals, their spread and distribution, random effects, influence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.influence import draw_influence
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.residuals import draw_qq, plot_residuals, plot_scale_location
from mixedmodels.plots.style import grid, reference, short_labels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Effects whose modes are drawn.
_MOST_EFFECTS = 3
_BINS = 20
# Characters of a title and of a label that have room in a panel.
_TITLE, _LABEL = 32, 18


@styled
def plot_checks(
    fitted: FloatArray,
    scaled: FloatArray,
    modes: Mapping[str, FloatArray],
    *,
    quantile: FloatArray | None,
    cooks: pd.Series[float] | None,
    cooks_of: str,
    vif: pd.Series[float] | None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """A panel of pictures.

    Args:
        fitted: (n,) fitted values.
        scaled: (n,) residuals over their standard deviation.
        modes: By effect (levels,) conditional modes.
        quantile: (n,) quantile residuals, or None.
        cooks: Cook's distances, or None.
        cooks_of: What they are of.
        vif: Variance inflations by term, or None.
        figsize: Size in inches.
    """
    draws: list[Callable[[Axes], object]] = [
        partial(_residuals, fitted, scaled),
        partial(_spread, fitted, scaled),
        partial(_qq, scaled, "Residuals: normal QQ", "Scaled residual"),
    ]
    drawn = [name for name, values in modes.items() if np.ptp(values) > 0.0]
    draws += [
        partial(_qq, modes[name], f"{shown}:\nnormal QQ", "Conditional mode")
        for name, shown in zip(drawn, short_labels(drawn[:_MOST_EFFECTS], _TITLE), strict=False)
    ]
    if quantile is not None:
        draws.append(partial(_uniform, quantile))
    if cooks is not None:
        draws.append(partial(draw_influence, cooks=cooks, of=cooks_of, labels=3, length=_LABEL))
    if vif is not None:
        draws.append(partial(_inflation, vif))
    figure, panels = grid(len(draws), (3.6, 3.0), figsize, columns=3)
    for draw, axes in zip(draws, panels, strict=True):
        draw(axes)
    return figure


def _residuals(fitted: FloatArray, scaled: FloatArray, axes: Axes) -> None:
    plot_residuals(fitted, scaled, ax=axes)
    axes.set(title="Linearity", ylabel="Scaled residual")


def _spread(fitted: FloatArray, scaled: FloatArray, axes: Axes) -> None:
    plot_scale_location(fitted, scaled, ax=axes)
    axes.set(title="Spread", ylabel="√|scaled residual|")


def _qq(values: FloatArray, title: str, label: str, axes: Axes) -> None:
    draw_qq(axes, values, level=0.95)
    axes.set(xlabel="Normal quantiles", ylabel=label, title=title)


def _uniform(quantile: FloatArray, axes: Axes) -> None:
    """A histogram, which is level where the model is right."""
    look = palette_of(axes)
    bins = int(np.clip(len(quantile) // 10, 4, _BINS))
    axes.hist(quantile, bins=bins, range=(0.0, 1.0), color=look.sky,
              edgecolor=look.background, linewidth=0.6)  # fmt: skip
    reference(axes, y=len(quantile) / bins)
    axes.set(xlabel="Quantile residual", ylabel="Rows", title="Simulated residuals", xlim=(0, 1))


def _inflation(vif: pd.Series[float], axes: Axes) -> None:
    look = palette_of(axes)
    places = np.arange(len(vif))[::-1]
    values = vif.to_numpy(dtype=np.float64)
    axes.hlines(places, 1.0, values, color=look.sky, linewidth=2.0)
    axes.plot(values, places, linestyle="none", marker="o", markersize=5.0, color=look.blue)
    axes.set_yticks(places, short_labels(list(map(str, vif.index)), _LABEL))
    reference(axes, x=5.0)
    axes.set(xlabel="Variance inflation", title="Collinearity", ylim=(-0.7, len(vif) - 0.3))
