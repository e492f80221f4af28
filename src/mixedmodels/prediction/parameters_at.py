"""Parameters of the distribution at the rows of a target, and on which of them a mean depends.

A mean depends on the linear predictor, on the probability of zeros of their own, and of truncated
counts on the dispersion. Its error is, in units of the linear predictor, that of the sum of all
these predictors, each times the ratio of the mean's derivatives by it and by the linear one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design.rebuild import new_rows, rebuild_part
from mixedmodels.estimates.components import Component, exponential, of_role, probability
from mixedmodels.estimates.generalized import GeneralizedFitted, GeneralizedModel
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION
from mixedmodels.families.distribution import Distribution
from mixedmodels.families.links import Link

# Step of a difference in the logarithm of a dispersion, and the slope, relative to the mean, which
# is rounding.
_STEP, _ROUNDING = 1e-4, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class OtherPredictor:
    """A predictor of a mean beside the linear one.

    Attributes:
        role: "zero_inflation" or "dispersion".
        values: (n,) the predictor.
        slopes: (n, k) its derivatives by psi.
    """

    role: str
    values: FloatArray
    slopes: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class MeanCurve:
    """The mean as a function of the linear predictor, or of the link of an average.

    Attributes:
        link: The link.
        zero: The probability of zeros of their own, for all rows or by row; None where there is
            none.
    """

    link: Link
    zero: float | FloatArray | None = None

    def of_mean(self, mu: FloatArray) -> FloatArray:
        """(n,) means of all responses, of those that are not zeros of their own."""
        return mu if self.zero is None else (1.0 - self.zero) * mu

    def mean(self, eta: FloatArray) -> FloatArray:
        """(n,) means."""
        return self.of_mean(self.link.mean(eta))

    def slope(self, eta: FloatArray) -> FloatArray:
        """(n,) their derivatives."""
        slope = self.link.slope(eta)
        return slope if self.zero is None else (1.0 - self.zero) * slope

    def mean_and_slope(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, for transformed limits."""
        return self.mean(eta), self.slope(eta)


def mean_components(model: GeneralizedModel) -> tuple[Component, ...]:
    """The components on which the means of responses depend."""
    roles = [ZERO_INFLATION] + [DISPERSION] * (not model.family.with_all)
    return tuple(part for part in model.components if part.role in roles)


def predictor_at(fitted: GeneralizedFitted, component: Component, data: Any) -> float | FloatArray:
    """The predictor of a component at rows of data, or of the fit if None."""
    psi = fitted.solution.psi
    if data is None or component.part is None:
        return component.predictor(psi)
    return component.predictor(psi, rebuild_part(component.part, new_rows(data)))


def distribution_at(fitted: GeneralizedFitted, data: Any) -> Distribution:
    """The distribution of responses at rows of data, or of the fit if None."""
    components = fitted.model.components
    own, zeros = (of_role(components, role) for role in (DISPERSION, ZERO_INFLATION))
    return Distribution(
        fitted.model.family,
        None if own is None else exponential(predictor_at(fitted, own, data)),
        None if zeros is None else probability(predictor_at(fitted, zeros, data)),
    )


def other_predictors(
    fitted: GeneralizedFitted, components: tuple[Component, ...], data: Any, n: int
) -> tuple[OtherPredictor, ...]:
    """Predictors of components at the n rows of data, or of the fit if None."""
    return tuple(_other(fitted, part, data, n) for part in components)


def _other(fitted: GeneralizedFitted, component: Component, data: Any, n: int) -> OtherPredictor:
    psi = fitted.solution.psi
    columns = np.ones((n, 1))
    if component.part is not None and component.products is not None:
        part = component.part
        X = part.X if data is None else rebuild_part(part, new_rows(data))
        columns = X[:, component.products.kept]
    slopes = np.zeros((n, len(psi)))
    slopes[:, component.place] = columns
    return OtherPredictor(component.role, columns @ psi[component.place], slopes)


def mean_ratios(
    of: Distribution,
    curve: Distribution | MeanCurve,
    eta: FloatArray,
    others: tuple[OtherPredictor, ...],
) -> FloatArray:
    """(n, 1 + c) derivatives of means by their predictors, over those by the linear one."""
    found = np.ones((len(eta), 1 + len(others)))
    mean, slope = curve.mean_and_slope(eta)
    for j, other in enumerate(others, start=1):
        if other.role == ZERO_INFLATION:
            # (1 - zero) is in the mean and its slope, and cancels.
            found[:, j] = -np.asarray(probability(other.values)) * mean / slope
        else:
            by_own = _by_dispersion(of, eta, other.values)
            found[:, j] = np.where(np.abs(by_own) <= _ROUNDING * mean, 0.0, by_own / slope)
    return found


def _by_dispersion(of: Distribution, eta: FloatArray, predictor: FloatArray) -> FloatArray:
    """(n,) derivatives of the mean by the logarithm of the dispersion, by differences."""
    steps = (_STEP, -_STEP)
    high, low = (
        Distribution(of.family, exponential(predictor + step), of.zero).mean(eta) for step in steps
    )
    slope: FloatArray = (high - low) / (2.0 * _STEP)
    return slope
