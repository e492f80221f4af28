"""What is read from names, equations, dicts and arrays, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.errors import MixedModelsError
from mixedmodels.inference.hypotheses import Coefficients, hypothesis
from mixedmodels.inference.wald import linear_test

NAMES = ("(Intercept)", "x", "x2", "I(x - 1)", "a:b", "z")
# The last column is twice the second plus the first.
D = np.hstack([np.eye(5), [[1.0], [2.0], [0.0], [0.0], [0.0]]])
ABOUT = Coefficients(NAMES, dict, np.arange(5), lambda: D)


@pytest.mark.parametrize(
    ("spec", "L", "rhs"),
    [
        ("x", [0, 1, 0, 0, 0], 0),
        ("x = 10", [0, 1, 0, 0, 0], 10),
        ("x == -1e1", [0, 1, 0, 0, 0], -10),
        ("3 - x = 2*x2", [0, -1, -2, 0, 0], -3),
        ("(Intercept) + 2 * I(x - 1)/4", [1, 0, 0, 0.5, 0], 0),
        ("-(x + a:b)*2 = (1 + 2)/3", [0, -2, 0, 0, -2], 1),
        ("x2-x", [0, -1, 1, 0, 0], 0),
        ({"x": 1, "a:b": -2.5}, [0, 1, 0, 0, -2.5], 0),
        ([0, 0, 1, 0, 0], [0, 0, 1, 0, 0], 0),
        (pd.Series({"x": 2.0}), [0, 2, 0, 0, 0], 0),
        (pd.DataFrame({"x2": [1.0], "x": [-1.0]}), [0, -1, 1, 0, 0], 0),
        # Estimable although a dropped column takes part: (Intercept) + 2x = z.
        ("(Intercept) + 2*x + 5*z", [1, 2, 0, 0, 0], 0),
    ],
    ids=str,
)
def test_one_row(spec: Any, L: list[float], rhs: float) -> None:
    found = hypothesis(spec, None, ABOUT)
    np.testing.assert_allclose(found.L, [L], atol=1e-15)
    assert found.rhs.tolist() == [rhs]


def test_several_rows_of_several_kinds() -> None:
    found = hypothesis(["x = 1", {"x2": 1.0}, "a:b"], None, ABOUT)
    assert found.labels == ("x = 1", "x2", "a:b")
    assert found.L.shape == (3, 5)
    assert found.rhs.tolist() == [1.0, 0.0, 0.0]
    assert hypothesis(np.eye(5), 2.0, ABOUT).rhs.tolist() == [2.0] * 5
    assert hypothesis(np.eye(6)[:2], [1.0, 2.0], ABOUT).labels == ("(Intercept)", "x")
    assert hypothesis([[1, -0.5, 0, 0, 0]], None, ABOUT).labels == ("(Intercept) - 0.5*x",)


@pytest.mark.parametrize(
    ("spec", "rhs", "message"),
    [
        ("y", None, "names 'y', which is not a coefficient"),
        ("x3", None, "names 'x3', which is not.*Did you mean"),
        ("x*x2", None, "multiplies coefficients"),
        ("1/x", None, "divides by what is not a number"),
        ("x/0", None, "divides by what is not a number"),
        ("x +", None, "ends too early"),
        ("(x", None, "ends too early"),
        ("x = 1 = 2", None, "'= 2' is not understood"),
        ("3 = 3", None, "gives no coefficient a weight"),
        ({"y": 1.0}, None, "'y' is not a coefficient of the model; there are: .*x2"),
        ([], None, "is empty"),
        ([[1, 2]], None, "shape .1, 2..*5 coefficients"),
        ([1, 2, np.nan, 0, 0], None, "finite"),
        ([...], None, "must be names or equations"),
        ("x = 1", 2.0, "not in both"),
        ("x", [1.0, 2.0], "one finite number"),
        (["x = 1", "2*x = 3"], None, "contradict each other: x = 1; 2.x = 3"),
        ("z", None, "'z' is not estimable.*Dropped columns: z"),
        ([0, 0, 0, 0, 0, 1], None, "'z' is not estimable"),
    ],
    ids=str,
)
def test_refused(spec: Any, rhs: Any, message: str) -> None:
    with pytest.raises(MixedModelsError, match=message):
        hypothesis(spec, rhs, ABOUT)


def test_redundant_rows_do_not_contradict() -> None:
    assert hypothesis(["x = 1", "2*x = 2"], None, ABOUT).L.shape == (2, 5)


def test_no_fixed_effects() -> None:
    nothing = Coefficients((), dict, np.arange(0), lambda: np.zeros((0, 0)))
    with pytest.raises(MixedModelsError, match="no fixed effects"):
        hypothesis("x", None, nothing)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_level(level: float) -> None:
    unused: Any = None
    with pytest.raises(MixedModelsError, match="level is"):
        linear_test(hypothesis("x", None, ABOUT), unused, level)
