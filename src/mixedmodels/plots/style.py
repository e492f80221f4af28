"""How pictures look: fonts, lines, sizes, axes. Every function that draws is `styled`."""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from mixedmodels.errors import MixedModelsError
from mixedmodels.plots.backend import drawing
from mixedmodels.plots.palette import Rgba, is_dark, palette, palette_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

# Share of a label's room that a name cut between words must fill; a word is cut otherwise.
_KEPT = 0.5
# More marks than this are drawn as pixels, also in files of vectors.
MOST_VECTORS = 1500

_RC = {
    "font.size": 9.0,
    "text.usetex": False,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.left": True,
    "axes.spines.bottom": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "both",
    "axes.grid.which": "major",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.linewidth": 0.8,
    "grid.linestyle": "-",
    "grid.alpha": 1.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linestyle": "-",
    "lines.marker": "None",
    "lines.solid_capstyle": "round",
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """The function, drawing in our fonts and lines, in colours that suit the user's background."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        ax: Any = kwargs.get("ax")
        behind, beside = _backgrounds() if ax is None else (_background_of(ax),) * 2
        with drawing().rc_context(_RC | _colors(behind, beside)):
            return draw(*args, **kwargs)

    return wrapped


def _backgrounds() -> tuple[Rgba, Rgba]:
    """The user's colours of axes and of figures, the second for both where they are opposites."""
    axes, figure = (
        drawing().to_rgba(drawing().rcParams[f"{part}.facecolor"]) for part in ("axes", "figure")
    )
    return (axes if is_dark(axes) == is_dark(figure) else figure), figure


def _background_of(ax: Any) -> Rgba:
    """The colour on which the labels of the user's axes stand."""
    color: Rgba = drawing().to_rgba(ax.get_figure().get_facecolor())
    return color


def _colors(axes: Rgba, figure: Rgba) -> dict[str, Any]:
    look, grid = palette(figure), palette(axes).grid
    edges = ("axes.edgecolor", "xtick.color", "ytick.color")
    text = ("text", "axes.label", "axes.title", "xtick.label", "ytick.label")
    return {
        "figure.facecolor": figure,
        "axes.facecolor": axes,
        "grid.color": grid,
        **dict.fromkeys(edges, look.grey),
        **{name + (".color" if name == "text" else "color"): look.ink for name in text},
    }


def new_figure(figsize: tuple[float, float]) -> Figure:
    """An empty figure that pyplot does not manage."""
    figure: Figure = drawing().StandaloneFigure(figsize=figsize, layout="constrained")
    return figure


def one_axes(ax: Axes | None, figsize: tuple[float, float]) -> tuple[Figure, Axes]:
    """The axes given and their figure, or new ones."""
    if ax is not None:
        figure: Any = ax.get_figure()
        return figure, ax
    made = new_figure(figsize)
    return made, made.subplots()


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
    figure = new_figure(size)
    flat = list(figure.subplots(rows, width, squeeze=False, **options).flat)
    for spare in flat[count:]:
        spare.set_visible(False)
    return figure, flat[:count]


def ramp(axes: Axes) -> Any:
    """From few to many; the palest colour still differs visibly from the background."""
    colors = palette_of(axes).ramp
    return drawing().LinearSegmentedColormap.from_list("ramp", colors)


def reference(axes: Axes, *, x: float | None = None, y: float | None = None) -> None:
    """A thin line to compare with, behind the marks."""
    look: dict[str, Any] = {
        "color": palette_of(axes).grey,
        "linewidth": 0.9,
        "linestyle": (0, (4, 3)),
        "zorder": 1,
    }
    if x is not None:
        axes.axvline(x, **look)
    if y is not None:
        axes.axhline(y, **look)


def chosen(parameters: str | Sequence[str] | None, known: Sequence[str], owner: str) -> list[str]:
    """The names of the parameters to draw: those asked for, or all.

    Raises:
        MixedModelsError: None, or one that the owner (a profile, a bootstrap) has not.
    """
    if parameters is None:
        asked = list(known)
    else:
        given = [parameters] if isinstance(parameters, str) else list(parameters)
        asked = [name for one in given for name in _of_kind(one, known)]
    if not asked or any(name not in known for name in asked):
        raise MixedModelsError(
            f"parameters is {asked!r}; it must be some of the {owner}'s: {', '.join(known)}."
        )
    return asked


def _of_kind(name: str, known: Sequence[str]) -> list[str]:
    """The parameters that "theta_" or "beta_" stands for; any other name by itself."""
    if name not in ("theta_", "beta_") or name in known:
        return [name]
    return [one for one in known if _of_covariance(one) == (name == "theta_")]


def _of_covariance(name: str) -> bool:
    return name == "sigma" or name.startswith(("sd(", "cor("))


def possible(name: str) -> tuple[float, float]:
    """What values a parameter can have, by its name: `sd(...)`, `cor(...)`, `sigma` or any."""
    if name.startswith("cor("):
        return -1.0, 1.0
    return (0.0, math.inf) if name == "sigma" or name.startswith("sd(") else (-math.inf, math.inf)


def shorten(text: str, length: int) -> str:
    """`text`, its middle left out where it is longer than `length`; cut between words if it can."""
    if len(text) <= length:
        return text
    room = length - 1
    heads, tails = _heads(text, room), [end[::-1] for end in _heads(text[::-1], room)]
    pairs = [(head, tail) for head in heads for tail in tails if len(head) + len(tail) <= room]
    head, tail = max(
        pairs,
        key=lambda pair: (bool(pair[0] and pair[1]), len(pair[0]) + len(pair[1]), len(pair[0])),
    )
    if len(head) + len(tail) < _KEPT * room:
        head, tail = text[: room // 2], text[len(text) - (room - room // 2) :]
    return f"{head}…{tail}"


def _heads(text: str, room: int) -> list[str]:
    """The first words of `text`, none, one and so on, that have room."""
    ends = [word.end() for word in re.finditer(r"[^\W_]+[()\[\]]*", text)]
    return ["", *(text[:end] for end in ends if end <= room)]


def short_labels(names: Sequence[str], length: int) -> list[str]:
    """Every name shortened; where names would have one label, to the part that tells them apart.

    That part may take more than `length` characters. Names that are equal keep one label.
    """
    out = [shorten(name, length) for name in names]
    for same in _sharing(names, out).values():
        apart = _differing(sorted({names[i] for i in same}), length)
        for i in same:
            out[i] = apart.get(names[i], out[i])
    allowed = [length] * len(names)
    while True:
        shared = [i for same in _sharing(names, out).values() for i in same]
        if not shared:
            return out
        for i in shared:
            allowed[i] += max(4, allowed[i] // 4)
            out[i] = shorten(names[i], allowed[i])


def _sharing(names: Sequence[str], labels: Sequence[str]) -> dict[str, list[int]]:
    """Places of the different names that have a label, by label."""
    places: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        places.setdefault(label, []).append(i)
    return {k: same for k, same in places.items() if len({names[i] for i in same}) > 1}


def _differing(names: Sequence[str], length: int) -> dict[str, str]:
    """Distinct names cut to what differs and what stands around it; none where that is too long."""
    before = _alike(names)
    least = min(map(len, names)) - before
    after = min(_alike([name[::-1] for name in names]), least)
    room = length - 2 - (max(map(len, names)) - before - after)
    if room < 0:
        return {}
    # The shared text around the difference is cut between words where it has several.
    front, back = names[0][:before], names[0][len(names[0]) - after :] if after else ""
    lead = front[max(before - (2 * room + 2) // 3, 0) :]
    if len(lead) < before:
        lead = max((t[::-1] for t in _heads(front[::-1], len(lead))), key=len) or lead
    trail = back[: room - len(lead)]
    if len(trail) < after:
        trail = max(_heads(back, len(trail)), key=len)
    start, rest = before - len(lead), after - len(trail)
    ends = ("…" if start else "", "…" if rest else "")
    return {name: f"{ends[0]}{name[start : len(name) - rest]}{ends[1]}" for name in names}


def _alike(names: Sequence[str]) -> int:
    """How many first characters all names share."""
    columns = zip(*names, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda letters: len(set(letters)) == 1, columns))


def wrap(text: str, length: int) -> str:
    """`text` in lines no longer than `length`, broken after marks of punctuation."""
    lines = [""]
    for piece in re.findall(r"[^.:, ]+[.:, ]*|[.:, ]+", text):
        if lines[-1] and len(lines[-1]) + len(piece) > length:
            lines.append("")
        lines[-1] += piece
    return "\n".join(shorten(line, length) for line in lines)
