"""Parts of the variance of a generalized model, on the scale of the linear predictor.

The rows have no residual there; what their family adds is its distribution-specific variance
(Nakagawa, Johnson and Schielzeth 2017, J. R. Soc. Interface 14, 20170213). An effect for each row
is overdispersion and counts to that part.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy

from mixedmodels.design import Design
from mixedmodels.design.matrix import ONLY_INTERCEPT, ones
from mixedmodels.design.names import INTERCEPT
from mixedmodels.diagnostics.rows import fixed_part
from mixedmodels.diagnostics.variance import VarianceParts, random_variances
from mixedmodels.errors import ConvergenceWarning, MixedModelsError, ModelError, warn
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.messages import convergence_message
from mixedmodels.families.base import Family
from mixedmodels.families.links import mean_over
from mixedmodels.optimize import Request
from mixedmodels.spelling import chosen_option

RowVariance: TypeAlias = Literal["theoretical", "lognormal", "delta", "trigamma"]
ROW_VARIANCES: tuple[RowVariance, ...] = get_args(RowVariance)

# Of the distribution that a threshold of a latent variable would have.
_LATENT = {
    "logit": np.pi**2 / 3.0,
    "probit": 1.0,
    "cloglog": np.pi**2 / 6.0,
    "loglog": np.pi**2 / 6.0,
}


def usual(family: Family) -> RowVariance:
    """The variance that is taken if none is asked for, as by R's performance."""
    if _has_latent(family):
        return "theoretical"
    if family.link.name == "log":
        return "lognormal"
    return "delta"


def _has_latent(family: Family) -> bool:
    return (family.of_trials or family.ordered) and family.link.name in _LATENT


def generalized_parts(fitted: GeneralizedFitted, kind: RowVariance | None) -> VarianceParts:
    """The parts at the estimates.

    Raises:
        MixedModelsError: An unknown `kind`, or one that the family or the link does not have.
    """
    family, design = fitted.model.family, fitted.model.design
    chosen = usual(family) if kind is None else chosen_option("variance", kind, ROW_VARIANCES)
    _check(family, chosen)
    random = random_variances(fitted)
    by_row = np.array([group.n_levels == design.n for group in design.groups])
    mean = fixed_part(fitted)
    return VarianceParts(
        fixed=float(np.var(mean - mean[0], ddof=1)),
        random=np.where(by_row, 0.0, random),
        residual=_row_variance(fitted, chosen) + float(random[by_row].sum()),
        source=chosen,
        left_out=by_row,
    )


def _check(family: Family, kind: RowVariance) -> None:
    link = family.link.name
    if kind == "theoretical" and not _has_latent(family):
        raise MixedModelsError(
            f"variance='theoretical' is of binomial and ordinal models with a "
            f"{', '.join(_LATENT)} link; this is a {family.title} model with a {link} link. Take "
            f"variance={usual(family)!r}."
        )
    if kind in ("lognormal", "trigamma") and (link != "log" or family.of_trials):
        raise MixedModelsError(
            f"variance={kind!r} is of counts and positive responses with a log link; this is a "
            f"{family.title} model with a {link} link. Take variance={usual(family)!r}."
        )


def _row_variance(fitted: GeneralizedFitted, kind: RowVariance) -> float:
    family = fitted.model.family
    if kind == "theoretical":
        return float(_LATENT[family.link.name])
    null = fitted.once(_null_fit)
    # The mean is that of the model without covariates, the family's own parameter that of the fit.
    of, eta = fitted.distribution, np.full(fitted.solution.n, _population(null))
    # Over the rows, where parameters of the family have predictors.
    with np.errstate(over="ignore", invalid="ignore"):
        relative = float(np.mean(of.variance(eta, np.ones_like(eta)) / of.slope(eta) ** 2))
    if not np.isfinite(relative):
        raise ModelError(
            "The variance of responses at the mean over the random effects is too large for double "
            "precision: the variances of the random effects or an offset are too large."
        )
    if kind == "lognormal":
        return float(np.log1p(relative))
    if kind == "trigamma":
        return float(scipy.special.polygamma(1, 1.0 / relative))
    return relative


def _population(null: GeneralizedFitted) -> float:
    """Predictor of the mean of a model without covariates over its random effects."""
    design, link = null.model.design, null.model.family.link
    sd = np.sqrt(float(random_variances(null).sum()))
    shift = np.zeros(1) if design.offset is None else design.offset
    # By the mean over rows, that of exposures included.
    means = mean_over(link, float(null.solution.beta[0]) + shift, sd)
    if not np.isfinite(means).all():
        raise ModelError(
            f"There is no mean over the random effects: with a standard deviation of {sd:.3g} "
            f"linear predictors go where the link {link.name} has no mean. Take a link that has a "
            "mean for every predictor, such as log."
        )
    return float(link.predictor(np.array([float(means.mean())]))[0])


def _null_fit(fitted: GeneralizedFitted) -> GeneralizedFitted:
    """The model with the intercept alone in the fixed part."""
    design = fitted.model.design
    if design.x_names == (INTERCEPT,):
        return fitted
    model = fitted.model.with_design(_intercept_alone(design))
    found = model.solve(model.criterion(), Request(control=fitted.optsum.control))
    if not found.optsum.converged:
        warn(
            "The model without covariates, by which the variance of rows is taken, is not to be "
            f"relied on. {convergence_message(found.optsum)}",
            ConvergenceWarning,
        )
    return found


def _intercept_alone(design: Design) -> Design:
    plan = ONLY_INTERCEPT
    return dataclasses.replace(design, X=ones(design.n), x_names=plan.names, fixed_spec=plan)
