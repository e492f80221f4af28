"""The colours of pictures, chosen for the background on which they are seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mixedmodels.plots.backend import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rgba = tuple[float, float, float, float]

_WHITE: Rgba = (1.0, 1.0, 1.0, 1.0)
_HEX = re.compile(r"#[0-9a-f]{6}\b")


class Palette(NamedTuple):
    """Colours that colour-blind readers can distinguish too (after Okabe and Ito).

    Attributes:
        background: Colour behind the marks.
        ink: Text.
        strong: Marks in front of a coloured surface.
        grey: Lines and marks that are not the point.
        pale: Surfaces that are not the point.
        grid: Lines of the grid.
        blue: Marks.
        sky: Surfaces made of marks.
        orange: What marks are compared with.
        series: Colours of several lines, in the order in which they are taken.
        ramp: Few to many, in three steps; the first still differs visibly from the background.
    """

    background: str
    ink: str
    strong: str
    grey: str
    pale: str
    grid: str
    blue: str
    sky: str
    orange: str
    series: tuple[str, ...]
    ramp: tuple[str, str, str]


def palette_of(axes: Axes) -> Palette:
    """The colours for marks in these axes."""
    behind = drawing().to_rgba(axes.get_facecolor())
    root: Any = axes.figure
    return palette(behind if behind[3] > 0.0 else drawing().to_rgba(root.get_facecolor()))


@cache
def palette(background: Rgba) -> Palette:
    """The colours for a background; one that is transparent counts as white."""
    behind = background[:3] if background[3] > 0.0 else (1.0, 1.0, 1.0)
    if is_dark(background):
        ink, strong = "#e2e2e2", "#ffffff"
        blue, sky, orange = "#56b4e9", "#2a688f", "#f09a3e"
        series = (
            "#56b4e9",
            "#f09a3e",
            "#3fcf9f",
            "#e29ac6",
            "#f0e442",
            "#a8a4ff",
            "#d0d0d0",
            "#ff7f6e",
        )
        ramp = ("#1b4561", "#56b4e9", "#e8f5fd")
    else:
        ink, strong = "#333333", "#101010"
        blue, sky, orange = "#0072b2", "#74b3dc", "#d55e00"
        series = (
            "#0072b2",
            "#d55e00",
            "#009e73",
            "#b4528c",
            "#8a6d00",
            "#5b4fc4",
            "#666666",
            "#a3121f",
        )
        ramp = ("#cfe3f1", "#0072b2", "#01263c")
    grey, pale, grid = (_mixed(behind, ink, share) for share in (0.58, 0.27, 0.1))
    return Palette(_hex(behind), ink, strong, grey, pale, grid, blue, sky, orange, series, ramp)


def following_page(svg: str) -> str:
    """The picture with its colours as CSS variables, whose fallback is what it was drawn in.

    Args:
        svg: A picture drawn on white.
    """
    found = {color: name for name, color in reversed([*_parts(palette(_WHITE))])}
    return _HEX.sub(lambda at: _variable(at[0], found.get(at[0])), svg)


def _variable(color: str, name: str | None) -> str:
    return color if name is None else f"var(--{name}, {color})"


def dark_variables(background: str) -> str:
    """CSS declarations that give the variables of `following_page` the colours of a dark page.

    Args:
        background: Colour of the page.
    """
    look = palette(drawing().to_rgba(background))
    return " ".join(f"--{name}: {color};" for name, color in _parts(look))


def _parts(look: Palette) -> Iterator[tuple[str, str]]:
    """Names and colours of the parts."""
    for part, color in look._asdict().items():
        if isinstance(color, str):
            yield f"plot-{part}", color
        else:
            yield from ((f"plot-{part}-{i}", each) for i, each in enumerate(color))


def is_dark(color: Rgba) -> bool:
    """Whether light text is read better on this colour; a transparent one counts as white."""
    red, green, blue, alpha = color
    return alpha > 0.0 and 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def _mixed(behind: tuple[float, ...], ink: str, share: float) -> str:
    front = drawing().to_rgba(ink)[:3]
    return _hex(tuple((1.0 - share) * b + share * f for b, f in zip(behind, front, strict=True)))


def _hex(color: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color)
