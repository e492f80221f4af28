"""The one place that imports matplotlib, which is an optional extra."""

from __future__ import annotations

from typing import Any

from mixedmodels.errors import MixedModelsError


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
