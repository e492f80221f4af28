"""What the data of a generalized model cannot tell: sentences with a remedy each."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.diagnostics.misread import misread
from mixedmodels.diagnostics.separation import separation, separation_message, suspicion
from mixedmodels.estimates.components import component_messages
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import scaled_parameters
from mixedmodels.estimates.unknown import SHARE


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
    """Directions in which the likelihood does not curve, but for those of separated responses."""
    if fitted.optsum.status == "unbounded":
        return []
    shares, separated = _flat_shares(fitted), fitted.once(separation)
    names = np.array(fitted.criterion.names)[shares > 0.3 * shares.max(initial=SHARE)]
    if separated is not None:
        names = names[~np.isin(names, separated.names)]
    if not names.size:
        return []
    says = (
        f"The data do not identify {' and '.join(names)}: the likelihood is flat there, so that "
        "standard errors are missing. Leave out a term or a covariate that says the same as "
        "another one, or merge levels at which a parameter has gone to a bound with others."
    )
    return [says]


def _flat_shares(fitted: GeneralizedFitted) -> FloatArray:
    """(m + p + k,) shares of the parameters in flat directions; zero where none is."""
    solution, converged = fitted.solution, fitted.optsum.converged
    hessian = solution.covariance_of.hessian
    if np.isfinite(solution.covariance_of.user).all() or not np.isfinite(hessian).all():
        return np.zeros(len(solution.par))
    return scaled_parameters(fitted.model, solution.par, hessian, converged=converged).shares
