"""The one place that imports matplotlib, which is an optional extra; and figures as text."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mixedmodels.errors import MixedModelsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pyplot() -> Any:
    """matplotlib.pyplot.

    Raises:
        MixedModelsError: matplotlib is not installed; the message says how to get it.
    """
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415  (optional extra, slow to import)
    except ImportError as error:
        raise MixedModelsError(
            "Plots need matplotlib, which is not installed: pip install mixedmodels[plots]"
        ) from error
    return plt


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def as_svg(figure: Figure) -> str:
    """The figure as SVG text, the same for the same figure; it is closed afterwards."""
    plt = pyplot()
    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "mixedmodels", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", dpi=144, metadata={"Date": None})
    plt.close(figure)
    return buffer.getvalue()
