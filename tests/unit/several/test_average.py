"""Model averages against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit


def cakes(reml: bool = True) -> list[LinearMixedFit]:
    data = mm.load_dataset("cake")
    parts = ("1", "temp", "recipe + temp", "recipe*temp")
    return [mm.lmer(f"angle ~ {p} + (1 | recipe:replicate)", data, reml=reml) for p in parts]


@pytest.mark.parametrize("criterion", ["aic", "aicc", "bic"])
def test_weights_and_averages_by_their_formulas(criterion: Any) -> None:
    fits = cakes(reml=False)
    found = mm.average(fits, criterion)
    values = np.array([getattr(fit, criterion) for fit in fits])
    weight = np.exp(-0.5 * (values - values.min()))
    weight /= weight.sum()
    np.testing.assert_allclose(found.weights[[f"fit{i}" for i in (1, 2, 3, 4)]], weight, rtol=1e-6)
    assert found.weights.is_monotonic_decreasing
    assert found.note == ""
    have = [fit for fit in fits if "recipeB" in fit.stderror.index]
    b = np.array([fit.fixef["recipeB"] for fit in have])
    v = np.array([fit.stderror["recipeB"] ** 2 for fit in have])
    for table, w, values_, spread in (
        (found.conditional, weight[2:] / weight[2:].sum(), b, v),
        (found.full, weight, np.array([0.0, 0.0, *b]), np.array([0.0, 0.0, *v])),
    ):
        mean = w @ values_
        row = table.loc["recipeB"]
        np.testing.assert_allclose(row["estimate"], mean, rtol=1e-5)
        error = np.sqrt(w @ (spread + (values_ - mean) ** 2))
        np.testing.assert_allclose(row["std_error"], error, rtol=1e-5)
    np.testing.assert_allclose(found.importance["recipeB"], weight[2:].sum(), rtol=1e-6)


def test_weights_are_those_of_anova() -> None:
    fits = cakes()
    table = mm.anova(*fits)
    found = mm.average(fits, "aic")
    np.testing.assert_allclose(found.weights[table.table.index], table["weight"], rtol=1e-8)
    assert "refitted by ML" in found.note
    ml = mm.average(cakes(reml=False), "aic")
    np.testing.assert_allclose(found.full["estimate"], ml.full["estimate"], rtol=1e-4)


def test_fits_by_reml_with_one_fixed_part_stay_as_they_are() -> None:
    data = mm.load_dataset("sleepstudy")
    parts = ("(1 | Subject)", "(Days | Subject)")
    fits = [mm.lmer(f"Reaction ~ Days + {random}", data) for random in parts]
    found = mm.average(fits, "aic")
    assert found.note == ""
    np.testing.assert_allclose(found.models["aic"].min(), fits[1].aic)


def test_predictions_are_averaged_by_weight() -> None:
    fits = cakes()
    found = mm.average(fits, names=["a", "b", "c", "d"])
    new = {"temp": [180.0, 200.0], "recipe": ["A", "C"]}
    parts = [fit.predict(new, random="none") for fit in fits]
    weights = found.weights[["a", "b", "c", "d"]].to_numpy()
    np.testing.assert_allclose(found.predict(new, random="none"), weights @ np.array(parts))
    assert len(found.predict()) == fits[0].nobs


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
def test_a_model_without_weight_still_has_a_conditional_average() -> None:
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(40), 20)
    data = {"g": g, "x": rng.normal(size=800), "z": rng.normal(size=800)}
    data["y"] = 500.0 * data["x"] + rng.normal(size=40)[g] + rng.normal(size=800)
    fits = [mm.lmer(f"y ~ {v} + (1 | g)", data, reml=False) for v in ("x", "z")]
    found = mm.average(fits)
    assert found.weights["fit2"] == 0.0
    np.testing.assert_allclose(found.conditional.loc["z", "estimate"], fits[1].fixef["z"])
    assert found.full.loc["z", "estimate"] == 0.0


def test_caveats_are_printed_and_lines_fit() -> None:
    text = str(mm.average(cakes()))
    assert "make sense only where" in text
    assert max(map(len, text.splitlines())) <= 80


def test_refused_averages() -> None:
    fits = cakes()
    other = mm.lmer("angle ~ temp + (1 | replicate)", mm.load_dataset("cake").iloc[:200])
    for given, options, message in (
        ([fits[0]], {}, "two fits or more"),
        ([fits[0], other], {}, "different rows"),
        (fits, {"criterion": "caic"}, "criterion is 'caic'"),
        (fits, {"names": ["a"]}, "one name for each"),
        (fits, {"names": ["a", "a", "b", "c"]}, "called 'a'"),
        (fits, {"level": 2}, "level is 2"),
    ):
        with pytest.raises(mm.MixedModelsError, match=message):
            mm.average(given, **options)  # type: ignore[arg-type]
