"""Power for a model that was fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mixedmodels as mm

SLEEP = mm.load_dataset("sleepstudy")
QUICK: dict[str, Any] = {"nsim": 40, "seed": 4, "progress": False}


@pytest.fixture(scope="module")
def fit() -> mm.LinearMixedFit:
    return mm.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


def test_a_fit_supplies_everything(fit: mm.LinearMixedFit) -> None:
    found = mm.power(fit, **QUICK)
    same = mm.power(fit.formula, SLEEP, beta=fit.fixef, theta=fit.theta, sigma=fit.sigma, **QUICK)
    np.testing.assert_array_equal(found.p_values, same.p_values)
    assert found.formula == fit.formula


@pytest.mark.parametrize(
    "given",
    [
        {"beta": {"Days": 2.0}},
        {"beta": [250.0, 2.0]},
        {"sigma": 60.0},
        {"sd": [20.0, 3.0]},
        {"theta": [0.5, 0.0, 0.1]},
        {"design": SLEEP.iloc[:90]},
        {"extend": {"Subject": [6, 12]}},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_is_given_replaces_it(fit: mm.LinearMixedFit, given: dict[str, Any]) -> None:
    found = mm.power(fit, **given, **QUICK)
    own = {"beta": fit.fixef, "sigma": fit.sigma, "theta": fit.theta, "design": SLEEP, **given}
    if isinstance(own["beta"], dict):
        own["beta"] = {**fit.fixef.to_dict(), **own["beta"]}
    if "sd" in own:
        del own["theta"]
    design = own.pop("design")
    same = mm.power(fit.formula, design, **own, **QUICK)
    np.testing.assert_array_equal(found.p_values, same.p_values)


def test_rows_weights_and_contrasts_of_the_fit() -> None:
    gaps = mm.lmer(
        "Reaction ~ C(part) + (1 | Subject)",
        mm.load_dataset("sleepstudy_na").assign(
            w=np.linspace(1.0, 2.0, 180), part=np.repeat(list("abc"), 60)
        ),
        weights="w",
        contrasts={"part": "sum"},
    )
    found = mm.power(gaps, test="C(part)", **QUICK)
    assert found.to_frame()["nobs"].tolist() == [gaps.nobs]


def test_what_is_missing_is_named(fit: mm.LinearMixedFit) -> None:
    with pytest.raises(mm.ArgumentError, match="design=, beta=, sigma= beside a formula"):
        mm.power("y ~ x + (1 | g)")
    with pytest.raises(mm.ArgumentError, match="needs sigma= beside"):
        mm.power("y ~ Days + (1 | Subject)", SLEEP, beta=[1, 2])
    arrays = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, weights=np.linspace(1, 2, 180))
    with pytest.raises(mm.MixedModelsError, match="weights given as values"):
        mm.power(arrays, **QUICK)
    with pytest.raises(mm.MixedModelsError, match="Dayz"):
        mm.power(fit, beta={"Dayz": 1.0}, **QUICK)
    with pytest.raises(mm.UnknownNameError):
        mm.power(fit.refit(fit.model.y), **QUICK)
