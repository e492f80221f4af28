"""Figures that pyplot does not manage, and what else the pictures need of matplotlib.

The one module that imports matplotlib, which is an optional extra; `backend` loads it.
"""

from __future__ import annotations

import io
from typing import Any

from matplotlib import rc_context, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

__all__ = [
    "LinearSegmentedColormap",
    "LogLocator",
    "MaxNLocator",
    "NullFormatter",
    "StandaloneFigure",
    "rcParams",
    "rc_context",
    "to_rgba",
]

# Pixels per inch of the picture in a notebook, for each of those that the notebook counts.
_SHARPNESS = 2


class StandaloneFigure(Figure):
    """A matplotlib Figure beside pyplot: a notebook shows it once, and nothing has to close it.

    It is saved on the background that it was drawn for.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        FigureCanvasAgg(self)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure; see `matplotlib.figure.Figure.savefig`."""
        if not options.get("transparent", rcParams["savefig.transparent"]):
            options.setdefault("facecolor", self.get_facecolor())
        super().savefig(fname, **options)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture and its size, for notebooks in which pyplot is not loaded."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_SHARPNESS * self.dpi, bbox_inches=None)
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}
