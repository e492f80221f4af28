"""The parameters of a model as users read them: standard deviations, correlations, sigma, beta.

Names and values, for one fit or for many at once. The table of variances is `varcorr`'s.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mixedmodels.covariance import Templates
from mixedmodels.estimates.stages import Fitted
from mixedmodels.typing import FloatArray

SIGMA = "sigma"


def parameter_names(templates: Templates) -> tuple[str, ...]:
    """(m + 1) names in the order of theta, then `sigma`.

    `sd(group.effect)` stands where theta has a diagonal entry, `cor(group.effect1.effect2)` where
    it has one below it.
    """
    names = []
    for term, row, column in templates.entries.tolist():
        group = templates.group_names[templates.groups[term]]
        effects = templates.columns[term]
        if row == column:
            names.append(f"sd({group}.{effects[row]})")
        else:
            names.append(f"cor({group}.{effects[column]}.{effects[row]})")
    return (*names, SIGMA)


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


def all_names(fitted: Fitted) -> tuple[str, ...]:
    """`parameter_names`, then the coefficients of the columns of X that are kept."""
    x_names = fitted.stages.design.x_names
    kept = (x_names[j] for j in fitted.solution.kept)
    return (*parameter_names(fitted.stages.templates), *kept)


def all_values(fitted: Fitted) -> FloatArray:
    """The values that `all_names` names."""
    solution = fitted.solution
    random = to_sd_cor(fitted.stages.templates, solution.theta, solution.sigma)
    return np.concatenate([random, [solution.sigma], solution.beta[solution.kept]])
