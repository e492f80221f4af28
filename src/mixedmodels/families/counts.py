"""Counts: Poisson, zero-truncated Poisson, and two negative binomial families."""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import ModelError
from mixedmodels.families.base import Dispersion, Family, Fault, required, times_log_ratio

_WHOLE = 1e-6
# Mean from which on a Poisson count is a normal number to all digits.
_NORMAL = 1e15
# Least share of draws that are kept, below which truncated counts would take too long.
_LEAST_SEEN = 1e-4
# Rounds of one draw for every row after which rows get several at a time, and the most of a round.
_FEW_ROUNDS, _MOST_DRAWS = 16, 20_000
# Mean before truncation below which that of the counts seen is a series.
_NEAR = 1e-5
_TINY = np.finfo(np.float64).tiny


def poisson_counts(rng: np.random.Generator, mean: FloatArray) -> FloatArray:
    """Poisson counts with these means, of any size; NaN where a mean is negative or infinite."""
    possible = (mean >= 0.0) & np.isfinite(mean)
    large = possible & (mean > _NORMAL)
    drawn = rng.poisson(np.where(possible & ~large, mean, 0.0)).astype(np.float64)
    if large.any():
        some = mean[large]
        drawn[large] = np.round(some + np.sqrt(some) * rng.standard_normal(some.shape))
    drawn[~possible] = np.nan
    return drawn


def mixed_means(
    rng: np.random.Generator, shape: float | FloatArray, scale: float | FloatArray
) -> FloatArray:
    """Gamma numbers; NaN where shape or scale are negative."""
    possible = (np.asarray(shape) >= 0.0) & (np.asarray(scale) >= 0.0)
    drawn = rng.gamma(np.where(possible, shape, 0.0), np.where(possible, scale, 0.0))
    found: FloatArray = np.where(possible, drawn, np.nan)
    return found


class _Counts(Family):
    """Whole numbers from 0."""

    links: ClassVar[tuple[str, ...]] = ("log", "sqrt", "identity")
    counts = True
    with_zeros = True
    _least = 0.0

    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """Whole numbers, none below the least."""
        low = y < self._least
        if low.any():
            return Fault(low, f"are below {self._least:g}", self._too_low(y))
        broken = np.abs(y - np.round(y)) > _WHOLE
        if broken.any():
            return Fault(
                broken,
                "are not whole numbers",
                "Responses are counts; a rate is a count with offset(log(exposure)), and positive "
                'measurements are of the "gamma" family',
            )
        return None

    def _too_low(self, y: FloatArray) -> str:
        """What to do with responses below the least."""
        start = f"Responses are counts from {self._least:g}"
        if (y < 0.0).any():
            return f"{start}; where a negative number stands for a missing value, set it to NaN"
        return (
            f"{start}. Leave the rows of zeros out, or take a family that has them, such as "
            f'"{self.name.removeprefix("truncated_")}" with zero_inflation="~ 1"'
        )


class Poisson(_Counts):
    """Counts whose variance is their mean."""

    name = "poisson"

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The mean divided by the weight."""
        return mu / m

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """2 (y log(y / mu) - (y - mu))."""
        return 2.0 * (times_log_ratio(y, mu) - (y - mu))

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Counts around the mean."""
        return poisson_counts(rng, mu)


class TruncatedPoisson(_Counts):
    """Poisson counts of which zeros are not seen; the mean is that before truncation."""

    name = "truncated_poisson"
    links = ("log",)
    with_zeros = with_all = False
    _least = 1.0

    def seen(self, mu: FloatArray, dispersion: Dispersion) -> tuple[FloatArray, FloatArray]:
        """The mean of counts above zero; its derivative is their variance over mu."""
        mean = mu / -np.expm1(-mu)
        near = mu < _NEAR
        slope = np.where(near, 0.5 + mu / 6.0, mean * (1.0 + mu - mean) / mu)
        return np.where(near, 1.0 + 0.5 * mu, mean), slope

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The variance of the count that is seen."""
        _, slope = self.seen(mu, dispersion)
        return mu * slope / m

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The squared Pearson residual."""
        seen, _ = self.seen(mu, dispersion)
        return (y - seen) ** 2 / self.variance(mu, np.ones_like(mu), dispersion)

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """One count, and the Poisson count after the first event of the interval."""
        first = -np.log1p(rng.random(mu.shape) * np.expm1(-mu))
        return 1.0 + poisson_counts(rng, np.maximum(mu - first, 0.0))


class NegativeBinomial(_Counts):
    """Counts with variance mu + mu^2 / k; k is estimated."""

    name = "negative_binomial"
    limits = ("poisson",)
    parameter = "k"

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The mean and its square over k."""
        return (mu + mu**2 / required(dispersion)) / m

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The unit deviance for known k."""
        k = required(dispersion)
        return 2.0 * (times_log_ratio(y, mu) - (y + k) * np.log((y + k) / (mu + k)))

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Poisson counts with gamma means."""
        k = required(dispersion)
        return poisson_counts(rng, mixed_means(rng, k, mu / k))


class TruncatedNegativeBinomial(_Counts):
    """Negative binomial counts of which zeros are not seen; mean and k are those before that."""

    name = "truncated_negative_binomial"
    limits = ("truncated_poisson",)
    links = ("log",)
    parameter = "k"
    with_zeros = with_all = False
    _least = 1.0

    def _seen(self, mu: FloatArray, dispersion: Dispersion) -> tuple[FloatArray, FloatArray]:
        """The probability of a count above zero, and the mean of these."""
        k = required(dispersion)
        with np.errstate(divide="ignore", over="ignore"):
            # log(1 + mu / k), where the ratio may overflow
            positive: FloatArray = -np.expm1(-k * np.logaddexp(0.0, np.log(mu) - np.log(k)))
            return positive, mu / positive

    def seen(self, mu: FloatArray, dispersion: Dispersion) -> tuple[FloatArray, FloatArray]:
        """The mean of counts above zero, and its derivative by mu for known k."""
        k = required(dispersion)
        positive, mean = self._seen(mu, dispersion)
        none = 1.0 - positive
        slope = (positive - mu * none / (1.0 + mu / k)) / positive**2
        near, limit = mu < _NEAR, 0.5 * (1.0 + 1.0 / k)
        return np.where(near, 1.0 + limit * mu, mean), np.where(near, limit, slope)

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The variance of the count that is seen."""
        positive, seen = self._seen(mu, dispersion)
        square = mu + mu**2 / required(dispersion) + mu**2
        found: FloatArray = (square / positive - seen**2) / m
        return found

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The squared Pearson residual."""
        _, seen = self._seen(mu, dispersion)
        return (y - seen) ** 2 / self.variance(mu, np.ones_like(mu), dispersion)

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Truncated Poisson counts, their means gamma numbers of those that give one.

        Means have the gamma density times 1 - exp(-mean): small ones are drawn from the density
        times the mean, large ones from the density itself, and kept with the rest of the factor.
        """
        k, mean = np.broadcast_to(np.asarray(required(dispersion)), mu.shape).ravel(), mu.ravel()
        above = mean > 0.0
        seen = self._seen(mean[above], k[above])[0] / np.minimum(mean[above], 1.0)
        if seen.min(initial=1.0) < _LEAST_SEEN:
            raise ModelError(
                f"Truncated counts cannot be drawn: with k = {k.min():.3g} hardly any count is "
                "above zero before truncation. The variance that k stands for has no estimate; "
                'take the family "truncated_poisson".'
            )
        rate, waiting = np.empty(mu.size), np.arange(mu.size)
        rounds = itertools.count()
        tries = 1  # for every row at once
        while waiting.size:
            own, center = k[waiting], mean[waiting]
            small, shape = center < 1.0, (tries, waiting.size)
            drawn = np.maximum(rng.gamma(own + small, center / own, shape), _TINY)
            kept = rng.random(shape) * np.where(small, drawn, 1.0) < -np.expm1(-drawn)
            found, first = kept.any(axis=0), kept.argmax(axis=0)
            rate[waiting[found]] = drawn[first[found], np.flatnonzero(found)]
            waiting = waiting[~found]
            if next(rounds) > _FEW_ROUNDS:
                tries = min(2 * tries, 1 + _MOST_DRAWS // (1 + waiting.size))
        return TruncatedPoisson().draw(rng, rate.reshape(mu.shape), m, None)


class Nb1(_Counts):
    """Counts with variance mu (1 + alpha); alpha is estimated."""

    name = "nb1"
    limits = ("poisson",)
    links = ("log",)
    parameter = "alpha"

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The variance, which is proportional to the mean."""
        return mu * (1.0 + required(dispersion)) / m

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Poisson counts with gamma means."""
        alpha = required(dispersion)
        return poisson_counts(rng, mixed_means(rng, mu / alpha, alpha))
