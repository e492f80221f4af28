"""Coefficients of other parameters of the distribution than its mean, as tables of a fit have them.

Those of a dispersion or of zero inflation with predictors, and thresholds between categories; a
linear fit has none. A parameter that is one number for all rows is the scale of a fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from mixedmodels.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class OwnCoefficients:
    """The coefficients of a fit beside those of its mean.

    Attributes:
        names: (k,) all distinct: `zero_inflation.x`, `dispersion.x`, thresholds `low|high`.
        components: (k,) what they belong to: "zi", "disp" or "thresholds".
        terms: (k,) names within the component.
        values: (k,) estimates.
        of: What gives them (..., k) of further parameters of the criterion (..., psi).
        vcov: Makes their covariance (k, k).
        scale_error: Makes the standard error of the logarithm of the scale; NaN where it has none.
    """

    names: tuple[str, ...]
    components: tuple[str, ...]
    terms: tuple[str, ...]
    values: FloatArray
    of: Callable[[FloatArray], FloatArray]
    vcov: Callable[[], FloatArray]
    scale_error: Callable[[], float]


def _no_values(psi: FloatArray) -> FloatArray:
    return np.empty((*psi.shape[:-1], 0))


def _no_covariance() -> FloatArray:
    return np.empty((0, 0))


def _unknown() -> float:
    return float("nan")


NONE = OwnCoefficients((), (), (), np.empty(0), _no_values, _no_covariance, _unknown)


@singledispatch
def own_coefficients(fitted: Any) -> OwnCoefficients:
    """The coefficients of other parameters that a fit has; none unless its kind registers some."""
    del fitted
    return NONE
