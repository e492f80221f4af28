"""Why the criterion of a generalized model has no optimum where its search stopped, in words.

Two causes are looked for. Means reach the bound of those that the family has: no slope vanishes at
the mode there. Or the likelihood of a level hardly curves at its mode, which log densities that are
not concave allow: as the curvature goes to zero, Laplace's criterion falls without bound.
"""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.families.base import Family
from mixedmodels.families.links import KEEP_SIGN

# Distance from the bound, relative to the median, below which a predictor has reached it.
_AT_BOUND = 1e-3
# Conditional standard deviation over that of the random effects, which is at most 1 where log
# densities are concave, from which on a mode dissolves.
_DISSOLVED = 3.0


def bound_message(family: Family, eta: FloatArray) -> str | None:
    """That means have reached the bound of the family's; None if none has."""
    distance = _distances(family, eta)
    if distance is None:
        return None
    at = int((distance < _AT_BOUND * np.median(distance)).sum())
    if at == 0:
        return None
    rows = "1 row has" if at == 1 else f"{at} rows have"
    return (
        f"the mean of {rows} reached the bound of those that the {family.title} family has with "
        f"the {family.link.name} link, where the criterion has no optimum. {_other_link(family)}, "
        "or leave out the covariate or the term that moves these rows there"
    )


def start_message(family: Family) -> str | None:
    """Why there is no mode at the start of a search; None where means have no bounds."""
    if _distances(family, np.ones(1)) is None:
        return None
    return (
        "The likelihood cannot be computed where the search starts: the means of some rows reach "
        f"the bound of those that the {family.title} family has with the {family.link.name} link. "
        f"{_other_link(family)}, or give another start=."
    )


def _other_link(family: Family) -> str:
    """Advice to take a link without bounds."""
    other = "logit" if family.of_trials else "log"
    return f'Take another link (link="{other}")'


def _distances(family: Family, eta: FloatArray) -> FloatArray | None:
    """(n,) how far predictors are from the bounds of their link; None where there are none."""
    link = family.link.name
    if family.of_trials:
        if link == "identity":
            return np.minimum(np.abs(eta), np.abs(1.0 - eta))
        return np.abs(eta) if link == "log" else None
    if family.name == "gaussian":
        return None
    return np.abs(eta) if link in (*KEEP_SIGN, "identity") else None


def dissolved_message(
    design: Design,
    templates: Templates,
    covariances: tuple[FloatArray, ...],
    theta: FloatArray,
    quadrature: bool,
) -> str | None:
    """That the mode of a level dissolves, with its name; None if none does.

    Args:
        design: The rows and their groups.
        templates: The covariance of the random effects.
        covariances: (levels, s, s) of the effects of each group given the responses.
        theta: Entries of the templates.
        quadrature: Whether the likelihood can be had by quadrature.
    """
    prior: list[list[FloatArray]] = [[] for _ in design.groups]
    for number, lam in zip(templates.groups, templates.lam(theta), strict=True):
        prior[number].append((lam @ lam.T).diagonal())
    worst, where = 0.0, ""
    for group, given, of in zip(design.groups, covariances, prior, strict=True):
        variances = np.concatenate(of)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = given.diagonal(axis1=1, axis2=2) / variances
        ratios = np.where(variances > 0.0, np.nan_to_num(ratios, posinf=np.inf), 0.0).max(axis=1)
        level = int(np.argmax(ratios))
        if ratios[level] > worst:
            worst = float(ratios[level])
            where = f"'{group.levels[level]}' of '{group.name}'"
    if not worst > _DISSOLVED**2:
        return None
    remedy = (
        "Use quadrature, n_agq=9, and more nodes until the log-likelihood no longer changes"
        if quadrature
        else "Take a link or a family with concave log densities (the log link for counts), or "
        "leave out zero_inflation or a term"
    )
    return (
        "Laplace's approximation breaks down: its criterion falls without bound as the likelihood "
        f"of the level {where} stops to curve, where its conditional standard deviation is "
        f"{np.sqrt(worst):.2g} times that of the random effects. {remedy}"
    )
