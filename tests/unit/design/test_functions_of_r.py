"""Functions of formulas against R's: values, levels, and values on new data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixedmodels.design.columns import CategoricalColumn, level_labels
from mixedmodels.design.evaluate import bind, evaluate
from mixedmodels.design.frame import as_table
from mixedmodels.design.functions import Basis, CodedColumn
from mixedmodels.design.rows import Rows

REFERENCE = json.loads(
    (Path(__file__).parents[2] / "reference" / "functions.json").read_text(encoding="utf-8")
)
TRAINING = {name: np.array(REFERENCE[name]) for name in ("x", "k")}
NEW = {"x": np.array(REFERENCE["new"]), "k": np.array([3.0, 1.0, 2.0, 3.0, 1.0])}
NUMBERS = {case["text"]: case for case in REFERENCE["numbers"]}
FACTORS = {case["text"]: case for case in REFERENCE["factors"]}


def value(text: str, data: dict[str, Any], states: dict[str, Any]) -> Any:
    """The value of an expression, without what transforms say of themselves."""
    rows = Rows(as_table(data))
    found = evaluate(bind(text, rows.table), rows, states)
    found = found.column if isinstance(found, CodedColumn) else found
    return found.columns if isinstance(found, Basis) else found


def columns(reference: list[list[float | None]]) -> np.ndarray:
    """Columns of the reference as (n, k); null is NaN."""
    return np.array(reference, dtype=np.float64).T


def matrix(found: Any) -> np.ndarray:
    """A value as (n, k)."""
    array = np.asarray(found, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers(text: str) -> None:
    """14 digits of R's."""
    found = matrix(value(text, TRAINING, {}))
    np.testing.assert_allclose(found, columns(NUMBERS[text]["values"]), rtol=1e-13, atol=2e-14)


def test_significant_digits_of_ties() -> None:
    """R 4.2.2: the shifted number decides, where `round` looks at the number itself."""
    x = np.array([0.15, 0.25, 0.35, 0.45, 1.15, 2.675, 123456.5, 1.2345e-4, -0.15, 0.095, 0.0])
    expected = {
        1: [0.2, 0.2, 0.4, 0.4, 1.0, 3.0, 100000.0, 1e-4, -0.2, 0.1, 0.0],
        2: [0.15, 0.25, 0.35, 0.45, 1.2, 2.7, 120000.0, 1.2e-4, -0.15, 0.095, 0.0],
        3: [0.15, 0.25, 0.35, 0.45, 1.15, 2.68, 123000.0, 1.23e-4, -0.15, 0.095, 0.0],
        4: [0.15, 0.25, 0.35, 0.45, 1.15, 2.675, 123500.0, 1.234e-4, -0.15, 0.095, 0.0],
    }
    for digits, values in expected.items():
        found = value(f"signif(x, {digits})", {"x": x}, {})
        np.testing.assert_allclose(found, values, rtol=1e-15)
    far = value("signif(x, 2)", {"x": np.array([1.23456e300, 1.23456e-300, 5e-324, -1.76e308])}, {})
    np.testing.assert_allclose(far, [1.2e300, 1.2e-300, 5e-324, -1.76e308], rtol=1e-15)


@pytest.mark.parametrize("exponent", [-1000, -600, -40, 40, 600, 1000])
@pytest.mark.parametrize("text", ["ns(x, df=4)", "ns(x, df=3, intercept=TRUE)", "bs(x, df=5)"])
def test_splines_in_any_unit(text: str, exponent: int) -> None:
    """Splines do not depend on the unit of the column, to the last bit for powers of two."""
    states: dict[str, Any] = {}
    scaled = {"x": np.ldexp(TRAINING["x"], exponent)}
    found = matrix(value(text, scaled, states))
    np.testing.assert_array_equal(found, matrix(value(text, TRAINING, {})))
    np.testing.assert_array_equal(matrix(value(text, scaled, states)), found)


@pytest.mark.parametrize("text", [text for text, case in NUMBERS.items() if case["predicted"]])
def test_new_data(text: str) -> None:
    """R's ``predict`` of the basis, also beyond the boundary knots; our ``bs`` has to be asked."""
    states: dict[str, Any] = {}
    typed = text
    if text.startswith("bs") and "Boundary" not in text:
        typed = text.removesuffix(")") + ", extrapolation='extend')"
    value(typed, TRAINING, states)
    found = matrix(value(typed, NEW, states))
    np.testing.assert_allclose(found, columns(NUMBERS[text]["predicted"]), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("text", NUMBERS)
def test_some_rows_are_what_they_were_in_training(text: str) -> None:
    states: dict[str, Any] = {}
    every = matrix(value(text, TRAINING, states))
    some = {name: column[[7, 2]] for name, column in TRAINING.items()}
    np.testing.assert_allclose(matrix(value(text, some, states)), every[[7, 2]], rtol=1e-13)


@pytest.mark.parametrize("text", FACTORS)
def test_factors(text: str) -> None:
    """Labels of the rows, and R's order of the levels that occur."""
    states: dict[str, Any] = {}
    found: CategoricalColumn = value(text, TRAINING, states)
    labels = np.array([*level_labels(found.levels), None], dtype=object)
    want = FACTORS[text]["labels"]
    assert labels[found.codes].tolist() == want
    occurring = [label for label in labels[:-1] if label in want]
    assert occurring == [label for label in FACTORS[text]["levels"] if label in want]
    some = value(text, {name: column[[7, 2]] for name, column in TRAINING.items()}, states)
    labels = np.array([*level_labels(some.levels), None], dtype=object)
    assert labels[some.codes].tolist() == [want[7], want[2]]
