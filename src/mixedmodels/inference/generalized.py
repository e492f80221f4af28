"""What is known about the variance parameters of a generalized model, from its exact Hessian.

There is no residual standard deviation: the place of log sigma in `Information` holds zeros.
"""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.inference import (  # noqa: F401 (profiles know its curves)
    generalized_curve,
    generalized_unbounded,
)
from mixedmodels.inference.information import (
    Information,
    inverse_of,
    on_bound,
    variance_information,
)


@variance_information.register
def _(fitted: GeneralizedFitted) -> Information:
    model, solution = fitted.model, fitted.solution
    m, p = len(solution.theta), solution.p
    held = on_bound(model.templates, solution.axes_theta)
    hessian = solution.covariance_of.hessian
    free = np.append(~held, np.ones(len(hessian) - m, dtype=np.bool_))
    inverse, flat, problem = inverse_of(hessian, free, True)
    vcov = np.zeros((m + 1, m + 1))
    vcov[:m, :m] = np.nan if problem else 2.0 * inverse[:m, :m]
    return Information(
        held,
        flat[:m],
        vcov,
        fixed=np.zeros((m, p, p)),
        phi=np.zeros((p, p)),
        R=model.products.R,
        sigma=1.0,
        axes=model.axes,
        problem=problem,
    )


def full_covariance(fitted: GeneralizedFitted) -> FloatArray:
    """(p + m + k,) squared: of the coefficients, theta and the family's own parameter.

    NaN for entries of theta on their bound; all else is conditional on these.
    """
    solution = fitted.solution
    m, p, k = len(solution.theta), solution.p, len(solution.psi)
    held = on_bound(fitted.model.templates, solution.axes_theta)
    # A parameter that is one number is estimated on the scale of its logarithm.
    own = np.ones(k)
    own[list(fitted.scale_places)] = fitted.scale_values
    scale = np.concatenate([np.where(held, np.nan, 1.0), np.ones(p), own])
    covariance = solution.covariance_of.user * np.outer(scale, scale)
    order = [*range(m, m + p), *range(m), *range(m + p, m + p + k)]
    found: FloatArray = covariance[np.ix_(order, order)]
    return found
