"""Contrasts: R's matrices, custom ones, and the rule that keeps columns from being redundant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.design import Design
from mixedmodels.design.coding import contr_helmert, contr_poly, contr_sum
from mixedmodels.design.rank import scope_terms
from mixedmodels.errors import DataError


def test_contr_sum() -> None:
    assert contr_sum(3).tolist() == [[1, 0], [0, 1], [-1, -1]]


def test_contr_helmert() -> None:
    assert contr_helmert(4).tolist() == [[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 0, 3]]


def test_contr_poly_of_three() -> None:
    linear, quadratic = np.sqrt(0.5), np.sqrt(1 / 6)
    expected = [[-linear, quadratic], [0, -2 * quadratic], [linear, quadratic]]
    np.testing.assert_allclose(contr_poly(3), expected, atol=1e-15)


@pytest.mark.parametrize("n_levels", [2, 5, 12, 60])
def test_contr_poly_is_orthonormal(n_levels: int) -> None:
    matrix = contr_poly(n_levels)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(n_levels - 1), atol=1e-13)
    np.testing.assert_allclose(matrix.sum(axis=0), 0.0, atol=1e-13)
    assert (matrix[-1] > -1e-15).all()  # of high degrees the last entry is less than rounding


@pytest.mark.parametrize(
    ("contrast", "rows"),
    [
        (np.array([[2.0, 0.0], [0.0, 1.0], [-2.0, -1.0]]), [[2, 0], [0, 1], [-2, -1]]),
        ([[1], [0], [-1]], [[1], [0], [-1]]),
        ([1, 0, -1], [[1], [0], [-1]]),
        (pd.DataFrame({"d": [3, 1, 2]}, index=["r", "q", "p"]), [[1], [2], [3]]),
    ],
)
def test_custom_matrices(
    contrast: Any, rows: list[list[float]], table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    X = design("y ~ f + (1|g)", contrasts={"f": contrast}).X
    np.testing.assert_array_equal(X[:, 1:], np.array(rows, dtype=float)[table["f"].cat.codes])


def test_columns_of_a_frame_name_the_columns(design: Callable[..., Design]) -> None:
    frame = pd.DataFrame({".vs.q": [0, 1, 0], ".vs.p": [0, 0, 1]}, index=["q", "p", "r"])
    made = design("y ~ f + (1|g)", contrasts={"f": frame})
    assert made.x_names == ("(Intercept)", "f.vs.q", "f.vs.p")


@pytest.mark.parametrize("key", ["k", "factor(k)"])
def test_contrast_of_a_call_by_its_text_or_its_column(
    key: str, design: Callable[..., Design]
) -> None:
    made = design("y ~ factor(k) + (1|g)", contrasts={key: "sum"})
    assert made.x_names[1:] == tuple(f"factor(k){i}" for i in (1, 2, 3, 4))
    assert set(np.unique(made.X[:, 1])) == {-1.0, 0.0, 1.0}


def test_contrast_inside_the_formula_wins(design: Callable[..., Design]) -> None:
    made = design("y ~ C(f, contr.helmert) + (1|g)", contrasts={"f": "sum"})
    assert set(np.unique(made.X[:, 2])) == {-1.0, 2.0}


def test_no_contrast_where_all_levels_stand(design: Callable[..., Design]) -> None:
    made = design("y ~ 0 + f + (1|g)", contrasts={"f": "sum"})
    assert made.x_names == ("fq", "fp", "fr")


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        ({"f": "summ"}, "'summ'; it must be one of.*Did you mean 'sum'"),
        ({"f": np.eye(4)}, r"shape \(4, 4\).*3 levels in use.*3 rows and 1 to 2 columns"),
        ({"f": np.eye(3)}, r"shape \(3, 3\)"),
        ({"f": [["a"], ["b"], ["c"]]}, "not a matrix of numbers"),
        ({"f": ("treatment", "p")}, r"is \('treatment', 'p'\).* relevel\(f, ref='b'\) .*'helmert'"),
        ({"f": [[1], [np.nan], [0]]}, "not finite"),
        ({"nowhere": "sum"}, "'nowhere', which is not a column"),
        ({"x": "sum"}, r"'x', which is numeric; write C\(x\)"),
        ("sum", "must be a dict"),
    ],
)
def test_refused(contrasts: Any, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(DataError, match=message):
        design("y ~ f + x + (1|g)", contrasts=contrasts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("C(f, Treatment('zz'))", "no level 'zz' to be the reference; it has q, p, r"),
        ("C(f, 'summ')", "must be one of"),
        ("C(f, contr.sum('q'))", "needs one number as 'n'"),
        ("C(f, levels=['q'])", "not among its levels: p, r"),
    ],
)
def test_refused_calls(call: str, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(ValueError, match=message):
        design(f"y ~ {call} + (1|g)")


@pytest.mark.parametrize(
    ("terms", "spanning", "expected"),
    [
        ([(), (0,)], [True], [[()], [((0, True),)]]),
        ([(0,)], [True], [[((0, False),)]]),
        ([(0,), (1,)], [True, True], [[((0, False),)], [((1, True),)]]),
        ([(), (0, 1)], [True, False], [[()], [((0, False), (1, False))]]),
        ([(1,), (0, 1)], [True, False], [[((1, False),)], [((0, True), (1, False))]]),
        ([(0, 1)], [True, True], [[((0, False), (1, False))]]),
        ([(), (0,), (0, 1)], [True, True], [[()], [((0, True),)], [((0, False), (1, True))]]),
        ([(), (0, 1)], [True, True], [[()], [((1, True),), ((0, True), (1, False))]]),
    ],
)
def test_scopes(terms: Any, spanning: list[bool], expected: Any) -> None:
    scoped = scope_terms(tuple(terms), tuple(spanning))
    assert [list(products) for products in scoped] == expected
