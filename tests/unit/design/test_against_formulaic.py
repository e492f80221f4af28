"""The fixed part against formulaic's own materializer: same columns, same values, same order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix

from mixedmodels.design import Design

# Ours (as users write it), and the same in formulaic's words where they differ.
SAME = (
    "1",
    "0 + x",
    "x + z",
    "x*z",
    "x:z",
    "f",
    "0 + f",
    "0 + x + f",
    "0 + f + s",
    "f + s",
    "f*s",
    "f:s",
    "0 + f:s",
    "f + f:s",
    "f:x",
    "f*x",
    "x + f:x",
    "0 + f:x",
    "f*s*x",
    "f:s:x",
    "(f + s + x)**2",
    "f/s",
    "f/x",
    "x + x:f + f:s",
    "f*u*s",
    "u",
    "np.log(x)",
    "log(x)*f",
    "np.sqrt(x) + exp(z)",
    "I(x**2) + x",
    "I(x*z)",
    "poly(x, 3)",
    "poly(x, 2):f",
    "poly(x, 2, raw=True)",
    "scale(x) + center(z)",
    "scale(x, scale=False)",
    "bs(x, df=4)",
    "bs(x, df=4)*s",
    "bs(x, df=5, include_intercept=True)",
    "0 + bs(x, df=5, include_intercept=True)",
    "cr(x, df=3)",
    "cc(x, df=3)",
    "C(k)",
    "C(k)*x",
    "C(k, levels=[4, 3, 2, 1, 0])",
    "`my var` + I(`my var`**2)",
    "new + i",
)
TRANSLATED = (
    ("I(x^2)", "I(x**2)"),
    ("(f + x)^2", "(f + x)**2"),
    ("factor(k)", "C(k)"),
    ("factor(k):x", "C(k):x"),
    ("b*x", "C(b)*x"),
    ("0 + b", "0 + C(b)"),
    ("C(f, contr.sum)", "C(f, contr.sum)"),
    ("C(f, contr.helmert)", "C(f, contr.helmert(reverse=True, scale=False))"),
    ("C(u, contr.poly)", "C(u, contr.poly)"),
    ("C(f, Treatment('r'))", "C(f, contr.treatment('r'))"),
    ("log(total.fruits)", "log(`total.fruits`)"),
    ("abs(z) + sin(x) + cos(x)", "np.abs(z) + np.sin(x) + np.cos(x)"),
)


def for_formulaic(table: pd.DataFrame) -> pd.DataFrame:
    """Without what it takes differently: unused levels, columns called as functions are."""
    used = table.assign(f=table["f"].cat.remove_unused_categories())
    return used.drop(columns=["log", "np", "Intercept"])


@pytest.mark.parametrize(("ours", "theirs"), [(f, f) for f in SAME] + list(TRANSLATED))
def test_same_matrix(
    ours: str, theirs: str, table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    made = design(f"y ~ {ours} + (1|g)")
    expected = model_matrix(theirs, for_formulaic(table))
    assert made.X.shape == expected.shape
    # Same operations in another order.
    np.testing.assert_allclose(made.X, expected.to_numpy(dtype=float), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "lhs", ["1", "x", "0 + x", "f", "0 + f", "f*x", "0 + f:x", "b", "poly(x, 2)", "x*z", "C(k)"]
)
def test_same_random_columns(lhs: str, table: pd.DataFrame, design: Callable[..., Design]) -> None:
    made = design(f"y ~ x + f + ({lhs} | g)", residual=False, data=pd.concat([table] * 3))
    expected = model_matrix(lhs.replace("b", "C(b)"), pd.concat([for_formulaic(table)] * 3))
    (term,) = made.terms
    np.testing.assert_allclose(term.z, expected.to_numpy(dtype=float), rtol=1e-13, atol=1e-13)
