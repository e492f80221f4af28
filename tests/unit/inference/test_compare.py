"""Comparison of models: what compares, what is nested, and the table."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels import MixedModelsError, NotNestedWarning
from mixedmodels.inference.nesting import fixed_part_nested, offsets_nested, random_part_nested
from mixedmodels.inference.relatives import droppable, random_deletions, without_fixed_term
from mixedmodels.linear import LinearMixedFit

SLEEP = mm.load_dataset("sleepstudy")
MACHINES = mm.load_dataset("machines")


@pytest.fixture(scope="module")
def intercepts() -> LinearMixedFit:
    return mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)


def design(formula: str, data: pd.DataFrame = SLEEP, **options: object):  # type: ignore[no-untyped-def]
    return mm.LinearMixedModel(formula, data, **options).design  # type: ignore[arg-type]


def test_table_by_hand(intercepts: LinearMixedFit, slopes: LinearMixedFit) -> None:
    before = intercepts.objective, slopes.theta.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = mm.anova(slopes, intercepts)
    assert (intercepts.objective, slopes.reml) == (before[0], True)
    np.testing.assert_array_equal(slopes.theta, before[1])
    assert list(table.index) == ["fit2", "fit1"]
    npar = table["npar"].to_numpy()
    deviance = table["deviance"].to_numpy()
    np.testing.assert_array_equal(npar, [4, 6])
    np.testing.assert_allclose(table["loglik"], -deviance / 2)
    aic = deviance + 2 * npar
    np.testing.assert_allclose(table["aic"], aic)
    np.testing.assert_allclose(table["aicc"], aic + 2 * npar * (npar + 1) / (179 - npar))
    np.testing.assert_allclose(table["bic"], deviance + np.log(180) * npar)
    weight = np.exp(-(aic - aic.min()) / 2)
    np.testing.assert_allclose(table["weight"], weight / weight.sum())
    assert table["statistic"].iloc[1] == pytest.approx(deviance[0] - deviance[1])
    assert np.isnan(table[["statistic", "df", "p_value"]].iloc[0]).all()


def test_what_was_done_is_said(intercepts: LinearMixedFit, slopes: LinearMixedFit) -> None:
    table = mm.anova(intercepts, slopes, names=["one", "two"])
    assert table.note == "REML fits were refitted by ML."
    assert table.models == {
        "one": "Reaction ~ Days + (1 | Subject)",
        "two": "Reaction ~ Days + (Days | Subject)",
    }
    for text in (repr(table), str(table)):
        assert text.startswith(table.note + "\none: Reaction ~ Days + (1 | Subject)\ntwo:")
    assert type(table[["aic"]]) is pd.DataFrame
    ml = [mm.lmer(f"Reaction ~ {x} + (1 | Subject)", SLEEP, reml=False) for x in ("1", "Days")]
    assert mm.anova(*ml).note == ""
    assert "Restricted" in mm.anova(intercepts, slopes, refit=False).note


def test_refused(intercepts: LinearMixedFit, slopes: LinearMixedFit) -> None:
    shorter = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP.iloc[:-5])
    other = mm.lmer("log(Reaction) ~ Days + (1 | Subject)", SLEEP)
    ml = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=False)
    square = mm.lmer("Reaction ~ Days + I(Days**2) + (1 | Subject)", SLEEP)
    for fits, options, message in [
        ((slopes,), {}, "two fits or more; it was given 1"),
        ((slopes, shorter), {}, "'fit1' uses 180, 'fit2' 175"),
        ((slopes, other), {}, r"'Reaction' of 'fit1' and 'log\(Reaction\)' .* in 180 of 180 rows"),
        ((slopes, ml), {"refit": False}, r"by REML \(fit1\) and some by ML"),
        ((slopes, square), {"refit": False}, "different fixed parts"),
        ((slopes, intercepts), {"names": ["a", "a"]}, "Two fits are called 'a'"),
        ((slopes, intercepts), {"names": "ab"}, "one name for each"),
        ((slopes, "other"), {}, "argument 2 is 'other'"),
    ]:
        with pytest.raises(MixedModelsError, match=message):
            mm.anova(*fits, **options)  # type: ignore[arg-type]


def test_models_that_are_not_nested() -> None:
    data = SLEEP.assign(x=np.sin(np.arange(180)))
    one = mm.lmer("Reaction ~ x + (1 | Subject)", data, reml=False)
    two = mm.lmer("Reaction ~ Days + (Days | Subject)", data, reml=False)
    with pytest.warns(
        NotNestedWarning, match=r"its fixed part '1 \+ x' is not a special case.*no p-v"
    ):
        table = mm.anova(one, two)
    assert np.isnan(table["p_value"]).all()
    assert table["statistic"].iloc[1] == pytest.approx(one.deviance - two.deviance)
    assert np.isfinite(table[["df", "aic", "aicc", "bic", "weight"]].iloc[1]).all()
    assert "fit2: No test: 'fit1' is not nested in it. Compare AIC, AICc or BIC." in str(table)
    assert not any("NaN" in line for line in str(table).splitlines())
    half = SLEEP.assign(half=SLEEP["Days"] // 5)
    one = mm.lmer("Reaction ~ Days + (1 | Subject:half)", half, reml=False)
    two = mm.lmer("Reaction ~ Days + (Days | Subject)", half, reml=False)
    with pytest.warns(NotNestedWarning, match=r"random part '\(1 \| Subject:half\)'"):
        mm.anova(one, two)


def test_each_pair_is_tested_where_it_can_be() -> None:
    """Of several models: nested pairs have p-values, others and those of one size do not."""
    data = SLEEP.assign(x=np.sin(np.arange(180)), z=np.cos(np.arange(180)))
    texts = ["1 + (1 | Subject)", "x + (1 | Subject)", "z + (1 | Subject)"]
    fits = [mm.lmer(f"Reaction ~ {text}", data, reml=False) for text in texts]
    fits.append(mm.lmer("Reaction ~ z + Days + (1 | Subject)", data, reml=False))
    table = mm.anova(*fits, names=list("abcd"))
    assert table["p_value"].isna().tolist() == [True, False, True, False]
    assert list(table.notes) == ["c"]
    assert "'b' has as many parameters" in table.notes["c"]
    assert table["statistic"].iloc[2] == pytest.approx(fits[1].deviance - fits[2].deviance)
    alike = mm.anova(fits[0], mm.lmer("Reaction ~ 1 + (1 | Subject)", data, reml=False))
    assert alike["statistic"].iloc[1] == 0.0


def test_a_special_case_that_fits_better_is_told() -> None:
    slopes = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=False)
    control = mm.Control(max_evaluations=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        early = mm.lmer(
            "Reaction ~ Days + (Days | Subject)",
            SLEEP,
            reml=False,
            start=[9, 0, 9],
            control=control,
        )
    assert early.deviance > slopes.deviance + 1
    with pytest.warns(mm.ConvergenceWarning, match="'fit1' fits better than 'fit2'"):
        table = mm.anova(slopes, early)
    assert table["p_value"].iloc[1] == 1.0


@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize(
    "formula",
    [
        "score ~ Machine + (Machine | Worker)",
        "score ~ 0 + Machine + (0 + Machine | Worker)",
        "score ~ Machine * x + (x | Worker) + (1 | Machine:Worker)",
        "score ~ x + (x || Worker)",
        "score ~ 1 + (x + I(x**2) | Worker)",
    ],
)
def test_what_single_deletions_leave_is_nested(formula: str, reduce: bool) -> None:
    """So that `drop1` and `ranova` test by the same rule as comparisons of fits."""
    whole = design(formula, MACHINES.assign(x=np.sin(np.arange(len(MACHINES)))))
    for deletion in random_deletions(whole, reduce=reduce):
        if deletion.design is not None:
            assert random_part_nested(deletion.design, whole)
    for k in droppable(whole.formula.terms):
        assert fixed_part_nested(without_fixed_term(whole, k), whole)


@pytest.mark.parametrize(
    ("small", "large", "fixed", "random"),
    [
        ("(1|Worker)", "(Machine|Worker)", True, True),
        ("(1|Worker)", "(0+Machine|Worker)", True, True),
        # Compound symmetry is a special case of a covariance without structure.
        ("(1|Worker) + (1|Worker:Machine)", "(0+Machine|Worker)", True, True),
        ("(0+Machine|Worker)", "(1|Worker) + (1|Worker:Machine)", True, False),
        ("(1|Machine)", "(Machine|Worker)", True, False),
        ("(Machine||Worker)", "(Machine|Worker)", True, True),
        ("Machine + (1|Worker)", "(Machine|Worker)", False, True),
        ("0 + Machine + (1|Worker)", "Machine + (1|Worker)", True, True),
    ],
)
def test_nesting(small: str, large: str, fixed: bool, random: bool) -> None:
    one, two = (design(f"score ~ {formula}", MACHINES) for formula in (small, large))
    assert fixed_part_nested(one, two) is fixed
    assert random_part_nested(one, two) is random


def test_offsets_and_weights_count() -> None:
    plain = design("Reaction ~ Days + (1 | Subject)")
    line = design("Reaction ~ Days + (1 | Subject)", offset="2 * Days")
    curve = design("Reaction ~ Days + (1 | Subject)", offset="Days ** 2")
    weighted = design("Reaction ~ Days + (1 | Subject)", weights="1 + Days")
    assert offsets_nested(plain, line)
    assert not offsets_nested(plain, curve)
    assert not random_part_nested(plain, weighted)


def test_drawn_ratios_are_those_of_refits() -> None:
    data = mm.load_dataset("oats")
    small = mm.lmer("yield ~ nitro + (1 | Block/Variety)", data, reml=False)
    large = mm.lmer("yield ~ nitro + Variety + (1 | Block/Variety)", data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.RefitWarning)
        found = mm.anova(large, small, nsim=60, seed=1, names=["large", "small"])
    by_ml = large.update(reml=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        drawn = small.simulate(60, seed=1)
        ratios = [small.refit(drawn[i]).deviance - by_ml.refit(drawn[i]).deviance for i in drawn]
    observed = small.deviance - by_ml.deviance
    share = (1 + sum(ratio >= observed for ratio in ratios)) / 61
    assert found["p_bootstrap"].loc["large"] == pytest.approx(share)
    assert np.isnan(found["p_bootstrap"].loc["small"])
    assert "60 responses drawn from the smaller model" in str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    assert "p_bootstrap" not in mm.anova(large, small)


def test_drawn_ratios_as_in_r() -> None:
    """By pbkrtest 0.5.2, PBmodcomp with 2000 draws: 0.2844, standard error 0.01."""
    data = mm.load_dataset("oats")
    small = mm.lmer("yield ~ nitro + (1 | Block/Variety)", data, reml=False)
    large = mm.lmer("yield ~ nitro + Variety + (1 | Block/Variety)", data, reml=False)
    found = mm.anova(small, large, nsim=2000, seed=1, threads=1)
    assert found["p_bootstrap"].iloc[1] == pytest.approx(0.2844, abs=0.04)


def test_drawn_ratios_of_a_variance_and_of_other_families() -> None:
    line = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    more = line.update("~ . + (0 + Days | Subject)")
    found = mm.anova(line, more, nsim=99, seed=1, refit=False)
    assert found["p_bootstrap"].iloc[1] == pytest.approx(0.01)
    data, left = mm.load_dataset("cbpp"), "cbind(incidence, size - incidence) ~ "
    few = mm.glmer(f"{left} 1 + (1 | herd)", data, "binomial")
    many = mm.glmer(f"{left} period + (1 | herd)", data, "binomial")
    assert mm.anova(few, many, nsim=49, seed=1)["p_bootstrap"].iloc[1] == pytest.approx(0.02)


def test_draws_that_are_refused(intercepts: LinearMixedFit, slopes: LinearMixedFit) -> None:
    with pytest.raises(MixedModelsError, match="nsim is 0"):
        mm.anova(intercepts, slopes, nsim=0)
    with pytest.raises(MixedModelsError, match="seed is 'x'"):
        mm.anova(intercepts, slopes, nsim=2, seed="x")  # type: ignore[arg-type]
    with pytest.raises(MixedModelsError, match="nsim is -5"):  # also where no test is made
        mm.anova(mm.lmer("Reaction ~ 1 + (Days | Subject)", SLEEP), intercepts, nsim=-5)
    with pytest.warns(NotNestedWarning):
        other = mm.anova(mm.lmer("Reaction ~ 1 + (Days | Subject)", SLEEP), intercepts, nsim=2)
    assert np.isnan(other["p_bootstrap"]).all()
    sums = [
        mm.cross_products(mm.plan(f"Reaction ~ {x} + (1 | Subject)", SLEEP), SLEEP).fit()
        for x in ("1", "Days")
    ]
    with pytest.raises(MixedModelsError, match=r"anova\(nsim=\) needs the rows"):
        mm.anova(*sums, nsim=2)


def gamma_data() -> pd.DataFrame:
    return SLEEP.assign(half=np.arange(180) % 2, count=(SLEEP["Reaction"] / 10).round())


@pytest.mark.parametrize("options", [{}, {"weights": "half + 1"}])
def test_linear_fits_count_as_gaussian_ones(options: dict[str, str]) -> None:
    """A linear model has the likelihood of the Gaussian family, whatever the other's method."""
    data = gamma_data()
    small, large = "Reaction ~ Days + (1 | Subject)", "Reaction ~ Days * half + (1 | Subject)"
    by_lmer = [mm.lmer(formula, data, **options) for formula in (small, large)]
    by_glmer = [mm.glmer(formula, data, "gaussian", **options) for formula in (small, large)]
    expected = mm.anova(*by_lmer).table
    for pair in ((by_lmer[0], by_glmer[1]), (by_glmer[0], by_lmer[1])):
        found = mm.anova(*pair)
        np.testing.assert_allclose(found.table, expected, rtol=1e-6)
        for name, formula in (("fit1", small), ("fit2", large)):
            assert found.models[name].startswith(formula)
            assert found.models[name].endswith("; gaussian (identity)")
    drawn = mm.anova(by_lmer[0], by_glmer[1], nsim=9, seed=1)["p_bootstrap"]
    np.testing.assert_allclose(drawn, mm.anova(*by_lmer, nsim=9, seed=1)["p_bootstrap"])


def test_linear_fits_beside_gamma_ones() -> None:
    data = gamma_data()
    linear = mm.lmer("Reaction ~ Days + (1 | Subject)", data, reml=False)
    gamma = mm.glmer("Reaction ~ Days * half + (1 | Subject)", data, "gamma", n_agq=3)
    with pytest.warns(NotNestedWarning, match=r"distribution 'gaussian \(identity\)' is not"):
        found = mm.anova(gamma, linear)
    assert found["aic"].to_dict() == pytest.approx({"fit2": linear.aic, "fit1": gamma.aic})
    assert found["p_value"].isna().all()


def test_restricted_likelihoods_of_both_kinds_are_the_same() -> None:
    formula = "Reaction ~ Days + (1 | Subject)"
    fits = mm.lmer(formula, SLEEP), mm.glmer(formula, SLEEP, "gaussian", reml=True)
    deviance = mm.anova(*fits, refit=False)["deviance"]
    assert deviance.iloc[0] == pytest.approx(deviance.iloc[1], rel=1e-7)


@pytest.mark.parametrize("continuous", ["lmer", "gaussian"])
def test_densities_do_not_compare_with_probabilities(continuous: str) -> None:
    formula, data = "count ~ Days + (1 | Subject)", gamma_data()
    poisson = mm.glmer(formula, data, "poisson")
    other = mm.lmer(formula, data) if continuous == "lmer" else mm.glmer(formula, data, continuous)
    with pytest.raises(MixedModelsError, match="'fit2' of probabilities of counts or categories"):
        mm.anova(other, poisson)
    with pytest.raises(MixedModelsError, match="'fit2' of densities of a continuous response"):
        mm.anova(poisson, other)
