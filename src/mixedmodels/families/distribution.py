"""The distribution of responses of a fit: a family with its parameters, and zeros of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.families.base import Dispersion, Family
from mixedmodels.values import quick


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Responses given linear predictors.

    Attributes:
        family: The family.
        dispersion: Its own parameter, for all rows or by row; None where it has none.
        zero: The probability that a response is zero by a process of its own, for all rows or by
            row; None where there is none.
    """

    family: Family
    dispersion: Dispersion
    zero: float | FloatArray | None = None

    def mean(self, eta: FloatArray) -> FloatArray:
        """The mean of the response at linear predictors."""
        seen, _ = self.family.seen(self.family.link.mean(eta), self.dispersion)
        return seen if self.zero is None else (1.0 - self.zero) * seen

    def slope(self, eta: FloatArray) -> FloatArray:
        """Derivative of the mean by the linear predictor."""
        link = self.family.link
        slope = link.slope(eta) * self.family.seen(link.mean(eta), self.dispersion)[1]
        return slope if self.zero is None else (1.0 - self.zero) * slope

    def mean_and_slope(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The mean and its derivative, for transformed limits."""
        return self.mean(eta), self.slope(eta)

    def variance(self, eta: FloatArray, m: FloatArray) -> FloatArray:
        """The variance of the response."""
        mu = self.family.link.mean(eta)
        own = self.family.variance(mu, m, self.dispersion)
        if self.zero is None:
            return own
        with np.errstate(over="ignore"):  # infinite, where means are larger than 1e154
            found: FloatArray = (1.0 - self.zero) * (own + self.zero * mu**2 / m)
        return found

    def unit_deviance(self, y: FloatArray, eta: FloatArray) -> FloatArray:
        """That of the family; squared Pearson residuals with zeros of their own."""
        if self.zero is None:
            return self.family.unit_deviance(y, self.family.link.mean(eta), self.dispersion)
        left = y - self.mean(eta)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = left**2 / self.variance(eta, np.ones_like(eta))
        # Where a zero is certain, the variance is zero and nothing is left of a zero.
        return np.where(left == 0.0, 0.0, found)

    def draw(self, rng: np.random.Generator, eta: FloatArray, m: FloatArray) -> FloatArray:
        """Responses.

        Raises:
            ModelError: The family has none at one of the predictors.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            mu = self.family.link.mean(eta)
        drawn = self.family.draw(rng, mu, m, self.dispersion)
        if self.zero is None:
            return drawn
        found: FloatArray = np.where(rng.random(len(eta)) < self.zero, 0.0, drawn)
        return found
