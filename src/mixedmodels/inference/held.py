"""A criterion minimised with one parameter held, as the core gives it for fits of either kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, Protocol

from mixedmodels._core import ProfileCurve
from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import Fitted
from mixedmodels.inference.parameters import Kind


class CorePoint(Protocol):
    """A constrained minimum."""

    @property
    def at(self) -> float:
        """What is held."""

    @property
    def deviance(self) -> float:
        """Value of the criterion."""

    @property
    def slope(self) -> float:
        """Its derivative by what is held."""

    @property
    def theta(self) -> FloatArray:
        """(m,) there."""

    @property
    def start(self) -> FloatArray:
        """Where a search without anything held would begin."""

    @property
    def sigma(self) -> float:
        """The parameter of the scale of rows."""

    @property
    def beta(self) -> FloatArray:
        """(p,) coefficients there."""

    @property
    def others(self) -> FloatArray:
        """(k,) coefficients of other parameters than the mean there."""

    @property
    def converged(self) -> bool:
        """Whether the minimum was found."""

    @property
    def fell(self) -> bool:
        """Whether a search for it was given up far below the optimum."""


class Core(Protocol):
    """What minimises a criterion with one parameter held."""

    @property
    def optimum(self) -> CorePoint:
        """The optimum of the fit."""

    @property
    def curvature(self) -> float:
        """Second derivative of the minimised criterion there."""

    @property
    def n_value(self) -> int:
        """Evaluations of the criterion so far."""

    def solve(self, held: float, thorough: bool = False) -> CorePoint:
        """The constrained minimum at a value."""


@singledispatch
def core_of(fitted: Any, threads: int) -> Callable[[Kind, tuple[int, ...]], Core]:
    """What makes of a kind and a place of a parameter its core."""
    raise NotImplementedError(type(fitted))


@core_of.register
def _(fitted: Fitted, threads: int) -> Callable[[Kind, tuple[int, ...]], Core]:
    templates = fitted.model.templates
    places = zip(templates.groups, templates.term_offsets, templates.sizes, strict=True)
    terms = list(map(list, places))
    theta = fitted.solution.axes_theta

    def made(kind: Kind, place: tuple[int, ...]) -> Core:
        return ProfileCurve(fitted.model.analysis, terms, kind, list(place), theta, threads)

    return made
