"""How pictures look: colours, sizes, axes. Every function that draws is `styled`."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from mixedmodels.plots.backend import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

# Told apart by the colour-blind too (Okabe and Ito); grey for what is not the point.
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREY = "#8a8a8a"
PALE = "#c9c9c9"
SKY = "#74b3dc"
INK = "#333333"

# More marks than this are drawn as pixels, also in files of vectors.
MOST_VECTORS = 1500

_RC = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#ececec",
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """The function, drawing in our style whatever the user's defaults are."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with pyplot().rc_context(_RC):
            return draw(*args, **kwargs)

    return wrapped


def one_axes(ax: Axes | None, figsize: tuple[float, float]) -> tuple[Figure, Axes]:
    """The axes given and their figure, or new ones."""
    if ax is not None:
        figure: Any = ax.get_figure()
        return figure, ax
    figure, axes = pyplot().subplots(figsize=figsize, layout="constrained")
    return figure, axes


def grid(
    count: int,
    panel: tuple[float, float],
    figsize: tuple[float, float] | None,
    *,
    columns: int | None = None,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes of about the size `panel`, row by row, not too wide."""
    width = columns or (count if count <= 3 else 2 if count == 4 else 3)
    rows = math.ceil(count / width)
    size = figsize or (max(panel[0] * width, 4.0), panel[1] * rows)
    figure, axes = pyplot().subplots(
        rows, width, figsize=size, layout="constrained", squeeze=False, **options
    )
    flat = list(axes.flat)
    for spare in flat[count:]:
        spare.set_visible(False)
    return figure, flat[:count]


def blues() -> Any:
    """Pale to dark blue; the palest is still told from white."""
    colors = pyplot().matplotlib.colors
    return colors.LinearSegmentedColormap.from_list("blues", ["#cfe3f1", BLUE, "#01263c"])


def reference(axes: Axes, *, x: float | None = None, y: float | None = None) -> None:
    """A thin line to compare with, behind the marks."""
    look: dict[str, Any] = {"color": GREY, "linewidth": 0.9, "linestyle": (0, (4, 3)), "zorder": 1}
    if x is not None:
        axes.axvline(x, **look)
    if y is not None:
        axes.axhline(y, **look)


def possible(name: str) -> tuple[float, float]:
    """What values a parameter can have, by its name: `sd(...)`, `cor(...)`, `sigma` or any."""
    if name.startswith("cor("):
        return -1.0, 1.0
    return (0.0, math.inf) if name == "sigma" or name.startswith("sd(") else (-math.inf, math.inf)


def shorten(text: str, length: int) -> str:
    """`text`, its middle left out where it is longer than `length`."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def wrap(text: str, length: int) -> str:
    """`text` in lines no longer than `length`, broken after marks of punctuation."""
    lines = [""]
    for piece in re.findall(r"[^.:, ]+[.:, ]*|[.:, ]+", text):
        if lines[-1] and len(lines[-1]) + len(piece) > length:
            lines.append("")
        lines[-1] += piece
    return "\n".join(shorten(line, length) for line in lines)
