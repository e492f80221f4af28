"""Where theta has two basins, the lower one is found; and shifting a covariate changes nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from mixedmodels import (
    ConvergenceWarning,
    LinearMixedModel,
    SingularFitWarning,
    lmer,
    load_dataset,
)


def far_from_zero(seed: int, slope: float) -> pd.DataFrame:
    """Slopes of a covariate about 1000, of this size for each of its standard deviations."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 12, 200)
    deviation = rng.normal(size=200)
    y = rng.normal(size=12)[group] + slope * rng.normal(size=12)[group] * deviation
    return pd.DataFrame(
        {"y": y + rng.normal(size=200), "x": 1000 + 0.1 * deviation, "group": group}
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("slope", [1.0, 3.0])
def test_the_lower_of_two_basins(slope: float, seed: int) -> None:
    model = LinearMixedModel("y ~ x + (x || group)", far_from_zero(seed, slope), reml=False)
    with warnings.catch_warnings():
        # Coefficients 30,000 times the residual leave few digits: the last step may be rounding.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SingularFitWarning)
        fit = model.fit()
        others = [model.fit(start=np.full(2, size)).objective for size in (0.3, 1.0, 3.0)]
    assert max(others) > min(others) + 10.0
    assert fit.objective < min(others) + 1e-4
    assert fit.optsum.trace[-1][0] == pytest.approx(fit.objective, abs=1e-6)


@pytest.mark.parametrize("shift", [100.0, 2000.0, 1e4])
def test_a_shift_costs_few_evaluations(shift: float) -> None:
    data = load_dataset("sleepstudy")
    fit = lmer("Reaction ~ Days + (Days | Subject)", data)
    moved = data.assign(Days=data["Days"] + shift)
    again = lmer("Reaction ~ Days + (Days | Subject)", moved)
    assert again.objective == pytest.approx(fit.objective, abs=1e-6)
    assert again.optsum.n_objective <= fit.optsum.n_objective + 5
    assert again.converged
