"""The parameters of a model as users read them: standard deviations, correlations, sigma, beta.

Names and values, for one fit or for many at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.design.lookup import group_spellings
from mixedmodels.design.names import Labels
from mixedmodels.estimates.linear import SIGMA
from mixedmodels.estimates.own import own_coefficients

AnyFitted: TypeAlias = Any
"""A fit of whichever kind: the members that `estimates.linear.Fitted` has."""

# Names that start so are those of parameters of the random effects.
_PREFIXES = ("sd(", "cor(", "beta(")
# Further columns of tables that have a column for each parameter.
_COLUMNS = ("parameter", "zeta")


def parameter_names(templates: Templates) -> tuple[str, ...]:
    """(m + 1) names in the order of theta, then `sigma`.

    `sd(group.effect)` stands where theta has a diagonal entry, `cor(group.effect1.effect2)` where
    it has one below it.
    """
    return (*templates.parameter_names("sd({})", "cor({})", column_first=True), SIGMA)


def random_spellings(design: Design, templates: Templates) -> list[set[str]]:
    """(m) what a user may write between the brackets of `sd(...)` and `cor(...)`."""
    groups = [tuple(group_spellings(group)) for group in design.groups]
    effects = [
        [
            {name, *Labels(term.spec.recipes).spellings(column)}
            for name, column in zip(term.columns, term.spec.columns, strict=True)
        ]
        for term in design.terms
    ]
    out = []
    for t, row, column in templates.entries.tolist():
        own = [effects[t][j] for j in dict.fromkeys((column, row))]
        parts = itertools.product(groups[design.terms[t].group], *own)
        out.append({".".join(names) for names in parts})
    return out


def to_sd_cor(templates: Templates, theta: FloatArray, sigma: npt.ArrayLike) -> FloatArray:
    """Standard deviations and correlations (..., m), in the order of theta.

    Args:
        templates: What theta means.
        theta: (..., m).
        sigma: (...) residual standard deviations.

    Returns:
        (..., m); a correlation with an effect of zero variance is NaN.
    """
    sigma = np.asarray(sigma, dtype=np.float64)
    out = np.empty_like(theta, dtype=np.float64)
    for size, part in zip(templates.sizes, templates.theta_slices, strict=True):
        columns, rows = np.triu_indices(size)
        lam = np.zeros((*theta.shape[:-1], size, size))
        lam[..., rows, columns] = theta[..., part]
        length = np.sqrt(np.einsum("...ij,...ij->...i", lam, lam))
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = lam / length[..., None]
        cor = np.clip(np.einsum("...ik,...jk->...ij", unit, unit), -1.0, 1.0)
        values = np.where(rows == columns, length[..., rows], cor[..., rows, columns])
        out[..., part] = np.where(rows == columns, sigma[..., None] * values, values)
    return out


def random_names(fitted: AnyFitted) -> tuple[str, ...]:
    """Standard deviations and correlations, and the parameters of the scale of a fit."""
    return (*parameter_names(fitted.model.templates)[:-1], *fitted.scale_names)


def all_names(fitted: AnyFitted) -> tuple[str, ...]:
    """`random_names`, the coefficients of the columns of X that are kept, then all others."""
    random, own = random_names(fitted), own_coefficients(fitted).names
    coefficients = coefficient_names(fitted.model.design.x_names, (*random, *own))
    return (*random, *(coefficients[j] for j in fitted.solution.kept), *own)


def coefficient_names(x_names: Sequence[str], others: Collection[str]) -> tuple[str, ...]:
    """Names of the coefficients of all columns of X among parameters of other kinds.

    A name that is that of another parameter, or looks like that of one, is written `beta(name)`.
    """
    taken = {*others, *_COLUMNS}
    return tuple(
        f"beta({name})" if name in taken or name.startswith(_PREFIXES) else name for name in x_names
    )


def all_values(fitted: AnyFitted) -> FloatArray:
    """The values that `all_names` names."""
    solution = fitted.solution
    random = to_sd_cor(fitted.model.templates, solution.theta, solution.sigma)
    own = own_coefficients(fitted).values
    return np.concatenate([random, fitted.scale_values, solution.beta[solution.kept], own])
