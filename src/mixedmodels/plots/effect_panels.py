"""An effect in several panels: one for each level of a third variable."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from mixedmodels.arrays import IntArray
from mixedmodels.plots.effects import (
    Curve,
    Effect,
    Marks,
    Strands,
    draw_effect,
    foot_of,
    plot_effect,
    title_of,
)
from mixedmodels.plots.estimates import MOST_PANELS
from mixedmodels.plots.labels import Renaming, level_names
from mixedmodels.plots.style import grid, shorten, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = (3.0, 2.9)
# Characters of a line below the panels, for each inch of width.
_CHARACTERS = 13


@styled
def plot_panels(
    effect: Effect,
    *,
    max_labels: int,
    labels: Renaming | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw an effect, a panel for each level of its third variable.

    Args:
        effect: What there is to draw; its curves say which panel they are of.
        max_labels: Most levels that are named.
        labels: What to call levels.
        figsize: Size of the figure, in inches.
    """
    levels = list(dict.fromkeys(curve.panel for curve in effect.curves))
    if len(levels) > MOST_PANELS:
        return plot_effect(effect, max_labels=max_labels, labels=labels, figsize=figsize)
    figure, panels = grid(len(levels), _PANEL, figsize, sharex=True, sharey=True)
    shown = level_names(levels, labels)
    last = len(levels) - 1
    for number, (level, axes) in enumerate(zip(levels, panels, strict=True)):
        part = _panel(effect, level)
        draw_effect(
            axes, part, max_labels=max_labels, labels=labels, legend=number == last, inside=False
        )
        axes.set_title(shorten(f"{effect.panel} = {shown[number]}", 34))
        axes.set_xlabel("")
        axes.set_ylabel("")
        axes.label_outer()
    below, beside, notes = foot_of(_panel(effect, levels[0]), turned=False)
    width = int(_CHARACTERS * figure.get_size_inches()[0])
    figure.supxlabel("\n".join([below, *textwrap.wrap(notes, width)]), fontsize=9)
    figure.supylabel(beside, fontsize=9)
    figure.suptitle(title_of(effect), fontsize=10, fontweight="bold", x=0.01, ha="left")
    return figure


def _panel(effect: Effect, level: str) -> Effect:
    """The part of an effect in one panel: every curve of the others, empty where it has none."""
    names = list(dict.fromkeys(curve.name for curve in effect.curves))
    own = {c.name: j for j, c in enumerate(effect.curves) if c.panel == level}
    curves = [effect.curves[own[n]] if n in own else _empty(effect.curves[0], n) for n in names]
    places = np.full(len(effect.curves), -1, dtype=np.int32)
    for place, name in enumerate(names):
        if name in own:
            places[own[name]] = place
    return dataclasses.replace(
        effect,
        curves=tuple(curves),
        panel="",
        marks=None if effect.marks is None else _marks(effect.marks, places),
        strands=None if effect.strands is None else _strands(effect.strands, places),
    )


def _empty(like: Curve, name: str) -> Curve:
    nothing = np.full(len(like.at), np.nan)
    return Curve(name, like.at, nothing, nothing, nothing)


def _marks(marks: Marks, places: IntArray) -> Marks:
    curve = places[marks.curve]
    here = curve >= 0
    return Marks(marks.what, marks.at[here], marks.y[here], curve[here])


def _strands(strands: Strands, places: IntArray) -> Strands:
    curve = places[strands.curve]
    here = curve >= 0
    return Strands(strands.what, strands.levels, curve[here], strands.y[here])
