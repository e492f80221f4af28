"""Signs that data of a generalized model were given as something else than they are."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray, IntArray
from mixedmodels.design import Design
from mixedmodels.design.missing import OffsetSpec
from mixedmodels.design.stray import levels_of_single_rows
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.messages import singular_terms

# Variances of responses relative to their squared means below which they are fitted exactly.
_EXACT = 1e-12
# The same where the search has not converged: without a bound it ends somewhere on the way.
_NEARLY_EXACT = 1e-9
# Part of an indicator's squared length that the fixed part may leave of it by rounding.
_ROUNDING = 1e-8


def misread(fitted: GeneralizedFitted) -> list[str]:
    """Sentences with a remedy each."""
    return [*_exposure(fitted), *_repeated(fitted), *_exact(fitted)]


def _exposure(fitted: GeneralizedFitted) -> list[str]:
    """An offset of exposures in the place of their logarithms.

    They give themselves away where they fit counts worse than no offset does, their logarithms
    better: with Poisson counts of one rate, whatever else the model has.
    """
    design, family = fitted.model.design, fitted.model.family
    offset, y = design.offset, design.y
    if not family.counts or family.link.name != "log" or offset is None or not (offset > 0.0).all():
        return []
    raw, logarithm = (_rate_likelihood(y, values) for values in (offset, np.log(offset)))
    none = _rate_likelihood(y, np.zeros_like(offset))
    if not raw < none < logarithm:
        return []
    name, remedy = _as_written(design.offset_spec)
    says = (
        f"The offset{name}, from {offset.min():.4g} to {offset.max():.4g}, fits the counts worse "
        "than no offset does, and its logarithm better. An exposure enters by its logarithm: "
        f"{remedy}."
    )
    return [says]


def _as_written(spec: OffsetSpec) -> tuple[str, str]:
    """What the offset is, after a space, and how its logarithm is written."""
    argument = spec.argument
    if argument is not None and argument.text is not None and not spec.recipes:
        return f" {argument.text}", f"offset='log({argument.text})'"
    if argument is None and len(spec.recipes) == 1:
        code = spec.recipes[0].factor.code.partition("(")[2].rpartition(")")[0].strip()
        return f" {code}", f"offset(log({code})) in the formula"
    return "", "offset(log(exposure)) in the formula"


def _rate_likelihood(y: FloatArray, offset: FloatArray) -> float:
    """Log-likelihood of Poisson counts of one rate at its estimate, up to what is the same."""
    largest = float(offset.max())
    total = np.log(np.exp(offset - largest).sum()) + largest
    return float(y @ offset - y.sum() * total)


def _repeated(fitted: GeneralizedFitted) -> list[str]:
    """Random intercepts of a factor whose levels the fixed part has as well."""
    design, solution = fitted.model.design, fitted.solution
    tol = fitted.optsum.control.singular_tol
    singular = singular_terms(fitted.model.templates, solution.relative_theta, tol)
    found = []
    for t in singular:
        term = design.terms[t]
        group = design.groups[term.group]
        if term.columns != ("(Intercept)",) or group.n_levels > len(solution.kept):
            continue
        if _in_fixed_part(design, group.codes, group.n_levels):
            found.append(
                f"{term.source.name}: the fixed part already explains all differences between the "
                f"levels of '{group.name}'. Leave the term out, or take the fixed effects that "
                "repeat it out of the fixed part."
            )
    return found


def _in_fixed_part(design: Design, codes: IntArray, n_levels: int) -> bool:
    """Whether columns of X make the indicators of all levels."""
    q, r = np.linalg.qr(design.X)
    size = np.abs(np.diag(r))
    q = q[:, size > _ROUNDING * size.max(initial=0.0)]
    sums = np.zeros((n_levels, q.shape[1]))
    np.add.at(sums, codes, q)
    counts = np.bincount(codes, minlength=n_levels)
    return bool(((sums**2).sum(axis=1) > (1.0 - _ROUNDING) * counts).all())


def _exact(fitted: GeneralizedFitted) -> list[str]:
    """Responses that the means fit without a rest, so that the likelihood has no bound."""
    design, family = fitted.model.design, fitted.model.family
    if not family.parameter or family.counts:
        return []
    eta, of = fitted.solution.eta, fitted.distribution
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        variance, mean = of.variance(eta, np.ones_like(eta)), of.mean(eta)
        least = _EXACT if fitted.optsum.converged else _NEARLY_EXACT
        some_rest = ~(variance <= least * mean**2)  # also where a predictor has no mean
    if some_rest.any():
        return []
    remedy = levels_of_single_rows(design.fixed_spec.factors, design.n) or (
        "Look for a covariate that was computed from the response."
    )
    says = (
        f"The means fit all responses exactly: the {family.title} family's {family.parameter} has "
        f"gone to its bound, and likelihood and standard errors mean nothing. {remedy}"
    )
    return [says]
