"""Evaluations of the criterion that fits take: they have no noise, so that nothing creeps in."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from benchmarks.generated import maximal
from parity.measures import CASES, model_of

from mixedmodels import ConvergenceWarning, LinearMixedModel, NotIdentifiedWarning
from mixedmodels.errors import SingularFitWarning

SIMULATED = {"full": "y ~ x + z + (x + z | g)", "zero": "y ~ x + z + (x + z || g)"}
# Means over the models of a kind, as measured; other BLAS libraries may need a step more or less.
MEANS = {"reference": 5.29, "full": 8.15, "zero": 19.54}
# Vectors for subjects and items, most of them singular: 20 and 72 parameters.
MAXIMAL = {"S + P + C": 11, "S * P * C": 14}
ROOM = 1.05


def simulated(seed: int) -> pd.DataFrame:
    """20 levels, slopes that may be absent, a covariate that may be far from zero."""
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 20, 400)
    size, origin = rng.choice([0.5, 1.0, 3.0]), rng.choice([0.0, 5.0, 50.0])
    x, z = size * rng.standard_normal(400) + origin, rng.standard_normal(400)
    b = rng.standard_normal((20, 3)) * rng.choice([0.0, 0.3, 1.0], 3)
    centred = x - x.mean()
    y = 1 + 0.5 * centred + b[g, 0] + b[g, 1] * centred + b[g, 2] * z + rng.standard_normal(400)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": pd.Categorical(g)})


def models(kind: str) -> Iterator[tuple[LinearMixedModel, bool]]:
    if kind != "reference":
        for seed in range(60):
            yield LinearMixedModel(SIMULATED[kind], simulated(seed), reml=False)
        return
    for name, case in CASES.items():
        if not name.startswith(("insteval", "star")):
            yield model_of(case)


@pytest.mark.parametrize("kind", MEANS)
def test_no_more_evaluations_than_measured(kind: str) -> None:
    counts = []
    with warnings.catch_warnings():
        for category in (SingularFitWarning, ConvergenceWarning, NotIdentifiedWarning):
            warnings.simplefilter("ignore", category)
        for model in models(kind):
            fit = model.fit()
            assert fit.converged
            counts.append(fit.optsum.n_objective)
    assert len(counts) >= 57
    assert np.mean(counts) <= ROOM * MEANS[kind]


@pytest.mark.parametrize("effects", MAXIMAL)
def test_maximal_models_take_no_more_evaluations(effects: str) -> None:
    formula = f"rt ~ S * P * C + ({effects} | subj) + ({effects} | item)"
    with pytest.warns(SingularFitWarning):
        fit = LinearMixedModel(formula, maximal(), reml=False).fit()
    assert fit.converged
    assert fit.optsum.n_objective <= MAXIMAL[effects] + 1
