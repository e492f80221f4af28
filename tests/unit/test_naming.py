"""Names in messages."""

from __future__ import annotations

import pandas as pd
import pytest

from mixedmodels.design.columns import first_levels
from mixedmodels.naming import first_few


@pytest.mark.parametrize(
    ("names", "most", "shown"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c, ..."),
        (("x" * 81,), 3, "x" * 77 + "..."),
        (("x" * 80,), 3, "x" * 80),
    ],
)
def test_the_first_few_names(names: list[str], most: int, shown: str) -> None:
    assert first_few(names, most) == shown


def test_the_first_levels_print_as_elsewhere() -> None:
    assert first_levels(pd.Index([0.1 * 3, 1.0, 2.5]), 2) == "0.3, 1, ..."
    assert first_levels(pd.Index([True, False]), 2) == "TRUE, FALSE"
