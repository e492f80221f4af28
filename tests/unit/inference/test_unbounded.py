"""Limits of parameters whose deviance becomes level: infinite or 0, with the reason in words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.errors import NotIdentifiedWarning

INF = np.inf


def counts(seed: int = 1, zeros: float = 0.0, k: float | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 20)
    x = rng.normal(size=600)
    mu = np.exp(1.0 + 0.3 * x + 0.4 * rng.normal(size=30)[g])
    y = rng.poisson(mu if k is None else mu * rng.gamma(k, 1.0 / k, size=600))
    y[rng.random(600) < zeros] = 0
    f = np.where(np.arange(600) % 2 == 0, "a", np.where(np.arange(600) % 4 == 1, "b", "c"))
    none = np.where(f == "c", 0, y)
    return pd.DataFrame(
        {"y": y, "x": x, "large": 100.0 * x, "g": g.astype(str), "f": f, "none": none}
    )


def positive(**given: Any) -> pd.DataFrame:
    table = counts(**given)
    return table[table["y"] > 0].reset_index(drop=True)


class Case(NamedTuple):
    """A model, one of its parameters, the limits (None: finite), and words of the note."""

    data: pd.DataFrame
    formula: str
    options: dict[str, Any]
    parameter: str
    limits: tuple[float | None, float | None]
    words: str


BY_X = "y ~ x + (1 | g)"
PROBABLE = counts().assign(yes=lambda d: (d["none"] > 0).astype(int))
TRUNCATED = {"family": "truncated_negative_binomial"}
CASES = {
    "k": Case(
        counts(), BY_X, {"family": "negative_binomial"}, "k", (None, INF), "the Poisson model"
    ),
    "alpha": Case(counts(), BY_X, {"family": "nb1"}, "alpha", (0.0, None), "the Poisson model"),
    "k of truncated counts": Case(
        positive(), BY_X, TRUNCATED, "k", (None, INF), "truncated Poisson"
    ),
    "k near 0": Case(positive(k=0.2), BY_X, TRUNCATED, "k", (0.0, None), "logarithmic"),
    "zeros": Case(
        counts(),
        BY_X,
        {"family": "poisson", "zero_inflation": "~ 1"},
        "zero_inflation.(Intercept)",
        (-INF, None),
        "no zero inflation",
    ),
    "zeros by x": Case(
        counts(6, zeros=0.02),
        BY_X,
        {"family": "poisson", "zero_inflation": "~ x"},
        "zero_inflation.x",
        (-INF, INF),
        "no longer changes",
    ),
    "zeros by x in another unit": Case(
        counts(6, zeros=0.02),
        BY_X,
        {"family": "poisson", "zero_inflation": "~ large"},
        "zero_inflation.large",
        (-INF, INF),
        "no longer changes",
    ),
    "dispersion by x": Case(
        counts(),
        BY_X,
        {"family": "negative_binomial", "dispersion": "~ x"},
        "dispersion.x",
        (-INF, INF),
        "no longer changes",
    ),
    "dispersion of nb1 by x": Case(
        counts(),
        BY_X,
        {"family": "nb1", "dispersion": "~ x"},
        "dispersion.x",
        (-INF, INF),
        "no longer changes",
    ),
    "a level without counts": Case(
        counts(),
        "none ~ f + (1 | g)",
        {"family": "poisson"},
        "fc",
        (-INF, None),
        "means of some rows become 0",
    ),
    "a separated level": Case(
        PROBABLE, "yes ~ f + (1 | g)", {"family": "binomial"}, "fc", (-INF, None), "separation"
    ),
}


def fitted(name: str) -> mm.GeneralizedLinearMixedFit:
    case = CASES[name]
    return mm.glmer(case.formula, case.data, **case.options)


@pytest.mark.filterwarnings("ignore::mixedmodels.errors.ConvergenceWarning")
@pytest.mark.parametrize("name", CASES)
def test_the_limit_is_the_end_of_the_range_and_the_note_says_why(name: str) -> None:
    *_, parameter, limits, words = CASES[name]
    fit = fitted(name)
    with pytest.warns(NotIdentifiedWarning, match="The data do not bound"):
        table = fit.confint(parameter)
    found = table.loc[parameter].tolist()
    for value, wanted in zip(found, limits, strict=True):
        assert np.isfinite(value) if wanted is None else value == wanted
    note = table.attrs["notes"][parameter]
    assert words in note
    assert "limit is" in note
    profile = fit.profile(parameter)
    assert words in profile.notes[parameter]
    assert np.isfinite(profile.to_frame()[parameter]).all()
    with pytest.warns(NotIdentifiedWarning):
        again = profile.confint()
    assert again.loc[parameter].tolist() == pytest.approx(found, rel=1e-4)
    if any(limit is not None and np.isinf(limit) for limit in limits):
        assert "inf" in str(profile)
    profile.plot()


def test_a_limit_is_finite_where_the_deviance_rises_far_enough() -> None:
    fit = mm.glmer("y ~ x + (1 | g)", counts(2, k=30.0), "negative_binomial")
    low, high = fit.confint("k").loc["k"]
    assert 10.0 < low < fit.dispersion < high < 1000.0
    with pytest.warns(NotIdentifiedWarning, match="less than the 6.63"):
        assert fit.confint("k", level=0.99).loc["k", "upper"] == INF


@pytest.mark.filterwarnings("ignore:Singular fit")
@pytest.mark.filterwarnings("ignore:No overdispersion")
def test_an_estimate_that_is_at_the_end_already() -> None:
    data = counts(9)
    data["y"] = np.round(np.exp(1.0 + 0.3 * data["x"])).astype(int)
    fit = mm.glmer("y ~ x + (1 | g)", data, "negative_binomial")
    with pytest.warns(NotIdentifiedWarning, match="does not rise"):
        low, high = fit.confint("k").loc["k"]
    assert 100.0 < low < 1e6
    assert high == INF
    assert "inf" in str(fit.profile("k"))
