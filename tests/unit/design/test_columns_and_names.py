"""Column names in R's manner, and names that nothing may capture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from mixedmodels.design import Design
from mixedmodels.errors import DataError, FormulaError

INTERCEPT = "(Intercept)"
# Names of the caller's program, which no formula may see.
secret = np.ones(48)


@pytest.mark.parametrize(
    ("fixed", "names"),
    [
        ("1", [INTERCEPT]),
        ("0", []),
        ("x + z", [INTERCEPT, "x", "z"]),
        ("f", [INTERCEPT, "fp", "fr"]),
        ("0 + f", ["fq", "fp", "fr"]),
        ("b", [INTERCEPT, "bTRUE"]),
        ("0 + b", ["bFALSE", "bTRUE"]),
        ("x:b", [INTERCEPT, "x:bFALSE", "x:bTRUE"]),
        ("s", [INTERCEPT, "sodd"]),
        ("f*x", [INTERCEPT, "fp", "fr", "x", "fp:x", "fr:x"]),
        ("f:x + x", [INTERCEPT, "x", "fp:x", "fr:x"]),
        ("s*f", [INTERCEPT, "sodd", "fp", "fr", "sodd:fp", "sodd:fr"]),
        ("z*x + k*x", [INTERCEPT, "z", "x", "k", "z:x", "x:k"]),
        ("I(x^2)", [INTERCEPT, "I(x^2)"]),
        ("I(x  **  2)", [INTERCEPT, "I(x ** 2)"]),
        ("factor(k)", [INTERCEPT, "factor(k)1", "factor(k)2", "factor(k)3", "factor(k)4"]),
        ("poly(x, 2)", [INTERCEPT, "poly(x, 2)1", "poly(x, 2)2"]),
        ("bs(x, df=4)", [INTERCEPT, *(f"bs(x, df=4){i}" for i in (1, 2, 3, 4))]),
        ("scale(x)", [INTERCEPT, "scale(x)"]),
        ("I(x > 1)", [INTERCEPT, "I(x > 1)TRUE"]),
        ("I(f == 'q')", [INTERCEPT, "I(f == 'q')TRUE"]),
        ("`my var`", [INTERCEPT, "my var"]),
        ("total.fruits + log(total.fruits)", [INTERCEPT, "total.fruits", "log(total.fruits)"]),
        ("Intercept", [INTERCEPT, "Intercept"]),
        ("new + i", [INTERCEPT, "new", "i"]),
    ],
)
def test_names(fixed: str, names: list[str], design: Callable[..., Design]) -> None:
    assert list(design(f"y ~ {fixed} + (1|g)").x_names) == names


@pytest.mark.parametrize(
    ("contrast", "names"),
    [
        ("treatment", ["umid", "uhi", "utop"]),
        ("sum", ["u1", "u2", "u3"]),
        ("helmert", ["u1", "u2", "u3"]),
        ("poly", ["u.L", "u.Q", "u.C"]),
    ],
)
def test_names_of_contrasts(contrast: str, names: list[str], design: Callable[..., Design]) -> None:
    made = design("y ~ u + (u|g)", contrasts={"u": contrast}, residual=False)
    assert made.x_names == (INTERCEPT, *names)
    assert made.terms[0].columns == (INTERCEPT, *names)


def test_ordered_factors_are_treatment_coded_without_contrasts(
    design: Callable[..., Design],
) -> None:
    assert design("y ~ u + (1|g)").x_names == (INTERCEPT, "umid", "uhi", "utop")


@pytest.mark.parametrize(
    ("text", "column", "function"),
    [
        ("log(log)", "log", np.log),
        ("np.log(np)", "np", np.log),
        ("log", "log", None),
        ("np", "np", None),
        ("Intercept", "Intercept", None),
        ("new", "new", None),
        ("i", "i", None),
        ("I(i)", "i", None),
    ],
)
def test_columns_are_not_captured(
    text: str,
    column: str,
    function: Callable[..., object] | None,
    table: pd.DataFrame,
    design: Callable[..., Design],
) -> None:
    values = table[column] if function is None else function(table[column])
    np.testing.assert_array_equal(design(f"y ~ {text} + (1|g)").X[:, 1], values)


def test_a_column_named_like_an_expression_is_another_factor(
    table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    table["log(x)"] = table["z"]
    made = design("y ~ log(x) + (1 + `log(x)`|g)", table)
    np.testing.assert_array_equal(made.X[:, 1], np.log(table["x"]))
    np.testing.assert_array_equal(made.terms[0].z[:, 1], table["z"])


@pytest.mark.parametrize(
    ("formula", "piece", "message"),
    [
        ("y ~ secret + (1|g)", "secret", "not a column of the data"),
        ("y ~ log(secret) + (1|g)", "secret", "not a column of the data"),
        ("y ~ table + (1|g)", "table", "not a column of the data"),
        ("Y ~ x + (1|g)", "Y", "Did you mean 'y'"),
        ("y ~ totl.fruits + (1|g)", "totl.fruits", "Did you mean 'total.fruits'"),
        ("y ~ x + (1|G)", "G", "Did you mean 'g'"),
        ("y ~ x + (X|g)", "X", "Did you mean 'x'"),
        ("y ~ `np.log` + (1|g)", "`np.log`", "not a column"),
        ("y ~ I(`my vra`) + (1|g)", "`my vra`", "Did you mean `my var`"),
        ("y ~ lgo(x) + (1|g)", "lgo", "Did you mean 'log'"),
        ("y ~ np.lgo(x) + (1|g)", "np.lgo", "NumPy has no function 'lgo'"),
        ("y ~ np.mean(x) + (1|g)", "np.mean", "row by row"),
        ("y ~ np.random(x) + (1|g)", "np.random", "row by row"),
        ("y ~ __import__('os') + (1|g)", "__import__", "not a function"),
        ("y ~ x(1|g) + (1|g)", "x", "is an operator missing"),
        ("y ~ x.mean() + (1|g)", "x.mean", "not a function"),
        ("y ~ I(x.real) + (1|g)", "x.real", "attributes cannot be used"),
        ("y ~ log(f) + (1|g)", "log(f)", "column 'f' is categorical"),
        ("y ~ I(f + 1) + (1|g)", "I(f + 1)", "column 'f' is categorical"),
        ("y ~ log(x, out=z) + (1|g)", "log(x, out=z)", "does not take 'out='"),
        ("y ~ I(3) + (1|g)", "I(3)", "a single value"),
        ("y ~ poly(x, _state=z) + (1|g)", "poly", "cannot be given"),
        ("y ~ x + (1|poly(x, 2))", "poly(x, 2)", "one column"),
        ("cbind(y, x) ~ z + (1|g)", "cbind", "makes several columns"),
    ],
)
def test_unknown_names_and_impossible_expressions(
    formula: str, piece: str, message: str, design: Callable[..., Design]
) -> None:
    with pytest.raises(FormulaError) as caught:
        design(formula)
    error = caught.value
    assert message in str(error)
    assert formula[error.start : error.end] == piece
    assert error.text == formula


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ I(1/k) + (1|g)", r"'I\(1/k\)' is not finite in row 0 \(inf\), row 5 \(inf\)"),
        ("log(k) ~ x + (1|g)", r"'log\(k\)' is not finite in row 0 \(-inf\)"),
        ("y ~ x + (log(k)|g)", r"'log\(k\)' is not finite"),
        ("y ~ x + offset(log(k)) + (1|g)", r"'offset\(log\(k\)\)' is not finite"),
        ("y ~ x + (1|log(k))", r"'log\(k\)' is not finite in row 0 \(-inf\)"),
        ("y ~ factor(log(k)) + (1|g)", r"'factor\(log\(k\)\)' is not finite in row 0 \(-inf\)"),
        (
            "y ~ scale(log(k)) + (1|g)",
            r"scale\(log\(k\)\): scale\(\) cannot learn from",
        ),
        ("y ~ poly(k, 5) + (1|g)", "needs more than 5 distinct values; there are 5"),
        ("y ~ one + (1|g)", r"'one' is categorical with only one level in use \(same\)"),
        ("y ~ offset(f) + (1|g)", "not one column of numbers"),
        ("s ~ x + (1|g)", "'s' is not numeric.*glmer"),
        ("f ~ x + (1|g)", "'f' is not numeric.*glmer"),
        ("poly(x, 2) ~ x + (1|g)", "has 2 columns; it must have one"),
        ("constant ~ x + (1|g)", r"'constant' is constant \(1.5 in all 48 rows\)"),
    ],
)
def test_refused_values(formula: str, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(DataError, match=message):
        design(formula)


def test_dates_are_not_silently_categories(
    table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    table["d"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(table["k"], unit="D")
    with pytest.raises(DataError, match=r"'d' has dates.*factor\(d\)"):
        design("y ~ d + (1|g)", table)
    assert design("y ~ factor(d) + (1|d)", table).X.shape == (48, 5)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("y", lambda t: t["y"]),
        ("log(y)", lambda t: np.log(t["y"])),
        ("np.log(y)", lambda t: np.log(t["y"])),
        ("y/100 + 1", lambda t: t["y"] / 100 + 1),
        ("y^2", lambda t: t["y"] ** 2),
        ("k", lambda t: t["k"].astype(float)),
        ("b", lambda t: t["b"].astype(float)),
        ("I(y > 10)", lambda t: (t["y"] > 10).astype(float)),
    ],
)
def test_response(
    response: str,
    expected: Callable[[pd.DataFrame], pd.Series],
    table: pd.DataFrame,
    design: Callable[..., Design],
) -> None:
    made = design(f"{response} ~ x + (1|g)")
    assert made.response_name == response
    assert made.y.dtype == np.float64
    np.testing.assert_array_equal(made.y, expected(table))


def test_large_integers_do_not_overflow(table: pd.DataFrame, design: Callable[..., Design]) -> None:
    table["k"] = table["k"].astype(np.int8) + np.int8(100)
    np.testing.assert_array_equal(
        design("y ~ I(k^2) + (1|g)", table).X[:, 1], table["k"].astype(float) ** 2
    )


def test_poly_has_the_signs_of_r(design: Callable[..., Design], table: pd.DataFrame) -> None:
    """R: orthonormal, orthogonal to 1, leading coefficients positive."""
    X = design("y ~ poly(x, 3) + (1|g)").X
    np.testing.assert_allclose(X[:, 1:].T @ X, np.eye(4)[1:], atol=1e-12)
    highest = np.polynomial.polynomial.polyfit(table["x"], X, 3)
    assert (np.diag(highest)[1:] > 0).all()
