"""Messages that name the remedy which works."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm

RNG = np.random.default_rng(1)
GROUP = np.repeat(np.arange(30), 20)
DATA = pd.DataFrame({"p": GROUP.astype(str), "i": np.tile(np.arange(20), 30).astype(str)})
DATA["prime"], DATA["freq"] = np.tile([0, 1], 300), np.repeat([0, 1], 300)
DATA["rt"] = 600 + 20 * DATA["prime"] + 40 * RNG.normal(size=30)[GROUP] + 80 * RNG.normal(size=600)


@pytest.mark.parametrize("name", ["RT (ms)", "f(x)", "dose (mg / kg)", "p(%)"])
@pytest.mark.parametrize("formula", ["{} ~ prime + (1 | p)", "log({}) ~ prime + (1 | p)"])
def test_a_column_with_brackets_wants_backticks(name: str, formula: str) -> None:
    data = DATA.rename(columns={"rt": name})
    with pytest.raises(mm.FormulaError) as refused:
        mm.lmer(formula.format(name), data)
    if "(%" not in name and "/" not in name:
        assert f"write it between backticks: `{name}`" in str(refused.value)
    assert mm.lmer(formula.format(f"`{name}`"), data).converged


@pytest.mark.parametrize("table", [pd.DataFrame, dict])
def test_decimal_commas(table: Any) -> None:
    text = DATA["rt"].map(lambda value: f"{value:.2f}".replace(".", ","))
    with pytest.raises(mm.DataError, match=r"decimal commas.*decimal=','"):
        mm.lmer("rt ~ prime + (1 | p)", table(DATA.assign(rt=text)))
    mended = text.str.replace(",", ".").astype(float)
    assert mm.lmer("rt ~ prime + (1 | p)", table(DATA.assign(rt=mended))).converged


def test_all_columns_that_new_data_lack() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.lmer("rt ~ prime * freq + (1 | p) + (1 | i)", DATA)
    with pytest.raises(mm.DataError, match=r"'freq', 'p' and 'i'\.$"):
        fit.predict({"prime": [1]})
    with pytest.raises(mm.DataError, match=r"'p' and 'i'.*random='none'"):
        fit.predict({"prime": [1], "freq": [0]})
    assert len(fit.predict({"prime": [1], "freq": [0]}, random="none")) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fit: mm.table([fit], ci=True), 'below="conf_int"'),
        (lambda fit: mm.table([fit], p=True), 'below="p_value"'),
        (lambda _: mm.power("y ~ x + (1 | g)", DATA, effect=3), "beta="),
    ],
)
def test_arguments_of_other_packages(call: Any, said: str) -> None:
    fit = mm.lmer("rt ~ prime + (1 | p)", DATA)
    with pytest.raises(mm.ArgumentError, match=re.escape(said)):
        call(fit)


FORMULAS = [
    "rt ~ prime * freq + (prime * freq | p) + (1 | i)",
    "rt ~ prime + (prime * freq | p)",
    "rt ~ prime + (prime | i) + (freq | p)",
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("reml", [True, False])
def test_the_simpler_formula_is_not_singular_again(formula: str, reml: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.lmer(formula, DATA, reml=reml)
        proposed = fit.singularity().formula
        assert proposed is not None
        assert not mm.lmer(proposed, DATA, reml=reml).is_singular


def test_a_kind_of_parameters_in_pictures() -> None:
    profile = mm.lmer("rt ~ prime + (1 | p)", DATA).profile()
    assert len(profile.plot("theta_").axes) == 2
    assert len(profile.plot_density("beta_").axes) == 2
    assert len(profile.plot_pairs("theta_").axes) >= 2


def test_a_model_shows_itself_in_a_line() -> None:
    model = mm.LinearMixedModel("rt ~ prime + (1 | p)", DATA)
    assert repr(model) == (
        "<LinearMixedModel 'rt ~ prime + (1 | p)' by REML: 600 observations, levels: p 30>"
    )


@pytest.fixture(scope="module")
def sleep() -> mm.LinearMixedFit:
    return mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fit: fit.emmeans("Subject"), "'Subject' is a grouping factor.*fit.ranef()"),
        (lambda fit: fit.joint_tests(by="Subject"), "'Subject' is a grouping factor"),
        (lambda fit: fit.emtrends("Subject", "Days"), "'Subject' is a grouping factor"),
        (lambda fit: fit.plot_effect("Subject"), "'Subject' is a grouping factor"),
        (lambda fit: fit.plot_effect("Days", by="Subject"), "'Subject' is a grouping factor"),
        (lambda fit: fit.predict({"Days": [1]}), "'Subject' is not .* new data.*random='none'"),
        (lambda fit: fit.predict(random="Subject"), r"Write random=\['Subject'\]"),
        (lambda fit: fit.predict(random="fixed"), "Write 'none'"),
        (lambda fit: fit.ranef()["subject"], "Did you mean 'Subject'"),
        (lambda fit: fit.coef_table()["pvalue"], "Did you mean 'p_value'"),
        (lambda fit: fit.report("page.pdf"), "Name it 'page.html'"),
        (lambda fit: fit.report("nowhere/page.html"), "Make the folder nowhere first"),
        (lambda fit: fit.save("nowhere/fit.mm"), "Make the folder nowhere first"),
        (lambda fit: fit.report("."), "Name a file in it"),
        (lambda fit: mm.pool([fit, DATA]), r"of type DataFrame.*pool\(\[mm.lmer"),
        (lambda fit: mm.power(fit, along="Subject", n=30), r"extend=\{'g': \[20, 40\]\}"),
        (lambda fit: mm.power(fit, test="Days", beta={"Day": 5}), r"Did you mean 'Days'\?"),
    ],
)  # fmt: skip
def test_mistakes_after_a_fit(
    sleep: mm.LinearMixedFit, call: Any, said: str, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mm.MixedModelsError, match=said):
        call(sleep)


def test_a_key_that_is_not_there_is_a_key_error_too(sleep: mm.LinearMixedFit) -> None:
    assert sleep.ranef().get("subject") is None
    for result in (sleep.ranef(), sleep.coef_table()):
        with pytest.raises(KeyError) as refused:
            result["nothing"]
        assert str(refused.value).startswith("'nothing' is not a ")


def test_a_table_of_a_dict(sleep: mm.LinearMixedFit) -> None:
    small = sleep.update("~ . - (Days | Subject) + (1 | Subject)")
    listed = mm.table([small, sleep], names=["small", "large"])
    assert str(mm.table({"small": small, "large": sleep})) == str(listed)
