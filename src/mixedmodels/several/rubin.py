"""Rubin's rules for any function of the coefficients, as a method of tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.unknown import PartlyKnown, variances_of_rows
from mixedmodels.inference.degrees import Degrees


class Rubin(Degrees):
    """Tests by the total covariance, with the degrees of freedom of Barnard and Rubin.

    Args:
        methods: The method of tests of every fit.
    """

    def __init__(self, methods: Sequence[Degrees]) -> None:
        estimates = np.stack([method.beta for method in methods])
        self.m = len(methods)
        self.within: FloatArray = np.mean([method.vcov for method in methods], axis=0)
        # From the first one on, so that equal estimates have no variance in floating point either.
        moved = estimates - estimates[0]
        self.between = np.cov(moved.T, ddof=1).reshape(self.within.shape)
        self.method = methods[0].method
        self.source = f"pooled over {self.m} imputations"
        self._methods = tuple(methods)
        total = self.within + (1.0 + 1.0 / self.m) * self.between
        sigma = float(np.sqrt(np.mean([method.sigma**2 for method in methods])))
        super().__init__(estimates[0] + moved.mean(axis=0), total, sigma)
        self._within = self._complete()
        if isinstance(self._within, PartlyKnown):
            known = self._within.known + (1.0 + 1.0 / self.m) * self.between
            self.partly = PartlyKnown(known, self._within.undetermined)

    def _complete(self) -> FloatArray | PartlyKnown:
        """`within`, with what fits know of it where they do not know all."""
        every = [method.covariance for method in self._methods]
        unknown = [of for one in every if isinstance(one, PartlyKnown) for of in one.undetermined]
        if not unknown:
            return self.within
        known = [one.known if isinstance(one, PartlyKnown) else one for one in every]
        mean: FloatArray = np.mean(known, axis=0)
        return PartlyKnown(mean, tuple(unknown))

    def riv(self, L: FloatArray) -> FloatArray:
        """(k,) relative increase of the variance of the rows of L beta by what is missing."""
        within = variances_of_rows(L, self._within)
        between = np.einsum("ki,ij,kj->k", L, self.between, L)
        with np.errstate(divide="ignore", invalid="ignore"):
            increase: FloatArray = (1.0 + 1.0 / self.m) * between / within
        return increase

    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """By Barnard and Rubin, complete data having the mean of the fits' own degrees."""
        complete = np.mean([method.of_rows(L, share) for method in self._methods], axis=0)
        return pooled_df(self.riv(L), self.m, complete)


def pooled_df(riv: FloatArray, m: int, complete: FloatArray) -> FloatArray:
    """Barnard and Rubin's degrees of freedom, from those of complete data; either may be infinite.

    Args:
        riv: (p,) relative increase of the variance.
        m: Number of imputations.
        complete: (p,) degrees of freedom without missing values.
    """
    share = riv / (1.0 + riv)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = share**2 / (m - 1.0)
        observed = complete * (1.0 - 2.0 / (complete + 3.0)) * (1.0 - share)
        inverse = inverse + np.where(np.isinf(complete), 0.0, 1.0 / observed)
        df: FloatArray = 1.0 / inverse
    return df
