"""Random frames: a fit is that of the clean values, or the refusal says why; nothing else happens.

The number of frames is MIXEDMODELS_FRAMES (300 unless set); each has one random column in one role.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from properties.random_frames import (
    ENCODINGS,
    NARROW,
    REFUSED,
    RandomColumn,
    random_column,
)

from mixedmodels import MixedModelsError, SingularFitWarning, lmer
from mixedmodels.linear import LinearMixedFit

FRAMES = int(os.environ.get("MIXEDMODELS_FRAMES", "300"))
N = 30

# Role to formula, options, and whether the column counts as numbers there.
ROLES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "covariate": ("y ~ v + (1 | g)", {}, True),
    "factor()": ("y ~ factor(v) + (1 | g)", {}, False),
    "C()": ("y ~ C(v) + (1 | g)", {}, False),
    "group": ("y ~ x + (1 | v)", {}, False),
    "factor() as group": ("y ~ x + (1 | factor(v))", {}, False),
    "part of a group": ("y ~ x + (1 | g:v)", {}, False),
    "slope": ("y ~ x + (0 + v | g)", {}, True),
    "response": ("v ~ x + (1 | g)", {}, True),
    "offset": ("y ~ x + (1 | g)", {"offset": "v"}, True),
    "offset()": ("y ~ x + offset(v) + (1 | g)", {}, True),
    "arithmetic": ("y ~ I(2 * v + x) + (1 | g)", {}, True),
}


def outcome(formula: str, data: Any, options: dict[str, Any]) -> LinearMixedFit | None:
    """The fit, or None where it is refused; any other exception or warning is a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SingularFitWarning)
        try:
            return lmer(formula, data, reml=False, threads=1, **options)
        except MixedModelsError:
            return None


def container(kind: str, columns: dict[str, Any]) -> Any:
    """A table in which the columns keep their types."""
    if kind == "polars":
        return pl.DataFrame(columns)
    if kind == "arrow":
        return pa.table(columns)
    if kind == "pandas":
        return pd.DataFrame({k: pd.Series(v, copy=False) for k, v in columns.items()})
    return columns


def table_of(column: RandomColumn, base: dict[str, np.ndarray], rng: np.random.Generator) -> Any:
    """The random column beside plain ones, in its own library's table or in a dict."""
    stored = column.stored
    if isinstance(stored, pl.Series):
        kinds = ["polars", "dict"]
    elif isinstance(stored, pa.ChunkedArray):
        kinds = ["arrow", "dict"]
    elif isinstance(stored, (pd.Series, np.ma.MaskedArray)) or (
        isinstance(stored, np.ndarray) and stored.dtype.char in "fd?lO"
    ):
        kinds = ["pandas", "dict"]
    else:
        kinds = ["dict"]
    if isinstance(stored, np.ma.MaskedArray):
        kinds = ["dict"]
    return container(str(rng.choice(kinds)), {**base, "v": stored})


def clean_table(column: RandomColumn, base: dict[str, np.ndarray], *, numeric: bool) -> Any:
    """The same as numbers, or as text; None where the role refuses the column."""
    values: Any = column.numbers if numeric else np.array(column.levels, dtype=object)
    if numeric and (values is None or column.encoding in ("categories", "dictionary")):
        return None
    return pd.DataFrame({**base, "v": values})[~column.absent]


def base_columns(rng: np.random.Generator) -> dict[str, np.ndarray]:
    g = np.arange(N) % 6
    return {"y": rng.normal(size=N) + rng.normal(size=6)[g], "x": rng.normal(size=N), "g": g}


def as_text_covariate(column: RandomColumn, role: str) -> bool:
    """Text and categories are factors as covariates and slopes."""
    text = column.kind in ("text", "category") or (
        column.encoding in ("categories", "dictionary")
        and column.kind not in ("date", "datetime", "duration", "time")
    )
    return role in ("covariate", "slope") and text


def assert_as_clean(seed: int) -> str:
    rng = np.random.default_rng(seed)
    column, base = random_column(rng, N), base_columns(rng)
    role = str(rng.choice(list(ROLES)))
    formula, options, numeric = ROLES[role]
    if as_text_covariate(column, role):
        numeric = False
    if column.kind == "truth" and role == "slope":
        numeric = False
    found = outcome(formula, table_of(column, base, rng), options)
    clean = clean_table(column, base, numeric=numeric)
    wanted = None if clean is None else outcome(formula, clean, options)
    what = f"seed {seed}: {column.kind} as {column.encoding}, {role}"
    assert (found is None) == (wanted is None), what
    if found is None or wanted is None:
        return "refused"
    np.testing.assert_allclose(found.objective, wanted.objective, rtol=1e-6, err_msg=what)
    assert found.nobs == wanted.nobs, what
    assert_predicts(found, column, base, rng, f"{what}, predicted from ", numeric=numeric)
    return "fitted"


def assert_predicts(
    fit: LinearMixedFit,
    column: RandomColumn,
    base: dict[str, np.ndarray],
    rng: np.random.Generator,
    what: str,
    *,
    numeric: bool,
) -> None:
    """The same values in another type give the fitted values, and NaN where they are missing."""
    encoding = str(rng.choice(list(ENCODINGS[column.kind])))
    if not comparable(column, encoding, numeric=numeric):
        return
    again = RandomColumn(
        column.kind, encoding, column.values, ENCODINGS[column.kind][encoding](column.values)
    )
    predicted = fit.predict(table_of(again, base, rng)).to_numpy()
    used = fit.model.design.rows
    missing = np.ones(N, dtype=bool)
    missing[slice(None) if used is None else used] = False
    if fit.model.design.response_name == "v":
        assert not np.isnan(predicted).any(), what + encoding
    else:
        np.testing.assert_array_equal(np.isnan(predicted), missing, err_msg=what + encoding)
    np.testing.assert_allclose(
        predicted[~missing], fit.fitted, rtol=1e-8, atol=1e-8, err_msg=what + encoding
    )


def comparable(column: RandomColumn, encoding: str, *, numeric: bool) -> bool:
    """Whether two encodings have the same numbers, or the same levels."""
    both = {column.encoding, encoding}
    zones = {"polars zone", "arrow zone", "pandas zone"}
    categories = {"categories", "dictionary"}
    if both & zones and not both <= zones:
        return False
    if not numeric:
        return True
    narrow = both & set(NARROW) and len(both) > 1
    return not narrow and (not both & categories or both <= categories)


@pytest.mark.parametrize("first", range(0, FRAMES, 50))
def test_random_frames_are_what_they_mean(first: int) -> None:
    outcomes = [assert_as_clean(seed) for seed in range(first, min(first + 50, FRAMES))]
    assert outcomes.count("fitted") > outcomes.count("refused")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", REFUSED)
def test_columns_that_cannot_be_used_are_refused(kind: str, role: str) -> None:
    formula, options, _ = ROLES[role]
    base = base_columns(np.random.default_rng(1))
    assert outcome(formula, {**base, "v": REFUSED[kind](N)}, options) is None


def test_every_encoding_can_be_made() -> None:
    rng = np.random.default_rng(0)
    made: set[tuple[str, str]] = set()
    while len(made) < sum(len(encodings) for encodings in ENCODINGS.values()):
        column = random_column(rng, N)
        made.add((column.kind, column.encoding))
