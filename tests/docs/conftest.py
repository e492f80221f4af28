"""Pages and docstrings draw pictures; none stays open for the tests after them."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _closed_pictures() -> Iterator[None]:
    yield
    plt.close("all")
