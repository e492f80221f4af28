"""What the data of a generalized model cannot tell: sentences with a remedy each."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.diagnostics.misread import misread
from mixedmodels.diagnostics.separation import separation, separation_message, suspicion
from mixedmodels.estimates.components import component_messages
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import scaled_eigen


def trouble(fitted: GeneralizedFitted) -> tuple[str, ...]:
    """What makes numbers of a fit other than they seem; a fit warns of it."""
    found, suspected = fitted.once(separation), fitted.once(suspicion)
    return (
        *([] if found is None else [separation_message(fitted, found)]),
        *([] if suspected is None else [suspected]),
        *component_messages(fitted.distribution),
    )


def remarks(fitted: GeneralizedFitted) -> tuple[str, ...]:
    """What a reader of a fit should know beside that."""
    return (*_rows_as_levels(fitted), *_flat(fitted), *fitted.once(misread))


def _rows_as_levels(fitted: GeneralizedFitted) -> list[str]:
    """Grouping factors with a level for each row, where rows have a spread of their own."""
    model = fitted.model
    family, n = model.family, model.design.n
    binary = family.of_trials and bool((model.weights == 1.0).all())
    if not binary and not family.parameter:
        return []
    names = [group.name for group in model.design.groups if group.n_levels == n]
    reason = (
        "a single 0 or 1 says nothing of a variance"
        if binary
        else f"its variance and the family's {family.parameter} are two names for one spread"
    )
    return [
        f"The grouping factor '{name}' has one row per level: {reason}. Leave the term out."
        for name in names
    ]


def _flat(fitted: GeneralizedFitted) -> list[str]:
    """Directions in which the likelihood does not curve."""
    if fitted.optsum.status == "unbounded":
        return []
    direction = _flat_direction(fitted)
    if direction is None:
        return []
    names = np.array(fitted.criterion.names)[np.abs(direction) > 0.3 * np.abs(direction).max()]
    says = (
        f"The data do not identify {' and '.join(names)}: the likelihood is flat there, so that "
        "standard errors are missing. Leave out a term or a covariate that says the same as "
        "another one."
    )
    return [says]


def _flat_direction(fitted: GeneralizedFitted) -> FloatArray | None:
    """(m + p + k,) a direction in which the likelihood does not curve; None if there is none.

    Of parameters as users know them, each in units of the root of its own curvature.
    """
    solution, criterion = fitted.solution, fitted.criterion
    if np.isfinite(solution.covariance_of.user).all():
        return None
    size = len(solution.par)
    root = np.linalg.inv(criterion.to_user(np.eye(size)))
    information = root @ solution.covariance_of.hessian @ root.T
    fixed = (solution.par <= criterion.lower_bounds) & (np.arange(size) < criterion.m)
    free = np.flatnonzero(~fixed)
    if not np.isfinite(information).all():
        return None
    found = np.zeros(size)
    found[free] = scaled_eigen(information[np.ix_(free, free)])[2][:, 0]
    return found
