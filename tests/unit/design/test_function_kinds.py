"""Every function on every kind of column in every role: a design, or an error of our tree."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.design import build_design
from mixedmodels.design.functions import FUNCTIONS
from mixedmodels.errors import MixedModelsError
from mixedmodels.formula import parse_formula

# What is told of rows that are lost is in edge_cases/test_advice.py.
pytestmark = pytest.mark.filterwarnings("ignore::mixedmodels.errors.LostRowsWarning")

N_ROWS = 24
ROW = np.arange(N_ROWS)
NUMBERS = np.tile([1.0, 2.0, 3.0, 4.0, 6.0, 8.0], 4)


def columns() -> dict[str, Any]:
    """A column of every kind."""
    found: dict[str, Any] = {
        "truth": ROW % 3 == 0,
        **{
            name: NUMBERS.astype(name)
            for name in (
                *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
                *("float16", "float32", "float64"),
            )
        },
        "huge": NUMBERS * 1e300,
        "tiny": NUMBERS * 1e-310,
        "negative": -NUMBERS,
        "constant": np.full(N_ROWS, 2.5),
        "two": (ROW % 2).astype(float),
        "text": np.where(ROW % 2 == 0, "a", "b").astype(object),
        "numbered": np.char.add("", (ROW % 3).astype(str)).astype(object),
        "category": pd.Categorical.from_codes(ROW % 3, ["q", "p", "r", "unused"]),
        "ranks": pd.Categorical.from_codes(ROW % 3, ["lo", "mid", "hi"], ordered=True),
        "truths": pd.Categorical(ROW % 2 == 0),
        "dates": pd.Timestamp("2024-01-01") + pd.to_timedelta(ROW % 5, unit="D"),
        "days": np.array([dt.date(2024, 1, 1 + k) for k in ROW % 5], dtype=object),
        "gaps": np.where(ROW == 3, np.nan, NUMBERS),
        "missing": np.full(N_ROWS, np.nan),
        "nullable": pd.array([None, *(ROW[1:] % 4)], dtype="Int64"),
        "maybe": pd.array([None, *(ROW[1:] % 2 == 0)], dtype="boolean"),
        "absent_text": np.array([None, *(["u", "v"] * N_ROWS)[: N_ROWS - 1]], dtype=object),
        "infinite": np.where(ROW == 5, np.inf, NUMBERS),
    }
    return found


COLUMNS = columns()
FRAME = pd.DataFrame(COLUMNS).assign(
    y=np.random.default_rng(1).normal(10.0, 1.0, N_ROWS), g=ROW // 4, z=np.sin(ROW) + 3.0
)
ROLES = (
    ("y ~ {call} + (1 | g)", {}),
    ("y ~ 1 + ({call} | g)", {}),
    ("y ~ {call} + (1 | {call})", {}),
    ("y ~ 1 + (1 | g)", {"weights": "{call}"}),
    ("y ~ 1 + (1 | g)", {"offset": "{call}"}),
    ("{call} ~ 1 + (1 | g)", {}),
)
ARGUMENTS = {
    "cut": "{x}, 3",
    "relevel": "{x}, ref='a'",
    "ifelse": "{x}, {x}, 0",
    "np.where": "{x}, 1, {x}",
    "is.element": "{x}, c(1, 'a')",
    "np.isin": "{x}, [1, 'a']",
    "poly": "{x}, 2",
    "ns": "{x}, df=3",
    "bs": "{x}, df=4",
    "cr": "{x}, df=3",
    "cs": "{x}, df=3",
    "cc": "{x}, df=3",
    "seq": "1, {x}",
    "xor": "{x}, {x}",
    "atan2": "{x}, z",
}


def call(name: str, column: str) -> str:
    """A call of the function with its usual arguments."""
    if name in ARGUMENTS:
        return f"{name}({ARGUMENTS[name].format(x=column)})"
    if (
        name.startswith("np.")
        and len(FUNCTIONS[name].parameters) == 2
        and name[3:5] not in ("ro", "ar")
    ):
        return f"{name}({column}, z)"
    return f"{name}({column})"


def failure(text: str, role: int) -> str | None:
    """What is raised for a call in a role, except an error of our tree or nothing at all."""
    formula, options = ROLES[role]
    formula = formula.format(call=text)
    given = {name: value.format(call=text) for name, value in options.items()}
    try:
        made = build_design(parse_formula(formula), FRAME, residual=False, **given)
    except MixedModelsError:
        return None
    except Exception as error:  # noqa: BLE001
        return f"{formula} {given}: {type(error).__name__}: {error}"
    finite = np.isfinite(made.X).all() and np.isfinite(made.y).all()
    return None if finite else f"{formula} {given}: not finite"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_any_column_in_any_role(name: str) -> None:
    """Each function on each column, in a role that goes round; all 28,000 are tried by hand."""
    start = sorted(FUNCTIONS).index(name)
    tried = (
        failure(call(name, column), (start + position) % len(ROLES))
        for position, column in enumerate(COLUMNS)
    )
    failed = [message for message in tried if message is not None]
    assert not failed, "\n".join(failed)
