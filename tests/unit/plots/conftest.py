"""No windows, and no figure left open."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _no_window() -> Iterator[None]:
    mpl.use("Agg")
    # Few pixels: the tests look at artists, and drawing is most of their time.
    with mpl.rc_context({"figure.dpi": 40}):
        yield
    plt.close("all")
