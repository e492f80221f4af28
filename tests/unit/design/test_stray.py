"""Numbers with a few texts among them: named by value and row in every role, never a factor."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mixedmodels as mm
from mixedmodels.errors import MixedModelsError

N = 60


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    group = np.tile(np.arange(6), N // 6)
    x = rng.normal(size=N).round(3)
    return pd.DataFrame(
        {"y": (2 * x + rng.normal(size=N) + group).round(3), "x": x, "w": 1.0 + group, "g": group}
    ).astype({"g": str})


def spoilt(column: str, value: str, row: int = 7) -> pd.DataFrame:
    data = frame()
    texts = data[column].astype(str).astype(object)
    texts.iloc[row] = value
    return data.assign(**{column: texts})


ROLES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "response": ("y", "y ~ x + (1 | g)", {}),
    "response inside a function": ("y", "log(y) ~ x + (1 | g)", {}),
    "covariate": ("x", "y ~ x + (1 | g)", {}),
    "interaction": ("x", "y ~ w:x + (1 | g)", {}),
    "slope": ("x", "y ~ 1 + (x | g)", {}),
    "slope without correlation": ("x", "y ~ 1 + (x || g)", {}),
    "function": ("x", "y ~ exp(x) + (1 | g)", {}),
    "function of another library": ("x", "y ~ np.exp(x) + (1 | g)", {}),
    "arithmetic": ("x", "y ~ I(x^2) + (1 | g)", {}),
    "basis": ("x", "y ~ poly(x, 2) + (1 | g)", {}),
    "scale()": ("x", "y ~ scale(x) + (1 | g)", {}),
    "offset()": ("x", "y ~ 1 + offset(x) + (1 | g)", {}),
    "offset": ("x", "y ~ 1 + (1 | g)", {"offset": "x"}),
    "weights": ("w", "y ~ x + (1 | g)", {"weights": "w"}),
    "weights computed": ("w", "y ~ x + (1 | g)", {"weights": "1 / w"}),
}


@pytest.mark.parametrize("value", ["n/a", "oops", "3,5", "12kg", "nan", ""])
@pytest.mark.parametrize("role", ROLES)
def test_the_value_and_its_row_are_named(role: str, value: str) -> None:
    column, formula, options = ROLES[role]
    with pytest.raises(MixedModelsError) as caught:
        mm.lmer(formula, spoilt(column, value), **options)
    words = f"because of 1 of its 60 values: row 7 ('{value}'), counted from 0."
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda data: data.set_index(pd.Index([f"r{k}" for k in range(N)])), "row r7 ('n/a')"),
        (lambda data: data.astype({"x": "string"}), "row 7 ('n/a')"),
        (pl.from_pandas, "row 7 ('n/a')"),
        (lambda data: pa.Table.from_pandas(data, preserve_index=False), "row 7 ('n/a')"),
        (lambda data: data.to_dict("list"), "row 7 ('n/a')"),
    ],
)
def test_in_every_table(make: Callable[[pd.DataFrame], Any], where: str) -> None:
    with pytest.raises(mm.DataError, match=re.escape(where)):
        mm.lmer("y ~ x + (1 | g)", make(spoilt("x", "n/a")))


@pytest.mark.parametrize("column", ["x", "y"])
def test_texts_among_python_numbers(column: str) -> None:
    data = frame().astype({column: object})
    data.loc[[3, 9], column] = ["low", None]
    data.index = pd.Index(np.arange(N) + 100)
    with pytest.raises(mm.DataError, match=r"numbers and 1 of another: row 103 \('low'\), by"):
        mm.lmer("y ~ x + (1 | g)", data)


def test_new_rows_and_new_responses() -> None:
    fit = mm.lmer("y ~ x + (1 | g)", frame())
    with pytest.raises(mm.DataError, match=r"row 7 \('n/a'\)"):
        fit.predict(spoilt("x", "n/a"))
    for y in (spoilt("y", "n/a")["y"], spoilt("y", "n/a")["y"].tolist()):
        with pytest.raises(mm.DataError, match=r"The new response.*row 7 \('n/a'\)"):
            fit.refit(y)


CODES = np.tile(list("123"), N // 3).astype(object)


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        (CODES, "silent"),
        (np.where(np.arange(N) % 4 == 0, "other", CODES), "silent"),
        (np.where(np.arange(N) == 5, "n/a", CODES), "refused"),
        (np.where(np.arange(N) == 5, "toes", CODES), "refused"),
        (np.array([f"s{k % 5}" for k in range(N)], dtype=object), "silent"),
        (np.array([f"s{k % 29}" for k in range(N)], dtype=object), "silent"),
        (np.array([f"s{k % 40}" for k in range(N)], dtype=object), "warned"),
        (np.array([str(k % 12) for k in range(N)], dtype=object), "warned"),
        (np.array([f"{k % 20},5" for k in range(N)], dtype=object), "warned"),
        (np.array([f"2026-03-{k % 12 + 1:02d}" for k in range(N)], dtype=object), "warned"),
        (np.array([f"{k % 12 + 1}.3.2026" for k in range(N)], dtype=object), "warned"),
        (np.array([f"3/{k % 12 + 1}/26 09:30" for k in range(N)], dtype=object), "warned"),
        (np.array([f"2026-03-{k % 9 + 1:02d}" for k in range(N)], dtype=object), "silent"),
        (np.array([f"2026-w{k % 12 + 1:02d}" for k in range(N)], dtype=object), "silent"),
        (pd.Categorical([f"2026-03-{k % 12 + 1:02d}" for k in range(N)]), "silent"),
        (pd.Categorical([f"{k % 12}" if k else "n/a" for k in range(N)]), "silent"),
        (pd.Categorical([str(k % 40) for k in range(N)]), "warned"),
    ],
)
def test_what_is_taken_for_a_factor(values: Any, outcome: str) -> None:
    data = frame().assign(f=values)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            mm.lmer("y ~ f + (1 | g)", data)
            found = "silent"
        except mm.DataError as error:
            found = "refused" if "factor(f)" in str(error) else "?"
    said = [str(w.message) for w in caught if "factor(f)" in str(w.message)]
    assert ("warned" if said else found) == outcome
    assert len(said) <= 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mm.lmer("y ~ factor(f) + (1 | g)", data)
    assert not [w for w in caught if "factor(f)" in str(w.message)]
