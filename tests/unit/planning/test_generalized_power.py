"""Power of tests in generalized models: against what is known, and by every way to ask for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedmodels as mm

NSIM = 400


def pairs(groups: int) -> dict[str, list[int]]:
    """Two rows in every group, one of them treated."""
    return {"g": [g for g in range(groups) for _ in "ab"], "treated": [0, 1] * groups}


def of_normal(effect: float, error: float) -> float:
    """Power of the z test of an effect with a known standard error."""
    return float(stats.norm.cdf(abs(effect) / error - stats.norm.ppf(0.975)))


def poisson() -> tuple[dict[str, Any], float]:
    """Given the sum of a pair, its second count is binomial: all that is known of the effect."""
    groups, low, effect, sd = 25, 4.0, 0.35, 0.5
    high = low * math.exp(effect)
    total, p = groups * (low + high) * math.exp(0.5 * sd**2), high / (low + high)
    call = {"family": "poisson", "beta": [math.log(low), effect], "sd": sd}
    return {**call, "design": pairs(groups)}, of_normal(
        effect, 1.0 / math.sqrt(total * p * (1 - p))
    )


def binomial() -> tuple[dict[str, Any], float]:
    """Two groups of rows that hardly differ beside: the variance of a difference of logits."""
    groups, trials, effect = 30, 8, 0.5
    p = [1.0 / (1.0 + math.exp(-eta)) for eta in (-0.4, -0.4 + effect)]
    error = math.sqrt(sum(1.0 / (groups * trials * q * (1.0 - q)) for q in p))
    design = {**pairs(groups), "m": [trials] * (2 * groups)}
    call = {"family": "binomial", "beta": [-0.4, effect], "sd": 0.05, "weights": "m"}
    return {**call, "design": design}, of_normal(effect, error)


def gamma() -> tuple[dict[str, Any], float]:
    """Var(log y) of a gamma response is trigamma(1 / phi), its information 1 / phi."""
    groups, phi, effect = 20, 0.5, 0.55
    error = math.sqrt(2.0 * phi / groups)
    call = {"family": "gamma", "link": "log", "beta": [1.0, effect], "sd": 0.05, "dispersion": phi}
    return {**call, "design": pairs(groups)}, of_normal(effect, error)


@pytest.mark.parametrize("case", [poisson, binomial, gamma])
def test_power_is_that_of_the_normal_approximation(case: Any) -> None:
    call, expected = case()
    study = mm.power("~ treated + (1 | g)", call.pop("design"), nsim=NSIM, seed=5, **call)
    spread = math.sqrt(expected * (1.0 - expected) / NSIM)
    assert study.power == pytest.approx(expected, abs=3.0 * spread + 0.03)
    row = study.to_frame().iloc[0]
    exact = stats.binomtest(int(row["rejected"]), NSIM).proportion_ci(method="exact")
    np.testing.assert_allclose([row["lower"], row["upper"]], exact)
    assert row["failed"] == 0


def test_a_level_is_kept_without_an_effect() -> None:
    call, _ = poisson()
    call["beta"] = [math.log(4.0), 0.0]
    study = mm.power("~ treated + (1 | g)", call.pop("design"), nsim=NSIM, seed=8, **call)
    assert stats.binomtest(int(study.table["rejected"].iloc[0]), NSIM, 0.05).pvalue > 0.001


def test_tests_are_those_of_fits() -> None:
    """The first replicates, drawn and fitted one by one."""
    call, _ = poisson()
    design = call.pop("design")
    study = mm.power("~ treated + (1 | g)", design, nsim=3, seed=5, **call)
    y = drawn(design, call, 3)
    for i in range(3):
        fit = mm.glmer("y ~ treated + (1 | g)", {**design, "y": y[i]}, "poisson")
        p_value = fit.coef_table()["p_value"].loc["treated"]
        assert study.p_values[i, 0] == pytest.approx(p_value, rel=1e-3)


def drawn(design: Any, call: dict[str, Any], count: int) -> Any:
    """Responses of `power(seed=5)`: in one chunk, groups before rows."""
    rng = np.random.default_rng(np.random.default_rng(5).integers(2**63, size=4))
    eta = call["beta"][0] + call["beta"][1] * np.array(design["treated"])
    g = np.array(design["g"])
    out = []
    for _ in range(count):
        effects = call["sd"] * rng.standard_normal(g.max() + 1)
        out.append(rng.poisson(np.exp(eta + effects[g])))
    return out


@pytest.mark.parametrize(
    ("test", "kind", "said"),
    [
        ("treated", "F", "(z)"),
        ("treated = 0.1", "F", "(z)"),
        (["treated"], "F", "(z)"),
        ("treated", "Chisq", "likelihood ratio"),
        ("(1 | g)", "F", "mixture"),
    ],
)
def test_every_test(test: Any, kind: Any, said: str) -> None:
    call, _ = poisson()
    study = mm.power(
        "~ treated + (1 | g)", call.pop("design"), test=test, kind=kind, nsim=20, seed=1, **call
    )
    assert said in study.test
    assert "ddf" not in study.test
    assert np.isfinite(study.p_values).all()


FITS = {
    "trials": lambda: mm.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", mm.load_dataset("cbpp")
    ),
    "negative binomial": lambda: mm.glmer(
        "TICKS ~ YEAR + (1 | BROOD)", mm.load_dataset("grouseticks"), "negative_binomial"
    ),
}


@pytest.mark.parametrize(
    ("name", "extend"),
    [("trials", {"herd": [10, 60]}), ("negative binomial", {"BROOD": [118, 150]})],
)
def test_a_fit_supplies_what_is_not_given(name: str, extend: Any) -> None:
    fit = FITS[name]()
    study = mm.power(fit, nsim=12, seed=3, extend=extend)
    assert study.power > 0.7
    assert study.table["nobs"].is_monotonic_increasing
    none = mm.power(fit, beta=dict.fromkeys(fit.fixef.index[1:], 0.0), nsim=12, seed=3)
    assert none.power < 0.5


def test_one_row_per_level_is_allowed() -> None:
    design = {"x": np.linspace(-1, 1, 40), "obs": range(40)}
    study = mm.power(
        "~ x + (1 | obs)", design, family="poisson", beta=[2, 1], sd=0.5, nsim=10, seed=2
    )
    assert study.power > 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"family": "gamma"}, "needs its parameter phi"),
        ({"family": "gamma", "dispersion": -1}, "number above zero"),
        ({"dispersion": 2.0}, "no parameter of its own"),
        ({"sigma": 1.0}, "sigma= is for linear models"),
        ({"family": "ordinal"}, "simulate"),
        ({"family": "poison"}, "poisson"),
        ({"family": None, "link": "log"}, "link= goes with family="),
        ({"n_agq": -2}, "n_agq"),
        ({"beta": None}, "beta="),
    ],
)
def test_what_cannot_be_studied_is_refused(change: dict[str, Any], said: str) -> None:
    call = {"family": "poisson", "beta": [1, 0.2], "sd": 0.3, "nsim": 5, **change}
    with pytest.raises(mm.MixedModelsError, match=said):
        mm.power("~ treated + (1 | g)", pd.DataFrame(pairs(10)), **call)


def test_predictors_of_zeros_are_refused_in_words() -> None:
    ticks = mm.load_dataset("grouseticks")
    fit = mm.glmer("TICKS ~ YEAR + (1 | BROOD)", ticks, "negative_binomial", dispersion="~ YEAR")
    with pytest.raises(mm.ModelError, match="dispersion or zero inflation with predictors"):
        mm.power(fit, nsim=5)
