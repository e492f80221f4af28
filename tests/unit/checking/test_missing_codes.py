"""Codes of missing values among numbers, in the page of checks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.checking.missing_codes import missing_codes_check, suspicious


def found(formula: str, data: pd.DataFrame) -> list[str]:
    checks = missing_codes_check(mm.LinearMixedModel(formula, data)._model.design)
    return [check.text for check in checks]


@pytest.mark.parametrize("code", [-9, -99, -999, -9999, 99, 999, 9999])
@pytest.mark.parametrize(
    ("formula", "column"),
    [
        ("Reaction ~ Days + (1 | Subject)", "Days"),
        ("Reaction ~ poly(Days, 2) + (1 | Subject)", "Days"),
        ("Reaction ~ I(Days^2) + (1 | Subject)", "Days"),
        ("Reaction ~ Days + (1 | Subject)", "Reaction"),
    ],
)
def test_codes_are_named(formula: str, column: str, code: int) -> None:
    data = mm.load_dataset("sleepstudy").astype({"Days": float})
    data.loc[[3, 50, 70], column] = code
    if column == "Reaction" and 0 < code < 999:  # within the range of the others
        assert found(formula, data) == []
        return
    if column == "Reaction" and code in (-9, -99):  # not far enough from the others
        return
    (text,) = found(formula, data)
    assert f"{column} ({code} in 3 rows)" in text


def test_the_page_has_them_last() -> None:
    data = mm.load_dataset("sleepstudy").astype({"Days": float})
    data.loc[[3, 50], "Days"] = -99
    checks = mm.lmer("Reaction ~ Days + (1 | Subject)", data).check(nsim=99)
    assert checks.checks[-1].name == "Missing values"
    assert checks.checks[-1].verdict == "look"
    whole = mm.lmer("Reaction ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy")).check(nsim=99)
    assert "Missing values" not in [check.name for check in whole.checks]


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0, 3.0, 999.0],  # once
        [0.0, 999.0, 999.0],  # no range to compare with
        [900.0, 950.0, 990.0, 999.0, 999.0],
        [-12.0, -9.0, -9.0, 5.0],
        [999.0, 999.0],
        [],
    ],
)
def test_other_numbers_are_left_alone(values: list[float]) -> None:
    assert list(suspicious(np.array(values))) == []


def test_bundled_data_have_no_codes_for_missing_values() -> None:
    for name in mm.list_datasets():
        for column, values in mm.load_dataset(name).items():
            if values.dtype.kind in "iuf":
                numbers = values.dropna().to_numpy(dtype=float)
                assert list(suspicious(numbers)) == [], (name, column)
