"""A small table with one column of every kind that formulas meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.design import Design, build_design
from mixedmodels.formula import parse_formula

N_ROWS = 48


@pytest.fixture
def table() -> pd.DataFrame:
    """48 rows; `f` has an unused level, `u` is ordered, several names are awkward."""
    rng = np.random.default_rng(20240601)
    row = np.arange(N_ROWS)
    return pd.DataFrame(
        {
            "y": rng.normal(10.0, 1.0, N_ROWS),
            "x": rng.uniform(0.5, 3.0, N_ROWS),
            "z": rng.normal(size=N_ROWS),
            "k": row % 5,
            "b": row % 3 == 0,
            "f": pd.Categorical.from_codes(row % 3, ["q", "p", "r", "unused"]),
            "u": pd.Categorical.from_codes(row % 4, ["lo", "mid", "hi", "top"], ordered=True),
            "s": np.where(row % 2 == 0, "odd", "even"),
            "g": pd.Categorical.from_codes(row // 6, list("ABCDEFGH")),
            "h": row // 3 % 4,
            "one": "same",
            "row": row,
            "constant": 1.5,
            "my var": rng.normal(size=N_ROWS),
            "total.fruits": rng.uniform(1.0, 2.0, N_ROWS),
            "Intercept": rng.normal(size=N_ROWS),
            "new": rng.normal(size=N_ROWS),
            "i": rng.normal(size=N_ROWS),
            "log": rng.uniform(1.0, 2.0, N_ROWS),
            "np": rng.uniform(1.0, 2.0, N_ROWS),
        }
    )


@pytest.fixture
def design(table: pd.DataFrame) -> Callable[..., Design]:
    """`design(formula, **options)` on `table`, or on `data=`."""

    def make(formula: str, data: Any = None, **options: Any) -> Design:
        return build_design(parse_formula(formula), table if data is None else data, **options)

    return make
