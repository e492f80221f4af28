"""Likelihood ratios of responses that are drawn from the smaller of two models.

They are what the ratio of the data is compared with where no chi-square distribution holds: few
groups, or a variance that is zero in the smaller model (Halekoh and Hojsgaard, 2014, Journal of
Statistical Software 59(9)).
"""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.parameters import AnyFitted
from mixedmodels.prediction.bootstrap import Plan, drawn_responses, replicates_of


def drawn_ratios(
    small: AnyFitted, large: AnyFitted, plan: Plan, rng: np.random.Generator
) -> FloatArray:
    """(nsim,) ratios of responses drawn from a model and fitted by it and a larger one.

    NaN where one of the two was not fitted; ratios below zero, by rounding, are zero.

    Args:
        small: The fit that responses are drawn from.
        large: One whose model it is a special case of, of the same rows and criterion.
        plan: How many, and by how many threads.
        rng: Where random numbers come from.
    """
    fits = replicates_of(small, plan), replicates_of(large, plan)
    found = [
        fits[0](responses).objective - fits[1](responses).objective
        for responses in drawn_responses(small, plan, rng)
    ]
    ratios: FloatArray = np.concatenate(found)
    return np.maximum(ratios, 0.0)
