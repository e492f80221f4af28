"""Ordered categories: cumulative models, in which thresholds cut a latent scale."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import ModelError
from mixedmodels.families.base import Dispersion, Family, Fault
from mixedmodels.families.distribution import Distribution
from mixedmodels.families.links import LINKS, MIRRORED


def _needs_thresholds() -> ModelError:
    return ModelError(
        "Ordered responses have no variance, deviance or draws by a mean alone: they depend on the "
        "thresholds. Ask the fit: fit.predict(type='prob'), fit.std_residuals(), fit.simulate()."
    )


class Ordinal(Family):
    """Ordered categories: P(y <= j) is the link's mean at threshold j less the linear predictor.

    Responses are numbers of categories, from 0. The linear predictor is on a latent scale, without
    an intercept, for which the thresholds stand.
    """

    name = "ordinal"
    links = ("logit", "probit", "cloglog", "loglog", "cauchit")
    ordered = True

    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """Numbers of categories are always possible."""
        return None

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """It depends on the thresholds.

        Raises:
            ModelError: Always.
        """
        raise _needs_thresholds()

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """It depends on the thresholds.

        Raises:
            ModelError: Always.
        """
        raise _needs_thresholds()

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """They depend on the thresholds.

        Raises:
            ModelError: Always.
        """
        raise _needs_thresholds()

    def probabilities(self, eta: FloatArray, thresholds: FloatArray) -> FloatArray:
        """(n, J) of the categories at linear predictors."""
        at = thresholds[None, :] - eta[:, None]
        ends = np.zeros((len(eta), 1))
        lower = np.hstack([ends, self.link.mean(at), ends + 1.0])
        found: FloatArray = np.diff(lower, axis=1)
        # Of a large predictor the small tail, without its complement.
        mirrored = LINKS[MIRRORED.get(self.link.name, self.link.name)]
        upper = np.hstack([ends + 1.0, mirrored.mean(-at), ends])
        return np.where(lower[:, :-1] > 0.5, -np.diff(upper, axis=1), found)


@dataclass(frozen=True, slots=True, eq=False)
class OrderedDistribution(Distribution):
    """Responses given linear predictors.

    Attributes:
        thresholds: (J - 1,) between the categories.
    """

    thresholds: FloatArray = field(default_factory=lambda: np.zeros(0))

    def probabilities(self, eta: FloatArray) -> FloatArray:
        """(n, J) of the categories."""
        assert isinstance(self.family, Ordinal)
        return self.family.probabilities(eta, self.thresholds)

    def mean(self, eta: FloatArray) -> FloatArray:
        """Expected number of the category, from 0."""
        p = self.probabilities(eta)
        found: FloatArray = p @ np.arange(p.shape[1])
        return found

    def _slopes(self, eta: FloatArray) -> FloatArray:
        """(n, J - 1) of the link at the thresholds."""
        return self.family.link.slope(self.thresholds[None, :] - eta[:, None])

    def slope(self, eta: FloatArray) -> FloatArray:
        """Derivative of the expected number by the linear predictor."""
        found: FloatArray = self._slopes(eta).sum(1)
        return found

    def shares(self, eta: FloatArray) -> FloatArray:
        """(n, J - 1) parts of `slope` by threshold; the same for all where it is zero."""
        slopes = self._slopes(eta)
        whole = slopes.sum(axis=1, keepdims=True)
        same = np.full_like(slopes, 1.0 / slopes.shape[1])
        found: FloatArray = np.divide(slopes, whole, out=same, where=whole > 0.0)
        return found

    def variance(self, eta: FloatArray, m: FloatArray) -> FloatArray:
        """The variance of the number of the category."""
        p = self.probabilities(eta)
        numbers = np.arange(p.shape[1])
        found: FloatArray = (p @ numbers**2 - (p @ numbers) ** 2) / m
        return found

    def unit_deviance(self, y: FloatArray, eta: FloatArray) -> FloatArray:
        """-2 logarithms of the probabilities of what was observed."""
        p = self.probabilities(eta)[np.arange(len(y)), y.astype(np.int64)]
        found: FloatArray = -2.0 * np.log(np.maximum(p, np.finfo(np.float64).tiny))
        return found

    def draw(self, rng: np.random.Generator, eta: FloatArray, m: FloatArray) -> FloatArray:
        """Numbers of categories."""
        upper = np.cumsum(self.probabilities(eta), axis=1)[:, :-1]
        found: FloatArray = (rng.random(len(eta))[:, None] > upper).sum(axis=1).astype(np.float64)
        return found
