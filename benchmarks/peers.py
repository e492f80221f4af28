"""The packages that read formulas, this one first: how each is called, and the list of all.

Each is called as its documentation shows, with its own defaults for everything else. What is
readied before the clock starts is the table in the package's own kind, and for a core the model
matrices. Packages are imported in the functions because an environment may have only one of them.
"""

from __future__ import annotations

from importlib import import_module

import pandas as pd

from benchmarks import pieces
from benchmarks.answer import Answer, Call, Package, sampled
from benchmarks.cases import Case


def mixedmodels_fit(case: Case, data: pd.DataFrame, threads: int) -> Call:
    """This package: `lmer`."""
    mm = import_module("mixedmodels")

    return lambda: Answer(mm.lmer(case.formula, data, reml=False, threads=threads).deviance)


def mixedmodels_core(case: Case, data: pd.DataFrame, threads: int) -> Call:
    """This package: `Design` to fit."""
    spec = import_module("mixedmodels.formula").parse_formula(case.formula)
    design = import_module("mixedmodels.design").build_design(spec, data)
    from_design = import_module("mixedmodels.linear").from_design
    return lambda: Answer(from_design(design, threads, reml=False).fit().deviance)


def mixedmodels_refit(case: Case, data: pd.DataFrame, threads: int) -> Call:
    """This package: `bootstrap` of a fit."""
    mm = import_module("mixedmodels")

    fit = mm.lmer(case.formula, data, reml=False, threads=threads)

    def call() -> Answer:
        found = fit.bootstrap(case.replicates, seed=1)
        return Answer(pieces.mean(found.replicates["sigma"]))

    return call


def glmm_fit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The glmm package; it takes Satterthwaite's degrees of freedom with every fit."""
    glmm = import_module("glmm")
    case, data = pieces.flat(case, data)

    return lambda: Answer(-2.0 * glmm.fit(data, case.formula, reml=False).loglik)


def mixedlm_fit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The mixedlm package."""
    mixedlm = import_module("mixedlm")

    return lambda: Answer(mixedlm.lmer(case.formula, data, REML=False).deviance)


def mixedlm_core(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The mixedlm package, from its parsed formula on."""
    mixedlm = import_module("mixedlm")

    parsed = mixedlm.lFormula(case.formula, data, REML=False)

    def call() -> Answer:
        deviance = mixedlm.mkLmerDevfun(parsed)
        return Answer(mixedlm.mkLmerMod(deviance, mixedlm.optimizeLmer(deviance)).deviance)

    return call


def mixedlm_refit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The mixedlm package in one process: several take seconds to start."""
    mixedlm = import_module("mixedlm")

    fit = mixedlm.lmer(case.formula, data, REML=False)

    def call() -> Answer:
        found = mixedlm.bootMer(fit, nsim=case.sample, seed=1)
        return sampled(case, pieces.mean(found.sigma_samples))

    return call


def lme_python_fit(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The lme-python package, from the kind of table it is built on."""
    lme_python = import_module("lme_python")
    case, data = pieces.flat(case, data)
    table = import_module("polars").from_pandas(data)
    return lambda: Answer(lme_python.lmer(case.formula, table, reml=False).deviance)


def lme_python_core(case: Case, data: pd.DataFrame, _threads: int) -> Call:
    """The lme-python package, from its prepared model on."""
    lme_python = import_module("lme_python")
    case, data = pieces.flat(case, data)
    prepared = lme_python.prepare_lmer(case.formula, import_module("polars").from_pandas(data))
    return lambda: Answer(prepared.fit(reml=False).deviance)


def lme_python_refit(case: Case, data: pd.DataFrame, threads: int) -> Call:
    """The lme-python package's bootstrap."""
    lme_python = import_module("lme_python")
    case, data = pieces.flat(case, data)
    table = import_module("polars").from_pandas(data)
    fit = lme_python.lmer(case.formula, table, reml=False)

    def call() -> Answer:
        found = lme_python.boot_lmer(
            case.formula, table, fit, nsim=case.replicates, reml=False, seed=1, n_jobs=threads
        )
        return Answer(pieces.mean([replicate.sigma2**0.5 for replicate in found.replicates]))

    return call


OURS = "mixedmodels"

PACKAGES = (
    Package(
        OURS,
        "mixedmodels",
        "mixedmodels",
        {"fit": mixedmodels_fit, "core": mixedmodels_core, "refit": mixedmodels_refit},
    ),
    Package("glmm", "glmm", "glmm", {"fit": glmm_fit}),
    Package(
        "mixedlm",
        "mixedlm",
        "mixedlm",
        {"fit": mixedlm_fit, "core": mixedlm_core, "refit": mixedlm_refit},
    ),
    Package(
        "lme-python",
        "lme_python",
        "lme-python",
        {"fit": lme_python_fit, "core": lme_python_core, "refit": lme_python_refit},
    ),
    *pieces.PACKAGES,
)

BY_NAME = {package.name: package for package in PACKAGES}
