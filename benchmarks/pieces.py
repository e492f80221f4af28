"""The packages that take a model in pieces: a fixed part, grouping columns, matrices.

Where a package reads no formula at all, its matrices are made before the clock starts.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.answer import Answer, Call, CannotFitError, Package, sampled
from benchmarks.cases import Case

_PRODUCT = re.compile(r"\w+(?::\w+)+")


def mean(values: Any) -> float:
    """Mean of what is finite."""
    found = np.asarray(values, dtype=float)
    return float(found[np.isfinite(found)].mean()) if np.isfinite(found).any() else float("nan")


def flat(case: Case, data: pd.DataFrame) -> tuple[Case, pd.DataFrame]:
    """The model with a column for every product of numbers, for packages that know none."""
    numbers = set(data.select_dtypes("number").columns)
    products = {
        product: data[product.split(":")].prod(axis=1)
        for product in set(_PRODUCT.findall(case.spelled))
        if numbers.issuperset(product.split(":"))
    }
    formula = _PRODUCT.sub(
        lambda found: found[0].replace(":", "_") if found[0] in products else found[0],
        case.spelled if products else case.formula,
    )
    columns = {product.replace(":", "_"): column for product, column in products.items()}
    return dataclasses.replace(case, formula=formula), data.assign(**columns)


def only_factor(case: Case) -> tuple[str, str]:
    """The random-effects formula and the grouping column of a model with one grouping factor."""
    if len(case.random) > 1:
        raise CannotFitError("one grouping factor only")
    lhs, group = case.random[0]
    return f"~ {lhs}", group


def grouped(case: Case, data: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The data with one column per grouping factor, interactions included, and their names."""
    names = []
    for _, group in case.random:
        parts = group.split(":")
        names.append("_".join(parts))
        if len(parts) > 1:
            levels = [data[part].astype(str) for part in parts]
            combined = levels[0].str.cat(levels[1:], sep=":").astype("category")
            data = data.assign(**{names[-1]: combined})
    return data, names


def statsmodels_fit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """MixedLM of statsmodels."""
    return _one_factor(import_module("statsmodels.formula.api").mixedlm, case, data)


def mixedlm_rs_fit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The mixedlm-rs package, which takes what statsmodels does."""
    return _one_factor(import_module("mixedlm_rs").mixedlm, case, data)


def _one_factor(mixedlm: Callable[..., Any], case: Case, data: pd.DataFrame) -> Call:
    random, group = only_factor(case)
    fixed = f"{case.response} ~ {case.fixed}"

    def call() -> Answer:
        model = mixedlm(fixed, data, groups=group, re_formula=random)
        return Answer(-2.0 * model.fit(reml=False).llf)

    return call


def interlace_arguments(case: Case, data: pd.DataFrame) -> dict[str, Any]:
    """What `interlace.fit` is given; it takes no intercept that is not written."""
    case, data = flat(case, data)
    table, names = grouped(case, data)
    written = [lhs if lhs.startswith("1") else f"1 + {lhs}" for lhs, _ in case.random]
    random = [f"({lhs} | {name})" for lhs, name in zip(written, names, strict=True)]
    fixed = f"{case.response} ~ {case.fixed}"
    return {"formula": fixed, "data": table, "random": random, "method": "ML"}


def interlace_fit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The interlace-lme package."""
    interlace = import_module("interlace")

    arguments = interlace_arguments(case, data)
    return lambda: Answer(-2.0 * interlace.fit(**arguments).llf)


def interlace_refit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The bootstrap of interlace-lme; sigma follows the fixed effects in what it returns."""
    interlace = import_module("interlace")

    fit = interlace.fit(**interlace_arguments(case, data))
    sigma = len(fit.fe_params)

    def call() -> Answer:
        found = interlace.bootMer(fit, B=case.sample, seed=1)
        return sampled(case, mean(found.estimates[:, sigma]))

    return call


def gpboost_call(case: Case, data: pd.DataFrame, threads: int, method: str) -> Call:
    """GPBoost from matrices; its random slopes are uncorrelated with the intercepts."""
    gpboost = import_module("gpboost")
    formulaic = import_module("formulaic")

    if any(lhs != "1" for lhs, _ in case.random):
        raise CannotFitError("no correlated slopes")
    table, names = grouped(case, data)
    groups = np.column_stack([table[name].cat.codes.to_numpy() for name in names])
    X = np.asarray(formulaic.model_matrix(case.fixed, table), dtype=float)
    y = table[case.response].to_numpy(dtype=float)

    def call() -> Answer:
        model = gpboost.GPModel(
            group_data=groups,
            likelihood="gaussian",
            matrix_inversion_method=method,
            num_parallel_threads=threads,
        )
        model.fit(y=y, X=X)
        objective = 2.0 * model.get_current_neg_log_likelihood()
        if method == "cholesky":
            return Answer(objective)
        error, *variances = np.asarray(model.get_cov_pars(), dtype=float).ravel()
        keys = [group for _, group in case.random]
        ratios = {key: float(np.sqrt(v / error)) for key, v in zip(keys, variances, strict=True)}
        return Answer(objective, ratios, note=f"its own value {objective:.2f}")

    return call


def gpboost_exact(case: Case, data: pd.DataFrame, threads: int) -> Call:
    """GPBoost with Cholesky factors."""
    return gpboost_call(case, data, threads, "cholesky")


def gpboost_iterative(case: Case, data: pd.DataFrame, threads: int) -> Call:
    """GPBoost's default: conjugate gradients and a stochastic log-determinant."""
    if len(case.random) == 1:
        raise CannotFitError("exact for one factor")
    return gpboost_call(case, data, threads, "iterative")


PACKAGES = (
    Package("gpboost-exact", "gpboost", "gpboost", {"fit": gpboost_exact}),
    Package("gpboost-iterative", "gpboost", "gpboost", {"fit": gpboost_iterative}),
    Package(
        "interlace", "interlace", "interlace-lme", {"fit": interlace_fit, "refit": interlace_refit}
    ),
    Package("mixedlm-rs", "mixedlm_rs", "mixedlm-rs", {"fit": mixedlm_rs_fit}),
    Package("statsmodels", "statsmodels", "statsmodels", {"fit": statsmodels_fit}),
)
