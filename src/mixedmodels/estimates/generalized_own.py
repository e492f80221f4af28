"""Coefficients of a generalized fit beside those of its mean, as tables have them (`own`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.components import Component
from mixedmodels.estimates.generalized_solution import GeneralizedSolution
from mixedmodels.estimates.own import OwnCoefficients
from mixedmodels.estimates.unknown import covariance_of_rows


def coefficients_of(
    components: Sequence[Component], solution: GeneralizedSolution, scale_places: Sequence[int]
) -> OwnCoefficients:
    """Those of a generalized solution; `scale_places` are of single numbers in psi."""
    shown = [part for part in components if part.shown]
    first = len(solution.theta) + solution.p

    def values_of(psi: FloatArray) -> FloatArray:
        parts = [part.estimates_of(psi) for part in shown]
        return np.concatenate([np.empty((*psi.shape[:-1], 0)), *parts], axis=-1)

    def vcov() -> FloatArray:
        J = np.zeros((0, len(solution.psi)))
        for part in shown:
            rows = np.zeros((len(part.names), len(solution.psi)))
            rows[:, part.place] = part.estimates(solution.psi)[1]
            J = np.vstack([J, rows])
        return covariance_of_rows(J, solution.covariance_of.user[first:, first:])

    def scale_error() -> float:
        if not scale_places:
            return float("nan")
        at = first + scale_places[0]
        return float(np.sqrt(solution.covariance_of.user[at, at]))

    return OwnCoefficients(
        tuple(name for part in shown for name in part.coefficient_names),
        tuple(part.short for part in shown for _ in part.names),
        tuple(name for part in shown for name in part.names),
        values_of(solution.psi),
        values_of,
        vcov,
        scale_error,
    )
