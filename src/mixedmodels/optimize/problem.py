"""What every method of minimisation is given: a criterion, limits and a trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.base import Criterion, Watch
from mixedmodels.settings import Control

Ending: TypeAlias = Literal["done", "stalled", "max_evaluations"]

Trace: TypeAlias = tuple[tuple[float, FloatArray], ...]
"""Criterion and parameters (m,) of every iteration."""


@dataclass(slots=True, eq=False)
class Problem:
    """A criterion to minimise: counts evaluations, and keeps the best point and the trace.

    Attributes:
        criterion: What is minimised.
        control: Limits and tolerances.
        watch: Is notified of iterations, or None.
        trace: Criterion and parameters of every iteration.
        best: Lowest criterion seen and its parameters.
        n_value: Evaluations of the criterion.
        n_gradient: Evaluations of its gradient.
    """

    criterion: Criterion
    control: Control
    watch: Watch | None = None
    trace: list[tuple[float, FloatArray]] = field(default_factory=list)
    best: tuple[float, FloatArray] | None = None
    n_value: int = 0
    n_gradient: int = 0
    _last: tuple[float, FloatArray] | None = None

    def begin(self) -> None:
        """Begin a new search; the counts go on."""
        self.trace = []
        self.best = None

    @property
    def m(self) -> int:
        """Number of parameters."""
        return len(self.criterion.names)

    @property
    def lower_bounds(self) -> FloatArray:
        """(m,) lower bounds of the parameters."""
        return self.criterion.lower_bounds

    def value(self, par: FloatArray) -> float:
        """The criterion, remembering the best; infinite where it cannot be computed."""
        if self._last is not None and np.array_equal(par, self._last[1]):
            return self._last[0]
        self.n_value += 1
        at = np.array(par, dtype=np.float64)
        found = self.criterion.value(at)
        if np.isnan(found):
            found = np.inf
        elif self.best is None or found < self.best[0]:
            self.best = (found, at)
        self._last = (found, at)
        return found

    def gradient(self, par: FloatArray) -> FloatArray:
        """The gradient (m,)."""
        self.n_gradient += 1
        return self.criterion.gradient(np.ascontiguousarray(par))

    def report(self, value: float, par: FloatArray) -> None:
        """Note one iteration."""
        if self.watch is not None:
            self.watch(len(self.trace), value, self.criterion.to_user(par))
        self.trace.append((value, par.copy()))


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """Where a method stopped.

    Attributes:
        par: (m,) its best point.
        ending: Whether it thinks it is done.
        message: In its own words.
        start: (m,) where it began.
    """

    par: FloatArray
    ending: Ending
    message: str
    start: FloatArray
