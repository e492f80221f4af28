"""Shares: binomial responses, and beta responses between 0 and 1."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.families.base import Dispersion, Family, Fault, required, times_log_ratio

_PROBABILITIES = ("logit", "probit", "cloglog", "cauchit", "log", "identity")
# Largest distance of successes from a whole number that counts as rounding of share times trials.
_WHOLE = 1e-6


_FORMS = (
    "A binomial response is 0 or 1, a column of two categories, a share with the number of trials "
    "as weights=, or cbind(successes, failures)"
)
_NOT_COUNTED = 'Shares that are not of counted trials are of family="beta"'
_ROUNDED = (
    "Where shares were rounded, write cbind(successes, failures) with the counts themselves, such "
    "as cbind(round({y} * n), n - round({y} * n)) with n for the trials, without weights="
)
_PERCENTAGES = "If they are percentages, divide them by 100"
_MORE = "Where a share is above 1 there are more successes than trials"
# Percentages rarely are all below this, and shares by mistake rarely above.
_LARGE = 20.0
_RATINGS = 'Ratings and other ordered categories are of family="ordinal"'
# Different whole numbers up to which they may be ratings, such as those from 0 to 10.
_MOST_CATEGORIES = 11


def _are_above(y: FloatArray) -> bool:
    """Whether numbers may be shares of which some are above 1."""
    return bool((y >= 0.0).all() and (y > 1.0).any())


def _too_large(y: FloatArray) -> str:
    """What numbers that should be shares may be, or nothing."""
    if not _are_above(y):
        return ""
    if y.max() > 100.0 or y.max() <= 2.0:
        return f"{_MORE}. "
    return f"{_PERCENTAGES}. " if y.max() > _LARGE else f"{_MORE}. {_PERCENTAGES}. "


def _are_ratings(y: FloatArray) -> bool:
    """Whether numbers may stand for ordered categories: whole ones, and few of them differ."""
    return bool((y == np.round(y)).all()) and np.unique(y).size <= _MOST_CATEGORIES


def _remedy_outside(y: FloatArray, m: FloatArray) -> str:
    """What to do with responses that are not shares."""
    values = np.unique(y)
    whole = bool((y >= 0.0).all() and (y == np.round(y)).all())
    if values.size == 2:
        return f"One of the two values is success: write I({{y}} == {values[1]:g}) as the response"
    if whole and not (m == 1.0).all() and (y <= m).all():
        return (
            "Beside the number of trials as weights= the response is a share: write successes / "
            "trials, or cbind(successes, trials - successes) without weights="
        )
    ratings = f"{_RATINGS}. " if _are_ratings(y) else ""
    if whole:
        return (
            f'{ratings}Counts without a number of trials are of family="poisson" or '
            f'"negative_binomial" (family is "binomial" where it is not given). {_FORMS}'
        )
    if ratings:
        return f"{ratings}{_FORMS}"
    return f"{_too_large(y)}{_FORMS}"


def _not_whole(m: FloatArray) -> tuple[str, str]:
    """What is wrong with shares that do not make whole numbers of successes, and what to do."""
    if (m == 1.0).all():
        return (
            "are shares, not whole numbers of successes",
            "Give the number of trials as weights=, or write cbind(successes, failures). "
            + _NOT_COUNTED,
        )
    return (
        "are not whole numbers of successes in their trials",
        "weights= is the number of trials here. " + _ROUNDED,
    )


class Binomial(Family):
    """Successes of trials: 0 or 1, two categories, shares with trials as weights, two columns."""

    name = "binomial"
    links = _PROBABILITIES
    of_trials = True

    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """Successes are whole numbers between 0 and the trials."""
        outside = (y < 0.0) | (y > m * (1.0 + 1e-12))
        if outside.any():
            return Fault(
                outside,
                "are not shares between 0 and 1",
                _remedy_outside(y / m, m),
                _are_above(y / m),
            )
        broken = np.abs(y - np.round(y)) > _WHOLE * np.maximum(m, 1.0)
        if broken.any():
            return Fault(broken, *_not_whole(m))
        return None

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The variance of a share."""
        return mu * (1.0 - mu) / m

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """The unit deviance of a share."""
        return 2.0 * (times_log_ratio(y, mu) + times_log_ratio(1.0 - y, 1.0 - mu))

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Numbers of successes."""
        trials = np.round(m).astype(np.int64)
        return rng.binomial(trials, np.clip(mu, 0.0, 1.0)).astype(np.float64)


class Beta(Family):
    """Shares of a whole strictly between 0 and 1: variance mu (1 - mu) / (1 + precision)."""

    name = "beta"
    links = ("logit", "probit", "cloglog", "cauchit")
    parameter = "precision"

    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """Responses must be inside the unit interval."""
        outside = (y <= 0.0) | (y >= 1.0)
        if not outside.any():
            return None
        return Fault(
            outside,
            "are not between 0 and 1, both excluded",
            _RATINGS
            if _are_ratings(y) and (y > 1.0).any()
            else _PERCENTAGES
            if _are_above(y) and 2.0 < y.max() <= 100.0
            else "Beta responses are shares strictly inside the interval; (y (n - 1) + 0.5) / n "
            "moves zeros and ones inside. Shares of counted trials are of the binomial family",
            _are_above(y),
        )

    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """Weights repeat a row; they leave its variance alone."""
        return mu * (1.0 - mu) / (1.0 + required(dispersion))

    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Kept off 0 and 1."""
        phi = required(dispersion)
        tiny = np.finfo(np.float64).tiny
        drawn = rng.beta(np.maximum(mu * phi, tiny), np.maximum((1.0 - mu) * phi, tiny))
        found: FloatArray = np.clip(drawn, tiny, 1.0 - np.finfo(np.float64).epsneg)
        return found
