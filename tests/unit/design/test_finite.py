"""Infinite numbers: each message names the piece, the rows, what it is made of, and a remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.errors import DataError

N = 40


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    large = rng.normal(size=N)
    large[3] = 1e200
    return pd.DataFrame(
        {
            "y": rng.normal(size=N) + np.repeat(rng.normal(size=8), 5),
            "x": rng.normal(size=N),
            "zero": np.repeat([0, 1], N // 2),
            "large": large,
            "larger": large[:] * 3 + 1,
            "g": np.repeat([f"g{i}" for i in range(8)], 5),
        },
        index=[f"r{i}" for i in range(N)],
    )


@pytest.mark.parametrize(
    ("formula", "given", "piece", "first", "count", "made_of"),
    [
        ("y ~ log(zero) + (1|g)", {}, "log(zero)", "r0", 20, "zero is 0"),
        ("y ~ I(x / zero) + (1|g)", {}, "I(x / zero)", "r0", 20, "zero is 0"),
        ("y ~ log(zero):x + (1|g)", {}, "log(zero)", "r0", 20, "zero is 0"),
        ("y ~ I(large^2) + (1|g)", {}, "I(large^2)", "r3", 1, "large is 1e+200"),
        ("y ~ (log10(zero) | g)", {}, "log10(zero)", "r0", 20, "zero is 0"),
        ("y ~ (1 | log(zero))", {}, "log(zero)", "r0", 20, "zero is 0"),
        ("y ~ factor(log(zero)) + (1|g)", {}, "factor(log(zero))", "r0", 20, "zero is 0"),
        ("log(zero) ~ x + (1|g)", {}, "log(zero)", "r0", 20, "zero is 0"),
        ("y ~ offset(log(zero)) + (1|g)", {}, "offset(log(zero))", "r0", 20, "zero is 0"),
        ("y ~ x + (1|g)", {"offset": "log(zero)"}, "offset", "r0", 20, "zero is 0"),
        ("y ~ large:larger + (1|g)", {}, "large:larger", "r3", 1, "larger is 3e+200"),
        ("y ~ (0 + large:larger | g)", {}, "large:larger", "r3", 1, "large is 1e+200"),
        ("y ~ (large*larger || g)", {}, "large:larger", "r3", 1, "large is 1e+200"),
    ],
)
def test_what_is_computed_and_infinite_is_refused(
    table: pd.DataFrame,
    formula: str,
    given: dict[str, Any],
    piece: str,
    first: str,
    count: int,
    made_of: str,
) -> None:
    with pytest.raises(DataError) as caught:
        mm.lmer(formula, table, **given)
    message = str(caught.value)
    assert message.startswith(f"'{piece}' is not finite in row {first} (")
    assert f"{count} of {N} rows" in message
    assert made_of in message
    assert "Write an expression that is finite there" in message
    assert "to NaN, so that their rows are dropped" in message


def test_the_sum_of_offsets_may_be_too_large(table: pd.DataFrame) -> None:
    formula = "y ~ offset(I(abs(large) * 1e108)) + offset(I(abs(large) * 1.7e108)) + (1|g)"
    with pytest.raises(DataError, match=r"is not finite in row r3 \(inf\): 1 of 40 rows"):
        mm.lmer(formula, table)


def test_values_of_a_column_are_to_be_corrected(table: pd.DataFrame) -> None:
    table.loc["r7", "x"] = np.inf
    with pytest.raises(DataError, match="Correct these values, or set them to NaN"):
        mm.lmer("y ~ x + (1|g)", table)
    table.loc["r7", "x"] = np.nan
    assert mm.lmer("y ~ x + (1|g)", table).nobs == N - 1


@pytest.mark.filterwarnings("ignore:Singular fit")
@pytest.mark.parametrize(
    ("formula", "changed", "piece"),
    [
        ("y ~ log(w) + (1|g)", {"w": 0.0}, "log(w)"),
        ("y ~ x + (0 + log(w) | g)", {"w": 0.0}, "log(w)"),
        ("y ~ x + offset(log(w)) + (1|g)", {"w": 0.0}, "offset(log(w))"),
        ("y ~ x + (1|g)", {"x": np.inf}, "x"),
        ("y ~ x:w + (1|g)", {"x": 1e200, "w": 1e200}, "x:w"),
    ],
)
def test_what_is_infinite_in_new_rows_is_missing_and_said(
    table: pd.DataFrame, formula: str, changed: dict[str, float], piece: str
) -> None:
    table["w"] = np.linspace(1.0, 2.0, N) ** 2
    fit = mm.lmer(formula, table)
    new = table.head(6).copy()
    for name, value in changed.items():
        new.loc["r2", name] = value
    with pytest.warns(UserWarning, match=r"is not finite in row r2 .*1 of 6 rows") as said:
        values = fit.predict(new)
    assert f"'{piece}'" in str(said[0].message)
    assert list(values.index[values.isna()]) == ["r2"]
    others = values.index != "r2"
    pd.testing.assert_series_equal(values[others], fit.predict(table.head(6))[others])
