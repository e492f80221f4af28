"""Links: from the linear predictor to the mean, back, and the slope of the mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.lazy import late_module

if TYPE_CHECKING:
    from scipy import special as _special
else:
    _special = late_module("scipy.special")

Map = Callable[[FloatArray], FloatArray]

KEEP_SIGN = ("inverse", "inverse_squared")
"""Links whose predictors have one sign."""
NODES = 40
"""Nodes of `mean_over`, which is exact for polynomials of twice the degree."""

# Probability of predictors without a mean that are left out of a mean over predictors.
_MOST_LOST = 1e-3
# exp overflows beyond it.
_LARGEST = 700.0


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A link.

    Attributes:
        name: Its name.
        mean: The mean from the linear predictor.
        predictor: The linear predictor from the mean.
        slope: Derivative of the mean by the linear predictor.
    """

    name: str
    mean: Map
    predictor: Map
    slope: Map

    def mean_and_slope(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, as limits are taken back from the scale of the predictor."""
        return self.mean(eta), self.slope(eta)


def _exp(eta: FloatArray) -> FloatArray:
    found: FloatArray = np.exp(np.minimum(eta, _LARGEST))
    return found


def _expit(eta: FloatArray) -> FloatArray:
    found: FloatArray = _special.expit(eta)
    return found


def _logit(mu: FloatArray) -> FloatArray:
    found: FloatArray = _special.logit(mu)
    return found


def _normal(eta: FloatArray) -> FloatArray:
    found: FloatArray = _special.ndtr(eta)
    return found


def _quantile(mu: FloatArray) -> FloatArray:
    found: FloatArray = _special.ndtri(mu)
    return found


def _density(eta: FloatArray) -> FloatArray:
    found: FloatArray = np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi)
    return found


def _cauchit_slope(eta: FloatArray) -> FloatArray:
    return 1.0 / (np.pi * (1.0 + eta**2))


def _quiet(of: Map) -> Map:
    """The same; NaN or infinite without a warning at predictors that have no mean."""

    def found(eta: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return of(eta)

    return found


def mean_over(
    link: Link,
    eta: FloatArray,
    sd: float | FloatArray,
    mean: Callable[[FloatArray], FloatArray] | None = None,
) -> FloatArray:
    """The mean over normal predictors, by quadrature.

    Args:
        link: The link.
        eta: (n,) means of the predictors.
        sd: Their standard deviation; one, or (n,).
        mean: The mean at a predictor, where it is not that of the link.

    Returns:
        (n,); NaN where too many predictors have no mean, or not the sign of those of the link.
    """
    x, weight = np.polynomial.hermite_e.hermegauss(NODES)
    at = eta[:, None] + np.broadcast_to(sd, eta.shape)[:, None] * x
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        means = (mean or link.mean)(at)
        lost = np.isnan(means)
        if link.name in KEEP_SIGN:
            lost |= at * eta[:, None] <= 0.0
        share = np.where(lost, 0.0, weight / weight.sum())
        whole = share.sum(axis=1)
        found: FloatArray = np.where(lost, 0.0, means * share).sum(axis=1) / whole
    found[whole < 1.0 - _MOST_LOST] = np.nan
    return found


LINKS: dict[str, Link] = {
    link.name: link
    for link in (
        Link("logit", _expit, _logit, lambda eta: _expit(eta) * _expit(-eta)),
        Link("probit", _normal, _quantile, _density),
        Link(
            "cloglog",
            lambda eta: -np.expm1(-_exp(eta)),
            lambda mu: np.log(-np.log1p(-mu)),
            lambda eta: _exp(eta - _exp(eta)),
        ),
        Link(
            "loglog",
            lambda eta: np.exp(-_exp(-eta)),
            lambda mu: -np.log(-np.log(mu)),
            lambda eta: _exp(-eta - _exp(-eta)),
        ),
        Link(
            "cauchit",
            lambda eta: np.arctan2(1.0, -eta) / np.pi,
            lambda mu: np.tan(np.pi * (mu - 0.5)),
            _cauchit_slope,
        ),
        Link("log", _exp, np.log, _exp),
        Link("identity", lambda eta: eta, lambda mu: mu, np.ones_like),
        Link(
            "inverse",
            _quiet(lambda eta: 1.0 / eta),
            lambda mu: 1.0 / mu,
            _quiet(lambda eta: -1.0 / eta**2),
        ),
        Link("sqrt", lambda eta: eta**2, np.sqrt, lambda eta: 2.0 * eta),
        Link(
            "inverse_squared",
            _quiet(lambda eta: 1.0 / np.sqrt(eta)),
            lambda mu: 1.0 / mu**2,
            _quiet(lambda eta: -0.5 * eta**-1.5),
        ),
    )
}
"""All links by name."""

MIRRORED = {"cloglog": "loglog", "loglog": "cloglog"}
"""Links of which one less the mean is the mean of another at the predictor's negative."""
