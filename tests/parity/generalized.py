"""The generalized reference cases, the library's answer to each, and how far the two are apart.

Shared by the tests beside it and by tools/parity_table.py.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from parity.measures import FOLDER, Case

from mixedmodels import (
    GeneralizedLinearMixedFit,
    GeneralizedLinearMixedModel,
    SingularFitWarning,
    load_dataset,
)

CASES: dict[str, Case] = {
    case["id"]: case for case in json.loads((FOLDER / "glmm.json").read_text(encoding="utf-8"))
}
# Optimum and standard errors of a dense oracle of the same approximation.
EXACT: dict[str, Case] = {
    case["id"]: case
    for case in json.loads((FOLDER / "glmm_exact.json").read_text(encoding="utf-8"))
}
FAMILIES = {
    'binomial("logit")': ("binomial", "logit"),
    'binomial("probit")': ("binomial", "probit"),
    'binomial("cloglog")': ("binomial", "cloglog"),
    'poisson("log")': ("poisson", "log"),
    'Gamma("log")': ("gamma", "log"),
    'inverse.gaussian("log")': ("inverse_gaussian", "log"),
}
LAPLACE = [id_ for id_, case in CASES.items() if case["nAGQ"] == 1]
# lme4's criterion is Laplace's with the observed information for canonical links only.
CANONICAL = [
    id_
    for id_ in LAPLACE
    if FAMILIES.get(CASES[id_]["family"]) in (("binomial", "logit"), ("poisson", "log"))
]


# Its criterion with expected weights is that of other links without a dispersion.
EXPECTED = [
    id_
    for id_ in LAPLACE
    if FAMILIES.get(CASES[id_]["family"]) in (("binomial", "probit"), ("binomial", "cloglog"))
]


def model_of(case: Case, **options: Any) -> GeneralizedLinearMixedModel:
    """The model of a case, not fitted."""
    family, link = FAMILIES.get(case["family"], ("negative_binomial", "log"))
    return GeneralizedLinearMixedModel(
        case["formula"],
        load_dataset(case["data"]),
        family,
        link=link,
        weights=case["weights"],
        offset=case["offset"],
        contrasts=_contrasts(case),
        **options,
    )


def _contrasts(case: Case) -> dict[str, str]:
    factors = load_dataset(case["data"]).select_dtypes("category")
    return {name: "poly" for name in factors if factors[name].cat.ordered}


@lru_cache(maxsize=2)
def fit_of(case_id: str) -> GeneralizedLinearMixedFit:
    """The fit of a case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return model_of(CASES[case_id]).fit()


def beta_of(
    case: Case, values: dict[str, float], model: GeneralizedLinearMixedModel
) -> list[float]:
    """Coefficients in the order of the model's columns."""
    assert list(values) == list(model.design.x_names), case["id"]
    return list(values.values())


@dataclass(frozen=True)
class Distance:
    """How far a fit is from the reference; `theta` and `beta` in standard errors.

    Attributes:
        excess: Criterion above the reference's.
        theta: Largest difference of theta, in units of the largest entry.
        beta: Largest difference of a coefficient, in standard errors.
        se: Largest relative difference of a standard error from that of the exact Hessian.
        evaluations: Evaluations of the criterion.
    """

    excess: float
    theta: float
    beta: float
    se: float
    evaluations: int


def distance(case: Case, fit: GeneralizedLinearMixedFit) -> Distance:
    """Of a fit from the best that is known of its case."""
    exact: Any = EXACT.get(case["id"])
    best = case["neg2loglik"] if case["id"] in CANONICAL else np.inf
    if exact is None:
        exact = {"objective": best, "theta": case["theta"], "beta": list(case["beta"].values())}
    se = fit.stderror.to_numpy()
    theta = np.array(exact["theta"])
    errors = np.array(exact.get("se_beta", se))
    return Distance(
        excess=fit.objective - min(best, exact["objective"]),
        theta=float(np.abs(fit.theta - theta).max() / np.abs(theta).max()),
        beta=float(np.abs((fit.beta - np.array(exact["beta"])) / se).max()),
        se=float(np.abs(se / errors - 1.0).max()),
        evaluations=fit.optsum.n_objective,
    )
