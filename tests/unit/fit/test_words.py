"""One word, one meaning: names of arguments, their spellings and defaults, and names of columns."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.settings import ANOVA_TYPES, DF_METHODS, anova_type, df_method

SPELLINGS = {
    "satterthwaite": ["Satterthwaite", "SATTERTHWAITE"],
    "kenward-roger": [
        "KR",
        "kr",
        "Kenward-Roger",
        "kenward_roger",
        "Kenward Roger",
        "KenwardRoger",
    ],
    "residual": ["Residual", "RESIDUAL"],
    "none": ["None", "NONE"],
}
BY_DDF: dict[str, Callable[[mm.LinearMixedFit, Any], Any]] = {
    "summary": lambda fit, ddf: str(fit.summary(ddf)),
    "coef_table": lambda fit, ddf: fit.coef_table(ddf),
    "anova": lambda fit, ddf: fit.anova(ddf=ddf),
    "test": lambda fit, ddf: fit.test("Days", ddf=ddf).table,
    "vcov_adjusted": lambda fit, ddf: fit.vcov_adjusted(ddf),
    "drop1": lambda fit, ddf: fit.drop1("F", ddf=ddf),
    "confint": lambda fit, ddf: fit.confint("beta_", method="wald", ddf=ddf),
    "predict_interval": lambda fit, ddf: fit.predict_interval(ddf=ddf, random="none"),
    "tidy": lambda fit, ddf: fit.tidy("fixed", ddf=ddf),
    "plot_coefficients": lambda fit, ddf: fit.plot_coefficients(ddf=ddf).axes[0].get_title(),
}
DEFAULTS = {"ddf": "satterthwaite", "level": 0.95, "nsim": 1000, "modes": "new", "random": "all"}
# Names that other words stand for.
OLD = {"df", "boot_type", "interval", "condvar", "std_error", "conf_level", "alpha", "method_df"}


@pytest.fixture(scope="module")
def fit() -> mm.LinearMixedFit:
    return mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))


def same(left: Any, right: Any) -> bool:
    if hasattr(left, "to_frame") and not isinstance(left, pd.Series):
        left, right = left.to_frame(), right.to_frame()
    return bool(left.equals(right)) if hasattr(left, "equals") else bool(left == right)


@pytest.mark.parametrize("method", DF_METHODS)
def test_spellings_of_ddf(method: str) -> None:
    for spelling in [method, *SPELLINGS[method]]:
        assert df_method(spelling) == method


@pytest.mark.parametrize("name", BY_DDF)
@pytest.mark.parametrize("method", DF_METHODS)
def test_every_ddf_takes_every_spelling(fit: mm.LinearMixedFit, name: str, method: str) -> None:
    expected = BY_DDF[name](fit, method)
    for spelling in SPELLINGS[method][:2]:
        assert same(BY_DDF[name](fit, spelling), expected)


@pytest.mark.parametrize("name", BY_DDF)
@pytest.mark.parametrize("wrong", ["satterthwait", "", 4, None, True, ["KR"], np.array([1, 2])])
def test_every_ddf_refuses_what_it_does_not_know(
    fit: mm.LinearMixedFit, name: str, wrong: Any
) -> None:
    with pytest.raises(mm.MixedModelsError, match=r"ddf is .* must be one of 'satterthwaite', "):
        BY_DDF[name](fit, wrong)


def test_options_are_checked_also_where_they_do_not_count(fit: mm.LinearMixedFit) -> None:
    wrong: Any = "boot"
    for call in (
        lambda: fit.drop1(ddf=wrong),
        lambda: fit.confint("sigma", ddf=wrong),
        lambda: fit.confint("sigma", kind=wrong),
        lambda: fit.confint("sigma", method=wrong),
        lambda: fit.predict_interval(ddf=wrong),
        lambda: fit.predict_interval(ddf=wrong, uncertainty="full"),
    ):
        with pytest.raises(mm.MixedModelsError, match=r"(ddf|kind|method) is 'boot'; it must be"):
            call()


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan"), "0.95", True, None])
def test_every_level_is_checked(fit: mm.LinearMixedFit, level: Any) -> None:
    for call in (
        lambda: fit.confint("sigma", level),
        lambda: fit.confint("Days", level, method="wald"),
        lambda: fit.confint("Days", level, method="bootstrap", nsim=2),
        lambda: fit.test("Days", level=level),
        lambda: fit.tidy(conf_int=True, level=level),
        lambda: fit.plot_coefficients(level=level),
        lambda: fit.predict_interval(level=level),
        lambda: fit.predict_interval(level=level, random="none"),
        lambda: fit.predict_interval(level=level, uncertainty="full"),
        lambda: fit.profile("sigma", level=level),
    ):
        with pytest.raises(mm.MixedModelsError, match="level is"):
            call()


@pytest.mark.parametrize("roman", ["I", "II", "III"])
def test_types_of_f_tables(fit: mm.LinearMixedFit, roman: Any) -> None:
    number: Any = len(roman)
    expected = fit.anova(number)
    for spelling in (roman, roman.lower(), np.int64(number)):
        assert same(fit.anova(spelling), expected)


@pytest.mark.parametrize("wrong", [0, 4, True, 2.0, "IV", "2", "", None, [2]])
def test_other_types_are_refused(wrong: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match=r"type is .* one of 1, 2, 3, 'I', 'II', 'III'"):
        anova_type(wrong)
    assert ANOVA_TYPES == (1, 2, 3)


def test_arguments_of_every_method_have_the_settled_words() -> None:
    for name, method in inspect.getmembers(mm.LinearMixedFit, inspect.isfunction):
        if name.startswith("_"):
            continue
        for word, parameter in inspect.signature(method).parameters.items():
            assert word not in OLD or (name, word) == ("conf_int", "alpha"), (name, word)
            if word == "nsim" and name == "simulate":
                assert parameter.default == 1
            elif word == "nsim" and name in ("check", "confint"):
                # Each is a fit: as many as the rows allow; or told from a number that is not used.
                assert parameter.default is None
            elif word == "level" and name == "profile":
                assert parameter.default == 0.99
            elif word == "random" and name == "plot_effect":
                assert parameter.default == "none"  # the population's line, lines of levels behind
            elif word == "ddf" and name == "vcov_adjusted":
                assert parameter.default == "kenward-roger"
            elif word in DEFAULTS and parameter.default is not inspect.Parameter.empty:
                assert parameter.default == DEFAULTS[word], (name, word)


@pytest.mark.parametrize("wrong", ["marginal", "conditional", 1, None, ["Days"]])
def test_flags_are_true_or_false(fit: mm.LinearMixedFit, wrong: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match=r"marginal is .* must be True or False"):
        fit.std_residuals("raw", wrong)
    with pytest.raises(mm.MixedModelsError, match=r"columns is .* must be True or False"):
        fit.predict_interval(columns=wrong)


TABLES: dict[str, Callable[[mm.LinearMixedFit], pd.DataFrame]] = {
    "coef_table": lambda fit: fit.coef_table(),
    "anova": lambda fit: fit.anova(),
    "test": lambda fit: fit.test("Days").table,
    "drop1": lambda fit: fit.drop1(),
    "drop1, F": lambda fit: fit.drop1("F"),
    "ranova": lambda fit: fit.ranova(),
    "mm.anova": lambda fit: mm.anova(fit, mm.lmer("Reaction ~ 1 + (1 | Subject)", SLEEP)),
    "confint": lambda fit: fit.confint("sigma"),
    "confint, wald": lambda fit: fit.confint(method="wald"),
    "predict_interval": lambda fit: fit.predict_interval(),
    "varcorr_table": lambda fit: fit.varcorr_table(),
    "varcorr": lambda fit: fit.varcorr.to_frame(),
    "ranef_table": lambda fit: fit.ranef_table(),
    "all_fit": lambda fit: fit.all_fit("quasi-newton").drop(columns=fit.theta_names),
    "icc": lambda fit: fit.icc(),
    "vif": lambda fit: fit.vif(),
    "tidy": lambda fit: fit.tidy(conf_int=True, conf_method="wald"),
}
SLEEP = mm.load_dataset("sleepstudy")
SETTLED = {
    "anova": ["sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value"],
    "drop1": ["npar", "aic", "statistic", "df", "p_value"],
    "ranova": ["npar", "loglik", "aic", "statistic", "df", "p_value", "p_mixture"],
    "mm.anova": [
        "npar", "aic", "aicc", "bic", "weight", "loglik", "deviance", "statistic", "df", "p_value"
    ],
    "ranef_table": ["grp", "term", "level", "estimate", "std_error"],
    "predict_interval": ["prediction", "std_error", "lower", "upper"],
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_in_snake_case(fit: mm.LinearMixedFit, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.errors.NotNestedWarning)
        columns = list(TABLES[name](fit).columns)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column) for column in columns)
    assert columns == SETTLED.get(name, columns)


def test_npar_is_that_of_the_model_and_df_that_of_the_test(fit: mm.LinearMixedFit) -> None:
    for table in (fit.drop1(), fit.ranova()):
        assert table["npar"].iloc[0] == fit.npar
        assert (table["npar"] + table["df"].fillna(0) == fit.npar).all()


@pytest.mark.parametrize(
    "formula",
    ["score ~ Machine + (Machine | Worker)", "score ~ 1 + (1 | Worker) + (1 | Worker:Machine)"],
)
def test_ranef_table_is_ranef_and_ranef_cov(formula: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        fit = mm.lmer(formula, mm.load_dataset("machines"))
    long, tables, covariances = fit.ranef_table(), fit.ranef(), fit.ranef_cov()
    assert list(long["grp"].unique()) == list(tables)
    for row in long.itertuples():
        table = tables[row.grp]
        place, effect = table.index.get_loc(row.level), table.columns.get_loc(row.term)
        assert row.estimate == table.iloc[place, effect]
        assert row.std_error**2 == pytest.approx(covariances[row.grp][place, effect, effect])
    assert len(long) == sum(table.size for table in tables.values())


@pytest.mark.parametrize("both", ["Worker:Machine", "Machine:Worker"])
def test_groups_are_named_in_either_order(both: str) -> None:
    fit = mm.lmer("score ~ 1 + (1 | Worker/Machine)", mm.load_dataset("machines"))
    expected = fit.fixef.iloc[0] + fit.ranef()[both].iloc[:, 0]
    found = fit.predict(random=[both])
    assert set(np.round(found, 9)) == set(np.round(expected, 9))
    assert found.equals(fit.predict(random=[f"(1 | {both})"]))
    assert fit.predict(random=["Worker", both]).equals(fit.predict(random=[both, "Worker"]))


def test_standard_errors_of_all_parameters_are_roots_of_their_covariance() -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
    full, errors = fit.vcov_full(), fit.stderror_full()
    assert list(full.index) == list(errors.index) == ["(Intercept)", "Batch.(Intercept)", "sigma"]
    np.testing.assert_allclose(errors**2, np.diag(full), rtol=1e-12)
    assert errors["(Intercept)"] == fit.stderror["(Intercept)"]


@pytest.mark.parametrize("options", [{"nsim": 100}, {"seed": 1}])
@pytest.mark.parametrize("method", ["profile", "wald"])
def test_intervals_without_replicates_have_no_number_of_them(
    method: Any, options: dict[str, int]
) -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
    with pytest.raises(
        mm.MixedModelsError, match="= is for intervals by bootstrap, not for method="
    ):
        fit.confint(method=method, **options)
