"""The distribution of responses of a fit: a family with its parameters, and zeros of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.families.base import Dispersion, Family


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Responses given the mean of the family.

    Attributes:
        family: The family.
        dispersion: Its own parameter, for all rows or by row; None where it has none.
        zero: The probability that a response is zero by a process of its own, for all rows or by
            row; None where there is none.
    """

    family: Family
    dispersion: Dispersion
    zero: float | FloatArray | None = None

    def mean(self, mu: FloatArray) -> FloatArray:
        """The mean of the response, from that of the family."""
        return mu if self.zero is None else (1.0 - self.zero) * mu

    def variance(self, mu: FloatArray, m: FloatArray) -> FloatArray:
        """The variance of the response."""
        own = self.family.variance(mu, m, self.dispersion)
        if self.zero is None:
            return own
        found: FloatArray = (1.0 - self.zero) * (own + self.zero * mu**2 / m)
        return found

    def unit_deviance(self, y: FloatArray, mu: FloatArray) -> FloatArray:
        """That of the family; squared Pearson residuals with zeros of their own."""
        if self.zero is None:
            return self.family.unit_deviance(y, mu, self.dispersion)
        return (y - self.mean(mu)) ** 2 / self.variance(mu, np.ones_like(mu))

    def draw(self, rng: np.random.Generator, mu: FloatArray, m: FloatArray) -> FloatArray:
        """Responses."""
        drawn = self.family.draw(rng, mu, m, self.dispersion)
        if self.zero is None:
            return drawn
        found: FloatArray = np.where(rng.random(len(mu)) < self.zero, 0.0, drawn)
        return found
