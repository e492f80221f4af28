"""Fits whose rows are divided among threads: the same for any number of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


def rows(n: int = 9_001) -> pd.DataFrame:
    """Responses of several families by two crossed factors, one of which has few rows a level."""
    rng = np.random.default_rng(11)
    a, b, x = rng.integers(0, 900, n), rng.integers(0, 12, n), rng.standard_normal(n)
    eta = -0.3 + 0.5 * x + 0.7 * rng.standard_normal(900)[a] + 0.4 * rng.standard_normal(12)[b]
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "x": x,
            "binary": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
            "count": rng.poisson(rng.gamma(2.0, np.exp(eta) / 2.0)).astype(float),
            "size": rng.gamma(3.0, np.exp(eta) / 3.0),
            "grade": np.digitize(eta + rng.logistic(size=n), [-1.0, 0.5, 2.0]),
        }
    )


@pytest.mark.parametrize(
    ("formula", "family", "options"),
    [
        ("binary ~ x + (1 | a) + (1 | b)", "binomial", {}),
        ("binary ~ x + (1 | a)", "binomial", {"n_agq": 5}),
        ("count ~ x + (1 + x | b)", "negative_binomial", {"zero_inflation": "~ x"}),
        ("count ~ x + (1 | b)", "poisson", {"reml": True}),
        ("size ~ x + (1 | a)", "gamma", {"link": "log", "dispersion": "~ x"}),
        ("binary ~ x + (1 | b)", "binomial", {"link": "probit", "information": "expected"}),
        ("grade ~ x + (1 | b)", "ordinal", {}),
    ],
)
def test_the_number_of_threads_changes_no_digit(
    formula: str, family: str, options: dict[str, object]
) -> None:
    data = rows()
    one, several = (
        mm.glmer(formula, data, family=family, threads=threads, **options)  # type: ignore[arg-type]
        for threads in (1, 3)
    )
    assert one.objective == several.objective
    np.testing.assert_array_equal(one.solution.par, several.solution.par)
    np.testing.assert_array_equal(one.vcov, several.vcov)
    np.testing.assert_array_equal(one.fitted, several.fitted)
    assert one.optsum.n_objective == several.optsum.n_objective
