"""Columns whose coefficients have no square in double precision are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


def table(scale: float) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 120
    return pd.DataFrame(
        {
            "g": np.arange(n) % 12,
            "x": scale * rng.normal(size=n),
            "y": rng.poisson(2.0, n),
            "grade": pd.Categorical(rng.choice(["low", "mid", "top"], n), ordered=True),
        }
    )


ROLES: dict[str, tuple[str, dict[str, Any]]] = {
    "fixed": ("y ~ x + (1 | g)", {"family": "poisson"}),
    "slope": ("y ~ 1 + (x | g)", {"family": "poisson"}),
    "interaction": ("y ~ g:x + (1 | g)", {"family": "poisson"}),
    "ordinal": ("grade ~ x + (1 | g)", {"family": "ordinal"}),
    "dispersion": ("y ~ 1 + (1 | g)", {"family": "negative_binomial", "dispersion": "~ x"}),
    "zeros": ("y ~ 1 + (1 | g)", {"family": "poisson", "zero_inflation": "~ x"}),
}


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("role", ROLES)
def test_refused_by_name(role: str, scale: float) -> None:
    formula, options = ROLES[role]
    with pytest.raises(mm.ModelError, match=r"x'.* cannot hold its square"):
        mm.glmer(formula, table(scale), **options)


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_far_scales_that_can_be_held(scale: float) -> None:
    near, far = (mm.glmer("y ~ x + (1 | g)", table(s), family="poisson") for s in (1.0, scale))
    assert far.objective == pytest.approx(near.objective, rel=1e-12)
    np.testing.assert_allclose(far.coef_table()["p_value"], near.coef_table()["p_value"], rtol=1e-6)
