"""What a family of responses is to everything but the core, which has its log density.

Means and responses of a binomial family are shares; the core has successes and trials. `m` are
prior weights: trials of a binomial family, and what divides the dispersion of gamma responses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.calls import Guided
from mixedmodels.errors import MixedModelsError, ModelError, did_you_mean
from mixedmodels.families.links import LINKS, Link
from mixedmodels.spelling import spelled

DISPERSION, ZERO_INFLATION, THRESHOLDS = "dispersion", "zero_inflation", "thresholds"
"""Parameters of a distribution beside its mean, as arguments and results call them."""

Dispersion: TypeAlias = float | FloatArray | None
"""The family's own parameter: one for all rows, by row, or none."""


class Fault(NamedTuple):
    """Responses that a family cannot have.

    Attributes:
        rows: (n,) where.
        wrong: What is wrong with them.
        remedy: What to do; `{y}` stands for the response as the formula has it.
        above: Whether they are shares above 1.
    """

    rows: BoolArray
    wrong: str
    remedy: str
    above: bool = False


class Family(Guided, ABC):
    """A family of responses with its link.

    Args:
        link: Name of the link; the usual one of the family if None.

    Attributes:
        name: The family's name, for `family=`.
        links: Names of links that it takes, the usual one first.
        parameter: What its own parameter is called, or "".
        of_trials: Whether responses are successes of trials.
        counts: Whether responses are counts.
        ordered: Whether responses are ordered categories.
        with_zeros: Whether these may have zeros of their own (`zero_inflation`).
        with_all: Whether all responses are seen; of truncated counts those above zero are.
        limits: Names of families that it has at an end of its own parameter.

    Raises:
        MixedModelsError: A link that the family does not take.
    """

    _made_by_users = True

    name: ClassVar[str]
    links: ClassVar[tuple[str, ...]]
    parameter: ClassVar[str] = ""
    of_trials: ClassVar[bool] = False
    counts: ClassVar[bool] = False
    with_zeros: ClassVar[bool] = False
    with_all: ClassVar[bool] = True
    ordered: ClassVar[bool] = False
    limits: ClassVar[tuple[str, ...]] = ()

    def __init__(self, link: str | None = None) -> None:
        chosen = self.links[0] if link is None else spelled(link, self.links)
        if chosen is None:
            known = ", ".join(repr(name) for name in self.links)
            raise MixedModelsError(
                f"link is {link!r:.40}; the {self.title} family takes {known}."
                f"{did_you_mean(str(link), self.links)}"
            )
        self.link: Link = LINKS[chosen]

    @property
    def continuous(self) -> bool:
        """Whether responses have densities; counts and categories have probabilities."""
        return not (self.of_trials or self.counts or self.ordered)

    def __repr__(self) -> str:
        """The call that makes it."""
        return f"{type(self).__name__}(link={self.link.name!r})"

    def __eq__(self, other: object) -> bool:
        """Whether family and link are the same."""
        return isinstance(other, Family) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        """The hash of family and link."""
        return hash(self.__reduce__())

    def __reduce__(self) -> tuple[type[Family], tuple[str]]:
        """A link cannot be pickled, its name can."""
        return type(self), (self.link.name,)

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    @abstractmethod
    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """What responses cannot be, or None where all are possible."""

    @abstractmethod
    def variance(self, mu: FloatArray, m: FloatArray, dispersion: Dispersion) -> FloatArray:
        """Variance of a response with this mean."""

    def seen(self, mu: FloatArray, dispersion: Dispersion) -> tuple[FloatArray, FloatArray]:
        """The mean of a response that is seen, and its derivative by mu; mu where all are seen."""
        return mu, np.ones_like(mu)

    def unit_deviance(self, y: FloatArray, mu: FloatArray, dispersion: Dispersion) -> FloatArray:
        """Twice the log-likelihood that a perfect mean has more, for m = 1 and dispersion 1.

        Squared Pearson residuals where the density has no perfect mean.
        """
        found: FloatArray = (y - mu) ** 2 / self.variance(mu, np.ones_like(mu), dispersion)
        return found

    def draw(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """Responses with these means.

        Raises:
            ModelError: The family has none with one of the means.
        """
        drawn = self.possible_draws(rng, mu, m, dispersion)
        impossible = mu[np.isnan(drawn)]
        if not impossible.size:
            return drawn
        infinite = impossible[~np.isfinite(impossible)]
        extreme = infinite[0] if infinite.size else impossible.min()
        raise ModelError(
            f"Responses of the {self.title} family with the {self.link.name} link cannot be drawn: "
            f"means such as {extreme:.3g} occur where random effects or coefficients are drawn. "
            "Take a link under which every predictor has a mean (log for counts and positive "
            "responses), or a model with smaller variances."
        )

    def possible_draws(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """The same; NaN where the family has no response with a mean."""
        known = np.isfinite(mu)
        drawn = self._drawn(rng, np.where(known, mu, 0.5), m, dispersion)
        return np.where(known, drawn, np.nan)

    @abstractmethod
    def _drawn(
        self, rng: np.random.Generator, mu: FloatArray, m: FloatArray, dispersion: Dispersion
    ) -> FloatArray:
        """The same for means that are finite."""


def required(dispersion: Dispersion) -> float | FloatArray:
    """The dispersion of a family that has one."""
    assert dispersion is not None
    return dispersion


def times_log_ratio(y: FloatArray, mu: FloatArray) -> FloatArray:
    """Y log(y / mu), zero where y is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = np.where(y > 0.0, y * np.log(np.where(y > 0.0, y, 1.0) / mu), 0.0)
    return found
