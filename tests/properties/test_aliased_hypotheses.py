"""Tests of terms beside a column that is an affine combination of others, of whatever size."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.streamed import in_parts

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit

SIZES = st.sampled_from([1e-6, 1e-3, 0.7, 1.0, 31.0, 1e3, 1e6, 1e9])
SIGNS = st.sampled_from([-1.0, 1.0])


def rows(rng: np.random.Generator, place: float, spread: float) -> pd.DataFrame:
    n = 160
    data = pd.DataFrame(
        {
            "x": place + spread * rng.standard_normal(n),
            "z": rng.standard_normal(n),
            "f": rng.permutation(np.resize(list("abc"), n)),
            "g": rng.integers(0, 12, n),
        }
    )
    data["y"] = (
        rng.standard_normal(12)[data["g"]]
        + (data["f"] == "b")
        + 0.5 * data["z"]
        + rng.standard_normal(n)
    )
    return data


def f_tests(fit: LinearMixedFit, ss: int) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit.anova(type=ss).to_frame()[["num_df", "den_df", "statistic"]]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    st.sampled_from([1e-3, 1.0, 50.0]),
    st.tuples(SIGNS, SIZES),
    st.one_of(st.just((1.0, 0.0)), st.tuples(SIGNS, SIZES)),
    st.booleans(),
    st.booleans(),
)
@example(0, 1e6, 1.0, (-1.0, 1e3), (1.0, 1e9), False, False)  # large parts that cancel
def test_terms_without_the_column_are_tested_as_if_it_were_not_there(
    seed: int,
    place: float,
    spread: float,
    slope: tuple[float, float],
    constant: tuple[float, float],
    with_z: bool,
    streamed: bool,
) -> None:
    data = rows(np.random.default_rng(seed), place, spread)
    a, b = slope[0] * slope[1], constant[0] * constant[1]
    data["again"] = a * data["x"] + b + (a * data["z"] if with_z else 0.0)
    size = float(np.abs(data["again"]).max())
    # Digits of x (and z) that the column has.
    least = min(spread, 1.0) if with_z else spread
    if abs(a) * least < 1e-9 * size or spread < 1e-8 * place:
        return
    formula = "y ~ x + z + f + again + (1 | g)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.lmer(formula, in_parts(data, 2) if streamed else data)
        clean = mm.lmer("y ~ x + z + f + (1 | g)", data)
    assert fit.fixef.isna().to_dict()["again"]
    for ss in (1, 2, 3):
        found, expected = f_tests(fit, ss), f_tests(clean, ss)
        assert found.loc["again", "num_df"] == 0
        shared = ["x", "z"] if with_z else ["x"]
        alone = [name for name in expected.index if name not in shared]
        compared = alone if ss == 3 else expected.index if ss == 1 else alone
        pd.testing.assert_frame_equal(found.loc[compared], expected.loc[compared], rtol=1e-4)
        if ss == 3:
            # Without a constant part x alone has the column; with both neither is determined.
            assert (found.loc[shared, "num_df"] == 0).all()


@pytest.mark.parametrize("offset", [1e3, 1e9])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_shifted_copy_of_a_covariate_far_from_zero(offset: float, streamed: bool) -> None:
    rng = np.random.default_rng(8)
    data = rows(rng, 1e6, 1.0)
    formula = f"y ~ x + I(x + {offset:g}) + f + (1 | g)"
    fit = mm.lmer(formula, in_parts(data, 3) if streamed else data)
    clean = mm.lmer("y ~ x + f + (1 | g)", data)
    pd.testing.assert_frame_equal(
        f_tests(fit, 3).loc[["f"]], f_tests(clean, 3).loc[["f"]], rtol=1e-5
    )
    assert f_tests(fit, 3).loc["x", "num_df"] == 0
