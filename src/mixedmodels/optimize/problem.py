"""What every method of minimisation is given: the criterion of one fit, its limits and trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.objective import Objective
from mixedmodels.settings import Control

Ending: TypeAlias = Literal["done", "stalled", "max_evaluations"]

Trace: TypeAlias = tuple[tuple[float, FloatArray], ...]
"""Criterion and theta (m,) of every iteration."""


class Watch(Protocol):
    """Is told of iterations while a search runs."""

    @property
    def every(self) -> float:
        """Seconds between two calls that are enough for it; with 0 it is told of all."""

    def __call__(self, iteration: int, objective: float, theta: FloatArray) -> None:
        """Iteration, criterion and theta (m,)."""


class Idle(Protocol):
    """Entries of theta that the criterion does not depend on."""

    @property
    def dead(self) -> BoolArray:
        """(m,) which."""

    def settled(self, theta: FloatArray) -> FloatArray:
        """A theta of the same criterion with zero there."""


@dataclass(slots=True, eq=False)
class Problem:
    """The criterion of one fit over theta along the axes; the caller holds the objective's lock.

    Attributes:
        objective: Criterion and workspace.
        reml: Which criterion.
        control: Limits and tolerances.
        watch: Is told of iterations, with theta as users know it, or None.
        trace: Criterion and theta of every iteration.
        best: Lowest criterion seen and its theta.
    """

    objective: Objective
    reml: bool
    control: Control
    watch: Watch | None = None
    trace: list[tuple[float, FloatArray]] = field(default_factory=list)
    best: tuple[float, FloatArray] | None = None

    def begin(self) -> None:
        """Forget the search before."""
        self.trace = []
        self.best = None

    @property
    def m(self) -> int:
        """Length of theta."""
        return self.objective.templates.m

    @property
    def lower_bounds(self) -> FloatArray:
        """(m,) 0 for diagonal entries, -inf for the others."""
        return self.objective.templates.lower_bounds

    def value(self, theta: FloatArray) -> float:
        """The criterion at theta, remembering the best; infinite where it cannot be computed."""
        found = self.objective.evaluator.value(np.ascontiguousarray(theta), self.reml)
        if np.isnan(found):
            return np.inf
        if self.best is None or found < self.best[0]:
            self.best = (found, np.array(theta))
        return found

    def gradient(self) -> FloatArray:
        """The gradient (m,) at the theta of the last `value`."""
        gradient: FloatArray = self.objective.evaluator.gradient(self.reml)
        return gradient

    def report(self, value: float, theta: FloatArray) -> None:
        """Note one iteration."""
        if self.watch is not None:
            self.watch(len(self.trace), value, self.objective.from_axes(theta))
        self.trace.append((value, theta.copy()))


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """Where a method stopped.

    Attributes:
        theta: (m,) its best point.
        ending: Whether it thinks it is done.
        message: In its own words.
        start: (m,) where it began.
    """

    theta: FloatArray
    ending: Ending
    message: str
    start: FloatArray
