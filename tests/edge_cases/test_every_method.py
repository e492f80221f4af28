"""Every method on every kind of fit: numbers, or a refusal in words.

What the numbers must be is tested method by method elsewhere; here no combination may fail in
another way, or give NaN where a number is due.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import CASES, fit_case

from mixedmodels import MixedModelsError, anova, lmer, load, load_dataset
from mixedmodels.linear import LinearMixedFit

Method = Callable[[LinearMixedFit], Any]

CHEAP: dict[str, Method] = {
    "coef_table": lambda fit: fit.coef_table(),
    "coef_table, Kenward-Roger": lambda fit: fit.coef_table("kenward-roger"),
    "coef_table, residual": lambda fit: fit.coef_table("residual"),
    "anova": lambda fit: fit.anova(),
    "anova, type I": lambda fit: fit.anova(type=1),
    "emmeans": lambda fit: fit.emmeans("~ 1"),
    "emmeans, Kenward-Roger": lambda fit: fit.emmeans("~ 1", ddf="KR"),
    "joint_tests": lambda fit: fit.joint_tests(),
    "vcov_full": lambda fit: fit.vcov_full(),
    "varcorr_table": lambda fit: fit.varcorr_table(),
    "confint, Wald": lambda fit: fit.confint(method="wald", parameters="beta_"),
    "ranef": lambda fit: fit.ranef_cov(),
    "predict": lambda fit: fit.predict_interval(kind="prediction"),
    "simulate": lambda fit: fit.simulate(2, seed=1),
    "simulate, conditional": lambda fit: fit.simulate(2, seed=1, modes="kept"),
    "leverage": lambda fit: fit.leverage(),
    "cooks_distance": lambda fit: fit.cooks_distance(),
    "std_residuals": lambda fit: fit.std_residuals(),
    "std_residuals, studentized": lambda fit: fit.std_residuals("studentized"),
    "std_residuals, quantile": lambda fit: fit.std_residuals("quantile", nsim=20, seed=1),
    "repca": lambda fit: str(fit.repca()),
    "singularity": lambda fit: str(fit.singularity()),
    "icc": lambda fit: fit.icc(),
    "r2": lambda fit: fit.r2(),
    "vif": lambda fit: fit.vif(),
    "tidy": lambda fit: fit.tidy(),
    "tidy, ran_vals": lambda fit: fit.tidy("ran_vals"),
    "glance": lambda fit: fit.glance(),
    "augment": lambda fit: fit.augment(),
    "summary": lambda fit: str(fit.summary()),
    "summary, Markdown": lambda fit: fit.summary().to_markdown(),
    "summary, LaTeX": lambda fit: fit.summary().to_latex(),
}
COSTLY: dict[str, Method] = {
    "check": lambda fit: str(fit.check(nsim=10)),
    "vcov_robust": lambda fit: fit.vcov_robust(),
    "vcov_robust, CR1": lambda fit: fit.vcov_robust(kind="CR1"),
    "drop1": lambda fit: fit.drop1(),
    "drop1, F": lambda fit: fit.drop1("F"),
    "ranova": lambda fit: fit.ranova(),
    "anova of two": lambda fit: anova(fit, fit_case("slopes")),
    "profile": lambda fit: str(fit.profile()),
    "confint": lambda fit: fit.confint(),
    "bootstrap": lambda fit: fit.bootstrap(5, seed=1).replicates,
    "predict, full": lambda fit: fit.predict_interval(kind="prediction", uncertainty="full"),
    "dfbetas": lambda fit: fit.dfbetas(),
    "dfbetas, exact": lambda fit: fit.dfbetas(exact=True),
    "influence": lambda fit: fit.influence(fit.model.design.groups[0].name).cooks_distance,
    "influence, one step": lambda fit: fit.influence(method="one-step").cooks_distance,
    "all_fit": lambda fit: fit.all_fit()["objective"],
}

# Tables with rows or columns that do not apply to all.
WITH_GAPS = {"tidy", "drop1", "drop1, F", "ranova", "anova of two", "varcorr_table"}
# What is not there to be had, by kind and method: a dropped column, the error of a variance at its
# bound, shares of no variance, a change of no coefficients.
GAPS = {
    ("rank-deficient", "anova"),
    ("rank-deficient", "anova, type I"),
    ("rank-deficient", "confint, Wald"),
    ("rank-deficient", "confint"),
    ("rank-deficient", "vif"),
    ("singular", "vcov_full"),
    ("singular", "repca"),
    ("no fixed part", "augment"),
}
# A word of each refusal.
REFUSED = {
    **{(kind, "vif"): "no term" for kind in ("one term", "singular", "crossed", "nested")},
    **{
        (kind, "anova of two"): "different rows"
        for kind in ("one term", "singular", "crossed", "nested", "missing rows")
    },
    **{
        (kind, method): words
        for kind, words in (("crossed", "not nested"), ("no fixed part", "no fixed effects"))
        for method in ("vcov_robust", "vcov_robust, CR1")
    },
    ("no fixed part", "vif"): "no term",
    **{
        ("no fixed part", name): "no fixed effects"
        for name in ("emmeans", "emmeans, Kenward-Roger", "joint_tests")
    },
    ("no fixed part", "cooks_distance"): "no fixed effects",
    ("no fixed part", "influence"): "no fixed effects",
    ("no fixed part", "influence, one step"): "no fixed effects",
}
# On 73,421 rows and 4,100 random effects, what takes seconds at most.
LARGE = [name for name in CHEAP if name != "vif"]


def numbers(found: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """All numbers of a table, series, array or dict of these."""
    if isinstance(found, (dict, tuple)):
        parts = [numbers(part) for part in (found.values() if isinstance(found, dict) else found)]
        return np.concatenate(parts) if parts else np.empty(0)
    if isinstance(found, pd.DataFrame):
        found = found.select_dtypes("number")
    return np.asarray(found, dtype=np.float64).ravel()


def run(method: Method, fit: LinearMixedFit) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return method(fit)


def check(fit: LinearMixedFit, kind: str, method: str) -> None:
    call, objective = {**CHEAP, **COSTLY}[method], fit.objective
    if (kind, method) in REFUSED:
        with pytest.raises(MixedModelsError, match=REFUSED[kind, method]):
            run(call, fit)
        return
    found = run(call, fit)
    assert fit.objective == objective
    complete = method not in WITH_GAPS and (kind, method) not in GAPS
    if isinstance(found, str):
        assert found
        assert not complete or "nan" not in found.lower()
        return
    values = numbers(found)
    assert values.size == 0 or not np.isnan(values).all()
    assert not complete or not np.isnan(values).any()


@pytest.mark.parametrize("method", [*CHEAP, *COSTLY])
@pytest.mark.parametrize("kind", list(CASES))
def test_small(kind: str, method: str) -> None:
    check(fit_case(kind), kind, method)


@pytest.fixture(scope="module")
def insteval() -> LinearMixedFit:
    return lmer("y ~ service + (1 | s) + (1 | d)", load_dataset("insteval"))


@pytest.mark.parametrize("method", LARGE)
def test_large(insteval: LinearMixedFit, method: str) -> None:
    check(insteval, "large", method)


def test_saved(tmp_path: Path, insteval: LinearMixedFit) -> None:
    for number, fit in enumerate([*map(fit_case, CASES), insteval]):
        path = tmp_path / f"{number}.mm"
        fit.save(path)
        again = load(path)
        assert again.objective == fit.objective
        np.testing.assert_array_equal(again.predict(), fit.predict())
