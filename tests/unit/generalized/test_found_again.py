"""Every fit ends at a finite criterion that is found again, or is refused in words.

Links whose predictors have bounds, responses of which some are far from the others, separated
ones, large variances and few rows: the modes of the random effects may then be hard to find.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzz.generalized import responses

import mixedmodels as mm
from mixedmodels.families.catalogue import FAMILIES

KINDS = [
    (family, link)
    for family in (
        "binomial",
        "poisson",
        "negative_binomial",
        "gamma",
        "inverse_gaussian",
        "gaussian",
    )
    for link in FAMILIES[family].links
    if link in ("identity", "inverse", "inverse_squared", "sqrt", "cauchit")
    or (family, link) == ("binomial", "log")
]
FORMULAS = ("y ~ x + (1 | a)", "y ~ f + (x || a)", "y ~ 0 + f + (0 + x | a)", "y ~ x + (1 | o)")
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"n_agq": 0},
    {"n_agq": 3},
    {"information": "expected"},
    {"reml": True},
)


def hard(family: str, data: str, rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = {
        "x": rng.normal(size=rows),
        "f": rng.choice(list("uvw"), rows),
        "a": rng.integers(rng.choice([2, 4, 8]), size=rows),
        "o": np.arange(rows),
    }
    sd = {"huge": 4.0, "tiny": 0.05}.get(data, 1.0)
    eta = np.clip(0.3 * table["x"] + sd * rng.normal(size=8)[table["a"]], -20.0, 20.0)
    y = responses(family, eta, rng)
    if data == "outlier" and family != "binomial":
        y[0] = 1e6
    if data == "separated":
        table["x"] = y + 0.0
    return pd.DataFrame({**table, "y": y})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("family", "link"), KINDS)
def test_no_fit_ends_without_a_criterion(family: str, link: str) -> None:
    ends = 0
    data = itertools.product(("outlier", "separated", "huge", "tiny"), (8, 40))
    for number, ((kind, rows), options) in enumerate(itertools.product(data, OPTIONS)):
        table = hard(family, kind, rows, number)
        try:
            fit = mm.glmer(FORMULAS[number % 4], table, family, link=link, **options)
        except mm.MixedModelsError:
            continue
        assert np.isfinite(fit.objective), (number, kind, rows, options)
        ends += 1
    assert ends > 10


@pytest.mark.parametrize(
    ("family", "link", "options"),
    [
        ("gamma", "inverse", {}),
        ("gamma", "inverse", {"n_agq": 0}),
        ("poisson", "identity", {}),
        ("inverse_gaussian", "inverse_squared", {}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_another_workspace_finds_the_same_criterion(
    family: str, link: str, options: dict[str, Any]
) -> None:
    rng = np.random.default_rng(3)
    a = np.repeat(np.arange(8), 10)
    y = responses(family, 1.0 + 0.3 * rng.normal(size=8)[a], rng)
    y[0] = 1e4
    fit = mm.glmer("y ~ 1 + (1 | a)", {"y": y, "a": a}, family, link=link, **options)
    assert fit.converged
    fitted = fit._fitted
    criterion = fitted.model.own_criterion()
    assert criterion.value(fitted.solution.par) == pytest.approx(fit.objective, rel=1e-9)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
@pytest.mark.filterwarnings("ignore")
def test_a_mean_of_zero_is_possible_for_counts_of_zero(family: str) -> None:
    rng = np.random.default_rng(2)
    f, a = np.repeat(["u", "v"], 30), np.tile(np.arange(6), 10)
    data = {"y": np.where(f == "u", 0, rng.poisson(4.0, 60)), "f": f, "a": a}
    fit = mm.glmer("y ~ 0 + f + (1 | a)", data, family, link="sqrt")
    criterion = fit._fitted.model.own_criterion()
    at = criterion.to_user(fit._fitted.solution.par)
    values = []
    for theta, mean in itertools.product((0.0, 0.2), (0.0, 1e-12, -1e-12)):
        at[0], at[1] = theta, mean
        values.append(criterion.value(criterion.from_user(at)))
    np.testing.assert_allclose(values[:3], values[0], rtol=1e-10)
    np.testing.assert_allclose(values[3:], values[3], rtol=1e-10)


@pytest.mark.filterwarnings("ignore")
def test_a_search_that_lost_its_modes_says_so() -> None:
    data = hard("binomial", "outlier", 8, 4)
    fit = mm.glmer("y ~ x + (1 | a)", data, "binomial", link="cauchit", reml=True)
    assert np.isfinite(fit.objective)
    assert not fit.converged
    assert "no modes of the random effects are found" in str(fit.optsum)
    assert any("start elsewhere" in message for message in fit.messages)
