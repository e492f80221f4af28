"""Power of tests in generalized models: against what is known, and by every way to ask for it."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedmodels as mm
from mixedmodels.prediction.generalized import as_categories
from mixedmodels.prediction.simulate import simulator

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
        ({"family": "ordinal"}, "thresholds, which a fit supplies"),
        ({"zero_inflation": 1.0}, "number between 0 and 1"),
        ({"zero_inflation": "~ 1"}, "number between 0 and 1"),
        ({"family": "binomial", "zero_inflation": 0.2}, "counts that have zeros"),
        ({"family": None, "zero_inflation": 0.2}, "zero_inflation= goes with family="),
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


def further(seed: int = 3) -> pd.DataFrame:
    """Counts with zeros of their own, shares and categories, in 30 groups of 12."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 12)
    x, half = rng.normal(size=360), np.arange(360) % 2
    eta = 1.0 + 0.3 * half + rng.normal(0.0, 0.4, 30)[g]
    counts = rng.poisson(np.exp(eta) * rng.gamma(3.0, 1.0 / 3.0, 360))
    latent = eta + rng.logistic(size=360)
    return pd.DataFrame({
        "y": np.where(rng.random(360) < 0.25, 0, counts), "x": x, "half": half, "g": g,
        "sex": np.where(np.arange(360) % 3 == 0, "m", "f"), "share": rng.beta(2.0, 3.0, 360),
        "grade": pd.cut(latent, [-99.0, 0.0, 1.0, 2.0, 99.0], labels=["a", "b", "c", "d"]),
    })  # fmt: skip


FURTHER: dict[str, tuple[str, dict[str, Any]]] = {
    "zeros": ("y ~ half + (1 | g)", {"family": "poisson", "zero_inflation": "~ 1"}),
    "zeros by a factor": (
        "y ~ half + (1 | g)",
        {"family": "negative_binomial", "zero_inflation": "~ sex"},
    ),
    "dispersion": ("y ~ half + (1 | g)", {"family": "negative_binomial", "dispersion": "~ sex"}),
    "both": (
        "y ~ half + x + (1 | g)",
        {"family": "negative_binomial", "dispersion": "~ sex", "zero_inflation": "~ x"},
    ),
    "precision": ("share ~ half + (1 | g)", {"family": "beta", "dispersion": "~ x"}),
    "ordered": ("grade ~ half + (1 | g)", {"family": "ordinal"}),
    "ordered factor": (
        "grade ~ half + sex + (1 | g)",
        {"family": "ordinal", "link": "probit"},
    ),
}


def fitted(name: str) -> mm.GeneralizedLinearMixedFit:
    formula, options = FURTHER[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.glmer(formula, further(), **options)


@pytest.mark.parametrize("name", FURTHER)
def test_fits_with_further_parameters_are_studied(name: str) -> None:
    fit = fitted(name)
    study = mm.power(fit, test="half", nsim=3, seed=5)
    rng = np.random.default_rng(np.random.default_rng(5).integers(2**63, size=4))
    for i, y in enumerate(simulator(fit._generalized, "new").draw(rng, 3)):
        design = fit.model.design
        response = pd.Series(y if design.categories is None else as_categories(design, y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = fit.refit(response)
        p_value = again.coef_table()["p_value"].loc["half"]
        assert study.p_values[i, 0] == pytest.approx(p_value, rel=1e-3)


@pytest.mark.parametrize("name", FURTHER)
def test_their_designs_grow_and_may_be_others(name: str) -> None:
    fit = fitted(name)
    grown = mm.power(fit, test="half", nsim=4, seed=1, extend={"g": [10, 50]})
    assert grown.table["nobs"].tolist() == [120, 600]
    other = further()[["g", "half", "sex", "x"]].iloc[:120]
    assert mm.power(fit, other, test="half", nsim=4, seed=1).table["nobs"].tolist() == [120]
    assert np.isfinite(mm.power(fit, test="(1 | g)", nsim=4, seed=1).p_values).all()
    assert np.isfinite(mm.power(fit, test="half", kind="Chisq", nsim=4, seed=1).p_values).all()


def test_zero_inflation_lowers_power() -> None:
    call, _ = poisson()
    design = call.pop("design")
    powers = [
        mm.power(
            "~ treated + (1 | g)", design, nsim=100, seed=4, zero_inflation=zeros, **call
        ).power
        for zeros in (0.05, 0.6)
    ]
    assert powers[1] < powers[0] - 0.2


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("dispersion", {"dispersion": 2.0}, "dispersion has predictors in the fit"),
        ("both", {"zero_inflation": 0.1}, "zero_inflation has predictors in the fit"),
        ("zeros", {"family": "binomial"}, "counts that have zeros"),
        (
            "dispersion",
            {"design": further().assign(sex=lambda d: d["sex"].where(d["g"] > 5, "x"))},
            "the column 'sexx' in dispersion",
        ),
    ],
)
def test_what_a_fit_cannot_supply_is_refused(name: str, change: Any, said: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=said):
        mm.power(fitted(name), test="half", nsim=4, **change)


def test_a_number_replaces_that_of_the_fit() -> None:
    fit = fitted("zeros")
    assert mm.power(fit, test="half", nsim=4, seed=1, zero_inflation=0.6).nsim == 4
    assert mm.power(fit, test="half", nsim=4, seed=1, family="nb1", dispersion=1.0).nsim == 4
