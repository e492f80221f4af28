"""The search of a generalized fit, and a second one where the first may have ended too low.

Where levels have few rows and large variances, Laplace's approximation may have two optima: one
with an effect of no variance, and a lower one with all variances larger. A search that starts at
moments finds the first.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.base import Watch
from mixedmodels.criterion.generalized import LaplaceCriterion
from mixedmodels.errors import MixedModelsError
from mixedmodels.optimize import Request, minimize
from mixedmodels.optimize.summary import OptSummary

# Standard deviation on the scale of the predictor from which on variances are large, and how much
# larger they are where the second search starts.
_LARGE, _LARGER = 1.5, 3.0
# Difference of two values of the criterion that is rounding of the searches.
ROUNDING = 1e-6


def searched(
    criterion: LaplaceCriterion, templates: Templates, request: Request, watch: Watch | None
) -> tuple[FloatArray, OptSummary]:
    """The lowest optimum found, and how; of a user's start the one that is found from there."""
    at, optsum = minimize(criterion, request, watch)
    asked = request.start is not None and not request.warm
    start = None if asked else second_start(criterion, templates, at)
    if start is None:
        return at, optsum
    modes = criterion.modes(at)  # another search may not lead back to these
    try:
        other, second = minimize(criterion, dataclasses.replace(request, start=start), watch)
    except MixedModelsError:  # there is no mode at the start
        criterion.begin_at(modes)
        return at, optsum
    there = criterion.value(other)
    others = criterion.modes(other)
    criterion.begin_at(modes)
    lower = there < criterion.value(at) - ROUNDING
    best, found = (other, second) if second.converged and lower else (at, optsum)
    if best is other:
        criterion.begin_at(others)
    return best, dataclasses.replace(
        found,
        n_objective=optsum.n_objective + second.n_objective,
        n_gradient=optsum.n_gradient + second.n_gradient,
        seconds=optsum.seconds + second.seconds,
    )


def second_start(
    criterion: LaplaceCriterion, templates: Templates, at: FloatArray
) -> FloatArray | None:
    """All parameters, its variances larger, where a large term has lost one of its effects.

    None where the first search is enough.
    """
    if max(templates.sizes) == 1:
        return None
    start = criterion.to_user(at)
    found = False
    for size, part in zip(templates.sizes, templates.theta_slices, strict=True):
        diagonal = templates.diagonal[part]
        largest = float(np.abs(start[part][diagonal]).max())
        if (
            size > 1
            and largest * criterion.predictor_unit > _LARGE
            and (at[part][diagonal] == 0.0).any()
        ):
            start[part] = np.where(diagonal, _LARGER * largest, 0.0)
            found = True
    return start if found else None
