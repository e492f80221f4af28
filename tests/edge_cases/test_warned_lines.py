"""Every warning names the line of the caller, whatever the depth of the call that gives it."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels import estimates
from mixedmodels.errors import warn

SLEEP = mm.load_dataset("sleepstudy")
SLOPES = "Reaction ~ Days + (Days | Subject)"
TWICE = "Reaction ~ Days + I(2 * Days) + (Days | Subject)"
STOP = mm.Control(max_evaluations=1)


def confounded() -> pd.DataFrame:
    """Ten people with two names each, so that two terms have the same groups."""
    rng = np.random.default_rng(1)
    person = np.arange(60) // 6
    y = rng.normal(size=10)[person] + rng.normal(size=60)
    x = rng.normal(size=60)
    return pd.DataFrame({"person": person, "code": -person, "x": x, "y": y + x})


SAME = "y ~ x + (1 | person) + (1 | code)"

# How to fit models of which many results come with a warning.
FITS: dict[str, Callable[[], mm.LinearMixedFit]] = {
    "stopped": lambda: mm.lmer(SLOPES, SLEEP, start=[0.1, -3.0, 0.01], control=STOP),
    "stopped, ML": lambda: mm.lmer(SLOPES, SLEEP, reml=False, start=[20, -9, 0.1], control=STOP),
    "singular": lambda: mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff2")),
    "confounded": lambda: mm.lmer(SAME, confounded()),
    "confounded, ML": lambda: mm.lmer(SAME, confounded(), reml=False),
    "rank-deficient, ML": lambda: mm.lmer(TWICE, SLEEP, reml=False),
    "by stages": lambda: mm.LinearMixedModel(SAME, confounded(), reml=False).fit(),
}

CALLS: dict[str, Callable[[mm.LinearMixedFit], Any]] = {
    "refit": lambda fit: fit.refit(fit.model.y),
    "model.fit": lambda fit: fit.model.fit(),
    "coef_table": lambda fit: fit.coef_table(),
    "coef_table, kr": lambda fit: fit.coef_table("kenward-roger"),
    "anova": lambda fit: fit.anova(),
    "anova, kr": lambda fit: fit.anova(ddf="kenward-roger"),
    "test, kr": lambda fit: fit.test(next(iter(fit.vcov)), ddf="kenward-roger"),
    "vcov_adjusted": lambda fit: fit.vcov_adjusted(),
    "vcov_full": lambda fit: fit.vcov_full(),
    "stderror_full": lambda fit: fit.stderror_full(),
    "varcorr_table": lambda fit: fit.varcorr_table(),
    "drop1": lambda fit: fit.drop1(),
    "drop1, F": lambda fit: fit.drop1("F"),
    "drop1, F, kr": lambda fit: fit.drop1("F", ddf="kenward-roger"),
    "ranova": lambda fit: fit.ranova(),
    "profile": lambda fit: fit.profile(),
    "confint": lambda fit: fit.confint(),
    "confint, wald": lambda fit: fit.confint(method="wald"),
    "confint, boot": lambda fit: fit.confint(method="bootstrap", nsim=20, seed=1),
    "bootstrap": lambda fit: fit.bootstrap(3, seed=1),
    "bootstrap, statistic": lambda fit: fit.bootstrap(
        2, seed=1, statistic=lambda one: one.coef_table("kenward-roger")["df"].iloc[0]
    ),
    "anova of two": lambda fit: mm.anova(fit, fit),
    "tidy": lambda fit: fit.tidy(),
    "tidy, kr": lambda fit: fit.tidy(ddf="kenward-roger"),
    "augment": lambda fit: fit.augment(),
    "plot_coefficients": lambda fit: fit.plot_coefficients(),
    "profile, plot": lambda fit: fit.profile("sigma").plot(),
    "summary": lambda fit: str(fit.summary()),
    "predict": lambda fit: fit.predict_interval(kind="prediction"),
    "influence": lambda fit: fit.influence(only=[0, 1], exact=True),
    "all_fit": lambda fit: fit.all_fit("quasi-newton"),
    "singularity": lambda fit: fit.singularity(),
}


@cache
def fit_of(kind: str) -> mm.LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FITS[kind]()


def warned(call: Callable[..., Any], *args: Any) -> list[warnings.WarningMessage]:
    """What a call warns of, each warning being at a line of this file and in the call's reach."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(mm.MixedModelsError):
            call(*args)
    first = call.__code__.co_firstlineno
    for one in caught:
        assert one.filename == __file__, one
        assert first <= one.lineno <= first + 3, one
    return caught


@pytest.mark.parametrize("kind", [kind for kind in FITS if kind != "rank-deficient, ML"])
def test_a_fit_warns_where_it_is_asked_for(kind: str) -> None:
    assert warned(FITS[kind])


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("stopped", "refit|coef_table|anova|drop1, F|tidy|plot_coefficients"),
        ("stopped, ML", "coef_table|coef_table, kr|anova, kr|drop1, F, kr|test, kr|vcov_adjusted"),
        ("singular", "refit|varcorr_table"),
        ("confounded", "refit|vcov_full|confint"),
        ("confounded, ML", "model.fit|stderror_full|confint|bootstrap, statistic"),
        ("rank-deficient, ML", "coef_table, kr|tidy, kr|bootstrap, statistic"),
        ("by stages", "varcorr_table|stderror_full|confint"),
    ],
)
def test_results_warn_where_they_are_asked_for(kind: str, names: str) -> None:
    """No result of any fit warns elsewhere; those named do warn."""
    fit = fit_of(kind)
    found = set()
    for name, call in CALLS.items():
        if warned(call, copy.deepcopy(fit)):  # which keeps nothing from other calls
            found.add(name)
    assert found >= set(names.split("|"))


def test_new_rows_warn_where_they_are_predicted() -> None:
    fit = mm.lmer("Reaction ~ log(Days + 1) + I(2 * log(Days + 1)) + (1 | Subject)", SLEEP)
    new = SLEEP.head(2).assign(Days=[-1.0, 3.0])
    assert warned(lambda: fit.predict(new))


def test_models_that_are_not_nested_warn_where_they_are_compared() -> None:
    left = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=False)
    right = mm.lmer("Reaction ~ I(Days > 4) + (Days | Subject)", SLEEP, reml=False)
    assert warned(lambda: mm.anova(left, right))


@pytest.mark.parametrize("depth", range(6))
def test_the_depth_within_the_package_does_not_matter(depth: int) -> None:
    source = "def call(depth):\n    call(depth - 1) if depth else warn('said', UserWarning)\n"
    inside = Path(estimates.__file__).with_name("any.py")
    scope: dict[str, Any] = {"warn": warn}
    exec(compile(source, str(inside), "exec"), scope)
    assert len(warned(lambda: scope["call"](depth))) == 1


def test_the_statistic_of_a_bootstrap_is_the_callers_too() -> None:
    """A warning in it names its own line, and not that of the bootstrap."""

    def statistic(fit: mm.LinearMixedFit) -> float:
        return float(fit.coef_table("kenward-roger")["df"].iloc[0])

    fit = fit_of("rank-deficient, ML")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit.bootstrap(2, seed=1, statistic=statistic)
    lines = {one.lineno for one in caught if one.category is mm.RefitWarning}
    assert lines == {statistic.__code__.co_firstlineno + 1}
