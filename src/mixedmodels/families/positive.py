"""Measurements: gamma and inverse Gaussian above zero, and Gaussian with a link."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.families.base import Dispersion, Family, Fault, required

# The least mean and response that are drawn.
_TINY = np.finfo(np.float64).tiny


class _Positive(Family):
    """Numbers above zero."""

    links: ClassVar[tuple[str, ...]] = ("log", "inverse", "identity")
    parameter = "phi"

    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """Responses must be above zero."""
        low = y <= 0.0
        if not low.any():
            return None
        return Fault(
            low,
            "are not above zero",
            f"Responses of the {self.title} family are positive; leave these rows out or choose "
            "another family",
        )


class Gamma(_Positive):
    """Positive numbers with variance phi mu^2."""

    name = "gamma"

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """Phi mu^2 over the weight."""
        return required(dispersion) * mu**2 / m

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """2 ((y - mu) / mu - log(y / mu))."""
        found: FloatArray = 2.0 * ((y - mu) / mu - np.log(y / mu))
        return found

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Gamma numbers of shape m / phi."""
        shape = m / required(dispersion)
        possible = mu >= 0.0
        drawn = rng.gamma(shape, np.where(possible, mu, 0.0) / shape)
        found: FloatArray = np.where(possible, np.maximum(drawn, _TINY), np.nan)
        return found


class InverseGaussian(_Positive):
    """Positive numbers with variance phi mu^3."""

    name = "inverse_gaussian"
    links = ("inverse_squared", "log", "inverse", "identity")

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """Phi mu^3 over the weight."""
        return required(dispersion) * mu**3 / m

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """(y - mu)^2 / (mu^2 y)."""
        found: FloatArray = (y - mu) ** 2 / (mu**2 * y)
        return found

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Wald's distribution."""
        possible = mu >= 0.0
        drawn = rng.wald(np.where(possible, np.maximum(mu, _TINY), 1.0), m / required(dispersion))
        found: FloatArray = np.where(possible, drawn, np.nan)
        return found


class Gaussian(Family):
    """Normal responses with variance phi; with the identity link this is a linear mixed model."""

    name = "gaussian"
    links = ("identity", "log", "inverse", "sqrt")
    parameter = "phi"

    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """Every number is possible."""
        return None

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """Phi over the weight."""
        return required(dispersion) / m

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """(y - mu)^2."""
        return (y - mu) ** 2

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Normal numbers around the mean."""
        return rng.normal(mu, np.sqrt(required(dispersion) / m))
