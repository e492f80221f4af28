"""Predictions over a covariate or the levels of a factor: lines with bands, points with limits.

Behind them are data or partial residuals, and lines of the levels of a grouping factor.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.plots.labels import Renaming, level_names
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import MOST_VECTORS, one_axes, ramp, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lines with colours and bands of their own; more have colours of a scale, and no bands.
MOST_COLORS = 8
# Points behind the lines, and lines of levels of a grouping factor; of more some are drawn.
MOST_POINTS = 3000
MOST_STRANDS = 100
# Entries of the legend.
_MOST_ENTRIES = 12
# Largest number of levels on the horizontal axis, and of characters of all their names.
_BESIDE = 8
_CHARACTERS = 56
_ROW = 0.26
_TALLEST = 150.0


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line, or a row of points: predictions with limits.

    Attributes:
        name: What it is in the legend.
        at: (k,) values of the covariate, or positions of levels.
        estimate: (k,) predictions; NaN where there is none.
        lower: (k,) lower limits.
        upper: (k,) upper limits.
        panel: The level of a third variable that it belongs to, or "".
    """

    name: str
    at: FloatArray
    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray
    panel: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Points behind the curves.

    Attributes:
        what: What they are.
        at: (n,) values of the covariate, or positions of levels.
        y: (n,) values.
        curve: (n,) the curve that each belongs to.
    """

    what: str
    at: FloatArray
    y: FloatArray
    curve: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Strands:
    """Lines of the levels of a grouping factor.

    Attributes:
        what: The grouping factor.
        levels: How many levels it has.
        curve: (s,) the curve that each line belongs to.
        y: (s, k) its values where that has them; NaN where there is none.
    """

    what: str
    levels: int
    curve: IntArray
    y: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What a picture of an effect shows.

    Attributes:
        variable: What predictions are made over.
        levels: Its levels; None for a covariate, which has lines.
        by: What tells the curves apart, or "".
        response: What is predicted.
        curves: The predictions.
        notes: How they were made.
        marks: Points behind them.
        strands: Lines behind them.
        panel: What tells panels apart, or "".
    """

    variable: str
    levels: tuple[str, ...] | None
    by: str
    response: str
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    marks: Marks | None = None
    strands: Strands | None = None
    panel: str = ""


@styled
def plot_effect(
    effect: Effect,
    *,
    max_labels: int,
    labels: Renaming | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw an effect.

    Args:
        effect: What there is to draw.
        max_labels: Most levels that are named.
        labels: What to call levels.
        ax: Axes to draw in; a new figure if None.
        figsize: Size of a new figure, in inches.
    """
    if effect.panel:
        effect = _in_one(effect)
    names = None if effect.levels is None else level_names(effect.levels, labels)
    legend = bool(effect.by) or effect.strands is not None
    size = figsize or _size(names or (), max_labels, _is_turned(names), legend)
    figure, axes = one_axes(ax, size)
    draw_effect(
        axes, effect, max_labels=max_labels, labels=labels, legend=legend, inside=ax is not None
    )
    return figure


def draw_effect(
    axes: Axes,
    effect: Effect,
    *,
    max_labels: int,
    labels: Renaming | None,
    legend: bool,
    inside: bool,
) -> None:
    """Draw into axes; `inside` where a legend beside them may have no room."""
    names = None if effect.levels is None else level_names(effect.levels, labels)
    turned = _is_turned(names)
    drawing = _Drawing(axes, effect, turned, max_labels)
    drawing.strands()
    drawing.marks()
    drawing.curves()
    _label_axes(axes, effect, names if names and len(names) <= max_labels else None, turned)
    if legend:
        drawing.legend(level_names((c.name for c in effect.curves), labels), inside=inside)


def _is_turned(names: Sequence[str] | None) -> bool:
    """Whether levels stand below each other, since beside each other they have no room."""
    return names is not None and (len(names) > _BESIDE or sum(map(len, names)) > _CHARACTERS)


def _in_one(effect: Effect) -> Effect:
    """All panels in one: their names are those of curves."""
    curves = tuple(replace(c, name=f"{c.name} {c.panel}".strip(), panel="") for c in effect.curves)
    return replace(effect, curves=curves, by=f"{effect.by}, {effect.panel}", panel="")


def _size(names: Sequence[str], most: int, turned: bool, legend: bool) -> tuple[float, float]:
    width, height = 6.0 + (1.6 if legend else 0.0), 4.2
    if turned and len(names) <= most:
        height = min(max(1.4 + _ROW * len(names), 3.4), _TALLEST)
        width += 0.05 * max(map(len, names))
    return width, height


class _Drawing:
    """The axes and what is drawn into them."""

    def __init__(self, axes: Axes, effect: Effect, turned: bool, max_labels: int) -> None:
        self._axes, self._effect, self._turned = axes, effect, turned
        self._look = palette_of(axes)
        count = len(effect.curves)
        self._few = count <= MOST_COLORS
        self._colors: list[Any] = (
            list(self._look.series[:count])
            if self._few
            else [ramp(axes)(0.15 + 0.7 * share) for share in self._heights() / max(count - 1, 1)]
        )
        levels = effect.levels
        self._named = levels is None or len(levels) <= max_labels
        # Levels without names stand in the order of what is predicted for them.
        self._places = None if self._named else np.argsort(np.argsort(-effect.curves[0].estimate))
        # Points of several curves at a level stand side by side.
        wide = 0.0 if levels is None or not self._few else min(0.16 * (count - 1), 0.56)
        self._shift = np.linspace(-0.5, 0.5, count) * wide if count > 1 else np.zeros(1)

    def _heights(self) -> LongArray:
        """(curves,) the rank of the mean of each curve."""
        means = [
            np.nanmean(np.append(c.estimate, -np.inf if np.isnan(c.estimate).all() else np.nan))
            for c in self._effect.curves
        ]
        return np.argsort(np.argsort(means))

    def _at(self, at: FloatArray, curve: Any) -> FloatArray:
        """Where values of a curve stand: levels beside those of other curves."""
        if self._effect.levels is None:
            return at
        places = at if self._places is None else self._places[at.astype(np.int64)]
        return np.asarray(places + self._shift[curve], dtype=np.float64)

    def _plot(self, at: FloatArray, y: FloatArray, **look: Any) -> Any:
        x, y = (y, at) if self._turned else (at, y)
        return self._axes.plot(x, y, **look)

    def strands(self) -> None:
        """Lines of levels, evenly chosen by their mean where there are many."""
        strands = self._effect.strands
        if strands is None or not len(strands.y):
            return
        order = np.argsort(np.nanmean(strands.y, axis=1), kind="stable")
        chosen = order[np.unique(np.linspace(0, len(order) - 1, MOST_STRANDS).round().astype(int))]
        alone = len(self._effect.curves) == 1
        alpha = float(np.clip(9.0 / np.sqrt(len(chosen)) / 4.0, 0.22, 0.6))
        for s in chosen.tolist():
            curve = int(strands.curve[s])
            color = self._look.grey if alone else self._colors[curve]
            at = self._at(self._effect.curves[curve].at, curve)
            # A level with one point has no line.
            marker = "o" if np.isfinite(strands.y[s]).sum() == 1 else ""
            look = {"marker": marker, "markersize": 3.0, "linewidth": 0.8, "zorder": 1.5}
            self._plot(at, strands.y[s], color=color, alpha=alpha, **look)

    def marks(self) -> None:
        """Points, the fainter the more there are; beside each other at levels."""
        marks = self._effect.marks
        if marks is None or not len(marks.y):
            return
        rng, count = np.random.default_rng(1), len(marks.y)
        rows = np.arange(count)
        if count > MOST_POINTS:
            rows = np.sort(rng.choice(count, MOST_POINTS, replace=False))
        curve = marks.curve[rows]
        at = self._at(marks.at[rows], curve)
        if self._effect.levels is not None:
            spread = 0.25 if len(self._effect.curves) == 1 else 0.4 * self._gap()
            at = at + rng.uniform(-spread, spread, len(rows)) / 2.0
        alone = len(self._effect.curves) == 1
        alpha = float(np.clip(9.0 / np.sqrt(len(rows) + 1.0), 0.16, 0.55))
        colors = [self._look.grey] if alone else self._colors
        for j, color in enumerate(colors):
            own = np.ones(len(rows), np.bool_) if alone else curve == j
            self._plot(
                at[own], marks.y[rows][own], linestyle="none", marker="o", color=color,
                alpha=alpha, markersize=3.4 if len(rows) <= 500 else 2.4, markeredgewidth=0.0,
                zorder=2, rasterized=len(rows) > MOST_VECTORS,
            )  # fmt: skip

    def _gap(self) -> float:
        return float(self._shift[1] - self._shift[0]) if len(self._shift) > 1 else 0.25

    def curves(self) -> None:
        """Predictions, in front."""
        for j, curve in enumerate(self._effect.curves):
            color = self._colors[j] if self._effect.by else self._look.blue
            if self._effect.levels is None:
                self._line(curve, color)
            else:
                self._points(curve, color, self._at(curve.at, j))

    def _line(self, curve: Curve, color: Any) -> None:
        look: dict[str, Any] = {"color": color, "zorder": 4}
        if self._few:
            look["linewidth"] = 2.0
        else:
            look |= {
                "linewidth": 0.9,
                "alpha": float(np.clip(30.0 / len(self._effect.curves), 0.3, 1.0)),
            }
        if len(curve.at) == 1:
            look |= {"marker": "o", "markersize": 5.0}
        self._plot(curve.at, curve.estimate, **look)
        if self._few:
            alpha = 0.25 if len(self._effect.curves) <= 3 else 0.15
            band: dict[str, Any] = {"color": color, "alpha": alpha, "linewidth": 0.0, "zorder": 3}
            self._axes.fill_between(curve.at, curve.lower, curve.upper, **band)

    def _points(self, curve: Curve, color: Any, at: FloatArray) -> None:
        count = len(at)
        if self._few:
            lines = self._axes.hlines if self._turned else self._axes.vlines
            width = 2.0 if self._named else max(0.4, min(1.4, 120.0 / count))
            shade = color if self._named or self._effect.by else self._look.sky
            lines(at, curve.lower, curve.upper, color=shade, linewidth=width, zorder=3)
        if len(self._effect.curves) > 1 and not self._turned:
            self._plot(at, curve.estimate, color=color, linewidth=0.9, alpha=0.6, zorder=3)
        size = 5.5 if self._named and self._few else 2.6 if count <= 100 else 1.6
        color = color if self._named or self._effect.by else self._look.strong
        self._plot(
            at, curve.estimate, linestyle="none", marker="o", markersize=size, color=color,
            markeredgecolor=self._look.background, markeredgewidth=0.8 if size > 4.0 else 0.0,
            zorder=4,
        )  # fmt: skip

    def legend(self, names: Sequence[str], *, inside: bool) -> None:
        """Names of curves beside the axes; within the axes of others, where least is covered."""
        effect, handles, shown = self._effect, [], []
        if effect.by:
            for j in self._entries():
                handles += self._axes.plot([], [], color=self._colors[j], linewidth=2.0)
                shown.append(names[j])
            if len(handles) < len(names):
                handles += self._axes.plot([], [], linestyle="none")
                shown.append(f"and {len(names) - len(shown):,} between")
        if effect.strands is not None:
            handles += self._axes.plot([], [], color=self._look.grey, linewidth=0.8)
            shown.append(_strand_text(effect.strands))
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
        if inside and not _makes_room(self._axes):
            place = {"loc": "best"}
        self._axes.legend(
            handles, shown, title=shorten(effect.by, 24) or None, alignment="left", **place
        )

    def _entries(self) -> list[int]:
        """Curves in the legend: all, or some from the highest to the lowest."""
        count = len(self._effect.curves)
        if self._few:
            return list(range(count))
        chosen = np.linspace(count - 1, 0, min(count, _MOST_ENTRIES - 1)).round().astype(int)
        return [int(j) for j in np.argsort(self._heights(), kind="stable")[chosen]]


def _makes_room(axes: Axes) -> bool:
    figure: Any = axes.get_figure()
    return getattr(figure, "get_layout_engine", lambda: None)() is not None


def _strand_text(strands: Strands) -> str:
    lines, most = len(strands.y), MOST_STRANDS
    what = shorten(strands.what, 24)
    if lines <= most:
        return f"{what}: {strands.levels:,} levels"
    return f"{what}: {most} of {lines:,} lines"


def _label_axes(axes: Axes, effect: Effect, names: Sequence[str] | None, turned: bool) -> None:
    """Names of axes and levels; how predictions were made is below."""
    own = shorten(effect.variable, 48)
    if effect.levels is not None:
        count = len(effect.levels)
        ends = (count - 0.4, -0.6) if turned else (-0.6, count - 0.4)
        places = range(count) if names is not None else ()
        which = axes.yaxis if turned else axes.xaxis
        which.set_ticks(list(places), list(names or ()))
        which.grid(visible=False)
        which.set_tick_params(length=0.0)
        axes.set(**{"ylim" if turned else "xlim": ends})
        if names is None:
            own = f"{own} ({count:,} levels)"
    below, beside, notes = foot_of(effect, turned=turned, own=own)
    axes.set_title(title_of(effect))
    axes.set_ylabel(beside)
    axes.set_xlabel("\n".join([below, *textwrap.wrap(notes, 84)]))


def title_of(effect: Effect) -> str:
    """What predictions are made over, and what tells them apart."""
    parts = [name for name in (effect.by, effect.panel) if name]
    return shorten(f"{effect.variable}{' by ' if parts else ''}{' and '.join(parts)}", 60)


def foot_of(effect: Effect, *, turned: bool, own: str = "") -> tuple[str, str, str]:
    """Names of the axis below and of that beside, and how predictions were made."""
    own, other = own or shorten(effect.variable, 48), shorten(effect.response, 60)
    below, beside = (other, own) if turned else (own, other)
    notes = list(effect.notes)
    marks = effect.marks
    if marks is not None:
        some = f" ({MOST_POINTS:,} of {len(marks.y):,})" if len(marks.y) > MOST_POINTS else ""
        notes.append(f"Points: {marks.what}{some}.")
    if len(effect.curves) > MOST_COLORS:
        notes = [note for note in notes if "limits" not in note]
    return below, beside, " ".join(notes)
