"""One function per Python package: fit a case by maximum likelihood, return the deviance reached.

Each package is called as its documentation shows, with its own defaults for everything else.
Imports stand inside the functions because a worker's environment may have one package only.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from benchmarks.cases import Case

Fit = Callable[[Case, pd.DataFrame, int], float]


def mixedmodels(case: Case, data: pd.DataFrame, threads: int) -> float:
    """This package."""
    import mixedmodels as mm

    return mm.lmer(case.formula, data, reml=False, threads=threads).deviance


def statsmodels(case: Case, data: pd.DataFrame, _threads: int) -> float:
    """Its MixedLM, for one grouping factor."""
    from statsmodels.formula.api import mixedlm

    if case.one_factor is None:
        raise NotImplementedError("one grouping factor only")
    fixed, group, random = case.one_factor
    fit = mixedlm(fixed, data, groups=group, re_formula=random).fit(reml=False)
    return float(-2.0 * fit.llf)


def glmm(case: Case, data: pd.DataFrame, _threads: int) -> float:
    """The glmm package."""
    import glmm as package

    return float(-2.0 * package.fit(data, case.formula, reml=False).loglik)


def mixedlm(case: Case, data: pd.DataFrame, _threads: int) -> float:
    """The mixedlm package."""
    import mixedlm as package

    return float(package.lmer(case.formula, data, REML=False).deviance)


PEERS: dict[str, Fit] = {
    "mixedmodels": mixedmodels,
    "glmm": glmm,
    "mixedlm": mixedlm,
    "statsmodels": statsmodels,
}
