"""Loads matplotlib, which is an optional extra, when something is drawn; and figures as text."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mixedmodels.errors import MixedModelsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What a page does not need of an SVG file: its description, and the names of namespaces.
_NOT_SHOWN = re.compile(r'<metadata>.*?</metadata>|\sxmlns(:\w+)?="[^"]*"', re.DOTALL)
# What stands before an identifier where it is given or used.
_REFERENCE = re.compile(r'(\bid="|\bhref="#|url\(#)')


def drawing() -> Any:
    """The module `plots.figure`, which imports matplotlib but never pyplot.

    Raises:
        MixedModelsError: matplotlib is not installed; the message says how to get it.
    """
    try:
        return import_module("mixedmodels.plots.figure")
    except ImportError as error:
        raise MixedModelsError(
            "Plots need matplotlib, which is not installed: pip install 'mixedmodels[plots]'"
        ) from error


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def on_white() -> AbstractContextManager[None]:
    """A context in which pictures are drawn on white, whatever the user's style is."""
    context: AbstractContextManager[None] = drawing().rc_context(
        {"figure.facecolor": "white", "axes.facecolor": "white"}
    )
    return context


def as_svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element for an HTML page, its text as text.

    Args:
        figure: What is drawn.
        name: Put before all identifiers, so that pictures of one page do not share any.

    Returns:
        The same for the same figure and name.
    """
    buffer = io.StringIO()
    with drawing().rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", dpi=144, metadata={"Date": None})
    text = buffer.getvalue()
    text = _NOT_SHOWN.sub("", text[text.index("<svg") :])
    return _REFERENCE.sub(rf"\g<1>{name}-", text)
