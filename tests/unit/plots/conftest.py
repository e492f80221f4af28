"""No figure is given to pyplot, whatever draws it."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest


@pytest.fixture(autouse=True)
def _few_pixels() -> Iterator[None]:
    # Few pixels: the tests look at artists, and drawing is most of their time.
    with mpl.rc_context({"figure.dpi": 40}):
        yield
