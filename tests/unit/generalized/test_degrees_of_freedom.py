"""Methods for degrees of freedom that a generalized model does not have, wherever `ddf=` goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import mixedmodels as mm
from mixedmodels.cli import main

Fit = mm.GeneralizedLinearMixedFit


@lru_cache
def fit() -> Fit:
    return mm.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", mm.load_dataset("cbpp")
    )


@lru_cache
def linear() -> mm.LinearMixedFit:
    return mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))


METHODS: dict[str, Callable[..., Any]] = {
    "coef_table": lambda ddf: fit().coef_table(ddf),
    "coef_table with a covariance": lambda ddf: fit().coef_table(ddf, vcov="CR1"),
    "summary": lambda ddf: fit().summary(ddf),
    "confint": lambda ddf: fit().confint(method="wald", ddf=ddf),
    "confint by profile": lambda ddf: fit().confint("period2", ddf=ddf),
    "emmeans": lambda ddf: fit().emmeans("period", ddf=ddf),
    "contrast": lambda ddf: fit().emmeans("period", ddf=ddf).pairs(),
    "joint_tests": lambda ddf: fit().joint_tests(ddf=ddf),
    "anova": lambda ddf: fit().anova(ddf=ddf),
    "test": lambda ddf: fit().test("period2", ddf=ddf),
    "drop1": lambda ddf: fit().drop1(ddf=ddf),
    "drop1 by F": lambda ddf: fit().drop1("F", ddf=ddf),
    "tidy": lambda ddf: fit().tidy(ddf=ddf),
    "predict_interval": lambda ddf: fit().predict_interval(ddf=ddf),
    "plot_effect": lambda ddf: fit().plot_effect("period", ddf=ddf),
    "table": lambda ddf: mm.table([fit()], ddf=ddf),
    "power": lambda ddf: mm.power(fit(), test="period2", nsim=2, seed=1, ddf=ddf),
}


@pytest.mark.parametrize("ddf", ["kenward-roger", "KR", "residual"])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_linear_models_is_refused_in_words(name: str, ddf: str) -> None:
    with pytest.raises(mm.ModelError, match=f"ddf is '{ddf}'; a generalized model does not have"):
        METHODS[name](ddf)


@pytest.mark.parametrize("name", METHODS)
def test_the_usual_tests_are_by_the_normal_distribution(name: str) -> None:
    for ddf in ("satterthwaite", "none"):
        METHODS[name](ddf)


@pytest.mark.parametrize("name", ["coef_table", "anova", "test", "emmeans", "joint_tests"])
def test_what_is_printed_says_so(name: str) -> None:
    assert "normal distribution" in str(METHODS[name]("satterthwaite"))


def test_a_table_with_a_linear_model_takes_its_method() -> None:
    beside = mm.table([fit(), linear()], ddf="residual")
    assert "Days" in str(beside)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_command_refuses_too(more: list[str], capsys: Any, tmp_path: Path) -> None:
    data = mm.load_dataset("cbpp")
    data = data.assign(share=data["incidence"] / data["size"])
    data.to_csv(tmp_path / "cbpp.csv", index=False)
    formula, table = "share ~ period + (1 | herd)", str(tmp_path / "cbpp.csv")
    options = ["--family", "binomial", "--weights", "size", "--ddf", "KR"]
    assert main(["fit", formula, table, *options, *more]) != 0
    assert "does not have denominator degrees of freedom" in capsys.readouterr().err


def test_tables_of_several_say_whose_tests_are_what() -> None:
    alone = str(mm.table([fit()], below="p_value"))
    assert "Tests and limits: ddf: none, by the normal distribution." in alone
    both = str(mm.table([fit(), linear()], below="conf_int", ddf="residual"))
    assert "Tests and limits of (1): ddf: none, by the normal distribution." in both
    assert "Tests and limits of (2): ddf: residual." in both
    assert "Tests and limits" not in str(mm.table([fit(), linear()]))
