"""What people met who came to generalized models from glmer, glmmTMB, clmm or statsmodels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixedmodels as mm
from mixedmodels.families.catalogue import FAMILIES, family_of
from mixedmodels.families.elsewhere import ANSWERS, OTHER_NAMES
from mixedmodels.families.links import LINKS

HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def herds() -> pd.DataFrame:
    data = mm.load_dataset("cbpp")
    share = data["incidence"] / data["size"]
    return data.assign(
        share=share, percent=100 * share, some=(data["incidence"] > 1) + 0.0, least=1
    )


def surveys() -> pd.DataFrame:
    """Counts of 20 sites with areas, more of them zero than a Poisson distribution has."""
    rng = np.random.default_rng(5)
    site = np.repeat(np.arange(20), 15)
    data = pd.DataFrame({"site": site, "wood": site % 2, "area": rng.uniform(0.5, 8.0, 300)})
    data["temp"] = rng.normal(size=300)
    eta = 0.3 + np.log(data["area"]) + 0.5 * data["wood"] + rng.normal(0, 0.5, 20)[site]
    data["n"] = rng.negative_binomial(1.5, 1.5 / (1.5 + np.exp(eta))) * (rng.random(300) > 0.2)
    return data


@pytest.fixture(scope="module")
def herd_fit() -> mm.GeneralizedLinearMixedFit:
    return mm.glmer(HERDS, herds())


@pytest.fixture(scope="module")
def poisson() -> mm.GeneralizedLinearMixedFit:
    formula = "n ~ wood + temp + (1 | site)"
    return mm.glmer(formula, surveys(), "poisson", offset="log(area)")


# -- names of families ------------------------------------------------------------------


@pytest.mark.parametrize("spelled", [str, str.upper, str.title, lambda name: name + "()"])
@pytest.mark.parametrize("name", [*FAMILIES, *OTHER_NAMES])
def test_families_are_known_by_any_spelling(name: str, spelled: Any) -> None:
    for sign in ("_", "-", ".", " "):
        assert family_of(spelled(name).replace("_", sign)).name == OTHER_NAMES.get(name, name)


@pytest.mark.parametrize("name", ANSWERS)
def test_families_that_are_not_here_are_answered(name: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=f"^family is '{name}'; [a-z].*") as caught:
        family_of(name)
    named = re.findall(r'family="(\w+)"', str(caught.value))
    assert set(named) <= set(FAMILIES)


class NegativeBinomial:
    """A family of another package."""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("binomial(link='probit')", "write family='binomial', link='probit'"),
        ('Gamma(link = "log")', "write family='gamma', link='log'"),
        ("poisson(log)", "write family='poisson', link='log'"),
        (NegativeBinomial(), "write family='negative_binomial'"),
        (NegativeBinomial, "write family='negative_binomial'"),
        (None, "must be one of 'binomial', 'poisson'"),
        (3, "family is the object 3; it must be one of"),
        ("binomail", "Did you mean 'binomial'"),
        ("binomail(link='logit')", "Did you mean 'binomial'"),
        *((link, f"this is a link. Write family='binomial', link='{link}'")
          for link in ("logit", "probit", "cloglog", "Cauchit".lower())),
        *((link, f"this is a link. Write family=..., link='{link}'")
          for link in LINKS if link not in FAMILIES and link not in mm.families.Beta.links),
    ],
)  # fmt: skip
def test_other_ways_to_say_a_family(given: Any, says: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=re.escape(says)):
        family_of(given)


@pytest.mark.parametrize(
    ("data", "family", "shown"),
    [
        ("poisson", pd.DataFrame({"y": [1]}), "data (DataFrame)"),
        ("poisson", pl.DataFrame({"y": [1]}), "data (DataFrame)"),
        ({"y": [1]}, {"y": [1]}, "data (dict)"),
        ({"y": [1]}, "y ~ x + (1 | g)", "'y ~ x + (1 | g)'"),
    ],
)
def test_arguments_in_another_order(data: Any, family: Any, shown: str) -> None:
    says = f"family is {shown}; the formula comes first, then the data, then the family"
    with pytest.raises(mm.MixedModelsError, match=f"^{re.escape(says)}"):
        mm.glmer("y ~ x + (1 | g)", data, family)
    with pytest.raises(
        mm.MixedModelsError, match=r"^data is 'Poisson', the name of a family; the f"
    ):
        mm.glmer("y ~ x + (1 | g)", "Poisson")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("NegBinom", "Write mixedmodels.families.NegativeBinomial."),
        ("negative_binomial", "Write mixedmodels.families.NegativeBinomial."),
        ("Bernoulli", "Write mixedmodels.families.Binomial."),
        ("Tweedie", "This family is not here."),
        ("logit", "Binomial(link='logit')"),
        ("Poison", "Did you mean 'Poisson'?"),
        ("zzz", "It has Binomial, Poisson, "),
    ],
)
def test_a_class_of_families_that_there_is_not(name: str, says: str) -> None:
    with pytest.raises(mm.UnknownNameError, match=re.escape(says)):
        getattr(mm.families, name)


# -- responses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "options", "says"),
    [
        ("incidence", {}, 'Counts without a number of trials are of family="poisson"'),
        ("incidence", {"weights": "size"}, "write successes / trials"),
        ("percent", {}, "If they are percentages, divide them by 100"),
        ("percent", {"weights": "size"}, "If they are percentages, divide them by 100"),
        ("percent", {"family": "beta"}, "If they are percentages, divide them by 100"),
        ("share", {}, "Give the number of trials as weights="),
        ("share", {}, 'not of counted trials are of family="beta"'),
        ("share", {"family": "beta"}, "Shares of counted trials are of the binomial family"),
        ("round(share, 2)", {"weights": "size"}, "Where shares were rounded"),
        ("size / (incidence + 5)", {}, "there are more successes than trials"),
        ("size / least", {}, "'size' is larger than 'least' there; a share is successes / trials"),
        ("I(size/least)", {"family": "beta"}, "so write least / size"),
        ("some + 1", {}, "write I(some + 1 == 2) as the response"),
        ("2 * some - 1", {}, "write I(2 * some - 1 == 1) as the response"),
        ("share - 1", {}, "A binomial response is 0 or 1"),
        ("incidence - 1", {"family": "poisson"}, "stands for a missing value, set it to NaN"),
        ("incidence / 2", {"family": "nb"}, "a rate is a count with offset(log(exposure))"),
        ("incidence", {"family": "truncated_poisson"}, 'such as "poisson" with zero_inflation='),
        ("incidence | trials(size)", {}, "successes of trials are cbind(successes, failures)"),
        ("[incidence, size]", {}, "Two columns are cbind(a, b)"),
        ("cbind(incidence, size)", {"family": "nb"}, "a response of the binomial family"),
        ("cbind(0 * size, 0)", {}, "has no trial in any row"),
    ],
)
def test_responses_that_cannot_be(response: str, options: Any, says: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=re.escape(says)):
        mm.glmer(f"{response} ~ period + (1 | herd)", herds(), **options)


def test_a_constant_number_of_failures_or_trials() -> None:
    data = herds()
    one = mm.GeneralizedLinearMixedModel("cbind(some, 1 - some) ~ 1 + (1 | herd)", data)
    two = mm.GeneralizedLinearMixedModel("some ~ 1 + (1 | herd)", data)
    assert one.objective([0.5], [0.3]) == pytest.approx(two.objective([0.5], [0.3]), rel=1e-12)
    trials = mm.GeneralizedLinearMixedModel("cbind(some, 1) ~ period + (1 | herd)", data)
    np.testing.assert_array_equal(trials.design.w, data["some"] + 1)


@pytest.mark.parametrize("na_action", ["omit", "exclude"])
def test_rows_without_a_trial_are_as_if_absent(na_action: Any) -> None:
    data = herds()
    empty = data.index.isin([3, 17])
    data.loc[empty, ["incidence", "size"]] = 0.0
    fit = mm.glmer(HERDS, data, na_action=na_action)
    without = mm.glmer(HERDS, data[~empty])
    assert fit.loglik == pytest.approx(without.loglik, rel=1e-12)
    assert fit.nobs == 54
    assert "2 rows without a trial dropped." in fit.messages
    kept = fit.fitted if na_action == "omit" else fit.fitted.dropna()
    np.testing.assert_allclose(kept, without.fitted, rtol=1e-9)
    assert len(fit.fitted) == (54 if na_action == "omit" else 56)


# -- arguments and names from elsewhere --------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"nAGQ": 5}, "Write n_agq=5."),
        ({"ziformula": "~ 1"}, "Write zero_inflation='~ 1'."),
        ({"dispformula": "~ wood"}, "Write dispersion='~ wood'."),
        ({"exposure": "area"}, "offset='log(exposure)'"),
        ({"trials": "area"}, "cbind(successes, trials - successes)"),
        ({"size": "area"}, "cbind(successes, trials - successes)"),
        ({"reference": "no"}, "relevel(y, ref='b')"),
        ({"theta": 3.0}, "estimated with all other parameters"),
        ({"REML": True}, "Write reml=True."),
        ({"subset": "wood == 1"}, "data[condition]"),
        ({"groups": "site"}, "(1 + x | g)"),
    ],
)
@pytest.mark.parametrize("call", [mm.glmer, mm.GeneralizedLinearMixedModel])
def test_arguments_of_other_packages(call: Any, options: Any, says: str) -> None:
    with pytest.raises(mm.ArgumentError, match=re.escape(says)):
        call("n ~ wood + (1 | site)", surveys(), "poisson", **options)


@pytest.mark.parametrize(
    ("given", "says"),
    [("1", "Write zero_inflation='~ 1'"), ("wood", "Write zero_inflation='~ wood'"),
     (True, "such as '~ x' or '~ 1'")],
)  # fmt: skip
def test_formulas_of_components_without_a_tilde(given: Any, says: str) -> None:
    with pytest.raises(mm.FormulaError, match=re.escape(says)):
        mm.glmer("n ~ wood + (1 | site)", surveys(), "poisson", zero_inflation=given)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("overdisp", "fit.check()"),
        ("check_overdispersion", "fit.check()"),
        ("testZeroInflation", "fit.check()"),
        ("DHARMa", 'fit.std_residuals("quantile")'),
        ("odds_ratios", "exponentiate=True"),
        ("scale", "fit.dispersion"),
        ("auc", "sklearn.metrics"),
        ("predict_proba", "fit.predict(data)"),
        ("VarCorr", "Write .varcorr."),
    ],
)
def test_attributes_of_other_packages(name: str, says: str, herd_fit: Any) -> None:
    with pytest.raises(mm.UnknownNameError, match=re.escape(says)):
        getattr(herd_fit, name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Binomial", "Write mixedmodels.families.Binomial."),
        ("clmm", 'family="ordinal"'),
        ("mixed_model", "n_agq=11"),
        ("GEE", 'random="average"'),
        ("glmer_nb", 'family="negative_binomial"'),
    ],
)
def test_functions_of_other_packages(name: str, says: str) -> None:
    with pytest.raises(mm.UnknownNameError, match=re.escape(says)):
        getattr(mm, name)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("prob", 'the probability of success is type="response"'),
        ("class", 'the probability of success is type="response"'),
        ("zprob", "the model was fitted without zero_inflation="),
        ("disp", "the binomial family has no parameter beside its mean"),
        ("probability", "Write 'response'"),
        ("count", "Write 'conditional'"),
        ("lp", "Write 'link'"),
    ],
)
def test_kinds_of_predictions(kind: Any, says: str, herd_fit: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match=re.escape(says)):
        herd_fit.predict(type=kind)


# -- ratios -------------------------------------------------------------------------------


def test_odds_ratios_with_limits(herd_fit: Any) -> None:
    plain = herd_fit.tidy("fixed", conf_int=True)
    ratios = herd_fit.tidy("fixed", conf_int=True, exponentiate=True)
    for name in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(ratios[name], np.exp(plain[name]))
    np.testing.assert_allclose(ratios["std_error"], np.exp(plain["estimate"]) * plain["std_error"])
    pd.testing.assert_series_equal(ratios["p_value"], plain["p_value"])
    shown = str(mm.table([herd_fit], exponentiate=True, below="conf_int"))
    assert "Fixed effects, as ratios:" in shown
    assert "0.371" in shown
    axes = herd_fit.plot_coefficients(exponentiate=True).axes[0]
    assert (axes.get_xscale(), "odds ratio" in axes.get_xlabel().lower()) == ("log", True)


@pytest.mark.parametrize(
    ("family", "link", "works"),
    [("binomial", "logit", True), ("binomial", "cloglog", True), ("binomial", "probit", False),
     ("binomial", "log", True), ("binomial", "cauchit", False)],
)  # fmt: skip
def test_ratios_need_a_link_with_logarithms(family: str, link: str, works: bool) -> None:
    fit = mm.glmer("share ~ wood + (1 | herd)", herds().assign(wood=np.arange(56) % 2), family,
                   link=link, weights="size")  # fmt: skip
    if works:
        assert (fit.tidy("fixed", exponentiate=True)["estimate"] > 0.0).all()
        return
    for call in (fit.tidy, fit.plot_coefficients):
        with pytest.raises(mm.MixedModelsError, match=f"The link is {link}"):
            call(exponentiate=True)


def test_ratios_of_linear_models_are_those_of_a_logarithm() -> None:
    sleep = mm.load_dataset("sleepstudy")
    logged = mm.lmer("log2(Reaction) ~ Days + (1 | Subject)", sleep)
    found = logged.tidy("fixed", exponentiate=True).set_index("term")["estimate"]
    assert found["Days"] == pytest.approx(2.0 ** logged.fixef["Days"])
    with pytest.raises(mm.MixedModelsError, match="not the logarithm"):
        mm.lmer("Reaction ~ Days + (1 | Subject)", sleep).tidy(exponentiate=True)


# -- rates and means --------------------------------------------------------------------


def test_rates_are_means_at_an_offset(poisson: Any) -> None:
    at_one = {"wood": [0, 1], "temp": [0.0, 0.0], "area": [1.0, 1.0]}
    rates = poisson.emmeans("wood", at={"temp": 0.0}, type="response", offset=0)
    expected = poisson.predict(at_one, random="none")
    np.testing.assert_allclose(rates["estimate"], expected)
    assert "The offset is at 0 (area = 1)." in str(rates)
    doubled = poisson.emmeans("wood", at={"temp": 0.0}, type="response", offset=np.log(2.0))
    np.testing.assert_allclose(doubled["estimate"], 2.0 * rates["estimate"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"at": {"area": 1}}, "The offset is chosen by offset="),
        ({"offset": "log(area)"}, "it must be one number"),
        ({"offset": np.nan}, "it must be one number"),
        ({"offset": True}, "it must be one number"),
    ],
)
def test_offsets_of_means_that_cannot_be(options: Any, says: str, poisson: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match=re.escape(says)):
        poisson.emmeans("wood", **options)


def test_offsets_need_one_in_the_model(herd_fit: Any, poisson: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="the model has no offset"):
        herd_fit.emmeans("period", offset=0.0)
    with pytest.raises(mm.ArgumentError, match="such as area=1 for rates"):
        poisson.predict(offset=0)


def test_bias_is_adjusted_by_the_spread_of_the_random_effects(herd_fit: Any) -> None:
    adjusted = herd_fit.emmeans("period", type="response", bias_adjust=True)
    sd = float(herd_fit.varcorr.sd["herd"].iloc[0])
    same = herd_fit.emmeans("period", type="response", bias_adjust=True, sigma=sd)
    np.testing.assert_allclose(adjusted["estimate"], same["estimate"])
    average = herd_fit.predict({"period": ["1", "2", "3", "4"]}, random="average")
    np.testing.assert_allclose(adjusted["estimate"], average, rtol=0.02)
    slopes = mm.glmer("n ~ temp + (temp | site)", surveys(), "poisson")
    with pytest.raises(mm.MixedModelsError, match="Give its root at the means by sigma="):
        slopes.emmeans("temp", type="response", bias_adjust=True)


# -- several fits ------------------------------------------------------------------------


def test_a_table_tells_families_and_their_parts_apart(poisson: Any) -> None:
    formula = "n ~ wood + temp + (1 | site)"
    options = {"offset": "log(area)", "zero_inflation": "~ wood"}
    both = mm.glmer(formula, surveys(), "nb", **options)
    shown = mm.table([poisson, both])
    text = str(shown)
    assert "Zero inflation, logit(probability):\n" in text
    assert re.search(r"^k +1\.\d+", text, re.MULTILINE)
    assert re.search(r"^Family +poisson +negative_binomial", text, re.MULTILINE)
    frame = shown.to_frame()
    zeros = both.component_table().loc["zero_inflation"]
    np.testing.assert_allclose(
        frame.loc["zero_inflation", ("(2)", "std_error")], zeros["std_error"]
    )
    assert frame.loc[("model", "k"), ("(2)", "estimate")] == both.dispersion
    assert np.isnan(frame.loc[("model", "k"), ("(1)", "estimate")])


def test_comparisons_and_tidy_tables_name_the_parts(poisson: Any) -> None:
    both = poisson.update(zero_inflation="~ wood")
    told = " ".join(str(mm.anova(poisson, both)).split())
    assert "(1 | site); offset log(area); poisson (log) fit2" in told
    assert "(1 | site); offset log(area); poisson (log), zero_inflation ~ wood " in told
    table = both.tidy(conf_int=True, conf_method="wald")
    zeros = table[table["component"] == "zero_inflation"]
    expected = both.component_table().loc["zero_inflation"]
    np.testing.assert_allclose(zeros["estimate"], expected["estimate"])
    assert zeros["term"].tolist() == ["(Intercept)", "wood"]
    assert (zeros["conf_low"] < zeros["estimate"]).all()
    assert "component" not in poisson.tidy()
    ratios = both.tidy("fixed", exponentiate=True)
    mean = ratios["component"] == "mean"
    np.testing.assert_allclose(ratios["estimate"][mean], np.exp(both.fixef))
    np.testing.assert_allclose(ratios["estimate"][~mean], expected["estimate"])


@pytest.mark.parametrize("start", [[1.0, 2.0], [1.0] * 6, [[1.0]]])
def test_a_start_of_the_wrong_length_says_what_it_may_be(start: list[float]) -> None:
    model = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    with pytest.raises(mm.MixedModelsError, match="start is") as raised:
        mm.glmer(model, mm.load_dataset("cbpp"), start=start)
    assert "1 number, theta (herd.(Intercept)), or all 5 parameters" in str(raised.value)


@pytest.mark.parametrize("role", ["dispersion", "zero_inflation"])
def test_a_name_without_backticks_is_named_in_every_formula(role: str) -> None:
    data = pd.DataFrame({"y": np.arange(40) % 4, "rate %": np.arange(40.0), "g": np.arange(40) % 8})
    with pytest.raises(mm.FormulaError, match="between backticks: `rate %`"):
        mm.glmer("y ~ 1 + (1 | g)", data, "negative_binomial", **{role: "~ rate %"})


# -- ratings and levels of single rows --------------------------------------------------


def ratings() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"judge": np.repeat(np.arange(12), 5), "x": np.tile(np.arange(5), 12)})
    return data.assign(y=rng.integers(1, 6, 60), day=[f"d{i}" for i in range(60)])


@pytest.mark.parametrize("family", ["binomial", "beta"])
@pytest.mark.parametrize(("shift", "offered"), [(0, True), (-3, True), (0.5, False)])
def test_ratings_are_offered_the_ordinal_family(family: str, shift: float, offered: bool) -> None:
    data = ratings()
    with pytest.raises(mm.DataError) as caught:
        mm.glmer("y ~ x + (1 | judge)", data.assign(y=data["y"] + shift), family)
    assert ('family="ordinal"' in str(caught.value)) == offered


def test_many_counts_are_not_called_ratings() -> None:
    data = ratings().assign(y=np.arange(60))
    with pytest.raises(mm.DataError, match='family="poisson"') as caught:
        mm.glmer("y ~ x + (1 | judge)", data)
    assert "ordinal" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("family", "begins"), [("gamma", "The means fit"), ("binomial", "Separa")])
def test_factors_with_a_level_for_every_row_are_named(family: str, begins: str) -> None:
    response = "I(y > 2)" if family == "binomial" else "y"
    fit = mm.glmer(f"{response} ~ day + (1 | judge)", ratings(), family)
    (message,) = (text for text in fit.messages if text.startswith(begins))
    assert "'day' is a factor with 60 levels in 60 rows." in message
    assert len(message) < 700
