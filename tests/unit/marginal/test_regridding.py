"""Means on other scales and effect sizes; numbers of R's emmeans 1.8.4, with glmmTMB 1.1.5."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import mixedmodels as mm


@lru_cache
def disease() -> mm.GeneralizedLinearMixedFit:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmer(formula, mm.load_dataset("cbpp"), "binomial")


@lru_cache
def machines(response: str = "score") -> mm.LinearMixedFit:
    formula = f"{response} ~ Machine + (1 | Worker/Machine)"
    return mm.lmer(formula, mm.load_dataset("machines"))


def test_differences_of_probabilities() -> None:
    for kind in ("link", "response"):
        means = disease().emmeans("period", type=kind).regrid()
        pairs = means.pairs(adjust="none")
        found = pairs["estimate"]
        expected = [0.11417713, 0.12407613, 0.14965836, 0.0098989986, 0.035481227, 0.025582229]
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        errors = [0.035284747, 0.035512738, 0.036656507, 0.027608457, 0.027347223, 0.026764562]
        np.testing.assert_allclose(pairs["std_error"], errors, rtol=1e-3)
    assert means.letters()["letters"].tolist() == ["b", "a", "a", "a"]


def test_ratios_of_probabilities() -> None:
    means = disease().emmeans("period").regrid("log")
    found = means.contrast("treatment", adjust="none")
    np.testing.assert_allclose(found["estimate"], [0.42349, 0.37351, 0.24434], rtol=1e-4)
    np.testing.assert_allclose(found["std_error"], [0.11535766, 0.10978122, 0.0975157], rtol=1e-3)
    assert "ratios of probabilities" in str(found)
    again = means.regrid()
    np.testing.assert_allclose(again["estimate"], disease().emmeans("period").regrid()["estimate"])


def test_an_adjustment_of_bias_is_kept() -> None:
    means = disease().emmeans("period", type="response", bias_adjust=True, sigma=0.6).regrid()
    expected = [[0.21531381, 0.037235195], [0.095382681, 0.02614852]]
    found = means[["estimate", "std_error"]].to_numpy()[:2]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_transformed_response() -> None:
    means = machines("log(score)").emmeans("Machine").regrid()
    np.testing.assert_allclose(means["estimate"], [52.214318, 59.722714, 66.147083], rtol=1e-6)
    np.testing.assert_allclose(means["lower"], [46.920304, 53.667423, 59.440425], rtol=1e-4)
    pairs = means.pairs(adjust="none")
    np.testing.assert_allclose(pairs["std_error"], [2.3018059, 2.4762753, 2.5790953], rtol=1e-4)


def test_without_another_scale_nothing_changes() -> None:
    plain = machines().emmeans("Machine")
    numbers = ["estimate", "std_error", "df", "lower", "upper"]
    np.testing.assert_allclose(plain.regrid()[numbers], plain[numbers], rtol=1e-12)
    ratios = plain.regrid("log").pairs()
    estimate = plain["estimate"].to_numpy()
    np.testing.assert_allclose(ratios["estimate"].iloc[0], estimate[0] / estimate[1])


def test_an_offset_and_what_is_not_estimable() -> None:
    data = mm.load_dataset("grouseticks")
    formula = "TICKS ~ factor(YEAR) + offset(HEIGHT / 500) + (1 | BROOD)"
    counts = mm.glmer(formula, data, "poisson")
    shown = counts.emmeans("YEAR", type="response")
    np.testing.assert_allclose(counts.emmeans("YEAR").regrid()["estimate"], shown["estimate"])
    cake = mm.load_dataset("cake")
    cake = cake[~((cake["recipe"] == "C") & (cake["temp"] > 210))]
    hole = mm.lmer("log(angle) ~ recipe * factor(temp) + (1 | recipe:replicate)", cake)
    means = hole.emmeans("recipe").regrid()
    assert np.isnan(means["estimate"].iloc[2])
    assert "not estimable" in str(means)
    assert np.isfinite(means["estimate"].iloc[:2]).all()


def test_effect_sizes() -> None:
    fit = machines()
    found = fit.emmeans("Machine").effect_size(fit.sigma, 40)
    np.testing.assert_allclose(found["estimate"], [-8.2850045, -14.472759, -6.1877544], rtol=1e-5)
    np.testing.assert_allclose(found["std_error"], [2.4461301, 2.7827676, 2.3673065], rtol=1e-5)
    known = fit.emmeans("Machine").effect_size(5.0, np.inf, "trt.vs.ctrl")
    np.testing.assert_allclose(known["std_error"], 0.43539511, rtol=1e-5)
    odds = disease().emmeans("period", type="response").effect_size(1.0, np.inf)
    plain = disease().emmeans("period").pairs(adjust="none")
    np.testing.assert_allclose(odds["estimate"], plain["estimate"])


def test_cells_are_averaged_on_the_response() -> None:
    found = disease().emmeans("~ 1", regrid="response")
    # By glmmTMB and emmeans(regrid = "response").
    np.testing.assert_allclose(found["estimate"], 0.10107119, rtol=1e-4)
    np.testing.assert_allclose(found["std_error"], 0.01814126, rtol=1e-3)
    assert "Averages of cells taken from the scale of logit" in str(found)


@lru_cache
def counts() -> mm.GeneralizedLinearMixedFit:
    data = mm.load_dataset("grouseticks").assign(log_height=lambda t: np.log(t["HEIGHT"] / 450))
    formula = "TICKS ~ factor(YEAR) + log_height + offset(log_height) + (1 | BROOD)"
    return mm.glmer(formula, data, "poisson")


def test_averages_over_rows_are_those_of_predictions() -> None:
    fit = counts()
    found = fit.emmeans("YEAR", regrid="response", weights="counterfactual")
    expected = [
        fit.predict(fit.data.assign(YEAR=year), random="none").mean()
        for year in found["YEAR"].tolist()
    ]
    np.testing.assert_allclose(found["estimate"], expected, rtol=1e-10)
    assert "offset" not in str(found)
    held = fit.emmeans("YEAR", regrid="response", weights="counterfactual", offset=0)
    assert "offset" in str(held)
    ratios = fit.emmeans("YEAR", regrid="log", weights="counterfactual").pairs(adjust="none")
    np.testing.assert_allclose(ratios["estimate"].iloc[0], expected[0] / expected[1])


def test_averages_are_those_of_cells() -> None:
    formula = "cbind(incidence, size - incidence) ~ period * half + (1 | herd)"
    data = mm.load_dataset("cbpp")
    data["half"] = np.where(np.arange(len(data)) % 3, "a", "b")
    fit = mm.glmer(formula, data, "binomial")
    for weights in ("equal", "cells"):
        found = fit.emmeans("period", regrid="response", weights=weights)
        cells = fit.emmeans(["half"], by="period").regrid()
        count = data.groupby(["period", "half"]).size().unstack().to_numpy(dtype=float)
        share = np.full((4, 2), 0.5) if weights == "equal" else count / count.sum(1)[:, None]
        by_hand = [cells.contrast({"mean": share[j]}).to_frame().iloc[j] for j in range(4)]
        for name in ("estimate", "std_error"):
            np.testing.assert_allclose(found[name], [row[name] for row in by_hand], rtol=1e-10)


def test_averages_of_a_linear_model_stay_as_they_are() -> None:
    plain, found = (machines().emmeans("Machine", regrid=how) for how in ("none", "response"))
    numbers = ["estimate", "std_error", "df"]
    np.testing.assert_allclose(found[numbers], plain[numbers], rtol=1e-12)
    logged = machines("log(score)")
    once = logged.emmeans("Machine", regrid="response").pairs()
    later = logged.emmeans("Machine").regrid().pairs()
    np.testing.assert_allclose(once["p_value"], later["p_value"], rtol=1e-9)


def test_averages_without_data_are_not_made_up() -> None:
    cake = mm.load_dataset("cake")
    cake = cake[~((cake["recipe"] == "C") & (cake["temp"] > 210))]
    hole = mm.lmer("log(angle) ~ recipe * factor(temp) + (1 | recipe:replicate)", cake)
    means = hole.emmeans("recipe", regrid="response")
    assert np.isnan(means["estimate"]).tolist() == [False, False, True]
    assert "the data have no rows with recipe = C" in str(means)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: machines().emmeans("Machine").regrid("logit"), "'response', 'log'"),
        (lambda: machines().emmeans("Machine", regrid="logit"), "'none', 'response', 'log'"),
        (lambda: machines().emmeans("Machine").effect_size(0, 10), "sigma is 0"),
        (lambda: machines().emmeans("Machine").effect_size(1, "many"), "edf is 'many'"),
        (lambda: machines().emmeans("Machine").effect_size(np.inf, 1), "finite"),
    ],
)
def test_what_is_refused(call: Any, words: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=words):
        call()


def test_ordered_responses_have_no_mean() -> None:
    data = mm.load_dataset("sleepstudy")
    data["slow"] = np.digitize(data["Reaction"], [260, 310])
    fit = mm.glmer("slow ~ Days + (1 | Subject)", data, "ordinal")
    with pytest.raises(mm.MixedModelsError, match="regrid='response': ordered responses"):
        fit.emmeans("Days", regrid="response")


def test_slopes_and_means_below_zero_are_refused() -> None:
    fit = mm.lmer("distance ~ age * Sex + (age | Subject)", mm.load_dataset("orthodont"))
    with pytest.raises(mm.MixedModelsError, match="slopes of age"):
        fit.emtrends("Sex", "age").regrid()
    data = mm.load_dataset("machines").assign(low=lambda table: table["score"] - 60)
    low = mm.lmer("low ~ Machine + (1 | Worker)", data)
    with pytest.raises(mm.MixedModelsError, match="of A are not positive"):
        low.emmeans("Machine").regrid("log")


RATIOS = "Estimates are ratios of {0}; tests are of differences of log({0})."


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "log"])
def test_means_of_successes_are_probabilities(link: str) -> None:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    fit = mm.glmer(formula, mm.load_dataset("cbpp"), "binomial", link=link)
    means = fit.emmeans("period")
    for found in (
        means.regrid("log"),
        means.regrid().regrid("log"),
        fit.emmeans("period", regrid="log"),
        fit.emmeans("period", regrid="response").regrid("log"),
    ):
        assert RATIOS.format("probabilities") in found.pairs(adjust="none").footnotes
    if link == "log":
        shown = fit.emmeans("period", type="response").pairs(adjust="none")
        assert "Estimates are ratios of probabilities; tests are" in str(shown).replace("\n", " ")


def test_what_ratios_are_of() -> None:
    data = mm.load_dataset("sleepstudy")
    data["slow"] = np.digitize(data["Reaction"], [260, 310])
    data["late"] = np.where(data["Days"] > 4, "yes", "no")
    ordered = mm.glmer("slow ~ late + (1 | Subject)", data, "ordinal")
    pairs = ordered.emmeans("late", type="prob").regrid("log").pairs()
    assert RATIOS.format("probabilities") in pairs.footnotes
    logged = machines("log(score)")
    for means in (logged.emmeans("Machine"), logged.emmeans("Machine", regrid="response")):
        assert RATIOS.format("score") in means.regrid("log").pairs().footnotes


@pytest.mark.parametrize(
    "response", ["log(score + 1)", "log1p(score)", "sqrt(score)", "I(1 / score)"]
)
def test_ratios_are_of_the_column(response: str) -> None:
    means = machines(response).emmeans("Machine")
    for found in (means.regrid("log"), machines(response).emmeans("Machine", regrid="log")):
        assert RATIOS.format("score") in found.pairs().footnotes
    values = means.regrid()["estimate"].to_numpy()
    ratios = means.regrid("log").pairs()["estimate"]
    np.testing.assert_allclose(ratios.iloc[0], values[0] / values[1])
