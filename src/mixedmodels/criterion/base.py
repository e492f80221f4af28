"""What a search needs of a criterion, and what a criterion gives at one point; no implementation.

A criterion is a function of parameters `par`, in coordinates that suit a search. They may differ
from the parameters that users know: `to_user` and `from_user` convert. What depends on `par` is
read from a `Point`, which `at` makes; the point evaluates the criterion and holds its workspace.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy.typing as npt

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.settings import Control
from mixedmodels.values import quick


class Watch(Protocol):
    """Is notified of iterations while a search runs."""

    @property
    def every(self) -> float:
        """Least seconds between two calls; 0 asks for a call at every iteration."""

    def __call__(self, iteration: int, objective: float, theta: FloatArray) -> None:
        """Iteration, criterion and parameters (m,) as users know them."""


class Idle(Protocol):
    """Parameters that the criterion does not depend on, as users know them."""

    @property
    def dead(self) -> BoolArray:
        """(m,) which."""

    def settled(self, theta: FloatArray) -> FloatArray:
        """Parameters with the same criterion and with zero there."""


@quick
@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to search for the minimum of a criterion.

    Attributes:
        control: Limits and tolerances.
        restart: Whether to go on from a point that is neither an optimum nor a saddle.
        own_starts: Whether to search from the criterion's own starts beside a given one.
        watch: Is notified of iterations, or None.
        idle: Parameters without influence, or None.
    """

    control: Control
    restart: bool = True
    own_starts: bool = False
    watch: Watch | None = None
    idle: Idle | None = None


class Found(Protocol):
    """The end of a search, with a second-order check of whether it is an optimum."""

    @property
    def par(self) -> FloatArray:
        """(m,) the parameters found."""

    @property
    def start(self) -> FloatArray:
        """(m,) where the search that counts began, as users know the parameters."""

    @property
    def ended(self) -> str:
        """How the last search ended: converged, stalled, max_evaluations, lost or not_finite."""

    @property
    def predicted(self) -> float:
        """Decrease of the criterion that the model of the search predicts there."""

    @property
    def decrement(self) -> float:
        """Decrease that gradient and Hessian predict there."""

    @property
    def max_gradient(self) -> float:
        """Largest absolute gradient over the parameters that may move."""

    @property
    def saddle(self) -> bool:
        """Whether a direction of negative curvature is left."""

    @property
    def values(self) -> FloatArray:
        """(k,) criterion of every iteration."""

    @property
    def trace(self) -> FloatArray:
        """(k, m) parameters of every iteration, as users know them."""

    @property
    def n_value(self) -> int:
        """Evaluations of the criterion."""

    @property
    def n_gradient(self) -> int:
        """Evaluations of its gradient."""


class Point(Protocol):
    """The criterion at one point; it can be read inside its `with` only."""

    @property
    def par(self) -> FloatArray:
        """(m,) the parameters."""

    @property
    def value(self) -> float:
        """The criterion; NaN where it cannot be computed."""

    def gradient(self) -> FloatArray:
        """(m,) gradient."""

    def hessian(self) -> FloatArray:
        """(m, m) second derivatives."""


class Criterion(Protocol):
    """A function to minimise, with its gradient, bounds, units and starts."""

    @property
    def names(self) -> tuple[str, ...]:
        """(m,) names of the parameters."""

    @property
    def lower_bounds(self) -> FloatArray:
        """(m,) lower bounds of the parameters, -inf where there is none."""

    def at_bound(self, par: FloatArray) -> bool:
        """Whether one of the parameters (m,) is at its lower bound."""

    @property
    def unit(self) -> FloatArray:
        """(m,) natural units of the parameters."""

    def typical_size(self, start: FloatArray) -> FloatArray:
        """(m,) expected sizes of the parameters near a start; positive."""

    def to_user(self, par: FloatArray) -> FloatArray:
        """(..., m) parameters as users know them."""

    def from_user(self, values: FloatArray) -> FloatArray:
        """(..., m) parameters of the search."""

    def start_from(self, given: npt.ArrayLike) -> FloatArray:
        """(m,) a start that a user gave, within the bounds.

        Raises:
            MixedModelsError: It cannot be used.
        """

    def starts(self) -> list[FloatArray]:
        """One or more starts (m,) of the criterion's own."""

    def value(self, par: FloatArray) -> float:
        """The criterion; NaN where it cannot be computed."""

    def gradient(self, par: FloatArray) -> FloatArray:
        """(m,) gradient."""

    def hessian(self, par: FloatArray) -> FloatArray:
        """(m, m) second derivatives."""

    def search(self, start: FloatArray | None, settings: SearchSettings) -> Found:
        """The minimum, searched from a start, or from the criterion's own starts if None."""

    def settle(self, par: FloatArray, settings: SearchSettings, *, spent: bool) -> Found:
        """The minimum, from where another method stopped.

        Args:
            par: (m,) where it stopped.
            settings: How to search on from there if it is not an optimum.
            spent: Whether the method has used up its evaluations.
        """

    def at(self, par: FloatArray) -> AbstractContextManager[Point]:
        """The criterion evaluated at a point, which nothing else moves inside the `with`."""
