"""The design owns its memory: no edit of the user's data changes it, and it cannot be written."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedmodels import LinearMixedModel, lmer
from mixedmodels.design import Design, build_design
from mixedmodels.formula import parse_formula
from mixedmodels.linear import from_design

N = 400
MANY = 40_000


def arrays_of(design: Design) -> Iterator[np.ndarray]:
    yield from (
        array for array in (design.y, design.X, design.w, design.offset) if array is not None
    )
    yield from (term.z for term in design.terms)
    yield from (group.codes for group in design.groups)


def columns(n: int, codes: Any) -> dict[str, np.ndarray]:
    """Arrays of the user's that a design could keep as they are."""
    rng = np.random.default_rng(4)
    numbers = {name: rng.uniform(1.0, 2.0, n) for name in ("y", "x", "w", "o")}
    return {**numbers, "b": rng.random(n) < 0.5, "codes": codes}


FORMULAS = (
    "y ~ x + b + offset(o) + (x | g)",
    "y ~ 0 + x + (0 + x | g)",
    "I(y) ~ I(x) + (1 | C(g))",
    "y ~ x + (1 | factor(g))",
    "y ~ b + (1 | g) + (0 + o | g)",
    "y ~ 1 + (x || C(g))",
)
TABLES: dict[str, Callable[[dict[str, Any], pd.Categorical], Any]] = {
    "dict": lambda c, g: {**c, "g": g},
    "pandas": lambda c, g: pd.DataFrame(
        {name: pd.Series(values, copy=False) for name, values in {**c, "g": g}.items()}, copy=False
    ),
    "polars": lambda c, _: pl.DataFrame({**c, "g": c["codes"]}),
    "arrow": lambda c, _: pa.table(
        {**{name: pa.array(values) for name, values in c.items()}, "g": pa.array(c["codes"])}
    ),
}


# A table with as many levels is of those that have codes to share.
SIZED = [(kind, 6) for kind in TABLES] + [("dict", MANY), ("pandas", MANY)]


@pytest.mark.parametrize(("kind", "levels"), SIZED)
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.filterwarnings("ignore:The offset is added twice")
def test_edits_of_the_data_do_not_reach_the_design(kind: str, formula: str, levels: int) -> None:
    n = N if levels < N else 2 * MANY
    codes = np.arange(n, dtype=np.int32) % levels
    own = columns(n, codes)
    groups = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(levels))
    table = TABLES[kind](own, groups)
    spec = parse_formula(formula)
    made = build_design(spec, table, weights=own["w"], offset=own["o"], residual=False)
    before = [array.copy() for array in arrays_of(made)]
    for array in arrays_of(made):
        assert not array.flags.writeable
        assert not any(np.shares_memory(array, values) for values in own.values())
    for values in own.values():
        values.flags.writeable = True
        values[:] = values[::-1].copy()
        values[0] = False if values.dtype == bool else -1
    for array, old in zip(arrays_of(made), before, strict=True):
        np.testing.assert_array_equal(array, old)


def model() -> LinearMixedModel:
    rng = np.random.default_rng(1)
    table = {"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.arange(60) % 6}
    table["y"][3] = np.nan
    table["w"] = rng.uniform(1.0, 2.0, 60)
    return LinearMixedModel("y ~ x + offset(w) + (x | g)", table, weights="w", threads=1)


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
def test_arrays_of_a_design_cannot_be_written() -> None:
    made = model()
    fit = made.fit()
    for design in (made.design, fit.refit(made.y + made.X[:, 1]).model.design):
        handed_out = [*arrays_of(design), design.groups[0].spec.parts[0]]
        assert design.rows is not None
        for array in (*handed_out, design.rows):
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[0] = array[1]


def test_an_unpickled_design_is_read_only_once_the_core_has_it() -> None:
    again = pickle.loads(pickle.dumps(model().design))
    from_design(again)
    assert not any(array.flags.writeable for array in arrays_of(again))


@pytest.mark.parametrize("role", ["covariate", "group", "factor", "slope", "arithmetic"])
@pytest.mark.parametrize("kind", ["array", "frame", "strided"])
def test_truth_values_of_any_byte_are_true(role: str, kind: str) -> None:
    rng = np.random.default_rng(2)
    clean = rng.random(60) < 0.5
    raw = np.where(clean, rng.integers(1, 256, 60), 0).astype(np.uint8)
    flag = np.repeat(raw, 2).view(bool)[::2] if kind == "strided" else np.frombuffer(raw, bool)
    base = {"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.arange(60) % 6}
    formula = {
        "covariate": "y ~ v + (1 | g)",
        "group": "y ~ x + (1 | g:v)",
        "factor": "y ~ factor(v) + (1 | g)",
        "slope": "y ~ x + (0 + v | g)",
        "arithmetic": "y ~ I(2 * v) + (1 | g)",
    }[role]
    table: Any = {**base, "v": flag}
    if kind == "frame":
        table = pd.DataFrame(table, copy=False)
    design = build_design(parse_formula(formula), table)
    expected = build_design(parse_formula(formula), {**base, "v": clean})
    for array, other in zip(arrays_of(design), arrays_of(expected), strict=True):
        np.testing.assert_array_equal(array, other)


def test_leverage_after_an_edit_reads_no_foreign_code() -> None:
    codes = np.arange(3 * MANY, dtype=np.int32) % MANY
    frame = pd.DataFrame(
        {
            "y": np.random.default_rng(0).normal(size=3 * MANY),
            "g": pd.Categorical.from_codes(codes, pd.RangeIndex(MANY)),
        }
    )
    fit = lmer("y ~ 1 + (1 | C(g))", frame, threads=1)
    frame.loc[0, "g"] = np.nan
    assert np.isfinite(fit.leverage()).all()
