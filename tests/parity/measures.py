"""The reference cases of lme4, the library's answer to each, and how far the two are apart.

Shared by the tests beside it and by tools/parity_table.py. Differences are scaled here, limits are
set by the tests.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels import LinearMixedModel, SingularFitWarning, load_dataset
from mixedmodels.linear import LinearMixedFit

Case: TypeAlias = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "reference"
CASES: dict[str, Case] = {
    case["id"]: case for case in json.loads((FOLDER / "lmm.json").read_text(encoding="utf-8"))
}
STRUCTURE: dict[str, Any] = json.loads((FOLDER / "structure.json").read_text(encoding="utf-8"))

# A correlation, or anything beside a variance of zero, is compared in units of 1.
_TINY = 1e-300


def contrasts_of(case: Case, data: pd.DataFrame) -> dict[str, str]:
    """R's coding: polynomials for ordered factors, unless the case has its own."""
    if case["contrasts"].startswith("list("):
        pairs = [pair.split(" = ") for pair in case["contrasts"][5:-1].split(", ")]
        return {name: coding.strip('"').removeprefix("contr.") for name, coding in pairs}
    factors = data.select_dtypes("category")
    return {name: "poly" for name in factors if factors[name].cat.ordered}


def model_of(case: Case) -> LinearMixedModel:
    """The model of a case, not fitted."""
    data = load_dataset(case["data"])
    return LinearMixedModel(
        case["formula"],
        data,
        case.get("reml", True),
        weights=case["weights"],
        offset=case["offset"],
        contrasts=contrasts_of(case, data),
    )


@lru_cache(maxsize=2)
def fit_of(case_id: str) -> LinearMixedFit:
    """The fit of a case; the tests of one case follow each other, so few are kept."""
    case = CASES[case_id]
    with warnings.catch_warnings():
        if case["singular"]:
            warnings.simplefilter("ignore", SingularFitWarning)
        fit: LinearMixedFit = model_of(case).fit()
    return fit


def relative(found: npt.ArrayLike, expected: npt.ArrayLike) -> float:
    """Largest elementwise relative difference; 0 for empty arrays."""
    a, b = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), _TINY), initial=0.0))


def scaled(found: npt.ArrayLike, expected: npt.ArrayLike, scale: npt.ArrayLike) -> float:
    """Largest difference in units of `scale`; what is NaN must be NaN in both."""
    a, b = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert a.shape == b.shape, (a.shape, b.shape)
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    units = np.maximum(scale, _TINY)
    return float(np.nanmax(np.abs(a - b) / units, initial=0.0)) if a.size else 0.0


@dataclass(frozen=True)
class FixedTheta:
    """Largest relative differences over all given theta, ML and REML."""

    criterion: float
    pwrss: float
    logdet_L2: float
    logdet_RX2: float
    sigma: float
    beta: float


def at_fixed_theta(case: Case, model: LinearMixedModel) -> FixedTheta:
    """Compare the criterion and its parts at the points of `devfun`.

    The log-determinants are sums of logarithms that may cancel, so they are compared in units of
    1 where they are smaller; coefficients likewise in units of their standard errors.
    """
    rows = []
    for kind, point in _points(case):
        reml = kind == "reml"
        pls = model.pls(point["theta"])
        n, p = model.nobs, len(pls.beta)
        sigma = float(np.sqrt(pls.pwrss / (n - p if reml else n)))
        inverse = np.linalg.inv(pls.RX) if p else pls.RX
        se = sigma * np.sqrt(np.sum(inverse**2, axis=1))
        beta = np.atleast_1d(np.asarray(point["beta"], dtype=np.float64))
        rows.append(
            (
                relative(model._by(reml=reml).objective(point["theta"]), point["deviance"]),
                relative(pls.pwrss, point["pwrss"]),
                scaled(pls.logdet_L2, point["ldL2"], max(1.0, abs(point["ldL2"]))),
                scaled(pls.logdet_RX2, point["ldRX2"], max(1.0, abs(point["ldRX2"]))),
                relative(sigma, point["sigma"]),
                scaled(pls.beta, beta, np.maximum(np.abs(beta), se)),
            )
        )
    return FixedTheta(*np.max(np.array(rows), axis=0).tolist())


def _points(case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("ml", "reml"):
        for point in case["devfun"][kind]:
            yield kind, point


@dataclass(frozen=True)
class Optimum:
    """Differences at the optimum; `excess` is signed, all others are largest absolute ones.

    Attributes:
        excess: Criterion above lme4's, in its own units.
        theta: In units of the largest theta of its term.
        beta: Relative.
        se: Relative.
        vcov: In units of the products of two standard errors.
        sigma: Relative.
        criteria: logLik, AIC and BIC, relative.
        sd: Standard deviations of the random effects, relative.
        corr: Correlations.
        ranef: Conditional modes, in units of the largest of their column (or of sigma).
        sumsq: Their sums of squares by column, likewise.
        cond_sd: Conditional standard deviations, relative.
        cond_var: Conditional covariance of the first level, in units of its standard deviations.
        rows: Fitted values and residuals, in units of sigma.
    """

    excess: float
    theta: float
    beta: float
    se: float
    vcov: float
    sigma: float
    criteria: float
    sd: float
    corr: float
    ranef: float
    sumsq: float
    cond_sd: float
    cond_var: float
    rows: float


def at_optimum(case: Case, fit: LinearMixedFit) -> Optimum:
    """Compare a fit with the reference."""
    beta, se = (np.array(list(case[key].values())) for key in ("beta", "se_beta"))
    tables, condvar = fit.ranef(), fit.ranef_cov()
    groups = [(expected, tables[expected["group"]]) for expected in case["ranef"]]
    terms = list(zip(fit.varcorr.terms, case["VarCorr"], strict=True))
    firsts = list(_first_covariances(case["ranef"], condvar))
    return Optimum(
        excess=fit.objective - case["criterion"],
        theta=_theta(case, fit),
        beta=relative(fit.fixef.dropna(), beta),
        se=relative(fit.stderror, se),
        vcov=_vcov(case, fit, se),
        sigma=relative(fit.sigma, case["sigma"]),
        criteria=relative(
            [fit.loglik, fit.aic, fit.bic], [case["logLik"], case["AIC"], case["BIC"]]
        ),
        sd=max(_sd(term.sd, expected["sd"]) for term, expected in terms),
        corr=max(
            scaled(term.corr, np.array(expected["corr"], dtype=np.float64), 1.0)
            for term, expected in terms
        ),
        ranef=max(_ranef(table, expected, fit.sigma) for expected, table in groups),
        sumsq=max(_sumsq(table, expected, fit.sigma) for expected, table in groups),
        cond_sd=max(
            _sd(
                np.sqrt(np.diagonal(condvar[expected["group"]], axis1=1, axis2=2))[:5],
                expected["cond_sd"],
            )
            for expected, _ in groups
        ),
        cond_var=max(
            scaled(found, block, np.sqrt(np.outer(np.diag(block), np.diag(block))) + 1e-12)
            for found, block in firsts
        ),
        rows=max(
            scaled(fit.fitted[:10], case["fitted_first10"], fit.sigma),
            scaled(fit.residuals[:10], case["residual_first10"], fit.sigma),
        ),
    )


def _theta(case: Case, fit: LinearMixedFit) -> float:
    expected = np.array(case["theta"])
    of_term = np.array([term for term, _, _ in fit.model._model.templates.entries.tolist()])
    size = np.array([np.abs(expected[of_term == term]).max() for term in of_term])
    return scaled(fit.theta, expected, np.where(size > 0.0, size, 1.0))


def _vcov(case: Case, fit: LinearMixedFit, se: npt.NDArray[np.float64]) -> float:
    """Left out of the reference where there are many columns."""
    expected = np.array(case["vcov_beta"], dtype=np.float64)
    if np.isnan(expected).any() or not expected.size:
        return 0.0
    return scaled(fit.vcov, expected, np.outer(se, se))


def _sd(found: npt.ArrayLike, expected: npt.ArrayLike) -> float:
    """Relative, a standard deviation of zero being zero to 1e-10."""
    return scaled(found, expected, np.abs(expected) + 1e-12)


def _ranef(table: pd.DataFrame, expected: Mapping[str, Any], sigma: float) -> float:
    values = np.array(expected["values"])
    scale = np.maximum(np.abs(values).max(axis=0), 1e-12 * sigma)
    return scaled(table.to_numpy()[: len(values)], values, np.where(scale > 0, scale, sigma))


def _sumsq(table: pd.DataFrame, expected: Mapping[str, Any], sigma: float) -> float:
    values = np.array(expected["sumsq"])
    return scaled((table**2).sum(), values, np.maximum(values, 1e-12 * sigma**2))


def _first_covariances(
    groups: list[dict[str, Any]], condvar: Mapping[str, npt.NDArray[np.float64]]
) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Per term the conditional covariance of the first level: found, expected."""
    for expected in groups:
        blocks = expected["cond_var_first"]
        start = 0
        for block in blocks.values() if isinstance(blocks, dict) else blocks:
            inside = slice(start, start + len(block))
            yield condvar[expected["group"]][0, inside, inside], np.array(block)
            start += len(block)
